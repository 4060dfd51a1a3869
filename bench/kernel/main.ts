/**
 * `deno task bench:kernel`: the kernel's MPTCP over veth, this stack over TUN, and the dumb endpoint over TUN, in turns, so that all meet the same
 * machine. Needs root.
 *
 * Every figure is the median of the rounds; a ratio is the median of the rounds' ratios, as speeds swing from minute to minute.
 */

import { type Given, type Option, readInteger, UsageError } from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { print, report } from "../../cli/output.ts";
import { readPolicies } from "../../cli/plugin_names.ts";
import { PLUGIN_OPTIONS } from "../../cli/policies.ts";
import { type Contestant, DumbOverTun, KernelOverVeth, StackOverTun } from "./ends.ts";
import {
  type Case,
  casesOf,
  cellsOf,
  type Figures,
  measure,
  nameOf,
  ratio,
  type Row,
  rowsOf,
} from "./figures.ts";
import { machine, meterProcessors } from "./machine.ts";
import { median, runBench } from "./tools.ts";

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 7)" },
  seconds: { value: "NUMBER", help: "How long each measurement takes (default 2)" },
  only: {
    value: "TEXT",
    several: true,
    help: 'Only what has this in its name, "2 subflows" or "connect"',
  },
  lent: { help: "This stack by fill() and drain() too, and by write() of bytes made for it" },
  plain: { help: "TUN without offload too: one packet of 1500 bytes a system call" },
  tcp: { help: "Plain TCP too" },
  json: { help: "Prints every figure as JSON, and no table" },
  ...PLUGIN_OPTIONS,
  help: { alias: "h", help: "This help" },
};

/** What came of a case. */
interface Outcome {
  /** What the warm-up gave, by contestant; null: it cannot. */
  readonly cold: (Figures | null)[];
  /** By contestant and round. */
  readonly rounds: Figures[][];
}

/** Measures everything `rounds` times, after a shorter round that warms up. */
async function compete(
  contestants: readonly Contestant[],
  cases: readonly Case[],
  rounds: number,
  seconds: number,
): Promise<Outcome[]> {
  const outcomes = cases.map((): Outcome => ({ cold: [], rounds: contestants.map(() => []) }));
  for (let round = 0; round <= rounds; round++) {
    for (const [i, one] of cases.entries()) {
      const outcome = outcomes[i]!;
      for (const [j, contestant] of contestants.entries()) {
        const figures = await measure(contestant, one, round === 0 ? seconds / 4 : seconds);
        if (round === 0) outcome.cold.push(figures);
        else if (figures !== null) outcome.rounds[j]!.push(figures);
        const said = figures === null ? "cannot" : Object.entries(figures)
          .map(([name, value]) => `${name} ${value.toPrecision(3)}`).join(", ");
        report(
          `${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}  ${nameOf(one)}  ` +
            `${contestant.name}: ${said}`,
        );
      }
    }
  }
  return outcomes;
}

/** For each contestant the one of whose figure its own is a share; -1: none. */
function referencesOf(contestants: readonly Contestant[]): number[] {
  return contestants.map((contestant, i) =>
    contestant instanceof StackOverTun
      ? contestants.findIndex((other, j) => j > i && other instanceof DumbOverTun)
      : -1
  );
}

function table(contestants: readonly Contestant[], rows: readonly Row[]): string {
  const references = referencesOf(contestants);
  const head = contestants.flatMap(({ name }, i) =>
    references[i]! < 0 ? [name] : [name, "× kernel", "× dumb"]
  );
  const table = new Table({
    head: ["", ...head],
    colAligns: ["left", ...head.map(() => "right" as const)],
    style: { head: [], border: [] },
  });
  for (const row of rows) table.push([row.what, ...cellsOf(row, references)]);
  return table.toString();
}

function json(contestants: readonly Contestant[], rows: readonly Row[]): readonly unknown[] {
  const references = referencesOf(contestants);
  let measured = "";
  return rows.map(({ what, values }) => {
    if (!what.startsWith(" ")) measured = what;
    const [first = []] = values;
    return {
      what: what === measured ? what : `${measured}:${what.slice(1)}`,
      figures: contestants.map(({ name }, i) => ({
        name,
        median: values[i]!.length === 0 ? null : median(values[i]!),
        rounds: values[i],
        ...(references[i]! >= 0 && {
          toKernel: ratio(values[i]!, first),
          toDumb: ratio(values[i]!, values[references[i]!]!),
        }),
      })),
    };
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

async function main(given: Given): Promise<number> {
  const rounds = readInteger(given, "rounds", 7, [1, 1000]);
  const seconds = readInteger(given, "seconds", 2, [1, 60]);
  const policies = await readPolicies(given);
  const cases = casesOf(given.has("tcp"), given.values("only"));
  if (cases.length === 0) {
    const names = casesOf(given.has("tcp"), []).map(nameOf).join("; ");
    const more = given.has("tcp") ? "" : ", and TCP with --tcp";
    throw new UsageError(`--only names nothing that is measured: there is ${names}${more}`);
  }
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [stack.use(await KernelOverVeth.open())];
  for (const offload of given.has("plain") ? [true, false] : [true]) {
    contestants.push(stack.use(await StackOverTun.open(offload, policies)));
    if (given.has("lent")) {
      contestants.push(stack.use(await StackOverTun.open(offload, policies, false, true)));
      contestants.push(stack.use(await StackOverTun.open(offload, policies, true)));
    }
    contestants.push(stack.use(await DumbOverTun.open(offload)));
  }
  const names = [
    `scheduler ${given.value("scheduler") ?? "earliest"}`,
    `congestion control ${given.value("cc") ?? "lia"}`,
  ];
  report(`Kernel: cubic, its own scheduler. This stack: ${names.join(", ")}.`);
  const shares = meterProcessors();
  const outcomes = await compete(contestants, cases, rounds, seconds);
  const { idle, steal } = shares();
  const [load = NaN] = Deno.loadavg();
  const rows = cases.flatMap((one, i) => rowsOf(one, outcomes[i]!.rounds, outcomes[i]!.cold));
  if (given.has("json")) {
    print(JSON.stringify({
      machine: machine(),
      idle,
      steal,
      load,
      rounds,
      seconds,
      policies: names,
      rows: json(contestants, rows),
    }));
    return 0;
  }
  print(table(contestants, rows));
  print(
    [
      `${machine()}; of the processors ${percent(steal)} were stolen by other machines, ${
        percent(idle)
      } idle; load ${load.toFixed(1)}.`,
      `Medians of ${rounds} rounds of ${seconds} s, in turns; ${names.join(", ")}; kernel: cubic.`,
      "Dumb endpoint: parses, acknowledges, discards or makes bytes, the kernel's end plain TCP: what Deno and TUN allow here.",
    ].join("\n"),
  );
  return 0;
}

if (import.meta.main) await runBench("bench:kernel", OPTIONS, main);
