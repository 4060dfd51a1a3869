/** Which segments, and which of their options, a middlebox cares for; and the errors of its options. */

import { u8 } from "../../../../wasm/mod.ts";
import { shown } from "../../option_names.ts";
import { MPTCP, NOP, type SeenSegment } from "./segment.ts";

export { checkNames, shown } from "../../option_names.ts";

/**
 * Kinds of TCP segments: a SYN without ACK; a SYN with ACK; what has payload, no SYN; what has neither payload nor SYN: acknowledgements, FINs, RSTs.
 */
export type SegmentKind = "syn" | "syn-ack" | "data" | "ack";

/** Which segments an element of a middlebox deals with: all, those of a kind or several, or those for which a function gives true. */
export type SegmentSelection =
  | "all"
  | SegmentKind
  | readonly SegmentKind[]
  | ((segment: SeenSegment) => boolean);

/** Options of MPTCP, by the names of RFC 8684 §8.1. */
export type MptcpOptionName =
  | "MP_CAPABLE"
  | "MP_JOIN"
  | "DSS"
  | "ADD_ADDR"
  | "REMOVE_ADDR"
  | "MP_PRIO"
  | "MP_FAIL"
  | "MP_FASTCLOSE"
  | "MP_TCPRST";

/**
 * Which TCP options: those of MPTCP; all there are; or the ones of a list, by the name of an MPTCP option or the number of a kind from 2 to 255, such as 8
 * for timestamps.
 */
export type OptionSelection = "MPTCP" | "all" | readonly (MptcpOptionName | number)[];

const KINDS: Readonly<Record<SegmentKind, (segment: SeenSegment) => boolean>> = {
  "syn": ({ syn, ack }) => syn && !ack,
  "syn-ack": ({ syn, ack }) => syn && ack,
  "data": ({ syn, length }) => !syn && length > 0,
  "ack": ({ syn, length }) => !syn && length === 0,
};

/** Numbers of subtypes. */
const SUBTYPES: Readonly<Record<MptcpOptionName, number>> = {
  MP_CAPABLE: 0,
  MP_JOIN: 1,
  DSS: 2,
  ADD_ADDR: 3,
  REMOVE_ADDR: 4,
  MP_PRIO: 5,
  MP_FAIL: 6,
  MP_FASTCLOSE: 7,
  MP_TCPRST: 8,
};

function named(names: Iterable<string>): string {
  return [...names].map((name) => JSON.stringify(name)).join(", ");
}

/** The function that chooses segments; `doing` begins its error. Throws TypeError. */
export function checkSelection(
  doing: string,
  value: unknown,
): (segment: SeenSegment) => boolean {
  if (value === "all") return () => true;
  if (typeof value === "function") return value as (segment: SeenSegment) => boolean;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const tests = list.map((name) =>
    typeof name === "string" && Object.hasOwn(KINDS, name) ? KINDS[name as SegmentKind] : null
  );
  if (tests.length === 0 || tests.includes(null)) {
    throw new TypeError(
      `Cannot ${doing} as 'on' must be "all", one or a list of ${
        named(Object.keys(KINDS))
      }, or a function: current value is ${shown(value)}`,
    );
  }
  if (tests.length === 1) return tests[0]!;
  return (segment) => tests.some((test) => test!(segment));
}

/** The function that tells whether the option at an address is one of those chosen. Throws TypeError, RangeError. */
export function checkOptionSelection(
  doing: string,
  value: unknown,
): (at: number) => boolean {
  if (value === "MPTCP") return (at) => u8[at] === MPTCP;
  if (value === "all") return (at) => u8[at]! > NOP;
  if (!Array.isArray(value) || value.length === 0) {
    throw new TypeError(
      `Cannot ${doing} as 'options' must be "MPTCP", "all", or a list such as ["MP_JOIN"] or [8]: current value is ${
        shown(value)
      }`,
    );
  }
  const kinds = new Set<number>();
  const subtypes = new Set<number>();
  for (const each of value as readonly unknown[]) {
    if (typeof each === "string" && Object.hasOwn(SUBTYPES, each)) {
      subtypes.add(SUBTYPES[each as MptcpOptionName]);
    } else if (typeof each === "number") {
      kinds.add(checkInteger(doing, "options", each, 2, 255));
    } else {
      throw new TypeError(
        `Cannot ${doing} as 'options' must have the number of a kind, or one of ${
          named(Object.keys(SUBTYPES))
        }: current value has ${shown(each)}`,
      );
    }
  }
  return (at) => kinds.has(u8[at]!) || (u8[at] === MPTCP && subtypes.has(u8[at + 2]! >> 4));
}

/** Checks a whole number. Throws TypeError, RangeError. */
export function checkInteger(
  doing: string,
  name: string,
  value: unknown,
  least: number,
  most: number,
): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  const text =
    `Cannot ${doing} as '${name}' must be an integer from ${least} to ${most}: current value is ${
      shown(value)
    }`;
  throw typeof value === "number" ? new RangeError(text) : new TypeError(text);
}

/** Checks a choice of words. Throws TypeError. */
export function checkChoice<T extends string>(
  doing: string,
  name: string,
  value: T,
  choices: readonly T[],
): T {
  if (choices.includes(value)) return value;
  throw new TypeError(
    `Cannot ${doing} as '${name}' must be one of ${named(choices)}: current value is ${
      shown(value)
    }`,
  );
}

/** Checks true or false. Throws TypeError. */
export function checkBoolean(doing: string, name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(
    `Cannot ${doing} as '${name}' must be true or false: current value is ${shown(value)}`,
  );
}
