/** Where connections to a destination begin best: what this host's addresses have found out about it, as RFC 8305 §4 has it for the addresses of a name. */

import type { FirstPathMemory, Way } from "../connection/host.ts";
import type { Micros } from "../plugin.ts";

/** How long what was found out is believed (RFC 8305 §4: what is remembered "SHOULD be flushed" when the network changes; Linux keeps such for 10 minutes). */
const KEPT: Micros = 600e6;
/** Most destinations, and most source addresses of each: above it the one that was heard of first is forgotten. */
const MOST_DESTINATIONS = 256;
const MOST_SOURCES = 16;

/** Least wait for what has answered before: RFC 8305 §5 recommends 100 ms "to avoid congestion collapse". */
const LEAST_WAIT: Micros = 100e3;
/** Least and most wait of all: "MUST have a lower bound of 10 milliseconds", "the maximum delay is recommended to be 2 seconds". */
const LEAST_DELAY: Micros = 10e3;
const MOST_DELAY: Micros = 2e6;

/** What came of the last try: a round trip, none while another answered, none at all. */
type Outcome =
  | { readonly kind: "answered"; readonly rtt: Micros }
  | { readonly kind: "late"; readonly times: number }
  | { readonly kind: "silent" };

/** How often in a row a way may be late before it is taken for one that does not answer: a join over it tells of a slow one that it does. */
const MOST_LATE = 2;

type Finding = Outcome & { readonly until: Micros };

/** The order of kinds, best first; what is not known stands behind what answers. */
const RANKS = { answered: 0, unknown: 1, late: 2, silent: 3 } as const;

/** Findings of a host by destination and source address. */
export class FirstPaths implements FirstPathMemory {
  readonly #found = new Map<string, Map<string, Finding>>();

  /** How many destinations there are in the table. */
  get size(): number {
    return this.#found.size;
  }

  answered({ local, remote }: Way, rtt: Micros, now: Micros): void {
    this.#enter(local.address, remote.address, { kind: "answered", rtt, until: now + KEPT });
  }

  late(way: Way, now: Micros): void {
    const before = this.#find(way, now);
    const times = before?.kind === "late" ? before.times + 1 : 1;
    const { local, remote } = way;
    this.#enter(local.address, remote.address, { kind: "late", times, until: now + KEPT });
  }

  silent({ local, remote }: Way, now: Micros): void {
    this.#enter(local.address, remote.address, { kind: "silent", until: now + KEPT });
  }

  answers(way: Way, now: Micros): boolean {
    return this.#find(way, now)?.kind === "answered";
  }

  /**
   * The ways in the order in which they are tried: what answers by its round trip, then what is not known, what was late, what was silent. Of equals each next
   * one has what was tried least: another interface and, as RFC 8305 §4 has it, another address of the destination. Where somebody has `chosen` their order,
   * only what was silent, or late each time, stands back.
   */
  order<T extends Way>(ways: readonly T[], now: Micros, chosen = false): T[] {
    const left = ways.map((way) => {
      const finding = this.#find(way, now);
      const kind = finding?.kind ?? "unknown";
      if (chosen) return { way, rank: isDead(finding) ? 1 : 0, rtt: 0 };
      return { way, rank: RANKS[kind], rtt: finding?.kind === "answered" ? finding.rtt : 0 };
    });
    const tried = new Map<string, number>();
    const times = (address: string): number => tried.get(address) ?? 0;
    const ordered: T[] = [];
    while (left.length > 0) {
      let best = 0;
      const cost = ({ way: { local, remote } }: (typeof left)[number]): number =>
        times(local.address) + times(remote.address);
      for (let i = 1; i < left.length; i++) {
        const difference = left[i]!.rank - left[best]!.rank || left[i]!.rtt - left[best]!.rtt ||
          cost(left[i]!) - cost(left[best]!);
        if (difference < 0) best = i;
      }
      const [{ way }] = left.splice(best, 1) as [(typeof left)[number]];
      for (const { address } of [way.local, way.remote]) tried.set(address, times(address) + 1);
      ordered.push(way);
    }
    return ordered;
  }

  /**
   * How long `tried` has to answer before `next` tries, too: `delay`, or twice the round trip that is remembered of it. Where nothing is known of either, and
   * all ways are as good (`eager`), as little as RFC 8305 §5 allows: a first request over a slow path costs more than a SYN. Where nothing is known of `next`, half
   * of the round trip, unless that is a few milliseconds: if it answers first it is the faster one, and either way something is known of it then.
   */
  wait(tried: Way, next: Way, delay: Micros, eager: boolean, now: Micros): Micros {
    const finding = this.#find(tried, now);
    const unknown = this.#find(next, now) === null;
    if (finding === null && unknown && eager) return Math.min(LEAST_DELAY, delay);
    if (finding?.kind !== "answered") return delay;
    const { rtt } = finding;
    if (rtt / 2 >= LEAST_DELAY && unknown) {
      return Math.min(MOST_DELAY, rtt / 2);
    }
    return Math.min(MOST_DELAY, Math.max(Math.min(LEAST_WAIT, delay), 2 * rtt));
  }

  #find({ local, remote }: Way, now: Micros): Finding | null {
    const sources = this.#found.get(remote.address);
    const finding = sources?.get(local.address);
    if (sources === undefined || finding === undefined) return null;
    if (now < finding.until) return finding;
    sources.delete(local.address);
    if (sources.size === 0) this.#found.delete(remote.address);
    return null;
  }

  #enter(local: string, remote: string, finding: Finding): void {
    const sources = this.#found.get(remote) ?? new Map<string, Finding>();
    put(sources, local, finding, MOST_SOURCES);
    put(this.#found, remote, sources, MOST_DESTINATIONS);
  }
}

function isDead(finding: Finding | null): boolean {
  if (finding?.kind === "late") return finding.times >= MOST_LATE;
  return finding?.kind === "silent";
}

/** Enters at the end, and forgets the first where there are too many. */
function put<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  for (const first of map.keys()) {
    map.delete(first);
    return;
  }
}
