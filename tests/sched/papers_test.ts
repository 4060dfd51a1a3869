import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { change, DAPS_AT_A_RATE, ratio, type Row, ROWS } from "./papers.ts";

const TEXT = await Deno.readTextFile(new URL("../../docs/schedulers.md", import.meta.url));

/** The figure of the table in docs/schedulers.md. */
function published({ scheduler, scenario, metric }: Row): number {
  for (const line of TEXT.split("\n")) {
    const [, name, where, what, figure] = line.split("|").map((cell) => cell.trim());
    if (name === `\`${scheduler.name}\`` && where === scenario && what === metric) {
      return 1 + Number.parseInt(figure!.replace("−", "-")) / 100;
    }
  }
  throw new Error(`docs/schedulers.md has no row for ${scheduler.name}: ${scenario}, ${metric}`);
}

describe("a scheduler differs from min_rtt where its paper says that it does", () => {
  for (const row of ROWS) {
    it(`${row.scheduler.name}: ${row.scenario}`, () => {
      const part = ratio(row);
      assert(part <= 0.9, `${row.metric} ${change(part)} of min_rtt, seeds ${row.seeds.join()}`);
      assert(Math.abs(part - published(row)) < 0.05, `docs: ${change(part)}`);
    });
  }

  it("daps, as its critics say, for the worse where little is sent at a steady rate", () => {
    const part = ratio(DAPS_AT_A_RATE);
    assert(part >= 1.1 && Math.abs(part - published(DAPS_AT_A_RATE)) < 0.1, change(part));
  });

  it("and its run is the same each time", () => {
    const row = ROWS.find(({ scheduler }) => scheduler.name === "peekaboo")!;
    const [first, second] = [ratio({ ...row, seeds: [1] }), ratio({ ...row, seeds: [1] })];
    assertEquals(first, second);
  });
});
