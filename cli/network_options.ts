/** The options that say what the paths of a network are like, the same on every command. */

import { type Duration, parseDuration, parseRate, type Rate } from "../core/link/units.ts";
import { type Given, nearest, type Option, UsageError } from "./arguments.ts";

/** What a path is like, in both directions. */
export interface PathShape {
  /** What it carries, counting whole IP packets. */
  readonly rate?: Rate;
  /** One way. */
  readonly delay?: Duration;
  /** Share of packets lost at random. */
  readonly loss?: number;
  /** Packets that wait at most. */
  readonly queue?: number;
}

/** Paths by name. */
export type PathShapes = Readonly<Record<string, PathShape>>;

/** How many paths there can be, as a lab has. */
const MOST_PATHS = 8;
/** Bytes per second: with less, one packet would hold a path for seconds; with more, nobody waits for the emulation. */
const RATES = [12_500, 1.25e10] as const;
/** Microseconds. */
const MOST_DELAY = 10e6;
const MOST_LOSS = 0.5;
const MOST_QUEUE = 1_000_000;

const UNITS = /^([\d.e+-]+) ?([a-z/]+)$/i;

/** "20Mbit/s" is as good as "20 Mbit/s" on a command line. */
function spaced(text: string): string {
  const match = UNITS.exec(text.trim());
  return match === null ? text : `${match[1]} ${match[2]}`;
}

function readRate(text: string): Rate {
  const rate = spaced(text) as Rate;
  const bytes = parseRate(rate);
  if (bytes >= RATES[0] && bytes <= RATES[1]) return rate;
  throw new RangeError(`it must be from 100 kbit/s to 100 Gbit/s: it is "${text}"`);
}

function readDelay(text: string): Duration {
  const delay = spaced(text) as Duration;
  if (parseDuration(delay) <= MOST_DELAY) return delay;
  throw new RangeError(`it must be from 0 ms to 10 s: it is "${text}"`);
}

function readLoss(text: string): number {
  const [, number = "", percent = ""] = /^([\d.]+) ?(%?)$/.exec(text.trim()) ?? [];
  const loss = number === "" ? NaN : Number(number) / (percent === "" ? 1 : 100);
  if (loss >= 0 && loss <= MOST_LOSS) return loss;
  throw new RangeError(
    `it must be a share of the packets from 0 to 0.5, or 0 % to 50 %: it is "${text}"`,
  );
}

function readQueue(text: string): number {
  const queue = Number(text);
  if (Number.isInteger(queue) && queue >= 1 && queue <= MOST_QUEUE) return queue;
  throw new RangeError(`it must be a whole number of packets from 1 to 1000000: it is "${text}"`);
}

const READERS = { rate: readRate, delay: readDelay, loss: readLoss, queue: readQueue } as const;
type Member = keyof typeof READERS;
const MEMBERS = Object.keys(READERS) as Member[];

function read(option: string, member: Member, text: string): PathShape {
  try {
    return { [member]: READERS[member](text) };
  } catch (error) {
    const why = (error as Error).message.replace(/^Cannot (?:read|use) "[^"]*" as an? \w+ as /, "");
    const given = why.includes(`"${text}"`) ? "" : `: it is "${text}"`;
    throw new UsageError(`--${option}: ${why}${given}`);
  }
}

/** Which member a value without a name is of. */
function memberOf(text: string): Member | undefined {
  const unit = UNITS.exec(text)?.[2];
  return unit?.endsWith("bit/s") ? "rate" : /^[mu]?s$/.test(unit ?? "") ? "delay" : undefined;
}

/** A path as `NAME=RATE,DELAY,loss=…,queue=…`, of which all behind the name may be missing. */
function readPath(text: string): readonly [name: string, shape: PathShape] {
  const [, name = "", , values = ""] = /^([\w.-]+)(=(.*))?$/.exec(text) ?? [];
  if (name === "" || name === "server" || name.length > 15) {
    throw new UsageError(
      `--path: its name must be 1 to 15 letters, digits, ".", "-" and "_", and not "server": it is "${text}"`,
    );
  }
  let shape: PathShape = {};
  for (const part of values.split(",").map((value) => value.trim())) {
    if (part === "") continue;
    const [, key, value] = /^([a-z]+)=(.*)$/i.exec(part) ?? [];
    const member = key === undefined ? memberOf(part) : MEMBERS.find((one) => one === key);
    if (member === undefined) {
      const meant = key === undefined ? undefined : nearest(key, MEMBERS);
      throw new UsageError(
        `--path ${name}: "${part}" must be a rate, a delay, or one of rate=, delay=, loss=, queue=${
          meant === undefined ? "" : `: did you mean ${meant}=?`
        }`,
      );
    }
    if (shape[member] !== undefined) {
      throw new UsageError(`--path ${name}: it has two values of ${member}`);
    }
    shape = { ...shape, ...read(`path ${name}`, member, value ?? part) };
  }
  return [name, shape];
}

