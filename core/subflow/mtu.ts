/** How large the segments of one subflow are (RFC 9293 §3.7.1): what the peer, our link and the path between them allow. */

import type { Micros } from "../plugin.ts";
import { LEAST_PACKET, PathSearch, plateauBelow, refugeBelow, type TooBig } from "./path_mtu.ts";
import type { MtuProbing } from "./settings.ts";
import type { Outlet, PathMemory } from "./shared.ts";

/** IPv4 and IPv6 header with a TCP header, in bytes. */
const HEADERS = { 4: 40, 6: 60 } as const;
/** MSS of a peer that names none (RFC 9293 §3.7.1). */
export const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;
/** Largest packet of Ethernet. */
const ETHERNET = 1500;
/** A few octets of MSS would make a header cost more than its data, and would not hold 40 octets of options. */
const LEAST_SEGMENT = 64;

// What holds of the segments of a subflow, as bits: each place of its own would take eight bytes of every subflow.
const IPV6 = 1;
/** No size is tried, larger or smaller. */
const UNPROBED = 2;
/** Small segments are always to be tried first. */
const BEGINS_SMALL = 4;

/** Nothing is known of any path, and nothing is kept. */
const FORGETFUL: PathMemory = { known: () => null, found() {} };

/** Segment sizes of one subflow, in bytes. */
export class Mtu {
  readonly #outlet: Outlet;
  readonly #traits: number;
  /** Bounds the segments of both directions. */
  readonly #bound: number;
  readonly #memory: PathMemory;
  #peer = 536;
  #options = 0;
  #segment = 536;
  #payload = 536;
  #refuge = 0;
  /** Null while the path takes all that link and peer allow, as far as is known. */
  #search: PathSearch | null = null;
  /** The size that a probe under way has; 0: none is. */
  #probe = 0;

  /** Of packets of `family` that leave by `outlet`; `bound` is for the segments of both directions. `memory` knows what others found out about the path. */
  constructor(
    outlet: Outlet,
    family: 4 | 6,
    bound = 65535,
    probing: MtuProbing = "blackhole",
    memory: PathMemory = FORGETFUL,
  ) {
    this.#outlet = outlet;
    this.#traits = (family === 6 ? IPV6 : 0) |
      (probing === "off" ? UNPROBED : probing === "always" ? BEGINS_SMALL : 0);
    this.#bound = bound;
    this.#memory = memory;
  }

