import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PcapWriter } from "../../sim/pcapng.ts";
import { ipPacket } from "../support/sim.ts";

describe("PcapWriter", () => {
  it("writes blocks that end where they say, padded to four bytes", async () => {
    const blocks: Uint8Array<ArrayBuffer>[] = [];
    const writer = new PcapWriter((block) => blocks.push(block));
    const packet = ipPacket("10.0.0.1", "10.0.0.2", 61, 7);
    writer.add("wifi", 1.5, packet);
    writer.add("lte", 5e9 + 0.25, packet);
    writer.add("wifi", 2, packet, { direction: "in", comment: "hello" });
    const file = new Uint8Array(await new Blob(blocks).arrayBuffer());
    const view = new DataView(file.buffer);
    const types: number[] = [];
    let at = 0;
    const times: number[] = [];
    while (at < file.length) {
      const [type, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      assertEquals(length % 4, 0);
      assertEquals(view.getUint32(at + length - 4, true), length);
      types.push(type);
      if (type === 6) {
        times.push(view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true));
        assertEquals(file.slice(at + 28, at + 28 + 61), packet);
      }
      at += length;
    }
    assertEquals(types, [0x0a0d0d0a, 1, 6, 1, 6, 6]);
    assertEquals(times, [1500, 5e12 + 250, 2000]);
    assertEquals(writer.interfaces, 2);
    assertStringIncludes(new TextDecoder().decode(blocks.at(-1)), "hello");
  });
});
