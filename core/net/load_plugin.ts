/**
 * Plugins by name, file or URL: `NAME|FILE|URL[,key=value…]`, as command lines take them.
 *
 * A file or URL is a module whose default export is a factory that takes one object of options and returns a plugin.
 */

import { show } from "../guard/faults.ts";
import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  Plugin,
  SchedulerPlugin,
} from "../plugin.ts";

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

/** A value of an option on a command line. */
export type OptionValue = number | boolean | string;

/** Makes a plugin from options. */
export type PluginFactory = (options: Readonly<Record<string, OptionValue>>) => Plugin;

/** Options for {@linkcode loadPlugin}. */
export interface LoadPluginOptions {
  /** Factories by the names that may be given. */
  // deno-lint-ignore no-explicit-any -- each takes options of its own
  readonly builtIns?: Readonly<Record<string, (options?: any) => Plugin>>;
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
  if (typeof value !== "object" || value === null) {
    throw new TypeError(
      `Cannot use ${label ?? String(value)} as ${name} as it is ${typeOf(value)}`,
    );
  }
  const { kind: found, name: given, create } = value as Partial<Plugin>;
  const subject = label ?? (typeof given === "string" ? given : "an object");
  if (found !== kind) {
    const other = found !== undefined && found in KINDS ? KINDS[found].name : undefined;
    const why = other === undefined
      ? `its 'kind' must be "${kind}": current value is ${JSON.stringify(found)}`
      : `it is ${other}`;
    throw new TypeError(`Cannot use ${subject} as ${name} as ${why}`);
  }
  if (typeof given !== "string" || given === "") {
    throw new TypeError(
      `Cannot use ${subject} as ${name} as its 'name' must be a non-empty string`,
    );
  }
  if (typeof create !== "function") {
    throw new TypeError(`Cannot use ${subject} as ${name} as its 'create' must be a function`);
  }
  const wrong = kind === "scheduler" ? wrongNumber(value as Partial<SchedulerPlugin>) : null;
  if (wrong !== null) throw new TypeError(`Cannot use ${subject} as ${name} as ${wrong}`);
  return value as PluginKinds[K];
}

/** What is wrong with the numbers of a scheduler; null when nothing is. */
function wrongNumber({ quantum, lookAhead = 0 }: Partial<SchedulerPlugin>): string | null {
  if (quantum !== undefined && !(typeof quantum === "number" && quantum >= 1)) {
    return `its 'quantum' must be a number from 1 on: current value is ${show(quantum)}`;
  }
  if (lookAhead === 0) return null;
  return typeof lookAhead === "number" && lookAhead > 0
    ? `its 'lookAhead' of ${lookAhead} is not carried out yet: leave it out`
    : `its 'lookAhead' must be 0 or left out: current value is ${show(lookAhead)}`;
}

function typeOf(value: unknown): string {
  return value === null ? "null" : value === undefined ? "undefined" : `a ${typeof value}`;
}

/** What a text names, and the options behind it. */
export interface PluginText {
  /** NAME, FILE or URL. */
  readonly source: string;
  /** `key=value`: numbers and booleans become such, the rest stays text. */
  readonly options: Readonly<Record<string, OptionValue>>;
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
  const options: Record<string, OptionValue> = {};
  for (const part of rest) {
    const at = part.indexOf("=");
    if (at < 1) {
      throw new TypeError(`Cannot read "${text}" as "${part}" must be of the form key=value`);
    }
    options[part.slice(0, at)] = optionValue(part.slice(at + 1));
  }
  return { source, options };
}

function optionValue(text: string): OptionValue {
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}

/** A scheme of two letters or more: one letter is a drive. */
const URL_PATTERN = /^[a-z][a-z\d+.-]+:/i;
const FILE_PATTERN = /[/\\]|\.[cm]?[jt]s$/;

/**
 * Loads the plugin that `text` names. A file needs read permission, a URL import permission.
 *
 * @example Usage
 * ```ts
 * import { loadPlugin } from "./load_plugin.ts";
 * import { roundRobin } from "../../sched/mod.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const builtIns = { round_robin: roundRobin };
 * const plugin = await loadPlugin("scheduler", "round_robin,segments=4", { builtIns });
 * assertEquals(plugin.name, "round_robin");
 * ```
 *
 * A factory reads its options when it is called: those that it leaves unread, when it reads others, are refused as misspelt.
 *
 * @throws {TypeError} When it cannot be loaded, or is no plugin of that kind, or has no such option.
 */
export async function loadPlugin<K extends PluginKind>(
  kind: K,
  text: string,
  { builtIns = {}, base }: LoadPluginOptions = {},
): Promise<PluginKinds[K]> {
  const { source, options } = parsePlugin(text);
  const factory = await findFactory(kind, source, builtIns, base);
  const watched = new WatchedOptions(options);
  let plugin: unknown;
  try {
    plugin = factory(watched.options);
  } catch (error) {
    const why = reason(error).replace(/^Cannot make \S+ as /, "");
    throw new TypeError(`Cannot use ${text} as ${KINDS[kind].name} as ${why}`, { cause: error });
  }
  const wrong = watched.settle(Object.hasOwn(builtIns, source));
  const checked = checkPlugin(kind, plugin, source);
  if (wrong !== null) {
    throw new TypeError(`Cannot use ${text} as ${KINDS[kind].name} as ${wrong}`);
  }
  return checked;
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
    const names = [...this.#asked].map(String);
    return `it has no option ${stray}: ${
      names.length === 0 ? "it has none" : `it has ${names.join(", ")}`
    }`;
  }
}

async function findFactory(
  kind: PluginKind,
  source: string,
  builtIns: Readonly<Record<string, PluginFactory>>,
  base: URL | undefined,
): Promise<PluginFactory> {
  if (Object.hasOwn(builtIns, source)) return builtIns[source]!;
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
  let module: { readonly default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new TypeError(`Cannot load ${source} as ${reason(error)}`, { cause: error });
  }
  const factory = module.default;
  if (factory === undefined) {
    throw new TypeError(`Cannot load ${source} as it has no default export`);
  }
  if (typeof factory !== "function") {
    throw new TypeError(
      `Cannot load ${source} as its default export must be a function that returns a plugin: ` +
        `it is ${typeOf(factory)}`,
    );
  }
  return factory as PluginFactory;
}

function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // A list of causes, each of which repeats those behind it: the last one is enough.
  const causes = /\n +0: [^]*\n +\d+: (.+)\s*$/.exec(message);
  return causes?.[1] ?? message;
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
