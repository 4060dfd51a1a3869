/**
 * A running host looked at, and changed, from outside, over a Unix socket: `mptcp ss`, `nstat`, `monitor`, `endpoint` and `limits` are its clients.
 *
 * A client sends one line of JSON, `{"command": "ss"}`, and gets one back: `{"ok": …}` or `{"error": "…"}`. To "ss" the answer is what `host.info()` gives,
 * numbers of 64 bits as strings, to "nstat" what `host.counters` is; to "monitor" an event a line until the client goes. "endpoint" and "limits" have the
 * words of `ip mptcp` beside them, `{"command": "endpoint", "words": ["add", "10.0.2.1", "subflow"]}`: the host's path manager does what they ask.
 */

import type { Micros } from "../plugin.ts";
import type { Probe } from "../subflow/probe.ts";
import type { Host } from "./host.ts";
import type { WatchedSocket } from "./transport.ts";

/** One event, under the names of `ip mptcp monitor`. */
export interface ControlEvent {
  /** CREATED, ESTABLISHED, CLOSED, ANNOUNCED, REMOVED, SF_ESTABLISHED, SF_CLOSED, SF_PRIO, LISTENER_CREATED or LISTENER_CLOSED. */
  readonly event: string;
  /** Our token; a listener has none. */
  readonly token?: number;
  /** Address id of the peer's end. */
  readonly remid?: number;
  /** Address id of ours. */
  readonly locid?: number;
  /** Address of our end; "::" where one listens on all. */
  readonly saddr?: string;
  /** Its port. */
  readonly sport?: number;
  /** Address of the peer's end. */
  readonly daddr?: string;
  /** Its port. */
  readonly dport?: number;
  /** The peer wants the subflow to be used only when no other works. */
  readonly backup?: boolean;
  /** Of a connection, where it is not 0: 1, the peer takes no join to the address of its first subflow; 2, the peer has opened it. */
  readonly flags?: number;
  /** Why a subflow has ended, as Linux numbers errors: 111 refused, 104 reset, 110 timed out, 113 unreachable, 103 aborted by us. */
  readonly error?: number;
  /** Of the MP_TCPRST that ended it. */
  readonly reset_reason?: number;
  /** The same: 1 is the T flag. */
  readonly reset_flags?: number;
}

/** A control socket that is open. */
export interface Control extends Disposable {
  /** Where it is. */
  readonly path: string;
  /** Ends it and its clients, and removes the socket. Idempotent. */
  close(): void;
}

/** Events that may wait for a monitor which does not read; one that is further behind is let go. */
const MOST_WAITING = 10_000;
/** Longest request. */
const MOST_REQUEST = 65536;

/** Why a subflow has ended, as Linux numbers it. */
const ERRORS: Readonly<Record<string, number>> = {
  refused: 111,
  reset: 104,
  timeout: 110,
  unreachable: 113,
  aborted: 103,
};

const FLAG_DENY_JOIN_ID0 = 1;
const FLAG_SERVER_SIDE = 2;

type Ends = Pick<ControlEvent, "saddr" | "sport" | "daddr" | "dport" | "remid" | "locid">;

/** What a monitor knows of one connection. */
interface Known {
  readonly token: number;
  readonly server: boolean;
  readonly subflows: Map<number, { readonly ends: Ends; backup: boolean }>;
  readonly resets: Map<number, { reason: number; transient: boolean }>;
  mptcp: boolean;
}

/** Makes events of what a probe is told, and of connections that were there before it what comes after. */
class Watch implements Probe {
  readonly #tell: (event: ControlEvent) => void;
  readonly #living: Iterable<WatchedSocket>;
  readonly #known = new Map<number, Known>();

  constructor(living: Iterable<WatchedSocket>, tell: (event: ControlEvent) => void) {
    this.#tell = tell;
    this.#living = living;
    for (const socket of living) {
      const { id, role, keys, established, fallback } = socket;
      const known = this.#learn(id, role, keys.token >>> 0);
      known.mptcp = established && !fallback;
      for (const { path, local, remote, localId, remoteId, backupByPeer } of socket.attempts) {
        const { address: saddr, port: sport } = local;
        const { address: daddr, port: dport } = remote;
        const ends = { remid: remoteId, locid: localId, saddr, daddr, sport, dport };
        known.subflows.set(path, { ends, backup: backupByPeer });
      }
    }
  }

