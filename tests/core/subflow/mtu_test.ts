import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Mtu } from "../../../core/subflow/mtu.ts";
import { FakeOutlet } from "../../support/parts.ts";

/** Segment sizes over a link with packets of `bytes`. */
function over(bytes: number, family: 4 | 6 = 4, most?: number): Mtu {
  const outlet = new FakeOutlet();
  outlet.mtu = bytes;
  return new Mtu(outlet, family, most);
}

describe("segment sizes", () => {
  it("are the link's packets less the headers of the family", () => {
    assertEquals([over(1500).local, over(1500).headers], [1460, 40]);
    assertEquals([over(1500, 6).local, over(1500, 6).headers], [1440, 60]);
    assertEquals(over(1500).path, 1500);
  });

  it("are told in 16 bits, however large the packets", () => {
    assertEquals([over(65575).local, over(65576).local], [65535, 65535]);
  });

  it("are what both the peer and our link allow", () => {
    const mtu = over(1500);
    assertEquals([1459, 1460, 1461].map((mss) => (mtu.peer(mss), mtu.segment)), [1459, 1460, 1460]);
  });

  it("are the least that everybody takes where the peer names none (RFC 9293 §3.7.1)", () => {
    assertEquals(
      [4, 6].map((family) => {
        const mtu = over(1500, family === 4 ? 4 : 6);
        mtu.peer(undefined);
        return mtu.segment;
      }),
      [536, 1220],
    );
    const zero = over(1500);
    zero.peer(0);
    assertEquals(zero.segment, 536, "nobody can ask for nothing");
    const narrow = over(576);
    narrow.peer(undefined);
    assertEquals(narrow.segment, 536);
  });

  it("never fall below 64 octets, whatever the peer asks for", () => {
    const mtu = over(1500);
    assertEquals([1, 63, 64, 65].map((mss) => (mtu.peer(mss), mtu.segment)), [64, 64, 64, 65]);
  });

  it("are bounded in both directions where the user bounds them", () => {
    const mtu = over(1500, 4, 1000);
    assertEquals(mtu.local, 1000);
    assertEquals([999, 1000, 1460].map((mss) => (mtu.peer(mss), mtu.segment)), [999, 1000, 1000]);
    assertEquals(over(500, 4, 1000).local, 460);
  });

  it("leave to the payload what options do not take, at least a byte", () => {
    const mtu = over(1500);
    mtu.peer(1460);
    mtu.options(32);
    assertEquals([mtu.segment, mtu.payload], [1460, 1428]);
    mtu.peer(64);
    mtu.options(64);
    assertEquals(mtu.payload, 1);
  });
});
