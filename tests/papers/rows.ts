/** All rows, in the order of the table. */

import { RECEIVE_BUFFER } from "./receive_buffer.ts";
import { REQUESTS } from "./requests.ts";
import type { PaperRow } from "./row.ts";
import { SIMULT_FLOWS } from "./simult_flows.ts";

/** All of them. */
export const ROWS: readonly PaperRow[] = [
  RECEIVE_BUFFER,
  SIMULT_FLOWS,
  REQUESTS,
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
