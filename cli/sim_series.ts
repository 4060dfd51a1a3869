/** What a report of `mptcp sim` draws of one run: collected while it runs, as columns of whole numbers. */

import type { DataEvent, Sample } from "../sim/mod.ts";
import type { Micros } from "../mod.ts";

/** What a lane belongs to. */
export type ChartName =
  /** Data sequence: position of each packet's first byte, bytes. */
  | "sequence"
  /** What is read, and what each path carries: bytes per second. */
  | "goodput"
  /** Congestion window and packets in flight: segments, summed up over connections. */
  | "cwnd"
  /** Smoothed round trip: microseconds, mean of connections. */
  | "rtt"
  /** What waits at a link: packets. */
  | "queue"
  /** Received and not read, as something before it is missing: bytes, summed up over connections. */
  | "buffer"
  /** Answers of the scheduler, per second. */
  | "choices";

/** One line, or one cloud of dots. */
export interface Series {
  /** Chart that it is in. */
  readonly chart: ChartName;
  /** Traffic that it is of; null: all. */
  readonly traffic: string | null;
  /** Sender of the data; null: both. */
  readonly side: "client" | "server" | null;
  /** Its lane: a path, a link with a direction, "all", "wait". */
  readonly lane: string;
  /** What it is called in its lane. */
  readonly name: string;
  /** Values of the run that two values here stand for, the least and the most of them; 1: all are here. */
  readonly merged: number;
  /** Microseconds, each as the difference to the one before. */
  readonly times: readonly number[];
  /** Values, each as the difference to the one before. */
  readonly values: readonly number[];
}

/** At most so many points, whatever comes: where there are more, the least and the most of each few in a row stay. */
export class ThinnedPoints {
  readonly #limit: number;
  readonly #line: boolean;
  #times: number[] = [];
  #values: number[] = [];
  #group = 1;
  #pendingTimes: number[] = [];
  #pendingValues: number[] = [];

  /** Of at most `limit` points, from 8 on. Of a `line` those are left out between two that are as high, as it is the same line. */
  constructor(limit: number, line: boolean) {
    this.#limit = limit;
    this.#line = line;
  }

  /** How many points that came two that stayed stand for; 1: all stayed. */
  get merged(): number {
    return this.#group;
  }

