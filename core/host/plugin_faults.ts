/** Faults of plugins: what they are, and how many are borne. */

import type { Plugin } from "../plugin.ts";

/** Faults after which the default takes a plugin's place on a connection. */
export const MOST_FAULTS = 100;

/** One fault of a plugin. */
export interface PluginFault {
  /** Its kind. */
  readonly kind: Plugin["kind"];
  /** Its name. */
  readonly plugin: string;
  /** What it did, as the end of a sentence: "named path 7, which is not in use". */
  readonly what: string;
  /** What it threw, if it did. */
  readonly error?: unknown;
  /** Faults on this connection so far. */
  readonly count: number;
  /** The default has taken its place. */
  readonly replaced: boolean;
}

/** Takes faults; must not throw. */
export type FaultReport = (fault: PluginFault) => void;

/** Counts the faults of one plugin on one connection. */
export class Faults {
  /** The default has taken its place. */
  replaced = false;
  #count = 0;
  readonly #plugin: Plugin;
  readonly #report: FaultReport;

  /** No fault yet. */
  constructor(plugin: Plugin, report: FaultReport) {
    this.#plugin = plugin;
    this.#report = report;
  }

  /** Counts one; true when it was one too many. */
  add(what: string, error?: unknown): boolean {
    const count = ++this.#count;
    const first = !this.replaced && count >= MOST_FAULTS;
    this.replaced ||= first;
    const { kind, name } = this.#plugin;
    const { replaced } = this;
    this.#report({
      kind,
      plugin: name,
      what,
      count,
      replaced,
      ...(error === undefined ? {} : { error }),
    });
    return first;
  }
}
