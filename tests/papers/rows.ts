/** All rows, in the order of the table. */

import { BLEST } from "./blest.ts";
import { BURSTY_CBR } from "./bursty_cbr.ts";
import { RECEIVE_BUFFER } from "./receive_buffer.ts";
import { REQUESTS } from "./requests.ts";
import type { PaperRow } from "./row.ts";
import { SCENARIO_A } from "./scenario_a.ts";
import { SHARED_BOTTLENECK } from "./shared_bottleneck.ts";
import { SIMULT_FLOWS } from "./simult_flows.ts";
import { TORUS } from "./torus.ts";

/** All of them. */
export const ROWS: readonly PaperRow[] = [
  TORUS,
  BURSTY_CBR,
  SHARED_BOTTLENECK,
  SCENARIO_A,
  RECEIVE_BUFFER,
  SIMULT_FLOWS,
  REQUESTS,
  BLEST,
];

/**
 * The row of a name.
 *
 * @throws {RangeError} There is none.
 */
export function rowOf(name: string): PaperRow {
  const row = ROWS.find((each) => each.name === name);
  if (row !== undefined) return row;
  const names = ROWS.map((each) => each.name).join(", ");
  throw new RangeError(`There is no row "${name}": the rows are ${names}`);
}
