import { describe } from "@std/testing/bdd";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { needs } from "../support/tools.ts";
import { readMutants, tryMutant } from "./run.ts";

const PATCH = (from: string, to: string): string =>
  `--- a/add.ts\n+++ b/add.ts\n@@ -1 +1 @@\n-${from}\n+${to}\n`;
const ADD = "export const add = (a: number, b: number): number => a + b;";
const TEST = `import { add } from "../add.ts";
Deno.test("sums", async (t) => {
  await t.step("adds # two", () => { if (add(2, 3) !== 5) throw new Error("wrong"); });
});
`;

describe("mutants", () => {
  needs("git").it("must make the test fail that they name", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const root = new URL(`file://${folder}/`);
      await Deno.mkdir(new URL("tests/", root));
      await Deno.writeTextFile(new URL("deno.json", root), "{}");
      await Deno.writeTextFile(new URL("add.ts", root), `${ADD}\n`);
      await Deno.writeTextFile(new URL("tests/add_test.ts", root), TEST);
      const patches: Record<string, string> = {
        killed: `Fails: tests/add_test.ts: adds # two\nWhy it matters.\n\n${
          PATCH(ADD, ADD.replace("+", "-"))
        }`,
        lives: `Fails: tests/add_test.ts: adds # two\n\n${
          PATCH(ADD, ADD.replace("a + b", "b + a"))
        }`,
        misnamed: `Fails: tests/add_test.ts: subtracts\n\n${PATCH(ADD, "")}`,
        outdated: `Fails: tests/add_test.ts: sums\n\n${PATCH("something else", "")}`,
      };
      for (const [name, text] of Object.entries(patches)) {
        await Deno.writeTextFile(new URL(`${name}.patch`, root), text);
      }
      const results: Record<string, string | null> = {};
      for (const mutant of await readMutants(root, [])) {
        results[mutant.name] = await tryMutant(mutant, root);
      }
      assertEquals(results["killed"], null);
      assertStringIncludes(results["lives"] ?? "", "does not notice it");
      assertStringIncludes(results["misnamed"] ?? "", `has no test "subtracts"`);
      assertStringIncludes(results["outdated"] ?? "", "does not apply");
      await assertRejects(() => readMutants(root, ["none"]), Error, "named none");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
