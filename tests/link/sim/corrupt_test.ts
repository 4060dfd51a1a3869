import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { completeChecksum } from "../../../core/link/sim/elements/checksum.ts";
import { corrupt } from "../../../core/link/sim/elements/corrupt.ts";
import { freePacket } from "../../../core/link/sim/elements/packet.ts";
import { u8 } from "../../../wasm/mod.ts";
import { ChainUnderTest, checksumsAreGood, ipPacket, pooled } from "../../support/sim.ts";

/** Bits in which two packets differ. */
function differing(a: Uint8Array, b: Uint8Array): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < a.length * 8; bit++) {
    if ((a[bit >> 3]! ^ b[bit >> 3]!) >> (bit & 7) & 1) bits.push(bit);
  }
  return bits;
}

/** A packet with its checksum filled in. */
function whole(length: number): Uint8Array {
  const packet = pooled(ipPacket("10.0.0.1", "10.0.0.2", length));
  completeChecksum(packet);
  const bytes = u8.slice(packet.address, packet.address + length);
  freePacket(packet);
  return bytes;
}

describe("corrupt()", () => {
  it("completes the checksum, flips exactly one bit, and vouches for nothing", () => {
    const good = whole(200);
    const chain = new ChainUnderTest([corrupt(1)], 3);
    const hit = new Set<number>();
    for (let i = 0; i < 300; i++) chain.push(200);
    assertEquals(chain.packets.length, 300);
    for (const { bytes, verified } of chain.packets) {
      const bits = differing(bytes, good);
      assertEquals(bits.length, 1);
      assertEquals(verified, false);
      assert(!checksumsAreGood(bytes));
      hit.add(bits[0]!);
    }
    assert(hit.size > 200);
    assert(Math.min(...hit) < 200 && Math.max(...hit) > 1400);
  });

  it("leaves the others as they are, checksum and all", () => {
    const chain = new ChainUnderTest([corrupt(0.25)]);
    for (let i = 0; i < 1000; i++) chain.push(100);
    const hit = chain.packets.filter(({ verified }) => !verified).length;
    assert(hit > 200 && hit < 300, `${hit}`);
    const spared = chain.packets.find(({ verified }) => verified)!;
    assertEquals(spared.bytes, ipPacket("10.0.0.1", "10.0.0.2", 100));
    chain.chain.set({ corrupt: 0 });
    chain.packets.length = 0;
    for (let i = 0; i < 100; i++) chain.push(100);
    assert(chain.packets.every(({ verified }) => verified));
  });

  it("takes probabilities only", () => {
    assertThrows(() => corrupt("1 %" as never), TypeError, "Cannot use 1 % as a corruption");
    for (const value of [-0.1, 1.5, NaN]) {
      assertThrows(() => corrupt(value), RangeError, `Cannot use ${value} as a corruption`);
    }
  });
});
