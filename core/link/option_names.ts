/** Checks of the options of links, and of what lies on them. */

/** A value as an error message names it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/**
 * Checks that options are an object with none but the known ones; `doing` begins the error.
 *
 * @throws {TypeError} If they are not.
 */
export function checkNames(doing: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `Cannot ${doing} as its options must be an object: current value is ${shown(options)}`,
    );
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(
    `Cannot ${doing} as there is no option '${unknown}': the options are ${known.join(", ")}`,
  );
}
