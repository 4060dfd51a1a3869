/**
 * Plugins by name, file or URL: `NAME|FILE|URL[,key=value…]`, as command lines take them.
 *
 * A file or URL is a module whose default export is a factory that takes one object of options and returns a plugin. Its export `defaults` holds the
 * options and their values where none are given: `export const defaults = { ratio: 4 }`. An option must be one of them, and of the type of its default.
 */

import { isPromise, show } from "../guard/faults.ts";
import { thrownAt } from "./faults.ts";
import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  Plugin,
  SchedulerPlugin,
} from "../plugin.ts";
import {
  fitOptions,
  noOption,
  type OptionValue,
  optionValue,
  wrongDefaults,
} from "./plugin_options.ts";

export type { OptionValue } from "./plugin_options.ts";

/** The plugin of a kind. */
export interface PluginKinds {
  /** Which subflow carries what. */
  readonly scheduler: SchedulerPlugin;
  /** How much may be in flight. */
  readonly "congestion-control": CongestionControlPlugin;
  /** Which paths are used. */
  readonly "path-manager": PathManagerPlugin;
}

/** A kind of plugin. */
export type PluginKind = keyof PluginKinds;

/** Makes a plugin from options. */
// deno-lint-ignore no-explicit-any -- each takes options of its own
export type PluginFactory = (options?: any) => Plugin;

/** What a module of a plugin exports. */
export interface PluginModule {
  /** Makes the plugin. */
  readonly default: PluginFactory;
  /** Its options, and their values where none are given. */
  readonly defaults?: Readonly<Record<string, OptionValue>>;
}

/** Options for {@linkcode loadPlugin}. */
export interface LoadPluginOptions {
  /** Modules, or factories alone, by the names that may be given. */
  readonly builtIns?: Readonly<Record<string, PluginModule | PluginFactory>>;
  /**
   * Directory that files are relative to, as URL; it ends with a slash.
   *
   * @default {the current one}
   */
  readonly base?: URL;
}

/** What a kind is called, and the option that takes it. */
const KINDS: Readonly<Record<PluginKind, { name: string; option: string }>> = {
  "scheduler": { name: "a scheduler", option: "scheduler" },
  "congestion-control": { name: "a congestion control", option: "congestionControl" },
  "path-manager": { name: "a path manager", option: "pathManager" },
};

/** What is to be a plugin of one kind is one of another. */
export class WrongKindError extends TypeError {
  /** What it is. */
  readonly found: PluginKind;

  /** As a {@linkcode TypeError}. */
  constructor(message: string, found: PluginKind) {
    super(message);
    this.found = found;
  }
}

/**
 * Checks that `value` is a plugin of `kind`; `label` names it in the error.
 *
 * @throws {TypeError} When it is not.
 */
export function checkPlugin<K extends PluginKind>(
  kind: K,
  value: unknown,
  label?: string,
): PluginKinds[K] {
  const { name, option } = KINDS[kind];
  if (typeof value === "function") {
    const called = value.name || "it";
    throw new TypeError(
      `Cannot use ${label ?? called} as ${name} as it is a function: call it, ` +
        `${option}: ${called}()`,
    );
  }
  if (isPromise(value)) {
    throw new TypeError(
      `Cannot use ${
        label ?? "a promise"
      } as ${name} as nothing here waits: what makes it must not be async`,
    );
  }
  if (typeof value !== "object" || value === null) {
    const remedy = typeof value === "string"
      ? `: give the plugin, imported, or of loadPlugin("${kind}", ${JSON.stringify(value)}, …)`
      : "";
    throw new TypeError(
      `Cannot use ${label ?? String(value)} as ${name} as it is ${typeOf(value)}${remedy}`,
    );
  }
  const { kind: found, name: given, create } = value as Partial<Plugin>;
  const subject = label ?? (typeof given === "string" ? given : "an object");
  if (found !== kind) {
    if (typeof found === "string" && Object.hasOwn(KINDS, found)) {
      const text = `Cannot use ${subject} as ${name} as it is ${KINDS[found].name}`;
      throw new WrongKindError(text, found);
    }
    throw new TypeError(
      `Cannot use ${subject} as ${name} as its 'kind' must be "${kind}": current value is ${
        show(found)
      }`,
    );
  }
  if (typeof given !== "string" || given === "") {
    throw new TypeError(
      `Cannot use ${subject} as ${name} as its 'name' must be a non-empty string: current value is ${
        show(given)
      }`,
    );
  }
  if (typeof create !== "function") {
    throw new TypeError(
      `Cannot use ${subject} as ${name} as its 'create' must be a function: current value is ${
        show(create)
      }`,
    );
  }
  const wrong = WRONG[kind](value);
  if (wrong !== null) throw new TypeError(`Cannot use ${subject} as ${name} as ${wrong}`);
  return value as PluginKinds[K];
}

