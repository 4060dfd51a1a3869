/**
 * Whole runs of a connection, each derived from one seed: what paths there are, who sends what, what stands on the way, what goes wrong when, and how the
 * applications behave. A run is described in one line, ends before a bound that follows from it, and tells what was wrong.
 *
 * Each topic draws from a stream of its own: a new one at the end of a topic leaves what kept seeds meant before nearly as it was.
 */

import * as cc from "../../cc/mod.ts";
import type { MptcpSettings } from "../../core/connection/settings.ts";
import { type RandomStream, seededRandom } from "../../core/host/random.ts";
import { mark } from "../../core/link/sim/elements/mark.ts";
import { mtu } from "../../core/link/sim/elements/mtu.ts";
import { segment } from "../../core/link/sim/elements/segment.ts";
import { type Nat, nat } from "../../core/link/sim/middlebox/nat.ts";
import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import * as pm from "../../pm/mod.ts";
import * as sched from "../../sched/mod.ts";
import { host_usage } from "../../wasm/mod.ts";
import { USAGE_BYTES } from "../../wasm/layout.ts";
import type { TcpSettings } from "../../core/subflow/settings.ts";
import { overhead } from "../../core/link/udp/inner_packet.ts";
import { disorder } from "../support/middlebox.ts";
import type { Choices } from "../support/choices.ts";
import { CARRIER, type End, type Script, Topology } from "../support/topology.ts";
import { KINDS, modeOf } from "./middlebox_matrix.ts";
import { endOf, reordering, setBackup } from "./traces_parts.ts";

/** What makes plugins of a folder, by name: `tests/scenario/random_runs_test.ts` holds that none is missing. */
export const SCHEDULERS: Readonly<Record<string, () => SchedulerPlugin>> = {
  minRtt: sched.minRtt,
  roundRobin: sched.roundRobin,
  timeDistance: sched.timeDistance,
  redundant: sched.redundant,
  blest: sched.blest,
  daps: sched.daps,
  earliest: sched.earliest,
  ecf: sched.ecf,
  linux: sched.linux,
  otias: sched.otias,
  peekaboo: sched.peekaboo,
  priority: sched.priority,
  rttThreshold: sched.rttThreshold,
  sttf: sched.sttf,
  weighted: sched.weighted,
};
export const CONTROLS: Readonly<Record<string, () => CongestionControlPlugin>> = {
  lia: cc.lia,
  reno: cc.reno,
  balia: cc.balia,
  bbr: cc.bbr,
  bbr3: cc.bbr3,
  coupled: cc.coupled,
  coupledBbr: cc.coupledBbr,
  cubic: cc.cubic,
  dctcp: cc.dctcp,
  ewtcp: cc.ewtcp,
  olia: cc.olia,
  semiCoupled: cc.semiCoupled,
  wvegas: cc.wvegas,
};
export const MANAGERS: Readonly<Record<string, () => PathManagerPlugin>> = {
  fullMesh: pm.fullMesh,
  nDiffPorts: pm.nDiffPorts,
  passive: pm.passive,
  endpoints: pm.endpoints,
  handover: pm.handover,
  labels: pm.labels,
  manual: pm.manual,
};
/** Those of which seeds that are kept were drawn. */
const FIRST_SCHEDULERS = ["minRtt", "roundRobin", "timeDistance", "redundant"];
/** Managers that bring a connection back to all of its addresses by themselves. */
const RETURNING = ["fullMesh", "nDiffPorts"];

/** Seconds: the user timeout, close timeout, the longest pause before a path is opened again (docs/decisions.md) and TIME-WAIT. */
const USER_TIMEOUT = 300;
const CLOSE_TIMEOUT = 60;
const REOPENED_WITHIN = 60;
const TIME_WAIT = 60;
/** Seconds that a connection which was closed waits for a peer that answers and takes nothing. */
const CLOSED_PATIENCE = 3600;
/** Five segments in a row that are lost, where the first timeout is that of RFC 6298 (5.7). */
const REPEATED = 100;

/** What an end may choose of TCP. */
const TCP: Readonly<Record<string, Partial<TcpSettings>>> = {
  usual: {},
  unpaced: { pacing: false },
  "no SACK": { sack: false },
  "RFC 6675": { lossDetection: "sack" },
  NewReno: { lossDetection: "reno-nosack" },
  "no timestamps": { timestamps: false },
  ECN: { ecn: "request" },
  "no guesses": { tlp: false, frto: false, undo: false },
  "each ACK": { delayedAck: 0 },
  "small segments": { maxSegment: 548 },
  cookies: { synCookies: "always" },
  "sizes tried": { mtuProbing: "always" },
  "little unsent": { notSentLowWater: 4096 },
};
/** Those that take longer to find losses, or send more packets. */
const SLOWER = /^(no SACK|NewReno|no timestamps|no guesses|small segments)$/;
/** What an end may choose of MPTCP. */
const MPTCP: Readonly<Record<string, Partial<MptcpSettings>>> = {
  usual: {},
  "fast close by ACK": { fastclose: "ack" },
  "never stale": { staleLossCount: 0 },
  "soon stale": { staleLossCount: 1 },
  "two subflows": { subflows: 1 },
  "no join to the first address": { allowJoinInitialAddress: false },
  relief: { opportunisticRetransmission: true, penalty: true, tailReinjection: true },
  "no relief": { opportunisticRetransmission: false, penalty: false, tailReinjection: false },
};

