/**
 * What is compared: the kernel's MPTCP over veth, this stack over TUN, and the dumb endpoint on the same kind of device; the kernel is at the other end
 * of each.
 */

import { cpuUsage } from "node:process";
import { fileURLToPath } from "node:url";
import { Host, type MptcpConn, type Policies } from "../../mod.ts";
import { Lab } from "../../cli/lab.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { passive } from "../../pm/mod.ts";
import { DumbEndpoint } from "./dumb.ts";

/** Which way the bytes go, as seen from the end that is not the peer's. */
export type Direction = "receive" | "send";

/** What a transfer took. */
export interface Transfer {
  /** Bytes per second. */
  readonly rate: number;
  /** Processor seconds per gigabyte of the end that is measured, what the kernel does in its name included. */
  readonly near: number;
  /** The same of both ends. */
  readonly both: number;
}

/** What it took to send 64 bytes and to get them back, in microseconds. */
export interface Exchange {
  /** 50th percentile. */
  readonly p50: number;
  /** 99th percentile. */
  readonly p99: number;
}

/** How many connections were opened and closed, one after the other. */
export interface Openings {
  /** Connections per second. */
  readonly rate: number;
  /** Processor milliseconds of each, at the end that is measured. */
  readonly near: number;
}

/** Something at the other end of which is the kernel. */
export interface Contestant extends AsyncDisposable {
  /** What it is, in a few words. */
  readonly name: string;
  /** Moves bytes for `seconds` over `subflows` subflows; 0: plain TCP. */
  transfer(direction: Direction, subflows: number, seconds: number): Promise<Transfer>;
  /** Exchanges 64 bytes again and again for `seconds`. */
  exchange(seconds: number): Promise<Exchange>;
  /**
   * Opens connections for `seconds`, and closes each from both ends; with 2 subflows, when a byte has gone there and back and the second one is
   * established. Null: it cannot.
   */
  open(subflows: number, seconds: number): Promise<Openings | null>;
}

/** Bytes of a message of {@linkcode Contestant.exchange}. */
const MESSAGE = 64;

const PEER = fileURLToPath(new URL("./peer.py", import.meta.url));
const MPTCP = 262;
const TCP = 6;
/** How long further subflows may take. */
const JOIN_SECONDS = 5;
/** How often two kernels may fail to open one. */
const TRIES = 3;

function protocolOf(subflows: number): string {
  return String(subflows === 0 ? TCP : MPTCP);
}

/** Arguments of a peer that listens. */
function listening(job: string, subflows: number, seconds: number): string[] {
  return ["listen", job, "0.0.0.0", "0", String(seconds), protocolOf(subflows)];
}

