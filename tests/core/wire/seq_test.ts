import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  distance32,
  dsnWords,
  fromWire,
  receivedDataAck,
  receivedDsn,
  toWire,
  writeDataAck,
  writeDsn,
} from "../../../core/wire/seq.ts";
import { u32 } from "../../../wasm/mod.ts";
import * as L from "../../../wasm/layout.ts";
import * as fc from "../../support/property.ts";

const WORD = 2 ** 32;
const word = fc.nat({ max: WORD - 1 });
const offset = fc.nat({ max: 2 ** 50 });
const near = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 });
const idsn = fc.record({ high: word, low: word }, { noNullPrototype: true });

/** What came in eight or four octets, as an offset near `close`. */
function received(
  dsn: { high: number; low: number },
  flags: number,
  initial: typeof dsn,
  close: number,
) {
  u32[L.RX_DSN_HIGH] = dsn.high;
  u32[L.RX_DSN_LOW] = dsn.low;
  return receivedDsn(flags, initial, close);
}

describe("32-bit sequence numbers", () => {
  it("wrap at 2^32", () => {
    assertEquals(toWire(0, WORD - 1) >>> 0, WORD - 1);
    assertEquals(toWire(1, WORD - 1), 0);
    assertEquals(toWire(WORD + 5, 7), 12);
    assertEquals(fromWire(0, WORD - 1, 0), 1);
    assertEquals(fromWire(WORD - 1, 0, 0), -1);
    assertEquals(fromWire(12, 7, WORD), WORD + 5);
    assertEquals(distance32(1, WORD - 1), 2);
    assertEquals(distance32(WORD - 1, 1), -2);
  });

  it("come back from the wire as the offset that is nearest", () => {
    fc.assert(fc.property(offset, word, near, (at, initial, away) => {
      assertEquals(fromWire(toWire(at, initial), initial, at + away), at);
    }));
  });
});

describe("data sequence numbers", () => {
  // RFC 8684 §3.3.1: "Data sequence numbers are always 64-bit quantities and MUST be maintained as such in implementations."
  it("are 64 bits on the wire and wrap there", () => {
    const initial = { high: 0xffffffff, low: 0xfffffff0 };
    assertEquals(dsnWords(0, initial), initial);
    assertEquals(dsnWords(0x10, initial), { high: 0, low: 0 });
    assertEquals(dsnWords(0x10 + WORD, initial), { high: 1, low: 0 });
    assertEquals(dsnWords(15, initial), { high: 0xffffffff, low: 0xffffffff });
  });

  it("agree with 64-bit arithmetic", () => {
    fc.assert(fc.property(offset, idsn, (at, initial) => {
      const { high, low } = dsnWords(at, initial);
      const sum = ((BigInt(initial.high) << 32n) + BigInt(initial.low) + BigInt(at)) &
        (2n ** 64n - 1n);
      assertEquals((BigInt(high) << 32n) + BigInt(low), sum);
    }));
  });

  // RFC 8684 §3.3.1: "Implementations MUST accept a 32-bit DSN and implicitly promote it to a 64-bit quantity"
  // RFC 8684 §3.3.1: "A sanity check MUST be implemented to ensure that a wrap occurs at an expected time … and is not triggered by out-of-order
  // packets"
  it("expand from four octets to the nearest, over a wrap of the lower half too (RFC 8684 §3.3.1)", () => {
    fc.assert(fc.property(offset, idsn, near, (at, initial, away) => {
      assertEquals(received(dsnWords(at, initial), 0, initial, at + away), at);
    }));
  });

  it("in eight octets are taken only when all of them agree (RFC 8684 §3.3.1)", () => {
    fc.assert(fc.property(offset, idsn, near, (at, initial, away) => {
      const words = dsnWords(at, initial);
      assertEquals(received(words, L.DSS_DSN_8, initial, at + away), at);
      const wrong = { high: (words.high + 1) >>> 0, low: words.low };
      assertEquals(received(wrong, L.DSS_DSN_8, initial, at + away), NaN);
    }));
  });

  it("of mappings in eight octets name all that lies below, however far: a path repeats what it had before others went on", () => {
    fc.assert(fc.property(offset, idsn, offset, (at, initial, ahead) => {
      assertEquals(received(dsnWords(at, initial), L.DSS_DSN_8, initial, at + ahead), at);
    }));
    const initial = { high: 0xffffffff, low: 0xfffffff0 };
    assertEquals(received(dsnWords(7, initial), L.DSS_DSN_8, initial, 2 ** 34), 7);
    // Nothing lies below the first, nor more than 2^31 ahead.
    assertEquals(received(dsnWords(-WORD, initial), L.DSS_DSN_8, initial, 2 ** 34), NaN);
    assertEquals(received(dsnWords(2 ** 31 + 8, initial), L.DSS_DSN_8, initial, 7), NaN);
    assertEquals(received(dsnWords(2 ** 40, initial), L.DSS_DSN_8, initial, 7), NaN);
  });

  it("are written for mappings and DATA_ACKs alike", () => {
    const initial = { high: 1, low: WORD - 2 };
    writeDsn(5, initial);
    writeDataAck(6, initial);
    assertEquals([u32[L.TX_DSN_HIGH], u32[L.TX_DSN_LOW]], [2, 3]);
    assertEquals([u32[L.TX_DATA_ACK_HIGH], u32[L.TX_DATA_ACK_LOW]], [2, 4]);
    [u32[L.RX_DATA_ACK_HIGH], u32[L.RX_DATA_ACK_LOW]] = [2, 4];
    assertEquals(receivedDataAck(L.DSS_DATA_ACK | L.DSS_DATA_ACK_8, initial, 1), 6);
    [u32[L.RX_DATA_ACK_HIGH], u32[L.RX_DATA_ACK_LOW]] = [0, 4];
    assertEquals(receivedDataAck(L.DSS_DATA_ACK, initial, 1), 6);
  });
});
