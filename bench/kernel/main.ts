/**
 * `deno task bench:kernel`: the kernel's MPTCP over veth and this stack over TUN, in turns, so that both meet the same machine. Needs root.
 *
 * Every figure is the median of the rounds; a ratio is the median of the rounds' ratios, as speeds swing from minute to minute.
 */

import {
  helpOfOptions,
  type Option,
  readArguments,
  readInteger,
  UsageError,
} from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { formatRate, print, report } from "../../cli/output.ts";
import { PLUGIN_OPTIONS, readPolicies } from "../../cli/policies.ts";
import { type Contestant, type Direction, KernelOverVeth, StackOverTun } from "./ends.ts";
import { median, runTask } from "./tools.ts";

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 5)" },
  seconds: { value: "NUMBER", help: "How long each transfer takes (default 2)" },
  plain: { help: "TUN without offload too: one packet of 1500 bytes a system call" },
  tcp: { help: "Plain TCP too" },
  json: { help: "Prints every figure as JSON" },
  ...PLUGIN_OPTIONS,
  help: { alias: "h", help: "This help" },
};

/** One row of the result. */
interface Case {
  readonly direction: Direction;
  /** 0: plain TCP. */
  readonly subflows: number;
}

function nameOf({ direction, subflows }: Case): string {
  const what = subflows === 0 ? "TCP" : `MPTCP, ${subflows} subflow${subflows > 1 ? "s" : ""}`;
  return `${direction === "send" ? "to the kernel" : "from the kernel"}: ${what}`;
}

/** Measures everything `rounds` times; gives bytes per second by case, contestant and round. */
async function compete(
  contestants: readonly Contestant[],
  cases: readonly Case[],
  rounds: number,
  seconds: number,
): Promise<number[][][]> {
  const results = cases.map(() => contestants.map((): number[] => []));
  for (let round = 0; round <= rounds; round++) {
    for (const [i, one] of cases.entries()) {
      for (const [j, contestant] of contestants.entries()) {
        // The first round only warms up.
        const rate = await contestant.measure(
          one.direction,
          one.subflows,
          round === 0 ? seconds / 4 : seconds,
        );
        if (round > 0) results[i]![j]!.push(rate);
        report(
          `${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}  ${nameOf(one)}  ` +
            `${contestant.name}: ${formatRate(rate)}`,
        );
      }
    }
  }
  return results;
}

function table(
  contestants: readonly Contestant[],
  cases: readonly Case[],
  results: readonly number[][][],
): string {
  const others = contestants.slice(1);
  const rows = new Table({
    head: ["", ...contestants.flatMap(({ name }, j) => j === 0 ? [name] : [name, "ratio"])],
    colAligns: ["left", ...contestants.flatMap((_, j) => j === 0 ? ["right"] : ["right", "right"])]
      .map((side) => side as "left" | "right"),
    style: { head: [], border: [] },
  });
  for (const [i, one] of cases.entries()) {
    const reference = results[i]![0]!;
    rows.push([
      nameOf(one),
      formatRate(median(reference)),
      ...others.flatMap((_, k) => {
        const rates = results[i]![k + 1]!;
        const ratio = median(rates.map((rate, round) => rate / reference[round]!));
        return [formatRate(median(rates)), ratio.toFixed(2)];
      }),
    ]);
  }
  return rows.toString();
}

async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) {
    throw new UsageError(
      `Unknown argument ${stray}: deno task bench:kernel [${
        Object.keys(OPTIONS).map((name) => `--${name}`).join("] [")
      }]`,
    );
  }
  if (given.has("help")) {
    print(["deno task bench:kernel [OPTIONS]", "", ...helpOfOptions(OPTIONS)].join("\n"));
    return 0;
  }
  const rounds = readInteger(given, "rounds", 5, [1, 1000]);
  const seconds = readInteger(given, "seconds", 2, [1, 60]);
  const policies = await readPolicies(given);
  const cases = (given.has("tcp") ? [0, 1, 2] : [1, 2]).flatMap((subflows) =>
    (["receive", "send"] as const).map((direction) => ({ direction, subflows }))
  );
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  contestants.push(stack.use(await KernelOverVeth.open()));
  contestants.push(stack.use(await StackOverTun.open(true, policies)));
  if (given.has("plain")) contestants.push(stack.use(await StackOverTun.open(false, policies)));
  const names = [
    `scheduler ${given.value("scheduler") ?? "min_rtt"}`,
    `congestion control ${given.value("cc") ?? "lia"}`,
  ];
  report(`Kernel: cubic, its own scheduler. This stack: ${names.join(", ")}.`);
  const results = await compete(contestants, cases, rounds, seconds);
  print(table(contestants, cases, results));
  print(
    `Medians of ${rounds} rounds of ${seconds} s, in turns; ${names.join(", ")}; kernel: cubic.`,
  );
  if (given.has("json")) {
    print(JSON.stringify(cases.map((one, i) => ({
      ...one,
      rates: Object.fromEntries(contestants.map(({ name }, j) => [name, results[i]![j]])),
    }))));
  }
  return 0;
}

if (import.meta.main) await runTask("bench:kernel", main);
