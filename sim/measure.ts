/** Runs a scenario in virtual time and tells what came of it: what stands behind `mptcp sim`, `mptcp demo` and `compare()`. */

import type { Probe } from "../core/subflow/probe.ts";
import type { Trace } from "../core/link/sim/trace.ts";
import type { DirectionCounts } from "../core/link/sim/link.ts";
import { type Duration, parseDuration } from "../core/link/units.ts";
import { sayFaults } from "../core/net/faults.ts";
import { connectionInfo } from "../core/net/info.ts";
import { defaultPolicies } from "../core/net/policies.ts";
import type { Micros } from "../core/plugin.ts";
import { Flow, Ports, type Side } from "./flow.ts";
import { type Carried, HostMeter, PathNames, SideLoad } from "./meter.ts";
import { type HostPolicies, type Scenario, ScenarioError, within } from "./scenario.ts";
import { Stage } from "./stage.ts";
import { KEPT, Tally } from "./stats.ts";
import { makeSource, type Source, type TrafficFigures } from "./traffic.ts";
import { VERSION } from "./version.ts";
import { watchChoices } from "./watch_choices.ts";

/** One value of a time series. */
export interface Sample {
  /** When. */
  readonly at: Micros;
  /** What it is of: a link, a connection, or a subflow. */
  readonly of: "link" | "connection" | "subflow";
  /** Its name: "wifi forward", "download 1", "download 1 wifi server". */
  readonly name: string;
  /** What was measured; docs/emulator.md lists them. */
  readonly metric: string;
  /** How much. */
  readonly value: number;
}

/** Something that a connection of the traffic did with data: it sent some, read some, or its scheduler answered. */
export type DataEvent =
  & {
    /** When. */
    readonly at: Micros;
    /** Name of the traffic. */
    readonly traffic: string;
    /** Number of the connection in it, from 1 on. */
    readonly connection: number;
    /** Which end it was. */
    readonly side: "client" | "server";
  }
  & (
    | {
      /** Payload was handed to a path. */
      readonly kind: "sent";
      /** Name of the path. */
      readonly path: string;
      /** Position of its first byte in the data of the connection. */
      readonly offset: number;
      /** How much it is. */
      readonly bytes: number;
      /** All of it had left before, on any path. */
      readonly again: boolean;
    }
    | {
      /** Data was read, in order. */
      readonly kind: "read";
      /** How much. */
      readonly bytes: number;
    }
    | {
      /** The scheduler that is measured answered; those that hosts name themselves are not watched. */
      readonly kind: "choice";
      /** Names of the paths that it chose; none: to wait. */
      readonly paths: readonly string[];
      /** It was about data that other paths carry already. */
      readonly repeats: boolean;
    }
  );

/** What a run may show besides its figures. */
export interface MeasureOptions {
  /** Seed, in place of the scenario's. */
  readonly seed?: number;
  /** Sees every packet. */
  readonly trace?: Trace;
  /** A probe for each host. */
  readonly probe?: (host: string) => Probe | undefined;
  /** Told of each value of the time series. */
  readonly onSample?: (sample: Sample) => void;
  /** Told of all that connections send and read, and of each answer of the scheduler: many times as many calls as there are packets. */
  readonly onData?: (event: DataEvent) => void;
  /**
   * From one value of the time series to the next.
   *
   * @default {"100 ms"}
   */
  readonly interval?: Duration;
  /**
   * Compares all that connections read with what was sent, byte for byte: the figures of traffic then tell whether it is `intact`.
   *
   * @default {false}
   */
  readonly verify?: boolean;
  /** Called from time to time with the virtual time, that at which it will end at the latest, and how much of it is done, from 0 to 1. */
  readonly onProgress?: (now: Micros, end: Micros, share: number) => void;
  /** Told, in words, what plugins do wrong. */
  readonly onFault?: (line: string) => void;
}

/** One direction of a link. */
export interface DirectionFigures extends DirectionCounts {
  /** Bytes a second that came out, over the whole run. */
  readonly throughput: number;
  /** Packets that waited: mean and most, looked at every 10 ms. */
  readonly queue: { readonly mean: number; readonly max: number };
}

