/** Files of YAML or JSON that people write: read with the line of each value, and checked by a schema. */

import type { Schema } from "../sim/mod.ts";
import { nearest, UsageError } from "./arguments.ts";
import { loadScenarioReader, type SchemaError } from "./deps.ts";

/** Members from the outermost on. */
export type Path = readonly (string | number)[];

/** An object as a file has it, and where its values stand. */
export interface CheckedText {
  /** The file, or what else it comes from. */
  readonly source: string;
  /** Its values, unchecked. */
  readonly value: Record<string, unknown>;
  /** Where the value at a path, or what is nearest to it, stands: "net.yaml:3:5"; `key`: its name. */
  where(path: Path, key?: boolean): string;
}

/** A number of errors is enough. */
const MOST_ERRORS = 10;

/**
 * Reads the text of `source`.
 *
 * @param shape What is said where it is no object.
 * @throws {UsageError} It is no YAML, or no object.
 */
export async function parseText(source: string, text: string, shape: string): Promise<CheckedText> {
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
    throw new UsageError(`${at(0)}: ${shape}`);
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

/**
 * Checks a text against a JSON schema, whose descriptions say what is accepted.
 *
 * @param whole What it is called: "the scenario".
 * @throws {UsageError} What is wrong, and in which lines.
 */
export async function checkText(
  { value, where }: CheckedText,
  schema: Schema,
  whole: string,
): Promise<void> {
  const { Ajv } = await loadScenarioReader();
  const ajv = new Ajv({
    allErrors: true,
    discriminator: true,
    verbose: true,
    strict: false,
  });
  const validate = ajv.compile(schema as object);
  if (validate(value)) return;
  const seen = new Set<string>();
  const lines: string[] = [];
  for (const error of validate.errors ?? []) {
    const { path, text, key } = explain(error);
    // One is enough for a value.
    const name = path.join(".");
    if (seen.has(name)) continue;
    seen.add(name);
    lines.push(`${where(path, key)}: ${name === "" ? whole : name}: ${text}`);
  }
  const more = lines.length - MOST_ERRORS;
  throw new UsageError(
    [...lines.slice(0, MOST_ERRORS), ...more > 0 ? [`and ${more} more`] : []].join("\n"),
  );
}
