import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { inOnePiece, packetOut } from "../../../core/wire/packet.ts";
import { memory_alloc, memory_free, u8 } from "../../../wasm/mod.ts";
import { bytesOf, cutPacket } from "../../support/packets.ts";

describe("a packet on its way out", () => {
  it("is headers and up to two pieces", () => {
    const at = memory_alloc(16);
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
    u8.set(bytes, at);
    for (const cuts of [[], [4], [4, 9], [16], [3, 16]]) {
      assertEquals(bytesOf(cutPacket(at, 16, cuts)), bytes);
    }
    memory_free(at);
  });

  it("in one piece has nothing left of the one before, which had payload", () => {
    const packet = packetOut();
    Object.assign(packet, cutPacket(0x1000, 3000, [60, 1500], 1440), { paged: true });
    inOnePiece(packet, 40);
    const { header, headerLength, aLength, bLength, gsoSize, paged } = packet;
    assertEquals([header, headerLength, aLength, bLength, gsoSize], [0x1000, 40, 0, 0, 0]);
    assertEquals(paged, false);
  });
});
