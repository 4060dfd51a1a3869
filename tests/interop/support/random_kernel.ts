/**
 * Runs of one connection with a kernel over TUN devices, each derived from one seed: paths and what stands on them, settings of both sides, what the programs
 * do, and what goes wrong when. The run follows from the seed; how packets and the processes of the machine meet does not.
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type Lab, Lab as Labs } from "../../../cli/lab.ts";
import * as cc from "../../../cc/mod.ts";
import { type RandomStream, seededRandom } from "../../../core/host/random.ts";
import { Stack, type StackUsage } from "../../../core/host/stack.ts";
import { Loop } from "../../../core/link/loop.ts";
import { mptcpSettings } from "../../../core/net/mptcp_options.ts";
import { tcpSettings } from "../../../core/net/tcp_options.ts";
import type { Link } from "../../../core/host/link.ts";
import {
  coalesceSegments,
  corrupt,
  delay,
  duplicate,
  type ElementFactory,
  gilbertElliott,
  Host,
  impair,
  type ImpairedLink,
  jitter,
  loss,
  type MptcpConn,
  type MptcpOptions,
  mtu,
  nat,
  queue,
  rate,
  renumber,
  reorder,
  reorderOptions,
  repeatSegments,
  rewriteMss,
  splitSegments,
  stripOptions,
  type TcpOptions,
  tcpProxy,
} from "../../../mod.ts";
import * as pm from "../../../pm/mod.ts";
import * as sched from "../../../sched/mod.ts";
import { sleep } from "./wait.ts";

const PROGRAM = fileURLToPath(new URL("./random_peer.py", import.meta.url));

const SCHEDULERS = {
  earliest: sched.earliest,
  minRtt: sched.minRtt,
  roundRobin: sched.roundRobin,
  redundant: sched.redundant,
  blest: sched.blest,
  ecf: sched.ecf,
  linux: sched.linux,
  weighted: sched.weighted,
} as const;
const CONTROLS = {
  lia: cc.lia,
  cubic: cc.cubic,
  reno: cc.reno,
  bbr: cc.bbr,
  olia: cc.olia,
  balia: cc.balia,
} as const;
const MANAGERS = { fullMesh: pm.fullMesh, passive: pm.passive, nDiffPorts: pm.nDiffPorts } as const;

const TCP: Readonly<Record<string, TcpOptions>> = {
  usual: {},
  unpaced: { pacing: false },
  "no SACK": { sack: false },
  "no timestamps": { timestamps: false },
  "RFC 6675": { lossDetection: "sack" },
  NewReno: { lossDetection: "reno-nosack" },
  ECN: { ecn: "request" },
  "each ACK": { delayedAck: false },
  "small segments": { maxSegment: 600 },
  cookies: { synCookies: "always" },
  "sizes tried": { mtuProbing: "always" },
  "little unsent": { notSentLowWater: 16384 },
  "small receive buffer": { receiveBuffer: 20_000 },
  "small send buffer": { sendBuffer: 20_000 },
  "middling buffers": { receiveBuffer: 200_000, sendBuffer: 200_000 },
};
const MPTCP: Readonly<Record<string, MptcpOptions>> = {
  usual: {},
  "fast close by ACK": { fastclose: "ack" },
  "long DSN": { dsn: "long" },
  "no join to the first address": { allowJoinInitialAddress: false },
  "FINs at once": { dataFin: "fast" },
  "soon stale": { staleLossCount: 1 },
  "announced ports": { joinPorts: "announced" },
  relief: { opportunisticRetransmission: true, penalty: true, tailReinjection: true },
};
/** The kernel's settings. */
const KERNEL: Readonly<Record<string, Readonly<Record<string, number | string>>>> = {
  usual: {},
  "no timestamps": { "net/ipv4/tcp_timestamps": 0 },
  "no SACK": { "net/ipv4/tcp_sack": 0 },
  "no window scaling": { "net/ipv4/tcp_window_scaling": 0 },
  cookies: { "net/ipv4/tcp_syncookies": 2 },
  ECN: { "net/ipv4/tcp_ecn": 1 },
  bbr: { "net/ipv4/tcp_congestion_control": "bbr" },
  reno: { "net/ipv4/tcp_congestion_control": "reno" },
  "no join to the first address": { "net/mptcp/allow_join_initial_addr_port": 0 },
  "soon stale": { "net/mptcp/stale_loss_cnt": 1 },
  "sizes tried": { "net/ipv4/tcp_mtu_probing": 2 },
};

/** What stands on a path, by name: first what goes to the kernel. */
const BOXES: Readonly<
  Record<string, (client: boolean) => readonly [ElementFactory[], ElementFactory[]]>
