/**
 * Runs scenarios with a kernel at the other end (root): `deno task interop [--all] [--role client,server,kernel] [--lanes N] [--debug] [TEXT …]`, those whose
 * group and name hold one of the texts. `--all` runs them all and writes docs/interop.md; role "kernel" has a kernel at both ends, which shows that what is
 * expected is what Linux does.
 */

import { parseArgs } from "@std/cli/parse-args";
import { SCENARIOS } from "./list.ts";
import { type Outcome, runScenarios } from "./run.ts";
import type { Role } from "./scenario.ts";
import { table } from "./table.ts";

const HELP = `deno task interop [OPTIONS] [TEXT…]

Runs scenarios with a real kernel at the other end (root): those whose group and name hold a TEXT.

  --role ROLES    Ours, of client, server and kernel, with commas between (default client,server);
                  kernel: one at both ends, which shows that what is expected is what Linux does
  --lanes NUMBER  How many run at a time (default 4)
  --debug         Tells what each has counted, as a failure
  --all           Runs what fails once more, alone, and writes docs/interop.md: without a TEXT
  --help          This help`;

const { role, lanes = "4", debug, all, help, _: texts } = parseArgs(Deno.args, {
  string: ["role", "lanes", "_"],
  boolean: ["debug", "all", "help"],
});
const chosen = SCENARIOS.filter(({ group, name }) =>
  texts.length === 0 || texts.some((text) => `${group}: ${name}`.includes(String(text)))
);
const print = (line: string): void => {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
};
if (help) {
  print(HELP);
  Deno.exit();
}
const told = ({ scenario, role, wrong, reason }: Outcome): void => {
  const what = `${scenario.group}: ${scenario.name}, ours: ${role}`;
  if (wrong === null) print(`-     ${what}: ${reason}`);
  else print(`${wrong.length === 0 ? "pass " : "FAIL "} ${what}`);
  for (const line of wrong ?? []) print(`        ${line}`);
};
const fails = ({ wrong }: Outcome): boolean => wrong !== null && wrong.length > 0;
const outcomes = await runScenarios(chosen, {
  roles: role === undefined ? ["client", "server"] : role.split(",") as Role[],
  lanes: Number(lanes),
  debug,
  told,
});
// Beside others a machine may be so slow that a kernel repeats what it has said: what fails is run again, alone.
if (all) {
  for (const [at, outcome] of outcomes.entries()) {
    if (!fails(outcome)) continue;
    const { scenario, role } = outcome;
    outcomes[at] = (await runScenarios([scenario], { roles: [role], lanes: 1, debug, told }))[0]!;
  }
}
const failed = outcomes.filter(fails);
const passed = outcomes.filter(({ wrong }) => wrong !== null && wrong.length === 0);
const listed = outcomes.length - passed.length - failed.length;
print(`${passed.length} passed, ${failed.length} failed, ${listed} listed`);
if (all) {
  await Deno.writeTextFile(new URL("../../../docs/interop.md", import.meta.url), table(outcomes));
}
Deno.exit(failed.length === 0 ? 0 : 1);
