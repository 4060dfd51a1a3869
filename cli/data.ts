/** Bytes to transfer in demonstrations and tests: every part differs, so that a byte at the wrong place changes the sum. */

import { createHash } from "node:crypto";

/** A stream of pseudo-random bytes (xorshift32), the same for the same seed. */
export class TestData {
  #state: number;
  /** Bytes of the last word that nobody has got. */
  #left = 0;

  /** @param seed an integer. */
  constructor(seed: number) {
    this.#state = (seed >>> 0) || 1;
  }

  /** Fills `target` with the next bytes. */
  fill(target: Uint8Array): void {
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    let state = this.#state;
    let left = this.#left;
    let i = 0;
    while (left > 0 && i < target.length) target[i++] = state >>> (8 * (4 - left--));
    for (; i < target.length; i += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      left = Math.max(0, i + 4 - target.length);
      if (left === 0) view.setUint32(i, state, true);
      else for (let j = i; j < target.length; j++) target[j] = state >>> (8 * (j - i));
    }
    this.#state = state;
    this.#left = left;
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