const FAMILIES: readonly unknown[] = [undefined, "aggregate", "redundant", "selective"];

/** What is wrong with the values of a scheduler; null when nothing is. */
function wrongMember(
  { quantum, lookAhead = 0, relief = false, family }: Partial<SchedulerPlugin>,
): string | null {
  if (!FAMILIES.includes(family)) {
    return `its 'family' must be one of aggregate, redundant and selective: current value is ${
      show(family)
    }`;
  }
  if (typeof relief !== "boolean") {
    return `its 'relief' must be true or false: current value is ${show(relief)}`;
  }
  if (quantum !== undefined && !(typeof quantum === "number" && quantum >= 1)) {
    return `its 'quantum' must be a number from 1 on: current value is ${show(quantum)}`;
  }
  if (typeof lookAhead === "number" && lookAhead >= 0) return null;
  return `its 'lookAhead' must be a number from 0 on: current value is ${show(lookAhead)}`;
}

const BASES: readonly unknown[] = [undefined, "loss", "delay", "model"];

/** What is wrong with the values of a plugin of each kind; null when nothing is. */
const WRONG: Readonly<Record<PluginKind, (plugin: object) => string | null>> = {
  "scheduler": wrongMember,
  "congestion-control": ({ basis }: Partial<CongestionControlPlugin>) =>
    BASES.includes(basis)
      ? null
      : `its 'basis' must be one of loss, delay and model: current value is ${show(basis)}`,
  "path-manager": ({ beginsAnywhere = false }: Partial<PathManagerPlugin>) =>
    typeof beginsAnywhere === "boolean"
      ? null
      : `its 'beginsAnywhere' must be true or false: current value is ${show(beginsAnywhere)}`,
};

/** Says of one that has been loaded, and is of another kind, how it is asked for; `error` is what loading it has met. */
export function tellKind(error: TypeError, ask: (kind: PluginKind) => string): string {
  return error instanceof WrongKindError
    ? `${error.message}: give ${ask(error.found)}`
    : error.message;
}

/**
 * What is wrong with a text that names a plugin of another kind than `kind`, of those of `builtIns`; null: it names none. `ask` says how one of that kind is
 * asked for.
 */
