/** Rates and durations with their units, as text that the compiler checks. */

import type { Micros } from "../plugin.ts";

/** A number and its unit; wrong units are compile errors. 1 Mbit/s is 10^6 bits per second, counting the bytes of IP packets. */
export type Rate = `${number} ${"bit/s" | "kbit/s" | "Mbit/s" | "Gbit/s"}`;

/** A number and its unit; wrong units are compile errors. */
export type Duration = `${number} ${"us" | "ms" | "s"}`;

/** Bytes per second. */
const RATE_UNITS: Readonly<Record<string, number>> = {
  "bit/s": 1 / 8,
  "kbit/s": 1e3 / 8,
  "Mbit/s": 1e6 / 8,
  "Gbit/s": 1e9 / 8,
};

/** Microseconds. */
const DURATION_UNITS: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6 };

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?) (\S+)$/i;

/** A quantity, that of option `name` if there is one. */
function called(what: string, name: string | undefined): string {
  return name === undefined ? `a ${what}` : `the ${what} '${name}'`;
}

function parse(
  text: unknown,
  what: string,
  name: string | undefined,
  units: Readonly<Record<string, number>>,
  example: string,
): number {
  const match = typeof text === "string" ? QUANTITY.exec(text) : null;
  const unit = match === null || !Object.hasOwn(units, match[2]!) ? undefined : units[match[2]!];
  if (match === null || unit === undefined) {
    const names = Object.keys(units);
    throw new TypeError(
      `Cannot read ${typeof text === "string" ? JSON.stringify(text) : String(text)} as ${
        called(what, name)
      } as it must be a number, a space and one of ${names.join(", ")}, such as "${example}"`,
    );
  }
  return Number(match[1]) * unit;
}

/**
 * Reads a rate, that of option `name` if there is one. The result is in bytes per second.
 *
 * @throws {TypeError} If it is not a number, a space and a unit of {@linkcode Rate}.
 * @throws {RangeError} If it is not above 0.
 */
export function parseRate(text: Rate, name?: string): number {
  const rate = parse(text, "rate", name, RATE_UNITS, "20 Mbit/s");
  if (!(rate > 0 && rate < Infinity)) {
    throw new RangeError(
      `Cannot use "${text}" as ${
        called("rate", name)
      } as it must be above 0: a path that carries nothing is cut`,
    );
  }
  return rate;
}

/**
 * Reads a duration, that of option `name` if there is one. The result is in microseconds.
 *
 * @throws {TypeError} If it is not a number, a space and a unit of {@linkcode Duration}.
 * @throws {RangeError} If it is below 0.
 */
export function parseDuration(text: Duration, name?: string): Micros {
  const duration = parse(text, "duration", name, DURATION_UNITS, "15 ms");
  if (!(duration >= 0 && duration < Infinity)) {
    throw new RangeError(
      `Cannot use "${text}" as ${called("duration", name)} as it must be 0 or more`,
    );
  }
  return duration;
}
