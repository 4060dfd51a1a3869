/** What middleboxes keep of connections: by the addresses and ports of their segments, without garbage for each. */

import { u8 } from "../../../../wasm/mod.ts";
import type { TcpSegment } from "./segment.ts";

/** Two addresses of 16 octets, where those of IPv4 take 4, and two ports. */
const KEY = 36;
const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5 | 0;

interface Row<T> {
  readonly key: Uint8Array;
  readonly value: T;
  next: Row<T> | null;
}

const scratch = new Uint8Array(KEY);

/** Addresses and ports of the packet at `ip` as a key: from source to destination, or with `back` the other way. */
function writeKey(ip: number, tcp: number, back: boolean, into: Uint8Array): Uint8Array {
  into.fill(0);
  const four = u8[ip]! >> 4 === 4;
  const at = ip + (four ? 12 : 8);
  const size = four ? 4 : 16;
  const first = back ? 16 : 0;
  for (let i = 0; i < size; i++) {
    into[first + i] = u8[at + i]!;
    into[16 - first + i] = u8[at + size + i]!;
  }
  const port = back ? 34 : 32;
  into[port] = u8[tcp]!;
  into[port + 1] = u8[tcp + 1]!;
  into[66 - port] = u8[tcp + 2]!;
  into[67 - port] = u8[tcp + 3]!;
  return into;
}

function hashOf(key: Uint8Array): number {
  let hash = FNV_BASIS;
  for (let i = 0; i < KEY; i++) hash = Math.imul(hash ^ key[i]!, FNV_PRIME);
  // 30 bits are a small integer everywhere.
  return hash >>> 2;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < KEY; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Connections a box has room for; one more takes the place of the oldest, as in boxes. */
const MOST = 65536;

/** Connections and what belongs to them. */
export class FlowTable<T> {
  readonly #rows = new Map<number, Row<T>>();
  #size = 0;

  /** The key of a segment's connection, to be kept. */
  static key({ ip, tcp }: TcpSegment, back: boolean): Uint8Array {
    return writeKey(ip, tcp, back, new Uint8Array(KEY));
  }

  /** The key of the packet at `ip`, whose ports are at `tcp`, to be kept. */
  static keyAt(ip: number, tcp: number, back: boolean): Uint8Array {
    return writeKey(ip, tcp, back, new Uint8Array(KEY));
  }

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** What belongs to the connection of a segment; with `back`, one that goes against the direction in which it was added. */
  find(segment: TcpSegment, back: boolean): T | undefined {
    return this.get(writeKey(segment.ip, segment.tcp, back, scratch));
  }

  /** Adds what belongs to the connection of a segment, in place of what did. */
  add(segment: TcpSegment, back: boolean, value: T): void {
    this.put(writeKey(segment.ip, segment.tcp, back, scratch), value);
  }

  /** Takes out what belongs to the connection of a segment. */
  remove(segment: TcpSegment, back: boolean): void {
    this.drop(writeKey(segment.ip, segment.tcp, back, scratch));
  }

  /** By its key. */
  get(key: Uint8Array): T | undefined {
    for (let row = this.#rows.get(hashOf(key)) ?? null; row !== null; row = row.next) {
      if (same(row.key, key)) return row.value;
    }
    return undefined;
  }

  /** Adds by key, which is copied. */
  put(key: Uint8Array, value: T): void {
    this.drop(key);
    if (this.#size >= MOST) {
      for (const oldest of this.#rows.values()) {
        this.drop(oldest.key);
        break;
      }
    }
    const hash = hashOf(key);
    this.#rows.set(hash, { key: key.slice(), value, next: this.#rows.get(hash) ?? null });
    this.#size++;
  }

  /** Takes out by key. */
  drop(key: Uint8Array): void {
    const hash = hashOf(key);
    const head = this.#rows.get(hash) ?? null;
    let last: Row<T> | null = null;
    for (let row = head; row !== null; last = row, row = row.next) {
      if (!same(row.key, key)) continue;
      this.#size--;
      if (last !== null) last.next = row.next;
      else if (row.next !== null) this.#rows.set(hash, row.next);
      else this.#rows.delete(hash);
      return;
    }
  }

  /** Takes out those for which `gone` gives true. */
  sweep(gone: (value: T) => boolean): void {
    for (const row of [...this.#rows.values()]) {
      for (let each: Row<T> | null = row; each !== null;) {
        const { key, value, next } = each as Row<T>;
        if (gone(value)) this.drop(key);
        each = next;
      }
    }
  }

  /** Takes out all. */
  clear(): void {
    this.#rows.clear();
    this.#size = 0;
  }
}
