import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { serveRepository } from "../support/serve.ts";

/** An author's own test: a sound scheduler, and one with a mistake. */
const PROGRAM = (base: string): string => `
import { brokenRules, conformance } from "${base}tests/kit/mod.ts";
import { minRtt } from "${base}sched/mod.ts";
import type { SchedulerPlugin } from "${base}core/plugin.ts";

function last(): SchedulerPlugin {
  return { kind: "scheduler", name: "last", create: () => ({ pick: (ready) => ready.at(-1) ?? null }) };
}

for (const rule of conformance(last())) Deno.test(rule.name, rule.check);
const lazy = { ...last(), name: "lazy", create: () => ({ pick: () => null }) };
console.log(brokenRules(minRtt()).length, brokenRules(lazy)[0]?.rule);
`;

describe("the plugin kit by URL", () => {
  it("runs in an author's own test, outside the clone, with no permission but to import", async () => {
    let base = "";
    await using _server = serveRepository({ port: 0, onListen: (url) => base = url });
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/last_test.ts`, PROGRAM(base));
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "--no-prompt", `--allow-import=${new URL(base).host}`, "last_test.ts"],
        cwd: folder,
        env: { NO_COLOR: "1", DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
      }).output();
      const text = new TextDecoder().decode(stdout);
      assertEquals(code, 0, text + new TextDecoder().decode(stderr));
      assertEquals(text.includes("0 waits-end"), true, text);
      assertEquals(/\n1\d passed|ok \| 1\d passed/.test(text), true, text);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
