/** What each path of a connection carries, sampled from time to time. */

import type { Micros, MptcpConn, TcpInfo } from "../mod.ts";
import { formatRate, formatShare, formatTime } from "./output.ts";
import type { Carried } from "./progress.ts";

/** Least time over which a rate is measured. */
const INTERVAL: Micros = 200_000;

interface Row {
  name: string;
  /** Bytes carried, and sent again among them. */
  bytes: number;
  repeated: number;
  /** Bytes that went the other way. */
  back: number;
  rate: number;
  rtt: Micros;
  /** When the rate was last measured, and what had been carried then. */
  since: Micros;
  before: number;
  open: boolean;
}

/** What a subflow has carried. */
interface Count {
  readonly bytes: number;
  readonly repeated: number;
  readonly back: number;
}

/** Bytes of a path. */
export interface PathBytes {
  readonly name: string;
  readonly bytes: number;
}

/** Shares of `paths` in words: "wifi 61 %, lte 39 %". */
function sharesOf(paths: readonly PathBytes[]): string {
  const whole = paths.reduce((sum, { bytes }) => sum + bytes, 0);
  return paths.map(({ name, bytes }) => `${name} ${formatShare(bytes, whole)}`).join(", ");
}

/** The same for JSON. */
export function bytesByName(paths: readonly PathBytes[]): Record<string, number> {
  return Object.fromEntries(paths.map(({ name, bytes }) => [name, bytes]));
}

/** Figures of the paths of one connection; those of paths that have been closed are kept. */
export class PathFigures {
  readonly #conn: MptcpConn;
  readonly #direction: "sent" | "received";
  readonly #rows = new Map<number, Row>();
  /** Names of subflows, which are their links, by the peer's address of the first on each. */
  readonly #names = new Map<string, string>();
  readonly #start: Micros;
  /** Bytes of each path before the start. */
  readonly #earlier: ReadonlyMap<number, Count>;
  #segment = 0;

  /** Watches `conn`, whose bytes sent or received count, from `now` on. */
  constructor(conn: MptcpConn, direction: "sent" | "received", now: Micros) {
    this.#start = now;
    this.#conn = conn;
    this.#direction = direction;
    this.#earlier = new Map(conn.info().subflows.map(({ path, tcp }) => [path, this.#count(tcp)]));
  }

  #count(tcp: TcpInfo): Count {
    const { bytes_sent, bytes_retrans: repeated, bytes_received: received } = tcp;
    const sent = bytes_sent - repeated;
    return this.#direction === "sent"
      ? { bytes: sent, repeated, back: received }
      : { bytes: received, repeated, back: sent };
  }

  /** The link of a subflow; another one on the same link is told apart by the peer's address, or a number. */
  #name(local: string, remote: string): string {
    const { locals } = this.#conn.paths;
    const link = locals.find(({ address }) => address === local)?.link || local;
    const other = (this.#names.get(link) ?? remote) === remote ? link : `${link} to ${remote}`;
    let name = other;
    for (let count = 2; this.#names.has(name); count++) name = `${other} (${count})`;
    this.#names.set(name, remote);
    return name;
  }

  /** Reads the figures. */
  sample(now: Micros): void {
    const { subflows } = this.#conn.info();
    for (const row of this.#rows.values()) row.open = false;
    for (const { path, local, remote, tcp } of subflows) {
      let row = this.#rows.get(path);
      if (row === undefined) {
        const name = this.#name(local.address, remote.address);
        const since = this.#start;
        row = {
          name,
          bytes: 0,
          repeated: 0,
          back: 0,
          rate: 0,
          rtt: 0,
          since,
          before: 0,
          open: true,
        };
        this.#rows.set(path, row);
      }
      row.open = true;
      row.rtt = tcp.rtt;
      const { bytes, repeated, back } = this.#count(tcp);
      const earlier = this.#earlier.get(path);
      row.bytes = bytes - (earlier?.bytes ?? 0);
      row.repeated = repeated - (earlier?.repeated ?? 0);
      row.back = back - (earlier?.back ?? 0);
      this.#segment = tcp.snd_mss;
    }
    for (const row of this.#rows.values()) {
      if (now - row.since < INTERVAL) continue;
      row.rate = (row.bytes - row.before) / (now - row.since) * 1e6;
      row.since = now;
      row.before = row.bytes;
    }
  }

  /** What each path carried, as bars show it. */
  get carried(): Carried[] {
    return [...this.#rows.values()].map(({ name, bytes, rate, rtt, open }) => ({
      name,
      bytes,
      detail: open ? `${formatRate(rate)}, RTT ${formatTime(rtt)}` : "closed",
    }));
  }

  /** Bytes by path. */
  get bytes(): PathBytes[] {
    return [...this.#rows.values()].map(({ name, bytes }) => ({ name, bytes }));
  }

  /** Bytes by path, of what went the other way. */
  get back(): PathBytes[] {
    return [...this.#rows.values()].map(({ name, back }) => ({ name, bytes: back }));
  }

  /** Payload of a full segment, in bytes. */
  get segment(): number {
    return this.#segment;
  }

  /** Bytes that were sent again, on the same path or another. */
  get repeated(): number {
    let sum = this.#conn.info().mptcp.bytes_retrans;
    for (const row of this.#rows.values()) sum += row.repeated;
    return sum;
  }

  /** Shares of the paths in words: "wifi 61 %, lte 39 %". */
  get shares(): string {
    return sharesOf(this.bytes);
  }

  /** The same of both ways together. */
  get sharesOfBoth(): string {
    return sharesOf(
      [...this.#rows.values()].map(({ name, bytes, back }) => ({ name, bytes: bytes + back })),
    );
  }

  /** Whether it is an ordinary TCP connection, as the peer or the way to it does not speak MPTCP. */
  get fallback(): boolean {
    return (this.#conn.info().mptcp.flags & 1) !== 0;
  }
}
