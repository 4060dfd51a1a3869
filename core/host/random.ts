/** Named streams of random numbers: one more consumer shifts no other. */

/** A stream of random numbers. */
export interface RandomStream {
  /** 32 random bits. */
  u32(): number;
  /** A number in [0, 1). */
  float(): number;
}

/** Gives the stream of a name; each call continues the same stream. */
export type RandomSource = (name: string) => RandomStream;

/** Makes a stream of a function that gives 32 random bits. */
export function randomStream(u32: () => number): RandomStream {
  return { u32, float: () => u32() / 4294967296 };
}

/** FNV-1a over the name, mixed with the seed. */
function hashName(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ Math.imul(seed | 0, 0x9e3779b1);
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}

/** xoshiro128**: four words of state, filled by splitmix32. */
function xoshiro(seed: number): () => number {
  let mix = seed | 0;
  const next = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = mix ^ mix >>> 16;
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return z ^ z >>> 15;
  };
  let a = next();
  let b = next();
  let c = next();
  let d = next();
  return () => {
    const five = Math.imul(b, 5);
    const result = Math.imul(five << 7 | five >>> 25, 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = d << 11 | d >>> 21;
    return result;
  };
}

/** A source whose every stream follows from `seed` (any 32-bit number) and its name. */
export function seededRandom(seed: number): RandomSource {
  const streams = new Map<string, RandomStream>();
  return (name) => {
    let stream = streams.get(name);
    if (stream === undefined) {
      stream = randomStream(xoshiro(hashName(seed, name)));
      streams.set(name, stream);
    }
    return stream;
  };
}