/** What came of a run. Times are in microseconds of virtual time, rates in bytes per second. */
export interface Measurement {
  /** Of the program. */
  readonly version: string;
  /** The scenario's name. */
  readonly scenario: string;
  /** What all randomness followed from. */
  readonly seed: number;
  /** Names of the plugins of the hosts that name none. */
  readonly policies: {
    /** Which path carries what. */
    readonly scheduler: string;
    /** How much may be in flight. */
    readonly congestionControl: string;
    /** Which paths are opened. */
    readonly pathManager: string;
  };
  /** How long it lasted. */
  readonly time: Micros;
  /** Whether all traffic that has an end came to it. */
  readonly done: boolean;
  /** By name of the traffic. */
  readonly traffic: Readonly<Record<string, TrafficFigures & Carried>>;
  /** By name of the link. */
  readonly links: Readonly<
    Record<string, { readonly forward: DirectionFigures; readonly backward: DirectionFigures }>
  >;
  /** What plugins did wrong, in words; the default decided in their place. None: the figures are theirs alone. */
  readonly faults: readonly string[];
}

/** How long a scenario may last that says nothing. */
const MOST_TIME: Micros = 3600e6;
/** How often queues are looked at. */
const LOOK: Micros = 10e3;
/** Events between two calls of `onProgress`. */
const EVENTS = 5_000;

/** How one queue was. */
class QueueLook {
  #sum = 0;
  #looks = 0;
  #max = 0;

