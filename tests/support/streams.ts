/** Bytes to send, and ways to take them in and compare them. */

import type { MptcpConn } from "../../core/net/conn.ts";

/** `length` bytes that look random and differ by `seed`, so that a byte in a wrong place shows. */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed | 0;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Reads to the end. */
export async function readAll(conn: MptcpConn): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(65536);
  let length = 0;
  for (;;) {
    if (length === bytes.length) {
      const longer = new Uint8Array(2 * length);
      longer.set(bytes);
      bytes = longer;
    }
    const got = await conn.read(bytes.subarray(length));
    if (got === null) return bytes.subarray(0, length);
    length += got;
  }
}

/** The SHA-256 in hexadecimal. In the emulator to be awaited by `outside()`. */
export async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
