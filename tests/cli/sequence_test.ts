import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { positionOf } from "../../cli/sequence.ts";

/** An IP packet with the TCP options and as many bytes of payload as given; everything else is zero. */
function packet(
  version: 4 | 6,
  seq: number,
  options: readonly number[],
  length: number,
): Uint8Array {
  const ip = version === 4 ? 20 : 40;
  const bytes = new Uint8Array(ip + 20 + options.length + length);
  const view = new DataView(bytes.buffer);
  bytes[0] = version === 4 ? 0x45 : 0x60;
  bytes[version === 4 ? 9 : 6] = 6;
  view.setUint32(ip + 4, seq);
  bytes[ip + 12] = (5 + options.length / 4) << 4;
  bytes.set(options, ip + 20);
  return bytes;
}

const TIMESTAMPS = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

describe("positions of data", () => {
  it("are the sequence number without MPTCP", () => {
    assertEquals(positionOf(packet(4, 0xfffffff0, TIMESTAMPS, 5)), {
      sequence: 0xfffffff0,
      mptcp: false,
      length: 5,
    });
  });

  it("are the low half of the data sequence number, of four or eight octets, behind any DATA_ACK", () => {
    const mapping = [0, 0, 0, 1, 0, 5];
    const dsn = (version: 4 | 6, ...option: number[]): number | undefined =>
      positionOf(packet(version, 1, [...TIMESTAMPS, 30, option.length + 2, ...option], 5))
        ?.sequence;
    assertEquals(dsn(4, 0x20, 4, 0, 0, 1, 2, ...mapping, 1, 1), 0x102);
    assertEquals(dsn(6, 0x20, 5, 9, 9, 9, 9, 0, 0, 1, 2, ...mapping, 1, 1), 0x102);
    assertEquals(dsn(4, 0x20, 12, 8, 8, 8, 8, 0, 0, 1, 2, ...mapping, 1, 1), 0x102);
    assertEquals(
      dsn(6, 0x20, 15, 9, 9, 9, 9, 9, 9, 9, 9, 8, 8, 8, 8, 0, 0, 1, 2, ...mapping, 1, 1),
      0x102,
    );
  });

  it("are those of the mapping only: a DATA_ACK alone has none", () => {
    const ack = [30, 8, 0x20, 1, 9, 9, 9, 9];
    assertEquals(positionOf(packet(4, 77, ack, 5))?.sequence, 77);
    assertEquals(positionOf(packet(4, 77, ack, 0)), null);
  });

  it("are none in other protocols", () => {
    const bytes = packet(4, 1, [], 5);
    bytes[9] = 17;
    assertEquals(positionOf(bytes), null);
  });
});
