/** Which address the stack sees a peer at that has come by itself. */

import { isHostAddress } from "../../wire/ip.ts";

/** Where addresses are taken from when a peer's own cannot be used: 100.64.0.0/10, as networks behind translators have them (RFC 6598). */
const POOL_4 = 22;
/** Bits of the host part in fdxx:xxxx:xxxx::/64 (RFC 4193 §3.1). */
const POOL_6 = 32;

/** Addresses for peers, of one family. */
export class PeerAddresses {
  readonly #prefix: Uint8Array;
  readonly #bits: number;
  #next = 1;

  /** `random` is asked for the 40 bits of an IPv6 network that is nobody's. */
  constructor(family: 4 | 6, random: () => number) {
    if (family === 4) {
      this.#prefix = Uint8Array.of(100, 64, 0, 0);
      this.#bits = POOL_4;
    } else {
      this.#prefix = new Uint8Array(16);
      this.#prefix[0] = 0xfd;
      for (let i = 1; i < 6; i++) this.#prefix[i] = random() * 256;
      this.#bits = POOL_6;
    }
  }

  /**
   * That of a peer whose datagrams come from `real`: the same where a host may have it and no other has it, so that applications and logs show it; else one of
   * the pool. None comes back soon: what TCP remembers of the one who had it must not concern the next.
   */
  choose(real: Uint8Array, taken: (address: Uint8Array) => boolean): Uint8Array {
    if (real.length === this.#prefix.length && isHostAddress(real) && !taken(real)) return real;
    for (;;) {
      const address = this.#prefix.slice();
      const number = this.#next;
      this.#next = this.#next + 1 >= 2 ** this.#bits ? 1 : this.#next + 1;
      for (let i = 0; i < 4; i++) {
        address[address.length - 1 - i]! |= Math.floor(number / 256 ** i) & 255;
      }
      if (isHostAddress(address) && !taken(address)) return address;
    }
  }
}
