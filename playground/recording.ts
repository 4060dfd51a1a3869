/** What is shown of a run: every packet, from when it is put on its link until it comes out or is lost. */

import type { TraceRecord } from "../core/link/sim/trace.ts";

/** What became of a packet. */
export const FATES = ["arrived", "lost", "under way"] as const;
const ARRIVED = 0;
const LOST = 1;
const UNDER_WAY = 2;

/** What a packet is. */
export const KINDS = ["new data", "data sent again", "no data"] as const;
const NEW = 0;
const AGAIN = 1;
const NO_DATA = 2;

/** All packets of a run, in the order in which they were sent; columns, so that they move between threads at once. */
export interface Packets {
  readonly count: number;
  /** Microseconds. */
  readonly sent: Float64Array;
  /** Microseconds: when it came out, or was lost. */
  readonly over: Float64Array;
  /** Index of its link. */
  readonly link: Uint8Array;
  /** 1: from the server to the phone. */
  readonly down: Uint8Array;
  /** Index in `FATES`. */
  readonly fate: Uint8Array;
  /** Index in `KINDS`. */
  readonly kind: Uint8Array;
}

/** Most packets that are shown: what comes later is left out. */
const MOST = 200_000;

/** Writes a run down. */
export class Recorder {
  readonly #links: readonly string[];
  readonly #client: string;
  #size = 1024;
  #count = 0;
  #columns: Omit<Packets, "count">;
  /** Packets under way, by what is in them: two copies of one come out in their order. */
  readonly #open = new Map<string, number[]>();
  /** Highest sequence number sent of each flow. */
  readonly #highest = new Map<string, number>();

  /** @param links Names of those that are shown, in order. @param client Name of the host that data go to. */
  constructor(links: readonly string[], client: string) {
    this.#links = links;
    this.#client = client;
    this.#columns = columns(this.#size);
  }

  /** Takes what happens to packets. */
  readonly trace = (record: TraceRecord): void => {
    const { event, link, from, bytes, at } = record;
    if (!this.#links.includes(link)) return;
    const key = keyOf(link, from, bytes);
    if (event === "send") {
      if (this.#count >= MOST) return;
      const index = this.#add();
      const { sent, over, fate, kind, down } = this.#columns;
      this.#columns.link[index] = this.#links.indexOf(link);
      sent[index] = at;
      over[index] = Infinity;
      fate[index] = UNDER_WAY;
      down[index] = from === this.#client ? 0 : 1;
      kind[index] = this.#kindOf(key.flow, bytes);
      const same = this.#open.get(key.packet);
      if (same === undefined) this.#open.set(key.packet, [index]);
      else same.push(index);
      return;
    }
    const indices = this.#open.get(key.packet);
    const index = indices?.shift();
    if (index === undefined) return;
    if (indices!.length === 0) this.#open.delete(key.packet);
    this.#columns.over[index] = at;
    this.#columns.fate[index] = event === "receive" ? ARRIVED : LOST;
  };

  /** All of it. */
  get packets(): Packets {
    const count = this.#count;
    const { sent, over, link, down, fate, kind } = this.#columns;
    return {
      count,
      sent: sent.slice(0, count),
      over: over.slice(0, count),
      link: link.slice(0, count),
      down: down.slice(0, count),
      fate: fate.slice(0, count),
      kind: kind.slice(0, count),
    };
  }

  #add(): number {
    if (this.#count === this.#size) {
      this.#size *= 2;
      const wider = columns(this.#size);
      for (const name of Object.keys(wider) as (keyof typeof wider)[]) {
        wider[name].set(this.#columns[name] as never);
      }
      this.#columns = wider;
    }
    return this.#count++;
  }

  #kindOf(flow: string, bytes: Uint8Array): number {
    const header = (bytes[0]! & 15) * 4;
    const payload = bytes.length - header - (bytes[header + 12]! >> 4) * 4;
    if (payload <= 0) return NO_DATA;
    const seq = word(bytes, header + 4);
    const highest = this.#highest.get(flow);
    // Sequence numbers wrap (RFC 9293 §3.4).
    if (highest !== undefined && (seq - highest | 0) < 0) return AGAIN;
    this.#highest.set(flow, seq + payload >>> 0);
    return NEW;
  }
}

function columns(size: number): Omit<Packets, "count"> {
  return {
    sent: new Float64Array(size),
    over: new Float64Array(size),
    link: new Uint8Array(size),
    down: new Uint8Array(size),
    fate: new Uint8Array(size),
    kind: new Uint8Array(size),
  };
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

/** What tells a packet from others: its direction, ports, numbers, options and length. */
function keyOf(link: string, from: string, bytes: Uint8Array): { flow: string; packet: string } {
  const header = (bytes[0]! & 15) * 4;
  const flow = `${link} ${from} ${word(bytes, header)}`;
  const end = Math.min(bytes.length, header + 60);
  let packet = `${flow} ${bytes.length}`;
  // From the sequence number to the end of the options.
  for (let at = header + 4; at + 4 <= end; at += 4) packet += ` ${word(bytes, at).toString(36)}`;
  return { flow, packet };
}