  private family(): 4 | 6 {
    return (this.#traits & IPV6) === 0 ? 4 : 6;
  }

  private is(trait: number): boolean {
    return (this.#traits & trait) !== 0;
  }

  /** IP and TCP header without options. */
  get headers(): number {
    return (this.#traits & IPV6) === 0 ? HEADERS[4] : HEADERS[6];
  }

  /** Largest packet of the path, as far as is known. */
  get path(): number {
    return this.#search?.size ?? this.#outlet.mtu;
  }

  /** Our MSS option: what the link takes less fixed headers, never less options (RFC 9293 §3.7.1, RFC 6691), and no matter of the path (RFC 1191 §6.4). */
  get local(): number {
    return Math.min(65535, this.#bound, this.#outlet.mtu - this.headers);
  }

  /** Options and payload of a full segment: what the peer's MSS option, our link and the path allow. */
  get segment(): number {
    return this.#segment;
  }

  /** Payload of a full segment of data. */
  get payload(): number {
    return this.#payload;
  }

  /** The search for larger packets; null: there is no need of one. */
  get search(): Pick<PathSearch, "kind" | "size"> | null {
    return this.#search;
  }

  /** A larger size may be tried, now or later: not once the search has found that the largest passes. */
  get searches(): boolean {
    const search = this.#search;
    return search !== null && (search.kind !== "complete" || search.size < this.most());
  }

  /** Options and payload of the probe under way. */
  get probeSegment(): number {
    return this.#probe - this.headers;
  }

  /** Payload of the segments that are sent when larger ones are lost and small ones are not; 0: there are none that are smaller. */
  get refuge(): number {
    return this.#refuge;
  }

  /** Payload of the segments that every path takes. */
  get least(): number {
    return LEAST_PACKET[this.family()] - this.headers - this.#options;
  }

  /**
   * Most bytes of options and data in a SYN to a peer that has named `mss` before; 0: it has not. No more than an MSS of Ethernet: a larger packet may be cut
   * in pieces, or confuse a middlebox (RFC 7413 §4.1.3).
   */
  inSyn(mss: number, now: Micros): number {
    const path = this.#memory.known(now)?.mtu ?? Infinity;
    const most = Math.min(path, ETHERNET) - this.headers;
    const asked = Math.max(LEAST_SEGMENT, mss || DEFAULT_MSS[this.family()]);
    return Math.min(asked, this.local, most);
  }

  /** Takes the MSS option of a SYN; undefined when it had none, which is also what 0 means: nobody can ask for that. */
  peer(mss: number | undefined): void {
    const asked = mss || DEFAULT_MSS[this.family()];
    this.#peer = Math.max(LEAST_SEGMENT, Math.min(asked, this.local));
    this.settle();
  }

  /** Begins with what is known of the path, or with small segments where they are always to be tried first. */
  begin(now: Micros): void {
    const known = this.#memory.known(now);
    if (known !== null && known.mtu < this.most()) {
      this.#search = new PathSearch(this.family(), this.most(), known.mtu, known.until);
    } else if (this.is(BEGINS_SMALL)) {
      this.find(now).beginSmall();
    }
    this.settle();
  }

  /** Sets how many octets of options a segment of data has. */
  options(bytes: number): void {
    this.#options = bytes;
    this.settle();
  }

  /** Largest packet that link and peer allow. */
  private most(): number {
    return this.#peer + this.headers;
  }

  /** The search, which begins with the largest packets where there was none. */
  private find(now: Micros): PathSearch {
    return this.#search ??= new PathSearch(this.family(), this.most(), this.most(), now);
  }

  private settle(): void {
    const search = this.#search;
    const size = search === null ? this.most() : Math.min(search.size, this.most());
    this.#segment = size - this.headers;
    this.#payload = Math.max(1, this.#segment - this.#options);
    const refuge = this.is(UNPROBED) ? 0 : refugeBelow(this.family(), this.most(), size);
    this.#refuge = refuge > 0 ? refuge - this.headers - this.#options : 0;
  }

  /** Lets the next connections know what is certain. */
  private tell(now: Micros): void {
    const search = this.#search!;
    if (search.until !== null) {
      this.#memory.found(search.size, search.size < this.most() ? search.until : now);
    }
    this.settle();
  }

  /**
   * A router has dropped a packet of ours of `length` bytes as larger than `mtu`; 0: it is an old one, which tells no size (RFC 1191 §5). Where that is not
   * what the packet was, or less than IPv6 has at least, it cannot be true (RFC 8201 §4).
   */
  tooBig(mtu: number, length: number, now: Micros): TooBig {
    const told = mtu === 0 && this.family() === 4
      ? plateauBelow(Math.min(length, Math.max(this.path, this.#probe)))
      : mtu;
    const least = this.family() === 4 ? 68 : LEAST_PACKET[6];
    if (told < least || length <= told) return "ignored";
    if (told >= Math.max(this.#probe, Math.min(this.path, this.most()))) return "ignored";
    const outcome = this.find(now).tooBig(told, this.#probe, now);
    if (outcome === "ignored") return outcome;
    this.#probe = 0;
    this.tell(now);
    return outcome;
  }

  /** Large segments are lost and small ones are not: smaller ones from now on. False: there are none, or they are not to be tried. */
  blackHole(now: Micros): boolean {
    if (this.#refuge === 0) return false;
    this.#probe = 0;
    const shrunk = this.find(now).blackHole();
    this.settle();
    return shrunk;
  }

  /** Payload of the segment by which a larger size is to be tried now; 0: none is. */
  probeDue(now: Micros): number {
    const search = this.#search;
    if (search === null || this.#probe > 0) return 0;
    if (this.is(UNPROBED)) {
      if (search.age(now)) this.settle();
      return 0;
    }
    const { until } = search;
    const size = search.probe(now);
    if (size > 0) return size - this.headers - this.#options;
    // The search has come to its end.
    if (search.until !== until) this.tell(now);
    return 0;
  }

  /** See {@linkcode PathSearch.regains}. */
  get regains(): boolean {
    return this.#search !== null && this.#search.regains;
  }

  /** A probe of `payload` bytes is about to leave. */
  probing(payload: number): void {
    this.#probe = payload + this.headers + this.#options;
  }

  /** It has not left after all. */
  withdraw(): void {
    this.#probe = 0;
  }

  /** It came through. */
  passed(now: Micros): void {
    const search = this.#search;
    if (search !== null && this.#probe > 0) {
      search.passed(this.#probe, now);
      this.#probe = 0;
      this.tell(now);
    }
  }

  /** It was lost, and nothing else; the next may go after `pause`. */
  failed(pause: Micros, now: Micros): void {
    this.#search?.failed(this.#probe, pause, now);
    this.#probe = 0;
  }

  /** It was lost with others: that tells nothing. */
  inconclusive(pause: Micros, now: Micros): void {
    this.#search?.inconclusive(pause, now);
    this.#probe = 0;
  }
}
