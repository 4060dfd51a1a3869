/** `deno task bench`: everything, or where a scheduler or a network is named what has to do with it, the schedulers. */

import { fileURLToPath } from "node:url";

const schedulers = Deno.args.length > 0
  ? [fileURLToPath(new URL("compare_bench.ts", import.meta.url)), "--", ...Deno.args]
  : [];
const lock = fileURLToPath(new URL("../deno.lock", import.meta.url));
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["bench", "-A", `--lock=${lock}`, "--frozen", ...schedulers],
}).spawn().status;
Deno.exit(code);