/** What is lost with a path cannot go again on another one that is closed for data (RFC 8684 §3.3.3), nor a DATA_ACK on one that has rested since. */
const HASTY = "FINs at once";
/** Waits for a path for less than outages may last. */
const IMPATIENT = "closed soon";
/** Who asks again after the end of another connection, whose last ACK was lost, is answered by a RST (RFC 9293 §3.6.1). */
const FORGETFUL = "few TIME-WAITs";
/** What an end may choose of MPTCP besides. */
const MORE: Readonly<Record<string, Choices>> = {
  usual: {},
  [HASTY]: { dataFin: "fast" },
  [IMPATIENT]: { closeTimeout: 3e6 },
  "closed late": { closeTimeout: 200e6 },
  "announced once": { addAddrTimeout: 0 },
  "announced often": { addAddrTimeout: 200e3 },
  "announced ports": { joinPorts: "announced" },
  "as Linux begins": { synRetriesBeforeFallback: 2, blackholeTimeout: 0 },
  "one join at a time": { joinBacklog: 1 },
  "one address taken": { addAddrAccepted: 1 },
  "by progress": { sendEstimate: "progress" },
  "left where it is": { reallocate: false },
  [FORGETFUL]: { timeWaits: 1 },
};
/** Bytes that a user may give a host, or what a connection has received, at least. */
const LEAST_MEMORY = 1048576;
/** What a packet has more in a datagram: a path over UDP has to take so much more (docs/udp.md). */
const ENVELOPE = CARRIER === "udp" ? overhead(4, 4) : 0;
/** Boxes that know addresses of IPv4. */
const OF_IPV4 = /^translate/;

/** A path. */
interface PathPlan {
  /** Mbit/s. */
  readonly rate: number;
  /** Milliseconds, each way. */
  readonly delay: number;
  readonly loss: number;
  /** Packets. */
  readonly queue: number;
  /** Share of packets that overtake others, and, without boxes and with IPv4, come twice or damaged. */
  readonly disorder: number;
  readonly box: string | null;
}

/** What an application does, besides sending and reading to the end. */
interface EndPlan {
  readonly bytes: number;
  readonly write: number;
  readonly read: number;
  /** Seconds between two reads. */
  readonly pause: number;
  /** Seconds that the first read takes, or 0. */
  readonly sleep: number;
}

/** Something that happens at `at` and, when it lasts, is over `length` seconds later. */
interface ActionPlan {
  readonly at: number;
  readonly kind:
    | "cut"
    | "link"
    | "address"
    | "all"
    | "scheduler"
    | "backup"
    | "finish"
    | "discard"
    | "close"
    | "abort";
  readonly length: number;
  /** A path, or an end: 0 is the client. */
  readonly which: number;
}

/** What a path does besides. */
interface WidePath {
  /** Largest packets, and whether who sends larger ones is told; 0: there is no limit. */
  readonly mtu: number;
  readonly icmp: boolean;
  /** Share of packets that are marked. */
  readonly mark: number;
  /** A translator stands there, which forgets when it is told to. */
  readonly translated: boolean;
}

/** Something that happens at `at`, which others have not. */
interface WideAction {
  readonly at: number;
  readonly kind: "control" | "rebind" | "mtu" | "rate" | "delay" | "keepalive";
  /** A path, or an end. */
  readonly which: number;
  readonly value: number;
}

/** One more connection of the same stacks. */
interface OtherPlan {
  /** Seconds. */
  readonly at: number;
  /** Bytes each way. */
  readonly up: number;
  readonly down: number;
}

/** What the widest kind of runs draws last. */
interface MorePlan {
  /** Boxes stand on paths of IPv6. */
  readonly boxes6: boolean;
  /** Every link has an address of the other family as well. */
  readonly dual: boolean;
  /** Of each end: share of writes that more follow. */
  readonly corks: readonly [client: number, server: number];
  /** Of `MORE`. */
  readonly mptcp: readonly [client: string, server: string];
  /** Bytes of a host, and of what a connection has received; 0: what is usual. */
  readonly memory: readonly [host: number, receive: number];
  readonly others: readonly OtherPlan[];
}

/** What the widest kind of runs draws besides. */
interface WidePlan {
  /** Null: those of the client. */
  readonly server: Pick<Run, "scheduler" | "control" | "manager"> | null;
  readonly checksum: boolean;
  /** Of each end. */
  readonly tcp: readonly [client: string, server: string];
  readonly mptcp: readonly [client: string, server: string];
  readonly lends: readonly [client: boolean, server: boolean];
  readonly hints: readonly [client: boolean, server: boolean];
  /** Links take super-segments, which are cut. */
  readonly offload: boolean;
  readonly paths: readonly WidePath[];
  readonly actions: readonly WideAction[];
  readonly more: MorePlan;
}

/** "first": with those plugins alone that there were when it was kept; "all" of them; or "wide": with settings, networks and events that those have not. */
export type RunKind = "first" | "all" | "wide";

/** A whole run. */
export interface Run {
  readonly seed: number;
  readonly family: 4 | 6;
  readonly paths: readonly PathPlan[];
  readonly checksum: boolean;
  readonly longDsn: boolean;
  readonly mptcp: readonly [client: boolean, server: boolean];
  readonly buffer: number;
  readonly scheduler: string;
  readonly control: string;
  readonly manager: string;
  /** Schedulers that are changed to. */
  readonly schedulers: readonly string[];
  readonly ends: readonly [client: EndPlan, server: EndPlan];
  readonly actions: readonly ActionPlan[];
  readonly wide: WidePlan | null;
}

/** Draws. */
class Dice {
  readonly #stream: RandomStream;

  constructor(stream: RandomStream) {
    this.#stream = stream;
  }

