/**
 * Reads command line arguments into an object. Stands in for `@std/cli/parse-args`: the options below with its meaning; dotted names are not nested.
 *
 * @module
 */

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  N extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
  A extends Record<string, string | readonly string[]> = Record<never, never>,
> {
  /** Names that take no value. */
  boolean?: B | readonly B[];
  /** Names whose value stays text; "_" keeps positional arguments text. */
  string?: S | readonly S[];
  /** Names that may come several times and give an array. */
  collect?: C | readonly C[];
  /** Names that `--no-NAME` sets to false. */
  negatable?: N | readonly N[];
  /** Values of what was not given. */
  default?: D;
  /** Other names: what is set under one is set under all. */
  alias?: A;
  /** Puts what follows `--` into the property "--" instead of among the positional arguments. */
  "--"?: boolean;
  /** Takes everything from the first positional argument on as positional. */
  stopEarly?: boolean;
  /** Called for what no option names; false leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Alias<A, K> = K extends keyof A
  ? (A[K] extends string ? A[K] : A[K] extends readonly (infer T)[] ? T : never)
  : never;
type Value<K, B, S> = K extends B ? boolean : K extends S ? string : unknown;
type Collected<K, B, S, C> = K extends C ? Value<K, B, S>[] : Value<K, B, S>;
type Given<K, B, S, C, D> = K extends C | B ? Collected<K, B, S, C>
  : K extends keyof D ? Collected<K, B, S, C> | D[K]
  : Collected<K, B, S, C> | undefined;

/** What {@linkcode parseArgs} gives. */
export type Args<B extends string, S extends string, C extends string, D, A> =
  & { [K in Exclude<B | S | C, "_">]: Given<K, B, S, C, D> }
  & { [K in Exclude<B | S | C, "_"> as Alias<A, K> & string]: Given<K, B, S, C, D> }
  & { [K in Exclude<keyof D, B | S | C>]: unknown }
  & {
    /** Positional arguments. */
    _: (string | number)[];
    /** What followed `--`, if asked for. */
    "--"?: string[];
  };

function list<T extends string>(names: T | readonly T[] | undefined): readonly string[] {
  return names === undefined ? [] : typeof names === "string" ? [names] : names;
}

function isNumber(text: string): boolean {
  return /^0x[0-9a-f]+$/i.test(text) || /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(e[-+]?\d+)?$/.test(text);
}

/**
 * Reads command line arguments.
 *
 * @example
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * const args = parseArgs(["--quiet", "-o", "x.svg", "in"], { boolean: ["quiet"], string: ["out"], alias: { out: "o" } });
 * if (!args.quiet || args.out !== "x.svg" || args._[0] !== "in") throw new Error();
 * ```
 */
export function parseArgs<
  const B extends string = never,
  const S extends string = never,
  const C extends string = never,
  const N extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
  const A extends Record<string, string | readonly string[]> = Record<never, never>,
>(args: readonly string[], options: ParseOptions<B, S, C, N, D, A> = {}): Args<B, S, C, D, A> {
  const families = new Map<string, Set<string>>();
  for (const [name, others] of Object.entries(options.alias ?? {})) {
    const family = new Set([name, ...list(others)]);
    for (const member of family) families.set(member, family);
  }
  const family = (name: string): Iterable<string> => families.get(name) ?? [name];
  const named = (names: readonly string[]): Set<string> =>
    new Set(names.flatMap((name) => [...family(name)]));
  const booleans = named(list(options.boolean));
  const strings = named(list(options.string));
  const collected = named(list(options.collect));
  const negatable = named(list(options.negatable));
  const known = new Set([...booleans, ...strings, ...collected, ...negatable, ...families.keys()]);

  const result: Record<string, unknown> = {};
  const positional: (string | number)[] = [];

  function put(name: string, value: unknown): void {
    const typed = typeof value === "string" && !strings.has(name) && isNumber(value)
      ? Number(value)
      : value;
    for (const member of family(name)) {
      const before = result[member];
      if (collected.has(member)) {
        result[member] = Array.isArray(before) ? [...before, typed] : [typed];
      } else result[member] = typed;
    }
  }
  function set(name: string, value: unknown, arg: string): void {
    if (!known.has(name) && options.unknown?.(arg, name, value) === false) return;
    put(name, value);
  }
  const bare = (name: string): unknown => strings.has(name) ? "" : true;

  const dashes = args.indexOf("--");
  const before = dashes === -1 ? args : args.slice(0, dashes);
  const behind = dashes === -1 ? [] : args.slice(dashes + 1);

  for (let i = 0; i < before.length; i++) {
    const arg = before[i] ?? "";
    /** Sets a name whose value, if it takes one, is the next argument. */
    const setFromNext = (name: string, option: RegExp): void => {
      const next = before[i + 1];
      if (next && !booleans.has(name) && !option.test(next)) {
        i++;
        set(name, next, arg);
      } else if (booleans.has(name) && (next === "true" || next === "false")) {
        i++;
        set(name, next === "true", arg);
      } else {
        set(name, bare(name), arg);
      }
    };
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
    if (long) {
      const [, name = "", value] = long;
      const negated = name.startsWith("no-") ? name.slice(3) : "";
      if (value !== undefined && value !== "") {
        set(name, booleans.has(name) ? value !== "false" : value, arg);
      } else if (value === "") set(name, bare(name), arg);
      else if (negatable.has(negated)) set(negated, false, arg);
      else setFromNext(name, /^-/);
    } else if (/^-[^-]/.test(arg)) {
      let letters = arg.slice(1);
      while (letters !== "") {
        const name = letters.slice(0, 1);
        letters = letters.slice(1);
        const value = /^=(.+)$/s.exec(letters)?.[1] ??
          (/[A-Za-z]/.test(name) && isNumber(letters) || /^\W/.test(letters) ? letters : undefined);
        if (value !== undefined) {
          set(name, booleans.has(name) ? value !== "false" : value, arg);
          break;
        }
        if (letters === "") setFromNext(name, /^-[^-]|^--[^-]/);
        else set(name, bare(name), arg);
      }
    } else {
      if (options.unknown?.(arg) !== false) {
        positional.push(strings.has("_") || !isNumber(arg) ? arg : Number(arg));
      }
      if (options.stopEarly) {
        positional.push(...before.slice(i + 1));
        break;
      }
    }
  }

  for (const [name, value] of Object.entries(options.default ?? {})) {
    for (const member of family(name)) if (!(member in result)) result[member] = value;
  }
  for (const name of booleans) result[name] ??= collected.has(name) ? [] : false;
  for (const name of strings) if (collected.has(name)) result[name] ??= [];
  if (options["--"]) result["--"] = [...behind];
  else positional.push(...behind);
  result["_"] = positional;
  return result as Args<B, S, C, D, A>;
}