/** The options, for a command's list. */
export const NETWORK_OPTIONS: Readonly<Record<string, Option>> = {
  path: {
    value: "NAME=RATE,DELAY,loss=SHARE,queue=PACKETS",
    several: true,
    help: "A path of your own; once for each, as --path wifi='20 Mbit/s,15 ms,loss=1%'.\n" +
      "What is not given is without limit, delay and loss",
  },
  rate: {
    value: "RATE",
    several: true,
    help: "Rate of each path in both directions, '100 kbit/s' to '100 Gbit/s';\n" +
      "the last one stands for those that follow, as with those below",
  },
  delay: { value: "TIME", several: true, help: "One way, '0 ms' to '10 s'" },
  loss: {
    value: "SHARE",
    several: true,
    help: "Of the packets, at random: 0 to 0.5, or 0% to 50%",
  },
  queue: { value: "PACKETS", several: true, help: "That wait at most, 1 to 1000000" },
};

/** Whether a network was asked for. */
export function asksForPaths(given: Given): boolean {
  return ["path", ...MEMBERS].some((name) => given.values(name).length > 0);
}

/**
 * The paths that were asked for: those of `--path`, or else `usual`, with what `--rate` and the others say, in their order.
 *
 * @throws {UsageError} One is wrong: which, and what would be right.
 */
export function readPaths(given: Given, usual: PathShapes): PathShapes {
  const named = given.values("path").map(readPath);
  const paths = named.length > 0 ? named : Object.entries(usual);
  if (new Set(paths.map(([name]) => name)).size < paths.length) {
    throw new UsageError("--path: each path must have a name of its own");
  }
  if (paths.length > MOST_PATHS) {
    throw new UsageError(`--path: there can be 1 to ${MOST_PATHS}: there are ${paths.length}`);
  }
  const shapes = MEMBERS.map((member) => {
    const texts = given.values(member);
    if (texts.length > paths.length) {
      throw new UsageError(
        `--${member} was given ${texts.length} times, and there ${
          paths.length === 1 ? "is 1 path" : `are ${paths.length} paths`
        }: ${paths.map(([name]) => name).join(", ")}`,
      );
    }
    return texts.map((text) => read(member, member, text));
  });
  const result = Object.fromEntries(paths.map(([name, shape], i) => {
    const own = shapes.map((values) => values[Math.min(i, values.length - 1)] ?? {});
    return [name, Object.assign({}, shape, ...own)] as [string, PathShape];
  }));
  for (const [name, { rate, queue }] of Object.entries(result)) {
    if (queue !== undefined && rate === undefined) {
      throw new UsageError(`path ${name} has a queue and no rate that packets wait for`);
    }
  }
  return result;
}

/**
 * The same where every path needs a rate, as on an emulated network.
 *
 * @throws {UsageError} One is wrong, or has no rate.
 */
export function readRatedPaths(
  given: Given,
  usual: Readonly<Record<string, PathShape & { readonly rate: Rate }>>,
): Readonly<Record<string, PathShape & { readonly rate: Rate }>> {
  const paths = readPaths(given, usual);
  for (const [name, { rate }] of Object.entries(paths)) {
    if (rate === undefined) {
      throw new UsageError(`path ${name} needs a rate: --path ${name}='20 Mbit/s,15 ms'`);
    }
  }
  return paths as Readonly<Record<string, PathShape & { readonly rate: Rate }>>;
}

/** A path in words: "20 Mbit/s, 15 ms one way, 1 % loss". */
export function describeShape({ rate, delay, loss, queue }: PathShape): string {
  const parts = [
    rate,
    delay === undefined ? undefined : `${delay} one way`,
    loss ? `${Number((100 * loss).toPrecision(3))} % loss` : undefined,
    queue === undefined ? undefined : `a queue of ${queue}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? "as they are" : parts.join(", ");
}