> = {
  splits: () => [[splitSegments()], [splitSegments()]],
  joins: () => [[coalesceSegments()], [coalesceSegments()]],
  "reorders options": () => [[reorderOptions()], [reorderOptions()]],
  "lowers the MSS": () => [[rewriteMss(900)], [rewriteMss(900)]],
  repeats: () => [[repeatSegments({ every: 13 })], [repeatSegments({ every: 17 })]],
  renumbers: (client) => sides(renumber({ up: 12345, down: 67890 }), client),
  translates: (client) => sides(nat(), client),
  // From here on they interfere with options.
  "strips SYNs": () => [[stripOptions({ on: "syn" })], [stripOptions({ on: "syn" })]],
  "strips SYN/ACKs": () => [[stripOptions({ on: "syn-ack" })], [stripOptions({ on: "syn-ack" })]],
  // None that takes the options of data, of ACKs, or DSS alone: Linux that is sure of MPTCP by then, as by our ADD_ADDR or DATA_FIN, never falls back. It repeats
  // at the data level, for ever, and without a mapping to a peer that has taken what came for plain TCP (docs/decisions.md).
  "strips all": () => [[stripOptions()], [stripOptions()]],
  "strips ADD_ADDR": () => [[stripOptions({ options: ["ADD_ADDR"] })], [
    stripOptions({ options: ["ADD_ADDR"] }),
  ]],
  proxies: (client) => sides(tcpProxy(), client),
};
const HARMLESS = ["splits", "reorders options", "lowers the MSS", "repeats", "renumbers"];

function sides(
  { up, down }: { readonly up: ElementFactory; readonly down: ElementFactory },
  client: boolean,
): [ElementFactory[], ElementFactory[]] {
  return client ? [[up], [down]] : [[down], [up]];
}

/** One direction of a path. */
interface Way {
  readonly delay: number;
  readonly rate: number;
  readonly queue: number;
  readonly loss: number;
  readonly bursts: number;
  readonly duplicate: number;
  readonly corrupt: number;
  readonly reorder: number;
  readonly jitter: number;
  readonly mtu: number;
}

/** A path; null: packets go as they are, by super-segments. */
type PathPlan = { readonly ways: readonly [Way, Way]; readonly box: string | null } | null;

/** What a program does. */
interface Habits {
  readonly write: number;
  readonly read: number;
  /** Seconds between reads, and before the first. */
  readonly pause: number;
  readonly sleep: number;
}

type EventKind =
  | "cut"
  | "device"
  | "link"
  | "address"
  | "endpoint"
  | "backup"
  | "our backup"
  | "kill subflow"
  | "shape"
  | "scheduler"
  | "control"
  | "finish"
  | "abort"
  | "close"
  | "kill";

interface EventPlan {
  readonly at: number;
  readonly kind: EventKind;
  readonly path: number;
  readonly length: number;
  readonly value: number;
}

