/** What properties rely on: one seed, from one place, that a failure tells. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fc from "./support/property.ts";
import { filesThatMention } from "./support/soak_properties.ts";

const tests = new URL("./", import.meta.url);

describe("a property", () => {
  it("takes the seed that PROPERTY_SEED gives, else draws one", () => {
    assertEquals([fc.seedFrom("17"), fc.seedFrom("-2147483648")], [17, -(2 ** 31)]);
    const drawn = Array.from({ length: 8 }, () => fc.seedFrom(undefined));
    assertEquals(new Set(drawn).size > 1, true);
    assertEquals(drawn.map((seed) => fc.seedFrom(`${seed}`)), drawn);
    for (const text of ["", " ", "x", "1.5", "2147483648", "9".repeat(20)]) {
      const { message } = assertThrows(() => fc.seedFrom(text), RangeError);
      assertStringIncludes(
        message,
        "'PROPERTY_SEED' must be an integer from -2147483648 to 2147483647",
      );
      assertStringIncludes(message, `"${text}"`);
    }
  });

  it("runs SOAK_PROPERTIES times as often as its test says", () => {
    assertEquals([fc.factorFrom(undefined), fc.factorFrom("20")], [1, 20]);
    for (const text of ["", "0", "-1", "1.5", "x"]) {
      assertStringIncludes(
        assertThrows(() => fc.factorFrom(text), RangeError).message,
        `"${text}"`,
      );
    }
  });

  it("tries the same values where the seed is the same, and tells it where one fails", async () => {
    const run = async (seed: string): Promise<string> => {
      const code = `import * as fc from ${
        JSON.stringify(new URL("support/property.ts", tests).href)
      };
        let values = "";
        fc.assert(fc.property(fc.nat(), (n) => { values += n + ","; }), { numRuns: 5 });
        console.log(values);
        await fc.assert(fc.asyncProperty(fc.nat(), () => Promise.reject(new Error("no")))).catch((error) => console.log(error.message));
        console.log(fc.sample(fc.nat(), { numRuns: 3 }).join());
        try { fc.assert(fc.property(fc.nat(), () => false)); } catch (error) { console.log(error.message); }`;
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", code],
        env: { PROPERTY_SEED: seed, SOAK_PROPERTIES: "2" },
      }).output();
      return new TextDecoder().decode(stdout);
    };
    const [first, again, other] = await Promise.all([run("5"), run("5"), run("6")]);
    assertEquals(first, again);
    const values = (text: string): string[] => text.split("\n")[0]!.split(",").slice(0, -1);
    assertEquals([values(first!).length, values(other!).length], [10, 10]);
    assertEquals(values(first!).join() === values(other!).join(), false);
    assertEquals(first!.split("PROPERTY_SEED=5 SOAK_PROPERTIES=2 deno test -A FILE").length, 3);
  });

  it("comes from there in every test", async () => {
    const files = await filesThatMention(tests, /^(import|export) .*"npm:fast-check/m);
    assertEquals(files.map((file) => file.slice(file.indexOf("tests/"))), [
      "tests/support/property.ts",
    ]);
  });
});
