/**
 * Scenarios whose every packet is recorded (traces.ts): what the stack sends must not change unless somebody means it to.
 *
 * They use the verbs of `Stack` and `MetaSocket` only, so that they outlive what stands behind those.
 */

import { reno } from "../../cc/mod.ts";
import { seededRandom } from "../../core/host/random.ts";
import { coalesceSegments } from "../../core/link/sim/middlebox/coalesce.ts";
import { rewritePayload } from "../../core/link/sim/middlebox/rewrite_payload.ts";
import { stripOptions } from "../../core/link/sim/middlebox/strip_options.ts";
import { nDiffPorts, passive } from "../../pm/mod.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { disorder } from "../support/middlebox.ts";
import { End, type PathShape, type Topology, type TopologyOptions } from "../support/topology.ts";
import { dial, endOf, exchange, jitter, patient, reordering, setBackup } from "./traces_parts.ts";

/** What happens between two stacks. */
export interface Scenario {
  /** Its name; with `options.seed` all that it depends on. */
  readonly name: string;
  /** The network and the plugins of both hosts. */
  readonly options: Omit<TopologyOptions, "trace">;
  /** What the applications do. */
  run(t: Topology): void;
}

const WIFI: PathShape = { rate: "20 Mbit/s", delay: "15 ms" };
const LTE: PathShape = { rate: "12 Mbit/s", delay: "40 ms" };
const DSL: PathShape = { rate: "6 Mbit/s", delay: "25 ms" };
const SATELLITE: PathShape = { rate: "8 Mbit/s", delay: "120 ms" };

/** Long enough for TIME-WAIT, and for the FINs of paths that are cut. */
const LINGERING = 130;

const lossy = (shape: PathShape, loss: number): PathShape => ({ ...shape, loss });

/** One transfer, then as long as anything lingers. */
const transfer = (up: number, down: number, seconds: number) => (t: Topology): void => {
  t.complete(t.connect({ bytes: up }, { bytes: down }), seconds);
  t.runTo(t.seconds + LINGERING);
};

