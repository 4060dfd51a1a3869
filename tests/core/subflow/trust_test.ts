import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { Trust } from "../../../core/subflow/trust.ts";
import { DSS_DATA_ACK } from "../../../wasm/layout.ts";
import { comes, established } from "../../support/parts.ts";

const DATA_ACK = { flags: DSS_DATA_ACK };

/** What becomes of `trust` by ACKs of these numbers in turn, SND.UNA being the highest so far, with a DATA_ACK each or without. */
function hears(trust: Trust, acks: readonly number[], dataAck = true): void {
  let una = 1;
  for (const ack of acks) {
    comes({ ack, ...(dataAck && { dss: DATA_ACK }) });
    trust.heard(ack, una, 5000, true, 1, 1);
    una = Math.max(una, ack);
  }
}

describe("trust in a subflow (RFC 8684 §3.7)", () => {
  it("is proved in each direction by itself, and stays so", () => {
    const trust = new Trust();
    assertEquals([trust.in, trust.out], ["unproved", "unproved"]);
    trust.dssCame();
    assertEquals([trust.in, trust.out], ["proved", "unproved"]);
    hears(trust, [2]);
    trust.dssCame();
    assertEquals([trust.in, trust.out], ["proved", "proved"]);
  });

  it("out of us is no less proved where the peer has sent no data yet", () => {
    const trust = new Trust();
    hears(trust, [2]);
    assertEquals([trust.in, trust.out, trust.vouched], ["unproved", "proved", 2]);
  });

  it("out of us is not proved by what acknowledges data without a DATA_ACK", () => {
    const trust = new Trust();
    hears(trust, [500], false);
    assertEquals([trust.out, trust.vouched], ["unproved", 1]);
  });
});

describe("an acknowledgement in the peer's name", () => {
  it("is belied by three segments in a row that tell less, two may be reordered", () => {
    const trust = new Trust();
    hears(trust, [10, 500, 10, 10, 500, 10, 10]);
    assertEquals(trust.belied, false);
    const other = new Trust();
    comes({ ack: 10, dss: DATA_ACK });
    other.heard(10, 1, 5000, true, 1, 1);
    comes({ ack: 500 });
    other.heard(500, 10, 5000, true, 1, 1);
    for (let i = 0; i < 3; i++) {
      assertEquals(other.testimony(100), "unknown");
      comes({ ack: 10, dss: DATA_ACK });
      other.heard(10, 500, 5000, true, 1, 1);
    }
    assertEquals([other.belied, other.testimony(100), other.testimony(5)], [
      true,
      "lacking",
      "kept",
    ]);
  });

  it("is not belied by what may have been overtaken: a peer contradicts by what is newer than all before", () => {
    const trust = new Trust();
    hears(trust, [10, 500]);
    for (let i = 0; i < 9; i++) {
      comes({ ack: 10, dss: DATA_ACK });
      trust.heard(10, 500, 5000, false, 1, 1);
    }
    assertEquals(trust.belied, false);
  });

  it("leaves the peer's own window above the hole, and nothing beyond it", () => {
    const trust = new Trust();
    hears(trust, [10, 9000]);
    assertEquals([trust.belied, trust.outOfReach(20_000)], [false, false]);
    const other = new Trust();
    comes({ ack: 10, dss: DATA_ACK });
    other.heard(10, 1, 5000, true, 1, 1);
    for (let i = 0; i < 3; i++) {
      comes({ ack: 10, dss: DATA_ACK });
      other.heard(10, 9000, 5000, true, 1, 1);
    }
    assertEquals([other.outOfReach(5010), other.outOfReach(5011)], [false, true]);
  });
});

describe("the account of what came", () => {
  it("knows since when bytes in order want a mapping", () => {
    const trust = new Trust();
    assertEquals(trust.mappingCame(1, 1, 101), true);
    assertEquals([trust.mapped, trust.audit(101, 5)], [101, Infinity]);
    assertEquals([trust.audit(201, 6), trust.audit(301, 9), trust.unmappedSince], [6, 6, 6]);
    trust.mappingCame(101, 101, 301);
    assertEquals([trust.audit(301, 10), trust.unmappedSince], [Infinity, Infinity]);
  });

  it("is straight as long as every byte is where plain TCP would put it", () => {
    const trust = new Trust();
    trust.mappingCame(1, 1, 101);
    assertEquals(trust.straight, true);
    trust.mappingCame(201, 101, 201);
    assertEquals(trust.straight, false);
  });

  it("is straight no more where what we sent leaves its place", () => {
    const { subflow, level } = established({ written: 30 });
    assert(level.mappingFlags !== 0);
    subflow.chunk(1, 10, false, 0);
    assertEquals(subflow.trust.straight, true);
    subflow.chunk(21, 10, false, 0);
    assertEquals(subflow.trust.straight, false);
  });
});
