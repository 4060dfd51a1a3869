/** The matrix of middleboxes, cell by cell: what becomes of each is what its rule says. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cells, Matrix, print, ruleOf, RULES } from "./middlebox_matrix.ts";

/** The larger transfers take a minute; `deno task soak` sets this. */
const BYTES = Deno.env.get("SOAK_MATRIX_BYTES");

describe("middlebox matrix (RFC 8684 §3.7)", () => {
  it("every cell has a rule, and every rule a cell", () => {
    const used = new Set([...cells()].map(ruleOf));
    assertEquals(RULES.filter((rule) => !used.has(rule)), []);
  });

  it("every cell ends as its rule says, with all bytes or an error, in time", () => {
    const matrix = new Matrix(BYTES === undefined ? undefined : Number(BYTES));
    const results = [...cells([], BYTES !== undefined)].map((cell) => matrix.run(cell));
    const wrong = results.filter((result) => result.wrong !== null).length;
    assertEquals(wrong, 0, wrong === 0 ? "" : `${wrong} cells are wrong\n${print(results)}`);
  });
});
