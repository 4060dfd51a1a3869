/** Elements in the order of their ends, found by bisection: added behind, taken off in front, never moved between. */

/** Slots of a ring that has just begun. */
const FEWEST_SLOTS = 4;
/** Those of every ring that holds nothing yet; nothing is ever put into them. */
const NO_SLOTS: undefined[] = [];
/** Slots of rings that hold nothing, to be lent again, by the logarithm of their number: idle connections have none. Larger ones are garbage. */
const MOST_KEPT = 64;
const unused: undefined[][][] = Array.from({ length: Math.log2(MOST_KEPT) + 1 }, () => []);
const MOST_UNUSED = 1000;

function borrow(slots: number): undefined[] {
  const kept = slots <= MOST_KEPT ? unused[31 - Math.clz32(slots)]!.pop() : undefined;
  return kept ?? new Array<undefined>(slots);
}

/** None of them holds anything. */
function giveBack(slots: undefined[]): void {
  if (slots.length === 0 || slots.length > MOST_KEPT) return;
  const kept = unused[31 - Math.clz32(slots.length)]!;
  if (kept.length < MOST_UNUSED) kept.push(slots);
}

/**
 * A ring over a power of two of slots. An element's serial number counts from 0 and stays the same while it is held; the elements are the
 * caller's, who may use them again after `shift`. The ends must ascend, and the element's begin is the end of the one before.
 *
 * @typeParam T What is held; `end` is one past its last offset.
 */
export class Ring<T extends { readonly end: number }> {
  /** Elements looked at by `find` so far. */
  steps = 0;
  #slots: (T | undefined)[] = NO_SLOTS;
  #mask = -1;
  #first = 0;
  #next = 0;
  #guess = 0;

  /** Serial number of the oldest element; `next` when there is none. */
  get first(): number {
    return this.#first;
  }

  /** Serial number that the next element will have. */
  get next(): number {
    return this.#next;
  }

  /** Adds an element behind all others. */
  push(element: T): void {
    if (this.#next - this.#first > this.#mask) this.#grow();
    this.#slots[this.#next++ & this.#mask] = element;
  }

  /** Takes the oldest element off; there must be one. */
  shift(): T {
    const index = this.#first++ & this.#mask;
    const element = this.#slots[index]!;
    this.#slots[index] = undefined;
    if (this.#first === this.#next) this.#giveBack();
    return element;
  }

  /** The element with a serial number of [first, next). */
  at(serial: number): T {
    return this.#slots[serial & this.#mask]!;
  }

  /** Serial number of the element that holds `offset`, the first one that ends behind it; `next` when none does. */
  find(offset: number): number {
    let low = this.#first;
    let high = this.#next;
    // Most searches end where the last one did, or one further.
    const guess = this.#guess;
    if (guess >= low && guess < high) {
      this.steps++;
      if (this.at(guess).end <= offset) {
        low = guess + 1;
        if (low < high) {
          this.steps++;
          if (this.at(low).end > offset) return this.#guess = low;
          low++;
        }
      } else {
        if (guess === low) return guess;
        this.steps++;
        if (this.at(guess - 1).end <= offset) return guess;
        high = guess - 1;
      }
    }
    while (low < high) {
      this.steps++;
      const middle = low + ((high - low) >> 1);
      if (this.at(middle).end > offset) high = middle;
      else low = middle + 1;
    }
    return this.#guess = low;
  }

  /** It is empty: what one burst took is not kept for a connection's life. */
  #giveBack(): void {
    giveBack(this.#slots as undefined[]);
    this.#slots = NO_SLOTS;
    this.#mask = -1;
  }

  #grow(): void {
    const before = this.#slots;
    const slots: (T | undefined)[] = borrow(Math.max(FEWEST_SLOTS, 2 * before.length));
    const mask = slots.length - 1;
    for (let serial = this.#first; serial < this.#next; serial++) {
      slots[serial & mask] = this.at(serial);
      before[serial & this.#mask] = undefined;
    }
    giveBack(before as undefined[]);
    this.#slots = slots;
    this.#mask = mask;
  }
}
