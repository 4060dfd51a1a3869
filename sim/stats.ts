/** Figures of many values. */

/** What many values are like. All 0 when there is none. Of more than {@linkcode KEPT} times of one kind the percentiles are within 0.05 %. */
export interface Spread {
  /** How many. */
  readonly count: number;
  /** Their mean. */
  readonly mean: number;
  /** Least. */
  readonly min: number;
  /** The value that half of them are below. */
  readonly p50: number;
  /** That 95 % are below. */
  readonly p95: number;
  /** That 99 % are below. */
  readonly p99: number;
  /** Largest. */
  readonly max: number;
}

/**
 * The value below which `share` of the sorted ones are; nearest rank.
 *
 * @example
 * ```ts
 * import { percentile } from "@mptcp/mptcp/sim";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(percentile([1, 2, 3, 4], 0.5), 2);
 * assertEquals(percentile([1, 2, 3, 4], 0.95), 4);
 * assertEquals(percentile([], 0.5), 0);
 * ```
 */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ??
    0;
}

/**
 * Figures of values.
 *
 * @example
 * ```ts
 * import { spreadOf } from "@mptcp/mptcp/sim";
 * import { assertEquals } from "@std/assert";
 *
 * const { mean, p50, max } = spreadOf([3, 1, 2, 10]);
 * assertEquals({ mean, p50, max }, { mean: 4, p50: 2, max: 10 });
 * ```
 */
export function spreadOf(values: readonly number[]): Spread {
  // Numbers alone are sorted without a call for each comparison.
  const sorted = Array.from(Float64Array.from(values).sort());
  return {
    count: sorted.length,
    mean: meanOf(sorted),
    min: sorted[0] ?? 0,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? 0,
  };
}

/** Most values that a {@linkcode Tally} keeps as they are. */
export const KEPT = 65_536;
/** Parts of each octave, 1,024, in bits: the middle of one is within 0.05 % of all in it. */
const PART_BITS = 10;
/** Octaves from 1 us on: to 12 days. */
const OCTAVES = 40;
/** The exponent of 1 in the bits of a number. */
const BIAS = 1023;

const bits = new DataView(new ArrayBuffer(8));

/** The part of the scale that a value falls into. */
function partOf(value: number): number {
  bits.setFloat64(0, value);
  const part = (bits.getUint32(0) >>> 20 - PART_BITS) - (BIAS << PART_BITS);
  return value < 1 ? 0 : Math.min(part, (OCTAVES << PART_BITS) - 1);
}

/** The middle of a part. */
function middleOf(part: number): number {
  bits.setUint32(0, (part + (BIAS << PART_BITS)) * 2 ** (20 - PART_BITS) + 2 ** (19 - PART_BITS));
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** Times of which a run may tell millions: what it keeps of them has a bound. */
export class Tally {
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;
  #values: number[] | null = [];
  /** How many fell into each part of the scale, once there are too many to keep. */
  #parts: Uint32Array | null = null;
  readonly #most: number;

  /** Keeps up to `most` as they are. */
  constructor(most: number = KEPT) {
    this.#most = most;
  }

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** Numbers that are stored. */
  get stored(): number {
    return this.#values?.length ?? this.#parts!.length;
  }

  /** Takes one, of 0 or more. */
  add(value: number): void {
    this.#count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (this.#values === null) {
      this.#parts![partOf(value)]!++;
      return;
    }
    this.#values.push(value);
    if (this.#values.length <= this.#most) return;
    const parts = this.#parts = new Uint32Array(OCTAVES << PART_BITS);
    for (const kept of this.#values) parts[partOf(kept)]!++;
    this.#values = null;
  }

  /** What they are like: exact as long as all are kept, and always their count, mean, least and most. */
  get spread(): Spread {
    if (this.#values !== null) return spreadOf(this.#values);
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => this.#percentile(share));
    const [min, max] = [this.#min, this.#max];
    return {
      count: this.#count,
      mean: this.#sum / this.#count,
      min,
      p50: p50!,
      p95: p95!,
      p99: p99!,
      max,
    };
  }

  #percentile(share: number): number {
    const parts = this.#parts!;
    let left = Math.ceil(share * this.#count);
    let part = 0;
    while (part < parts.length - 1 && (left -= parts[part]!) > 0) part++;
    return Math.min(this.#max, Math.max(this.#min, middleOf(part)));
  }
}

/**
 * Their mean; 0 when there is none.
 *
 * @example
 * ```ts
 * import { meanOf } from "@mptcp/mptcp/sim";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(meanOf([1, 2, 6]), 3);
 * ```
 */
export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Jain's index of how evenly something is shared: 1 evenly, 1/n all to one.
 *
 * @example
 * ```ts
 * import { jainIndex } from "@mptcp/mptcp/sim";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(jainIndex([5, 5, 5]), 1);
 * assertEquals(jainIndex([9, 0, 0]), 1 / 3);
 * ```
 */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return squares === 0 ? 1 : sum * sum / (values.length * squares);
}
