/**
 * Whether MPTCP has been proved through on one subflow, in each direction, and whether the account of its bytes is right (RFC 8684 §3.3.1, §3.3.6,
 * §3.7): what mappings cover against what came, what the peer says that it has against what was acknowledged in its name.
 */

import type { Micros } from "../plugin.ts";
import { rx } from "../wire/segment.ts";
import { Spans } from "./spans.ts";

/** One direction: nothing tells yet that its MPTCP options arrive, or they did. */
export type Proof = "unproved" | "proved";

/** What is known of a byte that was acknowledged on the subflow and not by a DATA_ACK. */
export type Testimony =
  /** The peer has it below the data level: it wants for a mapping, or for a reader. */
  | "kept"
  /** Somebody else acknowledged it: the peer says that it lacks it. */
  | "lacking"
  /** The peer's segments come without options: whatever it says at the data level is lost. */
  | "mute"
  /** The peer has not been heard since, or not clearly. */
  | "unknown";

/** Segments in a row below SND.UNA that are no reordering any more (RFC 5681 §3.2 counts so). */
const CONTRADICTIONS = 3;

/** DATA_FINs that have arrived and were not heeded, before nobody is taken to see them: an ACK of ours from the same millisecond leaves the same echo. */
const ARRIVALS = 2;

/** Sequence offset of the first byte. */
const FIRST = 1;

// What holds of a subflow, as bits: each place of its own would take eight bytes of every subflow.
/** A DSS, or MP_CAPABLE with data, has come. */
const IN_PROVED = 1;
/** Every mapping so far puts bytes where plain TCP would. */
const STRAIGHT = 2;
/** The FIN that came had no MPTCP option. */
const BARE_FIN = 4;

/** What makes one doubt a path, or a peer. */
class Doubts {
  /** Segments in a row that told less than SND.UNA, and were no old ones. */
  behind = 0;
  belied = false;
  /** Segments in a row without any MPTCP option since it was asked. */
  silent = 0;
  /** There was one since MPTCP was proved. */
  lapsed = false;
  /** Segments with one since it was asked. */
  answers = 0;
  asked = false;
  probed = false;
  /** Probes that were answered, and our DATA_FIN beside them was not. */
  unheeded = 0;
  /** When the last one went beside a probe; Infinity: none did, or it is known to have arrived. */
  finAt: Micros = Infinity;
  /** How many are known to have arrived. */
  arrivals = 0;
  /** Since when bytes in order want a mapping; null while none do. */
  unmappedSince: Micros | null = null;
}

/** Trust of one subflow; proofs only move forward. Sequence numbers are offsets. */
export class Trust {
  #bits = STRAIGHT;
  /** What mappings cover; made with the first. */
  #mapped: Spans | null = null;
  #vouched = 1;
  /** End of what the peer itself takes on this subflow: where it is, and the window from there on. */
  #edge = 0;
  /** Null before the first. */
  #doubts: Doubts | null = null;

