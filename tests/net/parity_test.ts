/** The same programs on `Deno.TcpConn` and `Deno.Listener`, on loopback, and on those of this library: what they see is the same, or listed with its reason. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { emulate } from "../../mod.ts";

/** What both sides have. The types say that ours fit: this assignment is checked by the compiler. */
interface World {
  readonly conn: Deno.TcpConn;
  readonly peer: Deno.TcpConn;
  readonly listener: Deno.Listener<Deno.TcpConn, Deno.NetAddr>;
  connect(port: number, signal?: AbortSignal): Promise<Deno.TcpConn>;
  /** Time in which what was sent arrives. */
  pass(): Promise<unknown>;
}

/** Tells what happens, in its order. */
type See = (what: string, value: unknown) => void;
type Program = (world: World, see: See) => Promise<void>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What a call gives, or its error. */
async function outcome(call: () => unknown): Promise<string> {
  try {
    // What is typed void is null in some of Deno's calls and undefined in others.
    return JSON.stringify(await call() ?? null);
  } catch (error) {
    return (error as Error).name;
  }
}

async function readAll(conn: Deno.Conn): Promise<string> {
  const text: string[] = [];
  const buffer = new Uint8Array(100);
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    text.push(new TextDecoder().decode(buffer.subarray(0, n)));
  }
  return text.join("");
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  "half close: the other direction goes on": async ({ conn, peer }, see) => {
    await conn.write(bytes("ask"));
    see("closeWrite", await outcome(() => conn.closeWrite()));
    see("peer reads", await readAll(peer));
    see("end again", await outcome(() => peer.read(new Uint8Array(1))));
    await peer.write(bytes("answer"));
    peer.close();
    see("reads", await readAll(conn));
    see("write after closeWrite", await outcome(() => conn.write(bytes("x"))));
  },
  "calls after close": async ({ conn }, see) => {
    conn.close();
    see("read", await outcome(() => conn.read(new Uint8Array(1))));
    see("write", await outcome(() => conn.write(bytes("x"))));
    see("closeWrite", await outcome(() => conn.closeWrite()));
  },
  "close twice": async ({ conn }, see) => {
    conn.close();
    see("close", await outcome(() => conn.close()));
  },
  "a read that waits when it is closed": async ({ conn, pass }, see) => {
    const waiting = outcome(() => conn.read(new Uint8Array(1)));
    await pass();
    conn.close();
    see("read", await waiting);
  },
  "two reads at once": async ({ conn, peer, pass }, see) => {
    const one = outcome(() => conn.read(new Uint8Array(1)));
    const two = outcome(() => conn.read(new Uint8Array(1)));
    await pass();
    await peer.write(bytes("ab"));
    see("first", await one);
    see("second", await two);
  },
  "nothing to read or to write": async ({ conn }, see) => {
    see("read", await outcome(() => conn.read(new Uint8Array(0))));
    see("write", await outcome(() => conn.write(new Uint8Array(0))));
  },
  "reads that are shorter than what came": async ({ conn, peer, pass }, see) => {
    await peer.write(bytes("abcdef"));
    await pass();
    for (const length of [4, 4]) see("read", await conn.read(new Uint8Array(length)));
  },
  "what was written before close arrives": async ({ conn, peer }, see) => {
    see("write", await conn.write(bytes("last words")));
    conn.close();
    see("peer", await readAll(peer));
  },
  "streams: the end of one leaves the other": async ({ conn, peer }, see) => {
    const writer = conn.writable.getWriter();
    await writer.write(bytes("by stream"));
    see("close", await outcome(() => writer.close()));
    see("peer", await new Response(peer.readable).text());
    see("write on", await outcome(() => peer.write(bytes("x"))));
  },
  "addresses": async ({ conn, peer, listener }, see) => {
    see("same pair", [
      JSON.stringify(conn.localAddr) === JSON.stringify(peer.remoteAddr),
      JSON.stringify(conn.remoteAddr) === JSON.stringify(peer.localAddr),
    ]);
    see("kind", [conn.localAddr.transport, Object.keys(conn.localAddr).sort()]);
    see("port", peer.localAddr.port === listener.addr.port);
    await Promise.resolve();
  },
  "options and references": async ({ conn }, see) => {
    for (const call of ["setNoDelay", "setKeepAlive", "ref", "unref"] as const) {
      see(call, await outcome(() => conn[call]()));
    }
    conn.ref();
  },
  "using closes": async ({ conn, peer }, see) => {
    {
      using _ = conn;
    }
    see("read", await outcome(() => conn.read(new Uint8Array(1))));
    see("peer", await readAll(peer));
  },
  "a listener that is closed while accept() waits": async ({ listener, pass }, see) => {
    const waiting = outcome(() => listener.accept());
    await pass();
    listener.close();
    see("accept", await waiting);
    see("accept again", await outcome(() => listener.accept()));
  },
  "iteration ends when the listener is closed": async ({ listener, connect, pass }, see) => {
    const seen: string[] = [];
    const iterating = (async () => {
      for await (const conn of listener) {
        seen.push("connection");
        conn.close();
      }
      seen.push("end");
    })();
    (await connect(listener.addr.port)).close();
    await pass();
    listener.close();
    await iterating;
    see("iteration", seen);
  },
  "connections that wait are accepted in their order": async ({ listener, connect }, see) => {
    const both = [await connect(listener.addr.port), await connect(listener.addr.port)];
    for (const conn of both) {
      using accepted = await listener.accept();
      see("order", accepted.remoteAddr.port === conn.localAddr.port);
      conn.close();
    }
  },
  "nobody listens": async ({ listener, connect }, see) => {
    const { port } = listener.addr;
    listener.close();
    see("connect", await outcome(() => connect(port)));
  },
  "an attempt that is given up": async ({ connect, listener }, see) => {
    const signal = AbortSignal.abort();
    see("connect", await outcome(() => connect(listener.addr.port, signal)));
  },
  "a peer that closes and has not read all": async ({ conn, peer, pass }, see) => {
    await conn.write(bytes("unread"));
    await pass();
    peer.close();
    await pass();
    see("read", await outcome(() => conn.read(new Uint8Array(1))));
    see("write", await outcome(() => conn.write(bytes("x"))));
  },
  "writes after the peer has closed": async ({ conn, peer, pass }, see) => {
    peer.close();
    await pass();
    see("read", await outcome(() => conn.read(new Uint8Array(1))));
    see("write", await outcome(() => conn.write(bytes("x"))));
    await pass();
    see("write again", await outcome(() => conn.write(bytes("x"))));
  },
  "a write that waits when it is closed": async ({ conn, pass }, see) => {
    const writing = outcome(() => conn.writable.getWriter().write(new Uint8Array(5e7)));
    await pass();
    conn.close();
    see("write", await writing);
  },
};