  of<T>(...choices: readonly T[]): T {
    return choices[this.#stream.u32() % choices.length]!;
  }

  chance(share: number): boolean {
    return this.#stream.float() < share;
  }

  /** Between two numbers, each order of magnitude as likely as another. */
  between(least: number, most: number): number {
    const value = least * (most / least) ** this.#stream.float();
    return Number(value.toPrecision(3));
  }
}

/** Boxes that are chosen from. Others would have each seed stand for another run. */
const BOXES = Object.keys(KINDS).filter((box) => KINDS[box]!.senders === undefined);
/** Boxes that change what is carried: nobody can tell without DSS checksums (RFC 8684 §3.3.1). */
const CHANGES_BYTES = /^(rewrite|alter)/;
/** Boxes that no connection is lost to. */
const HARMLESS = /^(untouched|strip SYN|renumber|split, options on both)/;

/** What a seed stands for. */
export function runOf(seed: number, kind: RunKind = "all"): Run {
  const source = seededRandom(seed);
  const dice = (name: string): Dice => new Dice(source(name));
  const general = dice("general");
  const boxed = general.chance(0.4);
  const everywhere = general.chance(0.4);
  const family = !boxed && general.chance(0.3) ? 6 : 4;
  const box = dice("box").of(...BOXES);
  const each = dice("paths");
  const count = each.of(1, 1, 2, 2, 2, 3, 4);
  const boxAt = dice("place").of(...Array.from({ length: count }, (_, i) => i));
  const calm = each.chance(0.3);
  const paths = Array.from({ length: count }, (_, i): PathPlan => ({
    rate: each.between(0.5, 100),
    delay: each.between(0.5, 150),
    loss: calm ? 0 : each.of(0, 0, 0.003, 0.02, 0.06),
    queue: Math.round(each.between(8, 500)),
    disorder: calm ? 0 : each.of(0, 0, 0.01, 0.1),
    box: boxed && (everywhere || i === boxAt) ? box : null,
  }));
  const ends = dice("ends");
  const plain = general.chance(0.1);
  const fastest = Math.max(...paths.map(({ rate }) => rate));
  // Two seconds' worth at most, or so.
  const most = Math.max(2e3, Math.min(1.5e6, fastest * 2.5e5));
  const end = (sends: boolean): EndPlan => ({
    bytes: sends
      ? Math.round(ends.chance(0.3) ? ends.between(1, 3e3) : ends.between(1e3, most))
      : 0,
    write: Math.round(ends.of(1e6, 1e6, 20e3, 1461, 200)),
    read: ends.of(65536, 65536, 3001, 20000),
    pause: ends.chance(0.2) ? ends.between(0.001, 0.05) : 0,
    sleep: ends.chance(0.15) ? ends.between(0.1, 100) : 0,
  });
  const sender = ends.of("client", "server", "both", "both");
  const both = [end(sender !== "server"), end(sender !== "client")] as const;
  const run: Run = {
    seed,
    family,
    paths,
    checksum: boxed && CHANGES_BYTES.test(box) || general.chance(0.4),
    longDsn: general.chance(0.2),
    mptcp: [!plain, !general.chance(0.05)],
    buffer: general.of(8388608, 8388608, 100000, 20000),
    scheduler: general.of(...FIRST_SCHEDULERS),
    control: general.of("lia", "lia", "reno"),
    manager: general.of("fullMesh", "fullMesh", "fullMesh", "nDiffPorts", "passive"),
    schedulers: FIRST_SCHEDULERS,
    ends: both,
    actions: [],
    wide: null,
  };
  const plugins = kind === "first" ? run : { ...run, ...pluginsOf(dice("plugins")) };
  const wide = kind === "wide" ? wideOf(plugins, dice("wide"), dice("more")) : null;
  const over = wide?.more.boxes6 === true ? 6 : plugins.family;
  return { ...plugins, family: over, actions: actionsOf(plugins, dice("actions")), wide };
}

/** Most ends and paths are as in other runs, each run differs in something. */
function wideOf(run: Run, dice: Dice, more: Dice): WidePlan {
  const either = <T>(one: () => T): [T, T] => [one(), one()];
  const chosen = (from: object): string =>
    dice.chance(0.5) ? "usual" : dice.of(...Object.keys(from));
  const least = run.family === 4 ? 576 : 1280;
  const plain = { mtu: 0, icmp: true, mark: 0, translated: false };
  const paths = run.paths.map(({ box }): WidePath =>
    box !== null ? plain : {
      mtu: dice.chance(0.2) ? Math.round(dice.between(least, 1499)) : 0,
      icmp: dice.chance(0.7),
      mark: dice.chance(0.25) ? dice.of(0.01, 0.1) : 0,
      translated: dice.chance(0.25),
    }
  );
  const { schedulers: _, ...server } = pluginsOf(dice);
  const most = Math.max(0.5, 1.5 * shortest(run));
  const actions = Array.from({ length: dice.of(0, 1, 1, 2, 3) }, (): WideAction => {
    const kind = dice.of("control", "rebind", "mtu", "rate", "delay", "keepalive");
    const at = dice.between(0.005, most);
    const path = dice.of(...run.paths.keys());
    const end = dice.of(0, 1);
    const value = kind === "rate"
      ? dice.between(0.5, 100)
      : kind === "delay"
      ? dice.between(0.5, 150)
      : kind === "mtu"
      ? Math.round(dice.between(least, 1500))
      : 0;
    return { at, kind, which: kind === "control" || kind === "keepalive" ? end : path, value };
  });
  return {
    server: dice.chance(0.4) ? server : null,
    checksum: dice.chance(0.2),
    tcp: either(() => chosen(TCP)),
    mptcp: either(() => chosen(MPTCP)),
    lends: either(() => dice.chance(0.3)),
    hints: either(() => dice.chance(0.2)),
    offload: dice.chance(0.3),
    paths,
    actions,
    more: moreOf(run, paths, actions, more),
  };
}

function moreOf(
  run: Run,
  paths: readonly WidePath[],
  actions: readonly WideAction[],
  dice: Dice,
): MorePlan {
  const sizes = paths.map(({ mtu }) => mtu).concat(
    actions.map(({ kind, value }) => kind === "mtu" ? value : 0),
  );
  const carriesIpv6 = sizes.every((size) => size === 0 || size >= 1280);
  const boxes = run.paths.flatMap(({ box }) => box ?? []);
  // Who has come through a translator is not told apart by ports.
  const told = boxes.length === 0 && !paths.some(({ translated }) => translated);
  const either = <T>(one: () => T): [T, T] => [one(), one()];
  const other = (): OtherPlan => ({
    at: dice.between(0.001, Math.max(0.5, 1.5 * shortest(run))),
    up: Math.round(dice.of(0, 1, dice.between(1, 2e5))),
    down: Math.round(dice.of(0, 1, dice.between(1, 2e5))),
  });
  return {
    boxes6: dice.chance(0.3) && carriesIpv6 && boxes.length > 0 &&
      !boxes.some((box) => OF_IPV4.test(box)),
    dual: dice.chance(0.2) && carriesIpv6 && boxes.length === 0,
    corks: either(() => dice.of(0, 0, 0, 0.3, 0.95)),
    mptcp: either(() => dice.chance(0.6) ? "usual" : dice.of(...Object.keys(MORE))),
    memory: [
      dice.chance(0.15) ? Math.round(dice.between(LEAST_MEMORY, 16e6)) : 0,
      dice.chance(0.1) ? Math.round(dice.between(LEAST_MEMORY, 4e6)) : 0,
    ],
    others: Array.from({ length: told ? dice.of(0, 0, 0, 1, 2, 4) : 0 }, other),
  };
}

/** Plugins, each as likely as another, but for path managers: most open paths. */
function pluginsOf(dice: Dice): Pick<Run, "scheduler" | "control" | "manager" | "schedulers"> {
  const schedulers = Object.keys(SCHEDULERS);
  return {
    scheduler: dice.of(...schedulers),
    control: dice.of(...Object.keys(CONTROLS)),
    manager: dice.of("fullMesh", "fullMesh", ...Object.keys(MANAGERS)),
    schedulers,
  };
}

/** What happens meanwhile: while data are on their way mostly. */
function actionsOf(run: Run, dice: Dice): readonly ActionPlan[] {
  const actions: ActionPlan[] = [];
  const most = Math.max(0.5, 1.5 * shortest(run));
  const when = (): number => dice.between(0.005, most);
  const length = (): number => dice.chance(0.05) ? dice.of(200, 400) : dice.between(0.05, 20);
  run.paths.forEach((_, which) => {
    let at = 0;
    for (let times = dice.of(0, 0, 0, 1, 1, 2); times > 0; times--) {
      at += when();
      const action = { at, kind: dice.of("cut", "link", "address"), length: length(), which };
      actions.push(action as ActionPlan);
      at += action.length;
    }
  });
  if (dice.chance(0.1)) actions.push({ at: when(), kind: "all", length: length(), which: 0 });
  for (let times = dice.of(0, 0, 1, 2); times > 0; times--) {
    const kind = dice.of("scheduler", "backup");
    actions.push({ at: when(), kind, length: 0, which: dice.of(0, 1) });
  }
  if (dice.chance(0.35)) {
    const kind = dice.of("finish", "finish", "discard", "close", "close", "abort");
    actions.push({ at: when(), kind, length: 0, which: dice.of(0, 1) });
  }
  return actions;
}

/** Seconds that the data take when all goes well. */
function shortest({ paths, ends }: Run): number {
  const rate = Math.max(...paths.map((path) => path.rate));
  const delay = Math.max(...paths.map((path) => path.delay));
  return (ends[0].bytes + ends[1].bytes) * 8 / (rate * 1e6) + 6 * delay / 1e3;
}

/** The same run, on paths that are at each time as bad as they ever are. */
function worst(run: Run): Run {
  const { wide } = run;
  if (wide === null) return run;
  const paths = run.paths.map((path, which) => {
    const of = (kind: WideAction["kind"]): number[] =>
      wide.actions.filter((action) => action.kind === kind && action.which === which).map((
        { value },
      ) => value);
    return {
      ...path,
      rate: Math.min(path.rate, ...of("rate")),
      delay: Math.max(path.delay, ...of("delay")),
      loss: path.loss + wide.paths[which]!.mark,
    };
  });
  return { ...run, paths };
}

/** Seconds that they take at most where nothing is interrupted. */
function longest(run: Run): number {
  const { paths, ends, manager, mptcp, wide } = worst(run);
  const more = wide?.more;
  const [host = 0, receive = 0] = more?.memory ?? [];
  // Each of them may have its share of memory alone.
  const buffer = Math.min(run.buffer, receive || Infinity, host / 16 || Infinity);
  let bytes = ends[0].bytes + ends[1].bytes;
  for (const { up, down } of more?.others ?? []) bytes += up + down;
  const alone = ["passive", "manual"].includes(manager) || !mptcp.every((each) => each);
  let slowest = 0;
  for (const { rate, delay, queue, loss, disorder, box } of alone ? [paths[0]!] : paths) {
    const trip = (2 * delay + Math.min(queue * 12 / rate, bytes * 8e-3 / rate)) / 1e3;
    const lost = loss + disorder;
    // The formula of Mathis et al. (1997), with segments of half the size; a window of two segments is the least that losses leave.
    const perTrip = Math.min(buffer / 4, lost === 0 ? 1e6 : Math.max(1400, 700 / Math.sqrt(lost)));
    let seconds = bytes * 8 / (rate * 1e6) + (bytes / perTrip + 10) * trip;
    // What a proxy has acknowledged goes again when the data level times out: once for each segment that it drops.
    if (box?.startsWith("acknowledge")) seconds += bytes / 1400 / 25 * 3 * Math.max(1, trip);
    slowest = Math.max(slowest, seconds);
  }
  return slowest;
}

/** The end that all must have come to, in seconds; `failing`: somebody may have to give up. */
export function boundOf(run: Run, failing: boolean): number {
  let bound = REPEATED + 4 * longest(run);
  const { wide } = run;
  if (wide !== null) {
    if (wide.tcp.some((each) => SLOWER.test(each))) bound *= 2;
    // A size that is too large is found out by timeouts (RFC 8899, RFC 4821).
    if (wide.paths.some(({ mtu }) => mtu > 0) || wide.actions.some(({ kind }) => kind === "mtu")) {
      bound += REPEATED;
    }
    bound += Math.max(0, ...wide.more.others.map(({ at }) => at));
    // What is corked waits for 200 ms at most.
    run.ends.forEach(({ bytes, write }, i) => {
      if (wide.more.corks[i]! > 0) bound += 0.2 * bytes / write;
    });
  }
  // A timeout that has doubled through an outage ends as long after it as that lasted, and is the first round trip where that was the handshake's; at most
  // two minutes, twice. An address that is back is used in a minute.
  for (const { kind, at, length } of run.actions) {
    if (length > 0) bound += at + length + Math.min(4 * length, 240) + REOPENED_WITHIN;
    else if (kind === "close" || kind === "abort") bound += CLOSE_TIMEOUT;
  }
  run.ends.forEach(({ sleep, pause, read }, i) => {
    bound += sleep + pause * (2 + 4 * run.ends[1 - i]!.bytes / Math.min(read, 1460));
  });
  return failing ? bound + USER_TIMEOUT + CLOSE_TIMEOUT : bound;
}

/** One line. */
export function describeRun(run: Run): string {
  const paths = run.paths.map(({ rate, delay, loss, queue, disorder, box }) =>
    `${rate} Mbit/s ${delay} ms` + (loss > 0 ? ` loss ${loss}` : "") + ` queue ${queue}` +
    (disorder > 0 ? ` disorder ${disorder}` : "") + (box === null ? "" : ` "${box}"`)
  );
  const ends = run.ends.map(({ bytes, write, read, pause, sleep }) =>
    `${bytes} B by ${write}, reads ${read}` + (pause > 0 ? ` every ${pause} s` : "") +
    (sleep > 0 ? ` after ${sleep} s` : "")
  );
  const actions = run.actions.map(({ kind, at, length, which }) =>
    `${kind} ${which} at ${Number(at.toPrecision(3))}` + (length > 0 ? ` for ${length}` : "")
  );
  return [
    `IPv${run.family}`,
    `${paths.join("; ")}`,
    `${run.scheduler} ${run.control} ${run.manager}`,
    `buffers ${run.buffer}`,
    ...(run.checksum ? ["checksum"] : []),
    ...(run.longDsn ? ["long DSNs"] : []),
    ...run.mptcp.flatMap((mptcp, i) => mptcp ? [] : [`${i === 0 ? "client" : "server"} plain`]),
    `client ${ends[0]}`,
    `server ${ends[1]}`,
    ...(actions.length > 0 ? [actions.join(", ")] : []),
    ...(run.wide === null ? [] : [describeWide(run.wide)]),
  ].join(" | ");
}

function describeWide(wide: WidePlan): string {
  const { server, checksum, tcp, mptcp, lends, hints, offload, paths, actions, more } = wide;
  const each = (what: string, [client, server]: readonly [unknown, unknown]): string[] =>
    client === server && (client === "usual" || client === false)
      ? []
      : [`${what}: ${client}, ${server}`];
  return [
    ...(server === null ? [] : [`server ${server.scheduler} ${server.control} ${server.manager}`]),
    ...(checksum ? ["server checksum"] : []),
    ...each("TCP", tcp),
    ...each("MPTCP", mptcp),
    ...each("lends", lends),
    ...each("hints", hints),
    ...(offload ? ["offload"] : []),
    ...paths.flatMap(({ mtu, icmp, mark, translated }, i) => [
      ...(mtu > 0 ? [`path ${i} mtu ${mtu}${icmp ? "" : " in silence"}`] : []),
      ...(mark > 0 ? [`path ${i} marks ${mark}`] : []),
      ...(translated ? [`path ${i} translated`] : []),
    ]),
    ...actions.map(({ kind, at, which, value }) => `${kind} ${which} ${value} at ${at}`),
    ...(more.dual ? ["both families"] : []),
    ...(more.corks.some((share) => share > 0) ? [`corks ${more.corks.join()}`] : []),
    ...each("more", more.mptcp),
    ...(more.memory.some((bytes) => bytes > 0) ? [`memory ${more.memory.join()}`] : []),
    ...more.others.map(({ at, up, down }) => `another at ${at} ${up} B up ${down} B down`),
  ].join(", ");
}

/** `nats`: where the translators go, by path. */
function topologyOf(run: Run, nats: (Nat | null)[]): Topology {
  const { wide } = run;
  const dual = wide?.more.dual === true;
  const anyBox = run.paths.some(({ box }) => box !== null) ||
    wide?.paths.some(({ translated }) => translated) === true;
  const paths = run.paths.map(({ rate, delay, loss, queue, disorder: share, box }, i) => {
    const more = wide?.paths[i];
    const translator = more?.translated === true ? nat() : null;
    nats.push(translator);
    const { up, down } = translator !== null
      ? { up: [translator.up], down: [translator.down] }
      : box === null
      ? {}
      : KINDS[box]!.make(i + 1);
    // Boxes come upon whole packets: there, they are only overtaken.
    const bad = share === 0
      ? []
      : [anyBox || run.family === 6 || dual ? reordering(share) : disorder(share)];
    return [`p${i}`, {
      rate: `${rate} Mbit/s`,
      delay: `${delay} ms`,
      loss,
      queue,
      elements: more === undefined ? bad : [
        ...(wide!.offload ? [segment()] : []),
        ...bad,
        ...(more.mark > 0 ? [mark(more.mark)] : []),
        ...(box === null
          ? [mtu(more.mtu > 0 ? more.mtu + ENVELOPE : 1500, { icmp: more.icmp })]
          : []),
      ],
      ...(up && { up }),
      ...(down && { down }),
    }] as const;
  });
  const buffers = { receiveBuffer: run.buffer, sendBuffer: run.buffer };
  const other = wide?.server ?? null;
  const [host = 0, receive = 0] = wide?.more.memory ?? [];
  return new Topology({
    seed: run.seed,
    family: run.family,
    dual,
    memory: { ...(host > 0 && { host }), ...(receive > 0 && { receive }) },
    paths: Object.fromEntries(paths),
    links: { checksums: true, ...(wide?.offload === true && { maxSegments: 16 }) },
    policies: {
      scheduler: SCHEDULERS[run.scheduler]!(),
      congestionControl: CONTROLS[run.control]!(),
      pathManager: MANAGERS[run.manager]!(),
    },
    ...(other !== null && {
      serverPolicies: {
        scheduler: SCHEDULERS[other.scheduler]!(),
        congestionControl: CONTROLS[other.control]!(),
        pathManager: MANAGERS[other.manager]!(),
      },
    }),
    client: {
      ...buffers,
      checksum: run.checksum,
      dsn: run.longDsn ? "long" : "short",
      mptcp: run.mptcp[0],
      ...(wide !== null && { ...MPTCP[wide.mptcp[0]], ...MORE[wide.more.mptcp[0]] }),
    },
    server: {
      ...buffers,
      mptcp: run.mptcp[1],
      ...(wide !== null && {
        checksum: wide.checksum,
        ...MPTCP[wide.mptcp[1]],
        ...MORE[wide.more.mptcp[1]],
      }),
    },
    ...(wide !== null && { tcp: TCP[wide.tcp[0]]!, serverTcp: TCP[wide.tcp[1]]! }),
  });
}

function scriptOf(t: Topology, run: Run, end: 0 | 1): Script {
  const { bytes, write, read, pause, sleep } = run.ends[end];
  const { wide } = run;
  const dice = new Dice(seededRandom(run.seed)(`hints ${end}`));
  const corks = new Dice(seededRandom(run.seed)(`corks ${end}`));
  const share = wide?.more.corks[end] ?? 0;
  const script: Script = {
    bytes,
    writes: () => write,
    reads: () => read,
    ...(wide?.lends[end] === true && { lends: true }),
    ...(wide?.hints[end] === true && { hints: () => dice.of(0, 1, 2) }),
    ...(share > 0 && { corks: () => corks.chance(share) }),
  };
  if (pause + sleep === 0) return script;
  let first = -1;
  // Defined, not spread: it is asked for again before each read.
  return Object.defineProperty<Script>(script, "pause", {
    get() {
      if (first < 0) first = t.seconds;
      return Math.max(pause, 0.001, first + sleep - t.seconds);
    },
  });
}

/** Does what a run is made of. */
class Performance {
  readonly t: Topology;
  readonly #run: Run;
  readonly #pair: { client: End; server: () => End | undefined };
  /** Something has happened that may end a connection with an error. */
  mayFail: boolean;
  /** Some application has ended more than its own direction, or drops what comes. */
  cutShort = false;
  /** Bytes that the stacks took without connections. */
  readonly idle: readonly number[];
  readonly #nats: (Nat | null)[] = [];
  /** Further connections, from when they begin. */
  readonly others: { client: End; server: () => End | undefined }[] = [];
  #begun = 0;

