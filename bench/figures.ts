/** The figures that plugins are compared by: of each kind of traffic those that its user would feel, the most telling first. */

import { formatRate, formatTime } from "../cli/output.ts";
import type { Measurement } from "../sim/mod.ts";

/** One figure of a run. */
export interface Figure {
  /** What it is. */
  readonly name: string;
  /** How much, in bytes per second, microseconds, or pieces. */
  readonly value: number;
  /** Which is better. */
  readonly better: "more" | "less";
  /** As people read it. */
  readonly text: string;
}

/** The figures of some traffic of a run. */
export function figuresOf(result: Measurement, traffic: string): Figure[] {
  const { kind, goodput, delays, delivery, late, video } = result.traffic[traffic]!;
  const rate = (name: string, value: number): Figure => ({
    name,
    value,
    better: "more",
    text: formatRate(value),
  });
  const time = (name: string, value: number): Figure => ({
    name,
    value,
    better: "less",
    text: formatTime(value),
  });
  if (video !== undefined) return [rate("bitrate", video.bitrate), time("stalled", video.stalled)];
  if (delays === undefined) {
    return kind === "cbr"
      ? [rate("goodput", goodput)]
      : [rate("goodput", goodput), time("p99 delay", delivery.p99)];
  }
  return [
    time("mean", delays.mean),
    time("p99", delays.p99),
    ...late === undefined
      ? []
      : [{ name: "late", value: late, better: "less", text: String(late) } as const],
  ];
}

/** A value as a multiple of another one; null: there is none. */
export function ratioOf(value: number, of: number): number | null {
  return of > 0 ? value / of : value === of ? 1 : null;
}
