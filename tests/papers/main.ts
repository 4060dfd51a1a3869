/** `deno task papers`: published results, measured again in virtual time: the same figures on every machine. */

import {
  helpOfOptions,
  type Option,
  readArguments,
  readInteger,
  UsageError,
} from "../../cli/arguments.ts";
import { formatTime, print, report } from "../../cli/output.ts";
import { runTask } from "../../bench/kernel/tools.ts";
import { PoolProgress } from "../../bench/pool_progress.ts";
import { plainTable } from "../../bench/promise/grid.ts";
import { VERSION } from "../../sim/version.ts";
import { type Figures, pageOf } from "./page.ts";
import { drawRow } from "./plot.ts";
import { rowOf, ROWS } from "./rows.ts";
import { jobsOf, judge, measureRows, type RunOptions } from "./run.ts";

const NAMES = ROWS.map(({ name }) => name);
const ROW_HELP = `Some rows: ${NAMES.slice(0, 4).join(", ")},\n${NAMES.slice(4).join(", ")}`;

const OPTIONS: Readonly<Record<string, Option>> = {
  row: { value: "NAME", several: true, help: ROW_HELP },
  seeds: { value: "NUMBER", help: "Runs of each case, with seeds from 1 on (default 5)" },
  quick: { help: "One seed, shortened, and the orderings only" },
  workers: { value: "NUMBER", help: "Default: one for each core" },
  json: { help: "Prints every value and every verdict as JSON" },
  docs: {
    help: "Writes the rows that were measured into docs/papers.md, .json and pictures",
  },
  help: { alias: "h", help: "This help" },
};

const HELP = [
  "deno task papers [OPTIONS]",
  "",
  "Published results, measured again: the whole table takes one and a half hours of CPU, on two",
  "cores 45 minutes.",
  "The exit code is 0 when all figures hold, 1 when one does not, 2 for wrong use.",
  "",
  "Options:",
  ...helpOfOptions(OPTIONS),
].join("\n");

const PAGE = new URL("../../docs/papers.md", import.meta.url);
const DATA = new URL("../../docs/papers.json", import.meta.url);

/** The picture of a row. */
export function pictureOf(name: string): URL {
  return new URL(`../../docs/papers/${name}.svg`, import.meta.url);
}

/** What docs/papers.json holds. */
export async function readFigures(): Promise<Figures> {
  return JSON.parse(await Deno.readTextFile(DATA));
}

function chosen(names: readonly string[]) {
  if (names.length === 0) return ROWS;
  try {
    const rows = names.map(rowOf);
    return ROWS.filter((row) => rows.includes(row));
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--row: ${error.message}`) : error;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) throw new UsageError(`Unknown argument ${stray}`);
  if (given.has("help")) {
    print(HELP);
    return 0;
  }
  const rows = chosen(given.values("row"));
  const quick = given.has("quick");
  if (quick && given.has("docs")) {
    throw new UsageError("--docs: the page is of full runs, not of --quick");
  }
  const seeds = readInteger(given, "seeds", quick ? 1 : 5, [1, 1000]);
  const options: RunOptions = {
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    length: quick ? "quick" : "full",
    ...(given.value("workers") !== undefined &&
      { workers: readInteger(given, "workers", 1, [1, 1024]) }),
  };
  const start = performance.now();
  using progress = new PoolProgress(jobsOf(rows, options).length, "runs");
  const { measured, failed } = await measureRows(rows, {
    ...options,
    onDone: (done) => progress.update(done),
  });
  report(`In ${formatTime((performance.now() - start) * 1e3)} of real time`);
  const judged = rows.flatMap((row) => {
    const own = measured[row.name];
    return own === undefined ? [] : [{ row, measured: own, verdicts: judge(row, own) }];
  });
  if (given.has("json")) {
    const all = judged.map(({ row: { name, title }, measured, verdicts }) => ({
      name,
      title,
      ...measured,
      verdicts,
    }));
    print(JSON.stringify({ format: "mptcp-papers/1", version: VERSION, rows: all }, null, 2));
  } else {
    for (const { row, verdicts } of judged) {
      print(row.title);
      print(plainTable(
        ["", "measured", "published", "tolerance", "holds"],
        verdicts.map(({ what, measured, published, tolerance, holds }) => [
          what,
          measured,
          published,
          tolerance,
          holds ? "yes" : "NO",
        ]),
      ));
    }
  }
  for (const error of failed) report(`Failed: ${error}`);
  if (given.has("docs")) {
    const earlier = await readFigures().catch((error) => {
      if (error instanceof Deno.errors.NotFound) return {};
      throw error;
    });
    const figures = { ...earlier, ...measured };
    await Deno.writeTextFile(DATA, `${JSON.stringify(figures)}\n`);
    await Deno.writeTextFile(PAGE, pageOf(ROWS, figures));
    for (const row of ROWS) {
      const own = figures[row.name];
      if (own !== undefined) await Deno.writeTextFile(pictureOf(row.name), await drawRow(row, own));
    }
  }
  const held = judged.every(({ verdicts }) => verdicts.every(({ holds }) => holds));
  return held && failed.length === 0 ? 0 : 1;
}

if (import.meta.main) await runTask("papers", main);
