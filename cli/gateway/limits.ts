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

/** Connections to a relay that are made at once: fewer than the strangers that it takes, of which others may want some. */
export const MOST_OPENING = 96;

/** Most of anything at once, where who comes later waits: in the order in which they came. */
export class Turns {
  readonly #most: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param most How many there are. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Does `work` when it is its turn. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken < this.#most) this.#taken++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // Whoever is next takes over the place of this one.
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    }
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
