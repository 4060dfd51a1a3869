/** HMACs of what comes from the network, of any length that a packet has. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createHmac } from "node:crypto";
import { hmacSha256 } from "../../../core/connection/keys.ts";
import { memory_alloc, memory_free, u8 } from "../../../wasm/mod.ts";

const KEY = new Uint8Array(64).fill(7);

function octets(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8));
}

describe("hmacSha256()", () => {
  it("is RFC 2104's of parts of any length", () => {
    for (const length of [0, 1, 400, 447, 448, 449, 1400, 65_507]) {
      const expected = createHmac("sha256", KEY).update("head").update(octets(length)).digest();
      const head = new TextEncoder().encode("head");
      assertEquals(hmacSha256(KEY, head, octets(length)), new Uint8Array(expected), `${length}`);
    }
  });

  it("writes to no memory that is somebody else's, however long they are", () => {
    // Blocks of its size: those beside its own are among them.
    const blocks = Array.from({ length: 256 }, () => memory_alloc(512));
    for (const at of blocks) u8.fill(0xa5, at, at + 512);
    for (const length of [448, 449, 1400, 9000, 65_507]) hmacSha256(KEY, octets(length));
    for (const at of blocks) {
      assertEquals(u8.subarray(at, at + 512).findIndex((octet) => octet !== 0xa5), -1);
      memory_free(at);
    }
  });

  it("refuses what is longer", () => {
    assertThrows(() => hmacSha256(new Uint8Array(65)), RangeError, "65 octets: the most is 64");
    assertThrows(() => hmacSha256(KEY, octets(65_985)), RangeError, "the most is 65984");
  });
});
