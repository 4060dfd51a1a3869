/** Checks of what users give as options, one by one: each answers the value, undefined where none is given, and refuses a wrong one by its name. */

import { type Duration, parseDuration } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import { describe } from "./policies.ts";

/** The checks of the options of one `group`, such as "tcp", for errors that begin with "Cannot `verb`". */
export class OptionChecks {
  readonly #verb: string;
  readonly #group: string;

  constructor(verb: string, group: string) {
    this.#verb = verb;
    this.#group = group;
  }

  /** True or false. */
  flag(name: string, value: unknown): boolean | undefined {
    if (value === undefined || typeof value === "boolean") return value;
    return this.#refuse(TypeError, name, "true or false", value);
  }

  /** An integer from `least` to `most`. */
  integer(name: string, value: unknown, least: number, most: number): number | undefined {
    return wholeNumber(this.#verb, `${this.#group}.${name}`, value, least, most);
  }

  /** One of a few words. */
  choice<T extends string>(name: string, value: unknown, words: readonly T[]): T | undefined {
    if (value === undefined) return undefined;
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const list = words.map((word) => `"${word}"`).join(", ");
    return this.#refuse(TypeError, name, `one of ${list}`, value);
  }

  /** A time from `least` to `most`, both whole milliseconds. */
  time(name: string, value: unknown, least: Micros, most: Micros): Micros | undefined {
    if (value === undefined) return undefined;
    const time = parseDuration(value as Duration, `${this.#group}.${name}`);
    if (time >= least && time <= most) return time;
    return this.#refuse(RangeError, name, `from ${duration(least)} to ${duration(most)}`, value);
  }

  #refuse(error: typeof RangeError, name: string, range: string, value: unknown): never {
    throw new error(
      `Cannot ${this.#verb} as '${this.#group}.${name}' must be ${range}: current value is ${
        describe(value)
      }`,
    );
  }
}

/** A bound, in the largest unit in which it is whole. */
function duration(time: Micros): Duration {
  return time % 1e6 === 0 ? `${time / 1e6} s` : `${time / 1e3} ms`;
}

/**
 * An integer from `least` to `most`, undefined where none is given.
 *
 * @throws {TypeError} it is no number.
 * @throws {RangeError} it is out of its range.
 */
export function wholeNumber(
  verb: string,
  name: string,
  value: unknown,
  least: number,
  most: number,
): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && least <= (value as number) && (value as number) <= most) {
    return value as number;
  }
  throw new (typeof value === "number" ? RangeError : TypeError)(
    `Cannot ${verb} as '${name}' must be an integer from ${least} to ${most}: current value is ${
      describe(value)
    }`,
  );
}