  #learn(id: number, role: "client" | "server", token: number): Known {
    const server = role === "server";
    const known = { token, server, subflows: new Map(), resets: new Map(), mptcp: false };
    this.#known.set(id, known);
    return known;
  }

  connectionOpened(_: Micros, id: number, role: "client" | "server", token: number): void {
    this.#learn(id, role, token);
  }

  subflowOpened(
    _: Micros,
    id: number,
    path: number,
    _join: boolean,
    saddr: string,
    sport: number,
    daddr: string,
    dport: number,
    locid: number,
    remid: number,
  ): void {
    const ends = { remid, locid, saddr, daddr, sport, dport };
    this.#known.get(id)?.subflows.set(path, { ends, backup: false });
  }

  modeChanged(_: Micros, id: number, mode: string): void {
    const known = this.#known.get(id);
    if (known === undefined || mode !== "mptcp") return;
    known.mptcp = true;
    this.#sayConnection("CREATED", id, known);
  }

  subflowChanged(
    _: Micros,
    id: number,
    path: number,
    change: string,
    reason: string | null,
  ): void {
    const known = this.#known.get(id);
    if (known === undefined || !known.mptcp) return;
    if (change === "joined") {
      if (path === 1) this.#sayConnection("ESTABLISHED", id, known);
      else this.#say("SF_ESTABLISHED", known, path, {});
    } else if (change === "left") {
      const reset = known.resets.get(path);
      const error = ERRORS[reason ?? ""];
      this.#say("SF_CLOSED", known, path, {
        ...(error !== undefined && { error }),
        ...(reset && { reset_reason: reset.reason, reset_flags: reset.transient ? 1 : 0 }),
      });
      known.subflows.delete(path);
      known.resets.delete(path);
    }
  }

  priorityAsked(_: Micros, id: number, path: number, by: "join" | "prio", backup: boolean): void {
    const known = this.#known.get(id);
    const subflow = known?.subflows.get(path);
    if (known === undefined || subflow === undefined) return;
    subflow.backup = backup;
    if (by === "prio" && known.mptcp) this.#say("SF_PRIO", known, path, {});
  }

  subflowReset(
    _: Micros,
    id: number,
    path: number,
    by: string,
    reason: number,
    transient: boolean,
  ): void {
    // What the peer tells is of interest: ours its monitor shows.
    if (by === "peer") this.#known.get(id)?.resets.set(path, { reason, transient });
  }

  addressChanged(
    _: Micros,
    id: number,
    change: "announced" | "removed",
    remid: number,
    daddr: string,
    dport: number,
  ): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    const { token } = known;
    if (change === "removed") return this.#tell({ event: "REMOVED", token, remid });
    // Where none is named it is the port of the connection (RFC 8684 §3.4.1).
    const port = dport > 0 ? dport : known.subflows.values().next().value?.ends.dport;
    this.#tell({
      event: "ANNOUNCED",
      token,
      remid,
      daddr,
      ...(port !== undefined && { dport: port }),
    });
  }

  listenerChanged(_: Micros, change: "created" | "closed", address: string, port: number): void {
    const event = change === "created" ? "LISTENER_CREATED" : "LISTENER_CLOSED";
    this.#tell({ event, saddr: address === "" ? "::" : address, sport: port });
  }

  connectionClosed(_: Micros, id: number): void {
    const known = this.#known.get(id);
    this.#known.delete(id);
    if (known?.mptcp) this.#tell({ event: "CLOSED", token: known.token });
  }

  /** Of a connection: with the ends of its first subflow. */
  #sayConnection(event: string, id: number, known: Known): void {
    let flags = known.server ? FLAG_SERVER_SIDE : 0;
    for (const socket of this.#living) {
      if (socket.id === id && socket.paths.peerDeniesJoinToInitial) flags |= FLAG_DENY_JOIN_ID0;
    }
    const { ends } = known.subflows.get(1) ?? {};
    this.#tell({ event, token: known.token, ...ends, ...(flags !== 0 && { flags }) });
  }

  #say(event: string, known: Known, path: number, more: Partial<ControlEvent>): void {
    const { ends, backup = false } = known.subflows.get(path) ?? {};
    this.#tell({ event, token: known.token, ...ends, backup, ...more });
  }
}

function line(value: unknown): Uint8Array {
  const text = JSON.stringify(
    value,
    (_, each) => typeof each === "bigint" ? each.toString() : each,
  );
  return new TextEncoder().encode(`${text}\n`);
}

/** Writes all of it, however much goes at once. */
async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

/** Reads the first line; null when the client goes before its end, or says too much. */
async function readLine(conn: Deno.Conn): Promise<string | null> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\n")) {
    const length = await conn.read(buffer);
    if (length === null || text.length > MOST_REQUEST) return null;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
  return text.slice(0, text.indexOf("\n"));
}

/**
 * Who is looked at over a control socket: a host, or a kernel in its place.
 *
 * @internal
 */
export interface ControlTarget {
  /** Its connections. */
  ss(): unknown;
  /** Its counters. */
  nstat(): unknown;
  /** Does what the words of `ip mptcp` ask for; what it answers, if anything. */
  configure(object: "endpoint" | "limits", words: readonly string[]): unknown;
  /** Tells events from now on; the result ends that. */
  watch(tell: (event: ControlEvent) => void): () => void;
}

