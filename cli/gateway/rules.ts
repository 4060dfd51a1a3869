/** Which flows of a gateway go how: the file of `--rules`, and what it says of one flow. */

import type { Schema } from "../../sim/mod.ts";
import {
  inPrefix,
  type IpAddress,
  type IpPrefix,
  parseAddress,
  parsePrefix,
} from "../../core/wire/ip.ts";
import { UsageError } from "../arguments.ts";
import { checkText, parseText, type Path } from "../checked_text.ts";

/** How the flows of a class go. */
export interface FlowClass {
  /** Its name; "" where none was chosen. */
  readonly name: string;
  /** Devices of its paths, the one that a connection begins at first; none: all. */
  readonly paths: readonly string[];
  /** Devices that are used when none of those works. */
  readonly backup: readonly string[];
  /** Which path carries what is sent, as `--scheduler` has it; null: as the gateway was told. */
  readonly scheduler: string | null;
  /** The stack is to have nothing to do with them. */
  readonly bypass: boolean;
}

/** From and to, both included. */
export type Range = readonly [number, number];

/** One rule: all that it names has to fit. */
export interface FlowRule {
  /** Where the flow goes; none: anywhere. */
  readonly to: readonly IpPrefix[];
  /** The same as written. */
  readonly toText: readonly string[];
  /** Its destination port. */
  readonly ports: readonly Range[];
  /** Codepoints of its first packet. */
  readonly dscp: readonly number[];
  /** User of this machine, by number or name, who begins it; null: anybody. */
  readonly uid: string | null;
  /** Mark that the packet has in the kernel; null: any. */
  readonly mark: number | null;
  /** What becomes of it. */
  readonly class: FlowClass;
}

/** All of them, in order: the first that fits decides. */
export interface FlowRules {
  readonly rules: readonly FlowRule[];
  /** Of flows that no rule fits. */
  readonly otherwise: FlowClass;
  /** Where the scheduler of a class is named: "rules.yaml:3:16: classes.calls.scheduler". */
  schedulerAt(name: string): string;
}

const ANY_CLASS: FlowClass = { name: "", paths: [], backup: [], scheduler: null, bypass: false };

/** What holds without a file: everything is carried over all paths. */
export const NO_RULES: FlowRules = {
  rules: [],
  otherwise: ANY_CLASS,
  schedulerAt: () => "--rules",
};

/** Names of codepoints (RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622). */
export const DSCP_NAMES: Readonly<Record<string, number>> = {
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((i) => [`cs${i}`, 8 * i])),
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((i) => [1, 2, 3].map((j) => [`af${i}${j}`, 8 * i + 2 * j])),
  ),
  ef: 46,
  va: 44,
  le: 1,
};

const oneOrMore = (item: Schema, description: string): Schema => ({
  description,
  anyOf: [{ ...item, description }, {
    type: "array",
    items: { ...item, description },
    minItems: 1,
    description,
  }],
});
const names: Schema = {
  description: "a list of devices, such as [mptcp0, mptcp1]",
  type: "array",
  items: { type: "string", description: "the name of a device" },
  uniqueItems: true,
};

/** The schema of the file. */
export const RULES_SCHEMA: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Rules of mptcp gateway",
  description: "an object of classes, rules and default",
  type: "object",
  additionalProperties: false,
  properties: {
    $schema: { type: "string", description: "the URL of this schema" },
    classes: {
      description: "an object of classes by their names",
      type: "object",
      additionalProperties: {
        description: "an object of paths, backup, scheduler or bypass",
        type: "object",
        additionalProperties: false,
        properties: {
          paths: names,
          backup: names,
          scheduler: { type: "string", description: "a scheduler, as --scheduler has it" },
          bypass: { const: true, description: "true, or absent" },
        },
      },
    },
    rules: {
      description: "a list of rules",
      type: "array",
      items: {
        description: "an object of to, port, dscp, uid, mark and class",
        type: "object",
        additionalProperties: false,
        required: ["class"],
        properties: {
          to: oneOrMore({ type: "string" }, 'a prefix such as "192.168.0.0/16", or a list of them'),
          port: oneOrMore(
            { type: ["integer", "string"], minimum: 1, maximum: 65535 },
            'a port such as 443, a range such as "6000-6999", or a list of them',
          ),
          dscp: oneOrMore(
            { type: ["integer", "string"], minimum: 0, maximum: 63 },
            "a codepoint such as 46 or ef, or a list of them",
          ),
          uid: {
            type: ["integer", "string"],
            minimum: 0,
            maximum: 4294967294, // the next one is nobody's
            pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
            description: "a user of this machine, by number from 0 to 4294967294 or by name",
          },
          mark: {
            type: "integer",
            minimum: 0,
            maximum: 4294967295,
            description: "a mark of the kernel's, from 0 to 4294967295",
          },
          class: { type: "string", description: "the name of a class" },
        },
      },
    },
    default: { type: "string", description: "the name of a class" },
  },
};