  /** One more point, not before the last one. */
  add(time: number, value: number): void {
    const last = this.#values.length - 1;
    const level = this.#line && this.#pendingTimes.length === 0 && last >= 1 &&
      this.#values[last] === value && this.#values[last - 1] === value;
    if (level) {
      this.#times[last] = time;
      return;
    }
    if (this.#group === 1) {
      this.#times.push(time);
      this.#values.push(value);
      if (this.#times.length > this.#limit) this.#halve();
      return;
    }
    this.#pendingTimes.push(time);
    this.#pendingValues.push(value);
    if (this.#pendingTimes.length < this.#group) return;
    this.#settle();
    if (this.#times.length > this.#limit) this.#halve();
  }

  /** The points that stayed. */
  get points(): { readonly times: readonly number[]; readonly values: readonly number[] } {
    this.#settle();
    return { times: this.#times, values: this.#values };
  }

  #settle(): void {
    extremes(
      this.#pendingTimes,
      this.#pendingValues,
      0,
      this.#pendingTimes.length,
      this.#times,
      this.#values,
    );
    this.#pendingTimes = [];
    this.#pendingValues = [];
  }

  #halve(): void {
    const times: number[] = [];
    const values: number[] = [];
    for (let i = 0; i < this.#times.length; i += 4) {
      const end = Math.min(i + 4, this.#times.length);
      extremes(this.#times, this.#values, i, end, times, values);
    }
    this.#times = times;
    this.#values = values;
    this.#group = this.#group === 1 ? 4 : 2 * this.#group;
  }
}

/** Puts the least and the most of [from, to) behind what is in `toTimes` and `toValues`, in the order of time. */
function extremes(
  times: readonly number[],
  values: readonly number[],
  from: number,
  to: number,
  toTimes: number[],
  toValues: number[],
): void {
  if (from >= to) return;
  let [least, most] = [from, from];
  for (let i = from + 1; i < to; i++) {
    if (values[i]! < values[least]!) least = i;
    if (values[i]! > values[most]!) most = i;
  }
  for (const i of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) {
    toTimes.push(times[i]!);
    toValues.push(values[i]!);
  }
}

/** Amounts per second, of one interval after the other. */
class Rate {
  readonly #points: ThinnedPoints;
  readonly #interval: Micros;
  #bin = 0;
  #sum = 0;

  constructor(points: ThinnedPoints, interval: Micros) {
    this.#points = points;
    this.#interval = interval;
    points.add(0, 0);
  }

  add(at: Micros, amount: number): void {
    this.end(at);
    this.#sum += amount;
  }

  /** Notes all intervals that are over at `at`; of those without anything the first and the last. */
  end(at: Micros): void {
    const bin = Math.floor(at / this.#interval);
    if (bin === this.#bin) return;
    this.#note(this.#bin, this.#sum);
    if (bin > this.#bin + 1) this.#note(this.#bin + 1, 0);
    if (bin > this.#bin + 2) this.#note(bin - 1, 0);
    this.#bin = bin;
    this.#sum = 0;
  }

  #note(bin: number, sum: number): void {
    this.#points.add((bin + 1) * this.#interval, Math.round(sum / this.#interval * 1e6));
  }
}

/** Differences of whole numbers. */
function differences(numbers: readonly number[]): number[] {
  let last = 0;
  return numbers.map((number) => {
    const whole = Math.round(number);
    const difference = whole - last;
    last = whole;
    return difference;
  });
}

/** The inverse of {@linkcode differences}. */
export function sums(numbers: readonly number[]): number[] {
  let sum = 0;
  return numbers.map((number) => sum += number);
}

type Key = Pick<Series, "chart" | "traffic" | "side" | "lane" | "name">;

/** Which metric of a time series goes where, and whether values of several connections are summed up. */
const METRICS: Readonly<
  Record<string, { readonly chart: ChartName; readonly name: string; readonly mean?: boolean }>
> = {
  cwnd_segments: { chart: "cwnd", name: "window" },
  in_flight_segments: { chart: "cwnd", name: "in flight" },
  srtt_us: { chart: "rtt", name: "smoothed", mean: true },
  receive_buffer_bytes: { chart: "buffer", name: "waiting" },
  queue_packets: { chart: "queue", name: "waiting" },
};

/** Collects the series of one run. */
export class SeriesCollector {
  readonly #limit: number;
  readonly #interval: Micros;
  readonly #all = new Map<string, { readonly key: Key; readonly points: ThinnedPoints }>();
  readonly #rates = new Map<string, Rate>();
  readonly #samples = new Map<string, { key: Key; sum: number; count: number; mean: boolean }>();
  #sampledAt: Micros = 0;

  /** Rates are of `interval` microseconds each; no series has more than `limit` points. */
  constructor(interval: Micros, limit: number) {
    this.#interval = interval;
    this.#limit = limit;
  }

  /** Takes what connections do. */
  readonly onData = (event: DataEvent): void => {
    const { traffic, side, at } = event;
    if (event.kind === "sent") {
      const { path: lane, offset, bytes, again } = event;
      const name = again ? "again" : "new";
      this.#points({ chart: "sequence", traffic, side, lane, name }).add(at, offset);
      this.#rate({ chart: "goodput", traffic, side, lane, name }).add(at, bytes);
    } else if (event.kind === "read") {
      const sender = side === "client" ? "server" : "client";
      this.#rate({ chart: "goodput", traffic, side: sender, lane: "all", name: "read" })
        .add(at, event.bytes);
    } else {
      const name = event.repeats ? "repeats" : "chosen";
      for (const lane of event.paths) {
        this.#rate({ chart: "choices", traffic, side, lane, name }).add(at, 1);
      }
      if (event.paths.length > 0) return;
      this.#rate({ chart: "choices", traffic, side, lane: "wait", name: "waits" }).add(at, 1);
    }
  };

  /** Takes values of the time series. */
  readonly onSample = ({ at, of, name, metric, value }: Sample): void => {
    const what = METRICS[metric];
    if (what === undefined) return;
    if (at !== this.#sampledAt) this.#settle(at);
    const key = { chart: what.chart, name: what.name };
    if (of === "link") {
      this.#sample({ ...key, traffic: null, side: null, lane: name }, value, false);
      return;
    }
    // "download 1 server wifi": traffic, connection, end, path.
    const parts = /^(.+?) \d+ (client|server)(?: (.+))?$/.exec(name);
    if (parts === null) return;
    const [, traffic = "", end, path = "all"] = parts;
    // What waits at one end was sent by the other.
    const side = (end === "client") === (what.chart === "buffer") ? "server" : "client";
    this.#sample({ ...key, traffic, side, lane: path }, value, what.mean ?? false);
  };

  /** All series of a run that ended at `time`. */
  end(time: Micros): Series[] {
    this.#settle(time);
    for (const rate of this.#rates.values()) rate.end(time + this.#interval);
    return [...this.#all.values()].map(({ key, points }) => ({
      ...key,
      merged: points.merged,
      times: differences(points.points.times),
      values: differences(points.points.values),
    }));
  }

  #points(key: Key): ThinnedPoints {
    const id = idOf(key);
    let one = this.#all.get(id);
    if (one === undefined) {
      this.#all.set(
        id,
        one = { key, points: new ThinnedPoints(this.#limit, key.chart !== "sequence") },
      );
    }
    return one.points;
  }

  #rate(key: Key): Rate {
    const id = idOf(key);
    let rate = this.#rates.get(id);
    if (rate === undefined) this.#rates.set(id, rate = new Rate(this.#points(key), this.#interval));
    return rate;
  }

  #sample(key: Key, value: number, mean: boolean): void {
    const id = idOf(key);
    let sample = this.#samples.get(id);
    if (sample === undefined) this.#samples.set(id, sample = { key, sum: 0, count: 0, mean });
    sample.sum += value;
    sample.count++;
  }

  /** Notes what all connections together had at the last look. */
  #settle(at: Micros): void {
    for (const sample of this.#samples.values()) {
      const { key, sum, count, mean } = sample;
      // No connection, no round trip; but its window is none.
      if (count > 0 || !mean) {
        this.#points(key).add(this.#sampledAt, mean ? sum / count : sum);
      }
      sample.sum = 0;
      sample.count = 0;
    }
    this.#sampledAt = at;
  }
}

function idOf({ chart, traffic, side, lane, name }: Key): string {
  return JSON.stringify([chart, traffic, side, lane, name]);
}
