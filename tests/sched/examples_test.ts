import { assert, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import finishFirst from "../../docs/examples/finish_first.ts";
import { minRtt } from "../../sched/mod.ts";
import { each, mean, run, type Scenario } from "./scenarios.ts";

const GUIDE = await Deno.readTextFile(new URL("../../docs/writing_plugins.md", import.meta.url));
const EXAMPLES = new URL("../../docs/examples/", import.meta.url);

const OBJECTS: Scenario = {
  paths: {
    wifi: { rate: "20 Mbit/s", delay: "10 ms", loss: 0.0005 },
    lte: { rate: "4 Mbit/s", delay: "100 ms", loss: 0.0005 },
  },
  writes: each(1, 100e3, 40),
};

/** The row of the guide's table, by seed. */
function published(name: string): number[] {
  const row = GUIDE.split("\n").find((line) => line.startsWith(`| \`${name}\``))!;
  return row.split("|").slice(2, -1).map((cell) => Number.parseFloat(cell));
}

describe("the guide to plugins", () => {
  it("shows the examples as they are, with the names that a reader imports by", async () => {
    const names: Readonly<Record<string, string>> = {
      "../../core/plugin.ts": "@mptcp/mptcp",
      "../../cc/mod.ts": "@mptcp/mptcp/cc",
      "../../tests/kit/mod.ts": "@mptcp/mptcp/testing",
    };
    for (const name of ["finish_first", "finish_first_test", "my_lia", "wifi_first"]) {
      const text = (await Deno.readTextFile(new URL(`${name}.ts`, EXAMPLES)))
        .replaceAll(/ from "(\.\.\/[^"]+)"/g, (_, path: string) => ` from "${names[path]}"`);
      assertStringIncludes(GUIDE, `\`\`\`ts ignore\n${text}\`\`\``);
    }
  });

  it("has a scheduler of 25 lines at most", async () => {
    const text = await Deno.readTextFile(new URL("finish_first.ts", EXAMPLES));
    assert(text.trimEnd().split("\n").length <= 25);
  });

  for (const seed of [1, 2, 3, 4, 5]) {
    it(`whose objects arrive 10 % sooner than by min_rtt at least, seed ${seed}`, () => {
      const [own, base] = [finishFirst(), minRtt()].map((plugin) =>
        mean(run(plugin, OBJECTS, seed))
      );
      assert(own! <= 0.9 * base!, `${own} ms, ${base} ms`);
      for (const [name, time] of [["finish_first", own!], ["min_rtt", base!]] as const) {
        const said = published(name)[seed - 1]!;
        assert(Math.abs(time - said) <= 0.05 * said, `the guide says ${said} ms: ${time}`);
      }
    });
  }
});
