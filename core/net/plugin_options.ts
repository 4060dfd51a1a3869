/** Options of a plugin as a command line gives them, held against its defaults: an option is of the type that its default has. */

import { show } from "../guard/faults.ts";

/** A value of an option on a command line. A text such as "200 ms" is a duration. */
export type OptionValue = number | boolean | string;

/** Values of options by name. */
export type OptionValues = Readonly<Record<string, OptionValue>>;

/** The value of a text whose type nobody names: a number or a boolean where it looks like one. */
export function optionValue(text: string): OptionValue {
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}

/** What keeps a module's export from being defaults, as the end of a sentence; null when nothing does. */
export function wrongDefaults(defaults: unknown): string | null {
  const must = "its export 'defaults' must be an object of numbers, booleans and texts";
  if (typeof defaults !== "object" || defaults === null || Array.isArray(defaults)) {
    return `${must}: it is ${show(defaults)}`;
  }
  for (const [name, value] of Object.entries(defaults)) {
    if (["number", "boolean", "string"].includes(typeof value)) continue;
    return `${must}: '${name}' is ${show(value)}`;
  }
  return null;
}

/** That there is no option `name` but `names`, as factories say it themselves; the end of a sentence. */
export function noOption(name: string, names: readonly string[]): string {
  return `there is no option '${name}': ${
    names.length === 0 ? "it has none" : `the options are ${names.join(", ")}`
  }`;
}

/**
 * The options that `texts` give, each of the type of its default, and the defaults of the others.
 *
 * @throws {TypeError} One is unknown, or of another type; the message is the end of a sentence.
 */
export function fitOptions(
  defaults: OptionValues,
  texts: Readonly<Record<string, string>>,
): Record<string, OptionValue> {
  const options: Record<string, OptionValue> = { ...defaults };
  for (const [name, text] of Object.entries(texts)) {
    if (!Object.hasOwn(defaults, name)) {
      throw new TypeError(noOption(name, Object.keys(defaults)));
    }
    options[name] = fit(name, defaults[name]!, text);
  }
  return options;
}

function fit(name: string, preset: OptionValue, text: string): OptionValue {
  if (typeof preset === "number") {
    const value = optionValue(text);
    return typeof value === "number" ? value : refuse(name, "a number", preset, text);
  }
  if (typeof preset === "boolean") {
    const value = optionValue(text);
    return typeof value === "boolean" ? value : refuse(name, "true or false", preset, text);
  }
  if (duration(preset) === null) return text;
  return duration(text) ?? refuse(name, "a duration", preset, text);
}

/** A duration in the way that programs write it, "200 ms"; null when `text` is none. */
function duration(text: string): string | null {
  const [, number, unit] = /^(\d+\.?\d*|\.\d+) *(us|ms|s)$/.exec(text) ?? [];
  return number === undefined ? null : `${number} ${unit}`;
}

function refuse(name: string, type: string, preset: OptionValue, text: string): never {
  throw new TypeError(
    `'${name}' must be ${type}, for example ${name}=${preset}: current value is ${show(text)}`,
  );
}
