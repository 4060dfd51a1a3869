/** F-RTO: after a timeout new data tell whether anything was lost (RFC 5682 §2, with SACK §3). */

/** What an ACK tells: nothing yet; that two new segments shall go; that nothing was lost; that something was. */
export type FrtoVerdict = "wait" | "new" | "spurious" | "lost";

/** What one timeout has led to. */
export class Frto {
  readonly #sack: boolean;
  /** End of what the timeout has sent again; 0: nothing has left. */
  #again = 0;
  /** SND.NXT when that was acknowledged, the RecoveryPoint; 0: it was not. */
  #recover = 0;
  #asked = false;

  /** @param sack The peer reports by SACK. */
  constructor(sack: boolean) {
    this.#sack = sack;
  }

  /** Nothing else that is lost goes again meanwhile. */
  get holds(): boolean {
    return this.#again > 0;
  }

  /** What the timeout has sent again was acknowledged: another timeout begins no F-RTO (step 1). */
  get answered(): boolean {
    return this.#recover > 0;
  }

  /** New data have left. */
  get asked(): boolean {
    return this.#asked;
  }

  /** Step 1: the first segment has left again, up to `end`. */
  sentAgain(end: number): void {
    this.#again = end;
  }

  /** New data have left. */
  sentNew(): void {
    this.#asked = true;
  }

  /**
   * An ACK `ack` has come, SND.UNA before `prior`, SND.NXT is `nxt`. `duplicate`: as RFC 5681 §2 says; `delivered` bytes are reported for the first time,
   * the highest byte reported so far ends at `fack`.
   */
  onAck(
    ack: number,
    prior: number,
    nxt: number,
    duplicate: boolean,
    delivered: number,
    fack: number,
  ): FrtoVerdict {
    const advanced = ack > prior;
    if (this.#recover === 0) {
      // Step 2: with SACK duplicates only fill the scoreboard.
      if (!advanced) return duplicate && !this.#sack ? "lost" : "wait";
      if (ack >= nxt || ack < this.#again) return "lost";
      this.#recover = nxt;
      return "new";
    }
    // Step 3. Without SACK an ACK that advances acknowledges what was not sent again; with SACK it must not be of what was sent since.
    if (this.#sack ? delivered > 0 && fack <= this.#recover : advanced) return "spurious";
    return duplicate || delivered > 0 ? "lost" : "wait";
  }
}
