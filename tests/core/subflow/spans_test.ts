import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Spans } from "../../../core/subflow/spans.ts";
import * as fc from "../../support/property.ts";

describe("Spans", () => {
  it("know the end of what is covered without a gap, in whatever order it comes", () => {
    const span = fc.record({
      start: fc.integer({ min: 1, max: 120 }),
      length: fc.nat({ max: 12 }),
    });
    fc.assert(fc.property(fc.array(span, { maxLength: 80 }), (list) => {
      const spans = new Spans(1);
      const covered = new Set<number>();
      for (const { start, length } of list) {
        assertEquals(spans.add(start, start + length), true);
        for (let i = 0; i < length; i++) covered.add(start + i);
        let edge = 1;
        while (covered.has(edge)) edge++;
        assertEquals(spans.edge, edge);
        const above = [...covered].filter((each) => each > edge);
        const apart = above.filter((each) => !covered.has(each - 1)).length;
        assertEquals(spans.apart, apart);
      }
    }));
  });

  it("refuse a span too many, and take it when a gap has closed", () => {
    const spans = new Spans(1);
    let at = 3;
    for (; spans.add(at, at + 1); at += 2);
    assertEquals(spans.apart, 32768);
    assertEquals(spans.add(at - 1, at), true);
    assertEquals(spans.add(1, 3), true);
    assertEquals(spans.edge, 4);
    assertEquals(spans.add(at + 1, at + 2), true);
  });

  it("move little when what lies below thousands of them is filled", () => {
    const spans = new Spans(1);
    for (let at = 3; at < 20_003; at += 2) spans.add(at, at + 1);
    assertEquals(spans.apart, 10_000);
    const before = spans.steps;
    for (let at = 1; at < 20_001; at += 2) {
      spans.add(at, at + 2);
      assertEquals(spans.edge, at + 3);
    }
    const steps = (spans.steps - before) / 10_000;
    assert(steps <= 2, `${steps} places moved for each`);
  });
});
