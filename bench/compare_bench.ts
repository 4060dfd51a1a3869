/** Compares the schedulers of this repository, and those named by `deno task bench --scheduler NAME|FILE|URL[,key=value…]`. */

import { BUILT_INS } from "../cli/policies.ts";
import { loadPlugin } from "../mod.ts";
import { readSchedulers } from "./arguments.ts";
import { compare } from "./mod.ts";

const builtIns = BUILT_INS.scheduler;
const own = readSchedulers(Deno.args);
const others = Object.keys(builtIns).filter((name) => !own.includes(name));
compare({
  schedulers: await Promise.all(
    [...others, ...own].map((text) => loadPlugin("scheduler", text, { builtIns })),
  ),
});
