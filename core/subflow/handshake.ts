/** Opening a subflow: what SYN, SYN/ACK and third ACK say of MPTCP, and how often they were sent (RFC 9293 §3.5, RFC 8684 §3.1, §3.2). */

import { TCP_ACK, TCP_SYN } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import type { Key } from "../wire/mptcp.ts";
import type { Draft } from "../wire/segment.ts";
import type { FastOpen } from "./fast_open.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

/** A join gives up sooner: other paths carry the data. */
const JOIN_RETRIES = 3;
/** Third ACKs of a join sent without an answer. */
const THIRD_ACK_TRIES = 6;
/** How long copies of a SYN, or of its answer, are not answered once one was. */
const COPY_WAIT: Micros = 500e3;
/** Copies answered in all: more than an honest peer sends by itself, twice. */
const MOST_COPIES = 16;
/** The MPTCP option of a handshake, with what both sides have told so far. */
export type SynOption =
  | { readonly kind: "plain" }
  | {
    readonly kind: "capable";
    /** CAPABLE_* bits. */
    readonly flags: number;
    /** How often a SYN, or SYN/ACK, goes again with it before one goes without. */
    readonly repeats: number;
    readonly own: Key;
    /** Null while unknown. */
    readonly peer: Key | null;
  }
  | {
    readonly kind: "join";
    /** The B flag. */
    readonly backup: boolean;
    /** Id of our address. */
    readonly addressId: number;
    /** The peer's token. */
    readonly token: number;
    /** Our random number, and the peer's. */
    readonly nonce: number;
    readonly peerNonce: number;
    /** Our HMAC, whole; null while the peer's random number is unknown. */
    readonly mac: Uint8Array | null;
  };

/** What a SYN offers of TCP itself. */
export interface SynOffer {
  /** Its MSS option, or what stands for one. */
  readonly mss: number;
  /** SACK is permitted (RFC 2018 §2). */
  readonly sack: boolean;
  /** Shift of the windows in further segments of its sender; -1: no window is scaled (RFC 7323 §2). */
  readonly scale: number;
  /** It asks for ECN, and was told that we use it (RFC 3168 §6.1.1). */
  readonly ecn: boolean;
}

/** No MPTCP option. */
export const PLAIN: SynOption = Object.freeze({ kind: "plain" });

/** One handshake. */
export class Handshake {
  #option: SynOption;
  readonly #retries: number;
  #sends = 0;
  #begunAt: Micros = 0;
  #sentAt: Micros = 0;
  #copiedAt: Micros = -Infinity;
  #copies = 0;
  /** What was sent has gone again, as it had gone nowhere. */
  #gone = false;
  #ackOwed = false;
  #fastOpen: FastOpen | null = null;
  /** The SYN that is answered has asked for MPTCP. */
  #asked = true;
  /** What is sent next is no try of ours: it answers a copy, or takes the place of what has gone nowhere. */
  #answering = false;
  /** The peer has shown that it goes on with MPTCP. */
  #spoken = false;

  /** @param option What the first segment says. @param retries How often that goes again. */
  constructor(option: SynOption, retries: number = DEFAULT_SETTINGS.synRetries) {
    this.#option = option;
    this.#retries = option.kind === "join" ? Math.min(JOIN_RETRIES, retries) : retries;
  }

  /** What is said now. */
  get option(): SynOption {
    return this.#option;
  }

  /** SYNs, SYN/ACKs and repeated third ACKs sent by ourselves: answers to copies do not count. */
  get sends(): number {
    return this.#sends;
  }

  /** When the first SYN or SYN/ACK left. */
  get begunAt(): Micros {
    return this.#begunAt;
  }

  /** When the last SYN or SYN/ACK left by ourselves. */
  get sentAt(): Micros {
    return this.#sentAt;
  }

  /** A SYN went without the MP_CAPABLE of those before it. */
  get triedPlain(): boolean {
    return this.#option.kind === "capable" && this.#sends > this.#option.repeats + 1;
  }

