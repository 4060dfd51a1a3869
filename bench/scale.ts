/**
 * `deno task bench:scale`: what a connection holds, and what a packet costs, with 1 to 10,000 connections of two subflows each between two stacks in one
 * process. Each measurement runs in a process of its own (scale_load.ts), all of a round one after the other, so that they meet the same machine; ratios
 * are medians of the rounds' ratios.
 */

import { fileURLToPath } from "node:url";
import { type Given, type Option, readInteger, UsageError } from "../cli/arguments.ts";
import { Table } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { machine } from "./kernel/machine.ts";
import { median, runBench } from "./kernel/tools.ts";
import type { ScaleFigures } from "./scale_load.ts";

const LOAD = fileURLToPath(new URL("./scale_load.ts", import.meta.url));
const CONNECTIONS = [1, 100, 1000, 10_000];

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 3)" },
  connections: {
    value: "NUMBER",
    several: true,
    help: `How many connections, 1 to 20000 (default ${CONNECTIONS.join(", ")})`,
  },
  json: { help: "Prints every figure as JSON, and no table" },
  help: { alias: "h", help: "This help" },
};

/** Measures once, in a process of its own. */
export async function measure(connections: number): Promise<ScaleFigures> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", LOAD, String(connections)],
  }).output();
  const decoder = new TextDecoder();
  if (success) return JSON.parse(decoder.decode(stdout));
  throw new Error(`Cannot measure ${connections} connections: ${decoder.decode(stderr)}`);
}

function readConnections(texts: readonly string[]): number[] {
  if (texts.length === 0) return CONNECTIONS;
  return texts.map((text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1 && number <= 20_000) return number;
    throw new UsageError(`--connections must be whole numbers from 1 to 20000: "${text}" is none`);
  });
}

/** The rows of the table: `results` by number of connections and round. */
export function rowsOf(
  connections: readonly number[],
  results: readonly (readonly ScaleFigures[])[],
): string[][] {
  const [first = []] = results;
  return connections.map((number, i) => {
    const rounds = results[i]!;
    const of = (name: Exclude<keyof ScaleFigures, "left">): number =>
      median(rounds.map((figures) => figures[name]));
    const ratio = (name: "one" | "all"): string =>
      median(rounds.map((figures, round) => figures[name] / first[round]![name])).toFixed(2);
    const left = rounds.some(({ left }) => Object.values(left).some((value) => value !== 0));
    return [
      number.toLocaleString("en"),
      // What a heap holds beside them is more than a few of them.
      number < 100 ? "-" : (of("held") / 1000).toFixed(1),
      number < 100 ? "-" : (of("heldWasm") / 1000).toFixed(1),
      of("one").toFixed(2),
      ratio("one"),
      of("all").toFixed(2),
      ratio("all"),
      of("open").toFixed(0),
      of("close").toFixed(0),
      left ? "something" : "nothing",
    ];
  });
}

const HEAD = [
  "connections",
  "kB an end",
  "WASM",
  "µs a packet, one busy",
  "x",
  "in turns",
  "x",
  "µs to open",
  "to close",
  "left over",
];

async function main(given: Given): Promise<number> {
  const rounds = readInteger(given, "rounds", 3, [1, 100]);
  const connections = readConnections(given.values("connections"));
  report("Scheduler earliest, congestion control lia, path manager full_mesh; two subflows each.");
  const results = connections.map((): ScaleFigures[] => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [i, number] of connections.entries()) {
      const figures = await measure(number);
      results[i]!.push(figures);
      const { held, one, all } = figures;
      report(
        `round ${round} of ${rounds}  ${number} connections: ${
          (held / 1000).toFixed(1)
        } kB an end, ` +
          `${one.toFixed(2)} and ${all.toFixed(2)} µs a packet`,
      );
    }
  }
  if (given.has("json")) {
    const figures = connections.map((number, i) => ({ connections: number, rounds: results[i] }));
    print(JSON.stringify({ machine: machine(), figures }));
    return 0;
  }
  const table = new Table({
    head: HEAD,
    colAligns: HEAD.map(() => "right" as const),
    style: { head: [], border: [] },
  });
  table.push(...rowsOf(connections, results));
  print(table.toString());
  print(
    [
      `${machine()}. Medians of ${rounds} rounds; both ends in one process; processor time.`,
      "One busy: the others are idle. In turns: each in its turn sends two segments.",
    ].join("\n"),
  );
  return 0;
}

if (import.meta.main) await runBench("bench:scale", OPTIONS, main);
