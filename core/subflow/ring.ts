/** Elements in the order of their ends, found by bisection: added behind, taken off in front, never moved between. */

/** Slots of a ring that has just begun. */
const FEWEST_SLOTS = 4;
/** Most that a ring keeps which holds nothing: what one burst took is not kept for good. */
const MOST_KEPT = 64;

/** Rings that hold nothing, to be lent again: idle connections have none. */
const unused: Ring<{ readonly end: number }>[] = [];
const MOST_UNUSED = 1000;

/** A ring that holds nothing, and counts from 0. */
export function takeRing<T extends { readonly end: number }>(): Ring<T> {
  return unused.pop() as Ring<T> | undefined ?? new Ring<T>();
}

/** Gives back a ring that holds nothing. */
export function giveRing<T extends { readonly end: number }>(ring: Ring<T>): void {
  if (unused.length === MOST_UNUSED) return;
  ring.begin();
  unused.push(ring as unknown as Ring<{ readonly end: number }>);
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
  #slots = new Array<T | undefined>(FEWEST_SLOTS);
  #mask = FEWEST_SLOTS - 1;
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

  #grow(): void {
    const before = this.#slots;
    const slots = new Array<T | undefined>(2 * before.length);
    const mask = slots.length - 1;
    for (let serial = this.#first; serial < this.#next; serial++) {
      slots[serial & mask] = this.at(serial);
    }
    this.#slots = slots;
    this.#mask = mask;
  }

  /** Counts from 0 again; it holds nothing. */
  begin(): void {
    this.steps =
      this.#first =
      this.#next =
      this.#guess =
        0;
    if (this.#mask < MOST_KEPT) return;
    this.#slots = new Array<T | undefined>(FEWEST_SLOTS);
    this.#mask = FEWEST_SLOTS - 1;
  }
}
