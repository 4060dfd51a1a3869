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

/** The value below which `share` of the sorted ones are; nearest rank. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ??
    0;
}

/** Figures of values. */
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

/** Their mean; 0 when there is none. */
export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Jain's index of how evenly something is shared: 1 evenly, 1/n all to one. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return squares === 0 ? 1 : sum * sum / (values.length * squares);
}
