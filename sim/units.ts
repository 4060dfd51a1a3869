/** Sizes as scenarios write them. */

/** A number of bytes, or a number and its unit; 1 kB is 1,000 bytes. */
export type Size = number | `${number} ${"B" | "kB" | "MB" | "GB"}`;

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

/**
 * Reads a size in bytes.
 *
 * @throws {TypeError} It is none.
 * @throws {RangeError} It is not from 1 byte to 1 TB.
 */
export function parseBytes(size: unknown, name: string): number {
  const match = typeof size === "string" ? /^(\d+(?:\.\d+)?) (B|kB|MB|GB)$/.exec(size) : null;
  const bytes = typeof size === "number"
    ? size
    : Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? NaN);
  if (Number.isNaN(bytes)) {
    throw new TypeError(
      `'${name}' must be a number of bytes, or a number, a space and one of B, kB, MB, GB, such as "16 MB": it is ${
        JSON.stringify(size)
      }`,
    );
  }
  if (bytes >= 1 && bytes <= 1e12) return Math.round(bytes);
  throw new RangeError(`'${name}' must be from 1 B to 1000 GB: it is ${JSON.stringify(size)}`);
}
