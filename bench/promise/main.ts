/**
 * `deno task bench:promise`: does a second path ever cost anything? Completion times of MPTCP over those of TCP on the better path, over a grid of
 * networks, sizes and buffers in virtual time: the same on every machine.
 */

import { fileURLToPath } from "node:url";
import {
  type Given,
  helpOfOptions,
  type Option,
  readArguments,
  readInteger,
  UsageError,
} from "../../cli/arguments.ts";
import { explain, formatTime, print, report } from "../../cli/output.ts";
import { loadWatched } from "../../cli/plugin_names.ts";
import { PLUGIN_OPTIONS } from "../../cli/policies.ts";
import { defaultPolicies } from "../../core/net/policies.ts";
import "../../mod.ts";
import { runTask } from "../kernel/tools.ts";
import { PoolProgress } from "../pool_progress.ts";
import { gridCells, pickCells } from "./cells.ts";
import { DEFAULT } from "./policies.ts";
import { TABLES } from "./tables/mod.ts";
import { allKept, measureTable, tableText } from "./tables/run.ts";
import {
  besideDefault,
  bySchedulers,
  cellsOver,
  classTable,
  type GridFigures,
  heatTable,
  runGrid,
  verdictTable,
} from "./grid.ts";
import { fromFile, toFile } from "./file.ts";
import { drawHeatMap } from "./heat_map.ts";
import { pageOf } from "./page.ts";
import { measuredBy, verdictsOf } from "./summary.ts";

const OPTIONS: Readonly<Record<string, Option>> = {
  scheduler: { ...PLUGIN_OPTIONS.scheduler!, several: true },
  cc: { ...PLUGIN_OPTIONS.cc!, several: true },
  table: {
    value: "NAME",
    help: `Another table than the grid: ${Object.keys(TABLES).join(", ")};\n` +
      "with each scheduler and each congestion control that is named",
  },
  cells: {
    value: "FILTER",
    several: true,
    help: "The cells whose names have all of these words, such as '1MB kept 2/300';\n" +
      "a whole name is a cell of its own; of a --table the rows whose names have it",
  },
  quick: { help: "60 cells of all kinds, 5 seeds where packets are lost" },
  slower: {
    help: "Begins each connection by MPTCP on the slower path, in place of the better one",
  },
  seeds: { value: "NUMBER", help: "Of each cell that loses packets (default 20)" },
  workers: { value: "NUMBER", help: "Default: one for each core" },
  json: { value: "FILE", help: "Writes every figure there" },
  docs: { help: "Writes docs/promise.md with its picture and figures: of the whole grid" },
  svg: { value: "FILE", help: "Draws the heat map there" },
  tcp: {
    value: "FILE",
    help: "Takes the times by TCP from an earlier --json FILE: a third of the work is left.\n" +
      "They hold while neither TCP nor the congestion control changes",
  },
  over: { value: "NUMBER", help: "Names so many of the cells above the bound (default 20)" },
  help: { alias: "h", help: "This help" },
};

const HELP = [
  "deno task bench:promise [OPTIONS]",
  "",
  "Completion time of MPTCP over two paths / that of TCP over the better one.",
  "",
  "Examples:",
  "  deno task bench:promise --quick",
  "  deno task bench:promise --table goals --cc lia --cc cubic",
  "  deno task bench:promise --scheduler ./docs/examples/patient.ts,ratio=6 --cells 'kept loss=0'",
  "",
  "Options:",
  ...helpOfOptions(OPTIONS),
].join("\n");

/** Cells and seeds of `--quick`. */
export const QUICK = { cells: 60, seeds: 5 } as const;

