/** The scenarios, under the names that the kernel's own tests have for them. */

import { CHANGES } from "./changes.ts";
import { JOINS } from "./joins.ts";
import type { Scenario } from "./scenario.ts";
import { SOCKETS } from "./sockets.ts";
import { USERSPACE } from "./userspace.ts";

/** All of them. */
export const SCENARIOS: readonly Scenario[] = [...JOINS, ...CHANGES, ...USERSPACE, ...SOCKETS];
