/**
 * The first connections to a destination of which nothing is known, on a client whose first address is that of the slower path, or of a dead one. No local
 * address is given: the host chooses.
 */

import { emulate, type EmulateOptions, type Emulation } from "../../../mod.ts";
import type { Policies } from "../../../core/guard/policies.ts";
import type { Micros } from "../../../core/plugin.ts";
import { sayFaults } from "../../../core/net/faults.ts";
import { type CellPath, pathName, sizeName } from "../cells.ts";
import { rowOf, type TableKind } from "./table.ts";

/** What the first path is like. */
interface Case {
  readonly name: string;
  /** That of the first address, and the other one. */
  readonly first: CellPath;
  readonly second: CellPath;
  readonly size: number;
  /** The first path carries nothing. */
  readonly dead: boolean;
}

const SLOW_AND_FAST: readonly (readonly [first: CellPath, second: CellPath])[] = [
  [{ mbit: 8, rtt: 40 }, { mbit: 50, rtt: 10 }],
  [{ mbit: 20, rtt: 100 }, { mbit: 50, rtt: 20 }],
  [{ mbit: 2, rtt: 40 }, { mbit: 100, rtt: 10 }],
  [{ mbit: 50, rtt: 300 }, { mbit: 20, rtt: 20 }],
  [{ mbit: 2, rtt: 300 }, { mbit: 20, rtt: 40 }],
  [{ mbit: 2, rtt: 1000 }, { mbit: 20, rtt: 40 }],
];
const SIZES: readonly number[] = [10e3, 100e3, 1e6];

const CASES: readonly Case[] = [
  ...SLOW_AND_FAST.flatMap(([first, second]) =>
    SIZES.map((size): Case => ({
      name: `${pathName(first)} first, then ${pathName(second)}, ${sizeName(size)}`,
      first,
      second,
      size,
      dead: false,
    }))
  ),
  ...SIZES.map((size): Case => ({
    name: `a dead one first, then 20/20, ${sizeName(size)}`,
    first: { mbit: 20, rtt: 20 },
    second: { mbit: 20, rtt: 20 },
    size,
    dead: true,
  })),
];

/** Milliseconds that a client may wait for the first path before it tries the next. */
const PATIENCE = 250;
/** The rest that it may lose. */
const REST = 1.1;
/** Milliseconds within which connect() works where the first path is dead. */
const DEAD = 600;
/** Addresses of the client, by path. */
const ADDRESSES = ["10.0.1.1", "10.0.2.1"];
const REQUEST = new Uint8Array(200);

/** What a connection took. */
interface Fetched {
  /** Until connect() has resolved. */
  readonly connected: Micros;
  /** Until the last byte has come. */
  readonly time: Micros;
  /** The address that its first subflow is of. */
  readonly local: string;
}

/** Opens a connection, asks, and reads the answer to its end. */
async function fetchOver(net: Emulation, size: number, localAddress?: string): Promise<Fetched> {
  using listener = net.server.listen({ port: 80 });
  const start = net.now;
  const [conn, served] = await Promise.all([
    net.client.connect({
      hostname: "server",
      port: 80,
      ...(localAddress !== undefined && { localAddress }),
    }).then(async (conn) => {
      const connected = net.now - start;
      await conn.write(REQUEST);
      return { conn, connected };
    }),
    listener.accept().then(async (peer) => {
      const request = new Uint8Array(REQUEST.length);
      for (let read = 0; read < request.length;) {
        read += await peer.read(request.subarray(read)) ?? request.length;
      }
      // Its end is awaited below, once the client has read all.
      const written = peer.write(new Uint8Array(size)).then(() => peer.closeWrite());
      return { peer, written };
    }),
  ]);
  using client = conn.conn;
  using _peer = served.peer;
  const block = new Uint8Array(65536);
  let received = 0;
  for (let count = await client.read(block); count !== null; count = await client.read(block)) {
    received += count;
  }
  const time = net.now - start;
  if (received !== size) throw new Error(`${received} of ${size} bytes came`);
  await served.written;
  return { connected: conn.connected, time, local: client.localAddr.hostname };
}

/** What a connection took; where none comes about, for ever. */
async function tryToFetch(net: Emulation, size: number): Promise<Fetched> {
  try {
    return await fetchOver(net, size);
  } catch (error) {
    if (!(error instanceof Deno.errors.TimedOut)) throw error;
    return { connected: Infinity, time: Infinity, local: "none" };
  }
}

function optionsOf(
  { first, second }: Case,
  policies: Policies,
  faults: string[],
): EmulateOptions {
  const path = ({ mbit, rtt }: CellPath) => ({
    rate: `${mbit} Mbit/s` as const,
    delay: `${rtt / 2} ms` as const,
  });
  return {
    ...policies,
    paths: { first: path(first), second: path(second) },
    onPluginFault: sayFaults((line) => faults.push(line)),
  };
}

/** The table. */
export const FIRST_PATH: TableKind = {
  title:
    "First connections to an unknown destination, the first address that of the slower path, or of a dead one; Mbit/s and ms of the round trip",
  rows: CASES.map(({ name }) => name),
  async run(name, policies) {
    const one = rowOf(CASES, name);
    const { first, size, dead } = one;
    const faults: string[] = [];
    const options = optionsOf(one, policies, faults);
    let best = Infinity;
    for (const address of dead ? ADDRESSES.slice(1) : ADDRESSES) {
      await using net = emulate({ ...options, mptcp: false });
      best = Math.min(best, (await fetchOver(net, size, address)).time);
    }
    await using net = emulate(options);
    if (dead) net.path("first").cut();
    const { connected, time } = await tryToFetch(net, size);
    const again = await tryToFetch(net, size);
    const wait = dead ? PATIENCE : Math.min(PATIENCE, first.rtt);
    return {
      figures: {
        "connect(), ms": { value: connected / 1e3, ...(dead && { most: DEAD }) },
        "TCP on the better path, ms": { value: best / 1e3 },
        "MPTCP, ms": { value: time / 1e3, most: Math.round(best / 1e3 * REST + wait) },
        "the second connection, ms": { value: again.time / 1e3 },
        "began on the faster path": { value: again.local === ADDRESSES[1] ? 1 : 0, least: 1 },
      },
      faults,
    };
  },
};