function cellsOf(given: Given) {
  const filters = given.values("cells");
  const all = given.has("quick") ? gridCells().slice(0, QUICK.cells) : gridCells();
  if (filters.length === 0) return all;
  try {
    return [...new Set(filters.flatMap((filter) => pickCells(filter, all)))];
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--cells: ${error.message}`) : error;
  }
}

async function readEarlier(file: string | undefined): Promise<GridFigures | null> {
  if (file === undefined) return null;
  try {
    return fromFile(await Deno.readTextFile(file));
  } catch (error) {
    const other = error instanceof TypeError || error instanceof SyntaxError;
    throw new UsageError(
      `--tcp: ${other ? `${file} is not what --json FILE writes` : explain(error as Error)}`,
    );
  }
}

/** Options that belong to the grid alone. */
const OF_THE_GRID: readonly string[] = ["seeds", "svg", "tcp", "over"];
const SWITCHES_OF_THE_GRID: readonly string[] = ["quick", "docs", "slower"];

async function tableOf(given: Given, table: string): Promise<number> {
  if (!Object.hasOwn(TABLES, table)) {
    throw new UsageError(
      `--table must be one of ${Object.keys(TABLES).join(", ")}: it is "${table}"`,
    );
  }
  const stray = SWITCHES_OF_THE_GRID.find((name) => given.has(name)) ??
    OF_THE_GRID.find((name) => given.value(name) !== undefined);
  if (stray !== undefined) throw new UsageError(`--${stray} is of the grid, not of a --table`);
  const [only = "", ...more] = given.values("cells");
  if (more.length > 0) throw new UsageError("--cells: a --table takes one");
  const congestions = given.values("cc");
  const own = given.values("scheduler");
  const { title, rows } = TABLES[table]!;
  if (!rows.some((row) => row.includes(only))) {
    throw new UsageError(`--cells: no row of the table has "${only}" in its name`);
  }
  await writable(given);
  const { measured, failed } = await measureTable(
    table,
    [...new Set([DEFAULT, ...own])],
    congestions.length > 0 ? [...new Set(congestions)] : [DEFAULT],
    { only, ...workersOf(given) },
  );
  tellOf(failed, "rows");
  const defaults = defaultPolicies();
  const nameOf = (text: string, fallback: string): string =>
    text === DEFAULT ? `${fallback} (default)` : text;
  print(title);
  for (const each of measured) {
    print(
      `${nameOf(each.scheduler, defaults.scheduler.name)}, ${
        nameOf(each.congestion, defaults.congestionControl.name)
      }`,
    );
    print(tableText(each));
    const faults = new Set(Object.values(each.rows).flatMap(({ faults }) => faults));
    if (faults.size > 0) print(`Not theirs alone:\n  ${[...faults].join("\n  ")}`);
  }
  const json = given.value("json");
  if (json !== undefined) await Deno.writeTextFile(json, `${JSON.stringify(measured, null, 2)}\n`);
  return failed.length === 0 && measured.every(allKept) ? 0 : 1;
}

async function withProgress<T>(
  total: number,
  run: (onDone: (done: number) => void) => Promise<T>,
): Promise<T> {
  using progress = new PoolProgress(total, "cells");
  return await run((done) => progress.update(done));
}

function workersOf(given: Given): { readonly workers?: number } {
  return given.value("workers") === undefined
    ? {}
    : { workers: readInteger(given, "workers", 1, [1, 1024]) };
}

async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) throw new UsageError(`Unknown argument ${stray}`);
  if (given.has("help")) {
    print(HELP);
    return 0;
  }
  const own = given.values("scheduler");
  const congestions = given.values("cc");
  // All that is wrong is told before workers load them.
  for (const text of own) await loadWatched("scheduler", text);
  const controls: string[] = [];
  for (const text of congestions) controls.push((await loadWatched("cc", text)).name);
  const defaults = defaultPolicies();
  const table = given.value("table");
  if (table !== undefined) return await tableOf(given, table);
  if (congestions.length > 1) {
    throw new UsageError("--cc: the grid is of one, a --table of several");
  }
  const [congestion = DEFAULT] = congestions;
  const [control = defaults.congestionControl.name] = controls;
  const cells = cellsOf(given);
  if (given.has("docs") && (cells.length < gridCells().length || own.length > 0)) {
    throw new UsageError("--docs: the page is of the whole grid, by the default scheduler");
  }
  const slower = given.has("slower");
  if (given.has("docs") && slower) {
    throw new UsageError("--docs: the page is of connections that begin on the better path");
  }
  const seeds = readInteger(given, "seeds", given.has("quick") ? QUICK.seeds : 20, [1, 1000]);
  const earlier = await readEarlier(given.value("tcp"));
  if (earlier !== null && (earlier.seeds !== seeds || earlier.congestion !== congestion)) {
    throw new UsageError(
      `--tcp: its figures are of ${earlier.seeds} seeds and the congestion control ${earlier.congestion}`,
    );
  }
  const most = readInteger(given, "over", 20, [0, 1e6]);
  await writable(given);
  const start = performance.now();
  const schedulers = [...new Set([DEFAULT, ...own])];
  const { figures, failed } = await withProgress(
    cells.length,
    (onDone) =>
      runGrid(cells, {
        schedulers,
        congestion,
        seeds,
        slower,
        earlier,
        onDone,
        ...workersOf(given),
      }),
  );
  report(`${cells.length} cells in ${formatTime((performance.now() - start) * 1e3)} of real time`);
  tellOf(failed, "cells");
  if (figures.cells.length === 0) return 1;
  print(
    `Completion time of MPTCP over both paths${
      slower ? ", begun on the slower one," : ""
    } / TCP over the better one; default: ${defaults.scheduler.name}, ${control}; medians of ${seeds} seeds where packets are lost`,
  );
  show(figures, most);
  const verdicts = Object.fromEntries(
    Object.entries(bySchedulers(figures)).map(([name, all]) => [name, verdictsOf(all)]),
  );
  const last = schedulers.at(-1)!;
  const policies = `${last === DEFAULT ? defaults.scheduler.name : last}, ${control}`;
  if (given.has("docs") && failed.length > 0) throw new Error("The page was not written");
  await write(given, figures, toFile(figures, verdicts), policies);
  const kept = Object.values(verdicts).flat().every(({ kept }) => kept);
  return kept && failed.length === 0 ? 0 : 1;
}

/** Names what failed; the others count all the same. */
function tellOf(failed: readonly string[], what: string): void {
  if (failed.length === 0) return;
  report(`${failed.length} ${what} failed:\n  ${failed.join("\n  ")}`);
}

/** Prints all tables of the grid, the heat map of the last scheduler among them, and the names of `most` cells above the bound. */
function show(figures: GridFigures, most: number): void {
  const all = bySchedulers(figures);
  const last = figures.schedulers.at(-1)!;
  print(classTable(all));
  print(
    `Median (worst) by the ratios of rates, long RTT / short, and of round trips: ${last}`,
  );
  print(heatTable(all[last]!));
  print(verdictTable(all));
  for (const line of besideDefault(all)) print(line);
  for (const [name, measured] of Object.entries(all)) {
    const over = cellsOver(measured);
    if (over.length > 0) {
      print(`${name}: ${over.length} cells above the bound, the worst first; --cells takes a name`);
      for (const { run, name } of over.slice(0, most)) print(`  ${run.ratio.toFixed(2)}  ${name}`);
    }
    const faults = new Set(measured.flatMap(({ run }) => run.faults));
    if (faults.size > 0) print(`Not ${name} alone:\n  ${[...faults].join("\n  ")}`);
  }
}

const DOCS = new URL("../../docs/", import.meta.url);

/** Sees that files can be written before minutes are spent. */
async function writable(given: Given): Promise<void> {
  for (const name of ["json", "svg"]) {
    const file = given.value(name);
    if (file === undefined) continue;
    try {
      await Deno.writeTextFile(file, "", { append: true });
    } catch (error) {
      throw new UsageError(`--${name}: ${explain(error as Error)}`);
    }
  }
}

/** Writes what was asked for; `policies` names the plugins of the last scheduler's figures. */
async function write(
  given: Given,
  figures: GridFigures,
  text: string,
  policies: string,
): Promise<void> {
  const [json, svg, docs] = [given.value("json"), given.value("svg"), given.has("docs")];
  if (json !== undefined) await Deno.writeTextFile(json, text);
  if (svg === undefined && !docs) return;
  const measured = measuredBy(figures.cells, figures.schedulers.at(-1)!);
  const picture = await drawHeatMap(measured, `Never slower than the best path: ${policies}`);
  if (svg !== undefined) await Deno.writeTextFile(svg, picture);
  if (!docs) return;
  const page = new URL("promise.md", DOCS);
  await Deno.writeTextFile(new URL("promise.json", DOCS), text);
  await Deno.writeTextFile(new URL("promise.svg", DOCS), picture);
  await Deno.writeTextFile(page, pageOf(figures, policies));
  // Of the configuration, which leaves the page out of what is checked, the width of lines is meant.
  const args = ["fmt", "-q", "--no-config", "--line-width", "100", fileURLToPath(page)];
  await new Deno.Command(Deno.execPath(), { args }).output();
}

if (import.meta.main) await runTask("bench:promise", main);
