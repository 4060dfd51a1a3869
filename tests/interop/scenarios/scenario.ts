/** One scenario: two ends, what they are set up as, what happens meanwhile, and what both must have counted in the end. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Namespace } from "../../../cli/namespace.ts";
import type { ConnInfo, HostOptions, MptcpConn } from "../../../mod.ts";
import { type Peer, type PeerEnd, type PeerOptions, startPeer } from "../support/peer.ts";
import { Meeting } from "../support/stand.ts";
import type { Once } from "../support/damage.ts";
import { sleep } from "../support/wait.ts";
import { all, differences, type Expected, judged, OPENED, reached } from "./counts.ts";
import { type End, type EndOptions, KernelEnd, OurEnd } from "./ends.ts";

/** Which end is ours; "kernel": neither. */
export type Role = "client" | "server" | "kernel";

/** What is known of a scenario. */
export interface Scenario {
  readonly group: string;
  readonly name: string;
  readonly client?: EndOptions;
  readonly server?: EndOptions;
  /** Family of the first subflow. @default 4 */
  readonly family?: 4 | 6;
  /** Bytes that the client sends with its SYN; `cookie`: another connection has got it one before. */
  readonly early?: { readonly bytes: number; readonly cookie: boolean };
  /** Ends whose sockets are of IPv6 and hold an IPv4 address. */
  readonly mapped?: readonly ("client" | "server")[];
  /** Before it is opened. */
  readonly before?: (run: Run) => Promise<void>;
  /** While the connection is open; without, it is only used. */
  readonly during?: (run: Run) => Promise<void>;
  /** When it has ended. */
  readonly after?: (run: Run) => void | Promise<void>;
  /** Counted in the end, besides what every connection does. */
  readonly expect?: Expected;
  /** Nothing is moved after `during`: it has ended the connection. */
  readonly ended?: boolean;
  /** Its paths lead through middleboxes that can change payload; where one does, only how much arrives is compared. */
  readonly middleboxes?: true;
  /** Whoever closes a socket of the kernel's aborts. */
  readonly reset?: boolean;
  /** Roles in which it is not run, and why. */
  readonly without?: Partial<Readonly<Record<Role, string>>>;
  /** Not run at all, and why. */
  readonly not?: string;
}

/** Where scenarios run: one or two namespaces with the same devices. */
export interface Place {
  /** The kernel that is not in the way: the only one where an end is ours. */
  readonly near: Namespace;
  /** The other kernel; null where the other end is ours. */
  readonly far: Namespace | null;
  /** One on each path; none: packets go straight. */
  readonly middleboxes: readonly Middlebox[];
  /** For our end, through the middleboxes or beside them. */
  readonly interfaces: (through: boolean) => HostOptions["interfaces"];
}

/** The middlebox of a path: what it does to segments of each direction, seen from the kernel that is not in the way. */
export interface Middlebox {
  readonly toFar: Once;
  readonly toNear: Once;
}

/** Bytes that go each way when all is set up. */
const SIZE = 100_000;
/** Milliseconds in which something that must not happen has the time to. */
const SETTLE = 60;
/** Milliseconds in which all that is expected must have been counted. */
const PATIENCE = 6000;

/** The connection as the end sees it that sends first; the other sends back what it gets. */
export interface Talk extends AsyncDisposable {
  /** Ours, where one end is. */
  readonly conn: MptcpConn | null;
  /** What the kernel's end, or the server's, said in the end. */
  readonly end: PeerEnd | null;
  /** Sends bytes and reads as many; the second half goes when what is done `between` is over, whether or not the first has come back. */
  echo(size: number, between?: () => Promise<void>): Promise<void>;
  /** Ends it in order, both ways, and compares the sums, or, where they were `altered`, how many bytes there were. */
  finish(altered: boolean): Promise<void>;
}

class OurTalk implements Talk {
  readonly meeting: Meeting;
  end: PeerEnd | null = null;

  constructor(meeting: Meeting) {
    this.meeting = meeting;
  }

  get conn(): MptcpConn {
    return this.meeting.conn;
  }

  async echo(size: number, between?: () => Promise<void>): Promise<void> {
    const send = async (): Promise<void> => {
      if (between !== undefined) {
        await this.meeting.send(size / 2);
        await between();
      }
      await this.meeting.send(between === undefined ? size : size / 2);
    };
    await Promise.all([send(), this.meeting.receive(size)]);
  }

