/** What is compared: the kernel's MPTCP over veth, and this stack over TUN, the kernel at the other end of both. */

import { fileURLToPath } from "node:url";
import { Host, type Policies } from "../../mod.ts";
import { Lab } from "../../cli/lab.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { passive } from "../../pm/mod.ts";

/** Which way the bytes go, as seen from the end that is not the peer's. */
export type Direction = "receive" | "send";

/** One way to move bytes between the kernel and something. */
export interface Contestant extends AsyncDisposable {
  /** What it is, in a few words. */
  readonly name: string;
  /** Moves bytes for `seconds` over `subflows` subflows; gives bytes per second. */
  measure(direction: Direction, subflows: number, seconds: number): Promise<number>;
}

const PEER = fileURLToPath(new URL("./peer.py", import.meta.url));
const MPTCP = 262;
const TCP = 6;
/** How long further subflows may take. */
const JOIN_SECONDS = 5;

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

  /** Bytes per second that a sink got. */
  async rate(): Promise<number> {
    const [bytes = 0, seconds = 0] = (await this.lines.next()).split(" ").map(Number);
    return bytes / seconds;
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

async function waitFor(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + JOIN_SECONDS * 1000;
  while (!await isTrue()) {
    if (performance.now() > end) throw new Error(`Cannot measure as there is no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
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
      await far.ip("mptcp limits set subflows 8 add_addr_accepted 8");
      await far.ip("mptcp endpoint add 10.78.2.2 dev v2 signal");
    } catch (error) {
      await it[Symbol.asyncDispose]();
      throw error;
    }
    return it;
  }

  async measure(direction: Direction, subflows: number, seconds: number): Promise<number> {
    await this.#near.ip(
      `mptcp limits set subflows ${subflows > 1 ? 8 : 0} add_addr_accepted ${subflows > 1 ? 8 : 0}`,
    );
    const protocol = String(subflows === 0 ? TCP : MPTCP);
    const [nearJob, farJob] = direction === "send" ? ["source", "sink"] : ["sink", "source"];
    await using far = new KernelEnd(this.#far, [
      "listen",
      farJob!,
      "0.0.0.0",
      "0",
      String(seconds),
      protocol,
    ]);
    const port = await far.lines.next();
    const before = (await this.#far.nstat()).MPJoinAckRx ?? 0;
    await using near = new KernelEnd(this.#near, [
      "connect",
      nearJob!,
      "10.78.1.2",
      port,
      String(seconds),
      protocol,
    ]);
    if (subflows > 1) {
      await waitFor("second subflow", async () => (await this.#far.nstat()).MPJoinAckRx! > before);
    }
    const [source, sink] = direction === "send" ? [near, far] : [far, near];
    await source.go();
    return await sink.rate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#near.close();
    await this.#far.close();
  }
}

/** This stack in this process on TUN devices, the kernel behind them. */
export class StackOverTun implements Contestant {
  readonly name: string;
  readonly #lab: Lab;
  readonly #offload: boolean;
  readonly #policies: Policies;
  readonly #block = new Uint8Array(1 << 18);

  private constructor(lab: Lab, offload: boolean, policies: Policies) {
    this.#lab = lab;
    this.#offload = offload;
    this.#policies = policies;
    this.name = `this stack over TUN${offload ? "" : ", no offload"}`;
  }

  /** Makes the lab. Without `offload` every packet is one that could go on a wire. */
  static async open(offload: boolean, policies: Policies): Promise<StackOverTun> {
    // The kernel announces nothing, or the full mesh would be one of four.
    const lab = await Lab.create({ ipv6: false, endpoints: "none" });
    return new StackOverTun(lab, offload, policies);
  }

  async measure(direction: Direction, subflows: number, seconds: number): Promise<number> {
    const lab = this.#lab;
    await using host = await Host.open({
      interfaces: lab.interfaces({ tun: { offload: this.#offload } }),
      linger: "1 s",
      ...this.#policies,
      ...(subflows > 1 ? {} : { pathManager: passive() }),
    });
    const job = direction === "send" ? "sink" : "source";
    await using kernel = new KernelEnd(lab, [
      "listen",
      job,
      "0.0.0.0",
      "0",
      String(seconds),
      String(subflows === 0 ? TCP : MPTCP),
    ]);
    const port = Number(await kernel.lines.next());
    using conn = await host.connect({ hostname: lab.path(0).kernel[0]!, port });
    if (direction === "send") await conn.write(this.#block.subarray(0, 10));
    else await conn.read(this.#block);
    if (subflows > 1) {
      await waitFor("second subflow", () => conn.info().subflows.length === subflows);
    }
    if (direction === "send") {
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) await conn.write(this.#block);
      await conn.closeWrite();
      return await kernel.rate();
    }
    await kernel.go();
    let received = 0;
    let start = 0;
    for (let count = await conn.read(this.#block); count !== null;) {
      if (start === 0) start = performance.now();
      else received += count;
      count = await conn.read(this.#block);
    }
    return received / (performance.now() - start) * 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.close();
  }
}
