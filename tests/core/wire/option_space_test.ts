import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  dssSize,
  OPTION_SPACE,
  type OptionPlan,
  type OptionWish,
  planOptions,
  sackSize,
} from "../../../core/wire/option_space.ts";
import {
  DSS_DATA_ACK as ACK,
  DSS_DATA_ACK_8 as WIDE_ACK,
  DSS_DATA_FIN,
  DSS_DSN_8 as WIDE,
  DSS_MAPPING as MAP,
} from "../../../wasm/layout.ts";
import * as fc from "../../support/property.ts";

const ACK8 = ACK | WIDE_ACK;
const MAP8 = MAP | WIDE;

function plan(wish: Partial<OptionWish>): OptionPlan {
  const full: OptionWish = {
    timestamps: true,
    dss: 0,
    checksum: false,
    dataAckMoved: true,
    sack: 0,
    raw: 0,
    ...wish,
  };
  return { ...planOptions(full, { timestamps: false, dss: 0, sack: 0, size: 0 }) };
}

describe("the option space", () => {
  // What is wanted, and what goes out: timestamps, DSS flags, SACK blocks, octets.
  const table: [string, Partial<OptionWish>, [boolean, number, number, number]][] = [
    ["nothing", { timestamps: false }, [false, 0, 0, 0]],
    ["timestamps", {}, [true, 0, 0, 12]],
    ["SACK alone: four blocks", { timestamps: false, sack: 4 }, [false, 0, 4, 36]],
    ["SACK beside timestamps: three", { sack: 4 }, [true, 0, 3, 40]],
    ["DATA_ACK of 4", { dss: ACK }, [true, ACK, 0, 20]],
    ["DATA_ACK of 8", { dss: ACK8 }, [true, ACK8, 0, 24]],
    ["a DATA_ACK that moved, before SACK", { dss: ACK8, sack: 3 }, [true, ACK8, 1, 36]],
    ["DATA_ACK of 4 leaves two blocks", { dss: ACK, sack: 3 }, [true, ACK, 2, 40]],
    [
      "a DATA_ACK that did not move gives way to SACK (RFC 8684 appendix A)",
      { dss: ACK8, sack: 3, dataAckMoved: false },
      [true, 0, 3, 40],
    ],
    [
      "but stays where all blocks fit beside it",
      { dss: ACK8, sack: 1, dataAckMoved: false },
      [true, ACK8, 1, 36],
    ],
    ["a mapping with DATA_ACK of 8", { dss: MAP8 | ACK8 }, [true, MAP8 | ACK8, 0, 40]],
    [
      "the same with a checksum, which fills the padding",
      { dss: MAP8 | ACK8, checksum: true },
      [true, MAP8 | ACK8, 0, 40],
    ],
    ["short numbers", { dss: MAP | ACK }, [true, MAP | ACK, 0, 32]],
    ["DATA_FIN costs nothing", { dss: MAP | ACK | DSS_DATA_FIN }, [
      true,
      MAP | ACK | DSS_DATA_FIN,
      0,
      32,
    ]],
    ["MP_CAPABLE with both keys", { raw: 20 }, [true, 0, 0, 32]],
    ["MP_CAPABLE with data and checksum", { raw: 24 }, [true, 0, 0, 36]],
    ["MP_JOIN with HMAC", { raw: 24 }, [true, 0, 0, 36]],
    ["ADD_ADDR, IPv6 without port, beside timestamps", { raw: 28 }, [true, 0, 0, 40]],
    ["ADD_ADDR, IPv6 with port: without timestamps", { raw: 30 }, [false, 0, 0, 32]],
    ["MP_FASTCLOSE beside DATA_ACK", { raw: 12, dss: ACK8 }, [true, ACK8, 0, 36]],
    ["a mapping never yields, its DATA_ACK does", { raw: 4, dss: MAP8 | ACK8 }, [
      true,
      MAP8,
      0,
      36,
    ]],
  ];
  for (const [name, wish, [timestamps, dss, sack, size]] of table) {
    it(`holds ${name}`, () => assertEquals(plan(wish), { timestamps, dss, sack, size }));
  }

  it("is never exceeded, and accounts for what goes out", () => {
    const dss = fc.constantFrom(
      0,
      ACK,
      ACK8,
      MAP,
      MAP8,
      MAP | ACK,
      MAP8 | ACK,
      MAP | ACK8,
      MAP8 | ACK8,
    );
    fc.assert(fc.property(
      fc.boolean(),
      dss,
      fc.boolean(),
      fc.boolean(),
      fc.nat({ max: 4 }),
      fc.nat({ max: 30 }),
      (timestamps, dss, checksum, dataAckMoved, sack, raw) => {
        const got = plan({ timestamps, dss, checksum, dataAckMoved, sack, raw });
        assert(got.size <= OPTION_SPACE && got.size % 4 === 0);
        const octets = (got.timestamps ? 12 : 0) + (got.dss ? dssSize(got.dss, checksum) : 0) +
          sackSize(got.sack) + ((raw + 3) & ~3);
        assertEquals(got.size, octets);
        assert(got.sack <= sack && (got.dss & ~dss) === 0);
        if (raw === 0 && dss & MAP) assert(got.dss & MAP);
      },
    ));
  });
});