/** A whole run. */
export interface KernelRun {
  readonly seed: number;
  readonly role: "client" | "server";
  readonly family: 4 | 6;
  readonly mtu: number;
  readonly paths: readonly PathPlan[];
  readonly checksum: readonly [ours: boolean, kernel: boolean];
  /** Flags of the kernel's endpoint on each path; empty: none. */
  readonly endpoints: readonly string[];
  readonly limits: readonly [subflows: number, accepted: number];
  readonly sizes: readonly [up: number, down: number];
  readonly messages: readonly (readonly [number, number])[];
  readonly ours: Habits & { readonly how: "read" | "drain"; readonly with: "write" | "fill" };
  readonly theirs: Habits & {
    readonly rcvbuf: number;
    readonly sndbuf: number;
    readonly nodelay: boolean;
    readonly quit: number | null;
    readonly reset: boolean;
  };
  readonly settings: { readonly tcp: string; readonly mptcp: string; readonly kernel: string };
  readonly plugins: {
    readonly scheduler: keyof typeof SCHEDULERS;
    readonly control: keyof typeof CONTROLS;
    readonly manager: keyof typeof MANAGERS;
  };
  readonly views: "pages" | "copies";
  readonly events: readonly EventPlan[];
}

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

  between(least: number, most: number): number {
    return Number((least * (most / least) ** this.#stream.float()).toPrecision(3));
  }
}

/** What a seed stands for. */
export function runOf(seed: number): KernelRun {
  const source = seededRandom(seed);
  const dice = (name: string): Dice => new Dice(source(name));
  const general = dice("general");
  const each = dice("paths");
  const count = each.of(1, 1, 2, 2, 2, 3);
  const harsh = each.of(0, 0, 1, 1, 2);
  const way = (): Way => ({
    delay: each.between(0.1, 60),
    rate: each.chance(0.4) ? 0 : each.between(2, 300),
    queue: Math.round(each.between(20, 500)),
    loss: harsh === 0 ? 0 : each.of(0, 0.002, 0.01, harsh === 2 ? 0.06 : 0.02),
    bursts: harsh < 2 ? 0 : each.of(0, 0, 0.002, 0.01),
    duplicate: harsh === 0 ? 0 : each.of(0, 0, 0.01, 0.05),
    corrupt: harsh === 0 ? 0 : each.of(0, 0, 0.003, 0.02),
    reorder: harsh === 0 ? 0 : each.of(0, 0, 0.01, 0.1),
    jitter: each.of(0, 0, 0, each.between(0.5, 30)),
    mtu: each.chance(0.08) ? Math.round(each.between(1280, 1499)) : 0,
  });
  const box = general.chance(0.3) ? general.of(...Object.keys(BOXES)) : null;
  const everywhere = general.chance(0.5);
  const boxAt = general.of(...Array.from({ length: count }, (_, i) => i));
  const raw = each.chance(0.15);
  const family = general.of(4, 4, 6);
  const boxed = box !== null && (family === 4 || box !== "translates");
  const paths = Array.from(
    { length: count },
    (_, i): PathPlan =>
      raw || each.chance(0.1)
        ? null
        : { ways: [way(), way()], box: boxed && (everywhere || i === boxAt) ? box : null },
  );
  const rates = paths.map((path) =>
    path === null ? 1000 : Math.min(...path.ways.map(({ rate }) => rate || 1000))
  );
  const most = Math.max(2e4, Math.min(4e6, Math.max(...rates) * 1.5e5));
  const ends = dice("ends");
  const size = (): number =>
    ends.chance(0.15)
      ? 0
      : Math.round(ends.chance(0.3) ? ends.between(1, 5e3) : ends.between(1e3, most));
  const habits = (): Habits => ({
    write: ends.of(65536, 65536, 20000, 1461, 300),
    read: ends.of(65536, 1 << 20, 20000, 3001),
    pause: ends.chance(0.15) ? ends.between(0.0005, 0.02) : 0,
    sleep: ends.chance(0.15) ? ends.between(0.05, 2) : 0,
  });
  const talks = ends.chance(0.4);
  const messages = talks
    ? Array.from(
      { length: ends.of(1, 3, 10, 30) },
      () => [Math.round(ends.between(1, 2e4)), Math.round(ends.between(1, 2e4))] as const,
    )
    : [];
  const sizes = [size(), size()] as const;
  const events = dice("events");
  const kinds: EventKind[] = [
    "cut",
    "cut",
    "device",
    "link",
    "address",
    "endpoint",
    "backup",
    "our backup",
    "kill subflow",
    "shape",
    "scheduler",
    "control",
    "finish",
    "abort",
    "close",
    "kill",
  ];
  const plan = Array.from({ length: events.of(0, 0, 1, 1, 2, 3) }, (): EventPlan => ({
    at: events.between(0.01, 1.5),
    kind: events.of(...kinds),
    path: events.of(...paths.keys()),
    length: events.between(0.02, 3),
    value: events.between(0.5, 100),
  }));
  const more = dice("more");
  const chosen = <T extends object>(from: T): keyof T & string =>
    more.chance(0.5)
      ? Object.keys(from)[0] as keyof T & string
      : more.of(...Object.keys(from)) as keyof T & string;
  return {
    seed,
    role: general.of("client", "server"),
    family: family as 4 | 6,
    mtu: general.of(1500, 1500, 1500, 1400, 9000),
    paths,
    checksum: [general.chance(0.3), general.chance(0.3)],
    endpoints: paths.map((_, i) =>
      general.of(
        ...(i === 0
          ? ["", "", "subflow"]
          : ["", "signal", "subflow", "signal subflow", "subflow backup", "subflow fullmesh"]),
      )
    ),
    limits: [general.of(8, 8, 1, 0), general.of(8, 8, 1, 0)],
    sizes,
    messages,
    ours: { ...habits(), how: ends.of("read", "drain"), with: ends.of("write", "fill") },
    theirs: {
      ...habits(),
      rcvbuf: ends.chance(0.2) ? Math.round(ends.between(4096, 200e3)) : 0,
      sndbuf: ends.chance(0.2) ? Math.round(ends.between(4096, 200e3)) : 0,
      nodelay: ends.chance(0.3),
      quit: ends.chance(0.05) ? Math.round(ends.between(1, 1e5)) : null,
      reset: ends.chance(0.03),
    },
    settings: { tcp: chosen(TCP), mptcp: chosen(MPTCP), kernel: chosen(KERNEL) },
    plugins: {
      scheduler: chosen(SCHEDULERS),
      control: chosen(CONTROLS),
      manager: chosen(MANAGERS),
    },
    views: more.of("pages", "copies"),
    events: plan,
  };
}

/** In one line. */
export function describeRun(run: KernelRun): string {
  const text = (value: unknown): string => JSON.stringify(value);
  return Object.entries(run).map(([name, value]) => `${name} ${text(value)}`).join(", ");
}

/** Bytes that tell where they belong: random_peer.py makes the same. */
class Pattern {
  readonly #block = new Uint8Array(65536);

  constructor(name: string) {
    for (let i = 0; i < 2048; i++) {
      this.#block.set(createHash("sha256").update(`${name} ${i}`).digest(), i * 32);
    }
  }

  fill(into: Uint8Array, start: number): void {
    for (let at = 0; at < into.length;) {
      const block = start + at >>> 16;
      const offset = start + at & 65535;
      this.#block.fill(0, 0, 8);
      new DataView(this.#block.buffer).setUint32(4, block);
      const piece = this.#block.subarray(offset, offset + into.length - at);
      into.set(piece, at);
      at += piece.length;
    }
  }

  is(bytes: Uint8Array, start: number): boolean {
    const wanted = new Uint8Array(bytes.length);
    this.fill(wanted, start);
    return wanted.every((byte, i) => byte === bytes[i]);
  }
}
const OURS = new Pattern("ours");
const KERNELS = new Pattern("kernel");

type Told = {
  event: string;
  port?: number;
  sent?: number;
  received?: number;
  eof?: boolean;
  quit?: boolean;
  errors?: string[];
  error?: string;
  wrong?: string | null;
  info?: { fallback: boolean } | null;
};

/** The kernel's program. */
class Program {
  readonly child: Deno.ChildProcess;
  readonly ended: Promise<void>;
  port = 0;
  open = false;
  moved = 0;
  end: Told | null = null;
  refused: string | null = null;
  complaint = "";
  #over = false;

  constructor(lab: Lab, plan: object) {
    const child = lab.spawn(["python3", PROGRAM, JSON.stringify(plan)], {
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    this.child = child;
    const reading = (async () => {
      let text = "";
      for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += piece;
        const lines = text.split("\n");
        text = lines.pop()!;
        for (const line of lines) this.#hear(JSON.parse(line));
      }
    })();
    const complaining = new Response(child.stderr).text().then((said) => this.complaint = said);
    this.ended = Promise.all([reading, complaining, child.status]).then(() => {
      this.#over = true;
    });
  }

  get over(): boolean {
    return this.#over;
  }

  #hear(told: Told): void {
    if (told.event === "listening") this.port = told.port!;
    else if (told.event === "open") this.open = true;
    else if (told.event === "refused") this.refused = told.error!;
    else if (told.event === "moved") this.moved = told.sent! + told.received!;
    else this.end = told;
  }

  kill(): void {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

function elementsOf(way: Way): ElementFactory[] {
  const made: ElementFactory[] = [];
  if (way.mtu > 0) made.push(mtu(way.mtu));
  if (way.loss > 0) made.push(loss(way.loss));
  if (way.bursts > 0) made.push(gilbertElliott({ toBad: way.bursts, toGood: 0.3 }));
  if (way.corrupt > 0) made.push(corrupt(way.corrupt));
  if (way.rate > 0) made.push(queue({ packets: way.queue }), rate(`${way.rate} Mbit/s`));
  made.push(delay(`${way.delay} ms`));
  if (way.jitter > 0) made.push(jitter(`${way.jitter} ms`));
  if (way.reorder > 0) made.push(reorder(way.reorder, `${way.delay / 2 + 0.2} ms`));
  if (way.duplicate > 0) made.push(duplicate(way.duplicate));
  return made;
}

/** What came of a run. */
export interface Came {
  readonly wrong: readonly string[];
  /** How it ended, shortly. */
  readonly text: string;
  /** Longest time, in seconds, without a byte moved while there was something to move. */
  readonly still: number;
  readonly seconds: number;
  readonly notes: Readonly<Record<string, unknown>>;
}

/** Seconds that a connection without paths waits for another one, at both ends: less than what outages last is too little. */
const PATIENCE = 6;
/**
 * Seconds for what is closed to be over. Linux takes data of an MPTCP connection whose program is gone, where nothing was unread when it went, as long as it
 * has room, and then keeps its window closed: after 60 s it sends MP_FASTCLOSE. TCP would reset at once.
 */
const ORPHANED = 80;
/** Seconds for a run, and those after which what closed is to be gone. */
const ESTABLISHED = 1;
const LIMIT = Number(Deno.env.get("KERNEL_LIMIT") ?? 90);

/** Performs a run. */
export async function perform(run: KernelRun, capture?: string): Promise<Came> {
  const lab = await Labs.create({
    paths: run.paths.length,
    mtu: run.mtu,
    checksum: run.checksum[1],
    endpoints: "none",
  });
  let tcpdump: Deno.ChildProcess | null = null;
  try {
    if (capture !== undefined) {
      tcpdump = lab.spawn(["tcpdump", "-U", "-i", "any", "-w", capture, "-s", "200"], {
        stdin: "null",
        stdout: "null",
        stderr: "null",
      });
      await sleep(500);
    }
    return await new Performance(run, lab).run();
  } finally {
    if (tcpdump !== null) {
      await sleep(300);
      tcpdump.kill("SIGINT");
      await tcpdump.status;
    }
    await lab.close();
  }
}

class Performance {
  readonly #run: KernelRun;
  readonly #lab: Lab;
  readonly #links: Link[] = [];
  readonly #wrong: string[] = [];
  readonly #faults: string[] = [];
  #stack!: Stack;
  #host!: Host;
  #program!: Program;
  #conn: MptcpConn | null = null;
  #sent = 0;
  #received = 0;
  #eof = false;
  /** Something has happened that may end the connection by an error. */
  #mayFail = false;
  #cutShort = false;
  #finish = false;
  #errors: unknown[] = [];

  constructor(run: KernelRun, lab: Lab) {
    this.#run = run;
    this.#lab = lab;
  }

  get #boxes(): (string | null)[] {
    return this.#run.paths.map((path) => path?.box ?? null);
  }

  /** Something stands on a path that takes options away. */
  get #interferes(): boolean {
    return this.#boxes.some((box) =>
      box !== null && box !== "translates" && !HARMLESS.includes(box)
    );
  }

  async #open(): Promise<void> {
    const run = this.#run;
    const { settings, family } = run;
    await this.#lab.sysctl({
      "net/ipv4/tcp_mtu_probing": 1,
      "net/mptcp/close_timeout": PATIENCE,
      ...KERNEL[settings.kernel],
    });
    await this.#lab.ip(
      `mptcp limits set subflows ${run.limits[0]} add_addr_accepted ${run.limits[1]}`,
    );
    for (const [i, flags] of run.endpoints.entries()) {
      if (flags !== "") await this.#lab.ip(this.#endpoint("add", i, flags));
    }
    const client = run.role === "client";
    const interfaces = this.#lab.interfaces({
      family,
      wrap: (link, i) => {
        const path = run.paths[i]!;
        if (path === null) return link;
        const [send, receive] = path.box === null ? [[], []] : BOXES[path.box]!(client);
        return impair(link, {
          send: [...send, ...elementsOf(path.ways[0])],
          receive: [...elementsOf(path.ways[1]), ...receive],
        });
      },
    });
    const random = seededRandom(run.seed ^ 0x5eed);
    const loop = new Loop({ random: (name) => random(`link ${name}`).float });
    const system = seededRandom(crypto.getRandomValues(new Uint32Array(1))[0]!);
    const { scheduler, control, manager } = run.plugins;
    const policies = {
      scheduler: SCHEDULERS[scheduler](),
      congestionControl: CONTROLS[control](),
      pathManager: MANAGERS[manager](),
    };
    this.#stack = new Stack({
      random: system,
      policies,
      fallbacks: policies,
      tcp: tcpSettings("open a host", TCP[settings.tcp]),
      mptcp: mptcpSettings("open a host", {
        closeTimeout: `${PATIENCE} s`,
        ...MPTCP[settings.mptcp],
        ...(run.checksum[0] ? { checksum: true } : {}),
      }),
      report: ({ plugin, error, what }: { plugin: string; error?: unknown; what?: string }) =>
        void this.#faults.push(`${plugin}: ${what ?? error}`),
      // deno-lint-ignore no-explicit-any
    } as any);
    for (const { link, addresses } of interfaces) {
      link.configure?.(addresses);
      await link.prepare?.();
      loop.add(link);
      this.#stack.addLink(loop.now(), link, addresses);
      this.#links.push(link);
    }
    this.#host = Host.attach({
      runtime: loop,
      stack: this.#stack,
      links: this.#links,
      resolve: () => [],
      views: run.views,
    });
  }

  #endpoint(verb: string, i: number, flags = ""): string {
    const { kernel, device } = this.#lab.path(i);
    return `mptcp endpoint ${verb} ${
      kernel[this.#run.family === 4 ? 0 : 1]
    } dev ${device} ${flags}`;
  }

  async #meet(): Promise<void> {
    const { role, family, messages, theirs, sizes } = this.#run;
    const at = family === 4 ? 0 : 1;
    const { kernel, host } = this.#lab.path(0);
    const plan = {
      messages,
      ...theirs,
      first: false,
      size: sizes[1],
      finish: true,
      fastopen: false,
    };
    const deadline = async (what: string, done: () => boolean, seconds: number): Promise<void> => {
      const end = performance.now() + seconds * 1000;
      while (!done()) {
        if (this.#program.over) throw new Error(`the program ended: ${this.#program.complaint}`);
        if (performance.now() > end) throw new Error(`in vain: ${what}`);
        await sleep(5);
      }
    };
    if (role === "client") {
      this.#program = new Program(this.#lab, {
        ...plan,
        role: "listen",
        host: family === 4 ? "0.0.0.0" : "::",
      });
      await deadline("it listens", () => this.#program.port > 0, 60);
      this.#conn = await this.#host.connect({ hostname: kernel[at]!, port: this.#program.port });
      return;
    }
    using listener = this.#host.listen({ port: 0 });
    const ours = host[at]!.replace(/\/.*/, "");
    const { port } = listener.addr;
    this.#program = new Program(this.#lab, { ...plan, role: "connect", host: ours, port });
    const refused = this.#program.ended.then(() => {
      throw new Error(`refused: ${this.#program.refused} ${this.#program.complaint}`);
    });
    refused.catch(() => {});
    this.#conn = await Promise.race([listener.accept(), refused]);
  }

  async #send(size: number, stoppable: boolean): Promise<void> {
    const { ours } = this.#run;
    const conn = this.#conn!;
    const end = this.#sent + size;
    const block = new Uint8Array(ours.write);
    while (this.#sent < end && !(stoppable && this.#finish)) {
      if (ours.with === "fill") {
        await conn.untilWritable();
        this.#sent += conn.fill((view) => {
          const piece = view.subarray(0, Math.min(view.length, ours.write, end - this.#sent));
          OURS.fill(piece, this.#sent);
          return piece.length;
        });
        continue;
      }
      const piece = block.subarray(0, Math.min(block.length, end - this.#sent));
      OURS.fill(piece, this.#sent);
      await conn.write(piece);
      this.#sent += piece.length;
    }
  }

  #take(bytes: Uint8Array): void {
    if (!KERNELS.is(bytes, this.#received)) {
      this.#wrong.push(`a byte from ${this.#received} on, ${bytes.length}, is not the one`);
    }
    this.#received += bytes.length;
  }

  async #receive(size = Infinity): Promise<void> {
    const { ours } = this.#run;
    const conn = this.#conn!;
    const end = this.#received + size;
    const block = new Uint8Array(ours.read);
    while (this.#received < end) {
      const most = Math.min(ours.read, end - this.#received);
      if (ours.how === "drain") {
        if (await conn.untilReadable() === null) {
          this.#eof = true;
          return;
        }
        conn.drain((view) => {
          const piece = view.subarray(0, most);
          this.#take(piece);
          return piece.length;
        });
      } else {
        const count = await conn.read(block.subarray(0, most));
        if (count === null) {
          this.#eof = true;
          return;
        }
        this.#take(block.subarray(0, count));
      }
      if (ours.pause > 0) await sleep(ours.pause * 1000);
    }
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#errors.push(error);
    }
  }

  async #act(): Promise<void> {
    const { messages, ours, sizes } = this.#run;
    await this.#guarded(async () => {
      for (const [up, down] of messages) {
        await this.#send(up, false);
        await this.#receive(down);
        if (this.#eof) return;
      }
    });
    if (this.#errors.length > 0) return;
    await Promise.all([
      this.#guarded(async () => {
        await this.#send(sizes[0], true);
        await this.#conn!.closeWrite();
      }),
      this.#guarded(async () => {
        if (ours.sleep > 0) await sleep(ours.sleep * 1000);
        if (!this.#eof) await this.#receive();
      }),
    ]);
  }

  /** Does what an event is; what it did is undone after its length. */
  async #happen({ kind, path, length, value }: EventPlan): Promise<void> {
    const lab = this.#lab;
    const conn = this.#conn!;
    const at = this.#run.family === 4 ? 0 : 1;
    const link = this.#links[path] as ImpairedLink;
    const address = lab.path(path).host[at]!;
    const later = (): Promise<void> => sleep(length * 1000);
    const attempt = (command: string): Promise<void> => lab.ip(command).catch(() => {});
    switch (kind) {
      case "cut":
        if (this.#run.paths[path] === null) return;
        link.cut();
        await later();
        link.restore();
        return;
      case "device":
        await lab.setUp(path, false);
        await later();
        await lab.setUp(path, true);
        // The kernel has forgotten it (keep_addr_on_down).
        if (at === 1) {
          await attempt(
            `address add ${lab.path(path).kernel[1]}/64 dev ${lab.path(path).device} nodad`,
          );
        }
        return;
      case "link":
        this.#loses((local) => local === address.replace(/\/.*/, ""));
        this.#host.setLinkUp(link, false);
        await later();
        this.#host.setLinkUp(link, true);
        return;
      case "address":
        this.#loses((local) => local === address.replace(/\/.*/, ""));
        this.#host.removeAddress(address);
        await later();
        this.#host.addAddress(address, link);
        return;
      case "endpoint": {
        const flags = this.#run.endpoints[path]!;
        // Linux 6.18 that loses an endpoint which it was given after a connection had begun at its address takes the first path of that for the endpoint's: it
        // sends FIN, acknowledges what comes by that path from then on, and delivers none of it. Its REMOVE_ADDR names an id that nobody knows.
        if (path === 0 && flags === "") return;
        if (flags === "") {
          await attempt(this.#endpoint("add", path, "signal"));
          await later();
        }
        const kernel = lab.path(path).kernel[at]!;
        this.#loses((_, remote) => remote === kernel);
        await this.#deleteEndpoint(path);
        await later();
        if (flags !== "") await attempt(this.#endpoint("add", path, flags));
        return;
      }
      case "backup":
        await attempt(`mptcp endpoint change ${lab.path(path).kernel[at]} backup`);
        await later();
        await attempt(`mptcp endpoint change ${lab.path(path).kernel[at]} nobackup`);
        return;
      case "our backup": {
        const found = conn.paths.paths[path % Math.max(1, conn.paths.paths.length)];
        if (found === undefined) return;
        conn.paths.setBackup(found.path, true);
        await later();
        conn.paths.setBackup(found.path, false);
        return;
      }
      case "kill subflow":
        this.#loses((_, remote) => remote === lab.path(path).kernel[at]!);
        await lab.exec([
          "ss",
          "-K",
          "-t",
          "state",
          "established",
          "src",
          lab.path(path).kernel[at]!,
        ], false);
        return;
      case "shape":
        if (this.#run.paths[path] === null) return;
        link.set({ delay: `${value} ms` });
        if (length > 1) link.set({ rate: `${value} Mbit/s` });
        return;
      case "scheduler":
        conn.setScheduler(
          Object.values(SCHEDULERS)[Math.floor(value) % Object.keys(SCHEDULERS).length]!(),
        );
        return;
      case "control":
        conn.setCongestionControl(
          Object.values(CONTROLS)[Math.floor(value) % Object.keys(CONTROLS).length]!(),
        );
        return;
      case "finish":
        this.#finish = true;
        return;
      case "abort":
        this.#cutShort = true;
        conn.abort();
        return;
      case "close":
        this.#cutShort = true;
        conn.close();
        return;
      case "kill":
        this.#cutShort = true;
        this.#program.kill();
    }
  }

  /**
   * Paths are about to be lost: where none is left, there may be none in their place. Linux refuses joins from when it has sent its DATA_FIN, and beyond its
   * limits; and opens nothing in the place of its first path.
   */
  #loses(lost: (local: string, remote: string) => boolean): void {
    const { mptcp, subflows } = this.#conn!.info();
    const left = subflows.filter(({ local, remote, tcp }) =>
      !lost(local.address, remote.address) && tcp.state === ESTABLISHED
    );
    if ((mptcp.flags & 1) !== 0 || left.length === 0) this.#mayFail = true;
    // What is left may be lost by the next event before it has carried anything, or have died already.
    if (this.#run.events.length > 1) this.#mayFail = true;
  }

  async #deleteEndpoint(path: number): Promise<void> {
    const { stdout } = await this.#lab.exec(["ip", "mptcp", "endpoint", "show"]);
    const address = this.#lab.path(path).kernel[this.#run.family === 4 ? 0 : 1]!;
    const id = stdout.split("\n").find((line) => line.startsWith(`${address} `))?.match(/id (\d+)/)
      ?.[1];
    if (id !== undefined) await this.#lab.ip(`mptcp endpoint delete id ${id}`).catch(() => {});
  }

  async run(): Promise<Came> {
    const started = performance.now();
    const run = this.#run;
    const notes: Record<string, unknown> = {};
    const note = (what: string): void => void this.#wrong.push(what);
    let still = 0;
    const closers: (() => Promise<void>)[] = [];
    let usage: StackUsage | null = null;
    try {
      await this.#open();
      closers.push(() => this.#host.close());
      try {
        const meeting = this.#meet();
        meeting.catch(() => {});
        await this.#within(meeting, LIMIT, "the connection to be");
      } catch (error) {
        if (!this.#interferes) note(`no connection: ${error}`);
        notes.unmet = String(error);
      }
      notes.met = performance.now() - started;
      const conn = this.#conn;
      if (conn !== null) {
        void conn.closed.catch(() => {});
        let over = false;
        const happening = run.events.map(async (event) => {
          await sleep(event.at * 1000);
          if (over) return;
          await this.#happen(event).catch((error) => {
            if (!/closed|ended|BadResource/.test(String(error))) {
              note(`event ${event.kind}: ${error}`);
            }
          });
        });
        const acting = this.#act();
        const both = Promise.all([acting, this.#program.ended]).then(() => over = true);
        let last = "";
        let lastAt = performance.now();
        const watch = (): void => {
          const { bytes_acked, bytes_received } = conn.info().mptcp;
          const now = [
            bytes_acked,
            bytes_received,
            this.#sent,
            this.#received,
            this.#program.moved,
            this.#program.over,
          ].join();
          if (now !== last) {
            const pause = (performance.now() - lastAt) / 1000;
            if (pause > still) {
              still = pause;
              notes.stillBefore = now;
            }
            last = now;
            lastAt = performance.now();
          }
        };
        const end = performance.now() + LIMIT * 1000;
        while (!over && performance.now() < end) {
          await Promise.race([both, sleep(50)]);
          watch();
        }
        if (!over && this.#stranded()) {
          // Its peer has ended, and cannot be heard.
          notes.stranded = true;
        } else if (!over) {
          still = (performance.now() - lastAt) / 1000;
          note(`not over within ${LIMIT} s, nothing moves for ${still.toFixed(1)} s`);
          notes.info = conn.info();
          notes.ss = await this.#lab.ss(["-M", "-t", "-n", "-i", "-o", "-m", "-H"]);
        }
        if (!over) {
          conn.abort();
          this.#program.kill();
          await this.#within(
            Promise.all([acting, this.#program.ended]),
            20,
            "the end after an abort",
          ).catch((error) => note(String(error)));
        } else this.#judge(note, notes);
        const info = conn.info();
        notes.fallback = info.mptcp.flags & 1;
        notes.flags = info;
        conn.close();
        await this.#within(conn.closed.catch(() => {}), ORPHANED, "conn.closed").catch((error) =>
          note(String(error))
        );
        await Promise.all(happening);
        await this.#gone(note, notes);
        notes.kernel = await this.#lab.nstat();
        notes.kernelTcp = await this.#lab.nstat("TcpExt");
        notes.counters = this.#host.counters;
        if (over) this.#judgeCounters(note, notes);
      }
      usage = this.#stack.usage();
      notes.usage = usage;
    } catch (error) {
      note(error instanceof Error ? error.stack ?? error.message : String(error));
    } finally {
      this.#program?.kill();
      for (const close of closers) {
        await close().catch((error) => note(`close: ${error}`));
      }
      await this.#program?.ended.catch(() => {});
    }
    for (const fault of this.#faults) note(`fault ${fault}`);
    const text = `${this.#errors.map((error) => (error as Error).name).join("+") || "ok"}/${
      this.#program?.end?.errors?.join("+") || (this.#program?.end ? "ok" : "none")
    }`;
    return {
      wrong: this.#wrong,
      text,
      still,
      seconds: (performance.now() - started) / 1000,
      notes,
    };
  }

  async #within<T>(work: Promise<T>, seconds: number, what: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`in vain for ${seconds} s: ${what}`)),
        seconds * 1000,
      );
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The only end that is left waits for one that may have ended without being heard: whoever sends nothing waits for ever (RFC 9293 §3.8.4). */
  #stranded(): boolean {
    const done = this.#program.over || this.#conn!.info().subflows.length === 0;
    return (this.#mayFail || this.#cutShort) && done;
  }

  /** All is gone but TIME-WAITs. */
  async #gone(note: (what: string) => void, notes: Record<string, unknown>): Promise<void> {
    const start = performance.now();
    const left = (): string[] => {
      const usage = this.#stack.usage();
      return Object.entries(usage).filter(([name, count]) =>
        count > 0 && !/flows|timers/.test(name)
      )
        .map(([name, count]) => `${name} ${count}`);
    };
    while (left().length > 0 && performance.now() - start < 130e3) await sleep(20);
    notes.goneAfter = (performance.now() - start) / 1000;
    if (left().length > 0) note(`left: ${left().join()}`);
  }

  #judge(note: (what: string) => void, notes: Record<string, unknown>): void {
    const { run } = { run: this.#run };
    const end = this.#program.end;
    notes.end = end;
    notes.errors = this.#errors.map(String);
    notes.ours = { sent: this.#sent, received: this.#received, eof: this.#eof };
    if (end?.wrong) note(`at the kernel: ${end.wrong}`);
    if (this.#program.complaint !== "" && !this.#cutShort) {
      note(`the program: ${this.#program.complaint}`);
    }
    const quits = end?.quit === true || run.theirs.reset;
    if (this.#cutShort || quits || this.#mayFail || this.#interferes) {
      if (
        end !== null && end.eof && end.errors!.length === 0 && this.#errors.length === 0 &&
        !this.#cutShort && end.received !== this.#sent
      ) {
        note(`in order, and ${end.received} of ${this.#sent} at the kernel`);
      }
      return;
    }
    if (this.#errors.length > 0 || end === null || end.errors!.length > 0) {
      note(
        `an error that nothing explains: ours ${
          this.#errors.map((e) => `${(e as Error).name}: ${(e as Error).message}`).join()
        }; the kernel's ${end?.errors}`,
      );
      return;
    }
    if (!this.#eof || !end.eof) note("no end");
    if (end.received !== this.#sent) note(`${end.received} of ${this.#sent} bytes at the kernel`);
    if (this.#received !== end.sent) note(`${this.#received} of ${end.sent} bytes at ours`);
  }

  #judgeCounters(note: (what: string) => void, notes: Record<string, unknown>): void {
    if (this.#interferes) return;
    const kernel = notes.kernel as Record<string, number>;
    const ours = notes.counters as Record<string, number>;
    const never = [
      "Blackhole",
      "DSSCorruptionFallback",
      "DSSCorruptionReset",
      "DSSNoMatchTCP",
      "DSSNotMatching",
      "DataCsumErr",
      "DssFallback",
      "FallbackFailed",
      "InfiniteMapRx",
      "InfiniteMapTx",
      "MD5SigFallback",
      "MPCapableDataFallback",
      "MPCapableFallbackACK",
      "MPCapableFallbackSYNACK",
      "MPFailRx",
      "MPFailTx",
      "MPJoinAckHMacFailure",
      "MPJoinSynAckHMacFailure",
      "SimultConnectFallback",
      "MPFallbackTokenInit",
    ];
    for (const [who, counters] of [["kernel", kernel], ["ours", ours]] as const) {
      for (const name of never) {
        if (name in counters) note(`${who} counts ${name} ${counters[name]}`);
      }
    }
    const quiet = this.#run.events.length === 0 && !this.#run.theirs.reset &&
      this.#run.theirs.quit === null;
    if (quiet) {
      for (const [who, counters] of [["kernel", kernel], ["ours", ours]] as const) {
        for (const name of ["MPFastcloseRx", "MPFastcloseTx"]) {
          if (name in counters) note(`${who} counts ${name} ${counters[name]}`);
        }
      }
    }
    if (notes.fallback === 1) note("plain TCP");
  }
}
