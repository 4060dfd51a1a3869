/**
 * The cells that "a second path never costs you anything" is measured in. They follow from a seed and were chosen before anything was tuned by them;
 * tests/bench/promise_cells_test.ts holds their digest.
 */

import { seededRandom } from "../../core/host/random.ts";

/** Mbit/s of a path. */
export const RATES: readonly number[] = [2, 8, 20, 50, 100, 300];
/** Milliseconds of its round trip while it is empty. */
export const RTTS: readonly number[] = [10, 40, 100, 300];
/** What a queue holds, times what fills its path (BDP). */
export const QUEUES: readonly number[] = [1, 4];
/** Bytes of a transfer. */
export const SIZES: readonly number[] = [2e3, 10e3, 30e3, 100e3, 300e3, 1e6, 4e6];
/** The connection is new, or has carried transfers before. */
export const CONNECTIONS = ["fresh", "kept"] as const;
/** The receive buffer, times what fills the path with the longer round trip; auto: it grows, as where nothing is said. */
export const BUFFERS: readonly (number | "auto")[] = [1, 2, 4, "auto"];
/** Packets lost at random in each direction of one path, 1 or 2. */
export const LOSSES: readonly Loss[] = [
  { share: 0, path: 0 },
  { share: 0.001, path: 1 },
  { share: 0.001, path: 2 },
  { share: 0.01, path: 1 },
  { share: 0.01, path: 2 },
];

/** Where packets are lost. */
export interface Loss {
  /** 0 to 1. */
  readonly share: number;
  /** The path, from 1; 0: none. */
  readonly path: 0 | 1 | 2;
}

/** A path. */
export interface CellPath {
  /** Mbit/s. */
  readonly mbit: number;
  /** Milliseconds of the round trip while it is empty. */
  readonly rtt: number;
}

/** One cell. */
export interface Cell {
  readonly paths: readonly [CellPath, CellPath];
  readonly queue: number;
  readonly loss: Loss;
  readonly size: number;
  readonly connection: (typeof CONNECTIONS)[number];
  readonly buffer: number | "auto";
}

/** The path with the longer round trip, and the other one; of equal ones that of the lower rate is the longer. */
export function longAndShort(
  { paths: [one, other] }: Cell,
): { readonly long: CellPath; readonly short: CellPath } {
  const first = one.rtt > other.rtt || (one.rtt === other.rtt && one.mbit < other.mbit);
  return first ? { long: one, short: other } : { long: other, short: one };
}

/** How many cells there are: each of the 300 pairs of paths in 8 of them. */
const COUNT = 2400;
/** What the list follows from. */
const SEED = 8684;
/** How often each of {@linkcode LOSSES} comes: half of the cells lose nothing. */
const LOSS_WEIGHTS: readonly number[] = [4, 1, 1, 1, 1];

/** A path as names have it. */
export function pathName({ mbit, rtt }: CellPath): string {
  return `${mbit}/${rtt}`;
}

/** A size as names have it. */
export function sizeName(size: number): string {
  return size >= 1e6 ? `${size / 1e6}MB` : `${size / 1e3}kB`;
}

function words({ paths, queue, loss, size, connection, buffer }: Cell): string[] {
  return [
    paths.map(pathName).join("+"),
    `queue=${queue}`,
    loss.path === 0 ? "loss=0" : `loss=${+(loss.share * 100).toFixed(4)}%@${loss.path}`,
    sizeName(size),
    connection,
    `buffer=${buffer}`,
  ];
}

/**
 * The name of a cell, which says all of it: `100/10+2/40 queue=1 loss=1%@2 1MB fresh buffer=auto` is 100 Mbit/s 10 ms and 2 Mbit/s 40 ms, each with a queue
 * of one BDP, 1 % lost on the second.
 */
export function cellName(cell: Cell): string {
  return words(cell).join(" ");
}

const NAME =
  /^([\d.]+)\/([\d.]+)\+([\d.]+)\/([\d.]+) queue=([\d.]+) loss=(?:0|([\d.]+)%@([12])) ([\d.]+)(kB|MB) (fresh|kept) buffer=([\d.]+|auto)$/;