  note(packets: number): void {
    this.#sum += packets;
    this.#looks++;
    if (packets > this.#max) this.#max = packets;
  }

  get figures(): { readonly mean: number; readonly max: number } {
    return { mean: this.#looks === 0 ? 0 : this.#sum / this.#looks, max: this.#max };
  }
}

/** One piece of traffic at work. */
interface Running {
  readonly name: string;
  readonly kind: TrafficFigures["kind"];
  readonly source: Source;
  readonly hosts: Readonly<Record<Side, string>>;
  /** Connections by their number, from 1 on; those that are over are forgotten now and then. */
  readonly flows: Map<number, Flow>;
  /** What either side has sent, but for the connections above; delays are of all. */
  readonly loads: Readonly<Record<Side, SideLoad>>;
  /** How many connections there were. */
  opened: number;
  /** Whether all of those that are forgotten read what was sent. */
  intact: boolean;
}

/** Connections of one piece of traffic beside which none that is over is looked for. */
const FEW_FLOWS = 64;

/** A run, from its beginning to its end: what {@linkcode measure} makes, with what tests ask besides. */
export class Run implements Disposable {
  readonly #scenario: Scenario;
  readonly #options: MeasureOptions;
  readonly #stage: Stage;
  readonly #meters = new Map<string, HostMeter>();
  readonly #running: Running[] = [];
  readonly #faults: string[] = [];
  readonly #names: PathNames;
  readonly #ports = new Ports();
  /** Which connection has which port. */
  readonly #owners = new Map<number, { readonly traffic: string; readonly connection: number }>();
  /** From how many connections on some may be forgotten. */
  readonly #sweeps = new Map<Running, number>();
  readonly #seed: number;
  readonly #kept: number;
  #left = 0;

  /** Builds it; of the times of each kind up to `kept` are kept as they are. */
  constructor(
    scenario: Scenario,
    policies: HostPolicies,
    options: MeasureOptions,
    kept: number = KEPT,
  ) {
    this.#scenario = scenario;
    this.#kept = kept;
    this.#options = options;
    const seed = this.#seed = options.seed ?? scenario.seed ?? 1;
    const { onData } = options;
    this.#stage = new Stage(scenario, {
      policies: onData === undefined ? policies : this.#withChoices(policies, onData),
      seed,
      ...(options.trace && { trace: options.trace }),
      report: sayFaults((line) => {
        this.#faults.push(line);
        options.onFault?.(line);
      }),
      probe: (host) => {
        const meter = new HostMeter(
          onData && (({ port, ...sent }) => {
            const owner = this.#owners.get(port);
            if (owner !== undefined) onData({ kind: "sent", ...owner, ...sent });
          }),
        );
        this.#meters.set(host, meter);
        return meter.probe;
      },
    });
    for (const { name, stack } of this.#stage.hosts.values()) {
      const probe = options.probe?.(name);
      if (probe !== undefined) stack.watch(probe);
    }
    this.#names = new PathNames(this.#stage, scenario);
    for (const meter of this.#meters.values()) meter.name(this.#names);
    for (const name of Object.keys(scenario.traffic ?? {})) this.#prepare(name);
  }

  [Symbol.dispose](): void {
    this.#stage[Symbol.dispose]();
  }

  run(): Measurement {
    const { network } = this.#stage;
    const ends = this.#running.some(({ source }) => source.ends);
    const { duration } = this.#scenario;
    if (duration === undefined && !ends) {
      throw new ScenarioError(
        ["duration"],
        "it must be given, such as 10 s, as none of its traffic ends by itself",
      );
    }
    const end = duration === undefined
      ? MOST_TIME
      : within(["duration"], () => parseDuration(duration, "duration"));
    if (end === 0) {
      throw new ScenarioError(
        ["duration"],
        `it must be above 0: it is ${JSON.stringify(duration)}`,
      );
    }
    let over = false;
    network.clock.at(end, () => over = true);
    const queues = this.#watchQueues();
    if (this.#options.onSample !== undefined) this.#sampleSeries(this.#options.onSample);
    const { onProgress } = this.#options;
    for (let events = 0; !over && !(ends && this.#left === 0); events++) {
      network.step();
      if (events % EVENTS === 0) onProgress?.(network.now, end, this.#share(network.now, end));
    }
    const time = network.now;
    const { scheduler, congestionControl, pathManager } = this.#stage.policies;
    return {
      version: VERSION,
      scenario: this.#scenario.name ?? "unnamed",
      seed: this.#seed,
      policies: {
        scheduler: scheduler.name,
        congestionControl: congestionControl.name,
        pathManager: pathManager.name,
      },
      time,
      done: this.#left === 0,
      traffic: Object.fromEntries(this.#running.map((one) => [one.name, this.#figures(one, time)])),
      links: Object.fromEntries(
        [...this.#stage.links].map(([name, link]) => {
          const side = (which: "forward" | "backward"): DirectionFigures => {
            const { counts } = link.sim[which];
            return {
              ...counts,
              throughput: time > 0 ? counts.deliveredBytes / time * 1e6 : 0,
              queue: queues.get(`${name} ${which}`)!.figures,
            };
          };
          return [name, { forward: side("forward"), backward: side("backward") }];
        }),
      ),
      faults: this.#faults,
    };
  }

  /** How much is done: of the time, or of what has an end, if that is more. */
  #share(now: Micros, end: Micros): number {
    const ending = this.#running.filter(({ source }) => source.ends);
    const least = Math.min(...ending.map(({ source }) => source.share));
    return Math.min(1, Math.max(now / end, ending.length === 0 ? 0 : least));
  }

  #prepare(name: string): void {
    const traffic = this.#scenario.traffic[name]!;
    const path = ["traffic", name];
    const stage = this.#stage;
    const hosts = {
      client: stage.host([...path, "client"], traffic.client),
      server: stage.host([...path, "server"], traffic.server),
    };
    const address = hosts.server.attachments[0]?.address;
    for (const side of ["client", "server"] as const) {
      if (hosts[side].attachments.length > 0) continue;
      throw new ScenarioError([...path, side], `host "${hosts[side].name}" has no link`);
    }
    if (hosts.client === hosts.server) {
      throw new ScenarioError(
        [...path, "server"],
        `it must be another host than the client: it is ${JSON.stringify(traffic.server)}`,
      );
    }
    const hint = traffic.kind === "cbr" ? 0 : traffic.hint ?? 0;
    if (!Number.isFinite(hint)) {
      throw new ScenarioError(
        [...path, "hint"],
        `it must be a finite number: it is ${String(hint)}`,
      );
    }
    const flows = new Map<number, Flow>();
    const kept = this.#kept;
    const loads = {
      client: new SideLoad(new Tally(kept)),
      server: new SideLoad(new Tally(kept)),
    };
    const context = {
      stage,
      random: stage.network.random(`traffic/${name}`),
      kept,
      path,
      hosts,
      open: (onEnd?: (flow: Flow) => void): Flow => {
        const meters = {
          client: this.#meters.get(hosts.client.name)!,
          server: this.#meters.get(hosts.server.name)!,
        };
        const port = this.#ports.take();
        const owner = { traffic: name, connection: ++running.opened };
        this.#owners.set(port, owner);
        const flow: Flow = new Flow(
          stage,
          hosts,
          address!,
          port,
          (side, read, now) => {
            const from = side === "client" ? "server" : "client";
            const bytes = read - flow.delivered(from);
            this.#options.onData?.({ kind: "read", ...owner, at: now, side, bytes });
            const socket = flow.socket(from);
            if (socket !== null) meters[from].end(socket.id).read(read, now, loads[from].delays);
          },
          this.#options.verify ?? false,
          hint,
          onEnd,
        );
        this.#sweep(running);
        flows.set(owner.connection, flow);
        return flow;
      },
      done: () => {
        this.#left--;
      },
    };
    const source = makeSource(context, traffic, () => this.#ports.take());
    if (source.ends) this.#left++;
    const running: Running = {
      name,
      kind: traffic.kind,
      source,
      hosts: { client: hosts.client.name, server: hosts.server.name },
      flows,
      loads,
      opened: 0,
      intact: true,
    };
    this.#running.push(running);
    const start = within([...path, "start"], () => parseDuration(traffic.start ?? "0 s", "start"));
    stage.at(start, hosts.client, () => source.begin());
  }

  /** Forgets connections that are over, when there are twice as many as were left the last time: of fresh ones there may be millions. */
  #sweep(running: Running): void {
    const { flows, loads, source, hosts } = running;
    const most = this.#sweeps.get(running) ?? FEW_FLOWS;
    if (flows.size < most) return;
    for (const [number, flow] of flows) {
      if (!flow.over) continue;
      for (const side of ["client", "server"] as const) {
        const socket = flow.socket(side);
        if (socket === null) continue;
        const meter = this.#meters.get(hosts[side])!;
        loads[side].add(meter.end(socket.id));
        meter.forget(socket.id);
      }
      running.intact &&= flow.intact;
      source.retire(flow);
      flows.delete(number);
      // Its port may be that of another one by now.
      const owner = this.#owners.get(flow.port);
      if (owner?.traffic === running.name && owner.connection === number) {
        this.#owners.delete(flow.port);
      }
    }
    this.#sweeps.set(running, Math.max(FEW_FLOWS, 2 * flows.size));
  }

  /** Numbers, connections and calls that are stored: it does not grow with the time that is measured. */
  get stored(): number {
    let stored = this.#owners.size;
    for (const meter of this.#meters.values()) stored += meter.stored;
    for (const { source, flows, loads } of this.#running) {
      stored += source.stored + loads.client.delays.stored + loads.server.delays.stored;
      for (const flow of flows.values()) stored += flow.stored;
    }
    for (const { stack } of this.#stage.hosts.values()) stored += stack.connections;
    return stored;
  }

  /** Policies whose scheduler tells of its answers. */
  #withChoices(policies: HostPolicies, onData: (event: DataEvent) => void): HostPolicies {
    const scheduler = policies.scheduler ?? defaultPolicies().scheduler;
    if (typeof scheduler !== "object") return policies;
    return {
      ...policies,
      scheduler: watchChoices(scheduler, (view, { paths, repeats }) => {
        const [first] = view.subflows;
        const client = view.role === "client";
        const port = client ? first?.remote.port : first?.local.port;
        const owner = this.#owners.get(port ?? 0);
        if (owner === undefined) return;
        onData({
          kind: "choice",
          ...owner,
          at: view.now,
          side: view.role,
          paths: paths.map(({ local, remote }) =>
            client
              ? this.#names.of(local.address, remote.address)
              : this.#names.of(remote.address, local.address)
          ),
          repeats,
        });
      }),
    };
  }

  #figures(running: Running, time: Micros): TrafficFigures & Carried {
    const { kind, source, flows, hosts, loads, intact } = running;
    const loadOf = (side: Side): SideLoad => {
      const load = loads[side].copy();
      for (const flow of flows.values()) {
        const socket = flow.socket(side);
        if (socket !== null) load.add(this.#meters.get(hosts[side])!.end(socket.id));
      }
      return load;
    };
    const checked = this.#options.verify === true && kind !== "cbr";
    return {
      ...source.figures(kind, time),
      ...(checked && { intact: intact && [...flows.values()].every((flow) => flow.intact) }),
      ...loadOf("server").with(loadOf("client")),
    };
  }

  /** Looks at all queues, again and again. */
  #watchQueues(): ReadonlyMap<string, QueueLook> {
    const looks = new Map<string, QueueLook>();
    const all = [...this.#stage.links].flatMap(([name, { sim }]) =>
      (["forward", "backward"] as const).map((side) => {
        const look = new QueueLook();
        looks.set(`${name} ${side}`, look);
        return { direction: sim[side], look };
      })
    ).filter(({ direction }) => direction.queues);
    const { clock } = this.#stage.network;
    const note = (): void => {
      for (const { direction, look } of all) look.note(direction.waiting.packets);
      clock.at(clock.now + LOOK, note);
    };
    if (all.length > 0) clock.at(LOOK, note);
    return looks;
  }

  #sampleSeries(tell: (sample: Sample) => void): void {
    const { interval = "100 ms" } = this.#options;
    const every = parseDuration(interval, "interval");
    if (!(every >= 1)) throw new RangeError(`'interval' must be at least 1 us: it is ${interval}`);
    const { clock } = this.#stage.network;
    const sample = (): void => {
      this.#sample(clock.now, tell);
      clock.at(clock.now + every, sample);
    };
    clock.at(every, sample);
  }

  #sample(at: Micros, tell: (sample: Sample) => void): void {
    for (const [name, { sim }] of this.#stage.links) {
      for (const side of ["forward", "backward"] as const) {
        const direction = sim[side];
        const of = { at, of: "link" as const, name: `${name} ${side}` };
        tell({ ...of, metric: "delivered_bytes", value: direction.counts.deliveredBytes });
        if (!direction.queues) continue;
        const { packets, bytes } = direction.waiting;
        tell({ ...of, metric: "queue_packets", value: packets });
        tell({ ...of, metric: "queue_bytes", value: bytes });
      }
    }
    for (const { name, flows } of this.#running) {
      for (const [number, flow] of flows) {
        const connection = `${name} ${number}`;
        for (const side of ["client", "server"] as const) {
          const socket = flow.socket(side);
          // What is over has nothing new to tell, and there may be thousands of them.
          if (socket === null || socket.over) continue;
          const { skmem, subflows } = connectionInfo(socket, at);
          const of = { at, of: "connection" as const, name: `${connection} ${side}` };
          tell({
            ...of,
            metric: "read_bytes",
            value: flow.delivered(side === "client" ? "server" : "client"),
          });
          tell({ ...of, metric: "receive_buffer_bytes", value: skmem.rmem_alloc });
          tell({ ...of, metric: "send_buffer_bytes", value: skmem.wmem_queued });
          for (const { local, remote, tcp } of subflows) {
            const ends = side === "client" ? [local, remote] : [remote, local];
            const path = this.#names.of(ends[0]!.address, ends[1]!.address);
            const row = { at, of: "subflow" as const, name: `${connection} ${side} ${path}` };
            tell({ ...row, metric: "cwnd_segments", value: tcp.snd_cwnd });
            tell({ ...row, metric: "in_flight_segments", value: tcp.unacked });
            tell({ ...row, metric: "srtt_us", value: tcp.rtt });
            tell({ ...row, metric: "sent_bytes", value: tcp.bytes_sent - tcp.bytes_retrans });
            tell({ ...row, metric: "repeated_bytes", value: tcp.bytes_retrans });
          }
        }
      }
    }
  }
}