  /**
   * Whether what is sent now by ourselves has `repeats` before it with MP_CAPABLE, and goes without. A path may drop what has that option, SYNs or SYN/ACKs;
   * what to do then RFC 8684 §3.1 leaves to local policy.
   * RFC 8684 §3.1: "an implementation MAY choose to attempt sending MPTCP options more than one time before making
   * this decision to operate as regular TCP". From then on they take turns, where Linux stays without: what was lost for another reason may still become MPTCP.
   */
  #goesPlain(repeats: number): boolean {
    return this.#sends > repeats && (this.#sends - repeats) % 2 === 1;
  }

  /** The link refused the third ACK: it is still to be sent. */
  get ackOwed(): boolean {
    return this.#ackOwed;
  }

  /** Whether it is given up rather than sent again. */
  get exhausted(): boolean {
    return this.#sends > this.#retries;
  }

  /** The Fast Open of what is sent now: what goes again has neither data nor the option, as a path may have swallowed it for these (RFC 7413 §4.2.2). */
  get fastOpen(): FastOpen | null {
    return this.#sends === 0 ? this.#fastOpen : null;
  }

  /** The first SYN, or SYN/ACK, has what `fastOpen` says. */
  carry(fastOpen: FastOpen | null): void {
    this.#fastOpen = fastOpen;
  }

  /** The peer has told more, or that there is no MPTCP. */
  learn(option: SynOption): void {
    this.#option = option;
  }

  /** A SYN has come again, with MP_CAPABLE or without: where it has none the answer MUST NOT have one (RFC 8684 §3.1). What holds, the third ACK tells. */
  asked(capable: boolean): void {
    this.#asked = capable;
  }

  /** The peer goes on with MPTCP, and only its key is wanted: no SYN/ACK goes without the option any more. */
  spoken(): void {
    this.#spoken = true;
  }

  /** A SYN or SYN/ACK has left. */
  sent(now: Micros): void {
    if (this.#sends++ === 0) this.#begunAt = now;
    this.#sentAt = now;
  }

  /** It was sent once, by ourselves or as an answer to a copy: what answers it tells a round trip. */
  get sentOnce(): boolean {
    return this.#sends === 1 && this.#copiedAt === -Infinity && !this.#gone;
  }

  /** What was sent has gone nowhere, as is known: it goes again as it first was, which is no further try. */
  goAgain(): void {
    this.#gone = true;
    this.#answering = true;
  }

  /** Whether what has come again is answered now: the first copy is, our answer may be lost; then one in half a second (Linux tcp_invalid_ratelimit). */
  mayAnswer(now: Micros): boolean {
    if (now - this.#copiedAt < COPY_WAIT || this.#copies >= MOST_COPIES) return false;
    this.#copiedAt = now;
    this.#copies++;
    this.#answering = true;
    return true;
  }

  /** The third ACK is to be sent again; false when it was often enough. */
  again(): boolean {
    return ++this.#sends <= THIRD_ACK_TRIES;
  }

  /** The third ACK has left, or not. */
  acked(left: boolean): void {
    this.#ackOwed = !left;
  }

  /** Writes the option for a segment with `flags`. Counted is what began, not what goes again: as Linux does. */
  write(draft: Draft, flags: number, count: (name: string) => void): void {
    const option = this.#option;
    const syn = (flags & TCP_SYN) !== 0;
    const ack = (flags & TCP_ACK) !== 0;
    const answering = this.#answering;
    this.#answering = false;
    if (option.kind === "capable") {
      const { repeats } = option;
      if (!syn) {
        // RFC 8684 §3.1: "it MUST include the MP_CAPABLE on the first ACK, but without the additional data parameters"
        if (option.peer !== null) draft.capable(option.flags, option.own, option.peer);
      } else if (ack) {
        // RFC 8684 §3.1: "If a SYN does not contain an MP_CAPABLE option, the SYN/ACK MUST NOT contain one in response."
        const plain = !answering && this.#goesPlain(repeats);
        if (this.#spoken || (this.#asked && !plain)) draft.capable(option.flags, option.own);
        // RFC 8684 §3.1: "an implementation MAY choose to attempt sending MPTCP options more than one time before making this decision to
        // operate as regular TCP"
        // RFC 8684 §3.9.3: "a host SHOULD fall back to trying regular TCP SYNs after one or more failures of MPTCP SYNs for a connection"
      } else if (!answering && this.#goesPlain(repeats)) {
        if (this.#sends === repeats + 1) count("MPCapableSYNTXDrop");
      } else {
        if (this.#sends === 0) count("MPCapableSYNTX");
        draft.capable(option.flags);
      }
    } else if (option.kind === "join") {
      const { backup, addressId, token, nonce, mac } = option;
      if (syn && !ack) {
        if (this.#sends === 0) count("MPJoinSynTx");
        draft.joinSyn(backup, addressId, token, nonce);
      } else if (mac !== null) {
        if (syn) draft.joinSynAck(backup, addressId, mac.subarray(0, 8), nonce);
        else draft.joinAck(mac.subarray(0, 20));
      }
    }
  }
}
