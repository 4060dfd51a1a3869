import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { OneWay } from "../../../core/subflow/one_way.ts";
import { comes } from "../../support/parts.ts";

describe("how long packets wait on the way, by timestamps (RFC 7323)", () => {
  it("is how much later than at best they come by the other clock, each direction by itself", () => {
    const way = new OneWay();
    comes({ ts: [1000, 500] });
    way.heard(520, true, 0);
    // Our packet of 540 came 3 ms later than that of 500, the peer's 7 ms later.
    comes({ ts: [1043, 540] });
    way.heard(570, true, 50e3);
    assertEquals([way.out, way.in], [3000, 7000]);
  });

  it("follows from no echo that is that of no time: of none, or of a tick for which the clock was held", () => {
    const way = new OneWay();
    comes({ ts: [1000, 500] });
    way.heard(520, true, 0);
    for (const [tsecr, tells] of [[0, true], [510, false]] as const) {
      comes({ ts: [1043, tsecr] });
      way.heard(570, tells, 50e3);
      assertEquals([way.out, way.in], [0, 7000]);
    }
  });

  it("is no shorter where the peer's clock stands, as ours does while something is repaired", () => {
    const way = new OneWay();
    const comesAt = (tsval: number, tsecr: number, value: number): void => {
      comes({ ts: [tsval, tsecr] });
      way.heard(value, true, 1000 * value);
    };
    comesAt(1000, 500, 520);
    // It goes on showing what it did when it was held; each answers at once.
    for (let at = 510; at <= 1400; at += 10) comesAt(1000, at, at + 20);
    comesAt(1910, 1410, 1430);
    assertEquals(way.out, 0);
  });
});
