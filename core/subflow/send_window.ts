/** What the peer allows on one subflow: SND.WND, SND.WL1, SND.WL2 (RFC 9293 §3.3.1). */

/** The send window. */
export class SendWindow {
  #size = 0;
  #most = 0;
  #wl1 = 0;
  #wl2 = 0;
  /** Bytes that one of the field stands for: 2 to the power of the shift. */
  #unit = 1;

  /** Bytes that the peer allows beyond SND.UNA. */
  get size(): number {
    return this.#size;
  }

  /** The largest that it ever was: MAX.SND.WND (RFC 5961 §5.2). */
  get most(): number {
    return this.#most;
  }

  /** Shift of the windows in segments from the peer (RFC 7323 §2.3). */
  get scale(): number {
    return 31 - Math.clz32(this.#unit);
  }

  /** The window of a SYN, which is never scaled (RFC 7323 §2.2), and the shift of those that follow. */
  begin(window: number, scale: number): void {
    this.#size = window;
    this.#unit = 1 << scale;
    this.#wl1 = this.#wl2 = 0;
  }

  /** A window in bytes, from the field of a segment. */
  scaled(field: number): number {
    return field * this.#unit;
  }

  /** Takes the window of an acceptable segment unless an older one brings it (RFC 9293 §3.10.7.4, fifth). */
  update(seq: number, ack: number, window: number): void {
    // RFC 8684 §3.3.5: "The sender MUST also remember the receive windows advertised by each subflow."
    if (this.#wl1 > seq || (this.#wl1 === seq && this.#wl2 > ack)) return;
    this.#size = window;
    if (window > this.#most) this.#most = window;
    this.#wl1 = seq;
    this.#wl2 = ack;
  }
}
