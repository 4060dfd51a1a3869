/** What a worker does of the further tables: one row. */

import { policiesOf } from "../policies.ts";
import { TABLES } from "./mod.ts";
import type { Row } from "./table.ts";

/** A row, and what it is measured with. */
export interface RowJob {
  readonly table: string;
  readonly row: string;
  readonly scheduler: string;
  readonly congestion: string;
}

/** Measures it. */
export async function run({ table, row, scheduler, congestion }: RowJob): Promise<Row> {
  const kind = TABLES[table];
  if (kind === undefined) {
    throw new RangeError(`Cannot measure "${table}" as there is no such table`);
  }
  return await kind.run(row, await policiesOf(scheduler, congestion));
}
