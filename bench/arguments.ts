/** Arguments of `deno task bench`. */

import { helpOfOptions, type Option, readArguments, UsageError } from "../cli/arguments.ts";
import { PLUGIN_OPTIONS } from "../cli/policies.ts";

const { scheduler = { help: "" } } = PLUGIN_OPTIONS;

/** The options. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  scheduler: { ...scheduler, several: true },
};

/** How the command is written. */
export const USAGE = "deno task bench [--scheduler NAME|FILE|URL[,key=value…]]…";

/** What `--help` prints. */
export const HELP = [
  USAGE,
  "",
  "Measures the hot path, whole transfers, and the schedulers against each other. Some minutes.",
  "",
  "Options:",
  ...helpOfOptions(OPTIONS),
].join("\n");

/**
 * The schedulers named on the command line. `deno task bench` ends in `--`, so that one more may lead what is given.
 *
 * @throws {UsageError} an argument is unknown.
 */
export function readSchedulers(args: readonly string[]): readonly string[] {
  const given = readArguments(args[0] === "--" ? args.slice(1) : args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) {
    throw new UsageError(`Unknown argument ${stray}`);
  }
  return given.values("scheduler");
}
