/** Flows by a string made of their key. */

/** Four or sixteen bytes an address. */
export interface FlowKey {
  /** 4 or 6. */
  readonly family: number;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
}

/** A map from flow keys to numbers. */
export class FlowTable {
  #flows = new Map<string, number>();

  /** Flows held. */
  get size(): number {
    return this.#flows.size;
  }

  /** 1, or 0 when the key is there. */
  insert(key: FlowKey, value: number): number {
    if (this.#flows.has(text(key))) return 0;
    this.#flows.set(text(key), value);
    return 1;
  }

  /** 1 when the key was there. */
  remove(key: FlowKey): number {
    return this.#flows.delete(text(key)) ? 1 : 0;
  }

  /** Its value, 0 for none. */
  find(key: FlowKey): number {
    return this.#flows.get(text(key)) ?? 0;
  }
}

function text(key: FlowKey): string {
  return `${key.family} ${key.local}:${key.localPort} ${key.remote}:${key.remotePort}`;
}
