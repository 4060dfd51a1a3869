/** The matrix of middleboxes, cell by cell: what becomes of each is what its rule says. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as api from "../../mod.ts";
import { cells, KINDS, Matrix, outcomes, print, ruleOf, RULES } from "./middlebox_matrix.ts";

/** The larger transfers take a minute; `deno task soak` sets this. */
const BYTES = Deno.env.get("SOAK_MATRIX_BYTES");

describe("middlebox matrix (RFC 8684 §3.7)", () => {
  it("every cell has a rule, and every rule a cell", () => {
    const used = new Set([...cells()].map(ruleOf));
    assertEquals(RULES.filter((rule) => !used.has(rule)), []);
  });

  it("docs/middleboxes.md has the outcome of each box, and each element", async () => {
    const text = await Deno.readTextFile(new URL("../../docs/middleboxes.md", import.meta.url));
    const tables = text.split("\n").filter((line) => line.startsWith("|"))
      .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
    const written = tables.slice(tables.findIndex(([first]) => first === "box") + 2);
    assertEquals(written, outcomes().map((row) => row.map((cell) => cell === "" ? "–" : cell)));
    const folder = new URL("../../core/link/sim/middlebox/", import.meta.url);
    const elements: string[] = [];
    for await (const { name } of Deno.readDir(folder)) {
      const source = await Deno.readTextFile(new URL(name, folder));
      for (
        const [, made] of source.matchAll(
          /^export function (\w+)\(.*\): (?:ElementFactory|Middlebox|Nat) /gm,
        )
      ) {
        // What a function makes of options has no rule.
        if (made! in api && made !== "rewriteOptions") elements.push(made!);
      }
    }
    assertEquals(elements.length, 17);
    const named = tables.flatMap(([first]) => /^\[`(\w+)`\]/.exec(first!)?.[1] ?? []);
    assertEquals(named.toSorted(), elements.toSorted());
    const tried = new Set(Object.values(KINDS).map(({ element }) => element));
    assertEquals(elements.filter((each) => !tried.has(each)), []);
  });

  it("every cell ends as its rule says, with all bytes or an error, in time", () => {
    const matrix = new Matrix(BYTES === undefined ? undefined : Number(BYTES));
    const results = [...cells([], BYTES !== undefined)].map((cell) => matrix.run(cell));
    const wrong = results.filter((result) => result.wrong !== null).length;
    assertEquals(wrong, 0, wrong === 0 ? "" : `${wrong} cells are wrong\n${print(results)}`);
  });
});
