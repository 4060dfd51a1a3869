/**
 * The `mptcp` command: `deno run -A cli/mod.ts --help`.
 *
 * @module
 */

import { type Command, helpOf, nearest, readArguments, UsageError } from "./arguments.ts";
import { DEMO } from "./demo.ts";
import { GATEWAY } from "./gateway.ts";
import { GET } from "./get.ts";
import { KEY } from "./key.ts";
import { LAB } from "./lab_command.ts";
import { NEW } from "./new.ts";
import { findCall, VERSION, withCall } from "./origin.ts";
import { bold, explain, print, report } from "./output.ts";
import { PROXY } from "./proxy.ts";
import { PUT } from "./put.ts";
import { RELAY } from "./relay.ts";
import { SERVE } from "./serve.ts";
import { Interrupted } from "./signals.ts";
import { SIM } from "./sim.ts";
import { TOP } from "./top.ts";
import { verdict } from "./verdict.ts";
import { ENDPOINT, LIMITS, MONITOR, NSTAT, SS } from "./watch.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  DEMO,
  SIM,
  NEW,
  LAB,
  GET,
  PUT,
  SERVE,
  PROXY,
  GATEWAY,
  RELAY,
  KEY,
  TOP,
  SS,
  NSTAT,
  MONITOR,
  ENDPOINT,
  LIMITS,
];

/** What `mptcp --help` prints. */
export function overview(): string {
  const width = Math.max(
    ...COMMANDS.map(({ name, positional = "" }) => `${name} ${positional}`.length),
  );
  return [
    "mptcp: one TCP connection over several paths, in user space.",
    "",
    bold("Commands"),
    ...COMMANDS.map(({ name, positional = "", summary }) =>
      `  ${`${name} ${positional}`.padEnd(width)}  ${summary}`
    ),
    "",
    bold("To begin with"),
    "  mptcp demo                                   what a second path is worth, in seconds",
    "  mptcp new scheduler mine                     a scheduler of your own …",
    "  mptcp demo --scheduler ./mine.ts,ratio=3     … at work on the emulated network",
    "  mptcp sim requests --scheduler min_rtt --scheduler ./mine.ts",
    "                                               … beside another one, on requests",
    "  mptcp lab --rate '50 Mbit/s' -- mptcp put http://10.77.1.1/ --scheduler ./mine.ts",
    "                                               … and to a real Linux kernel (root)",
    "",
    "mptcp COMMAND --help explains a command, with examples; mptcp --version tells the version.",
    "Exit codes: 0 done; 1 failed, or a plugin of yours was at fault and the default decided in its",
    "place; 2 wrong use; 130, 143 and 129: ended by Ctrl-C, SIGTERM or SIGHUP before it was done, which",
    "what runs until then never is.",
  ].join("\n");
}

/** Runs one command line; gives the exit code: 0 done, 1 failed, or a plugin was at fault, 2 wrong use, 128 and more: ended by a signal. */
export async function main(args: readonly string[]): Promise<number> {
  // Who comes from npm writes `--` before what is for the program.
  const [name, ...rest] = args[0] === "--" ? args.slice(1) : args;
  if (name === "help" && rest[0] !== undefined) {
    return await main([rest[0], "--help"]);
  }
  if (
    name === undefined || name === "--help" || name === "-h" || name === "help"
  ) {
    print(withCall(overview(), await findCall()));
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-V") {
    print(`mptcp ${VERSION}`);
    return 0;
  }
  const command = COMMANDS.find((command) => command.name === name);
  try {
    if (command === undefined) {
      const meant = nearest(name, COMMANDS.map((command) => command.name));
      const all = `the commands are ${COMMANDS.map((command) => command.name).join(", ")}`;
      throw new UsageError(
        `Unknown command ${name}: ${meant === undefined ? all : `did you mean ${meant}?`}`,
      );
    }
    const given = readArguments(rest, {
      ...command.options,
      help: { alias: "h", help: "This help" },
    });
    if (given.has("help")) {
      print(withCall(helpOf(command), await findCall()));
      return 0;
    }
    if (given.rest.length > 0 && !command.positional?.includes("-- ")) {
      throw new UsageError(
        `mptcp ${command.name} takes nothing behind a --: it got "${given.rest.join(" ")}"`,
      );
    }
    return verdict(await command.run(given), report);
  } catch (error) {
    if (error instanceof UsageError) {
      report(
        `${error.message}\n${await findCall()} ${
          command ? `${command.name} ` : ""
        }--help tells more`,
      );
      return 2;
    }
    if (error instanceof Error) {
      report(explain(error));
      return error instanceof Interrupted ? error.code : 1;
    }
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
