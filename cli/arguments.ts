/** Command line arguments: one description a command, from which they are read and its help is printed. */

import { nearest } from "../core/net/nearest.ts";
import { parseArgs } from "./deps.ts";
import { parseSize } from "./output.ts";

export { nearest } from "../core/net/nearest.ts";

/** Wrong use of the command: its message is all the user is to see. */
export class UsageError extends Error {
  /** Makes the error. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** One option of a command. */
export interface Option {
  /** Name of its value in the help, "NAME|FILE|URL"; absent: a switch. */
  readonly value?: string;
  /** One letter. */
  readonly alias?: string;
  /** It may be given several times. */
  readonly several?: boolean;
  /** What it does, with the default. */
  readonly help: string;
}

/** A command. */
export interface Command {
  /** First word of its command line. */
  readonly name: string;
  /** What follows the options: "DIR", "URL". */
  readonly positional?: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** What one should know to use it: what it needs, what it shows. */
  readonly text: string;
  /** Command lines that work, each with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Its options besides --help. */
  readonly options: Readonly<Record<string, Option>>;
  /** Runs it; gives the exit code. */
  run(args: Given): Promise<number>;
}

/** Arguments as given. */
export interface Given {
  /** Those that are no options. */
  readonly positional: readonly string[];
  /** Those after `--`. */
  readonly rest: readonly string[];
  /** Whether a switch was given. */
  has(name: string): boolean;
  /** The last value of an option. */
  value(name: string): string | undefined;
  /** All values of an option. */
  values(name: string): readonly string[];
}

/**
 * Reads the arguments of a command.
 *
 * @throws {UsageError} one is unknown, lacks its value, or there are too many or too few.
 */
export function readArguments(
  args: readonly string[],
  options: Readonly<Record<string, Option>>,
): Given {
  const names = Object.keys(options);
  const aliases = names.flatMap((name) => {
    const alias = options[name]?.alias;
    return alias === undefined ? [] : [[name, alias] as const];
  });
  refuseValues(args, options);
  const string = names.filter((name) => options[name]?.value !== undefined);
  const parsed: Record<string, unknown> = parseArgs([...args], {
    string: [...string, "_"],
    boolean: names.filter((name) => options[name]?.value === undefined),
    collect: string,
    alias: Object.fromEntries(aliases),
    "--": true,
    unknown: (arg: string, key?: string) => {
      if (key === undefined) return true;
      if (/^-\.?\d/.test(arg)) {
        const option = args[args.indexOf(arg) - 1]?.replace(/^-+/, "--") ?? "--option";
        throw new UsageError(`Unknown option ${arg}: if it is a value, write ${option}=${arg}`);
      }
      const meant = nearest(key, names);
      throw new UsageError(
        `Unknown option ${arg.split("=")[0]}` +
          (meant === undefined ? "" : `: did you mean --${meant}?`),
      );
    },
  });
  const values = (name: string): readonly string[] => (parsed[name] ?? []) as string[];
  for (const name of string) {
    const given = values(name);
    if (given.includes("")) {
      throw new UsageError(`--${name} needs a value: ${options[name]?.value}`);
    }
    if (given.length > 1 && !options[name]?.several) {
      throw new UsageError(`--${name} was given ${given.length} times`);
    }
  }
  return {
    positional: (parsed["_"] as (string | number)[]).map(String),
    rest: parsed["--"] as string[],
    has: (name) => parsed[name] === true,
    value: (name) => values(name).at(-1),
    values,
  };
}

/** A switch with a value says something else than who writes it means: `--csv=figures.csv` would print, and write no file. */
function refuseValues(args: readonly string[], options: Readonly<Record<string, Option>>): void {
  for (const arg of args) {
    if (arg === "--") return;
    const [, name = "", value = ""] = /^--?([^=]+)=(.*)$/s.exec(arg) ?? [];
    const [long, option] = Object.entries(options).find(([long, { alias }]) =>
      name !== "" && (long === name || alias === name)
    ) ?? [];
    if (option !== undefined && option.value === undefined) {
      throw new UsageError(`--${long} takes no value, it is there or not: it got "${value}"`);
    }
  }
}

/** Whether an option was given, a switch or one with a value. */
export function isGiven(given: Given, name: string): boolean {
  return given.has(name) || given.values(name).length > 0;
}

/**
 * A number given as an option.
 *
 * @throws {UsageError} it is none, or outside of the range.
 */
export function readInteger(
  given: Given,
  name: string,
  otherwise: number,
  [least, most]: readonly [number, number],
): number {
  const text = given.value(name);
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new UsageError(
      `--${name} must be a whole number from ${least} to ${most}: it is "${text}"`,
    );
  }
  return number;
}

/**
 * A size given as an option.
 *
 * @throws {UsageError} it is none.
 */
export function readSize(given: Given, name: string, otherwise: string): number {
  try {
    return parseSize(given.value(name) ?? otherwise);
  } catch (error) {
    throw new UsageError(`--${name}: ${(error as Error).message}`);
  }
}

/** Longest option, with its value, that has its help beside it. */
const WIDEST = 20;

/** The options as a help shows them, a line or more each. */
export function helpOfOptions(options: Readonly<Record<string, Option>>): string[] {
  const heads = Object.entries(options).map(([name, option]) => {
    const alias = option.alias === undefined ? "" : `-${option.alias}, `;
    const value = option.value === undefined ? "" : ` ${option.value}`;
    return [`${alias}--${name}${value}`, option.help] as const;
  });
  // The help of a long one goes below it: side by side they would not fit a terminal of 80 columns.
  const width = Math.max(0, ...heads.map(([head]) => head.length).filter((n) => n <= WIDEST));
  const indent = `\n${" ".repeat(width + 4)}`;
  return heads.map(([head, help]) =>
    `  ${head.padEnd(width)}${head.length > WIDEST ? indent : "  "}${help.replaceAll("\n", indent)}`
  );
}

/** The help of a command. */
export function helpOf(command: Command): string {
  const options = helpOfOptions(command.options);
  const positional = command.positional === undefined ? "" : ` ${command.positional}`;
  return [
    `mptcp ${command.name}${options.length === 0 ? "" : " [OPTIONS]"}${positional}`,
    "",
    command.text,
    "",
    "Examples:",
    ...command.examples.flatMap(([line, what]) => [`  ${line}`, `      ${what}`]),
    ...options.length === 0 ? [] : ["", "Options:", ...options],
  ].join("\n");
}
