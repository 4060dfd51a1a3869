/** How tests start programs of this tree. */

import { fileURLToPath } from "node:url";

const LOCK = fileURLToPath(new URL("../deno.lock", import.meta.url));

/** Words for Deno: with the packages of the tests' lock, which are there, as a namespace has no registry to ask what others there are. */
export const RUN: readonly string[] = ["run", "-A", `--lock=${LOCK}`, "--frozen"];
