/** Faults of plugins: what they are, how they read, and how many are borne. */

import type { Micros, Plugin } from "../plugin.ts";

/** Faults after which the default takes a plugin's place on a connection. */
export const MOST_FAULTS = 100;
/** Callbacks of a path manager that are made within {@linkcode INSTANT}: each may lead to the next, and time would stand still. */
export const MOST_CALLBACKS = 100;
/** What counts as one instant. */
export const INSTANT: Micros = 1e3;
/** Latest time that anything is put off to: above it microseconds are not told apart. */
export const LATEST: Micros = Number.MAX_SAFE_INTEGER;

/** The rules that a guard holds a plugin to; those that the plugin kit checks too have its names. */
export type FaultRule =
  /** No call throws, no getter either. */
  | "never-throws"
  /** Nothing here waits for a promise. */
  | "no-promise"
  /** `create` and `join` give what has the members it must have. */
  | "right-shape"
  /** An answer is of the type that it must be. */
  | "sane-answer"
  /** A scheduler names paths that are in use, each once. */
  | "known-path"
  /** A scheduler waits only for what will come. */
  | "waits-end"
  /** A scheduler does not wait for two timeouts while there are data, window and room. */
  | "makes-progress"
  /** `cwnd`, `ssthresh` and the rest are values that can be. */
  | "sane-window"
  /** A path manager does not ask without end within an instant. */
  | "comes-to-an-end";

/** One fault of a plugin. */
export interface PluginFault {
  /** Its kind; a probe watches and decides nothing. */
  readonly kind: Plugin["kind"] | "probe";
  /** Its name. */
  readonly plugin: string;
  /** The callback that it did it in, "pick"; of a value that is read after each, the one before. */
  readonly callback: string;
  /** The rule that it broke. */
  readonly rule: FaultRule;
  /** What it did, as the end of a sentence: "named path 7, which is not in use". */
  readonly what: string;
  /** What it threw, if it did. */
  readonly error?: unknown;
  /** Faults on this connection so far. */
  readonly count: number;
  /** The default has taken its place. */
  readonly replaced: boolean;
}

/** What was done wrong. */
export type Breach = Pick<PluginFault, "callback" | "rule" | "what" | "error">;

/** Takes faults; must not throw. */
export type FaultReport = (fault: PluginFault) => void;

/** What guards need of their host. */
export interface GuardHost {
  /** The present. */
  now(): Micros;
  /** Told of each fault; must not throw. */
  report(fault: PluginFault): void;
  /** The next number in [0, 1) of the stream of that name: one more consumer shifts no other. */
  random(stream: string): number;
}

/** A plugin with the random numbers that it is given. */
export interface Drawing<P extends Plugin> {
  /** As the user gave it. */
  readonly plugin: P;
  /** The next number of its stream. */
  readonly random: () => number;
}

/** A plugin, what stands in for it where it fails, and who is told of that: made once for all connections. */
export interface Cast<P extends Plugin> {
  readonly own: Drawing<P>;
  readonly other: Drawing<P>;
  readonly host: GuardHost;
}

/** `plugin` and `fallback`, with the numbers of the stream `prefix` and their names. */
export function cast<P extends Plugin>(
  plugin: P,
  fallback: P,
  prefix: string,
  host: GuardHost,
): Cast<P> {
  const drawing = (drawn: P): Drawing<P> => {
    const stream = `${prefix} ${drawn.name}`;
    return { plugin: drawn, random: () => host.random(stream) };
  };
  return { own: drawing(plugin), other: drawing(fallback), host };
}

/** Counts the faults of one plugin on one connection; made with the first. */
export class Faults {
  readonly #kind: Plugin["kind"];
  readonly #name: string;
  readonly #host: GuardHost;
  #count = 0;
  #replaced = false;

  /** No fault yet. */
  constructor({ kind, name }: Plugin, host: GuardHost) {
    this.#kind = kind;
    this.#name = name;
    this.#host = host;
  }

  /** The default has taken its place. */
  get replaced(): boolean {
    return this.#replaced;
  }

  /** Counts one; true when it was one too many. */
  add(breach: Breach): boolean {
    return this.#count + 1 >= MOST_FAULTS ? this.end(breach) : this.#report(breach);
  }

  /** Counts one that ends the plugin's part at once, as what cannot be made can decide nothing; true unless it had ended before. */
  end(breach: Breach): boolean {
    const first = !this.#replaced;
    this.#replaced = true;
    this.#report(breach);
    return first;
  }

  #report(breach: Breach): false {
    this.#host.report({
      kind: this.#kind,
      plugin: this.#name,
      ...breach,
      count: ++this.#count,
      replaced: this.#replaced,
    });
    return false;
  }
}

/** `callback` threw `error`. */
export function thrown(callback: string, error: unknown): Breach {
  try {
    isPromise(error);
  } catch {
    // It fails at whatever is asked of it; nothing more is.
  }
  return { callback, rule: "never-throws", what: `threw in ${callback}`, error };
}

/** `callback` answered what it must not. */
export function answered(callback: string, answer: unknown): Breach {
  return isPromise(answer)
    ? { callback, rule: "no-promise", what: `answered a promise in ${callback}` }
    : { callback, rule: "sane-answer", what: `answered ${show(answer)} in ${callback}` };
}

/** Counts what a path manager is called for, and what it asks for, within one instant, which begins with the first of either. */
export class Burst {
  #from: Micros = -Infinity;
  #callbacks = 0;
  #verbs = 0;

  /** One more callback at `now`: how many it makes in this instant. */
  callback(now: Micros): number {
    this.at(now);
    return ++this.#callbacks;
  }

  /** The same of what is asked for. */
  verb(now: Micros): number {
    this.at(now);
    return ++this.#verbs;
  }

  private at(now: Micros): void {
    if (now - this.#from < INSTANT) return;
    this.#from = now;
    this.#callbacks = this.#verbs = 0;
  }
}

/** A value that a plugin gave, as a fault names it. Runs nothing of the value's own. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}

/** Whether `value` is a promise, which no caller here waits for: its rejection, which would end the process, is then taken. */
export function isPromise(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("then" in value)) return false;
  const { then } = value;
  if (typeof then !== "function") return false;
  then.call(value, undefined, ignore);
  return true;
}

function ignore(): void {}

/**
 * What keeps `made`, which `callback` answered, from being `what`, "a scheduler"; null when nothing does. Each of `must` has to be a function, each
 * of `may` a function or left out.
 */
export function misshapen(
  made: unknown,
  callback: string,
  what: string,
  must: readonly string[],
  may: readonly string[],
): Breach | null {
  const rule = "right-shape";
  if (isPromise(made)) return answered(callback, made);
  if (typeof made !== "object" || made === null || Array.isArray(made)) {
    return { ...answered(callback, made), rule };
  }
  for (const name of [...must, ...may]) {
    const member: unknown = Reflect.get(made, name);
    if (typeof member === "function" || (member === undefined && may.includes(name))) continue;
    isPromise(member);
    return { callback, rule, what: `made ${what} whose ${name} is ${show(member)}, no function` };
  }
  return null;
}
