/** Arguments of `deno task bench`. */

import {
  type Given,
  helpOfOptions,
  type Option,
  readArguments,
  UsageError,
} from "../cli/arguments.ts";
import { asksForPaths, NETWORK_OPTIONS, readRatedPaths } from "../cli/network_options.ts";
import { USUAL } from "../cli/demo_plan.ts";
import { PLUGIN_OPTIONS } from "../cli/policies.ts";
import { type Scenario, SCENARIOS } from "../sim/mod.ts";

const { scheduler = { help: "" } } = PLUGIN_OPTIONS;

/** The options. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  ...NETWORK_OPTIONS,
  scheduler: { ...scheduler, several: true },
};

/** How the command is written. */
export const USAGE =
  "deno task bench [--scheduler NAME|FILE|URL[,key=value…]]… [--path NAME=RATE,DELAY,…]…";

/** What `--help` prints. */
export const HELP = [
  USAGE,
  "",
  "Measures the hot path, whole transfers, and the schedulers against each other. Some minutes.",
  "With an option the schedulers alone, which takes half a minute.",
  "Paths are those of the transfers that schedulers are compared on.",
  "",
  "Options:",
  ...helpOfOptions(OPTIONS),
].join("\n");

/** What was asked for. */
export interface BenchArguments {
  /** Schedulers by name, file or URL. */
  readonly schedulers: readonly string[];
  /** What they are compared on; none: what compare() takes. */
  readonly scenarios?: readonly Scenario[];
}

/** The usual workloads on the paths that were asked for. */
function scenariosOn(given: Given): Scenario[] {
  const paths = readRatedPaths(given, USUAL.bulk);
  return [SCENARIOS.bulk!, SCENARIOS.requests!].map((scenario) => ({
    ...scenario,
    about: scenario.about!.replace(/( over|,) .*/, ""),
    links: {
      ...Object.fromEntries(
        Object.entries(paths).map(([name, shape]) => [
          name,
          { ...shape, between: ["phone", "internet"] as const },
        ]),
      ),
      server: scenario.links!.server!,
    },
  }));
}

/**
 * What the command line asks for. A `--` may lead what is given.
 *
 * @throws {UsageError} an argument is unknown, or a value is wrong.
 */
export function readBenchArguments(args: readonly string[]): BenchArguments {
  const given = readArguments(args[0] === "--" ? args.slice(1) : args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) {
    throw new UsageError(`Unknown argument ${stray}`);
  }
  return {
    schedulers: given.values("scheduler"),
    ...(asksForPaths(given) && { scenarios: scenariosOn(given) }),
  };
}
