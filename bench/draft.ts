/**
 * `deno task bench:draft`: the founding draft's arguments as figures. Pull against push (A.5), fixed against tuned buffers (§3.4.1, §3.5.1), how much one
 * decision binds (§3.5.3.2), and two estimates of a bandwidth (§3.5.1), in virtual time: exact, and the same on each machine.
 */

import { parseArgs } from "@std/cli/parse-args";
import { Table } from "../cli/deps.ts";
import { formatBytes, print, report } from "../cli/output.ts";
import type { SchedulerPlugin } from "../core/plugin.ts";
import { minRtt, timeDistance } from "../sched/mod.ts";
import { CONTEXTS } from "./draft_meter.ts";
import { drawBuffers, drawCalls, drawEstimates, drawGoodput } from "./draft_plots.ts";
import { type DraftFigures, type DraftPath, formula, runDraft, type Step } from "./draft_runs.ts";
import { refuseUnknown, runProgram } from "./flags.ts";

const USAGE = `deno task bench:draft [OPTIONS]

  --out DIR   Where pictures and figures.json go (default: docs/draft_experiments)
  --time      Prints real time by context besides, which differs from run to run
  --help      This help`;

/** Of all comparisons of schedulers: 20 Mbit/s, 20 ms and 10 Mbit/s, 80 ms. */
const PATHS: Readonly<Record<string, DraftPath>> = {
  a: { mbit: 20, rtt: 20, queue: 60 },
  b: { mbit: 10, rtt: 80, queue: 60 },
};

/** What happens to them. */
export const CHANGES: Readonly<Record<string, readonly Step[]>> = {
  constant: [],
  // The fast one becomes ten times slower for two seconds, and so on.
  stepping: [2, 4, 6, 8].map((at, i) => ({
    at,
    name: "a",
    mbit: i % 2 === 0 ? 2 : 20,
    rtt: i % 2 === 0 ? 100 : 20,
  })),
  // Each 0.2 s one of them has another rate.
  jittery: Array.from({ length: 60 }, (_, i) => ({
    at: 0.2 * (i + 1),
    name: i % 2 === 0 ? "b" : "a",
    mbit: [20, 8, 14, 4, 18, 6, 10, 12][(i * 5) % 8]!,
  })),
};

/** When data are bound. */
export const WAYS: readonly (readonly [
  name: string,
  scheduler: () => SchedulerPlugin,
  reallocate: boolean,
])[] = [
  ["pull", minRtt, true],
  ["hybrid, 1 segment", () => timeDistance({ lookAhead: 1 }), true],
  ["hybrid, 4 segments", () => timeDistance({ lookAhead: 4 }), true],
  ["hybrid, 16 segments", () => timeDistance({ lookAhead: 16 }), true],
  ["push, reallocating", () => timeDistance(), true],
  ["push", () => timeDistance(), false],
];

/** Bytes of a send queue that holds half a second of both paths: what push binds ahead. */
const SEND_BUFFER = 2e6;
const BYTES = 15e6;

/** One of the first table's rows. */
export interface PushRow {
  readonly paths: string;
  readonly way: string;
  readonly figures: DraftFigures;
}

/** Runs one cell of the first table. */
export function pushCell(paths: string, way: string, bytes: number = BYTES): PushRow {
  const [, scheduler, reallocate] = WAYS.find(([name]) => name === way)!;
  const figures = runDraft({
    paths: PATHS,
    steps: CHANGES[paths]!,
    bytes,
    scheduler: scheduler(),
    experiments: { receiveBuffer: formula(PATHS), sendBuffer: SEND_BUFFER, reallocate },
  });
  return { paths, way, figures };
}

/** Of the comparison of buffers: round trips of 1:8. */
export const UNEQUAL: Readonly<Record<string, DraftPath>> = {
  fast: { mbit: 20, rtt: 20, queue: 40 },
  slow: { mbit: 10, rtt: 160, queue: 60 },
};
const FACTORS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 2, 4];

/** One size of the receive buffer; null: tuned. */
export interface BufferRow {
  readonly paths: "both" | "fast alone";
  /** Times 2·ΣBW·RTT_max of both. */
  readonly factor: number;
  readonly tuned: boolean;
  readonly figures: DraftFigures;
}

/** Runs one cell of the second table. */
export function bufferCell(
  paths: BufferRow["paths"],
  factor: number | null,
  bytes: number = BYTES,
): BufferRow {
  const size = formula(UNEQUAL);
  const figures = runDraft({
    paths: paths === "both" ? UNEQUAL : { fast: UNEQUAL.fast! },
    bytes,
    scheduler: minRtt(),
    experiments: factor === null
      ? {}
      : { receiveBuffer: Math.round(factor * size), sendBuffer: 8 * size },
  });
  return { paths, factor: factor ?? figures.receiveBuffer / size, tuned: factor === null, figures };
}

function perMegabyte(count: number): string {
  return (count / (BYTES / 1e6)).toFixed(1);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows) all.push(row.map(String));
  return all.toString();
}

