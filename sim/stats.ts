/** Figures of many values. */

/** What many values are like. All 0 when there is none. */
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
  const sorted = values.toSorted((a, b) => a - b);
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
