import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertNotEquals } from "@std/assert";
import { Digest, TestData } from "../../cli/data.ts";

function take(seed: number, lengths: readonly number[]): Uint8Array {
  const data = new TestData(seed);
  const whole = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const length of lengths) {
    data.fill(whole.subarray(at, at + length));
    at += length;
  }
  return whole;
}

describe("test data", () => {
  it("are the same for the same seed, however they are cut", () => {
    assertEquals(take(7, [64, 4, 40]), take(7, [108]));
    assertEquals(take(7, [3, 1, 0, 5, 2, 1, 40, 7, 49]), take(7, [108]));
    assertNotEquals(take(7, [64]), take(8, [64]));
    assertNotEquals(take(0, [64]), new Uint8Array(64));
  });

  it("give a sum that is known", () => {
    const digest = new Digest();
    digest.update(new TextEncoder().encode("a"));
    digest.update(new TextEncoder().encode("bc"));
    // FIPS 180-2, appendix B.1
    assertEquals(
      digest.hex(),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