interface RuleText {
  readonly to?: string | readonly string[];
  readonly port?: number | string | readonly (number | string)[];
  readonly dscp?: number | string | readonly (number | string)[];
  readonly uid?: number | string;
  readonly mark?: number;
  readonly class: string;
}

interface RulesText {
  readonly classes?: Readonly<Record<string, Partial<Omit<FlowClass, "name">>>>;
  readonly rules?: readonly RuleText[];
  readonly default?: string;
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value as T];
}

function readPort(value: number | string): Range | null {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(`${value}`);
  const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  return from >= 1 && from <= to && to <= 65535 ? [from, to] : null;
}

function readDscp(value: number | string): number | null {
  const text = `${value}`.toLowerCase();
  if (Object.hasOwn(DSCP_NAMES, text)) return DSCP_NAMES[text]!;
  return /^\d{1,2}$/.test(text) && Number(text) <= 63 ? Number(text) : null;
}

/**
 * Reads the text of a file of rules.
 *
 * @param devices Names of the paths that there are.
 * @throws {UsageError} What is wrong, and where.
 */
export async function parseRules(
  source: string,
  text: string,
  devices: readonly string[],
): Promise<FlowRules> {
  const checked = await parseText(
    source,
    text,
    "rules must be an object of classes, rules and default",
  );
  await checkText(checked, RULES_SCHEMA, "the rules");
  const value = checked.value as RulesText;
  const wrong = (path: Path, what: string): UsageError =>
    new UsageError(`${checked.where(path)}: ${path.join(".")}: ${what}`);
  const classes = new Map<string, FlowClass>();
  for (const [name, given] of Object.entries(value.classes ?? {})) {
    const { paths = [], backup = [], scheduler = null, bypass = false } = given;
    for (const [member, list] of [["paths", paths], ["backup", backup]] as const) {
      for (const [i, device] of list.entries()) {
        if (!devices.includes(device)) {
          throw wrong(
            ["classes", name, member, i],
            `it must be one of ${devices.join(", ")}: it is "${device}"`,
          );
        }
        if (member === "backup" && paths.includes(device)) {
          throw wrong(["classes", name, member, i], `${device} is among its paths already`);
        }
      }
    }
    if (backup.length > 0 && paths.length === 0) {
      throw wrong(["classes", name, "backup"], "it needs paths beside it");
    }
    if (bypass && (paths.length > 0 || scheduler !== null)) {
      throw wrong(["classes", name], "what bypasses the stack has no paths and no scheduler");
    }
    classes.set(name, { name, paths, backup, scheduler, bypass });
  }
  const classOf = (path: Path, name: string): FlowClass => {
    const found = classes.get(name);
    if (found !== undefined) return found;
    const all = [...classes.keys()].join(", ");
    throw wrong(path, `it must be one of the classes${all && `, ${all}`}: it is "${name}"`);
  };
  const each = <T, R>(path: Path, list: readonly T[], read: (value: T) => R | null, what: string) =>
    list.map((value, i) => {
      const found = read(value);
      if (found !== null) return found;
      throw wrong(list.length > 1 ? [...path, i] : path, `it must be ${what}: it is "${value}"`);
    });
  const rules = (value.rules ?? []).map((rule, i): FlowRule => {
    const at = (name: string): Path => ["rules", i, name];
    const toText = listOf(rule.to);
    return {
      to: each(at("to"), toText, parsePrefix, 'a prefix such as "192.168.0.0/16"'),
      toText,
      ports: each(at("port"), listOf(rule.port), readPort, 'a port or a range such as "6000-6999"'),
      dscp: each(
        at("dscp"),
        listOf(rule.dscp),
        readDscp,
        "a codepoint: 0 to 63, or a name such as ef",
      ),
      uid: rule.uid === undefined ? null : `${rule.uid}`,
      mark: rule.mark ?? null,
      class: classOf(at("class"), rule.class),
    };
  });
  const otherwise = value.default === undefined ? ANY_CLASS : classOf(["default"], value.default);
  const schedulerAt = (name: string): string => {
    const path = ["classes", name, "scheduler"];
    return `${checked.where(path)}: ${path.join(".")}`;
  };
  return { rules, otherwise, schedulerAt };
}

/** Whether a rule asks for what the kernel alone knows. */
export function kernelKnows({ uid, mark }: FlowRule): boolean {
  return uid !== null || mark !== null;
}

/** The class of a flow, by what its packets say: what the kernel alone knows it has judged before. */
export function classify(
  { rules, otherwise }: FlowRules,
  address: string,
  port: number,
  dscp: number,
): FlowClass {
  const to: IpAddress | null = parseAddress(address);
  const found = rules.find((rule) =>
    !kernelKnows(rule) &&
    (rule.to.length === 0 ||
      rule.to.some((prefix) =>
        to !== null && prefix.address.family === to.family && inPrefix(to, prefix)
      )) &&
    (rule.ports.length === 0 || rule.ports.some(([from, last]) => port >= from && port <= last)) &&
    (rule.dscp.length === 0 || rule.dscp.includes(dscp))
  );
  return found?.class ?? otherwise;
}