class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  async next(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("The kernel's end of the transfer ended early");
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** One end on the kernel's sockets. */
class KernelEnd implements AsyncDisposable {
  readonly lines: Lines;
  readonly #child: Deno.ChildProcess;

  constructor(namespace: Namespace, args: readonly string[]) {
    this.#child = namespace.spawn(["python3", PEER, ...args], { stdin: "piped", stdout: "piped" });
    this.lines = new Lines(this.#child.stdout);
  }

  /** Lets a source send. */
  async go(): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    writer.releaseLock();
  }

  /** The numbers that it prints in the end. */
  async numbers(): Promise<number[]> {
    return (await this.lines.next()).split(" ").map(Number);
  }

  /** What a sink got, and the processor seconds that it took. */
  async got(): Promise<{ bytes: number; seconds: number; processor: number }> {
    const [bytes = NaN, seconds = NaN, processor = NaN] = await this.numbers();
    return { bytes, seconds, processor };
  }

  /** Processor seconds of a source. */
  async spent(): Promise<number> {
    const [processor = NaN] = await this.numbers();
    return processor;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.lines.cancel();
  }
}

/** Waits until it is true; false: it did not become so in time. */
async function waitFor(isTrue: () => boolean | Promise<boolean>): Promise<boolean> {
  const end = performance.now() + JOIN_SECONDS * 1000;
  while (!await isTrue()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/** Processor seconds of this process, the kernel in its name included. */
function processorSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

/** Bytes, and how long they took. */
interface Got {
  readonly bytes: number;
  readonly seconds: number;
}

/** What the end in this process took for a transfer, since it had taken `before`. */
function transferred(
  { bytes, seconds }: Got,
  near: number,
  far: number,
): Transfer {
  const gigabytes = bytes / 1e9;
  return { rate: bytes / seconds, near: near / gigabytes, both: (near + far) / gigabytes };
}

/** The value below which `share` of them are. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** Calls `once` for `seconds`; how long each took, in microseconds. */
async function repeat(seconds: number, once: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let now = performance.now(); now < end;) {
    const start = now;
    await once();
    now = performance.now();
    times.push((now - start) * 1000);
  }
  return times;
}

/** What {@linkcode Contestant.exchange} answers where the measured end is in this process. */
async function exchanges(seconds: number, once: () => Promise<void>): Promise<Exchange> {
  const times = await repeat(seconds, once);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** What {@linkcode Contestant.open} answers where the measured end is in this process. */
async function openings(seconds: number, once: () => Promise<void>): Promise<Openings> {
  const [start, before] = [performance.now(), processorSeconds()];
  const count = (await repeat(seconds, once)).length;
  return {
    rate: count / (performance.now() - start) * 1000,
    near: (processorSeconds() - before) / count * 1000,
  };
}

/** The kernel at both ends of veth pairs: MPTCP, or TCP with `subflows` 0. */
export class KernelOverVeth implements Contestant {
  readonly name = "kernel over veth";
  readonly #near: Namespace;
  readonly #far: Namespace;

  private constructor(near: Namespace, far: Namespace) {
    this.#near = near;
    this.#far = far;
  }

  /** Makes the namespaces. */
  static async open(): Promise<KernelOverVeth> {
    const [near, far] = [await makeNamespace(), await makeNamespace()];
    const it = new KernelOverVeth(near, far);
    try {
      for (const i of [1, 2]) {
        await near.ip(`link add v${i} type veth peer name v${i} netns ${far.name}`);
        for (const [namespace, host] of [[near, 1], [far, 2]] as const) {
          await namespace.ip(
            `address add 10.78.${i}.${host}/24 dev v${i}`,
            `link set v${i} up`,
          );
        }
      }
      for (const namespace of [near, far]) await namespace.sysctl({ "net/mptcp/enabled": 1 });
      // Or ports would be out after 28,000 connections within a minute.
      await near.sysctl({
        "net/ipv4/tcp_tw_reuse": 1,
        "net/ipv4/ip_local_port_range": "1024 65535",
      });
      await far.ip("mptcp limits set subflows 8 add_addr_accepted 8");
      await far.ip("mptcp endpoint add 10.78.2.2 dev v2 signal");
    } catch (error) {
      await it[Symbol.asyncDispose]();
      throw error;
    }
    return it;
  }

  async transfer(direction: Direction, subflows: number, seconds: number): Promise<Transfer> {
    await this.#limit(subflows);
    // An ADD_ADDR that was missed comes again after two minutes only.
    for (let tries = 1; tries <= TRIES; tries++) {
      const result = await this.#transfer(direction, subflows, seconds);
      if (result !== null) return result;
    }
    throw new Error(`Cannot measure as the kernel opened no second subflow, ${TRIES} times`);
  }

  async #transfer(
    direction: Direction,
    subflows: number,
    seconds: number,
  ): Promise<Transfer | null> {
    const [nearJob, farJob] = direction === "send" ? ["source", "sink"] : ["sink", "source"];
    await using far = new KernelEnd(this.#far, listening(farJob!, subflows, seconds));
    const port = await far.lines.next();
    const before = (await this.#far.nstat()).MPJoinAckRx ?? 0;
    await using near = this.#connect(nearJob!, port, subflows, seconds);
    const joined = async (): Promise<boolean> => (await this.#far.nstat()).MPJoinAckRx! > before;
    if (subflows > 1 && !await waitFor(joined)) return null;
    const [source, sink] = direction === "send" ? [near, far] : [far, near];
    await source.go();
    const got = await sink.got();
    const spent = await source.spent();
    return direction === "send"
      ? transferred(got, spent, got.processor)
      : transferred(got, got.processor, spent);
  }

  async exchange(seconds: number): Promise<Exchange> {
    await this.#limit(1);
    await using far = new KernelEnd(this.#far, listening("echo", 1, seconds));
    await using near = this.#connect("ping", await far.lines.next(), 1, seconds);
    const [p50 = NaN, p99 = NaN] = await near.numbers();
    return { p50, p99 };
  }

  async open(subflows: number, seconds: number): Promise<Openings> {
    await this.#limit(subflows);
    await using far = new KernelEnd(this.#far, listening("serve", subflows, seconds));
    const job = subflows > 1 ? "join" : "open";
    await using near = this.#connect(job, await far.lines.next(), subflows, seconds);
    const [count = NaN, took = NaN, processor = NaN] = await near.numbers();
    return { rate: count / took, near: processor / count * 1000 };
  }

  #limit(subflows: number): Promise<void> {
    const most = subflows > 1 ? 8 : 0;
    return this.#near.ip(`mptcp limits set subflows ${most} add_addr_accepted ${most}`);
  }

  #connect(job: string, port: string, subflows: number, seconds: number): KernelEnd {
    return new KernelEnd(this.#near, [
      "connect",
      job,
      "10.78.1.2",
      port,
      String(seconds),
      protocolOf(subflows),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#near.close();
    await this.#far.close();
  }
}

function fillPage(view: Uint8Array): number {
  view.fill(7);
  return view.length;
}

async function fillUntil(conn: MptcpConn, end: number): Promise<void> {
  while (performance.now() < end) {
    await conn.untilWritable();
    conn.fill(fillPage);
  }
}

function takePage(view: Uint8Array): number {
  return view.length;
}

/** Takes all that comes; time and bytes count from the first that do. */
async function drainAll(conn: MptcpConn): Promise<Got> {
  await conn.untilReadable();
  const start = performance.now();
  conn.drain(takePage);
  let bytes = 0;
  while (await conn.untilReadable() !== null) bytes += conn.drain(takePage) ?? 0;
  return { bytes, seconds: (performance.now() - start) / 1000 };
}

/** The same by read() into `block`. */
async function readAll(conn: MptcpConn, block: Uint8Array): Promise<Got> {
  let bytes = 0;
  let start = 0;
  for (let count = await conn.read(block); count !== null;) {
    if (start === 0) start = performance.now();
    else bytes += count;
    count = await conn.read(block);
  }
  return { bytes, seconds: (performance.now() - start) / 1000 };
}

/** This stack in this process on TUN devices, the kernel behind them. */
export class StackOverTun implements Contestant {
  readonly name: string;
  readonly #lab: Lab;
  readonly #offload: boolean;
  readonly #policies: Policies;
  readonly #lent: boolean;
  readonly #made: boolean;
  readonly #block = new Uint8Array(1 << 18);

  private constructor(
    lab: Lab,
    offload: boolean,
    policies: Policies,
    lent: boolean,
    made: boolean,
  ) {
    this.#lab = lab;
    this.#offload = offload;
    this.#policies = policies;
    this.#lent = lent;
    this.#made = made;
    this.name = `this stack over TUN${offload ? "" : ", no offload"}${
      lent ? ", fill and drain" : made ? ", bytes made" : ""
    }`;
  }

  /**
   * Makes the lab. Without `offload` every packet is one that could go on a wire. `lent`: by fill() and drain(), the former writing each byte that is sent, in
   * place of write() and read(), which take and give the same array over and over. `made`: each byte of that is written before each write(), too.
   */
  static async open(
    offload: boolean,
    policies: Policies,
    lent = false,
    made = false,
  ): Promise<StackOverTun> {
    // The kernel announces nothing, or the full mesh would be one of four.
    const lab = await Lab.create({ ipv6: false, endpoints: "none" });
    return new StackOverTun(lab, offload, policies, lent, made);
  }

  /** Bytes per second of a transfer, as bench/against_load.ts asks every checkout. */
  async measure(direction: Direction, subflows: number, seconds: number): Promise<number> {
    return (await this.transfer(direction, subflows, seconds)).rate;
  }

  async transfer(direction: Direction, subflows: number, seconds: number): Promise<Transfer> {
    await using host = await this.#host(subflows);
    const job = direction === "send" ? "sink" : "source";
    await using kernel = new KernelEnd(this.#lab, listening(job, subflows, seconds));
    using conn = await this.#connect(host, await kernel.lines.next());
    if (direction === "send") await conn.write(this.#block.subarray(0, 10));
    else await conn.read(this.#block);
    if (subflows > 1 && !await waitFor(() => joined(conn))) {
      throw new Error("Cannot measure as there is no second subflow");
    }
    const before = processorSeconds();
    if (direction === "send") {
      const end = performance.now() + seconds * 1000;
      if (this.#lent) await fillUntil(conn, end);
      else await this.#writeUntil(conn, end);
      await conn.closeWrite();
      const got = await kernel.got();
      return transferred(got, processorSeconds() - before, got.processor);
    }
    await kernel.go();
    const got = await (this.#lent ? drainAll(conn) : readAll(conn, this.#block));
    const near = processorSeconds() - before;
    await conn.closeWrite();
    return transferred(got, near, await kernel.spent());
  }

  async #writeUntil(conn: MptcpConn, end: number): Promise<void> {
    while (performance.now() < end) {
      if (this.#made) this.#block.fill(7);
      await conn.write(this.#block);
    }
  }

  async exchange(seconds: number): Promise<Exchange> {
    await using host = await this.#host(1);
    await using kernel = new KernelEnd(this.#lab, listening("echo", 1, seconds));
    using conn = await this.#connect(host, await kernel.lines.next());
    const message = this.#block.subarray(0, MESSAGE);
    return await exchanges(seconds, async () => {
      await conn.write(message);
      for (let left = MESSAGE; left > 0;) left -= await conn.read(this.#block) ?? NaN;
    });
  }

  async open(subflows: number, seconds: number): Promise<Openings> {
    await using host = await this.#host(subflows);
    await using kernel = new KernelEnd(this.#lab, listening("serve", subflows, seconds));
    const port = await kernel.lines.next();
    const byte = this.#block.subarray(0, 1);
    return await openings(seconds, async () => {
      using conn = await this.#connect(host, port);
      if (subflows > 1) {
        await conn.write(byte);
        await conn.read(byte);
        while (!joined(conn)) await new Promise<void>((resolve) => void setImmediate(resolve));
      }
      await conn.closeWrite();
      await conn.read(byte);
    });
  }

  #host(subflows: number): Promise<Host> {
    return Host.open({
      interfaces: this.#lab.interfaces({ tun: { offload: this.#offload } }),
      linger: "1 s",
      ...this.#policies,
      ...(subflows > 1 ? {} : { pathManager: passive() }),
      ...(subflows === 0 ? { mptcp: false } : {}),
    });
  }

  #connect(host: Host, port: string): Promise<MptcpConn> {
    return host.connect({ hostname: this.#lab.path(0).kernel[0]!, port: Number(port) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.close();
  }
}

/** Number of the TCP state, as `info()` tells it. */
const ESTABLISHED = 1;

/** Whether a second subflow is established. */
function joined(conn: MptcpConn): boolean {
  const { subflows } = conn.info();
  return subflows.length > 1 && subflows.every(({ tcp }) => tcp.state === ESTABLISHED);
}

/** The dumb endpoint in this process on a TUN device; the kernel's end is plain TCP, whatever number of subflows is asked for. */
export class DumbOverTun implements Contestant {
  readonly name: string;
  readonly #lab: Lab;
  readonly #offload: boolean;

  private constructor(lab: Lab, offload: boolean) {
    this.#lab = lab;
    this.#offload = offload;
    this.name = `dumb endpoint${offload ? "" : ", no offload"}`;
  }

  /** Makes the lab. */
  static async open(offload: boolean): Promise<DumbOverTun> {
    return new DumbOverTun(await Lab.create({ ipv6: false, paths: 1, mptcp: false }), offload);
  }

  async transfer(direction: Direction, _subflows: number, seconds: number): Promise<Transfer> {
    using dumb = this.#endpoint();
    const job = direction === "send" ? "sink" : "source";
    await using kernel = new KernelEnd(this.#lab, listening(job, 0, seconds));
    await dumb.connect(Number(await kernel.lines.next()));
    if (direction === "receive") await dumb.take(10);
    const before = processorSeconds();
    if (direction === "send") {
      await dumb.source(seconds);
      const got = await kernel.got();
      return transferred(got, processorSeconds() - before, got.processor);
    }
    await kernel.go();
    const got = await dumb.discard();
    return transferred(got, processorSeconds() - before, await kernel.spent());
  }

  async exchange(seconds: number): Promise<Exchange> {
    using dumb = this.#endpoint();
    await using kernel = new KernelEnd(this.#lab, listening("echo", 0, seconds));
    await dumb.connect(Number(await kernel.lines.next()));
    const result = await exchanges(seconds, () => dumb.exchange(MESSAGE));
    await dumb.close();
    return result;
  }

  async open(subflows: number, seconds: number): Promise<Openings | null> {
    if (subflows > 1) return null;
    using dumb = this.#endpoint();
    await using kernel = new KernelEnd(this.#lab, listening("serve", 0, seconds));
    const port = Number(await kernel.lines.next());
    return await openings(seconds, async () => {
      await dumb.connect(port);
      await dumb.close();
    });
  }

  #endpoint(): DumbEndpoint {
    const { device, kernel, host } = this.#lab.path(0);
    return new DumbEndpoint({
      namespace: this.#lab.name,
      device,
      local: host[0]!.split("/")[0]!,
      remote: kernel[0]!,
      offload: this.#offload,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.close();
  }
}
