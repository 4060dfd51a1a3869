import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { createHash, createHmac } from "node:crypto";
import { hmac_sha256, sha256, u8 } from "../../wasm/mod.ts";
import * as fc from "../support/property.ts";
import { Scratch } from "./support.ts";

const scratch = new Scratch(1_010_000);
const KEY = 1_000_100;
const DIGEST = 1_005_000;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const bytes = (value: number, length: number): Uint8Array => new Uint8Array(length).fill(value);

function digest(): string {
  return u8.slice(scratch.address + DIGEST, scratch.address + DIGEST + 32).toHex();
}

function hash(message: Uint8Array, skip = 0): string {
  sha256(scratch.put(message, skip), message.length, scratch.address + DIGEST);
  return digest();
}

function hmac(key: Uint8Array, message: Uint8Array, skip = 0): string {
  const at = scratch.put(key, KEY + skip);
  hmac_sha256(
    at,
    key.length,
    scratch.put(message, skip),
    message.length,
    scratch.address + DIGEST,
  );
  return digest();
}

describe("SHA-256", () => {
  // FIPS 180-4's examples, and what it says of long messages.
  for (
    const [name, message, expected] of [
      ["abc", text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
      ["nothing", text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
      [
        "two blocks, the second for the length alone",
        text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      ],
      [
        "a million times a",
        bytes(0x61, 1_000_000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
      ],
    ] as const
  ) it(`has the value of FIPS 180-4: ${name}`, () => assertEquals(hash(message), expected));

  it("is node:crypto's of every length to four blocks, and of any bytes at any address", () => {
    for (let length = 0; length <= 256; length++) {
      const message = bytes(length * 37, length);
      assertEquals(hash(message), createHash("sha256").update(message).digest("hex"), `${length}`);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(67), (message, skip) => {
      assertEquals(hash(message, skip), createHash("sha256").update(message).digest("hex"));
    }));
  });
});

describe("HMAC-SHA256", () => {
  // RFC 4231 §4.2 to §4.8; the fifth gives the first 128 bits alone.
  for (
    const [number, key, message, expected] of [
      [
        1,
        bytes(0x0b, 20),
        text("Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      ],
      [
        2,
        text("Jefe"),
        text("what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      ],
      [
        3,
        bytes(0xaa, 20),
        bytes(0xdd, 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
      ],
      [
        4,
        Uint8Array.from({ length: 25 }, (_, i) => i + 1),
        bytes(0xcd, 50),
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
      ],
      [5, bytes(0x0c, 20), text("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"],
      [
        6,
        bytes(0xaa, 131),
        text("Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      ],
      [
        7,
        bytes(0xaa, 131),
        text(
          "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
      ],
    ] as const
  ) {
    it(`has the value of RFC 4231, test case ${number}`, () => {
      assertEquals(hmac(key, message).slice(0, expected.length), expected);
    });
  }

  it("is node:crypto's of any key and any message", () => {
    const key = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(key, fc.uint8Array({ maxLength: 300 }), fc.nat(67), (key, message, skip) => {
        assertEquals(
          hmac(key, message, skip),
          createHmac("sha256", key).update(message).digest("hex"),
        );
      }),
    );
  });
});
