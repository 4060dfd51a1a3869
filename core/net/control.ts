/**
 * A running host looked at from outside, over a Unix socket: `mptcp ss`, `mptcp nstat` and `mptcp monitor` are its clients.
 *
 * A client sends one line of JSON, `{"command": "ss"}`, and gets one back: `{"ok": …}` or `{"error": "…"}`. To "ss" the answer is what `host.info()` gives,
 * numbers of 64 bits as strings, to "nstat" what `host.counters` is; to "monitor" an event a line until the client goes.
 */

import type { Micros } from "../plugin.ts";
import type { Probe } from "../subflow/probe.ts";
import type { Host } from "./host.ts";

/** One event, under the names of `ip mptcp monitor`. */
export interface ControlEvent {
  /** CREATED, ESTABLISHED, CLOSED, ANNOUNCED, REMOVED, SF_ESTABLISHED, SF_CLOSED or SF_PRIO. */
  readonly event: string;
  /** Our token. */
  readonly token: number;
  /** Address id of the peer's end. */
  readonly remid?: number;
  /** Address id of ours. */
  readonly locid?: number;
  /** Address of our end. */
  readonly saddr?: string;
  /** Its port. */
  readonly sport?: number;
  /** Address of the peer's end. */
  readonly daddr?: string;
  /** Its port. */
  readonly dport?: number;
  /** The subflow is used only when no other works. */
  readonly backup?: boolean;
  /** The peer has opened the connection. */
  readonly server_side?: boolean;
  /** Why a subflow has ended: "closed", "refused", "reset", "timeout", "aborted" or "unreachable"; of a connection its code. */
  readonly error?: string;
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

type Ends = Pick<ControlEvent, "saddr" | "sport" | "daddr" | "dport" | "remid" | "locid">;

/** What a monitor knows of one connection. */
interface Known {
  readonly token: number;
  readonly server: boolean;
  readonly subflows: Map<number, Ends & { backup?: boolean }>;
  readonly resets: Map<number, { reason: number; transient: boolean }>;
  mptcp: boolean;
}

/** Makes events of what a probe is told. Of connections that were there before it nothing is known but what it sees: they have no events. */
class Watch implements Probe {
  readonly #tell: (event: ControlEvent) => void;
  readonly #known = new Map<number, Known>();

  constructor(tell: (event: ControlEvent) => void) {
    this.#tell = tell;
  }

  connectionOpened(_: Micros, id: number, role: "client" | "server", token: number): void {
    const server = role === "server";
    this.#known.set(id, { token, server, subflows: new Map(), resets: new Map(), mptcp: false });
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
    this.#known.get(id)?.subflows.set(path, { remid, locid, saddr, daddr, sport, dport });
  }

  modeChanged(_: Micros, id: number, mode: string): void {
    const known = this.#known.get(id);
    if (known === undefined || mode !== "mptcp") return;
    known.mptcp = true;
    this.#say("CREATED", known, 1, { server_side: known.server });
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
      if (path === 1) this.#say("ESTABLISHED", known, path, { server_side: known.server });
      else this.#say("SF_ESTABLISHED", known, path, {});
    } else if (change === "left") {
      const reset = known.resets.get(path);
      this.#say("SF_CLOSED", known, path, {
        ...(reason !== null && { error: reason }),
        ...(reset && { reset_reason: reset.reason, reset_flags: reset.transient ? 1 : 0 }),
      });
      known.subflows.delete(path);
      known.resets.delete(path);
    } else if (change === "priority") {
      const ends = known.subflows.get(path);
      if (ends !== undefined) ends.backup = reason === "backup";
      this.#say("SF_PRIO", known, path, {});
    }
  }

  subflowReset(
    _: Micros,
    id: number,
    path: number,
    _by: string,
    reason: number,
    transient: boolean,
  ): void {
    this.#known.get(id)?.resets.set(path, { reason, transient });
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
    if (change === "removed") this.#tell({ event: "REMOVED", token, remid });
    else this.#tell({ event: "ANNOUNCED", token, remid, daddr, ...(dport > 0 && { dport }) });
  }

  connectionClosed(_: Micros, id: number, code: string | null): void {
    const known = this.#known.get(id);
    this.#known.delete(id);
    if (known === undefined || !known.mptcp) return;
    this.#tell({ event: "CLOSED", token: known.token, ...(code !== null && { error: code }) });
  }

  #say(event: string, known: Known, path: number, more: Partial<ControlEvent>): void {
    this.#tell({ event, token: known.token, ...known.subflows.get(path), ...more });
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

/** Tells events to a client until it goes. */
async function monitor(host: Host, conn: Deno.Conn): Promise<void> {
  const waiting: ControlEvent[] = [];
  let wake = (): void => {};
  let gone = false;
  const end = (): void => {
    gone = true;
    wake();
  };
  const unwatch = host.watch(
    new Watch((event) => {
      if (waiting.push(event) > MOST_WAITING) end();
      wake();
    }),
  );
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

async function answer(host: Host, conn: Deno.Conn): Promise<void> {
  try {
    const text = await readLine(conn);
    if (text === null) return;
    let command: unknown;
    try {
      command = (JSON.parse(text) as { command?: unknown } | null)?.command;
    } catch {
      // Answered below: it is no command.
    }
    if (command === "ss") await writeAll(conn, line({ ok: host.info() }));
    else if (command === "nstat") await writeAll(conn, line({ ok: host.counters }));
    else if (command === "monitor") await monitor(host, conn);
    else {
      const error = `Unknown command ${JSON.stringify(command)}: it must be ss, nstat or monitor`;
      await writeAll(conn, line({ error }));
    }
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
 * Opens a control socket for `host` at `path`: its owner alone may connect (mode 600). What it tells is what the program itself could: figures, counters, events;
 * it changes nothing. It does not keep the program running, and is closed by `close()` alone. A socket that is left at `path` by a program that has ended is
 * replaced.
 *
 * @throws {Deno.errors.AddrInUse} another host has its socket there.
 * @throws {Deno.errors.NotCapable} without `--allow-read` and `--allow-write` for the path.
 *
 * @example `mptcp ss --control /run/user/1000/mine.sock` then shows what the program has open
 * ```ts ignore
 * import { Host, serveControl } from "@mptcp/mptcp";
 *
 * using control = await serveControl(host, "/run/user/1000/mine.sock");
 * ```
 */
export async function serveControl(host: Host, path: string): Promise<Control> {
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
      answer(host, conn).finally(() => clients.delete(conn));
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
    Deno.removeSync(path);
    void accepting;
  };
  return { path, close, [Symbol.dispose]: close };
}
