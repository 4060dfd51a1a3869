/** Checks of options, the same for all path managers. */

/** A value as an error names it. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "function" ? "a function" : String(value);
}

/**
 * Checks that a factory is given no option that it does not have: a misspelt one would do nothing, without a word, as programs run unchecked. `defaults` has
 * them all.
 *
 * @throws {TypeError} It is, or `options` is no object.
 */
export function checkOptions(name: string, options: unknown, defaults: object): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `Cannot make ${name} as its options must be an object: current value is ${shown(options)}`,
    );
  }
  const unknown = Object.keys(options).find((option) => !Object.hasOwn(defaults, option));
  if (unknown === undefined) return;
  const known = Object.keys(defaults).join(", ");
  throw new TypeError(
    `Cannot make ${name} as there is no option '${unknown}': ${
      known === "" ? "it has none" : `the options are ${known}`
    }`,
  );
}
