/** What is known of damage on the only subflow of a connection, that DSS checksums have shown (RFC 8684 §3.7). */

import type { Micros } from "../plugin.ts";

/** How often MP_FAIL goes again while the peer does not answer it: nothing below repeats an ACK. */
const REPEATS = 6;
/** How long an infinite mapping is awaited after that answer, where the peer does not answer: its path may be cut. */
const MAPPING_WAIT: Micros = 60e6;
/**
 * How often it is asked, and answers without sending anything, before no mapping can be expected: what failed was not DATA_ACKed, so that its own data-level
 * timeout must have passed by then, after 2 + 2 + 4 + 8 of ours. Linux may answer MP_FAIL, and have its infinite mapping lost where it is made.
 */
const EMPTY_ANSWERS = 3;

/** What of our data the peer has said that came damaged. */
export type Loss =
  /** It has said nothing. */
  | "none"
  /** Not known yet whether it goes on with what came, or has dropped it. */
  | "open"
  /** It has taken it as it came, as Linux does, or lacks nothing. */
  | "kept"
  /** It has dropped it: it goes again. */
  | "lacking";

/** Damage in both directions. Data offsets. */
export class Damage {
  #found = -1;
  #foundAt: Micros = 0;
  #told = 0;
  #answered = false;
  #lackedFrom = Infinity;
  #loss: Loss = "none";
  #asked = 0;
  /** When the peer, which knows, was asked to go on; -1: not yet. Where its bytes ended then, and how often it has answered without any. */
  #urgedAt: Micros = -1;
  #end = 0;
  #empty = 0;
  #urged = 0;

  // What came to us.

  /** Start of the first mapping whose checksum failed; -1: none. */
  get found(): number {
    return this.#found;
  }

  /** The mapping at `dsn` has failed. */
  find(dsn: number, now: Micros): void {
    if (this.#found < 0) this.#foundAt = now;
    this.#found = this.#found < 0 ? dsn : Math.min(this.#found, dsn);
    this.#told = this.#empty = this.#urged = 0;
    this.#urgedAt = -1;
    this.#answered = false;
  }

  /** The peer has been told, once more. */
  tell(): void {
    this.#told++;
  }

  /** How often it was told. */
  get told(): number {
    return this.#told;
  }

  /** Its MP_FAIL has come: it knows. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Whether an infinite mapping has not come in all the time that it may take. */
  missed(now: Micros): boolean {
    if (!this.#answered) return this.#told > REPEATS;
    return this.#empty >= EMPTY_ANSWERS || now >= this.#foundAt + MAPPING_WAIT;
  }

  /** Looks whether the peer has answered the last question: it was last heard at `heard`, and its bytes end at `end`. */
  look(heard: Micros, end: number): void {
    if (this.#urgedAt < 0) return;
    if (end > this.#end) this.#empty = this.#urged = 0;
    else if (heard > this.#urgedAt) this.#empty++;
  }

  /** The peer, which knows, is asked to go on, and its bytes end at `end`: how long to wait for that, if `timeout` is the subflow's. */
  urge(now: Micros, end: number, timeout: Micros): Micros {
    this.#urgedAt = now;
    this.#end = end;
    return timeout * 2 ** ++this.#urged;
  }

  /** The infinite mapping has come: nothing is awaited any more. */
  settle(): void {
    this.#found = -1;
  }

  // What went to the peer.

  /** What is known of our own data. */
  get loss(): Loss {
    return this.#loss;
  }

  /** Where the peer's first failed mapping begins. */
  get lackedFrom(): number {
    return this.#lackedFrom;
  }

  /** MP_FAIL has come, for the data from `dsn` on. */
  hear(dsn: number): void {
    this.#answered = true;
    if (this.#loss === "none") this.#loss = "open";
    this.#lackedFrom = Math.min(this.#lackedFrom, dsn);
  }

  /** It is known now. */
  decide(loss: "kept" | "lacking"): void {
    this.#loss = loss;
  }

  /** How often the peer was asked what it has. */
  get asked(): number {
    return this.#asked;
  }

  /** It is being asked. */
  ask(): void {
    this.#asked++;
  }
}
