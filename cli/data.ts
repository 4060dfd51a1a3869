/** Bytes to transfer in demonstrations and tests: every part differs, so that a byte at the wrong place changes the sum. */

import { createHash } from "node:crypto";

/** A stream of pseudo-random bytes (xorshift32), the same for the same seed. */
export class TestData {
  #state: number;

  /** @param seed an integer. */
  constructor(seed: number) {
    this.#state = (seed >>> 0) || 1;
  }

  /** Fills `target` with the next bytes; its length is a multiple of four unless it is the last. */
  fill(target: Uint8Array): void {
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    let state = this.#state;
    const whole = target.length & ~3;
    for (let i = 0; i < target.length; i += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      if (i < whole) view.setUint32(i, state, true);
      else for (let j = i; j < target.length; j++) target[j] = state >>> (8 * (j - i));
    }
    this.#state = state;
  }
}

/** A SHA-256 that is fed piece by piece. */
export class Digest {
  readonly #hash = createHash("sha256");

  /** Adds bytes. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The sum in hexadecimal digits; nothing can be added afterwards. */
  hex(): string {
    return this.#hash.digest("hex");
  }
}