  async finish(altered: boolean): Promise<void> {
    const { meeting } = this;
    if (!altered) this.end = await meeting.exchange(0);
    else {
      await Promise.all([meeting.conn.closeWrite(), meeting.receive()]);
      this.end = await meeting.peer.until("end");
      assertEquals(this.end.error, null);
      assertEquals([this.end.received, meeting.received], [meeting.sent, this.end.sent]);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.meeting[Symbol.asyncDispose]();
  }
}

class KernelTalk implements Talk {
  readonly conn = null;
  end: PeerEnd | null = null;
  readonly #driver: Peer;
  readonly #echo: Peer;

  constructor(driver: Peer, echo: Peer) {
    this.#driver = driver;
    this.#echo = echo;
  }

  /** A kernel reads what is damaged, too: the first half comes back. */
  async echo(size: number, between?: () => Promise<void>): Promise<void> {
    const half = between === undefined ? size : size / 2;
    await this.#driver.tell(String(half));
    await this.#driver.until("moved");
    await between?.();
    if (between !== undefined) await this.echo(half);
  }

  async finish(altered: boolean): Promise<void> {
    await this.#driver.tell("end");
    const [a, b] = [await this.#driver.until("end"), await this.#echo.until("end")];
    this.end = b;
    assertEquals([a.error, b.error], [null, null]);
    assertEquals([b.received, a.received], [a.sent, b.sent]);
    if (altered) return;
    assertEquals([b.receivedSha256, a.receivedSha256], [a.sentSha256, b.sentSha256]);
  }

  /** Ends the program of an end. */
  async kill(end: "client" | "server"): Promise<void> {
    await (end === "client" ? this.#driver : this.#echo)[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver[Symbol.asyncDispose]();
    await this.#echo[Symbol.asyncDispose]();
  }
}

/** A scenario that runs. */
export class Run {
  readonly role: Role;
  readonly scenario: Scenario;
  readonly place: Place;
  readonly client: End;
  readonly server: End;
  readonly #expected: Required<Expected>;
  #talk: Talk | null = null;
  #walls = false;
  #altered = false;
  #info: ConnInfo | null = null;
  readonly #down = new Set<string>();

  constructor(role: Role, scenario: Scenario, place: Place, client: End, server: End) {
    this.role = role;
    this.scenario = scenario;
    this.place = place;
    this.client = client;
    this.server = server;
    this.#expected = all(OPENED, scenario.expect ?? {});
  }

  /** The connection. */
  get talk(): Talk {
    return this.#talk!;
  }

  /** Our end of it; an error where both are kernels. */
  get conn(): MptcpConn {
    return this.talk.conn!;
  }

  /** What it was asked for in `look`; null where both are kernels. */
  get info(): ConnInfo | null {
    return this.#info;
  }

  /** Moves enough that a kernel's program looks at its socket, and looks at ours. */
  async look(): Promise<void> {
    await this.talk.echo(2 << 20);
    this.#info = this.talk.conn?.info() ?? null;
  }

  /** Opens the connection and moves a byte each way: from then on paths may be opened (RFC 8684 §3.1). */
  async open(): Promise<void> {
    const { early } = this.scenario;
    const { client, server } = this;
    this.#talk = client instanceof OurEnd
      ? await this.#dial(client, server as KernelEnd)
      : server instanceof OurEnd
      ? await this.#accept(client as KernelEnd, server)
      : await this.#watch(client as KernelEnd, server as KernelEnd);
    if (early !== undefined && this.#talk instanceof OurTalk) {
      // What went with the SYN is echoed, or an echo's; a driver reads it by itself. Not to be waited for before more is sent: what a server of Linux 6.18
      // writes before the third ACK has come, it holds until something else happens.
      const { meeting } = this.#talk;
      await Promise.all([meeting.send(1), meeting.receive(early.bytes + 1)]);
    } else await this.talk.echo(1);
  }

  /** How a kernel's program listens, and calls. */
  #programs(): { listen: PeerOptions; call: PeerOptions } {
    const { family = 4, mapped = [], reset = false, early } = this.scenario;
    const host = this.server.address(1, family);
    const any = family === 6 || mapped.includes("server") ? "::" : "0.0.0.0";
    const all = { reset, timeout: 30, fastopen: early !== undefined };
    return {
      listen: { ...all, host: any, accept: early?.cookie ? 2 : 1 },
      call: {
        ...all,
        host: mapped.includes("client") ? `::ffff:${host}` : host,
        ...(early === undefined ? {} : { size: early.bytes }),
      },
    };
  }

  async #dial(client: OurEnd, server: KernelEnd): Promise<Talk> {
    const { early } = this.scenario;
    const { listen, call } = this.#programs();
    const peer = await startPeer(server.namespace, "listen", "echo", listen);
    const data = new Uint8Array(early?.bytes ?? 0).fill(7);
    const dial = async (): Promise<Meeting> => {
      const to = { hostname: call.host, port: peer.port, ...(early === undefined ? {} : { data }) };
      const meeting = new Meeting(peer, await orEnd(peer, client.host.connect(to)));
      meeting.sentEarly(data);
      return meeting;
    };
    if (early?.cookie) {
      const first = await dial();
      await first.exchange(0);
      await first.conn[Symbol.asyncDispose]();
    }
    return new OurTalk(await dial());
  }

