/** SipHash with `c` and `d` rounds as its authors describe it, over whole words and without a length: in words of any size. */

const MASK = (1n << 64n) - 1n;

/** The hash of `words` under the key (k0, k1). */
export function sipHash(c: number, d: number, k0: bigint, k1: bigint, words: bigint[]): bigint {
  let v0 = k0 ^ 0x736f6d6570736575n;
  let v1 = k1 ^ 0x646f72616e646f6dn;
  let v2 = k0 ^ 0x6c7967656e657261n;
  let v3 = k1 ^ 0x7465646279746573n;
  const rotate = (x: bigint, by: bigint): bigint => (x << by | x >> 64n - by) & MASK;
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = v0 + v1 & MASK;
      v1 = rotate(v1, 13n) ^ v0;
      v0 = rotate(v0, 32n);
      v2 = v2 + v3 & MASK;
      v3 = rotate(v3, 16n) ^ v2;
      v0 = v0 + v3 & MASK;
      v3 = rotate(v3, 21n) ^ v0;
      v2 = v2 + v1 & MASK;
      v1 = rotate(v1, 17n) ^ v2;
      v2 = rotate(v2, 32n);
    }
  };
  for (const word of words) {
    v3 ^= word;
    rounds(c);
    v0 ^= word;
  }
  v2 ^= 0xffn;
  rounds(d);
  return v0 ^ v1 ^ v2 ^ v3;
}
