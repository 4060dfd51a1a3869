/** The further tables of `deno task bench:promise`, by name. */

import { BULK } from "./bulk.ts";
import { GOALS } from "./goals.ts";
import { FIRST_PATH } from "./first_path.ts";
import { REQUESTS_TABLE } from "./requests.ts";
import { STREAMING } from "./streaming.ts";
import type { TableKind } from "./table.ts";

/** All of them. */
export const TABLES: Readonly<Record<string, TableKind>> = {
  bulk: BULK,
  requests: REQUESTS_TABLE,
  streaming: STREAMING,
  "first-path": FIRST_PATH,
  goals: GOALS,
};
