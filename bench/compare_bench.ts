/** Compares the schedulers of this repository, and those named by `deno task bench --scheduler NAME|FILE|URL[,key=value…]`, on the paths named there. */

import { UsageError } from "../cli/arguments.ts";
import { print, report } from "../cli/output.ts";
import { loadWatched } from "../cli/plugin_names.ts";
import { BUILT_INS } from "../cli/policies.ts";
import { HELP, readBenchArguments, USAGE } from "./arguments.ts";
import { compare } from "./mod.ts";

const args = Deno.args.filter((argument) => argument !== "--help");
if (args.length < Deno.args.length) {
  print(HELP);
  Deno.exit(0);
}
try {
  const { schedulers: own, ...where } = readBenchArguments(args);
  const others = Object.keys(BUILT_INS.scheduler).filter((name) => !own.includes(name));
  compare({
    ...where,
    schedulers: await Promise.all(
      [...others, ...own].map((text) => loadWatched("scheduler", text)),
    ),
  });
} catch (error) {
  if (!(error instanceof UsageError || error instanceof TypeError)) throw error;
  // An error here would only fail this module, and be lost among the figures of the others.
  report(`${error.message}\n${USAGE}`);
  Deno.exit(2);
}
