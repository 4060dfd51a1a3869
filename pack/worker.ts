/** A worker of the command in Node and Bun. */

import "./compat.ts";
import "../bench/pool_worker.ts";
