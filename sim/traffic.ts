/** What goes over the network of a scenario: each kind drives its connections by events, and tells what came of it. */

import { parseDuration, parseRate } from "../core/link/units.ts";
import type { Micros } from "../core/plugin.ts";
import { type DatagramTap, sendDatagram, tapOf } from "./datagrams.ts";
import { type Flow, otherSide, type Side } from "./flow.ts";
import {
  type BulkTraffic,
  type CbrTraffic,
  type MessageTraffic,
  type OnOffTraffic,
  type PageTraffic,
  type RequestTraffic,
  ScenarioError,
  type Spacing,
  type Traffic,
  type VideoTraffic,
  within,
} from "./scenario.ts";
import type { Stage, StageHost } from "./stage.ts";
import { type Spread, Tally } from "./stats.ts";
import { parseBytes } from "./units.ts";

/** What came of traffic. Times in microseconds, rates in bytes per second. */
export interface TrafficFigures {
  /** Its kind. */
  readonly kind: Traffic["kind"];
  /** Whether it was over before the scenario ended; `failed` tells of connections that did not end in order. */
  readonly done: boolean;
  /** Connections that were opened. */
  readonly connections: number;
  /** Connections that failed, by why. */
  readonly failed: Readonly<Record<string, number>>;
  /** Bytes that the client has read. */
  readonly down: number;
  /** Bytes that the server has read. */
  readonly up: number;
  /** When it began. */
  readonly start: Micros;
  /** When the last byte was read. */
  readonly end: Micros;
  /** Bytes of both directions a second, from the first connection to the last byte, or to the end where it has none. */
  readonly goodput: number;
  /** Of bulk: the longest time from one read to the next, of any of its connections. */
  readonly stall?: Micros;
  /** Whether all that was read is what was sent, byte for byte; there if `verify` was asked for. Datagrams have no bytes to compare. */
  readonly intact?: boolean;
  /** How long its pieces took: answers, messages, pages, chunks. */
  readonly delays?: Spread;
  /** Of messages with a deadline: how many were late, or never came. */
  readonly late?: number;
  /** Of video: what the viewer saw. */
  readonly video?: {
    /** Until it began to play. */
    readonly startup: Micros;
    /** How often it stood still, and how long in all. */
    readonly stalls: number;
    /** How long in all. */
    readonly stalled: Micros;
    /** Mean bitrate of its chunks, in bytes per second. */
    readonly bitrate: number;
    /** How often the bitrate changed. */
    readonly switches: number;
  };
  /** Of datagrams: sent. */
  readonly sent?: number;
  /** Of datagrams: that have not come, as they were lost or are on the way. */
  readonly lost?: number;
}

/** What a source of traffic works with. */
export interface TrafficContext {
  /** The network. */
  readonly stage: Stage;
  /** Random numbers of its own. */
  readonly random: () => number;
  /** Most times that are kept as they are. */
  readonly kept: number;
  /** Where the scenario names it. */
  readonly path: readonly (string | number)[];
  /** The client and the server. */
  readonly hosts: Readonly<Record<Side, StageHost>>;
  /** Opens a connection that is measured. */
  open(onEnd?: (flow: Flow) => void): Flow;
  /** Tells that it is done. */
  done(): void;
}

/** A length of time drawn from a spread. */
function draw(mean: Micros, spread: Spacing, random: () => number): Micros {
  if (spread === "fixed") return mean;
  return spread === "uniform" ? 2 * mean * random() : -mean * Math.log(1 - random());
}

/** What connections have come to. */
interface FlowSums {
  connections: number;
  readonly failed: Record<string, number>;
  down: number;
  up: number;
  start: Micros;
  last: Micros;
}

function addFlow(sums: FlowSums, flow: Flow): void {
  const { failed } = sums;
  sums.connections++;
  if (flow.failed !== null) failed[flow.failed] = (failed[flow.failed] ?? 0) + 1;
  sums.down += flow.delivered("server");
  sums.up += flow.delivered("client");
  sums.start = Math.min(sums.start, flow.opened);
  sums.last = Math.max(sums.last, flow.lastDelivery("server"), flow.lastDelivery("client"));
}