export function otherKind(
  kind: PluginKind,
  text: string,
  builtIns: Readonly<Record<PluginKind, object>>,
  ask: (kind: PluginKind) => string,
): string | null {
  const source = text.replace(/,.*/s, "");
  if (Object.hasOwn(builtIns[kind], source)) return null;
  const other = (Object.keys(KINDS) as PluginKind[]).find((one) =>
    Object.hasOwn(builtIns[one], source)
  );
  if (other === undefined) return null;
  const { name } = KINDS[kind];
  return `Cannot use ${source} as ${name} as it is ${KINDS[other].name}: give ${ask(other)}`;
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** What a text names, and the options behind it. */
export interface PluginText {
  /** NAME, FILE or URL. */
  readonly source: string;
  /** What stands behind each `key=`. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Reads `NAME|FILE|URL[,key=value…]`.
 *
 * @throws {TypeError} When there is no name or an option has no value.
 */
export function parsePlugin(text: string): PluginText {
  const [source = "", ...rest] = text.split(",");
  if (source === "") {
    throw new TypeError(`Cannot read "${text}" as it must begin with a name, a file or a URL`);
  }
  const options: Record<string, string> = {};
  for (const part of rest) {
    const at = part.indexOf("=");
    if (at < 1) {
      throw new TypeError(`Cannot read "${text}" as "${part}" must be of the form key=value`);
    }
    options[part.slice(0, at)] = part.slice(at + 1);
  }
  return { source, options };
}

/** A scheme of two letters or more: one letter is a drive. */
const URL_PATTERN = /^[a-z][a-z\d+.-]+:/i;
const FILE_PATTERN = /[/\\]|\.[cm]?[jt]s$/;

/**
 * Loads the plugin that `text` names. A file needs read permission, a URL import permission.
 *
 * @example Usage
 * ```ts
 * import { loadPlugin, roundRobin } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const builtIns = { round_robin: roundRobin };
 * const plugin = await loadPlugin("scheduler", "round_robin,segments=4", { builtIns });
 * assertEquals(plugin.name, "round_robin");
 * ```
 *
 * A factory without `defaults` reads its options when it is called: those that it leaves unread, when it reads others, are refused as misspelt, and
 * numbers and booleans become such by their looks.
 *
 * @throws {TypeError} When it cannot be loaded, or is no plugin of that kind, or has no such option, or one of another type.
 */
export async function loadPlugin<K extends PluginKind>(
  kind: K,
  text: string,
  { builtIns = {}, base }: LoadPluginOptions = {},
): Promise<PluginKinds[K]> {
  const { source, options } = parsePlugin(text);
  const { default: factory, defaults } = await findModule(kind, source, builtIns, base);
  const call = defaults === undefined
    ? () => watchedCall(factory, options, Object.hasOwn(builtIns, source))
    : () => ({ plugin: factory(fitOptions(defaults, options)), wrong: null });
  let called: Called;
  try {
    called = call();
  } catch (error) {
    const why = reason(error).replace(/^Cannot make \S+ as /, "") +
      (Object.hasOwn(builtIns, source) ? "" : placeOf(error));
    throw new TypeError(`Cannot use ${text} as ${KINDS[kind].name} as ${why}`, { cause: error });
  }
  const checked = checkPlugin(kind, called.plugin, source);
  if (called.wrong !== null) {
    throw new TypeError(`Cannot use ${text} as ${KINDS[kind].name} as ${called.wrong}`);
  }
  return checked;
}

/** What a factory gave, and what is wrong with its options. */
interface Called {
  readonly plugin: unknown;
  readonly wrong: string | null;
}

/** Calls a factory that does not say what its options are; `all`: it asks for all of them at once. */
function watchedCall(
  factory: PluginFactory,
  texts: Readonly<Record<string, string>>,
  all: boolean,
): Called {
  const values = Object.entries(texts).map(([name, text]) => [name, optionValue(text)] as const);
  const watched = new WatchedOptions(Object.fromEntries(values));
  const plugin = factory(watched.options);
  return { plugin, wrong: watched.settle(all) };
}

/** Options that know what a factory asked for, as one that is misspelt would do nothing, without a word. */
class WatchedOptions {
  readonly options: Record<string, OptionValue>;
  readonly #values: Readonly<Record<string, OptionValue>>;
  readonly #asked = new Set<PropertyKey>();

  constructor(values: Readonly<Record<string, OptionValue>>) {
    this.#values = values;
    const asked = this.#asked;
    // What is not among the values is asked of the prototype.
    const others = new Proxy(Object.prototype, {
      get(target, key) {
        if (!(key in target)) asked.add(key);
        return Reflect.get(target, key);
      },
      has(target, key) {
        asked.add(key);
        return key in target;
      },
    });
    this.options = Object.create(others, {
      ...Object.fromEntries(
        Object.entries(values).map(([key, value]) => [key, {
          get: () => (asked.add(key), value),
          enumerable: true,
          configurable: true,
        }]),
      ),
    });
  }

  /**
   * Makes the options an ordinary object. What is wrong with them, or null. A factory that has asked for nothing may still do so, unless `all` says
   * that it asks for everything at once.
   */
  settle(all: boolean): string | null {
    Object.setPrototypeOf(this.options, Object.prototype);
    for (const [key, value] of Object.entries(this.#values)) {
      Object.defineProperty(this.options, key, { value, writable: true });
    }
    if (this.#asked.size === 0 && !all) return null;
    const stray = Object.keys(this.#values).find((key) => !this.#asked.has(key));
    if (stray === undefined) return null;
    return noOption(stray, [...this.#asked].map(String));
  }
}

async function findModule(
  kind: PluginKind,
  source: string,
  builtIns: NonNullable<LoadPluginOptions["builtIns"]>,
  base: URL | undefined,
): Promise<PluginModule> {
  if (Object.hasOwn(builtIns, source)) {
    const builtIn = builtIns[source]!;
    return typeof builtIn === "function" ? { default: builtIn } : builtIn;
  }
  let url: string;
  if (URL_PATTERN.test(source)) {
    url = source;
  } else if (FILE_PATTERN.test(source)) {
    const absolute = /^([/\\]|[a-z]:)/i.test(source);
    url = (absolute ? fileUrl(source) : new URL(source, base ?? currentDirectory())).href;
  } else {
    const names = Object.keys(builtIns).join(", ");
    throw new TypeError(
      `Cannot use ${source} as ${KINDS[kind].name} as there is none of that name: ` +
        `give ${names === "" ? "" : `one of ${names}, or `}a file (./${source}.ts) or a URL`,
    );
  }
  let module: Partial<PluginModule>;
  try {
    module = await import(url);
  } catch (error) {
    throw new TypeError(`Cannot load ${source} as ${reason(error)}${placeOf(error)}`, {
      cause: error,
    });
  }
  const { default: factory, defaults } = module;
  if (factory === undefined) {
    throw new TypeError(`Cannot load ${source} as it has no default export`);
  }
  if (typeof factory !== "function") {
    throw new TypeError(
      `Cannot load ${source} as its default export must be a function that returns a plugin: ` +
        `it is ${typeOf(factory)}`,
    );
  }
  if (defaults === undefined) return { default: factory };
  const wrong = wrongDefaults(defaults);
  if (wrong !== null) throw new TypeError(`Cannot load ${source} as ${wrong}`);
  return { default: factory, defaults };
}

function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('Unknown file extension ".ts"')) {
    return `${message}: Node reads TypeScript from 22.18 on, and Deno and Bun do`;
  }
  if (message.startsWith("Only URLs with a scheme in:")) {
    return "Node loads nothing from the network: download it, and give the file";
  }
  if (message.startsWith("The lockfile is out of date")) {
    return "a task takes nothing from the network that its lock does not name: download it, and what it imports, and give the file, or have Deno run cli/mod.ts without the lock, by `deno run -A`";
  }
  // A list of causes, each of which repeats those behind it: the last one is enough.
  const causes = /\n +0: [^]*\n +\d+: (.+)\s*$/.exec(message);
  return causes?.[1] ?? message;
}

/** Where a plugin's code threw it, in brackets; empty: something else did. */
function placeOf(error: unknown): string {
  const place = thrownAt(error);
  return place === undefined ? "" : ` (${place})`;
}

/** The URL of an absolute path. */
function fileUrl(path: string): URL {
  const escaped = path.replaceAll("\\", "/").replace(/[%#?]/g, encodeURIComponent);
  return new URL(`file://${escaped.startsWith("/") ? "" : "/"}${escaped}`);
}

/** Where files on a command line start from. */
function currentDirectory(): URL {
  return fileUrl(`${Deno.cwd()}/`);
}
