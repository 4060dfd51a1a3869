/** What `deno task NAME --help` does where a task takes words of its own. */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { ROOT } from "./support/serve.ts";

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
