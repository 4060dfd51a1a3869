/**
 * How many of so many closed connections are still held: `closed_load.ts CONNECTIONS` prints the number. Each had a deadline hours away when it was closed,
 * and another one, which is not closed, has one before that.
 * Needs --v8-flags=--expose-gc.
 */

import { print } from "../../cli/output.ts";
import { Crowd } from "../../bench/crowd.ts";

const { gc } = globalThis as unknown as { gc(): void };

using crowd = new Crowd();

/** Opens them, and closes them; what refers to them ends with the call. */
function refer(connections: number): WeakRef<object>[] {
  crowd.open(1 + connections);
  crowd.keepAlive({ idle: 7200e6, interval: 75e6, count: 9 });
  // Filed by that deadline, not by one that has passed since.
  crowd.rest();
  const sockets = [...crowd.mine.slice(1), ...crowd.theirs.slice(1)];
  crowd.close(1);
  return sockets.map((socket) => new WeakRef(socket));
}

const references = refer(Number(Deno.args[0]));
// What a reference has been made for lives until the task ends.
await new Promise((resolve) => setTimeout(resolve));
gc();
print(`${references.filter((reference) => reference.deref() !== undefined).length}`);
