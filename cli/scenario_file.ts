/** Reads scenario files: YAML or JSON, checked against the schema, with the line of whatever is wrong. */

import { pathToFileURL } from "node:url";
import {
  readMahimahi,
  readMinitopo,
  readProfile,
  type Scenario,
  SCENARIO_SCHEMA,
  ScenarioError,
  type ScenarioEvent,
  SCENARIOS,
} from "../sim/mod.ts";
import { nearest, UsageError } from "./arguments.ts";
import { type CheckedText, checkText, parseText, type Path } from "./checked_text.ts";
import { loadScenarioReader } from "./deps.ts";

/**
 * Reads a file, or gives the scenario of a name.
 *
 * @throws {UsageError} There is none, or it is no YAML.
 */
export async function readScenarioText(source: string): Promise<CheckedText> {
  if (Object.hasOwn(SCENARIOS, source)) {
    return {
      source,
      value: structuredClone(SCENARIOS[source]) as unknown as Record<string, unknown>,
      where: () => source,
    };
  }
  let text: string;
  try {
    text = await Deno.readTextFile(source);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const names = Object.keys(SCENARIOS);
    const meant = nearest(source, names);
    throw new UsageError(
      `Cannot find the scenario ${source}: it is no file, and ${
        meant === undefined ? `the names are ${names.join(", ")}` : `did you mean ${meant}?`
      }`,
    );
  }
  return await parseText(source, text, "a scenario must be an object of hosts, links, traffic, …");
}

/** The URL of the folder that a scenario is in; of one that has a name the current one. */
export function folderOf({ source }: CheckedText): string {
  const folder = source.replace(/[^/\\]*$/, "");
  return pathToFileURL(folder === "" ? "./" : folder).href;
}

/** Puts what other files say in place of their names. */
async function importFiles(text: CheckedText): Promise<void> {
  const { value, source } = text;
  const folder = source.replace(/[^/\\]*$/, "");
  const load = async <T>(path: Path, read: (text: string) => T): Promise<T> => {
    const name = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], value);
    const file = /^([/\\]|[a-z]:)/i.test(String(name)) ? String(name) : `${folder}${name}`;
    try {
      return read(await Deno.readTextFile(file));
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
      const why = error instanceof TypeError ? error.message : "there is no such file";
      throw new UsageError(`${text.where(path)}: ${path.join(".")}: ${file}: ${why}`);
    }
  };
  if (typeof value.minitopo === "string") {
    const topology = await load(["minitopo"], readMinitopo);
    value.hosts = { ...topology.hosts, ...value.hosts as object };
    value.routers = [...topology.routers!, ...(value.routers as string[] | undefined) ?? []];
    value.links = { ...topology.links, ...value.links as object };
    delete value.minitopo;
  }
  const links = (value.links ?? {}) as Record<string, Record<string, unknown>>;
  const events: ScenarioEvent[] = [];
  for (const [name, link] of Object.entries(links)) {
    for (const side of [[], ["forward"], ["backward"]]) {
      const shape = (side.length === 0 ? link : link[side[0]!]) as
        | Record<string, unknown>
        | undefined;
      if (typeof shape?.trace !== "string") continue;
      shape.trace = await load(["links", name, ...side, "trace"], readMahimahi);
    }
    if (link.profile === undefined) continue;
    const profile = await load(["links", name, "profile"], readProfile);
    delete link.profile;
    Object.assign(link, profile.first);
    events.push(...profile.events.map((event) => ({ ...event, link: name })));
  }
  if (events.length > 0) {
    value.events = [...(value.events as ScenarioEvent[] | undefined) ?? [], ...events];
  }
}

/** Where a path that a command line names leads: names may have dots in them. */
function resolvePath(value: unknown, path: string): string[] {
  if (typeof value === "object" && value !== null) {
    const known = Object.keys(value).filter((key) => path === key || path.startsWith(`${key}.`));
    const [longest] = known.sort((a, b) => b.length - a.length);
    if (longest !== undefined) {
      const rest = path.slice(longest.length + 1);
      return rest === ""
        ? [longest]
        : [longest, ...resolvePath((value as Record<string, unknown>)[longest], rest)];
    }
  }
  return path.split(".");
}

/**
 * Sets the values that a command line names, `links.wifi.rate=5 Mbit/s`, in a copy of a scenario's text; errors name the option that each is of.
 *
 * @throws {UsageError} A path leads nowhere.
 */
export async function withValues(
  text: CheckedText,
  values: readonly (readonly [path: string, value: string, option?: "set" | "sweep"])[],
): Promise<CheckedText> {
  if (values.length === 0) return text;
  const { YAML } = await loadScenarioReader();
  const value = structuredClone(text.value);
  const set = new Map<string, string>();
  for (const [path, given, option = "set"] of values) {
    const keys = resolvePath(value, path);
    let at: Record<string, unknown> = value;
    for (const key of keys.slice(0, -1)) {
      const next = at[key];
      if (typeof next !== "object" || next === null) {
        throw new UsageError(
          `Cannot set ${path}: there is no "${key}", there are ${Object.keys(at).join(", ")}`,
        );
      }
      at = next as Record<string, unknown>;
    }
    at[keys.at(-1)!] = YAML.parse(given);
    set.set(keys.join("."), `--${option} ${path}=${given}`);
  }
  return {
    source: text.source,
    value,
    where: (path, key) => {
      const given = set.get(path.join("."));
      return given ?? text.where(path, key);
    },
  };
}

/**
 * The scenario of a text, checked and with what it imports.
 *
 * @throws {UsageError} Something is wrong: what, and in which line.
 */
export async function toScenario(text: CheckedText): Promise<Scenario> {
  await checkText(text, SCENARIO_SCHEMA, "the scenario");
  const copy = { ...text, value: structuredClone(text.value) };
  await importFiles(copy);
  const { $schema: _schema, ...value } = copy.value;
  const name = text.source.replace(/^.*[/\\]/, "").replace(/\.(ya?ml|json)$/, "");
  return { name, ...value } as unknown as Scenario;
}

/** An error of measure() with the line that it is about. */
export function locate(error: unknown, text: CheckedText): unknown {
  if (!(error instanceof ScenarioError)) return error;
  return new UsageError(`${text.where(error.path)}: ${error.message}`);
}
