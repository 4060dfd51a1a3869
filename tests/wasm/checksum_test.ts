import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  copy,
  copy_sum,
  dss_checksum,
  dss_expected_sum,
  sum,
  sum_join,
  u8,
} from "../../wasm/mod.ts";
import * as reference from "../reference/checksum.ts";
import * as fc from "../support/property.ts";
import { randomBytes, Scratch } from "./support.ts";

const SIZE = 1_050_000;
const scratch = new Scratch(SIZE);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(fc.nat(70_000), fc.nat()).map(([length, seed]) => randomBytes(length, seed)),
);
const skip = fc.nat(67);

describe("checksum", () => {
  it("sums any bytes at any address", () => {
    fc.assert(fc.property(bytes, skip, (data, at) => {
      assertEquals(sum(scratch.put(data, at), data.length), reference.sum(data));
    }));
  });

  it("does not overflow on a megabyte of ones", () => {
    const length = 1_040_001;
    u8.fill(0xff, scratch.address, scratch.address + length);
    assertEquals(sum(scratch.address, length), reference.fold(0xff00));
    assertEquals(sum(scratch.address, length - 1), 0xffff);
    assertEquals(sum(scratch.address, 0), 0);
    assertEquals(sum(scratch.address, -1), 0);
  });

  it("copies while it sums, and nothing else", () => {
    fc.assert(fc.property(bytes, skip, skip, (data, from, at) => {
      const source = scratch.put(data, from);
      const target = scratch.address + 150_000 + at;
      u8.fill(0xee, target - 64, target + data.length + 64);
      assertEquals(copy_sum(target, source, data.length), reference.sum(data));
      assertEquals(u8.slice(target, target + data.length), data);
      assertEquals(u8.slice(target - 64, target), new Uint8Array(64).fill(0xee));
      const end = target + data.length;
      assertEquals(u8.slice(end, end + 64), new Uint8Array(64).fill(0xee));
      copy(target + 1, target, data.length); // may overlap
      assertEquals(u8.slice(target + 1, end + 1), data);
    }));
  });

  // Draft RQ-4.
  it("joins the sums of pieces at every split", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (data) => {
      const at = scratch.put(data);
      const whole = sum(at, data.length) % 0xffff;
      for (let i = 0; i <= data.length; i++) {
        const left = sum(at, i);
        const joined = sum_join(left, sum(at + i, data.length - i), i);
        assertEquals(joined % 0xffff, whole);
        for (let j = i; j <= data.length; j++) {
          const three = sum_join(
            sum_join(left, sum(at + i, j - i), i),
            sum(at + j, data.length - j),
            j,
          );
          assertEquals(three % 0xffff, whole);
        }
      }
    }));
  });

  // Draft RQ-4: its vector.
  it("has the known sums of a1a2a3a4a5a6", () => {
    const at = scratch.put(new Uint8Array([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6]));
    assertEquals(sum(at, 6), 0xeaed);
    // Pieces of odd length, each padded with zero, give the wrong sum; joined the right one.
    assertEquals(reference.fold(sum(at, 3) + sum(at + 3, 3)), 0x8f49);
    assertEquals(sum_join(sum(at, 3), sum(at + 3, 3), 3), 0xeaed);
    // What the pseudo-header adds, alone.
    assertEquals(dss_checksum(0x11223344, 0x55667788, 1, 6, 0), 0xffff - 0x115c);
    assertEquals(dss_checksum(0x11223344, 0x55667788, 1, 6, 0xeaed), 0x03b6);
    assertEquals(dss_expected_sum(0x11223344, 0x55667788, 1, 6, 0x03b6), 0xeaed);
  });

  it("makes and expects DSS checksums as the reference does", () => {
    const word = fc.nat(0xffffffff);
    fc.assert(
      fc.property(word, word, word, fc.nat(65535), bytes, (high, low, ssn, length, data) => {
        const field = dss_checksum(high, low, ssn, length, sum(scratch.put(data), data.length));
        assertEquals(field, reference.dssChecksum(high, low, ssn, length, data));
        const expected = dss_expected_sum(high, low, ssn, length, field);
        assertEquals(expected % 0xffff, reference.sum(data) % 0xffff);
      }),
    );
  });

  it("agrees with the fastest plain JavaScript", () => {
    fc.assert(fc.property(bytes, (data) => {
      const aligned = new Uint8Array(data);
      const even = aligned.length & ~3;
      const words = new Uint32Array(aligned.buffer, 0, even / 4);
      assertEquals(reference.fastSum(words, aligned.subarray(even)), reference.sum(data));
    }));
  });
});
