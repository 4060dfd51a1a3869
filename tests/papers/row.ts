/** What a row of the table of published results is, and what rows have in common. */

import "../../mod.ts";
import type { HostPolicies, Measurement, Scenario } from "../../sim/mod.ts";
import { measure, type Sample } from "../../sim/measure.ts";
import type { RedOptions } from "../../core/link/sim/elements/red.ts";
import type { TcpOptions } from "../../core/net/tcp_options.ts";

/** What one run shows, by name; a name belongs to one case of its row. */
export type Values = Readonly<Record<string, number>>;

/** How long a run is: as published, or as short as its orderings show. */
export type Length = "full" | "quick";

/** A figure that was published, and how far from it the mean of all seeds may be. */
export interface Figure {
  /** The name of the value. */
  readonly of: string;
  /** What was published, in words, with the tolerance's sign where there is one: ".927", "≥ 7.5". */
  readonly published: string;
  /** Least and most that hold. */
  readonly least?: number;
  readonly most?: number;
  /** The tolerance, in words: "±0.02", "hard bound". */
  readonly tolerance: string;
  /** Each run must hold, not only their mean. @default {false} */
  readonly each?: boolean;
  /** It is a bound that short runs keep, too. @default {false} */
  readonly quick?: boolean;
}

/** Values none of which may be above the one behind it. */
export interface Ordering {
  readonly ascending: readonly string[];
  /** Whether `--quick`, with one short run, is enough to tell. @default {true} */
  readonly quick?: boolean;
}

/** A published result. */
export interface PaperRow {
  /** What it is called on the command line; the file's name. */
  readonly name: string;
  /** What was published, and by whom. */
  readonly title: string;
  /** The network and what goes over it, in words. */
  readonly scenario: string;
  /** What is measured, with its unit. */
  readonly metric: string;
  /** Its axis in the picture. */
  readonly axis: string;
  /** How the picture shows values that depend on something, in place of the figures alone. */
  readonly curve?: Curve;
  /** Where the figures are from. */
  readonly source: string;
  /** How good these are. */
  readonly evidence: readonly Evidence[];
  /** Runs, each by itself a job of one seed. */
  readonly cases: Readonly<Record<string, (seed: number, length: Length) => Values>>;
  /** Those that short runs have need of. @default all */
  readonly quickCases?: readonly string[];
  /** What must come out. */
  readonly figures: readonly Figure[];
  readonly orderings: readonly Ordering[];
  /** Digits behind the point. */
  readonly digits: number;
  /** What experiments have shown about figures that do not hold, or about the scenario. */
  readonly findings?: readonly string[];
}

/** Values over what is changed. */
export interface Curve {
  /** What that is, with its unit. */
  readonly label: string;
  /** Where its axis, a logarithmic one, has marks. */
  readonly ticks: readonly number[];
  /** Whose the published values are. */
  readonly publishedBy: string;
  /** The lines. */
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly {
      readonly x: number;
      /** The name of the value. */
      readonly of: string;
      readonly published: number;
    }[];
  }[];
}

/** How it is known what a figure is. */
export type Evidence =
  | "published"
  | "published, from memory"
  | "calculated"
  | "another simulator"
  | "source code";

/** Must be within `tolerance` of what was published. */
export function near(of: string, published: number, tolerance: number, unit = ""): Figure {
  return {
    of,
    published: `${published}${unit}`,
    least: published - tolerance,
    most: published + tolerance,
    tolerance: `±${tolerance}${unit}`,
  };
}

/** Must be this at least, less a tolerance. */
export function atLeast(of: string, published: number, tolerance = 0): Figure {
  return {
    of,
    published: `≥ ${published}`,
    least: published - tolerance,
    tolerance: tolerance === 0 ? "bound" : `−${tolerance}`,
  };
}

/** Must be this at most, and a tolerance. */
export function atMost(of: string, published: number, tolerance = 0): Figure {
  return {
    of,
    published: `≤ ${published}`,
    most: published + tolerance,
    tolerance: tolerance === 0 ? "bound" : `+${tolerance}`,
  };
}

/**
 * TCP as in the simulator behind most of these results: NewReno that counts duplicate ACKs, and nothing newer. Each segment is acknowledged, and timeouts are
 * as short as a timer allows that looks every 10 ms.
 */
export const SIMULATORS_TCP: TcpOptions = {
  lossDetection: "reno-nosack",
  sack: false,
  pacing: false,
  frto: false,
  undo: false,
  delayedAck: false,
  minRto: "10 ms",
  tlp: false,
  timestamps: false,
};

/**
 * A drop-tail queue of some packets and three more, in which packets are dropped at random the likelier the fuller it is: at 1.1 / packets in the middle, as in
 * the simulator behind most of these results. Without it flows of the same round trip fall into step, and all drops hit the same one.
 */
export function randomTail(packets: number): RedOptions {
  return {
    min: packets,
    max: packets + 3,
    probability: Math.min(1, 2.2 / packets),
    weight: 1,
    gentle: false,
    even: false,
    limit: packets + 3,
  };
}

/** What is told of a run's last part. */
export interface Late {
  readonly measured: Measurement;
  /** By how much a metric of the time series has grown. */
  grown(of: Sample["of"], name: string, metric: string): number;
}

/**
 * Runs a scenario for `to` seconds, and tells what came after the first `from`, of which `to` is a multiple.
 *
 * @throws {Error} A plugin was at fault: the figures would not be its own.
 */
export function measureLate(
  scenario: Omit<Scenario, "duration">,
  policies: HostPolicies,
  { seed, from, to }: { readonly seed: number; readonly from: number; readonly to: number },
): Late {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  const keyOf = (of: string, name: string, metric: string): string => `${of}/${name}/${metric}`;
  const measured = measureOwn({ ...scenario, duration: `${to * 1000 + 1} ms` }, policies, {
    seed,
    interval: `${from} s`,
    onSample: ({ at, of, name, metric, value }) => {
      (at === from * 1e6 ? first : last).set(keyOf(of, name, metric), value);
    },
  });
  return {
    measured,
    grown: (of, name, metric) => {
      const key = keyOf(of, name, metric);
      const end = last.get(key);
      if (end === undefined) throw new Error(`There is no ${metric} of the ${of} "${name}"`);
      return end - (first.get(key) ?? 0);
    },
  };
}

/**
 * {@linkcode measure}, for figures that are the plugins' own.
 *
 * @throws {Error} A plugin was at fault.
 */
export function measureOwn(...args: Parameters<typeof measure>): Measurement {
  const measured = measure(...args);
  if (measured.faults.length > 0) throw new Error(measured.faults.join("; "));
  return measured;
}
