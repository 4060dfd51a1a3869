/** Explicit congestion notification on one subflow (RFC 3168): what the SYNs have agreed on, what is echoed to the peer, and what its echoes lead to. */

import { TCP_ACK, TCP_CWR, TCP_ECE } from "../../wasm/layout.ts";

/** The two bits in the IP header (RFC 3168 §5). */
export const ECT_0 = 2;
export const ECT_1 = 1;
export const CE = 3;

/** When ECN is used: never, where the peer asks for it, or wherever the peer agrees. */
export type EcnMode = "off" | "accept" | "request";

// What went and came in SYNs, which decides on all that follows (RFC 3168 §6.1.1).
const SENT_SETUP = 1;
const SENT_PLAIN = 2;
const GOT_SETUP = 4;
const GOT_PLAIN = 8;
/** Our segments have ECE. */
const ECHOES = 16;
/** The next new data have CWR. */
const CWR_OWED = 32;
/** A packet with ECT has come. */
const SEEN = 64;
/** What the window was last reduced for was a mark. */
const BY_MARK = 256;
/** Nothing new leaves before the retransmission timer has expired. */
const QUIET = 128;
// What is asked for: neither, where it is off.
/** Our own SYN asks for it. */
const REQUESTS = 512;
/** Who asks is answered that we agree. */
const ACCEPTS = 1024;

/** Whether the SYN in hand, with `flags`, asks for ECN. */
export function asksForEcn(flags: number): boolean {
  return (flags & (TCP_ECE | TCP_CWR)) === (TCP_ECE | TCP_CWR);
}

/** What a subflow has whose window was ever reduced, or whose data were marked. */
class Answers {
  /** SND.NXT when the window was last reduced: what tells of earlier data tells nothing new. */
  until = 0;
  /** Segments acknowledged with ECE. */
  marked = 0;
  /** Bytes of them that make no whole segment yet. */
  rest = 0;
}

/** Both directions of one subflow. Sequence numbers are offsets. */
export class Ecn {
  #bits: number;
  /** Made for the first. */
  #answers: Answers | null = null;

  constructor(mode: EcnMode) {
    this.#bits = mode === "off" ? 0 : mode === "accept" ? ACCEPTS : REQUESTS | ACCEPTS;
  }

  private answers(): Answers {
    return this.#answers ??= new Answers();
  }

  // SYNs.

  /** The bits of our SYN, or with ACK of its answer, in its try `sends`. */
  opens(flags: number, sends: number): number {
    const bits = this.#bits;
    let setup: number;
    if ((flags & TCP_ACK) === 0) {
      // RFC 3168 §6.1.1.1: paths that drop such a SYN let one without through.
      setup = (bits & REQUESTS) !== 0 && sends === 0 ? TCP_ECE | TCP_CWR : 0;
    } else {
      const may = (bits & ACCEPTS) !== 0 &&
        (bits & (GOT_SETUP | GOT_PLAIN | SENT_PLAIN)) === GOT_SETUP;
      setup = may ? TCP_ECE : 0;
    }
    this.#bits |= setup === 0 ? SENT_PLAIN : SENT_SETUP;
    return setup;
  }

  /** A SYN, or an answer to ours, has come with `flags`. One that reflects what ours had is none that agrees (RFC 3168 §6.1.1.2). */
  came(flags: number): void {
    const setup = (flags & TCP_ACK) === 0
      ? asksForEcn(flags)
      : (flags & (TCP_ECE | TCP_CWR)) === TCP_ECE;
    this.#bits |= setup ? GOT_SETUP : GOT_PLAIN;
  }

  /** A SYN has been answered without anything being kept: both have agreed, or not. */
  resumed(agreed: boolean): void {
    this.#bits |= agreed ? SENT_SETUP | GOT_SETUP : SENT_PLAIN;
  }

  /** Data may leave with ECT. */
  get sends(): boolean {
    return (this.#bits & (SENT_SETUP | GOT_SETUP | SENT_PLAIN | GOT_PLAIN)) ===
      (SENT_SETUP | GOT_SETUP);
  }

  /** What comes with CE is to be echoed: a later SYN without takes nothing of that back. */
  get receives(): boolean {
    return (this.#bits & (SENT_SETUP | GOT_SETUP | GOT_PLAIN)) === (SENT_SETUP | GOT_SETUP);
  }

  /** A packet with ECT has come. */
  get seen(): boolean {
    return (this.#bits & SEEN) !== 0;
  }

  // As receiver of data.

  /** ECE in what leaves now, or 0. */
  get echo(): number {
    return (this.#bits & ECHOES) !== 0 ? TCP_ECE : 0;
  }

  /**
   * Data have come with the bits `field` in the IP header, and with CWR or without; `accurate`: ECE stands for CE on what came last (RFC 8257 §3.2), not for
   * any since the last CWR (RFC 3168 §6.1.3). True when the echo changes: what came before is to be acknowledged by the old one.
   */
  changes(field: number, cwr: boolean, accurate: boolean): boolean {
    if (field !== 0) this.#bits |= SEEN;
    const echoes = (this.#bits & ECHOES) !== 0;
    const next = field === CE || (echoes && !accurate && !cwr);
    return next !== echoes;
  }

  /** The echo is another from now on. */
  change(): void {
    this.#bits ^= ECHOES;
  }

  // As sender of data.

  /** CWR for the segment of new data that leaves next, or 0. */
  get cwr(): number {
    return (this.#bits & CWR_OWED) !== 0 ? TCP_CWR : 0;
  }

  /** It has left. */
  toldCwr(): void {
    this.#bits &= ~CWR_OWED;
  }

  /** The window was reduced, for a mark or for another reason, with SND.NXT at `nxt` (RFC 3168 §6.1.2). */
  reduced(nxt: number, byMark: boolean): void {
    this.answers().until = nxt;
    this.#bits = byMark ? this.#bits | BY_MARK : this.#bits & ~BY_MARK;
    if (this.sends) this.#bits |= CWR_OWED;
  }

  /** Whether what an ACK of all before `ack` tells belongs to the window of data that the last reduction was for. */
  answeredFor(ack: number): boolean {
    return this.#answers !== null && ack <= this.#answers.until;
  }

  /** Whether a loss, with SND.UNA at `una`, is of a window of data for which the window was reduced as it was marked. What left after that counts anew. */
  coversLoss(una: number): boolean {
    const answers = this.#answers;
    return answers !== null && una < answers.until && (this.#bits & BY_MARK) !== 0;
  }

  /** An ACK with ECE has delivered `bytes`, in segments of `segment`. Returns the segments that have come together. */
  heard(bytes: number, segment: number): number {
    const answers = this.answers();
    const all = answers.rest + bytes;
    const segments = Math.floor(all / segment);
    answers.rest = all - segments * segment;
    answers.marked += segments;
    return segments;
  }

  /** Segments acknowledged with ECE. */
  get marked(): number {
    return this.#answers === null ? 0 : this.#answers.marked;
  }

  /** A window of one segment is marked: new data wait until the retransmission timer expires (RFC 3168 §6.1.2), or no longer. */
  setQuiet(quiet: boolean): void {
    this.#bits = quiet ? this.#bits | QUIET : this.#bits & ~QUIET;
  }

  /** They wait. */
  get quiet(): boolean {
    return (this.#bits & QUIET) !== 0;
  }
}
