/** Whether to go on with something that pays at some times and costs at others: by what came of it lately. */

/** Weight of the latest outcome. */
const WEIGHT = 1 / 8;
/** Share of tries that have to pay. */
const ENOUGH = 1 / 2;
/**
 * Where too few do, one chance in so many is taken all the same, as what did not pay may pay again: at first, and when that has not paid again and again. Who
 * has other things to do, as a proxy with its sockets, waits for each of them in vain.
 */
const CHANCES = [16, 128] as const;

/** A bet that can be taken again and again. */
export class Bet {
  #share = 1;
  #passed = 0;
  #chances: number = CHANCES[0];

  /** Whether to take this chance; whoever does so tells how it ended. */
  take(): boolean {
    if (this.#share >= ENOUGH) return true;
    this.#passed++;
    if (this.#passed < this.#chances) return false;
    this.#passed = 0;
    return true;
  }

  /** How it ended. */
  settle(won: boolean): void {
    if (won) this.#chances = CHANCES[0];
    else if (this.#share < ENOUGH) this.#chances = Math.min(CHANCES[1], 2 * this.#chances);
    this.#share += ((won ? 1 : 0) - this.#share) * WEIGHT;
  }
}
