/** What a visitor of the playground can change: two to four paths, what goes over them, what happens to them. */

import type { Scenario, Traffic } from "../sim/scenario.ts";

/** One path, both directions alike. */
export interface PathSettings {
  /** What it is called. */
  readonly name: string;
  /** Mbit/s. */
  readonly rate: number;
  /** Milliseconds, one way. */
  readonly delay: number;
  /** Per cent of the packets. */
  readonly loss: number;
  /** Packets that may wait. */
  readonly queue: number;
}

/** A path goes, or comes back. */
export interface PathEvent {
  /** Milliseconds since the beginning. */
  readonly at: number;
  /** Which one. */
  readonly path: string;
  /** What happens to it. */
  readonly do: "cut" | "restore";
}

/** What goes over the network. */
export type Workload = "bulk" | "requests" | "frames";

/** All of it. */
export interface Settings {
  /** Two to four. */
  readonly paths: readonly PathSettings[];
  /** What goes over them. */
  readonly workload: Workload;
  /** The receive buffer, in kB; 0: it grows as it needs to. */
  readonly buffer: number;
  /** What all chance follows from. */
  readonly seed: number;
  /** In the order of time. */
  readonly events: readonly PathEvent[];
}

/** What a slider is for: its least and most, the step, and the unit. */
export interface Range {
  /** What it is called. */
  readonly label: string;
  readonly least: number;
  readonly most: number;
  readonly step: number;
  readonly unit: string;
  /** What stands there in place of the unit where the value is 0, as that means something else. */
  readonly none?: string;
  /** The slider moves by orders of magnitude. */
  readonly log?: boolean;
}

/** The sliders of a path. */
export const PATH_RANGES: Readonly<Record<Exclude<keyof PathSettings, "name">, Range>> = {
  rate: { label: "Rate", least: 0.5, most: 100, step: 0.5, unit: "Mbit/s", log: true },
  delay: { label: "Delay", least: 1, most: 300, step: 1, unit: "ms", log: true },
  loss: { label: "Loss", least: 0, most: 10, step: 0.1, unit: "%" },
  queue: { label: "Queue", least: 5, most: 500, step: 1, unit: "packets", log: true },
};

/** That of the receive buffer. */
export const BUFFER_RANGE: Range = {
  label: "Receive buffer",
  least: 0,
  most: 2000,
  step: 20,
  unit: "kB",
  none: "grows",
};

const SEED_RANGE: Range = { label: "Seed", least: 1, most: 4294967295, step: 1, unit: "" };
const EVENT_RANGE: Range = { label: "Time", least: 0, most: 60_000, step: 1e-3, unit: "ms" };

/** Paths at most, and events. */
const MOST_PATHS = 4;
const MOST_EVENTS = 50;

/** Where one begins. */
export const DEFAULT_SETTINGS: Settings = {
  paths: [
    { name: "wifi", rate: 10, delay: 10, loss: 0, queue: 40 },
    { name: "lte", rate: 5, delay: 60, loss: 0, queue: 80 },
  ],
  workload: "bulk",
  buffer: 0,
  seed: 1,
  events: [],
};

/** What a path that is added is like. */
export const NEW_PATHS: readonly PathSettings[] = [
  ...DEFAULT_SETTINGS.paths,
  { name: "cable", rate: 20, delay: 15, loss: 0, queue: 60 },
  { name: "satellite", rate: 8, delay: 250, loss: 0.5, queue: 200 },
];

const ENDS = { client: "phone", server: "server" } as const;

/** What goes over the network, by workload. */
const TRAFFIC: Readonly<Record<Workload, { readonly about: string; readonly traffic: Traffic }>> = {
  bulk: { about: "A download of 4 MB", traffic: { ...ENDS, kind: "bulk", bytes: "4 MB" } },
  requests: {
    about: "30 answers of 100 kB, one after the other",
    traffic: { ...ENDS, kind: "requests", bytes: "100 kB", count: 30, think: "50 ms" },
  },
  frames: {
    about: "Frames of 30 kB, 25 a second, late after 150 ms",
    traffic: {
      ...ENDS,
      kind: "stream",
      bytes: "30 kB",
      every: "40 ms",
      count: 150,
      deadline: "150 ms",
    },
  },
};

/** The workloads, each with what it is. */
export const WORKLOADS: readonly (readonly [Workload, string])[] = Object.entries(TRAFFIC).map((
  [name, { about }],
) => [name as Workload, about]);

