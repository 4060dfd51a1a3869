/** The mapping of path indices to what they name (draft §2.3, Table 1): an index is never given to another path. */

import type { HostAddress, PathIndex, PathSpec } from "../plugin.ts";
import { FewPaths } from "./few_paths.ts";

/** The path of the first subflow (draft §2.1). */
export const FIRST_PATH: PathIndex = 1;

/** Whether nothing tells two entries apart. */
export function sameAddress(a: HostAddress, b: HostAddress): boolean {
  return a.address === b.address && a.id === b.id && a.port === b.port && a.family === b.family &&
    a.link === b.link;
}

function sameSpec(a: PathSpec, b: PathSpec): boolean {
  return sameAddress(a.local, b.local) && sameAddress(a.remote, b.remote) &&
    (a.copy ?? 0) === (b.copy ?? 0) && (a.dscp ?? 0) === (b.dscp ?? 0);
}

function checkNumber(name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new RangeError(
      `Cannot make a path as its ${name} must be an integer from 0 to ${most}: current value is ${value}`,
    );
  }
}

/** Paths of one connection. Equal in all of a {@linkcode PathSpec} is the same path. */
export class PathTable {
  readonly #specs = new FewPaths<PathSpec>();
  readonly #most: number;
  #next = FIRST_PATH + 1;

  /** A table of at most `most` paths, of which `first` has index 1. */
  constructor(first: PathSpec, most: number) {
    this.#most = most;
    this.#specs.set(FIRST_PATH, first);
  }

  /** How many paths it holds. */
  get size(): number {
    return this.#specs.size;
  }

  /** Whether `path` was ever given. */
  known(path: PathIndex): boolean {
    return Number.isInteger(path) && path >= FIRST_PATH && path < this.#next;
  }

  /** What `path` names; undefined when it was never given or has vanished. */
  get(path: PathIndex): PathSpec | undefined {
    return this.#specs.get(path);
  }

  /** The index of `spec`; 0 when it has none. */
  find(spec: PathSpec): PathIndex {
    for (const [path, known] of this.#specs) if (sameSpec(known, spec)) return path;
    return 0;
  }

  /** The index of `spec`, a new one when it has none. Throws a RangeError when it cannot be a path, or when the table is full. */
  index(spec: PathSpec): PathIndex {
    const known = this.find(spec);
    if (known !== 0) return known;
    const { local, remote, copy = 0, dscp = 0 } = spec;
    if (local.family !== remote.family) {
      throw new RangeError(
        `Cannot make a path from ${local.address} to ${remote.address} as both must be of one family`,
      );
    }
    // A subflow keeps both in an octet each, as the wire does.
    checkNumber("local.id", local.id, 255);
    checkNumber("remote.id", remote.id, 255);
    checkNumber("copy", copy, 65535);
    checkNumber("dscp", dscp, 63);
    if (this.#specs.size >= this.#most) {
      throw new RangeError(`Cannot make a path as a connection has at most ${this.#most}`);
    }
    const path = this.#next++;
    this.#specs.set(path, spec);
    return path;
  }

  /** An index that names nothing yet, for a join of the peer whose authentication is still to come. */
  reserve(): PathIndex {
    return this.#next++;
  }

  /** Lets a reserved index name `spec`, as one more copy where the pair has an index already. Returns false when the table is full. */
  bind(path: PathIndex, spec: PathSpec): boolean {
    if (this.#specs.has(path)) return true;
    if (this.#specs.size >= this.#most) return false;
    let named = spec;
    while (this.find(named) !== 0) named = { ...named, copy: (named.copy ?? 0) + 1 };
    this.#specs.set(path, named);
    return true;
  }

  /** Lets two paths trade what they name; each must name something. */
  swap(path: PathIndex, other: PathIndex): void {
    const spec = this.#specs.get(path)!;
    this.#specs.set(path, this.#specs.get(other)!);
    this.#specs.set(other, spec);
  }

  /** Forgets what `path` names (PM-3); the index is not given again. */
  drop(path: PathIndex): void {
    this.#specs.delete(path);
  }

  /** Each path with what it names, by index. */
  entries(): Iterable<[PathIndex, PathSpec]> {
    return this.#specs;
  }
}
