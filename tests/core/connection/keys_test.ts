import { assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  addAddrHmac,
  joinHmac,
  keyMaterial,
  Keys,
  sameHmac,
} from "../../../core/connection/keys.ts";
import type { InitialDsn } from "../../../core/wire/seq.ts";

// Vectors of the draft's table, §17 (computed from the text of RFC 8684).
const A = { high: 0x01020304, low: 0x05060708 };
const B = { high: 0x11121314, low: 0x15161718 };
const R_A = 0x01020304;
const R_B = 0x11121314;

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

describe("keys", () => {
  // RFC 8684 §3.1: "Note that the key MUST be hashed in network byte order."
  // RFC 8684 §3.1: "the token MUST be a truncated (most significant 32 bits) SHA-256 hash"
  // RFC 8684 §3.1: "A different, 64-bit truncation (the least significant 64 bits) of the SHA-256 hash of the key MUST be used as the
  // IDSN"
  // RFC 8684 §3.1: "the 'least significant' bits MUST be the rightmost bits of the SHA-256 digest"
  // RFC 8684 §3.1: "the IDSN of a host MUST be the least significant 64 bits of the SHA-256 hash of its key"
  it("give token and initial data sequence number (RFC 8684 §3.1)", () => {
    assertEquals(keyMaterial(A), {
      token: 0x66840dda,
      idsn: { high: 0xf5a101d3, low: 0xd29d6f72 },
    });
    assertEquals(keyMaterial(B), {
      token: 0xccad45ac,
      idsn: { high: 0x535beea3, low: 0x8e087c8e },
    });
  });

  it("give the HMACs of a join: 160 bits from A, 64 from B (RFC 8684 §3.2)", () => {
    const fromA = joinHmac(A, B, R_A, R_B);
    assertEquals(hex(fromA.subarray(0, 20)), "ebe1904f60783da390651bcd4a4896b78d9e26fd");
    const fromB = joinHmac(B, A, R_B, R_A);
    assertEquals(hex(fromB.subarray(0, 8)), "65b13efb032466b9");
  });

  it("give the HMAC of ADD_ADDR: id, address and port, the last 64 bits (RFC 8684 §3.4.1)", () => {
    const mac = addAddrHmac(A, B, 4, new Uint8Array([10, 0, 2, 1]), 0);
    assertEquals(hex(mac), "3f2ae47861661cb6");
    assertNotEquals(hex(addAddrHmac(A, B, 4, new Uint8Array([10, 0, 2, 1]), 80)), hex(mac));
    assertNotEquals(hex(addAddrHmac(B, A, 4, new Uint8Array([10, 0, 2, 1]), 0)), hex(mac));
  });

  it("are compared in full", () => {
    const mac = joinHmac(A, B, R_A, R_B);
    for (const at of [0, 7, 31]) {
      const other = mac.slice();
      other[at]! ^= 1;
      assertEquals(sameHmac(mac, other), false);
    }
    assertEquals(sameHmac(mac, mac.slice()), true);
    assertEquals(sameHmac(mac, mac.slice(0, 20)), false);
  });
});

describe("the keys of a connection (RFC 8684 §3.1)", () => {
  it("are ours, with what follows from it; the peer's is 0 until it is learned", () => {
    const keys = new Keys(A, false);
    // The sign of a word of a number tells nothing.
    const bits = ({ high, low }: InitialDsn) => ({ high: high >>> 0, low: low >>> 0 });
    const { token, idsn } = keyMaterial(A);
    assertEquals([keys.own, keys.token, bits(keys.idsn)], [A, token, idsn]);
    const zero = { high: 0, low: 0 };
    assertEquals([keys.peer, keys.peerToken, bits(keys.peerIdsn)], [zero, 0, zero]);
    keys.learn(B);
    assertEquals(keys.peer, B);
    assertEquals({ token: keys.peerToken, idsn: bits(keys.peerIdsn) }, keyMaterial(B));
    assertEquals(keys.own, A);
  });

  // RFC 8684 §3.1: "A crypto algorithm MUST be specified."
  // RFC 8684 §3.1: "MUST set bit 'H' to 1 and bits 'D' through 'G' to 0"
  // RFC 8684 §3.1: "if either host requires the use of checksums, checksums MUST be used"
  // RFC 8684 §3.1: "It MUST be set to 0 for current implementations."
  it("offer HMAC-SHA256, and checksums where one side asks for them: not to ask again takes nothing back", () => {
    const quiet = new Keys(A, false);
    assertEquals([quiet.checksum, quiet.flags], [false, 0x01]);
    quiet.heed(0x01);
    assertEquals([quiet.checksum, quiet.flags], [false, 0x01]);
    quiet.heed(0x81);
    assertEquals([quiet.checksum, quiet.flags], [true, 0x81]);
    quiet.heed(0x01);
    assertEquals(quiet.checksum, true);
    const asking = new Keys(A, true);
    asking.heed(0x01);
    assertEquals([asking.checksum, asking.flags], [true, 0x81]);
  });

  it("remember whether the peer takes joins to its first address, as it said last", () => {
    const keys = new Keys(A, false);
    assertEquals(keys.denied, false);
    keys.heed(0x21);
    assertEquals([keys.denied, keys.flags], [true, 0x01]);
    keys.heed(0x01);
    assertEquals(keys.denied, false);
  });
});
