import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatAddress, inPrefix, parseAddress, parsePrefix } from "../../../core/wire/ip.ts";
import * as fc from "../../support/property.ts";

const octets = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size });

describe("address text", () => {
  it("is written as RFC 5952 demands", () => {
    for (
      const [text, canonical] of [
        ["10.0.0.1", "10.0.0.1"],
        ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
        ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // one group is not shortened
        ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"], // the longest run is
        ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], // the first of two
        ["::", "::"],
        ["::1", "::1"],
        ["1::", "1::"],
        ["fd00:0:0:0:1::", "fd00::1:0:0:0"],
        ["::ffff:1.2.3.4", "::ffff:102:304"],
      ] as const
    ) {
      const parsed = parseAddress(text);
      assert(parsed !== null, text);
      assertEquals(formatAddress(parsed.bytes), canonical);
    }
  });

  it("is refused when it is no address", () => {
    for (
      const text of [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        "a",
        ":",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        "fe80::1%eth0",
        "g::",
        "1:2:3:4:5:6:7::8",
        "1.2.3.4::",
      ]
    ) assertEquals(parseAddress(text), null, text);
  });

  it("survives the way to octets and back", () => {
    fc.assert(fc.property(fc.oneof(octets(4), octets(16)), (bytes) => {
      const text = formatAddress(bytes);
      const parsed = parseAddress(text);
      assertEquals(parsed?.bytes, bytes);
      assertEquals(parsed?.family, bytes.length === 4 ? 4 : 6);
      assertEquals(text, text.toLowerCase());
    }));
  });
});

describe("a prefix", () => {
  it("holds the addresses whose first bits are its own", () => {
    fc.assert(
      fc.property(octets(16), fc.nat({ max: 128 }), fc.nat({ max: 127 }), (bytes, length, bit) => {
        const other = bytes.slice();
        other[bit >> 3]! ^= 128 >> (bit & 7);
        const prefix = { address: { family: 6, bytes } as const, length };
        assert(inPrefix({ family: 6, bytes }, prefix));
        assertEquals(inPrefix({ family: 6, bytes: other }, prefix), bit >= length);
      }),
    );
  });

  it("is read from text", () => {
    assertEquals(parsePrefix("10.0.0.1/24")?.length, 24);
    assertEquals(parsePrefix("10.0.0.1")?.length, 32);
    assertEquals(parsePrefix("fd00::1")?.length, 128);
    for (const text of ["10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0/24", "fd00::/129"]) {
      assertEquals(parsePrefix(text), null, text);
    }
    assert(!inPrefix(parseAddress("10.0.0.1")!, parsePrefix("::/0")!));
  });
});
