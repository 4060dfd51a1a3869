import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { closeGap, openGap } from "../../../core/subflow/edges.ts";

describe("lists of starts and ends", () => {
  it("lose what stands in a gap, and get place for a span", () => {
    const edges = [1, 2, 3, 4, 5, 6];
    closeGap(edges, 2, 4);
    assertEquals(edges, [1, 2, 5, 6]);
    openGap(edges, 2);
    assertEquals([edges.length, edges[0], edges[1], edges[4], edges[5]], [6, 1, 2, 5, 6]);
    closeGap(edges, 0, 6);
    assertEquals(edges, []);
  });

  it("are left alone where the gap is none: a repeat that goes on where the last one ended copies nothing", () => {
    closeGap(Object.freeze([1, 2, 3, 4]) as number[], 2, 2);
  });
});
