/** One bulk transfer in virtual time, measured: what schedulers are compared by. */

import { positionOf } from "../cli/sequence.ts";
import { delay } from "../core/link/sim/elements/delay.ts";
import { loss } from "../core/link/sim/elements/loss.ts";
import { queue } from "../core/link/sim/elements/queue.ts";
import { rate } from "../core/link/sim/elements/rate.ts";
import { type Duration, parseRate, type Rate } from "../core/link/units.ts";
import { sayFaults } from "../core/net/faults.ts";
import type {
  CongestionControlPlugin,
  Micros,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../core/plugin.ts";
import { Rig } from "./rig.ts";

/** A path of a scenario. */
export interface ScenarioPath {
  /** What it carries in each direction, counting whole packets. */
  readonly rate: Rate;
  /** One way. */
  readonly delay: Duration;
  /** Share of packets lost at random. @default {0} */
  readonly loss?: number;
  /** Packets that wait at most. */
  readonly queue: number;
}

/** What is transferred over what. */
export interface Scenario {
  /** The paths by name; the first carries the first subflow. */
  readonly paths: Readonly<Record<string, ScenarioPath>>;
  /** Bytes to transfer. */
  readonly bytes: number;
  /** Seed of all randomness. @default {1} */
  readonly seed?: number;
}

/** A telephone: 16 MB over Wi-Fi and LTE. */
export const WIFI_LTE: Scenario = {
  paths: {
    wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.0001, queue: 84 },
    lte: { rate: "12 Mbit/s", delay: "40 ms", queue: 80 },
  },
  bytes: 16e6,
};

/** The plugins of a run; the defaults for those not named. */
export interface ScenarioPolicies {
  /** Which path carries what. */
  readonly scheduler?: SchedulerPlugin;
  /** How much may be in flight. */
  readonly congestionControl?: CongestionControlPlugin;
  /** Which paths are opened. */
  readonly pathManager?: PathManagerPlugin;
}

/** What came of a run. */
export interface Figures {
  /** Bytes a second that reached the application. */
  readonly goodput: number;
  /** The same as a part of the payload that all paths carry together. */
  readonly share: number;
  /** 99th percentile of the time from when a byte was first sent until it could be read, in microseconds. */
  readonly delay99: Micros;
  /** Bytes of payload that each path carried, repeated ones included. */
  readonly paths: readonly { readonly name: string; readonly bytes: number }[];
  /** Bytes that were sent more than once, on the same path or another. */
  readonly repeated: number;
  /** What the plugins did wrong, in words; the default decided in their place. None: the figures are theirs alone. */
  readonly faults: readonly string[];
}

/** Notes when each byte was first sent, and how long it took until it could be read. */
class DeliveryDelays {
  readonly #ends: number[] = [];
  readonly #times: Micros[] = [];
  readonly #delays: Micros[] = [];
  #next = 0;

  /** Bytes up to `end` have been sent. */
  sent(end: number, at: Micros): void {
    if (end <= (this.#ends.at(-1) ?? 0)) return;
    this.#ends.push(end);
    this.#times.push(at);
  }

  /** Bytes up to `end` have been read. */
  read(end: number, at: Micros): void {
    for (; (this.#ends[this.#next] ?? Infinity) <= end; this.#next++) {
      this.#delays.push(at - (this.#times[this.#next] ?? at));
    }
  }

  percentile(share: number): Micros {
    const sorted = this.#delays.sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  }
}

/** Runs a scenario once. The same plugins and the same seed give the same figures. */
export function runScenario(policies: ScenarioPolicies, scenario: Scenario): Figures {
  const { paths, bytes, seed = 1 } = scenario;
  const delays = new DeliveryDelays();
  const carried = new Map(Object.keys(paths).map((name) => [name, 0]));
  const faults: string[] = [];
  let first = -1;
  let payload = 0;
  using rig = new Rig({
    paths: Object.fromEntries(
      Object.entries(paths).map(([name, path]) => [
        name,
        [queue(path.queue), rate(path.rate), loss(path.loss ?? 0), delay(path.delay)],
      ]),
    ),
    policies,
    seed,
    report: sayFaults((line) => faults.push(line)),
    trace: ({ event, at, from, to, link, bytes }) => {
      if (event !== "send" || from === "client" || !carried.has(link)) return;
      const position = positionOf(bytes);
      if (position === null || to !== "client") return;
      if (first < 0) first = position.sequence;
      const end = ((position.sequence - first) >>> 0) + position.length;
      // A first byte that is sent again comes before `first`, which is none of the first time.
      if (end <= 0x7fffffff) delays.sent(end, at);
      payload += position.length;
      carried.set(link, (carried.get(link) ?? 0) + position.length);
    },
  });

  const source = new Uint8Array(65536);
  const target = new Uint8Array(262144);
  let written = 0;
  let read = 0;
  let end: Micros = 0;
  rig.connect({
    onWritable(socket) {
      while (written < bytes) {
        const piece = source.subarray(0, Math.min(source.length, bytes - written));
        const taken = socket.write(rig.now, piece, 0);
        written += taken;
        if (taken === 0) break;
      }
    },
    onReadable(socket) {
      for (let count = 1; count > 0;) {
        count = socket.read(rig.now, target);
        read += count;
      }
      end = rig.now;
      delays.read(read, end);
    },
  });
  const start = rig.now;
  rig.run(() => read >= bytes);

  const segment = Math.max(...rig.sender.subflows.map(({ mss }) => mss));
  const sum = segment / 1500 *
    Object.values(paths).reduce((total, path) => total + parseRate(path.rate), 0);
  const goodput = bytes / (end - start) * 1e6;
  return {
    goodput,
    share: goodput / sum,
    delay99: delays.percentile(0.99),
    paths: [...carried].map(([name, bytes]) => ({ name, bytes })),
    repeated: payload - bytes,
    faults,
  };
}