/**
 * Runs a scenario once. The same scenario, plugins and seed give the same figures, byte for byte, on every machine. Plugins are objects here:
 * {@linkcode loadScenario} makes them of a scenario's texts.
 *
 * @example A request workload over two paths, with two schedulers
 * ```ts
 * import { measure } from "@mptcp/mptcp/sim";
 * import { minRtt, roundRobin } from "@mptcp/mptcp/sched";
 *
 * const scenario = {
 *   hosts: { phone: {}, server: {} },
 *   routers: ["core"],
 *   links: {
 *     wifi: { between: ["phone", "core"], rate: "20 Mbit/s", delay: "10 ms" },
 *     lte: { between: ["phone", "core"], rate: "4 Mbit/s", delay: "100 ms" },
 *     server: { between: ["core", "server"] },
 *   },
 *   traffic: {
 *     api: { kind: "requests", client: "phone", server: "server", bytes: "100 kB", count: 20 },
 *   },
 * } as const;
 * const [one, other] = [minRtt(), roundRobin()].map((scheduler) => measure(scenario, { scheduler }));
 * console.assert(one!.traffic.api!.delays!.p50 !== other!.traffic.api!.delays!.p50);
 * ```
 *
 * @throws {ScenarioError} Something is wrong with the scenario: `path` says where.
 */
export function measure(
  scenario: Scenario,
  policies: HostPolicies = {},
  options: MeasureOptions = {},
): Measurement {
  using run = new Run(scenario, policies, options);
  return run.run();
}