/** What all sources have. */
abstract class Source {
  protected readonly context: TrafficContext;
  protected readonly flows = new Set<Flow>();
  protected readonly delays: Tally;
  /** What connections have come to that are forgotten. */
  readonly #past: FlowSums = {
    connections: 0,
    failed: {},
    down: 0,
    up: 0,
    start: Infinity,
    last: 0,
  };
  #done = false;

  constructor(context: TrafficContext) {
    this.context = context;
    this.delays = new Tally(context.kept);
  }

  /** Begins, in an event of the client's host. */
  abstract begin(): void;

  /** Whether it ends by itself. */
  abstract readonly ends: boolean;

  /** How much of it is done, from 0 to 1; 0 as well where it has no end. */
  abstract readonly share: number;

  protected get now(): Micros {
    return this.context.stage.now;
  }

  protected open(onEnd?: (flow: Flow) => void): Flow {
    const flow = this.context.open(onEnd);
    this.flows.add(flow);
    return flow;
  }

  /** Forgets a connection that is over but for what has come of it. */
  retire(flow: Flow): void {
    if (this.flows.delete(flow)) addFlow(this.#past, flow);
  }

  /** Numbers that are stored. */
  get stored(): number {
    return this.delays.stored + this.flows.size;
  }

  /** Calls back after so long, in an event of a host. */
  protected after(time: Micros, side: Side, work: () => void): void {
    this.context.stage.at(this.now + time, this.context.hosts[side], work);
  }

  protected finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.context.done();
  }

  protected bytes(name: string, size: unknown): number {
    return within([...this.context.path, name], () => parseBytes(size, name));
  }

  protected time(name: string, text: unknown, otherwise?: string): Micros {
    const value = text ?? otherwise;
    return within([...this.context.path, name], () => parseDuration(value as never, name));
  }

  /** The same above 0: where nothing takes time, time stands still. */
  protected someTime(name: string, text: unknown, otherwise?: string, unless = ""): Micros {
    const time = this.time(name, text, otherwise);
    if (time > 0) return time;
    throw new ScenarioError(
      [...this.context.path, name],
      `it must be above 0 s${unless}: it is ${JSON.stringify(text)}`,
    );
  }

  /** From one to the next: 0 sends all that are counted at once. */
  protected pace(every: unknown, count: number): Micros {
    return count < Infinity
      ? this.time("every", every)
      : this.someTime("every", every, undefined, " where there is no 'count'");
  }

  protected count(name: string, value: unknown, otherwise: number, most: number): number {
    if (value === undefined) return otherwise;
    if (Number.isInteger(value) && value as number >= 1 && value as number <= most) {
      return value as number;
    }
    throw new ScenarioError(
      [...this.context.path, name],
      `it must be a whole number from 1 to ${most}: it is ${JSON.stringify(value)}`,
    );
  }

  /** Figures that its kind has besides. */
  protected more(): Partial<TrafficFigures> {
    return this.delays.count > 0 ? { delays: this.delays.spread } : {};
  }

  figures(kind: Traffic["kind"], end: Micros): TrafficFigures {
    const sums: FlowSums = { ...this.#past, failed: { ...this.#past.failed } };
    for (const flow of this.flows) addFlow(sums, flow);
    const { connections, failed, down, up, last } = sums;
    const start = sums.start === Infinity ? end : sums.start;
    const until = this.#done ? last : end;
    return {
      kind,
      done: this.#done,
      connections,
      failed,
      down,
      up,
      start,
      end: last,
      goodput: until > start ? (down + up) / (until - start) * 1e6 : 0,
      ...this.more(),
    };
  }
}

/** The side that sends. */
function sender(direction: "down" | "up" | undefined): Side {
  return direction === "up" ? "client" : "server";
}

class Bulk extends Source {
  readonly #bytes: number;
  readonly #sides: readonly Side[];
  readonly #connections: number;
  /** Of connections that are forgotten: bytes, and the longest time without any. */
  #read = 0;
  #stall: Micros = 0;

  constructor(context: TrafficContext, traffic: BulkTraffic) {
    super(context);
    this.#bytes = traffic.bytes === undefined ? Infinity : this.bytes("bytes", traffic.bytes);
    this.#connections = this.count("connections", traffic.connections, 1, 1000);
    const { direction = "down" } = traffic;
    this.#sides = direction === "both" ? ["client", "server"] : [sender(direction)];
  }

