/** Whether to go on with something that pays at some times and costs at others: by what came of it lately. */

/** Weight of the latest outcome. */
const WEIGHT = 1 / 8;
/** Share of tries that have to pay. */
const ENOUGH = 1 / 2;
/** Where too few do, one chance in so many is taken all the same: what did not pay may pay again. */
const CHANCES = 16;

/** A bet that can be taken again and again. */
export class Bet {
  #share = 1;
  #passed = 0;

  /** Whether to take this chance; whoever does so tells how it ended. */
  take(): boolean {
    if (this.#share >= ENOUGH) return true;
    this.#passed++;
    if (this.#passed < CHANCES) return false;
    this.#passed = 0;
    return true;
  }

  /** How it ended. */
  settle(won: boolean): void {
    this.#share += ((won ? 1 : 0) - this.#share) * WEIGHT;
  }
}