function targetOf(host: Host): ControlTarget {
  return {
    ss: () => host.info(),
    nstat: () => host.counters,
    configure: (object, words) => host.configure(object, words),
    watch: (tell) => host.watch(new Watch(host.living, tell)),
  };
}

/** Tells events to a client until it goes. */
async function monitor(target: ControlTarget, conn: Deno.Conn): Promise<void> {
  const waiting: ControlEvent[] = [];
  let wake = (): void => {};
  let gone = false;
  const end = (): void => {
    gone = true;
    wake();
  };
  const unwatch = target.watch((event) => {
    if (waiting.push(event) > MOST_WAITING) end();
    wake();
  });
  // A client says nothing more: what can be read is its end.
  const leaving = (async () => {
    const buffer = new Uint8Array(64);
    while (await conn.read(buffer).catch(() => null) !== null);
    end();
  })();
  try {
    await writeAll(conn, line({ ok: "monitor" }));
    while (!gone) {
      const event = waiting.shift();
      if (event !== undefined) await writeAll(conn, line(event));
      else await new Promise<void>((resolve) => wake = resolve);
    }
  } finally {
    unwatch();
    conn.close();
    await leaving;
  }
}

/** What a client asks for; anything may come. */
function readRequest(text: string): { command: unknown; words: readonly string[] } {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch {
    // It has no command, as is answered.
  }
  const { command, words } = (request ?? {}) as { command?: unknown; words?: unknown };
  return { command, words: Array.isArray(words) ? words.map(String) : [] };
}

/** The answer to a command that has one. */
async function respond(
  target: ControlTarget,
  command: unknown,
  words: readonly string[],
): Promise<unknown> {
  try {
    if (command === "ss") return { ok: await target.ss() };
    if (command === "nstat") return { ok: await target.nstat() };
    if (command !== "endpoint" && command !== "limits") {
      const commands = "ss, nstat, monitor, endpoint or limits";
      return { error: `Unknown command ${JSON.stringify(command)}: it must be ${commands}` };
    }
    return { ok: await target.configure(command, words) ?? null };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function answer(target: ControlTarget, conn: Deno.Conn): Promise<void> {
  try {
    const text = await readLine(conn);
    if (text === null) return;
    const { command, words } = readRequest(text);
    if (command === "monitor") await monitor(target, conn);
    else await writeAll(conn, line(await respond(target, command, words)));
  } catch {
    // The client has gone; there is nobody to tell.
  } finally {
    try {
      conn.close();
    } catch {
      // It is closed.
    }
  }
}

/**
 * Opens a control socket for `host` at `path`: its owner alone may connect (mode 600). It tells what the program itself could, figures, counters, events, and
 * changes what `ip mptcp` could: endpoints and limits, where the host's path manager takes them. It does not keep the program running, and is closed by `close()` alone. A socket that is left at `path` by a program that has ended is
 * replaced.
 *
 * @throws {Deno.errors.AddrInUse} another host has its socket there.
 * @throws {Deno.errors.NotCapable} without `--allow-read` and `--allow-write` for the path.
 *
 * @example `mptcp ss --control /run/user/1000/mine.sock` then shows what the program has open
 * ```ts
 * import { Host, serveControl, udp } from "@mptcp/mptcp";
 *
 * export async function main() {
 *   await using host = await Host.open({
 *     interfaces: [{ link: udp("wifi"), addresses: ["192.168.1.5/24"] }],
 *   });
 *   using _control = await serveControl(host, "/run/user/1000/mine.sock");
 *   await using conn = await host.connect({ hostname: "203.0.113.7", port: 80 });
 *   for await (const chunk of conn.readable) console.log(chunk.length);
 * }
 * ```
 */
export function serveControl(host: Host, path: string): Promise<Control> {
  return serveTarget(targetOf(host), path);
}

/**
 * The same for whoever answers as a host does.
 *
 * @internal
 */
export async function serveTarget(target: ControlTarget, path: string): Promise<Control> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    throw new Deno.errors.AddrInUse(`Cannot open a control socket at ${path} as one is in use`);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path);
    else if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const listener = Deno.listen({ transport: "unix", path });
  listener.unref();
  await Deno.chmod(path, 0o600);
  const clients = new Set<Deno.Conn>();
  let open = true;
  const accepting = (async () => {
    while (open) {
      const conn = await listener.accept().catch(() => null);
      if (conn === null) break;
      conn.unref();
      clients.add(conn);
      answer(target, conn).finally(() => clients.delete(conn));
    }
  })();
  const close = (): void => {
    if (!open) return;
    open = false;
    listener.close();
    for (const conn of clients) {
      try {
        conn.close();
      } catch {
        // It is closed.
      }
    }
    try {
      Deno.removeSync(path);
    } catch {
      // Somebody has swept the folder.
    }
    void accepting;
  };
  return { path, close, [Symbol.dispose]: close };
}
