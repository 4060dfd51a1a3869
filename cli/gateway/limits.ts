/** What keeps strangers from holding a gateway: so many connections, and so much time to say what one wants. */

/** Calls back after so many milliseconds; the result cancels. */
export type After = (milliseconds: number, callback: () => void) => () => void;

/** By the clock of the system. */
export const systemAfter: After = (milliseconds, callback) => {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
};

/** Most of anything at once. */
export class Places {
  readonly #most: number;
  #taken = 0;

  /** @param most How many there are. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** One of them, to be given back by the result, once; null: there is none. */
  take(): (() => void) | null {
    if (this.#taken >= this.#most) return null;
    this.#taken++;
    let given = false;
    return () => {
      if (!given) this.#taken--;
      given = true;
    };
  }
}

/** Most connections to a relay that are made at once: fewer than the strangers that it takes, of which others may want some. */
export const MOST_OPENING = 96;

/** Fewest that go on at once, however long they take. */
const FEWEST_OPENING = 4;
/** Milliseconds beyond twice the shortest turn of which a turn is a long one: who answers so late has more to do than he can. */
const LONG = 1000;
/** Milliseconds that a way may take, at most: who takes longer has too much to do, however few ask. */
const FAR = 2000;

/** One that is under way. */
export interface Turn {
  /** What was waited for has come: the next may begin. */
  heard(): void;
  /** It is over, whatever has come of it; after `heard()` nothing. */
  over(): void;
}

/**
 * Turns, so many at once, where who comes later waits: in the order in which they came. When turns become long there are fewer at once, and more again when
 * they are short: an end that is slow, or a machine that is, is not asked for more than it can do before somebody gives up waiting. What turns take where no
 * fewer may go on is how far the end is now: the near path of before may be gone.
 */
export class Turns {
  readonly #most: number;
  readonly #now: () => number;
  #limit: number;
  #taken = 0;
  #shortest = Infinity;
  readonly #waiting: ((turn: Turn) => void)[] = [];

  /** @param most How many at once. @param now Milliseconds. */
  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#limit = most;
    this.#now = now;
  }

  /** How many may go on at once now. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Waits for a turn, which has to be ended. */
  begin(): Promise<Turn> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#next();
    });
  }

  #next(): void {
    while (this.#taken < this.limit) {
      const first = this.#waiting.shift();
      if (first === undefined) return;
      this.#taken++;
      first(this.#turn());
    }
  }

  #turn(): Turn {
    const start = this.#now();
    const few = this.limit === FEWEST_OPENING;
    let ended = false;
    const end = (heard: boolean): void => {
      if (ended) return;
      ended = true;
      this.#taken--;
      if (heard) this.#adapt(this.#now() - start, few);
      this.#next();
    };
    return { heard: () => end(true), over: () => end(false) };
  }

  #adapt(took: number, few: boolean): void {
    this.#shortest = Math.min(few ? FAR : this.#shortest, took);
    this.#limit = took > 2 * this.#shortest + LONG
      ? Math.max(FEWEST_OPENING, this.#limit * 7 / 8)
      : Math.min(this.#most, this.#limit + 1);
  }
}

/**
 * Does `work`, for as long as it may take; then `late` ends what it waits for.
 *
 * @throws what `work` throws, or what `late` gives.
 */
export async function within<T>(
  milliseconds: number,
  after: After,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = after(milliseconds, () => reject(late()));
  try {
    return await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}
