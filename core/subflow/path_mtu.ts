/**
 * Which packets pass a path: the search for the largest (RFC 4821 §7, RFC 8899 §5). Sizes are those of whole IP packets, in bytes. What is in use has
 * always passed, or is small enough for nearly every path; a larger one is tried by a probe. Routers may tell what they take (RFC 1191, RFC 8201).
 */

import type { Micros } from "../plugin.ts";

/** Least packet that everybody takes (RFC 9293 §3.7.1: MSS 536; RFC 8200 §5). No less is used, whatever anybody says. */
export const LEAST_PACKET = { 4: 576, 6: 1280 } as const;
/** Passes nearly every path (RFC 8899 §5.1.2). */
const BASE_PACKET = { 4: 1200, 6: 1280 } as const;
/** Probes of one size that are lost before it counts as too large (RFC 8899 §5.1.2). */
const MAX_PROBES = 3;
/** What was found is believed so long before something larger is tried (RFC 1191 §6.3, RFC 8201 §4, RFC 8899 §5.1.1 PMTU_RAISE_TIMER). */
export const RAISE_TIMER: Micros = 600e6;

/** Packets that links and tunnels take, as far as a search knows; between two of them it is not worth a probe (RFC 4821 §7.3). */
const COMMON = [
  576,
  1006,
  1200,
  1280,
  1320,
  1360,
  1400,
  1420,
  1440,
  1460,
  1480,
  1492,
  1500,
  2002,
  4352,
  8166,
  9000,
  17914,
  32000,
  65535,
];

/** Routers that tell no size: the next that a link may have (RFC 1191 §7.1). */
const PLATEAUS = [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 576];

/** Where a search stands (RFC 8899 §5.2). */
type State =
  /** The base size is in use, and it is not known whether it passes. */
  | { readonly kind: "base" }
  /** Not even that did: the least size is in use. */
  | { readonly kind: "error" }
  /** Something larger is tried, for the time after `due`. */
  | { readonly kind: "searching"; readonly due: Micros }
  /** Nothing larger is tried until then. */
  | { readonly kind: "complete"; readonly until: Micros };

/** What a router's word led to. */
export type TooBig =
  /** It says nothing new, or nothing that can be true. */
  | "ignored"
  /** The size in use is less from now on. */
  | "lower"
  /** The probe under way is too large. */
  | "probe";

/** The next size below `bytes` that a link may have (RFC 1191 §5). */
export function plateauBelow(bytes: number): number {
  for (const plateau of PLATEAUS) if (plateau < bytes) return plateau;
  return PLATEAUS.at(-1)!;
}

/** What is sent when packets of `size` are lost and small ones are not; 0: nothing smaller is tried. No packet is larger than `most`. */
export function refugeBelow(family: 4 | 6, most: number, size: number): number {
  const base = BASE_PACKET[family];
  if (size > base) return base;
  const least = LEAST_PACKET[family];
  return size > least && most > least ? least : 0;
}

/** The search on one path. */
export class PathSearch {
  /** What is sent. */
  #size: number;
  /** What link and peer allow. */
  readonly #most: number;
  readonly #family: 4 | 6;
  readonly #least: number;
  readonly #base: number;
  /** Nothing larger is believed to pass. */
  #top: number;
  /** It was told, or is what the ends allow: worth a probe of its own. */
  #topTold = true;
  /** Tried before all else; 0: nothing is. */
  #first = 0;
  /** Probes of the size tried now that were lost. */
  #lost = 0;
  #state: State;

  /** Packets of `family` up to `most`, `size` of which are in use; the search begins at `until`, or with what is too large for the path. */
  constructor(family: 4 | 6, most: number, size: number, until: Micros) {
    this.#most = most;
    this.#family = family;
    this.#least = Math.min(most, LEAST_PACKET[family]);
    this.#base = most > BASE_PACKET[family] ? BASE_PACKET[family] : this.#least;
    this.#size = this.#top = Math.max(this.#least, Math.min(size, most));
    this.#state = { kind: "complete", until };
  }

  /** What is sent. */
  get size(): number {
    return this.#size;
  }

  /** Where it stands. */
  get kind(): State["kind"] {
    return this.#state.kind;
  }

  /** How long the size in use is to be believed; null while it is looked for. */
  get until(): Micros | null {
    return this.#state.kind === "complete" ? this.#state.until : null;
  }

