/** The states of one TCP connection and what moves it from one to another (RFC 9293 §3.3.2, Figure 5). */

/** States of RFC 9293 §3.3.2; LISTEN belongs to listeners. */
export const CLOSED = 0;
export const SYN_SENT = 1;
export const SYN_RECEIVED = 2;
export const ESTABLISHED = 3;
export const FIN_WAIT_1 = 4;
export const FIN_WAIT_2 = 5;
export const CLOSE_WAIT = 6;
export const CLOSING = 7;
export const LAST_ACK = 8;
export const TIME_WAIT = 9;

/** Their names, by number. */
export const STATE_NAMES: readonly string[] = [
  "CLOSED",
  "SYN-SENT",
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
];

/** What moves it: an open of ours, a SYN of the peer, the end of the handshake, our FIN sent and acknowledged, the peer's FIN in order, the end. */
export type TcpEvent =
  | "open"
  | "syn"
  | "established"
  | "finSent"
  | "finAcked"
  | "fin"
  | "end";

/** Figure 5: the state after `event` in `state`, -1 where the figure has no arrow. */
function next(state: number, event: TcpEvent): number {
  switch (event) {
    case "open":
      return state === CLOSED ? SYN_SENT : -1;
    case "syn":
      // From CLOSED in place of the listener's LISTEN; from SYN-SENT when both open at once (§3.5).
      return state === CLOSED || state === SYN_SENT ? SYN_RECEIVED : -1;
    case "established":
      return state === SYN_SENT || state === SYN_RECEIVED ? ESTABLISHED : -1;
    case "finSent":
      return state === ESTABLISHED ? FIN_WAIT_1 : state === CLOSE_WAIT ? LAST_ACK : -1;
    case "finAcked":
      return state === FIN_WAIT_1
        ? FIN_WAIT_2
        : state === CLOSING
        ? TIME_WAIT
        : state === LAST_ACK
        ? CLOSED
        : -1;
    case "fin":
      return state === ESTABLISHED
        ? CLOSE_WAIT
        : state === FIN_WAIT_1
        ? CLOSING
        : state === FIN_WAIT_2
        ? TIME_WAIT
        : -1;
    case "end":
      return CLOSED;
  }
}

/** A state. There is one object of each, which the subflows that are in it share. */
export class TcpState {
  /** What each begins in. */
  static readonly closed = new TcpState(CLOSED);
  static readonly #all = STATE_NAMES.map((_, number) =>
    number === CLOSED ? TcpState.closed : new TcpState(number)
  );

  /** CLOSED to TIME_WAIT. */
  readonly number: number;

  private constructor(number: number) {
    this.number = number;
  }

  /** Where the arrow of `event` leads; null where there is none. */
  on(event: TcpEvent): TcpState | null {
    const to = next(this.number, event);
    return to < 0 ? null : TcpState.#all[to]!;
  }

  /** Nothing is sent or taken any more. */
  get closed(): boolean {
    return this.number === CLOSED;
  }

  /** Our SYN waits for an answer. */
  get synSent(): boolean {
    return this.number === SYN_SENT;
  }

  /** Our SYN/ACK waits for one. */
  get synReceived(): boolean {
    return this.number === SYN_RECEIVED;
  }

  /** The handshake is under way. */
  get opening(): boolean {
    return this.number === SYN_SENT || this.number === SYN_RECEIVED;
  }

  /** The handshake is over and nobody has sent a FIN. */
  get established(): boolean {
    return this.number === ESTABLISHED;
  }

  /** Data may be sent (RFC 9293 §3.10.2): the peer's FIN ends only its own direction. */
  get maySend(): boolean {
    return this.number === ESTABLISHED || this.number === CLOSE_WAIT;
  }

  /** The peer's FIN has come in order. */
  get peerFinished(): boolean {
    return this.number === CLOSE_WAIT || this.number === CLOSING ||
      this.number === LAST_ACK || this.number === TIME_WAIT;
  }

  /** Our FIN is sent and not acknowledged. */
  get finUnacked(): boolean {
    return this.number === FIN_WAIT_1 || this.number === CLOSING || this.number === LAST_ACK;
  }

  /** Our FIN is acknowledged, the peer's is awaited. */
  get finWait2(): boolean {
    return this.number === FIN_WAIT_2;
  }

  /** Both have finished; only what comes again is answered. */
  get timeWait(): boolean {
    return this.number === TIME_WAIT;
  }
}
