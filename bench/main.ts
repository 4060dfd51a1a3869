/** `deno task bench`: everything, or where a scheduler or a network is named what has to do with it, the schedulers. */

import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const own = Deno.args.length > 0;
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    "bench",
    "-A",
    `--config=${at("../deno.json")}`,
    `--lock=${at("../deno.lock")}`,
    "--frozen",
    ...own ? [at("compare_bench.ts"), "--", ...Deno.args] : [],
  ],
  // Files that are named are where who calls it is; benchmarks that are not are found in the clone.
  ...!own && { cwd: at("..") },
}).spawn().status;
Deno.exit(code);
