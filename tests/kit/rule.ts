/** Rules of the kit, and what it means to break one. */

/**
 * Thrown by a rule that a plugin breaks.
 *
 * @example
 * ```ts
 * import { conformance, RuleError } from "@mptcp/mptcp/testing";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(() => conformance("min_rtt" as never), RuleError);
 * assertEquals(error.rule, "plugin");
 * ```
 */
export class RuleError extends Error {
  /** The rule's name. */
  readonly rule: string;

  /** Names the rule and what broke it. */
  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = "RuleError";
    this.rule = rule;
  }
}

/** One thing that every plugin of a kind does. */
export interface Rule {
  /** Its name: the same in errors. */
  readonly name: string;
  /** What it demands. */
  readonly says: string;
  /** Returns when the plugin keeps it; throws a {@linkcode RuleError} when it does not. Needs no `this`. */
  readonly check: () => void;
}

/** Breaches seen while a plugin ran. */
export class Breaches {
  readonly #seen = new Map<string, string>();

  /** Notes a breach of `rule`; the first one's detail is kept. */
  note(rule: string, detail: string): void {
    if (!this.#seen.has(rule)) this.#seen.set(rule, detail);
  }

  /** Throws when `rule` was broken; `where` says in which run. */
  raise(rule: string, where: string): void {
    const detail = this.#seen.get(rule);
    if (detail !== undefined) throw new RuleError(rule, `${detail} (${where})`);
  }
}

/** Text of whatever was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