/** All of them; the order does not matter. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "one_path",
    options: { paths: { wifi: WIFI }, policies: { pathManager: passive() } },
    run: transfer(3e6, 0, 5),
  },
  {
    name: "one_path_loss_server_sends",
    options: {
      paths: { wifi: lossy(WIFI, 0.02) },
      seed: 2,
      policies: { congestionControl: reno() },
    },
    run: transfer(0, 3e6, 20),
  },
  {
    // Long lists of what is in flight, one packet at a time.
    name: "two_fast_paths_both_send",
    options: {
      paths: {
        fibre: { rate: "200 Mbit/s", delay: "20 ms", loss: 0.0005, queue: 700 },
        cable: { rate: "100 Mbit/s", delay: "35 ms", queue: 400 },
      },
      seed: 3,
    },
    run: transfer(12e6, 16e6, 5),
  },
  {
    name: "two_paths_patient_scheduler",
    options: {
      paths: { dsl: DSL, satellite: lossy(SATELLITE, 0.002) },
      seed: 4,
      policies: { scheduler: patient },
    },
    run: transfer(2e6, 1e6, 10),
  },
  {
    name: "two_paths_heavy_loss",
    options: {
      paths: { wifi: lossy(WIFI, 0.02), lte: lossy(LTE, 0.05) },
      seed: 5,
      policies: { congestionControl: reno() },
    },
    run: transfer(1e6, 3e6, 30),
  },
  {
    name: "two_paths_super_segments",
    options: {
      paths: {
        fibre: { rate: "100 Mbit/s", delay: "5 ms", loss: 0.001, queue: 200 },
        cable: { rate: "50 Mbit/s", delay: "12 ms", loss: 0.005, queue: 200 },
      },
      seed: 6,
      links: { maxSegments: 44 },
    },
    run(t) {
      const pair = t.connect({ bytes: 12e6 }, { bytes: 3e6 });
      t.at(0.4, () => t.paths.fibre!.set({ rate: "20 Mbit/s" }));
      t.at(0.8, () => t.paths.fibre!.set({ rate: "150 Mbit/s", loss: 0.01 }));
      t.complete(pair, 10);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "three_paths_round_robin_reordered",
    options: {
      paths: {
        wifi: { ...lossy(WIFI, 0.005), elements: [reordering(0.05)] },
        lte: { ...lossy(LTE, 0.005), up: [reordering(0.2)] },
        dsl: { ...DSL, elements: [jitter(4e3)] },
      },
      seed: 7,
      policies: { scheduler: roundRobin() },
    },
    run: transfer(3e6, 3e6, 10),
  },
  {
    name: "four_paths_redundant_heavy_loss",
    options: {
      paths: {
        wifi: lossy(WIFI, 0.02),
        lte: lossy(LTE, 0.02),
        dsl: lossy(DSL, 0.08),
        satellite: lossy(SATELLITE, 0.25),
      },
      seed: 8,
      policies: { scheduler: redundant(), congestionControl: reno() },
    },
    run: transfer(1e6, 5e5, 20),
  },
  {
    name: "four_paths_disorder",
    options: {
      paths: {
        wifi: { ...WIFI, elements: [disorder(0.02)] },
        lte: { ...LTE, elements: [disorder(0.02)] },
        dsl: { ...DSL, elements: [jitter(3e3)], down: [disorder(0.05)] },
        satellite: SATELLITE,
      },
      seed: 9,
      links: { checksums: true },
      policies: { scheduler: roundRobin({ segments: 4 }) },
    },
    run: transfer(3e6, 2e6, 20),
  },
  {
    name: "path_cut_goes_stale_and_returns",
    options: { paths: { wifi: lossy(WIFI, 0.002), lte: lossy(LTE, 0.002) }, seed: 10 },
    run(t) {
      const pair = t.connect({ bytes: 10e6 });
      let stale = false;
      t.at(1, () => t.paths.wifi!.cut());
      t.at(3.4, () => {
        stale = pair.client.socket.paths.context.paths.some((path) => path.stale);
        t.paths.wifi!.restore();
      });
      t.complete(pair, 30);
      if (!stale) throw new Error("No path was stale");
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "all_paths_cut_and_restored",
    options: {
      paths: { wifi: WIFI, lte: lossy(LTE, 0.01) },
      seed: 11,
      policies: { congestionControl: reno() },
    },
    run(t) {
      const pair = t.connect({ bytes: 3e6 }, { bytes: 3e6 });
      const all = Object.values(t.paths);
      t.at(0.4, () => all.forEach((path) => path.cut()));
      t.at(2, () => all.forEach((path) => path.restore()));
      for (let i = 0; i < 6; i++) {
        t.at(2.8 + i / 2, () => {
          all[i % 2]!.cut();
          all[(i + 1) % 2]!.restore();
        });
      }
      t.at(6, () => all.forEach((path) => path.restore()));
      t.complete(pair, 30);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "link_down_and_up",
    options: {
      paths: { wifi: lossy(WIFI, 0.01), lte: lossy(LTE, 0.01), dsl: lossy(DSL, 0.01) },
      seed: 12,
    },
    run(t) {
      const pair = t.connect({ bytes: 5e6 }, { bytes: 2e6 });
      for (
        const [seconds, path, up] of [
          [0.5, "lte", false],
          [0.9, "wifi", false],
          [1.3, "lte", true],
          [1.7, "wifi", true],
          [2, "dsl", false],
        ] as const
      ) {
        t.at(seconds, () => t.client.setLinkUp(t.now, endOf(t, path), up));
      }
      t.complete(pair, 20);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "addresses_come_and_go",
    options: { paths: { wifi: WIFI, lte: LTE }, seed: 13, links: { maxSegments: 8 } },
    run(t) {
      const pair = t.connect({ bytes: 5e6 }, { bytes: 3e6 });
      t.at(0.4, () => t.server.addAddress(t.now, endOf(t), "10.0.0.2/24"));
      t.at(0.8, () => t.client.removeAddress(t.now, "10.0.1.1"));
      t.at(1.2, () => t.client.addAddress(t.now, endOf(t, "wifi"), "10.0.1.7/24"));
      t.at(1.6, () => t.server.removeAddress(t.now, "10.0.0.2"));
      t.at(2, () => t.client.removeAddress(t.now, "10.0.2.1"));
      t.complete(pair, 20);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "four_ports_heavy_loss_server_sends",
    options: {
      paths: { wifi: { ...lossy(WIFI, 0.01), queue: 30 } },
      seed: 14,
      policies: { pathManager: nDiffPorts({ subflows: 4 }) },
    },
    run: transfer(2e5, 4e6, 20),
  },
  {
    name: "ipv6_checksums_super_segments",
    options: {
      paths: { wifi: WIFI, lte: lossy(LTE, 0.003) },
      seed: 15,
      family: 6,
      links: { checksums: true, maxSegments: 44, mtu: 1400 },
      client: { checksum: true },
      policies: { congestionControl: reno() },
    },
    run: transfer(4e6, 2e6, 10),
  },
  {
    name: "small_buffers_slow_reader",
    options: {
      paths: { wifi: lossy(WIFI, 0.01), lte: lossy(LTE, 0.01) },
      seed: 16,
      client: { sendBuffer: 50e3, receiveBuffer: 40e3 },
      server: { receiveBuffer: 60e3 },
    },
    run(t) {
      const pair = t.connect(
        { bytes: 7e5, reads: () => 2000, pause: 0.004 },
        { bytes: 3e5, reads: () => 3000, pause: 0.01 },
      );
      // The window stays shut for long enough to be probed.
      const stopped = t.connect({ bytes: 2e5, writes: () => 700 }, { bytes: 10, pause: 2.5 });
      t.complete(pair, 20);
      t.complete(stopped, 60);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "middlebox_changes_data",
    options: {
      paths: {
        wifi: { ...WIFI, up: [rewritePayload({ on: ({ index }) => index > 300 })] },
        lte: { ...LTE, down: [coalesceSegments()] },
      },
      seed: 17,
      links: { checksums: true },
      client: { checksum: true },
    },
    run(t) {
      t.complete(t.connect({ bytes: 2e6 }, { bytes: 1e6, writes: () => 5000 }), 20);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "peer_without_mptcp",
    options: {
      paths: { wifi: lossy(WIFI, 0.01), lte: LTE },
      seed: 18,
      server: { mptcp: false },
    },
    run: transfer(1.5e6, 1.5e6, 20),
  },
  {
    name: "options_stripped",
    options: {
      paths: {
        wifi: {
          ...WIFI,
          up: [stripOptions({ on: ({ syn, index }) => !syn && index < 1000 })],
          down: [stripOptions({ on: ({ syn, index }) => !syn && index < 1000 })],
        },
        lte: { ...LTE, up: [stripOptions({ on: ({ syn }) => syn })] },
      },
      seed: 19,
      links: { checksums: true },
    },
    run(t) {
      t.complete(t.connect({ bytes: 5e5 }, { bytes: 5e5 }), 10);
      t.complete(t.connect({ bytes: 1e6 }, { bytes: 1e6 }), 10);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "abort_and_close_with_unread_data",
    options: { paths: { wifi: lossy(WIFI, 0.03), lte: lossy(LTE, 0.03) }, seed: 20 },
    run(t) {
      const random = seededRandom(20)("ends");
      const ends: (() => End | undefined)[] = [];
      for (let i = 0; i < 40; i++) {
        t.at(i * 0.05, () => {
          const slow = i % 4 === 3 ? { pause: 0.5 } : {};
          const { client, server } = t.connect(
            { bytes: random.u32() % 60000, ...slow },
            { bytes: random.u32() % 60000, ...slow },
          );
          ends.push(() => client, server);
          t.at(t.seconds + random.float() * 0.3, () => {
            const side = random.float() < 0.5 ? client : server() ?? client;
            const kind = random.u32() % 4;
            if (kind === 0) side.socket.abort(t.now);
            else if (kind === 1) side.socket.close(t.now);
            else if (kind === 2) side.discard();
          });
        });
      }
      t.runTo(60);
      for (const end of ends) end()?.socket.close(t.now);
      t.runTo(600);
    },
  },
  {
    name: "requests_and_half_close",
    options: {
      paths: { wifi: lossy(WIFI, 0.005), lte: lossy(LTE, 0.005) },
      seed: 21,
      policies: { scheduler: roundRobin() },
    },
    run(t) {
      const two = [exchange(t, 8080, 150, 300, 2500), exchange(t, 8081, 60, 20, 30000)];
      t.wake();
      t.runUntil(() => two.every(({ client, server }) => client && server), 60);
      const random = seededRandom(21)("writes");
      // The client has nothing to say; the server goes on for long, in pieces, while the other direction is closed.
      t.complete(
        t.connect({ bytes: 100 }, { bytes: 6e5, writes: () => 1 + random.u32() % 3000 }),
        20,
      );
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "refused_and_through_time_wait",
    options: { paths: { wifi: WIFI, lte: LTE }, seed: 22 },
    run(t) {
      const refused = dial(t, 81);
      t.runUntil(() => refused() === "ConnectionRefused", 5);
      let last = t.connect({ bytes: 5e4 }, { bytes: 5e4 });
      t.complete(last, 5);
      for (let i = 0; i < 6; i++) {
        // The server's end finishes first every other time.
        const [up, down] = i % 2 === 0 ? [2e5, 0] : [0, 2e5];
        last = t.connect({ bytes: up }, { bytes: down });
        t.complete(last, 5);
      }
      // The same port again, as soon as the client has forgotten the connection before and the server, a trip behind, has not.
      const { localEndpoint } = last.client.socket;
      t.paths.wifi!.set({ delay: "1 ms" });
      t.runUntil(() => t.client.usage().flows === 0, t.seconds + LINGERING);
      if (t.server.usage().flows === 0) throw new Error("The server has forgotten it, too");
      const again = new End(t, { bytes: 3e4 });
      again.start(t.client.connect(t.now, {
        remote: { address: "10.0.0.1", port: 80 },
        local: localEndpoint,
        observer: again,
      }));
      t.wake();
      t.runUntil(() => again.done, t.seconds + 10);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "many_connections_swaps_and_priorities",
    options: {
      paths: { wifi: lossy(WIFI, 0.005), lte: lossy(LTE, 0.005), dsl: DSL },
      seed: 23,
    },
    run(t) {
      const random = seededRandom(23)("sizes");
      const pairs = Array.from({ length: 12 }, () =>
        t.connect(
          { bytes: random.u32() % 400000, writes: () => 1 + random.u32() % 20000 },
          { bytes: random.u32() % 400000, reads: () => 1 + random.u32() % 9000 },
        ));
      const all = [redundant(), roundRobin(), patient, minRtt()];
      for (let i = 0; i < 24; i++) {
        t.at(0.15 + i / 20, () => {
          const { client, server } = pairs[i % 12]!;
          const end = i % 3 === 0 ? server() ?? client : client;
          if (end.code !== undefined) return;
          end.socket.setScheduler(t.now, all[i % 4]!);
          setBackup(t, end.socket, i % 3, i % 4 < 2);
        });
      }
      for (const pair of pairs) t.complete(pair, 30);
      t.runTo(t.seconds + LINGERING);
    },
  },
  {
    name: "fast_and_far",
    options: {
      paths: {
        near: { rate: "1 Gbit/s", delay: "50 ms", queue: 9000 },
        far: { rate: "200 Mbit/s", delay: "100 ms", queue: 4000 },
      },
      seed: 24,
      client: { sendBuffer: 64e6, receiveBuffer: 64e6 },
      server: { sendBuffer: 64e6, receiveBuffer: 64e6 },
    },
    run(t) {
      const pair = t.connect({ bytes: 0 }, { bytes: 160e6 });
      t.complete(pair, 10);
    },
  },
];
