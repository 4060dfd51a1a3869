/** One bulk transfer in virtual time, measured: what schedulers are compared by. */

import { type Duration, parseRate, type Rate } from "../core/link/units.ts";
import type {
  CongestionControlPlugin,
  Micros,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../core/plugin.ts";
import { measure, type Scenario as NetworkScenario } from "../sim/mod.ts";

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

/** The network of a transfer: a client with one link a path, and a server behind a router. */
function networkOf({ paths, bytes }: Scenario): NetworkScenario {
  return {
    hosts: { client: {}, server: {} },
    routers: ["router"],
    links: {
      server: { between: ["server", "router"] },
      ...Object.fromEntries(
        Object.entries(paths).map(([name, path]) => [
          name,
          { ...path, between: ["client", "router"] as const },
        ]),
      ),
    },
    traffic: { transfer: { kind: "bulk", client: "client", server: "server", bytes } },
  };
}

/** Runs a scenario once. The same plugins and the same seed give the same figures. */
export function runScenario(policies: ScenarioPolicies, scenario: Scenario): Figures {
  const { paths, seed = 1 } = scenario;
  const { traffic, faults } = measure(networkOf(scenario), policies, { seed });
  const { goodput, delivery, repeated, segment, paths: carried } = traffic.transfer!;
  const sum = segment / 1500 *
    Object.values(paths).reduce((total, path) => total + parseRate(path.rate), 0);
  return { goodput, share: goodput / sum, delay99: delivery.p99, paths: carried, repeated, faults };
}
