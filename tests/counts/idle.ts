/**
 * Bytes that an end of an idle connection with two subflows holds, in JavaScript and in WebAssembly memory, and that it has left behind when it is closed and TIME-WAIT is
 * over, as JSON; run in a process of its own by count.ts, which sets the flags of V8. `idle.ts used` has each connection carry data first, `idle.ts control` gives each end
 * an array of eight places.
 */

import { memoryUsage } from "node:process";
import { Crowd } from "../../bench/crowd.ts";
import { print } from "../../cli/output.ts";
import { KEY_SIZE } from "../../wasm/layout.ts";

/** Connections that are there before any is counted, so that the code is compiled and tables have begun, and those that are counted. */
const WARM_UP = 200;
const COUNTED = 500;
const PIECE = new Uint8Array(2 * 1380);

const { gc } = globalThis as { gc?: () => void };
if (gc === undefined) throw new Error("Cannot count bytes without --v8-flags=--expose-gc");

const [what] = Deno.args;
const used = what === "used";
/** What shows that bytes are counted. */
let ballast: unknown[] = [];

/** Bytes in use in JavaScript. */
function heap(): number {
  gc!();
  gc!();
  return memoryUsage().heapUsed;
}

using crowd = new Crowd();

/** Opens so many more, which then rest. */
function open(connections: number): void {
  const first = crowd.mine.length;
  crowd.open(connections);
  if (used) { for (let i = first; i < crowd.mine.length; i++) crowd.send(i, PIECE); }
  crowd.rest();
  if (what !== "control") return;
  for (let i = 0; i < 2 * connections; i++) ballast.push([i, 1, 2, 3, 4, 5, 6, 7]);
}

/** Closes all but the first. */
function close(): void {
  crowd.close(WARM_UP);
  ballast = [];
}

// What the last round finds is compiled, and what it takes it gives back.
open(WARM_UP);
for (let round = 0; round < 6; round++) {
  open(COUNTED);
  close();
}
const before = heap();
const bytes = crowd.bytes;
open(COUNTED);
const held = (heap() - before) / (2 * COUNTED);
const heldWasm = (crowd.bytes - bytes) / (2 * COUNTED) + 2 * KEY_SIZE;
close();
const left = (heap() - before) / (2 * COUNTED);
print(JSON.stringify({ held: held + heldWasm, heldWasm, left }));
