import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { segment } from "../../../core/link/sim/elements/segment.ts";
import { ChainUnderTest, checksumsAreGood, ipPacket, pooled } from "../../support/sim.ts";

describe("segment()", () => {
  for (
    const [from, to, header] of [["10.0.0.1", "10.0.0.2", 20], ["fd00::1", "fd00::2", 40]] as const
  ) {
    it(`cuts a super-segment into the packets it stands for, IPv${header === 20 ? 4 : 6}`, () => {
      const chain = new ChainUnderTest([segment()]);
      const bytes = ipPacket(from, to, header + 20 + 2500);
      bytes.forEach((_, i) => i >= header + 20 && (bytes[i] = i * 7));
      bytes.set([0xff, 0xff, 0xfc, 0x00], header + 4); // the sequence number wraps
      bytes[header + 13] = 0x99; // CWR, ACK, PSH, FIN
      bytes.set([0xff, 0xff], 4 * Number(header === 20)); // the identification wraps
      if (header === 40) bytes.set(ipPacket(from, to, bytes.length).subarray(0, 4));
      const packet = pooled(bytes);
      packet.gsoSize = 1000;
      packet.partial = false;
      packet.verified = false;
      chain.chain.push(packet);
      assertEquals(chain.out, [1000, 1000, 500].map((n) => `0:${header + 20 + n}`));
      const parts = chain.packets.map((part) => part.bytes);
      assert(parts.every(checksumsAreGood));
      assertEquals(parts.map((part) => part[header + 13]), [0x90, 0x10, 0x19]);
      const seq = parts.map((part) => new DataView(part.buffer).getUint32(header + 4));
      assertEquals(seq, [0xfffffc00, 0xffffffe8, 976]);
      if (header === 20) {
        assertEquals(parts.map((part) => part[4]! << 8 | part[5]!), [0xffff, 0, 1]);
      }
      const payload = parts.flatMap((part) => [...part.subarray(header + 20)]);
      assertEquals(Uint8Array.from(payload), bytes.subarray(header + 20));
      assert(chain.packets.every((part) => part.gsoSize === 0 && !part.verified));
    });
  }

  it("lets single packets pass", () => {
    const chain = new ChainUnderTest([segment()]);
    chain.push(100);
    assertEquals(chain.out, ["0:100"]);
  });
});
