/** What is kept of each path of a connection. A Map holds as much room for one as for four, and each connection has two of them: here a path takes what it needs. */

import type { PathIndex } from "../plugin.ts";

/** One of them, and the next. */
interface Kept<T> {
  readonly path: PathIndex;
  value: T;
  next: Kept<T> | null;
}

/** What is kept by path index, in the order in which each came; as a Map, and for few. */
export class FewPaths<T extends object> {
  #first: Kept<T> | null = null;

  /** How many there are. */
  get size(): number {
    let size = 0;
    for (let at = this.#first; at !== null; at = at.next) size++;
    return size;
  }

  /** What is kept of `path`. */
  get(path: PathIndex): T | undefined {
    return this.#find(path)?.value;
  }

  /** Whether something is. */
  has(path: PathIndex): boolean {
    return this.#find(path) !== null;
  }

  /** Keeps `value` of `path`, in the place of what was there, else behind all others. */
  set(path: PathIndex, value: T): void {
    const known = this.#find(path);
    if (known !== null) {
      known.value = value;
      return;
    }
    const kept = { path, value, next: null };
    let last = this.#first;
    while (last !== null && last.next !== null) last = last.next;
    if (last === null) this.#first = kept;
    else last.next = kept;
  }

  /** Forgets `path`. */
  delete(path: PathIndex): void {
    let before: Kept<T> | null = null;
    for (let at = this.#first; at !== null; before = at, at = at.next) {
      if (at.path !== path) continue;
      if (before === null) this.#first = at.next;
      else before.next = at.next;
      return;
    }
  }

  /** Each path with what is kept of it. Who changes that meanwhile takes a copy first. */
  *[Symbol.iterator](): Generator<[PathIndex, T]> {
    for (let at = this.#first; at !== null; at = at.next) yield [at.path, at.value];
  }

  /** What is kept of each. */
  *values(): Generator<T> {
    for (let at = this.#first; at !== null; at = at.next) yield at.value;
  }

  #find(path: PathIndex): Kept<T> | null {
    let at = this.#first;
    while (at !== null && at.path !== path) at = at.next;
    return at;
  }
}