async function main(): Promise<void> {
  const { out = "docs/draft_experiments", time, help } = parseArgs(Deno.args, {
    string: ["out"],
    boolean: ["time", "help"],
    unknown: refuseUnknown(USAGE),
  });
  if (help) {
    print(USAGE);
    Deno.exit();
  }
  const push: PushRow[] = [];
  for (const paths of Object.keys(CHANGES)) {
    for (const [way] of WAYS) {
      report(`${paths} paths, ${way}`);
      push.push(pushCell(paths, way));
    }
  }
  const buffers: BufferRow[] = [];
  for (const paths of ["both", "fast alone"] as const) {
    for (const factor of [...FACTORS, null]) {
      report(`${paths}, buffer ${factor === null ? "tuned" : `of ${factor} x the formula`}`);
      buffers.push(bufferCell(paths, factor));
    }
  }
  const quanta = [1, 2, 4, 8, 16].map((segments) => {
    report(`${segments} segments a decision`);
    const figures = runDraft({
      // Near and fast, so that a millisecond of a path's rate, which pull binds at most, is as much.
      paths: { a: { mbit: 400, rtt: 4, queue: 200 }, b: { mbit: 200, rtt: 8, queue: 200 } },
      bytes: BYTES,
      scheduler: timeDistance({ lookAhead: 0, segments }),
    });
    return { segments, figures };
  });
  const estimates = Object.entries(CHANGES).map(([paths, steps]) => {
    report(`${paths} paths, both estimates`);
    const figures = runDraft({
      paths: PATHS,
      steps,
      bytes: BYTES,
      scheduler: minRtt(),
      estimates: true,
    });
    return { paths, samples: figures.estimates };
  });

  const contexts = (figures: DraftFigures): string[] =>
    CONTEXTS.filter((each) => each !== "read").map((each) => perMegabyte(figures.calls[each]));
  print(
    "Pull against push: 15 MB over 20 Mbit/s 20 ms and 10 Mbit/s 80 ms; calls of the scheduler per MB",
  );
  print(table(
    ["paths", "", "Mbit/s", "stalled", "taken back", "bytes", "packet", "timer", "write"],
    push.map(({ paths, way, figures }) => [
      paths,
      way,
      figures.goodput.toFixed(1),
      `${figures.stalled.toFixed(2)} s`,
      figures.reallocations,
      formatBytes(figures.reallocated),
      ...contexts(figures),
    ]),
  ));
  if (time) {
    print("Real milliseconds of the sending stack by context, and of the scheduler in it");
    print(table(
      ["paths", "", ...CONTEXTS, ...CONTEXTS.map((each) => `${each}: scheduler`)],
      push.map(({ paths, way, figures }) => [
        paths,
        way,
        ...CONTEXTS.map((each) => figures.work[each].toFixed(1)),
        ...CONTEXTS.map((each) => figures.schedulerWork[each].toFixed(2)),
      ]),
    ));
  }
  print(
    `Receive buffer: 15 MB over 20 Mbit/s 20 ms and 10 Mbit/s 160 ms; 2·ΣBW·RTT_max is ${
      formatBytes(formula(UNEQUAL))
    }`,
  );
  print(table(
    ["paths", "x formula", "bytes", "Mbit/s"],
    buffers.map(({ paths, factor, tuned, figures }) => [
      paths,
      tuned ? `tuned: ${factor.toFixed(2)}` : factor,
      formatBytes(figures.receiveBuffer),
      figures.goodput.toFixed(1),
    ]),
  ));
  print("Segments that one decision binds: 15 MB over 400 Mbit/s 4 ms and 200 Mbit/s 8 ms");
  print(table(
    ["segments", "calls per MB", "out of order", "seconds"],
    quanta.map(({ segments, figures }) => [
      segments,
      perMegabyte(CONTEXTS.reduce((sum, each) => sum + figures.calls[each], 0)),
      figures.outOfOrder.toFixed(2),
      figures.time.toFixed(3),
    ]),
  ));
  const spread = (values: readonly number[]): string => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length;
    return `${formatBytes(mean)} ± ${formatBytes(Math.sqrt(variance))}`;
  };
  print("What the send queue is asked for, from the first second on: mean and deviation");
  print(table(
    ["paths", "windows (SBF-3)", "progress (SBF-4)"],
    estimates.map(({ paths, samples }) => {
      const late = samples.filter(({ at }) => at >= 1);
      return [
        paths,
        spread(late.map((each) => each.windows)),
        spread(late.map((each) => each.progress)),
      ];
    }),
  ));

  await Deno.mkdir(out, { recursive: true });
  const exact = ({ work: _, schedulerWork: __, estimates: ___, ...rest }: DraftFigures): object =>
    rest;
  const files: Readonly<Record<string, string>> = {
    "figures.json": JSON.stringify(
      {
        push: push.map((row) => ({ ...row, figures: exact(row.figures) })),
        buffers: buffers.map((row) => ({ ...row, figures: exact(row.figures) })),
        quanta: quanta.map((row) => ({ ...row, figures: exact(row.figures) })),
      },
      null,
      2,
    ) + "\n",
    "push.svg": await drawGoodput(push),
    "calls.svg": await drawCalls(push),
    "buffers.svg": await drawBuffers(buffers),
    "estimates.svg": await drawEstimates(estimates, formula(PATHS)),
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${out}/${name}`, text);
  }
  print(`Written to ${out}: ${Object.keys(files).join(", ")}`);
}

if (import.meta.main) await runProgram(main);
