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
  // The first two lie in here: many connections have no other.
  #path: PathIndex = 0;
  /** Null: there is none, nor any other. */
  #value: T | null = null;
  #second: PathIndex = 0;
  /** The same of those behind it. */
  #other: T | null = null;
  #more: Kept<T> | null = null;

  /** How many there are. */
  get size(): number {
    let size = this.#value === null ? 0 : this.#other === null ? 1 : 2;
    for (let at = this.#more; at !== null; at = at.next) size++;
    return size;
  }

  /** What is kept of `path`. */
  get(path: PathIndex): T | undefined {
    if (this.#value !== null && this.#path === path) return this.#value;
    if (this.#other !== null && this.#second === path) return this.#other;
    for (let at = this.#more; at !== null; at = at.next) if (at.path === path) return at.value;
    return undefined;
  }

  /** Whether something is. */
  has(path: PathIndex): boolean {
    return this.get(path) !== undefined;
  }

  /** Keeps `value` of `path`, in the place of what was there, else behind all others. */
  set(path: PathIndex, value: T): void {
    if (this.#value === null || this.#path === path) {
      this.#path = path;
      this.#value = value;
      return;
    }
    if (this.#other === null || this.#second === path) {
      this.#second = path;
      this.#other = value;
      return;
    }
    let last: Kept<T> | null = null;
    for (let at = this.#more; at !== null; last = at, at = at.next) {
      if (at.path !== path) continue;
      at.value = value;
      return;
    }
    const kept = { path, value, next: null };
    if (last === null) this.#more = kept;
    else last.next = kept;
  }

  /** Forgets `path`. */
  delete(path: PathIndex): void {
    const first = this.#value !== null && this.#path === path;
    if (first) {
      this.#path = this.#second;
      this.#value = this.#other;
    }
    if (first || (this.#other !== null && this.#second === path)) {
      const next = this.#more;
      this.#other = next === null ? null : next.value;
      if (next === null) return;
      this.#second = next.path;
      this.#more = next.next;
      return;
    }
    let before: Kept<T> | null = null;
    for (let at = this.#more; at !== null; before = at, at = at.next) {
      if (at.path !== path) continue;
      if (before === null) this.#more = at.next;
      else before.next = at.next;
      return;
    }
  }

  /** Each path with what is kept of it. Who changes that meanwhile takes a copy first. */
  *[Symbol.iterator](): Generator<[PathIndex, T]> {
    if (this.#value !== null) yield [this.#path, this.#value];
    if (this.#other !== null) yield [this.#second, this.#other];
    for (let at = this.#more; at !== null; at = at.next) yield [at.path, at.value];
  }

  /** What is kept of each. */
  *values(): Generator<T> {
    if (this.#value !== null) yield this.#value;
    if (this.#other !== null) yield this.#other;
    for (let at = this.#more; at !== null; at = at.next) yield at.value;
  }
}
