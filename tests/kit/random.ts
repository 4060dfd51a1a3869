/** The kit's own source of chance, and a watch over others. */

/** Numbers in [0, 1) that follow from `seed`: splitmix32. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ state >>> 16;
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return ((z ^ z >>> 15) >>> 0) / 4294967296;
  };
}

/** Runs `work` and names what it used of the platform's clocks and chance; null when nothing. */
export function watched(work: () => void): string | null {
  let used: string | null = null;
  const { random } = Math;
  const { now } = Date;
  const tick = performance.now;
  Math.random = () => {
    used = "Math.random()";
    return random();
  };
  Date.now = () => {
    used = "Date.now()";
    return now();
  };
  performance.now = () => {
    used = "performance.now()";
    return tick.call(performance);
  };
  try {
    work();
  } finally {
    Math.random = random;
    Date.now = now;
    performance.now = tick;
  }
  return used;
}

/** A fingerprint of numbers in their order: FNV-1a. */
export class Fingerprint {
  /** Its value so far. */
  value = 0x811c9dc5;

  /** Adds a number. */
  add(number: number): void {
    for (let i = 0; i < 4; i++) {
      this.value = Math.imul(this.value ^ (number >>> 8 * i & 255), 0x01000193);
    }
  }
}
