/**
 * One measurement of bench/scale.ts, in a process of its own: `scale_load.ts CONNECTIONS` prints a {@linkcode ScaleFigures} as JSON. Two stacks on an
 * emulated network of two paths hold so many connections with two subflows each. Needs --v8-flags=--expose-gc.
 */

import { cpuUsage, memoryUsage } from "node:process";
import { print } from "../cli/output.ts";
import type { StackUsage } from "../core/host/stack.ts";
import { KEY_SIZE } from "../wasm/layout.ts";
import { Crowd } from "./crowd.ts";

/** What is measured with so many connections. */
export interface ScaleFigures {
  /** Microseconds of processor to open one, both ends and the second subflow together. */
  readonly open: number;
  /** Bytes that one end of an idle one holds, JavaScript and WebAssembly together. */
  readonly held: number;
  /** Those of them in WebAssembly memory. */
  readonly heldWasm: number;
  /** Microseconds of processor for a packet at one end, one connection being busy, the others idle. */
  readonly one: number;
  /** The same where all take turns. */
  readonly all: number;
  /** Microseconds of processor to close one, both ends. */
  readonly close: number;
  /** What is left when all are closed and TIME-WAIT is over, at both ends together. */
  readonly left: StackUsage;
}

/** Packets before anything is timed, and packets that are. */
const WARM_UP = 200_000;
const PACKETS = 60_000;
/** Packets before those: opening connections has V8 throw away what it had compiled for carrying data, which cost two to five times as much at first. */
const SETTLING = 160_000;
/** Two full segments: the second one has both acknowledged at once. */
const PIECE = new Uint8Array(2 * 1380);

const { gc } = globalThis as { gc?: () => void };
if (gc === undefined) throw new Error("Cannot count bytes without --v8-flags=--expose-gc");

/** Microseconds of processor so far. */
function processor(): number {
  const { user, system } = cpuUsage();
  return user + system;
}

function heap(): number {
  gc!();
  gc!();
  return memoryUsage().heapUsed;
}

/** Has the connections of `crowd` from `first` up to `end` send in turns, so many packets; returns the processor time of each. */
function takeTurns(crowd: Crowd, end: number, packets: number): number {
  const start = processor();
  const before = crowd.packets;
  for (let i = 0; crowd.packets - before < packets; i = i + 1 === end ? 0 : i + 1) {
    crowd.send(i, PIECE);
  }
  return (processor() - start) / (crowd.packets - before);
}

const connections = Number(Deno.args[0]);
if (!Number.isInteger(connections) || connections < 1) {
  throw new RangeError(`Cannot hold "${Deno.args[0]}" connections as it must be a whole number`);
}
{
  // Compiled by others than those that are measured.
  using crowd = new Crowd();
  crowd.open(200);
  takeTurns(crowd, 200, WARM_UP);
  takeTurns(crowd, 1, WARM_UP);
  crowd.close();
}
using crowd = new Crowd();
const empty = heap();
let start = processor();
crowd.open(connections);
const open = (processor() - start) / connections;
crowd.rest();
const bytes = crowd.bytes + 4 * connections * KEY_SIZE;
const held = (heap() - empty + bytes) / (2 * connections);
takeTurns(crowd, 1, SETTLING);
const one = takeTurns(crowd, 1, PACKETS);
takeTurns(crowd, connections, Math.max(PACKETS / 4, 4 * connections));
const all = takeTurns(crowd, connections, Math.max(PACKETS, 8 * connections));
start = processor();
crowd.close();
const close = (processor() - start) / connections;
const figures: ScaleFigures = {
  open,
  held,
  heldWasm: bytes / (2 * connections),
  one,
  all,
  close,
  left: crowd.usage,
};
print(JSON.stringify(figures));
