import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

describe("what comes next has probably come by another link", () => {
  it("where the data lie above a hole, not where they fill it or a subflow has one", () => {
    using d = new Dialogue();
    const { first, second } = joined(d);
    assertEquals(d.stack.elsewhere, false);
    second.sendsMore("P. 1:101 <dack8 1, map8 201 1 100>");
    assertEquals(d.stack.elsewhere, true);
    first.sendsMore("P. 1:101 <dack8 1, map8 1 1 100>");
    assertEquals(d.stack.elsewhere, false);
    // Its own subflow will bring what is missing.
    first.sendsMore("P. 201:301 <dack8 1, map8 301 201 100>");
    assertEquals(d.stack.elsewhere, false);
    second.sendsMore("P. 101:201 <dack8 1, map8 501 101 100>");
    assertEquals(d.stack.elsewhere, true);
    second.sendsMore(". 201 <dack8 1>");
    assertEquals(d.stack.elsewhere, false);
  });

  it("where the small rest of something large is whole, as Linux turns to another subflow after 64 KB", () => {
    using d = new Dialogue();
    const { second } = joined(d);
    second.sendsMore("P. 1:5001 <dack8 1, map8 1 1 5000>");
    assertEquals(d.stack.elsewhere, false);
    // The mapping goes on.
    second.sendsMore("P. 5001:6001 <dack8 1, map8 5001 5001 2000>");
    assertEquals(d.stack.elsewhere, false);
    second.sendsMore("P. 6001:7001 <dack8 1, map8 5001 5001 2000>");
    assertEquals(d.stack.elsewhere, true);
    second.sendsMore("P. 7001:12001 <dack8 1, map8 7001 7001 5000>");
    assertEquals(d.stack.elsewhere, false);
  });

  it("not where packets are small as a rule", () => {
    using d = new Dialogue();
    const { second } = joined(d);
    for (const at of [1, 101, 201]) {
      second.sendsMore(`P. ${at}:${at + 100} <dack8 1, map8 ${at} ${at} 100>`);
      assertEquals(d.stack.elsewhere, false);
    }
  });
});