/** The scenario, as `mptcp sim` runs it. */
export function toScenario({ paths, workload, buffer, seed, events }: Settings): Scenario {
  const experiments = buffer === 0 ? {} : { experiments: { receiveBuffer: buffer * 1000 } };
  return {
    name: "playground",
    about: TRAFFIC[workload].about,
    seed,
    // What never ends is shown as far as that.
    duration: "60 s",
    hosts: { phone: experiments, server: {} },
    routers: ["internet"],
    links: {
      ...Object.fromEntries(paths.map(({ name, rate, delay, loss, queue }) => [name, {
        between: ["phone", "internet"] as const,
        rate: `${rate} Mbit/s`,
        delay: `${delay} ms`,
        loss: loss / 100,
        queue,
      }])),
      server: { between: ["internet", "server"] },
    },
    events: events.map(({ at, path, do: what }) => ({ at: `${at} ms`, do: what, link: path })),
    traffic: { [workload]: TRAFFIC[workload].traffic },
  };
}

function number(value: unknown, name: string, { least, most, unit }: Range): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new TypeError(
    `${name} must be from ${least} to ${most}${unit && ` ${unit}`}: it is ${JSON.stringify(value)}`,
  );
}

function members(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new TypeError(`${name} must be an object: it is ${JSON.stringify(value)}`);
}

function list(value: unknown, name: string, least: number, most: number): readonly unknown[] {
  if (Array.isArray(value) && value.length >= least && value.length <= most) return value;
  throw new TypeError(
    `${name} must be a list of ${least} to ${most}: it is ${JSON.stringify(value)}`,
  );
}

/**
 * Settings that came from elsewhere.
 *
 * @throws {TypeError} they are none; the message names the value and what is accepted.
 */
export function readSettings(value: unknown): Settings {
  const { paths, workload, buffer, seed, events } = members(value, "settings");
  const read = list(paths, "paths", 1, MOST_PATHS).map((each, i): PathSettings => {
    const path = members(each, `paths[${i}]`);
    if (typeof path.name !== "string" || !/^[a-z][\w-]{0,15}$/i.test(path.name)) {
      throw new TypeError(
        `paths[${i}].name must be a word of at most 16 letters: it is ${JSON.stringify(path.name)}`,
      );
    }
    const of = (key: keyof typeof PATH_RANGES): number =>
      number(path[key], `paths[${i}].${key}`, PATH_RANGES[key]);
    return {
      name: path.name,
      rate: of("rate"),
      delay: of("delay"),
      loss: of("loss"),
      queue: of("queue"),
    };
  });
  const names = read.map(({ name }) => name);
  if (new Set(names).size < names.length) throw new TypeError(`paths must have different names`);
  if (!WORKLOADS.some(([name]) => name === workload)) {
    throw new TypeError(
      `workload must be one of ${WORKLOADS.map(([name]) => name).join(", ")}: it is ${
        JSON.stringify(workload)
      }`,
    );
  }
  return {
    paths: read,
    workload: workload as Workload,
    buffer: number(buffer, "buffer", BUFFER_RANGE),
    seed: number(seed, "seed", SEED_RANGE),
    events: list(events, "events", 0, MOST_EVENTS).map((each, i): PathEvent => {
      const { at, path, do: what } = members(each, `events[${i}]`);
      if (!names.includes(path as string)) {
        throw new TypeError(`events[${i}].path must be one of ${names.join(", ")}: it is ${path}`);
      }
      if (what !== "cut" && what !== "restore") {
        throw new TypeError(
          `events[${i}].do must be cut or restore: it is ${JSON.stringify(what)}`,
        );
      }
      return { at: number(at, `events[${i}].at`, EVENT_RANGE), path: path as string, do: what };
    }).sort((a, b) => a.at - b.at),
  };
}

/** Whether a path is cut at a time. */
export function isCut(events: readonly PathEvent[], path: string, at: number): boolean {
  const before = events.filter((event) => event.path === path && event.at <= at);
  return before.at(-1)?.do === "cut";
}

/** The settings with a path cut at a time, or restored where it was cut; what was to happen to it later is left out. */
export function toggled(settings: Settings, path: string, at: number): Settings {
  const what = isCut(settings.events, path, at) ? "restore" : "cut";
  const others = settings.events.filter((event) => event.path !== path || event.at < at);
  const event: PathEvent = { at, path, do: what };
  return { ...settings, events: [...others, event].sort((a, b) => a.at - b.at) };
}