/** What both see where it is not the same, and why it is not. */
interface Difference {
  readonly why: string;
  readonly deno: readonly string[];
  readonly ours: readonly string[];
}

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "close twice": {
    why: "close() may be called by whoever is done, after `using` too: there is nothing to report",
    deno: ['close: "BadResource"'],
    ours: ['close: "null"'],
  },
  "two reads at once": {
    why: "neither reader could tell which part of the stream it got: a mistake that is told",
    deno: ['first: "1"', 'second: "1"'],
    ours: ['first: "1"', 'second: "Busy"'],
  },
  "a peer that closes and has not read all": {
    why: "it was reset, which is no end: a program must not take a part of an answer for the whole",
    deno: ['read: "null"', 'write: "BrokenPipe"'],
    ours: ['read: "ConnectionReset"', 'write: "ConnectionReset"'],
  },
  "writes after the peer has closed": {
    why: "the first write is answered by a reset, and that is what the next one tells",
    deno: ['read: "null"', 'write: "1"', 'write again: "BrokenPipe"'],
    ours: ['read: "null"', 'write: "1"', 'write again: "ConnectionReset"'],
  },
  "streams: the end of one leaves the other": {
    why: "Deno closes the connection when its `readable` has been read to the end; ours is half " +
      "closed, as TCP is, so that a server can read all of a request and answer then",
    deno: ['close: "null"', 'peer: "by stream"', 'write on: "BadResource"'],
    ours: ['close: "null"', 'peer: "by stream"', 'write on: "1"'],
  },
};

/** What a program sees in Deno's own connections. */
async function onLoopback(program: Program): Promise<string[]> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connect = (port: number, signal?: AbortSignal): Promise<Deno.TcpConn> =>
    Deno.connect({ hostname: "127.0.0.1", port, ...(signal && { signal }) });
  const [conn, peer] = await Promise.all([connect(listener.addr.port), listener.accept()]);
  const pass = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  return await watch(program, { conn, peer, listener, connect, pass });
}

/** What it sees in ours. */
async function onEmulation(program: Program): Promise<string[]> {
  await using net = emulate({
    paths: { a: { rate: "50 Mbit/s", delay: "5 ms" }, b: { rate: "20 Mbit/s", delay: "9 ms" } },
  });
  const listener = net.server.listen({ port: 80 });
  const connect = (port: number, signal?: AbortSignal): Promise<Deno.TcpConn> =>
    net.client.connect({ hostname: "server", port, ...(signal && { signal }) });
  const [conn, peer] = await Promise.all([connect(80), listener.accept()]);
  return await watch(program, { conn, peer, listener, connect, pass: () => net.sleep("100 ms") });
}

async function watch(program: Program, world: World): Promise<string[]> {
  const seen: string[] = [];
  await program(world, (what, value) => seen.push(`${what}: ${JSON.stringify(value)}`));
  for (const one of [world.conn, world.peer, world.listener]) {
    try {
      one.close();
    } catch {
      // The program has.
    }
  }
  return seen;
}

describe("a program sees the same as on Deno's connections", () => {
  for (const [name, program] of Object.entries(PROGRAMS)) {
    it(name, async () => {
      const [deno, ours] = [await onLoopback(program), await onEmulation(program)];
      const listed = DIFFERENCES[name];
      if (listed === undefined) return assertEquals(ours, deno);
      assertEquals({ deno, ours }, { deno: listed.deno, ours: listed.ours });
    });
  }

  it("and no difference is listed that is none", () => {
    for (const [name, { deno, ours }] of Object.entries(DIFFERENCES)) {
      if (!(name in PROGRAMS)) throw new Error(`There is no program "${name}"`);
      if (JSON.stringify(deno) === JSON.stringify(ours)) throw new Error(`"${name}" is the same`);
    }
  });
});
