/** Reads scenario files: YAML or JSON, checked against the schema, with the line of whatever is wrong. */

import {
  readMahimahi,
  readMinitopo,
  readProfile,
  type Scenario,
  SCENARIO_SCHEMA,
  ScenarioError,
  type ScenarioEvent,
  SCENARIOS,
  type Schema,
} from "../sim/mod.ts";
import { nearest, UsageError } from "./arguments.ts";
import { loadScenarioReader, type SchemaError } from "./deps.ts";

type Path = readonly (string | number)[];

/** A scenario as a file has it, and where its values stand. */
export interface ScenarioText {
  /** The file, or the name. */
  readonly source: string;
  /** Its values, unchecked. */
  readonly value: Record<string, unknown>;
  /** Where the value at a path, or what is nearest to it, stands: "net.yaml:3:5"; `key`: its name. */
  where(path: Path, key?: boolean): string;
}

/** A number of errors is enough. */
const MOST_ERRORS = 10;

/**
 * Reads a file, or gives the scenario of a name.
 *
 * @throws {UsageError} There is none, or it is no YAML.
 */
export async function readScenarioText(source: string): Promise<ScenarioText> {
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
  const { YAML } = await loadScenarioReader();
  const lines = new YAML.LineCounter();
  const document = YAML.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${source}:${line}:${col}`;
  };
  const [broken] = document.errors;
  if (broken !== undefined) throw new UsageError(`${at(broken.pos[0])}: ${broken.message}`);
  const value: unknown = document.toJS();
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError(`${at(0)}: a scenario must be an object of hosts, links, traffic, …`);
  }
  const where = (path: Path, key = false): string => {
    for (let length = path.length; length >= 0; length--) {
      const up = path.slice(0, length);
      if (key && length > 0) {
        const map = length === 1 ? document.contents : document.getIn(up.slice(0, -1), true);
        const pair = YAML.isMap(map)
          ? map.items.find(({ key }) =>
            YAML.isScalar(key) && String(key.value) === String(up.at(-1))
          )
          : undefined;
        if (pair !== undefined && YAML.isScalar(pair.key) && pair.key.range) {
          return at(pair.key.range[0]);
        }
      }
      const node = length === 0 ? document.contents : document.getIn(up, true);
      if (YAML.isNode(node) && node.range) return at(node.range[0]);
    }
    return source;
  };
  return { source, value: value as Record<string, unknown>, where };
}

/** Members of a JSON pointer. */
function pathOf(pointer: string): string[] {
  return pointer.split("/").slice(1).map((part) =>
    part.replaceAll("~1", "/").replaceAll("~0", "~")
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** What is wrong, in words, and at which path. */
function explain(
  error: SchemaError,
): { readonly path: string[]; readonly text: string; readonly key: boolean } {
  const path = pathOf(error.instancePath);
  const schema = error.parentSchema as Schema;
  const accepted = (schema.description as string | undefined) ?? error.message ?? "something else";
  switch (error.keyword) {
    case "additionalProperties": {
      const name = String(error.params.additionalProperty);
      const known = Object.keys((schema.properties as object | undefined) ?? {});
      const meant = nearest(name, known);
      return {
        path: [...path, name],
        text: `there is no such field${
          meant === undefined ? "" : `: did you mean ${meant}?`
        }; the fields are ${known.filter((name) => name !== "$schema").join(", ")}`,
        key: true,
      };
    }
    case "required":
      return { path, text: `it needs the field '${error.params.missingProperty}'`, key: false };
    case "discriminator": {
      const tag = String(error.params.tag);
      const values = (schema.oneOf as Schema[]).flatMap((one) => {
        const known = (one.properties as Readonly<Record<string, Schema>>)[tag]!;
        return (known.enum as string[] | undefined) ?? [known.const as string];
      });
      const value = error.params.tagValue;
      return {
        path: value === undefined ? path : [...path, tag],
        text: value === undefined
          ? `it needs the field '${tag}': one of ${values.join(", ")}`
          : `it must be one of ${values.join(", ")}: it is ${show(value)}`,
        key: false,
      };
    }
    case "minItems":
    case "maxItems":
      return { path, text: `it must be ${accepted}`, key: false };
    default:
      return { path, text: `it must be ${accepted}: it is ${show(error.data)}`, key: false };
  }
}

async function check({ value, where }: ScenarioText): Promise<void> {
  const { Ajv } = await loadScenarioReader();
  const ajv = new Ajv({
    allErrors: true,
    discriminator: true,
    verbose: true,
    strict: false,
  });
  const validate = ajv.compile(SCENARIO_SCHEMA as object);
  if (validate(value)) return;
  const seen = new Set<string>();
  const lines: string[] = [];
  for (const error of validate.errors ?? []) {
    const { path, text, key } = explain(error);
    // One is enough for a value.
    const name = path.join(".");
    if (seen.has(name)) continue;
    seen.add(name);
    lines.push(`${where(path, key)}: ${name === "" ? "the scenario" : name}: ${text}`);
  }
  const more = lines.length - MOST_ERRORS;
  throw new UsageError(
    [...lines.slice(0, MOST_ERRORS), ...more > 0 ? [`and ${more} more`] : []].join("\n"),
  );
}

/** Puts what other files say in place of their names. */
async function importFiles(text: ScenarioText): Promise<void> {
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
 * Sets the values that a command line names, `links.wifi.rate=5 Mbit/s`, in a copy of a scenario's text.
 *
 * @throws {UsageError} A path leads nowhere.
 */
export async function withValues(
  text: ScenarioText,
  values: readonly (readonly [path: string, value: string])[],
): Promise<ScenarioText> {
  if (values.length === 0) return text;
  const { YAML } = await loadScenarioReader();
  const value = structuredClone(text.value);
  const set = new Map<string, string>();
  for (const [path, given] of values) {
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
    set.set(keys.join("."), `${path}=${given}`);
  }
  return {
    source: text.source,
    value,
    where: (path, key) => {
      const given = set.get(path.join("."));
      return given === undefined ? text.where(path, key) : `--set ${given}`;
    },
  };
}

/**
 * The scenario of a text, checked and with what it imports.
 *
 * @throws {UsageError} Something is wrong: what, and in which line.
 */
export async function toScenario(text: ScenarioText): Promise<Scenario> {
  await check(text);
  const copy = { ...text, value: structuredClone(text.value) };
  await importFiles(copy);
  const { $schema: _schema, ...value } = copy.value;
  const name = text.source.replace(/^.*[/\\]/, "").replace(/\.(ya?ml|json)$/, "");
  return { name, ...value } as unknown as Scenario;
}

/** An error of measure() with the line that it is about. */
export function locate(error: unknown, text: ScenarioText): unknown {
  if (!(error instanceof ScenarioError)) return error;
  return new UsageError(`${text.where(error.path)}: ${error.message}`);
}