  constructor(run: Run) {
    this.#run = run;
    this.t = topologyOf(run, this.#nats);
    this.mayFail = run.paths.some(({ box }) => box !== null && !HARMLESS.test(box)) ||
      chosen(run, FORGETFUL) || chosen(run, HASTY);
    this.idle = bytesOf(this.t);
    this.#pair = this.t.connect(scriptOf(this.t, run, 0), scriptOf(this.t, run, 1));
    const dice = new Dice(seededRandom(run.seed)("meanwhile"));
    for (const action of run.actions) this.t.at(action.at, () => this.#act(action, dice));
    for (const { at, up, down } of run.wide?.more.others ?? []) {
      this.t.at(at, () => this.#begin(up, down));
    }
    const more = new Dice(seededRandom(run.seed)("meanwhile, wide"));
    for (const action of run.wide?.actions ?? []) {
      this.t.at(action.at, () => this.#actWide(action, more));
    }
  }

  /** Begins one more connection, where there is an address to begin it from. */
  #begin(up: number, down: number): void {
    this.#begun++;
    const { t } = this;
    const { family } = this.#run;
    const version = family === 4 ? "." : ":";
    if (![...t.client.addresses].some(({ address }) => address.includes(version))) return;
    this.others.push(t.connect({ bytes: up }, { bytes: down }));
  }

  get ends(): readonly (End | undefined)[] {
    return [this.#pair.client, this.#pair.server()];
  }

  /** Whether all the others have begun, and are over. */
  get othersOver(): boolean {
    return this.#begun === (this.#run.wide?.more.others.length ?? 0) &&
      this.others.every(({ client, server }) =>
        over(client) && (over(server()) || server() === undefined && client.code !== null)
      );
  }

  /** What is wrong with the others: bytes are judged where they are read. */
  get othersWrong(): string | null {
    for (const { client, server } of this.others) {
      for (const end of [client, server()]) {
        if (end === undefined) continue;
        if (end.wrong !== null) return end.wrong;
        if (!this.othersMayFail && (end.code ?? null) !== null) {
          return `another ended with an error that nothing explains: ${describeEnd(end)}`;
        }
      }
    }
    return null;
  }

  /** Their addresses may have been taken from them, whatever state they were in, or their SYNs. */
  get othersMayFail(): boolean {
    return this.mayFail || this.#run.actions.some(({ kind }) => /^(link|address)$/.test(kind)) ||
      this.#unluckySyns();
  }

  /** An outage leaves a further connection so few of its SYNs that loss may take the rest, or their answers. */
  #unluckySyns(): boolean {
    const { paths, actions, wide } = this.#run;
    const loss = Math.max(...paths.map((path) => path.loss));
    const lost = 1 - (1 - loss) ** 2;
    const cut = (at: number): boolean =>
      actions.some(({ kind, at: from, length }) =>
        /^(cut|all)$/.test(kind) && at >= from && at <= from + length
      );
    return (wide?.more.others ?? []).some(({ at }) => {
      const tries = SYNS_AT.filter((wait) => !cut(at + wait)).length;
      return tries < SYNS_AT.length && lost ** tries > UNLUCKY;
    });
  }

  #act({ kind, which, length }: ActionPlan, dice: Dice): void {
    const { t } = this;
    const end = this.ends[which];
    const name = `p${which}`;
    const later = (callback: () => void): void => t.at(t.seconds + length, callback);
    switch (kind) {
      case "cut":
        t.paths[name]!.cut();
        later(() => t.paths[name]!.restore());
        break;
      case "all":
        t.inner.cut();
        later(() => t.inner.restore());
        break;
      case "link":
      case "address":
        this.#remove(kind, which, later);
        break;
      case "scheduler":
        if (end?.socket.closed === false) {
          end.socket.setScheduler(t.now, SCHEDULERS[dice.of(...this.#run.schedulers)]!());
        }
        break;
      case "backup":
        if (end?.socket.closed === false) {
          setBackup(t, end.socket, dice.of(0, 1, 2), dice.chance(0.5));
        }
        break;
      case "finish":
        end?.socket.finish(t.now);
        break;
      default:
        if (end === undefined) break;
        this.cutShort = true;
        if (kind === "discard") end.discard();
        else end.socket[kind](t.now);
    }
    // The user timeout is above what was said for outages.
    if (length > USER_TIMEOUT / 3) this.mayFail = true;
    // A server with cookies has nothing of a client whose third ACK was lost, and which says nothing more.
    if (length > 0 && this.#run.wide?.tcp[1] === "cookies") this.mayFail = true;
    // Who has no path waits for less.
    if (length > 0 && chosen(this.#run, IMPATIENT)) this.mayFail = true;
  }

  #actWide({ kind, which, value }: WideAction, dice: Dice): void {
    const { t } = this;
    const socket = this.ends[which]?.socket;
    const path = t.paths[`p${which}`];
    switch (kind) {
      case "control":
        if (socket?.closed === false) {
          socket.setCongestionControl(t.now, CONTROLS[dice.of(...Object.keys(CONTROLS))]!());
        }
        break;
      case "keepalive":
        socket?.setKeepAlive(t.now, { idle: 1e6, interval: 1e6, count: USER_TIMEOUT });
        break;
      case "rebind":
        if (this.#nats[which] === null) break;
        this.#nats[which]!.forget();
        // Who is first heard from another port has a connection that nobody knows.
        this.mayFail = true;
        break;
      default:
        if (kind === "mtu" && this.#run.paths[which]!.box !== null) break;
        path!.set({
          [kind]: kind === "mtu"
            ? value + ENVELOPE
            : `${value} ${kind === "rate" ? "Mbit/s" : "ms"}`,
        });
    }
  }

  #remove(kind: "link" | "address", which: number, later: (callback: () => void) => void): void {
    const { t } = this;
    const bits = this.#run.family === 4 ? 24 : 64;
    const address = this.#run.family === 4 ? `10.0.${which + 1}.1` : `fd00:0:0:${which + 1}::1`;
    const end = endOf(t, `p${which}`);
    const { socket } = this.#pair.client;
    // An address is the life of plain TCP, and of what is not agreed upon yet.
    if (!socket.confirmed || socket.fallback) this.mayFail = true;
    // Nobody opens a path again in the place of the first, or not by itself.
    if (!RETURNING.includes(this.#run.manager)) this.mayFail = true;
    // Nor does one come where the server has nobody who would say so to it, or may not take it.
    if (this.#run.wide?.server?.manager === "manual") this.mayFail = true;
    if (this.#run.wide?.mptcp.some((each) => each !== "usual") === true) this.mayFail = true;
    // It goes to the path of another address, where a box may let no join through, and stays there.
    const boxed = this.#run.paths.some(({ box }) => box !== null);
    if (this.#run.manager === "nDiffPorts" && boxed) this.mayFail = true;
    if (kind === "address") {
      t.client.removeAddress(t.now, address);
      later(() => t.client.addAddress(t.now, end, `${address}/${bits}`));
      return;
    }
    t.paths[`p${which}`]!.cut();
    t.client.setLinkUp(t.now, end, false);
    later(() => {
      t.paths[`p${which}`]!.restore();
      t.client.setLinkUp(t.now, end, true);
    });
  }
}

/** When SYNs leave that nothing answers, in seconds (RFC 6298 §5.5, tcp_syn_retries 6). */
const SYNS_AT = [0, 1, 3, 7, 15, 31, 63];
/** What is less likely does not happen in as many runs as anybody does. */
const UNLUCKY = 1e-7;

/** Whether either end has this choice of `MORE`. */
function chosen({ wide }: Run, choice: string): boolean {
  return wide?.more.mptcp.includes(choice) === true;
}

/** Whether an end has come to its own: in order, or by an error. */
function over(end: End | undefined): boolean {
  return end !== undefined &&
    (end.done || (end.code ?? null) !== null || end.code === null && end.socket.appClosed);
}

function bytesOf(t: Topology): number[] {
  return [t.client, t.server].map(({ wasm }) => host_usage(wasm, USAGE_BYTES));
}

/** Where an end stands. */
function describeEnd(end: End | undefined): string {
  if (end === undefined) return "none";
  const { socket, code, reason, received, sent } = end;
  const state = code === undefined ? socket.state : `${code} ${reason ?? ""}`;
  return `${state}, ${sent} written, ${received} read${socket.fallback ? ", plain" : ""}`;
}

/** Whether nothing that an end has sent waits for an answer: without keep-alives it may wait for the other for ever (RFC 9293 §3.8.4). */
function waits({ socket }: End): boolean {
  const { unacked, unsent, finAcked } = socket;
  return unacked + unsent === 0 && (finAcked || socket.sendQueue.ours.kind === "open");
}

/** What a run came to. */
export interface Came {
  /** What was wrong; null when nothing was. */
  readonly wrong: string | null;
  /** Both ends in order, in this mode; or how they ended else. */
  readonly text: string;
  /** Seconds, and what they were bounded by. */
  readonly seconds: number;
  readonly bound: number;
}

/** Performs a run to its end, and what is left of it after. */
export function perform(run: Run): Came {
  const play = new Performance(run);
  const { t } = play;
  const { idle } = play;
  const settled = (): boolean => {
    const [client, server] = play.ends;
    return over(client) && (over(server) || server === undefined && client!.code !== null) &&
      play.othersOver;
  };
  /**
   * All has arrived, read or not, and one end has ended in order: what it said last may be lost with a path, and nobody says it again. A peer that has ended
   * refuses what joins it then (RFC 8684 §3.2), which does not tell what it had received.
   */
  const leftBehind = (): boolean => {
    const [client, server] = play.ends;
    return run.actions.some(({ kind }) => kind === "link" || kind === "address") &&
      client !== undefined && server !== undefined &&
      client.socket.bytesReceived === server.sent &&
      server.socket.bytesReceived === client.sent &&
      [client, server].some((end) => over(end) && (end.code ?? null) === null);
  };
  const explained = (): boolean => play.mayFail || play.cutShort || leftBehind();
  const wrongs: string[] = [];
  const note = (what: string): void => {
    wrongs.push(`${what} (client: ${ends().join("; server: ")})`);
  };
  const ends = (): string[] => play.ends.map(describeEnd);
  const until = (seconds: number): boolean => {
    try {
      t.runUntil(settled, seconds);
    } catch (error) {
      if (settled() || !String(error).includes("Not done")) throw error;
    }
    return settled();
  };
  let text = "";
  let seconds = 0;
  let bound = 0;
  try {
    bound = boundOf(run, play.mayFail);
    if (!until(bound)) {
      if (explained()) bound = boundOf(run, true);
      if (!until(bound)) {
        const all = [
          ...play.ends,
          ...play.others.flatMap(({ client, server }) => [client, server()]),
        ];
        const open = all.filter((end) => end !== undefined && !over(end)) as End[];
        // What was lost with an end that is gone is told to who sends, not to who only waits.
        const may = explained() || play.othersMayFail && play.ends.every(over);
        if (!may || !open.every(waits)) {
          note(`not over within ${bound.toFixed(0)} s`);
        }
      }
    }
    seconds = t.seconds;
    const [client, server] = play.ends;
    const failed = [client, server].some((end) => end === undefined || (end.code ?? null) !== null);
    text = failed ? "error" : "open";
    if (failed && !explained()) note("an error that nothing explains");
    const { othersWrong } = play;
    if (othersWrong !== null) note(othersWrong);
    if (!failed && settled() && !play.cutShort) {
      const mode = modeOf(client!, server!);
      text = mode ?? "two modes";
      if (mode === null) note("the ends differ in their mode");
      if (client!.received !== server!.sent || server!.received !== client!.sent) {
        note("an end in order without all bytes");
      }
    }
    for (const end of play.ends) end?.socket.close(t.now);
    for (const { client, server } of play.others) {
      for (const end of [client, server()]) end?.socket.close(t.now);
    }
    // TIME-WAIT, FINs that are lost, peers that are away; paths that come back meanwhile.
    const last = Math.max(0, ...run.actions.map(({ at, length }) => at + length));
    t.runTo(Math.max(t.seconds, last) + USER_TIMEOUT + 2 * CLOSE_TIMEOUT + TIME_WAIT + 120);
    // A proxy that acknowledges in the name of a peer that is gone is a peer that answers and takes nothing: an hour.
    const waiting = [t.client, t.server].some((stack) => stack.usage().connections > 0);
    if (waiting && describeRun(run).includes("acknowledge and drop")) {
      t.runTo(t.seconds + CLOSED_PATIENCE + TIME_WAIT);
    }
    for (const [name, stack] of [["client", t.client], ["server", t.server]] as const) {
      const usage = stack.usage();
      const left = Object.entries(usage).filter(([, count]) => count !== 0);
      if (left.length > 0) note(`left at the ${name}: ${left.join(" ")}`);
    }
    const bytes = bytesOf(t);
    if (bytes.join() !== idle.join()) note(`bytes left: ${bytes}, ${idle} before`);
    if (t.faults.length > 0) {
      note(`faults: ${t.faults.map(({ error, what }) => error ?? what).join()}`);
    }
    // Nobody but DSS checksums can tell of bytes that were changed: plain TCP has none.
    const blind = run.paths.some(({ box }) => box !== null && CHANGES_BYTES.test(box)) &&
      play.ends.some((end) => end?.socket.fallback);
    for (const end of play.ends) {
      const wrong = end?.wrong ?? null;
      if (wrong !== null && !(blind && wrong.includes("is not the one"))) note(wrong);
    }
  } catch (error) {
    note(error instanceof Error ? error.stack ?? error.message : String(error));
  }
  try {
    t[Symbol.dispose]();
  } catch {
    // What was read was looked at above.
  }
  return { wrong: wrongs.length === 0 ? null : wrongs.join("; "), text, seconds, bound };
}
