/** What `deno task NAME --help` does where a task takes words of its own. */

import { describe, it } from "@std/testing/bdd";
import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ROOT } from "./support/serve.ts";

describe("a task that takes files", () => {
  for (const task of ["mptcp sim bulk", "demo", "bench", "leaderboard"]) {
    it(`${task}: looks for them where who calls it is`, async () => {
      const folder = await Deno.realPath(await Deno.makeTempDir({ suffix: " of mine" }));
      try {
        const { code, stderr } = await new Deno.Command(Deno.execPath(), {
          args: [
            "task",
            "-q",
            `--config=${fileURLToPath(new URL("deno.json", ROOT))}`,
            ...task.split(" "),
            "--scheduler",
            "./none.ts",
          ],
          cwd: folder,
          // As it is where no task calls another one.
          env: { NO_COLOR: "1", INIT_CWD: folder },
          signal: AbortSignal.timeout(60e3),
        }).output();
        const said = new TextDecoder().decode(stderr);
        assertStringIncludes(said, `${pathToFileURL(folder)}/none.ts`);
        assertNotEquals(code, 0);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
});

describe("--help of a task that builds or runs something", () => {
  for (
    const task of [
      "pack",
      "playground",
      "docs",
      "mutants",
      "interop",
      "compliance",
      "serve",
      "test",
    ]
  ) {
    it(`${task}: says what may be written, and does nothing`, async () => {
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "-q", task, "--help"],
        cwd: ROOT,
        env: { NO_COLOR: "1" },
        signal: AbortSignal.timeout(60e3),
      }).output();
      const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
      assertEquals(code, 0);
      assert(lines[0]!.startsWith(`deno task ${task}`), lines[0]);
      for (const line of lines) assertLessOrEqual(line.length, 100, line);
      assertEquals(lines.filter((line) => /^(pass|Wrote|Serving|.*killed)/.test(line)), []);
    });
  }
});
