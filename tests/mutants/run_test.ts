import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { needs } from "../support/tools.ts";
import { isNamed, testsOf } from "../compliance/citations.ts";
import { ROOT } from "../support/serve.ts";
import { Copy, readMutants, sample } from "./run.ts";

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
        misnamed: `Fails: tests/add_test.ts: subtracts\n\n${
          PATCH(ADD, ADD.replace("a + b", "b + a"))
        }`,
        outdated: `Fails: tests/add_test.ts: sums\n\n${PATCH("something else", "")}`,
      };
      for (const [name, text] of Object.entries(patches)) {
        await Deno.writeTextFile(new URL(`${name}.patch`, root), text);
      }
      for (const trusting of [false, true]) {
        await using copy = await Copy.make(root, { trusting });
        const results: Record<string, string | null> = {};
        for (const mutant of await readMutants(root, [])) {
          results[mutant.name] = await copy.try(mutant);
        }
        assertEquals(results["killed"], null);
        assertStringIncludes(results["lives"] ?? "", "does not notice it");
        assertStringIncludes(results["misnamed"] ?? "", `has no test "subtracts"`);
        assertStringIncludes(results["outdated"] ?? "", "does not apply");
      }
      await assertRejects(() => readMutants(root, ["none"]), Error, "named none");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  needs("git").it("apply to the tree as it is, and name tests that are there", async () => {
    const here = new URL("tests/mutants/", ROOT);
    const wrong: string[] = [];
    const mutants = await readMutants(here, []);
    await Promise.all(mutants.map(async ({ name, patch, file, test }) => {
      const applies = await new Deno.Command("git", {
        args: ["apply", "--check", fileURLToPath(patch)],
        cwd: fileURLToPath(ROOT),
      }).output();
      if (!applies.success) wrong.push(`${name} does not apply`);
      const text = await Deno.readTextFile(new URL(file, ROOT)).catch(() => "");
      // A name that is made elsewhere is looked for by the run alone.
      const made = /\b(?:it|step|describe)\(\s*[a-z]/.test(text);
      if (!made && !testsOf(text).some((written) => isNamed(written.name, test))) {
        wrong.push(`${name}: ${file} has no test "${test}"`);
      }
    }));
    assertEquals(wrong.sort(), []);
  });

  it("have samples of each kind, which differ by their seed, and cover all", async () => {
    const mutants = await readMutants(new URL("tests/mutants/", ROOT), []);
    const names = (seed: string): string[] => sample(mutants, seed).map(({ name }) => name);
    const some = names("a");
    assertEquals(new Set(some).size, some.length);
    assertEquals(some.filter((name) => name.startsWith("mptcp_")).length, 8);
    assertEquals(some.filter((name) => name.startsWith("imp_")).length, 3);
    assertEquals(some.length, 19);
    assertEquals(names("a"), some);
    const seen = new Set<string>();
    for (let i = 0; i < 300; i++) for (const name of names(`${i}`)) seen.add(name);
    assertEquals(seen.size, mutants.length);
  });
});
