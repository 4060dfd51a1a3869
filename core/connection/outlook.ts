/** What is left to send, as far as it can be known: what the application has written, and what it will write next. */

/** The outlook of one connection. Data offsets. */
export class Outlook {
  /** Where the present burst began: what came before it was acknowledged when the application wrote this. */
  #burst = 1;
  /** Bytes of the write in hand for which there was no room yet, and of all of it. */
  #rest = 0;
  #length = 0;
  /** End of the message that the application has announced. */
  #messageEnd = 0;

  /**
   * Of a write of `length` bytes, those from `from` on were to go behind `tail`, and `taken` found room. `una`: everything below is acknowledged; `message`:
   * bytes of the message that begins with this write, 0 where none is announced.
   */
  wrote(
    tail: number,
    una: number,
    length: number,
    from: number,
    taken: number,
    message: number,
  ): void {
    if (from === 0 && tail === una) this.#burst = tail;
    if (from === 0 && message > 0) this.#messageEnd = tail + message;
    this.#length = length;
    this.#rest = length - from - taken;
  }

  /** More than was written waits for room: nobody knows how much. */
  waits(): void {
    this.#length = 0;
    this.#rest = 1;
  }

  /**
   * Bytes that are still to be given to subflows, where `unsent` were written, up to `tail`.
   *
   * - A message says it itself, as does a write that waits for room and is most of the burst.
   * - A writer of many pieces whose last one waits goes on, nobody knows how long: as long again as it has written already, which is the guess that can never
   *   be wrong by more than a factor of two in what was sent in all.
   * - Else it is what was written.
   */
  left(unsent: number, tail: number): number {
    if (this.#messageEnd >= tail) return unsent + this.#messageEnd - tail;
    if (this.#rest === 0) return unsent;
    const soFar = tail - this.#burst;
    return unsent + (this.#length >= soFar ? this.#rest : Math.max(this.#rest, soFar));
  }
}
