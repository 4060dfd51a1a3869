/** Proportional rate reduction: how much may leave during a recovery (RFC 6937, RFC 9937). */

/** One recovery. */
export class Prr {
  #window = 0;
  #delivered = 0;
  #out = 0;
  readonly #flight: number;

  /** @param flight Bytes outstanding that were not SACKed before the ACK that begins the recovery. */
  constructor(flight: number) {
    this.#flight = Math.max(1, flight);
  }

  /** Bytes that may be in flight now. */
  get window(): number {
    return this.#window;
  }

  /** An ACK in recovery delivered `bytes`; `safe`: SND.UNA moved and nothing more was found lost. */
  onAck(
    bytes: number,
    pipe: number,
    ssthresh: number,
    mss: number,
    safe: boolean,
  ): void {
    this.#delivered += bytes;
    let count: number;
    if (pipe > ssthresh) {
      count = Math.ceil(this.#delivered * ssthresh / this.#flight) - this.#out;
    } else {
      count = Math.max(this.#delivered - this.#out, bytes);
      if (safe) count += mss;
      count = Math.min(ssthresh - pipe, count);
    }
    // The first one goes whatever the arithmetic says (RFC 6937 §3); two where nothing is in flight, the window of RFC 6675 §5: one would only wait for a round trip by itself.
    if (this.#out === 0) count = Math.max(count, pipe > 0 ? mss : Math.min(ssthresh, 2 * mss));
    this.#window = pipe + Math.max(0, count);
  }

  /** `bytes` left. */
  onSend(bytes: number): void {
    this.#out += bytes;
  }
}
