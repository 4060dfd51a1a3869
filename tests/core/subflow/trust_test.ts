import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Trust } from "../../../core/subflow/trust.ts";

describe("trust in a subflow (RFC 8684 §3.7)", () => {
  it("is proved in each direction by itself, and stays so", () => {
    const trust = new Trust();
    assertEquals([trust.in, trust.out], ["unproved", "unproved"]);
    trust.dssCame();
    assertEquals([trust.in, trust.out], ["proved", "unproved"]);
    trust.dataAckCame();
    trust.dssCame();
    assertEquals([trust.in, trust.out], ["proved", "proved"]);
  });

  it("out of us is no less proved where the peer has sent no data yet", () => {
    const trust = new Trust();
    trust.dataAckCame();
    assertEquals([trust.in, trust.out], ["unproved", "proved"]);
  });
});
