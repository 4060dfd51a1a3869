/** How far a pool is, where the standard error is no terminal. */

import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { RUN } from "../support/command.ts";

/** The lines that a pool of `total` writes which comes to each of `steps`. */
async function linesOf(total: number, steps: readonly number[]): Promise<string[]> {
  const module = new URL("../../bench/pool_progress.ts", import.meta.url).href;
  const config = new URL("../../deno.json", import.meta.url).href;
  const program = `import { PoolProgress } from ${JSON.stringify(module)};
using progress = new PoolProgress(${total}, "runs");
for (const done of ${JSON.stringify(steps)}) progress.update(done);`;
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/program.ts`, program);
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...RUN,
        "--config",
        fileURLToPath(config),
        "--no-check",
        "--quiet",
        `${directory}/program.ts`,
      ],
      env: { NO_COLOR: "1" },
    }).output();
    return new TextDecoder().decode(stderr).trim().split("\n");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a pool tells each tenth in a line, of few runs parts of one, and no line twice", async () => {
  assertEquals(await linesOf(11, [7.0, 7.8, 8.9, 11]), [
    "7 of 11 runs",
    "8 of 11 runs",
    "11 of 11 runs",
  ]);
  assertEquals(await linesOf(2, [0.25, 0.4, 1, 2]), [
    "0.2 of 2 runs",
    "0.4 of 2 runs",
    "1 of 2 runs",
    "2 of 2 runs",
  ]);
});
