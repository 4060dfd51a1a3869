/** What papers on schedulers say, each in a scenario of its kind: the figure by which a scheduler differs from min_rtt there. */

import type { SchedulerPlugin } from "../../core/plugin.ts";
import { blest, daps, ecf, minRtt, otias, peekaboo, redundant, sttf } from "../../sched/mod.ts";
import { each, mean, type Outcome, percentile, run, type Scenario } from "./scenarios.ts";

/** A figure that is the better the lower it is. */
export interface Row {
  readonly scheduler: SchedulerPlugin;
  /** What the paper has, and what is run here. */
  readonly scenario: string;
  readonly metric: string;
  readonly measure: (outcome: Outcome) => number;
  readonly run: Scenario;
  readonly seeds: readonly number[];
}

/** Bursts over 10 ms and 100 ms one way, as in STTF's. */
const bursts = (segments: number): Pick<Row, "scenario" | "run"> => ({
  scenario: `bursts of ${segments} segments, 10 Mbit/s 10 ms + 10 Mbit/s 100 ms`,
  run: {
    paths: {
      near: { rate: "10 Mbit/s", delay: "10 ms" },
      far: { rate: "10 Mbit/s", delay: "100 ms" },
    },
    writes: each(2, segments * 1428, 20),
  },
});

/** The rows, one a scheduler that a paper describes. */
export const ROWS: readonly Row[] = [
  {
    scheduler: blest(),
    scenario:
      "16 MB into 300 kB of receive buffer, 25 Mbit/s 25 ms + 5 Mbit/s 65 ms with a long queue",
    metric: "seconds",
    measure: ({ seconds }) => seconds,
    run: {
      paths: {
        wlan: { rate: "25 Mbit/s", delay: "25 ms" },
        "3g": { rate: "5 Mbit/s", delay: "65 ms", queue: 3750 },
      },
      writes: [{ at: 0, bytes: 16e6 }],
      receiveBuffer: 300e3,
    },
    seeds: [1],
  },
  {
    scheduler: ecf(),
    scenario: "objects of 100 kB, 10 Mbit/s 10 ms + 1 Mbit/s 75 ms",
    metric: "mean time",
    measure: mean,
    run: {
      paths: {
        wifi: { rate: "10 Mbit/s", delay: "10 ms" },
        lte: { rate: "1 Mbit/s", delay: "75 ms" },
      },
      writes: each(3, 100e3, 20),
    },
    seeds: [1],
  },
  {
    ...bursts(30),
    scheduler: sttf(),
    metric: "mean time",
    measure: mean,
    seeds: [1],
  },
  {
    ...bursts(30),
    scheduler: otias(),
    metric: "mean time",
    measure: mean,
    seeds: [1],
  },
  {
    ...bursts(20),
    scheduler: daps(),
    metric: "mean time",
    measure: mean,
    seeds: [1],
  },
  {
    scheduler: peekaboo(),
    scenario: "objects of 42 kB, 40 Mbit/s 20 ms + 2 Mbit/s 100 ms",
    metric: "mean time",
    measure: mean,
    run: {
      paths: {
        near: { rate: "40 Mbit/s", delay: "20 ms" },
        far: { rate: "2 Mbit/s", delay: "100 ms" },
      },
      writes: each(1, 42e3, 100),
    },
    seeds: [1, 2, 3],
  },
  {
    scheduler: redundant(),
    scenario: "messages of 4 kB, two paths of 10 Mbit/s, 20 and 25 ms, with 2 % loss",
    metric: "mean time",
    measure: mean,
    run: {
      paths: {
        a: { rate: "10 Mbit/s", delay: "20 ms", loss: 0.02 },
        b: { rate: "10 Mbit/s", delay: "25 ms", loss: 0.02 },
      },
      writes: each(0.2, 4000, 200),
    },
    seeds: [1, 2, 3],
  },
];

/** What DAPS's critics say: where the application sends at a constant rate, packets wait for a slow path that a plan has given them to. */
export const DAPS_AT_A_RATE: Row = {
  scheduler: daps(),
  scenario: "5 kB each 40 ms, 25 Mbit/s 25 ms + 5 Mbit/s 65 ms",
  metric: "90th percentile",
  measure: (outcome) => percentile(outcome, 0.9),
  run: {
    paths: {
      wlan: { rate: "25 Mbit/s", delay: "25 ms" },
      "3g": { rate: "5 Mbit/s", delay: "65 ms", queue: 3750 },
    },
    writes: each(0.04, 5120, 400),
  },
  seeds: [1],
};

/** Its figure as a part of min_rtt's: the means over the seeds. */
export function ratio({ scheduler, measure, run: scenario, seeds }: Row): number {
  let [own, base] = [0, 0];
  for (const seed of seeds) {
    own += measure(run(scheduler, scenario, seed));
    base += measure(run(minRtt(), scenario, seed));
  }
  return own / base;
}

/** As a table shows it: "-38 %". */
export function change(part: number): string {
  const percent = Math.round(100 * (part - 1));
  return `${percent > 0 ? "+" : ""}${percent} %`;
}