/** The cell of a name, of the list or not; null: it is no name. */
export function parseCell(name: string): Cell | null {
  const match = NAME.exec(name.trim());
  if (match === null) return null;
  const [, mbit1, rtt1, mbit2, rtt2, queue, share, path, size, unit, connection, buffer] = match;
  const cell = {
    paths: [
      { mbit: Number(mbit1), rtt: Number(rtt1) },
      { mbit: Number(mbit2), rtt: Number(rtt2) },
    ],
    queue: Number(queue),
    loss: share === undefined
      ? { share: 0, path: 0 }
      : { share: Number(share) / 100, path: Number(path) },
    size: Number(size) * (unit === "MB" ? 1e6 : 1e3),
    connection,
    buffer: buffer === "auto" ? "auto" : Number(buffer),
  } as Cell;
  const positive = [...cell.paths.flatMap(({ mbit, rtt }) => [mbit, rtt]), cell.queue, cell.size];
  const sound = positive.every((value) => value > 0) && cell.loss.share < 1 && cell.buffer !== 0;
  return sound ? cell : null;
}

function shuffle<T>(values: T[], random: () => number): T[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}

/** `count` values in which each comes as often as the others, in any beginning too: one shuffled block after another. */
function inBlocks<T>(values: readonly T[], count: number, random: () => number): T[] {
  const all: T[] = [];
  while (all.length < count) all.push(...shuffle([...values], random));
  return all.slice(0, count);
}

/** All cells, in an order any beginning of which is spread over the values of every axis. */
export function gridCells(): readonly Cell[] {
  const source = seededRandom(SEED);
  const along = <T>(name: string, values: readonly T[]): T[] =>
    inBlocks(values, COUNT, source(name).float);
  const all = RATES.flatMap((mbit) => RTTS.map((rtt): CellPath => ({ mbit, rtt })));
  const pairs = along(
    "paths",
    all.flatMap((one, i) => all.slice(i).map((other) => [one, other] as const)),
  );
  const queues = along("queue", QUEUES);
  const losses = along("loss", LOSSES.flatMap((loss, i) => Array(LOSS_WEIGHTS[i]!).fill(loss)));
  const sizes = along("size", SIZES);
  const connections = along("connection", CONNECTIONS);
  const buffers = along("buffer", BUFFERS);
  const cells = (): Cell[] =>
    pairs.map((paths, i) => ({
      paths,
      queue: queues[i]!,
      loss: losses[i]!,
      size: sizes[i]!,
      connection: connections[i]!,
      buffer: buffers[i]!,
    }));
  // Some combinations come twice by chance: such a one changes its size for another's, which keeps the counts.
  const { float } = source("twice");
  for (let list = cells();; list = cells()) {
    const seen = new Set<string>();
    const twice = list.flatMap((cell, i) => {
      const name = cellName(cell);
      if (seen.has(name)) return [i];
      seen.add(name);
      return [];
    });
    if (twice.length === 0) return list;
    for (const i of twice) {
      const j = Math.floor(float() * COUNT);
      [sizes[i], sizes[j]] = [sizes[j]!, sizes[i]!];
    }
  }
}

/**
 * Cells that a filter picks: those whose names have all of its words, such as `1MB kept 2/300`; a path, or both with "+" between, is a word. One whole name
 * picks that cell, be it in the list or not.
 *
 * @throws {RangeError} it picks none.
 */
export function pickCells(filter: string, cells: readonly Cell[] = gridCells()): readonly Cell[] {
  const whole = parseCell(filter);
  if (whole !== null) return [whole];
  const wanted = filter.trim().split(/[\s,]+/);
  const picked = cells.filter((cell) => {
    const has = [...words(cell), ...cell.paths.map(pathName)];
    return wanted.every((word) => has.includes(word));
  });
  if (picked.length > 0) return picked;
  throw new RangeError(
    `Cannot pick cells by "${filter}" as no name has all of its words: a name is "${
      cellName(cells[0]!)
    }"`,
  );
}
