import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pictureOf, readFigures } from "./main.ts";
import { pageOf } from "./page.ts";
import { drawRow } from "./plot.ts";
import type { PaperRow } from "./row.ts";
import { rowOf, ROWS } from "./rows.ts";
import { judge, measureRows } from "./run.ts";

/** A row of one value, which must be from 1 to 2. */
const TOY: PaperRow = {
  name: "toy",
  title: "A toy",
  scenario: "none",
  metric: "a number",
  axis: "a number",
  source: "none",
  evidence: ["calculated"],
  cases: {},
  figures: [{ of: "a", published: "1.5", least: 1, most: 2, tolerance: "±0.5" }],
  orderings: [{ ascending: ["a", "b"] }, { ascending: ["b", "a"], quick: false }],
  digits: 2,
};

describe("published results", () => {
  let measured: Awaited<ReturnType<typeof measureRows>>["measured"];

  it("are measured in short runs", async () => {
    const short = await measureRows(ROWS, { seeds: [1], length: "quick", workers: 2 });
    assertEquals(short.failed, []);
    measured = short.measured;
  });

  for (const row of ROWS) {
    it(`keep their order in one short run: ${row.name}`, () => {
      const verdicts = judge(row, measured[row.name]!);
      assert(verdicts.length > 0, "a short run must tell something");
      for (const { what, measured: text, holds } of verdicts) {
        assert(holds, `${what}: ${text}`);
      }
    });
  }

  it("are in docs/papers.md as in docs/papers.json, of full runs", async () => {
    const figures = await readFigures();
    const page = await Deno.readTextFile(new URL("../../docs/papers.md", import.meta.url));
    assertEquals(page, pageOf(ROWS, figures), "run `deno task papers --docs`");
    for (const [name, { length, values }] of Object.entries(figures)) {
      assertEquals([rowOf(name).name, length], [name, "full"]);
      assert(Object.keys(values).length > 0, name);
    }
  });
});

describe("the pictures of docs/papers.md", () => {
  it("are of docs/papers.json, one a row", async () => {
    const figures = await readFigures();
    for (const [name, measured] of Object.entries(figures)) {
      const text = await Deno.readTextFile(pictureOf(name));
      assertEquals(text, await drawRow(rowOf(name), measured), "run `deno task papers --docs`");
    }
  });

  it("show what was published as a band, what is within it as a dot, what is not as a cross", async () => {
    const draw = (a: number) =>
      drawRow(TOY, { length: "full", seeds: [1], values: { a: [a], b: [1.5] } });
    const [within, outside] = [await draw(1.5), await draw(3)];
    for (const text of [within, outside]) {
      assertStringIncludes(text, "prefers-color-scheme:dark");
      for (const word of ["A toy", "a number →", "published, with its tolerance"]) {
        assertStringIncludes(text, word);
      }
    }
    const crosses = (text: string): number => text.split('stroke="#D55E00"').length - 1;
    assertEquals([crosses(within) < crosses(outside), crosses(within)], [true, 0]);
  });
});

describe("the judgement", () => {
  const of = (a: readonly number[], length: "full" | "quick" = "full") =>
    judge(TOY, { length, seeds: [1, 2], values: { a, b: [1.5, 1.5] } }).map(({ holds }) => holds);

  it("is of the mean of all seeds, to the digits that are printed", () => {
    assertEquals(of([1, 3])[0], true);
    assertEquals(of([2, 2.02])[0], false);
    assertEquals(of([2.002, 2.002])[0], true);
  });

  it("is of each run where the bound is hard", () => {
    const hard = { ...TOY, figures: TOY.figures.map((figure) => ({ ...figure, each: true })) };
    const measured = { length: "full", seeds: [1, 2], values: { a: [1, 3], b: [1, 1] } } as const;
    assertEquals(judge(hard, measured)[0]!.holds, false);
  });

  it("is of the orderings alone in short runs, those excepted that need full ones", () => {
    assertEquals(of([1, 1], "quick"), [true]);
    assertEquals(of([2, 2], "quick"), [false]);
    assertEquals(of([1, 1]), [true, true, false]);
  });

  it("refuses a figure of which there is no value", () => {
    assertThrows(
      () => judge(TOY, { length: "full", seeds: [1], values: { b: [1] } }),
      RangeError,
      'There is no value "a": the values are b',
    );
  });
});

describe("the page", () => {
  it("says what does not hold, what was found, and which row is not measured yet", () => {
    const values = { a: [9], b: [1] };
    const row = { ...TOY, findings: ["It is far off."] };
    const page = pageOf([row], { toy: { length: "full", seeds: [1], values } });
    assertStringIncludes(page, "| a | 9.00 | 1.5 | ±0.5 | **no** |");
    assertStringIncludes(page, "- It is far off.");
    assertStringIncludes(pageOf([row], {}), "Not measured yet.");
  });
});