  /** From the peer to us: a DSS, or MP_CAPABLE with data, has come. */
  get in(): Proof {
    return (this.#bits & IN_PROVED) !== 0 ? "proved" : "unproved";
  }

  /** From us to the peer, and back: data were acknowledged by a segment with a DATA_ACK (RFC 8684 §3.7, first rule). */
  get out(): Proof {
    return this.#vouched > 1 ? "proved" : "unproved";
  }

  // What comes.

  /** A DSS, or MP_CAPABLE with data, has come. */
  dssCame(): void {
    this.#bits |= IN_PROVED;
  }

  /** A mapping of the sequence offsets [ssn, end) to data offset `dsn` has been learned; false when there are too many holes between mappings. */
  mappingCame(dsn: number, ssn: number, end: number): boolean {
    if (dsn !== ssn) this.#bits &= ~STRAIGHT;
    return (this.#mapped ??= new Spans(FIRST)).add(ssn, end);
  }

  /** Bytes from data offset `dsn` on leave from sequence offset `ssn` on. */
  mappingLeft(dsn: number, ssn: number): void {
    if (dsn !== ssn) this.#bits &= ~STRAIGHT;
  }

  /** Every mapping so far, of the peer's and of ours, puts bytes where plain TCP would. */
  get straight(): boolean {
    return (this.#bits & STRAIGHT) !== 0;
  }

  /** End of what mappings cover without a gap. */
  get mapped(): number {
    return this.#mapped === null ? FIRST : this.#mapped.edge;
  }

  /** Looks whether all in order below `next` are mapped: since when not, Infinity when they are. */
  audit(next: number, now: Micros): Micros {
    if (next > this.mapped) this.doubted().unmappedSince ??= now;
    else if (this.#doubts !== null) this.#doubts.unmappedSince = null;
    return this.unmappedSince;
  }

  /** Since when bytes in order want a mapping; Infinity when none do. */
  get unmappedSince(): Micros {
    return this.#doubts?.unmappedSince ?? Infinity;
  }

  /** The FIN in `rx` has come. */
  finCame(): void {
    this.#bits = rx.hasMptcp ? this.#bits & ~BARE_FIN : this.#bits | BARE_FIN;
  }

  /** It had no MPTCP option. */
  get bareFin(): boolean {
    return (this.#bits & BARE_FIN) !== 0;
  }

  // What the peer tells of what we sent.

  /**
   * The segment in `rx` acknowledges all below `ack` and allows `window` bytes more; `una` is SND.UNA before it. Unless it is `newer` than all before, it may
   * have been overtaken, and contradicts nothing. It begins at sequence offset `seq`, RCV.NXT is `next`.
   */
  heard(
    ack: number,
    una: number,
    window: number,
    newer: boolean,
    seq: number,
    next: number,
  ): void {
    const doubts = this.#doubts;
    if (ack < una && newer && ack >= this.#vouched) this.contradicted();
    else if (ack >= una && doubts !== null) doubts.behind = 0;
    if (rx.hasMptcp) {
      if (doubts !== null) {
        doubts.silent = 0;
        doubts.answers++;
      }
      if (ack + window > this.#edge) this.#edge = ack + window;
      if (ack > this.#vouched && rx.hasDss && rx.hasDataAck) this.#vouched = ack;
      // One that may have given way to SACK blocks tells nothing.
    } else if (rx.sacks === 0 && !this.needsNone(seq, next)) {
      if (doubts !== null) doubts.silent++;
      if ((this.#bits & IN_PROVED) !== 0) this.doubted().lapsed = true;
    }
  }

  /**
   * Whether the segment in `rx`, without any option, may be as the peer has sent it: data under a mapping that came with what lies before it, or comes with
   * what is missing there (RFC 8684 §3.7, "may choose to send fewer DSS options than once per segment").
   */
  private needsNone(seq: number, next: number): boolean {
    return rx.length > 0 && (seq > next || seq + rx.length <= this.mapped);
  }

  private doubted(): Doubts {
    return this.#doubts ??= new Doubts();
  }

  /** A segment has told less than SND.UNA, and may not have been overtaken. */
  private contradicted(): void {
    const doubts = this.doubted();
    if (++doubts.behind >= CONTRADICTIONS) doubts.belied = true;
  }

  /** End of what segments with a DATA_ACK have acknowledged. */
  get vouched(): number {
    return this.#vouched;
  }

  /** The peer does not have what was acknowledged in its name: a proxy is on the path, whose word counts for nothing. */
  get belied(): boolean {
    return this.#doubts !== null && this.#doubts.belied;
  }

  /**
   * Whether `nxt` is so far beyond what the peer itself has that it takes nothing from there on: what a proxy has acknowledged and dropped is a hole that
   * is never filled, and its window ends a buffer's size above it.
   */
  outOfReach(nxt: number): boolean {
    return this.belied && nxt > this.#edge;
  }

  /** The peer is being asked, by a probe or by what it should answer: what came before does not count as its answer. */
  ask(probe: boolean): void {
    const doubts = this.doubted();
    doubts.asked = true;
    doubts.probed = probe;
    doubts.answers = doubts.behind = doubts.silent = 0;
  }

  /** It was probed, and has answered with MPTCP. */
  get answered(): boolean {
    return this.#doubts !== null && this.#doubts.probed && this.#doubts.answers > 0;
  }

  /** Our DATA_FIN goes on both sides of a probe. */
  besideFin(now: Micros): void {
    this.doubted().finAt = now;
  }

  /** The echo of a segment from then, in one with MPTCP, tells that a DATA_FIN has arrived; Infinity where none is awaited. */
  get finAt(): Micros {
    return this.#doubts === null ? Infinity : this.#doubts.finAt;
  }

  /** Such an echo has come. */
  finArrived(): void {
    const doubts = this.doubted();
    doubts.finAt = Infinity;
    doubts.arrivals++;
  }

  /** How many of our DATA_FINs beside probes are known to have arrived, and were not heeded by what told so. */
  get finsArrived(): number {
    return this.#doubts === null ? 0 : this.#doubts.arrivals;
  }

  /** How many probes were answered, and our DATA_FIN beside them was not. */
  get finsUnheeded(): number {
    return this.#doubts === null ? 0 : this.#doubts.unheeded;
  }

  /** A probe was answered, and our DATA_FIN beside it was not: whether some had arrived there, or that was so `most` times. */
  finUnheeded(most: number): boolean {
    const doubts = this.doubted();
    return doubts.arrivals >= ARRIVALS || ++doubts.unheeded >= most;
  }

  /** It was asked, and no segment since had an MPTCP option, though there were some. */
  get mute(): boolean {
    const doubts = this.#doubts;
    return doubts !== null && doubts.asked && doubts.answers === 0 && doubts.silent > 0;
  }

  /** What is known of the byte at `seq`, which is acknowledged on the subflow. */
  testimony(seq: number): Testimony {
    const doubts = this.#doubts;
    const contradicts = doubts !== null && (doubts.belied || (doubts.asked && doubts.behind > 0));
    if (this.#vouched <= seq && contradicts) return "lacking";
    if (this.mute) return "mute";
    return this.#vouched > seq ? "kept" : "unknown";
  }

  /** Whether MPTCP options have begun to fail on what comes: a RST without a reason then has this one. */
  get suspect(): boolean {
    const doubts = this.#doubts;
    return doubts !== null && (doubts.unmappedSince !== null || doubts.lapsed);
  }
}