  get ends(): boolean {
    return this.#bytes < Infinity;
  }

  get share(): number {
    let read = this.#read;
    for (const flow of this.flows) for (const side of this.#sides) read += flow.delivered(side);
    return read / (this.#bytes * this.#connections * this.#sides.length);
  }

  protected override more(): Partial<TrafficFigures> {
    let stall = this.#stall;
    for (const flow of this.flows) {
      for (const side of this.#sides) stall = Math.max(stall, flow.stall(side));
    }
    return { ...super.more(), stall };
  }

  override retire(flow: Flow): void {
    super.retire(flow);
    for (const side of this.#sides) {
      this.#read += flow.delivered(side);
      this.#stall = Math.max(this.#stall, flow.stall(side));
    }
  }

  begin(): void {
    let left = this.#connections;
    for (let n = 0; n < this.#connections; n++) {
      const flow = this.open(() => {
        if (--left === 0) this.finish();
      });
      for (const side of this.#sides) {
        if (this.#bytes === Infinity) {
          flow.flood(side, true);
        } else {
          flow.send(side, this.#bytes);
          flow.finish(side);
        }
      }
    }
  }
}

class OnOff extends Source {
  readonly #on: Micros;
  readonly #off: Micros;
  readonly #spread: Spacing;
  readonly #side: Side;

  constructor(context: TrafficContext, traffic: OnOffTraffic) {
    super(context);
    this.#on = this.someTime("on", traffic.on);
    this.#off = this.time("off", traffic.off);
    this.#spread = traffic.spread ?? "exponential";
    this.#side = sender(traffic.direction);
  }

  get ends(): boolean {
    return false;
  }

  get share(): number {
    return 0;
  }

  begin(): void {
    const flow = this.open();
    const turn = (on: boolean): void => {
      flow.flood(this.#side, on);
      const time = draw(on ? this.#on : this.#off, this.#spread, this.context.random);
      this.after(Math.max(1, time), this.#side, () => turn(!on));
    };
    turn(true);
  }
}

class Requests extends Source {
  readonly #bytes: number;
  readonly #request: number;
  readonly #count: number;
  readonly #every: Micros | null;
  readonly #think: Micros;
  readonly #fresh: boolean;
  #kept: Flow | null = null;
  /** Fresh connections whose answer has come, and that are not over. */
  readonly #done = new Set<Flow>();
  /** Questions that failed with their connection. */
  #lost = 0;
  #asked = 0;
  #answered = 0;

  constructor(context: TrafficContext, traffic: RequestTraffic) {
    super(context);
    this.#bytes = this.bytes("bytes", traffic.bytes);
    this.#request = this.bytes("request", traffic.request ?? 200);
    this.#count = this.count("count", traffic.count, Infinity, 1e9);
    this.#every = traffic.every === undefined ? null : this.pace(traffic.every, this.#count);
    this.#think = this.time("think", traffic.think, "0 s");
    this.#fresh = traffic.connection === "fresh";
    if (traffic.every !== undefined && traffic.think !== undefined) {
      throw new ScenarioError([...context.path, "think"], "with 'every' there is no pause to set");
    }
  }

  get ends(): boolean {
    return this.#count < Infinity;
  }

  get share(): number {
    return (this.#answered + this.#lost) / this.#count;
  }

  begin(): void {
    this.#ask();
  }

  #ask(): void {
    this.#asked++;
    const from = this.now;
    const flow = this.#fresh
      ? this.open((flow) => this.#ended(flow))
      : this.#kept ??= this.open(() => this.finish());
    flow.send("client", this.#request, () => {
      flow.send("server", this.#bytes, (now) => this.#took(flow, now - from));
      if (this.#fresh) flow.finish("server");
    });
    if (this.#fresh) flow.finish("client");
    if (this.#every !== null && this.#asked < this.#count) {
      this.after(this.#every, "client", () => this.#ask());
    }
  }

  #took(flow: Flow, time: Micros): void {
    this.delays.add(time);
    this.#answered++;
    if (this.#fresh) this.#done.add(flow);
    if (this.#answered + this.#lost >= this.#count) {
      if (!this.#fresh) flow.finish("client");
      this.finish();
    } else if (this.#every === null && !this.#fresh) {
      this.after(this.#think, "client", () => this.#ask());
    }
  }

  /** A fresh connection is over; a question that it took with it is not asked again. */
  #ended(flow: Flow): void {
    if (!this.#done.delete(flow) && flow.failed !== null) this.#lost++;
    if (this.#answered + this.#lost >= this.#count) this.finish();
    else if (this.#every === null && this.#asked === this.#answered + this.#lost) {
      this.after(this.#think, "client", () => this.#ask());
    }
  }
}

class Messages extends Source {
  readonly #bytes: number;
  readonly #every: Micros;
  readonly #spread: Spacing;
  readonly #count: number;
  readonly #deadline: Micros | null;
  readonly #side: Side;
  #sent = 0;
  #late = 0;
  /** When those are due that have not come. */
  readonly #due: Micros[] = [];

  constructor(context: TrafficContext, traffic: MessageTraffic) {
    super(context);
    this.#bytes = this.bytes("bytes", traffic.bytes);
    this.#spread = traffic.spread ?? "fixed";
    this.#count = this.count("count", traffic.count, Infinity, 1e9);
    this.#every = this.pace(traffic.every, this.#count);
    this.#deadline = traffic.deadline === undefined
      ? null
      : this.time("deadline", traffic.deadline);
    this.#side = sender(traffic.direction);
    if (traffic.kind === "stream" && traffic.deadline === undefined) {
      throw new ScenarioError([...context.path, "deadline"], "a stream needs one, such as 150 ms");
    }
  }

  get ends(): boolean {
    return this.#count < Infinity;
  }

  get share(): number {
    return this.delays.count / this.#count;
  }

  override get stored(): number {
    return super.stored + this.#due.length;
  }

  begin(): void {
    const flow = this.open(() => this.finish());
    const send = (): void => {
      this.#sent++;
      const from = this.now;
      if (this.#deadline !== null) this.#due.push(from + this.#deadline);
      flow.send(this.#side, this.#bytes, (now) => {
        this.delays.add(now - from);
        this.#due.shift();
        if (this.#deadline !== null && now - from > this.#deadline) this.#late++;
        if (this.delays.count === this.#count) this.finish();
      });
      if (this.#sent === this.#count) flow.finish(this.#side);
      else {
        const pause = draw(this.#every, this.#spread, this.context.random);
        this.after(Math.max(1, pause), this.#side, send);
      }
    };
    send();
  }

  protected override more(): Partial<TrafficFigures> {
    if (this.#deadline === null) return super.more();
    const { now } = this;
    const missing = this.#due.filter((due) => due < now).length;
    return { ...super.more(), late: this.#late + missing };
  }
}

class Pages extends Source {
  readonly #document: number;
  readonly #objects: readonly number[];
  readonly #connections: number;
  readonly #count: number;
  readonly #think: Micros;

  constructor(context: TrafficContext, traffic: PageTraffic) {
    super(context);
    this.#document = this.bytes("document", traffic.document ?? "30 kB");
    this.#objects = traffic.objects.map((size, i) =>
      within([...context.path, "objects", i], () => parseBytes(size, "objects"))
    );
    if (this.#objects.length === 0) {
      throw new ScenarioError([...context.path, "objects"], "there must be one at least");
    }
    this.#connections = this.count("connections", traffic.connections, 6, 100);
    this.#count = this.count("count", traffic.count, 1, 1e6);
    this.#think = this.time("think", traffic.think, "1 s");
  }

  get ends(): boolean {
    return true;
  }

  get share(): number {
    return this.delays.count / this.#count;
  }

  begin(): void {
    this.#load();
  }

  #load(): void {
    const from = this.now;
    const flows: Flow[] = [];
    const waiting = [...this.#objects];
    let left = waiting.length;
    const loaded = (now: Micros): void => {
      this.delays.add(now - from);
      for (const flow of flows) flow.finish("client");
      if (this.delays.count === this.#count) this.finish();
      else this.after(this.#think, "client", () => this.#load());
    };
    const ask = (flow: Flow, bytes: number, then: (now: Micros) => void): void =>
      flow.send("client", 300, () => flow.send("server", bytes, then));
    const next = (flow: Flow): void => {
      const bytes = waiting.shift();
      if (bytes === undefined) return;
      ask(flow, bytes, (now) => {
        left--;
        if (left === 0) loaded(now);
        else next(flow);
      });
    };
    const open = (): Flow => {
      const flow = this.open();
      flows.push(flow);
      return flow;
    };
    const first = open();
    ask(first, this.#document, (now) => {
      if (left === 0) {
        loaded(now);
        return;
      }
      next(first);
      const others = Math.min(this.#connections, this.#objects.length) - 1;
      for (let n = 0; n < others; n++) next(open());
    });
  }
}

class Video extends Source {
  readonly #bitrates: readonly number[];
  readonly #chunk: Micros;
  readonly #buffer: Micros;
  readonly #count: number;
  #flow: Flow | null = null;
  /** Of the chunks that have come: the sum of their bitrates, that of the last one, and how often it was another than before. */
  #rates = 0;
  #rate: number | null = null;
  #switches = 0;
  /** Playing time in the buffer at `#at`, and since when it plays. */
  #level: Micros = 0;
  #at: Micros = 0;
  #playing = false;
  #startup: Micros = -1;
  #begun: Micros = 0;
  #stalls = 0;
  #stalled: Micros = 0;
  #emptySince: Micros = 0;

  constructor(context: TrafficContext, traffic: VideoTraffic) {
    super(context);
    this.#bitrates = traffic.bitrates.map((rate, i) =>
      within([...context.path, "bitrates", i], () => parseRate(rate))
    );
    this.#chunk = this.someTime("chunk", traffic.chunk, "2 s");
    this.#buffer = this.someTime("buffer", traffic.buffer, "10 s");
    this.#count = this.count("count", traffic.count, Infinity, 1e6);
    if (this.#bitrates.length === 0) {
      throw new ScenarioError([...context.path, "bitrates"], "there must be one at least");
    }
    this.#bitrates.forEach((rate, i) => {
      if (rate > (this.#bitrates[i - 1] ?? 0)) return;
      throw new ScenarioError([...context.path, "bitrates", i], "they must grow");
    });
  }

  get ends(): boolean {
    return this.#count < Infinity;
  }

  get share(): number {
    return this.delays.count / this.#count;
  }

  begin(): void {
    this.#begun = this.now;
    this.#flow = this.open(() => this.finish());
    this.#ask();
  }

  /** What is played since is gone from the buffer. */
  #play(): void {
    const { now } = this;
    if (this.#playing) {
      const passed = now - this.#at;
      if (passed >= this.#level) {
        this.#playing = false;
        this.#emptySince = this.#at + this.#level;
        this.#level = 0;
        this.#stalls++;
      } else this.#level -= passed;
    }
    this.#at = now;
  }

  /** The lowest while less than a fifth of the buffer is full, the highest from nine tenths on, between them in proportion (Huang et al., SIGCOMM 2014). */
  #choose(): number {
    const share = Math.min(1, Math.max(0, (this.#level / this.#buffer - 0.2) / 0.7));
    return Math.min(this.#bitrates.length - 1, Math.floor(share * this.#bitrates.length));
  }

  #ask(): void {
    this.#play();
    const choice = this.#choose();
    const from = this.now;
    const bytes = Math.max(1, Math.round(this.#bitrates[choice]! * this.#chunk / 1e6));
    this.#flow!.send("client", 300, () =>
      this.#flow!.send("server", bytes, (now) => {
        this.delays.add(now - from);
        const rate = this.#bitrates[choice]!;
        this.#rates += rate;
        if (this.#rate !== null && rate !== this.#rate) this.#switches++;
        this.#rate = rate;
        this.#took(now);
      }));
  }

  #took(now: Micros): void {
    this.#play();
    this.#level += this.#chunk;
    if (!this.#playing) {
      if (this.#startup < 0) this.#startup = now - this.#begun;
      else this.#stalled += now - this.#emptySince;
      this.#playing = true;
    }
    if (this.delays.count === this.#count) {
      this.#flow!.finish("client");
      this.finish();
      return;
    }
    // There must be room for a chunk.
    const wait = Math.max(0, this.#level + this.#chunk - this.#buffer);
    this.after(wait, "client", () => this.#ask());
  }

  protected override more(): Partial<TrafficFigures> {
    const waiting = !this.#playing && this.#startup >= 0 ? this.now - this.#emptySince : 0;
    return {
      ...super.more(),
      video: {
        startup: this.#startup < 0 ? this.now - this.#begun : this.#startup,
        stalls: this.#stalls,
        stalled: this.#stalled + waiting,
        bitrate: this.#rates / Math.max(1, this.delays.count),
        switches: this.#switches,
      },
    };
  }
}

class Cbr extends Source {
  readonly #gap: Micros;
  readonly #packet: number;
  readonly #on: Micros;
  readonly #off: Micros;
  readonly #spread: Spacing;
  readonly #from: Side;
  readonly #port: number;
  #tap: DatagramTap | null = null;
  #sent = 0;

  constructor(context: TrafficContext, traffic: CbrTraffic, port: number) {
    super(context);
    const rate = within([...context.path, "rate"], () => parseRate(traffic.rate));
    this.#packet = traffic.packet ?? 1500;
    if (!(Number.isInteger(this.#packet) && this.#packet >= 48 && this.#packet <= 65535)) {
      throw new ScenarioError(
        [...context.path, "packet"],
        `it must be a whole number from 48 to 65535: it is ${this.#packet}`,
      );
    }
    this.#gap = this.#packet / rate * 1e6;
    this.#on = traffic.on === undefined ? Infinity : this.someTime("on", traffic.on);
    this.#off = traffic.off === undefined ? 0 : this.time("off", traffic.off);
    if ((traffic.on === undefined) !== (traffic.off === undefined)) {
      throw new ScenarioError(context.path, "'on' and 'off' belong together");
    }
    this.#spread = traffic.spread ?? "fixed";
    this.#from = sender(traffic.direction);
    this.#port = port;
  }

  get ends(): boolean {
    return false;
  }

  get share(): number {
    return 0;
  }

  begin(): void {
    const { hosts } = this.context;
    const [from, to] = [hosts[this.#from], hosts[otherSide(this.#from)]];
    const out = from.attachments[0]!;
    const target = to.attachments[0]!;
    this.#tap = tapOf(to.sim, target.link);
    const burst = (): void => {
      const until = this.now + draw(this.#on, this.#spread, this.context.random);
      const send = (): void => {
        if (this.now >= until) {
          const pause = draw(this.#off, this.#spread, this.context.random);
          this.after(Math.max(1e-3, until + pause - this.now), this.#from, burst);
          return;
        }
        this.#sent++;
        sendDatagram(out.link, out.address, target.address, this.#port, this.#packet);
        this.after(this.#gap, this.#from, send);
      };
      send();
    };
    burst();
  }

  override figures(kind: Traffic["kind"], end: Micros): TrafficFigures {
    const { packets, bytes } = this.#tap?.received(this.#port) ?? { packets: 0, bytes: 0 };
    const down = this.#from === "server" ? bytes : 0;
    const figures = super.figures(kind, end);
    return {
      ...figures,
      down,
      up: bytes - down,
      start: 0,
      end,
      goodput: end > 0 ? bytes / end * 1e6 : 0,
      sent: this.#sent,
      lost: this.#sent - packets,
    };
  }
}

/** Makes the source of some traffic. */
export function makeSource(context: TrafficContext, traffic: Traffic, port: () => number): Source {
  switch (traffic.kind) {
    case "bulk":
      return new Bulk(context, traffic);
    case "on-off":
      return new OnOff(context, traffic);
    case "requests":
      return new Requests(context, traffic);
    case "messages":
    case "stream":
      return new Messages(context, traffic);
    case "pages":
      return new Pages(context, traffic);
    case "video":
      return new Video(context, traffic);
    case "cbr":
      return new Cbr(context, traffic, port());
    default:
      throw new ScenarioError(
        [...context.path, "kind"],
        `it must be one of bulk, on-off, requests, messages, stream, pages, video, cbr: it is ${
          JSON.stringify((traffic as { kind?: unknown }).kind)
        }`,
      );
  }
}

export type { Source };
