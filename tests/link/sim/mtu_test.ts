import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertThrows } from "@std/assert";
import { mtu } from "../../../core/link/sim/elements/mtu.ts";
import { ChainUnderTest, ipPacket, plainSum, pooled } from "../../support/sim.ts";

const FOUR = ["10.0.0.1", "10.0.0.2"] as const;
const SIX = ["fd00::1", "fd00::2"] as const;

/** The chain after a packet of `length` bytes of a family has entered. */
function after(
  length: number,
  family: 4 | 6,
  options?: { icmp?: boolean },
  change: (bytes: Uint8Array) => void = () => {},
): ChainUnderTest {
  const chain = new ChainUnderTest([mtu(1400, options)]);
  const [from, to] = family === 4 ? FOUR : SIX;
  const bytes = ipPacket(from, to, length, 7);
  change(bytes);
  chain.chain.push(pooled(bytes));
  return chain;
}

describe("mtu()", () => {
  for (const family of [4, 6] as const) {
    it(`lets through what is as large as it says, and drops the rest (IPv${family})`, () => {
      assertEquals(after(1400, family).out, ["0:1400"]);
      const chain = after(1401, family);
      assertEquals([chain.out, chain.chain.dropped], [[], { mtu: 1 }]);
    });

    it(`says nothing where it is a black hole (IPv${family})`, () => {
      const chain = after(1500, family, { icmp: false });
      assertEquals([chain.out, chain.answers], [[], []]);
    });
  }

  it("RFC 1191 §4: answers with type 3, code 4, the MTU and what was dropped, 576 octets at most (RFC 1812 §4.3.2.3)", () => {
    const [answer] = after(1500, 4).answers;
    const bytes = answer!;
    assertEquals(bytes.length, 576);
    assertEquals([...bytes.subarray(12, 20)], [10, 0, 0, 2, 10, 0, 0, 1]);
    assertEquals([...bytes.subarray(20, 22), ...bytes.subarray(24, 28)], [
      3,
      4,
      0,
      0,
      1400 >> 8,
      1400 & 255,
    ]);
    assertEquals([plainSum(bytes.subarray(0, 20)), plainSum(bytes.subarray(20))], [0xffff, 0xffff]);
    assertEquals(bytes.subarray(28, 44), ipPacket(...FOUR, 1500, 7).subarray(0, 16));
  });

  it("RFC 4443 §3.2: answers with type 2, the MTU and what was dropped, 1280 octets at most", () => {
    const [answer] = after(1500, 6).answers;
    const bytes = answer!;
    assertEquals(bytes.length, 1280);
    assertEquals([...bytes.subarray(40, 42), ...bytes.subarray(44, 48)], [
      2,
      0,
      0,
      0,
      1400 >> 8,
      1400 & 255,
    ]);
    const pseudo = plainSum(bytes.subarray(8, 40), bytes.length - 40 + 58);
    assertEquals(plainSum(bytes.subarray(40), pseudo), 0xffff);
    assertEquals(bytes.subarray(48, 88), ipPacket(...SIX, 1500, 7).subarray(0, 40));
  });

  it("RFC 1122 §3.2.2, RFC 4443 §2.4: answers no error, and nothing that may be fragmented", () => {
    const four = after(1500, 4, {}, (bytes) => {
      bytes[9] = 1;
      bytes[20] = 3;
    });
    const echo = after(1500, 4, {}, (bytes) => {
      bytes[9] = 1;
      bytes[20] = 8;
    });
    const six = after(1500, 6, {}, (bytes) => {
      bytes[6] = 58;
      bytes[40] = 1;
    });
    const whole = after(1500, 4, {}, (bytes) => void (bytes[6] = 0));
    assertEquals([four, echo, six, whole].map(({ answers }) => answers.length), [0, 1, 0, 0]);
  });

  it("takes a super-segment for the packets that it stands for, and quotes the first of them", () => {
    const chain = new ChainUnderTest([mtu(1400)]);
    for (const gsoSize of [1360, 1361]) {
      const packet = pooled(ipPacket(...FOUR, 4040, 7));
      packet.gsoSize = gsoSize;
      chain.chain.push(packet);
    }
    assertEquals(chain.out, ["0:4040"]);
    const quote = chain.answers[0]!.subarray(28);
    assertEquals([quote[2]! << 8 | quote[3]!, plainSum(quote.subarray(0, 20))], [1401, 0xffff]);
  });

  it("changes by { mtu }", () => {
    const chain = new ChainUnderTest([mtu(1400)]);
    chain.chain.set({ mtu: 1280 });
    chain.push(1280, 1281);
    assertEquals(chain.out, ["0:1280"]);
    assertThrows(() => chain.chain.set({ mtu: "1280" }), TypeError, "number of bytes");
  });

  it("refuses what is no MTU", () => {
    assertThrows(() => mtu("1400" as never), TypeError, "Cannot use 1400 as the MTU of a path");
    assertThrows(
      () => mtu(1400, { icmp: 1 } as never),
      TypeError,
      "as 'icmp' must be true or false: current value is 1",
    );
    assertThrows(
      () => mtu(1400, { imcp: false } as never),
      TypeError,
      "with 'imcp' as the one option is 'icmp'",
    );
    for (const wrong of [67, 65536, 1400.5, NaN]) {
      assertThrows(() => mtu(wrong), RangeError, `Cannot use ${wrong} as the MTU of a path`);
    }
  });
});