  /** What is tried next was in use before packets were lost, which may have been a pause of the path; or the largest that may pass is tried for the last time. */
  get regains(): boolean {
    return this.#first > this.#size || (this.#topTold && this.#lost === MAX_PROBES - 1);
  }

  /** Begins small and tries what is larger, whether anything was lost or not. */
  beginSmall(): void {
    this.#size = this.#base;
    this.#top = this.#most;
    this.#state = { kind: "base" };
  }

  /** The size of the packet to be tried now; 0: none. What was sent so far has passed. */
  probe(now: Micros): number {
    const state = this.#state;
    if (state.kind === "complete") {
      if (now < state.until || this.#size >= this.#most) return 0;
      this.#limit(this.#most, true);
    } else if (state.kind === "searching" && now < state.due) return 0;
    if (state.kind !== "searching") this.#state = { kind: "searching", due: now };
    const probe = this.#first > this.#size ? this.#first : this.#candidate();
    if (probe > this.#size) return probe;
    this.#complete(now);
    return 0;
  }

  /** Takes `top` for the largest that may pass. */
  #limit(top: number, told: boolean): void {
    this.#top = top;
    this.#topTold = told;
    this.#first = 0;
    this.#lost = 0;
  }

  /** What is tried next, above the size in use; 0: nothing is left. */
  #candidate(): number {
    if (this.#topTold) return this.#top;
    const between = COMMON.filter((size) => size > this.#size && size <= this.#top);
    return between[between.length >> 1] ?? 0;
  }

  #complete(now: Micros): void {
    this.#state = { kind: "complete", until: now + RAISE_TIMER };
  }

  /** A probe of `size` has come through (RFC 4821 §7.6.1). */
  passed(size: number, now: Micros): void {
    if (size <= this.#size) return;
    // A path that takes more than what nearly every one does has paused, as it seems: what was in use at first is worth one more probe.
    const regains = this.#topTold && this.regains;
    this.#size = size;
    this.#lost = regains ? MAX_PROBES - 1 : 0;
    if (size >= this.#top) this.#complete(now);
  }

  /** A probe of `size` was lost, and nothing else (RFC 4821 §7.6.2); the next may go after `pause`. */
  failed(size: number, pause: Micros, now: Micros): void {
    if (this.#state.kind === "complete") return;
    if (++this.#lost >= MAX_PROBES) this.#limit(Math.max(this.#size, size - 1), false);
    this.#state = { kind: "searching", due: now + pause };
  }

  /** More was lost than a probe: it tells nothing (RFC 4821 §7.6.4). */
  inconclusive(pause: Micros, now: Micros): void {
    if (this.#state.kind === "searching") this.#state = { kind: "searching", due: now + pause };
  }

  /**
   * A router has dropped a packet of ours as larger than `mtu`; `probe`: the size that is tried now, 0 for none. Sizes below the least that every path
   * takes lead to that one (RFC 8201 §4 has them discarded, which is the caller's).
   */
  tooBig(mtu: number, probe: number, now: Micros): TooBig {
    const size = Math.max(this.#least, mtu);
    if (size >= this.#size) {
      if (size >= probe) return "ignored";
      this.#limit(size, true);
      if (size === this.#size) this.#complete(now);
      return "probe";
    }
    this.#size = size;
    this.#limit(size, true);
    this.#complete(now);
    return "lower";
  }

  /** Large packets are lost and small ones are not, or nothing at all has come through for long (RFC 8899 §4.3): what nearly every path takes from now on. */
  blackHole(): boolean {
    const size = this.#size;
    const refuge = refugeBelow(this.#family, this.#most, size);
    if (refuge === 0) return false;
    if (size > this.#base) {
      // It may have been a pause of the path: what was in use is tried before all else, and once.
      this.#limit(size, true);
      this.#lost = MAX_PROBES - 1;
    } else {
      this.#first = size;
      this.#lost = 0;
    }
    this.#size = refuge;
    this.#state = { kind: refuge === this.#base ? "base" : "error" };
    return true;
  }

  /** Without probes what was found ages, and all is tried anew (RFC 1191 §6.3). */
  age(now: Micros): boolean {
    const { until } = this;
    if (until === null || now < until || this.#size >= this.#most) return false;
    this.#size = this.#most;
    this.#limit(this.#most, true);
    return true;
  }
}
