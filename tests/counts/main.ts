/** `deno run -A tests/counts/main.ts` prints every figure that the tests beside it hold against a limit. */

import { print } from "../../cli/output.ts";
import {
  countAcknowledgements,
  countCrossings,
  countGarbage,
  countIdle,
  table,
  total,
} from "./count.ts";
import { ACKNOWLEDGEMENT_LIMIT, IDLE_LIMITS, LIMITS } from "./limits.ts";

print("Bytes of garbage per packet");
for (const [load, limit] of LIMITS.garbage) {
  print(`  ${load.padEnd(20)} ${(await countGarbage(load)).toFixed(1)} (limit ${limit})`);
}
print(`Bytes of garbage per acknowledgement (limit ${ACKNOWLEDGEMENT_LIMIT})`);
for (const [name, bytes] of await countAcknowledgements()) {
  // What shows that garbage is counted has no limit.
  if (name !== "control") print(`  ${name.padEnd(20)} ${bytes.toFixed(1)}`);
}
print("Bytes that an end of an idle connection with two subflows holds");
for (const what of ["idle", "used"] as const) {
  const { held, heldWasm, left } = await countIdle(what);
  const parts = `${heldWasm.toFixed(0)} in WebAssembly, ${left.toFixed(0)} left when closed`;
  print(`  ${what.padEnd(20)} ${held.toFixed(0)} (limit ${IDLE_LIMITS[what]}); ${parts}`);
}
for (const [load, limit] of LIMITS.crossings) {
  const calls = await countCrossings(load);
  print(`Calls into WebAssembly per packet, ${load}: ${total(calls).toFixed(2)} (limit ${limit})`);
  print(table(calls));
}