  async #accept(client: KernelEnd, server: OurEnd): Promise<Talk> {
    const { call } = this.#programs();
    using listener = server.host.listen({ port: 0 });
    const { port } = listener.addr;
    const accept = async (): Promise<Meeting> => {
      const peer = await startPeer(client.namespace, "connect", "echo", { ...call, port });
      return new Meeting(peer, await orEnd(peer, listener.accept()));
    };
    if (this.scenario.early?.cookie) {
      await using first = await accept();
      await first.exchange(0);
    }
    return new OurTalk(await accept());
  }

  async #watch(client: KernelEnd, server: KernelEnd): Promise<Talk> {
    const { listen, call } = this.#programs();
    const echo = await startPeer(server.namespace, "listen", "echo", listen);
    const to = { ...call, port: echo.port };
    const dial = (): Promise<Peer> =>
      orEnd(echo, startPeer(client.namespace, "connect", "drive", to));
    if (this.scenario.early?.cookie) {
      await using first = await dial();
      await first.tell("end");
      await first.until("end");
      await echo.until("end");
    }
    return new KernelTalk(await dial(), echo);
  }

  /**
   * Adds a rule of iptables, or of ip6tables where an address says so, for TCP segments that come to, or leave, the kernel that is not in the way. It goes with the
   * scenario.
   */
  async firewall(...rule: readonly string[]): Promise<void> {
    this.#walls = true;
    if (rule.some((word) => word.includes("fd00:"))) return this.firewall6(...rule);
    const reject = rule.includes("REJECT") ? ["--reject-with", "tcp-reset"] : [];
    for (const chain of ["INPUT", "OUTPUT"]) {
      await this.place.near.exec(["iptables", "-A", chain, "-p", "tcp", ...rule, ...reject]);
    }
  }

  /** The same for IPv6, where no address says so. */
  async firewall6(...rule: readonly string[]): Promise<void> {
    this.#walls = true;
    for (const chain of ["INPUT", "OUTPUT"]) {
      await this.place.near.exec(["ip6tables", "-A", chain, "-p", "tcp", ...rule]);
    }
  }

  /** The middlebox of a path changes the next but `nth - 1` segment with data that an end sends. */
  alter(path: number, from: "client" | "server", nth: number): void {
    const near = this.role === "client" ? "server" : "client";
    const { toFar, toNear } = this.place.middleboxes[path - 1]!;
    (from === near ? toFar : toNear).arm(nth);
    this.#altered = true;
  }

  /** Takes the device of a path up or down. */
  async linkUp(path: number, up: boolean): Promise<void> {
    const device = `mptcp${path - 1}`;
    if (up) this.#down.delete(device);
    else this.#down.add(device);
    await this.place.near.ip(`link set ${device} ${up ? "up" : "down"}`);
  }

  /** Waits. */
  pause(milliseconds: number): Promise<void> {
    return sleep(milliseconds);
  }

  /** Sees that the client's address on a path has carried so many bytes at least, or, where that is 0, none. */
  async carried(path: number, least: number): Promise<void> {
    if (this.talk.conn === null) return;
    const address = this.client.address(path);
    const bytes = this.conn.info().subflows
      .filter(({ local, remote }) => [local.address, remote.address].includes(address))
      .map(({ tcp }) => tcp.bytes_acked + tcp.bytes_received);
    const total = bytes.reduce((sum, each) => sum + each, 0);
    assert(least === 0 ? total === 0 : total >= least, `path ${path} has carried ${total} bytes`);
    await Promise.resolve();
  }

  /** Ends the connection by an abort. */
  async abort(end: "client" | "server"): Promise<void> {
    if (this[end] instanceof OurEnd) this.conn.abort();
    else if (this.talk instanceof OurTalk) {
      await this.talk.meeting.peer[Symbol.asyncDispose]();
    } else await (this.talk as KernelTalk).kill(end);
  }

  /** Sees that the server takes no connection at a port. */
  async refusedAt(path: number, port: number): Promise<void> {
    const host = this.server.address(path);
    if (this.client instanceof OurEnd) {
      const connecting = this.client.host.connect({ hostname: host, port, connectTimeout: "1 s" });
      await assertRejects(() => connecting);
    } else {
      const { namespace } = this.client as KernelEnd;
      await using peer = await startPeer(namespace, "connect", "sink", { host, port });
      assertEquals((await peer.next()).event, "refused");
    }
  }

  /** Brings what is down up, and takes the rules away. */
  async restore(): Promise<void> {
    for (const { toFar, toNear } of this.place.middleboxes) {
      toFar.arm(0);
      toNear.arm(0);
    }
    for (const device of this.#down) await this.place.near.ip(`link set ${device} up`);
    if (!this.#walls) return;
    await this.place.near.exec(["iptables", "-F"]);
    await this.place.near.exec(["ip6tables", "-F"]);
  }

  /** Goes on sending both ways while something is done, and a moment longer. */
  async busy(work: () => Promise<void>, size = 50_000): Promise<void> {
    let over = false;
    const done = work().finally(() => over = true);
    // Not to be unhandled while the other is waited for.
    done.catch(() => {});
    while (!over) {
      await this.talk.echo(size);
      await sleep(5);
    }
    await done;
    await this.talk.echo(size);
  }

  /** Sees that a subflow joins these paths, ours or the kernel's, of the client and of the server. */
  async uses([client, server]: readonly [number, number]): Promise<void> {
    await this.joined(1);
    const ends = [this.client.address(client), this.server.address(server)];
    if (this.talk.conn === null) return;
    const pairs = this.conn.info().subflows.map(({ local, remote }) =>
      [local.address, remote.address].sort().join()
    );
    assert(pairs.includes(ends.sort().join()), `not ${ends} but ${pairs.join(" ")}`);
  }

  /** Waits until an end has counted so many, or more. */
  async counted(end: "client" | "server", name: string, count: number): Promise<void> {
    await this.until(async () => ((await this[end].counters())[name] ?? 0) >= count);
  }

  /** Waits until the server has so many joins, or more, that `by` has opened. */
  joined(count: number, by: "client" | "server" = "client"): Promise<void> {
    return this.counted(by === "client" ? "server" : "client", "MPJoinAckRx", count);
  }

  /** Waits until something holds, or too long. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + PATIENCE;
    while (!await condition() && performance.now() < end) await sleep(10);
  }

  /** Waits for what is expected, sees that it works, ends it, and compares. */
  async judge(): Promise<string[]> {
    const { client, server } = this.#expected;
    await this.until(async () =>
      reached(client, await this.client.counters()) && reached(server, await this.server.counters())
    );
    await sleep(SETTLE);
    if (!this.scenario.ended) {
      await this.talk.echo(SIZE);
      await this.talk.finish(this.#altered);
    }
    await this.scenario.after?.(this);
    return [
      ...differences(client, await this.client.counters()).map((text) => `client: ${text}`),
      ...differences(server, await this.server.counters()).map((text) => `server: ${text}`),
    ];
  }

  /** What both have counted. */
  async told(): Promise<string> {
    const [client, server] = [await this.client.counters(), await this.server.counters()];
    return JSON.stringify({ client: judged(client), server: judged(server) });
  }
}

async function orEnd<T>(peer: Peer, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs a scenario: what was not as expected, in words; empty: nothing. */
export async function runScenario(
  scenario: Scenario,
  role: Role,
  place: Place,
  debug = false,
): Promise<string[]> {
  const { client = {}, server = {}, family = 4 } = scenario;
  const near = new KernelEnd(place.near, 1);
  const far = place.far === null ? null : new KernelEnd(place.far, 2);
  near.family = family;
  await near.reset(role === "client" ? server : client);
  if (far !== null) {
    far.family = family;
    await far.reset(server);
  }
  const ours = far === null
    ? await OurEnd.open(
      place.interfaces(scenario.middleboxes ?? false),
      role === "client" ? client : server,
    )
    : null;
  if (ours !== null) ours.family = family;
  const run = role === "client"
    ? new Run(role, scenario, place, ours!, near)
    : new Run(role, scenario, place, near, ours ?? far!);
  let wrong: string[];
  try {
    await scenario.before?.(run);
    await run.open();
    await scenario.during?.(run);
    wrong = await run.judge();
  } catch (error) {
    wrong = [error instanceof Error ? error.message : String(error), await run.told()];
  }
  if (debug) wrong.push(`counted: ${await run.told()}`);
  try {
    await run.restore();
    await run.talk?.[Symbol.asyncDispose]();
    await ours?.host.close();
    await near.close();
    await far?.close();
  } catch (error) {
    wrong.push(`in the end: ${error instanceof Error ? error.message : error}`);
  }
  return wrong;
}
