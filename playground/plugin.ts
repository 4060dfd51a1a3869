/** Makes a plugin of the text of its file, as `--scheduler FILE` does; and tells where in the text something is wrong. */

import { transform } from "sucrase";
import * as mptcp from "../mod.ts";
import * as cc from "../cc/mod.ts";
import type { PluginKind } from "../core/net/load_plugin.ts";
import type { Plugin } from "../core/plugin.ts";
import * as pm from "../pm/mod.ts";
import * as sched from "../sched/mod.ts";

/** Something is wrong with the text. */
export class PluginError extends Error {
  /** Where, from 1 on; null: nowhere in particular. */
  readonly line: number | null;

  /** @param message What is wrong. @param line Where, from 1 on. */
  constructor(message: string, line: number | null) {
    super(message);
    this.name = "PluginError";
    this.line = line;
  }
}

/** What the file is called in stacks. */
const FILE = "plugin.ts";
/** What may be imported. Types are gone by then, wherever they came from. */
const MODULES: readonly (readonly [RegExp, object])[] = [
  [/^(@mptcp\/mptcp\/sched|.*\/sched\/mod\.ts)$/, sched],
  [/^(@mptcp\/mptcp\/cc|.*\/cc\/mod\.ts)$/, cc],
  [/^(@mptcp\/mptcp\/pm|.*\/pm\/mod\.ts)$/, pm],
  [/^(@mptcp\/mptcp|.*\/mod\.ts)$/, mptcp],
];

function imported(specifier: string): object {
  const found = MODULES.find(([pattern]) => pattern.test(specifier));
  if (found !== undefined) return found[1];
  throw new Error(
    `"${specifier}" cannot be imported here: only @mptcp/mptcp, and its /sched, /cc and /pm, can`,
  );
}

/** The line of the plugin's text that `error` was thrown at; null: none. */
export function lineOf(error: unknown): number | null {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  const match = new RegExp(`${FILE.replace(".", "\\.")}:(\\d+)`).exec(stack);
  return match === null ? null : Number(match[1]);
}

/**
 * The plugin that a text is.
 *
 * @throws {PluginError} it cannot be read or run, or gives no plugin of that kind.
 */
export function makePlugin(code: string, kind: PluginKind): Plugin {
  let script: string;
  try {
    // Lines stay where they are.
    script = transform(code, { transforms: ["typescript", "imports"], filePath: FILE }).code;
  } catch (error) {
    const { message, loc } = error as Error & { readonly loc?: { readonly line: number } };
    const clean = message.replace(/^Error transforming [^:]*: /, "").replace(/ \(\d+:\d+\)$/, "");
    throw new PluginError(clean, loc?.line ?? null);
  }
  const exports: Record<string, unknown> = {};
  let plugin: unknown;
  try {
    const load = (0, eval)(`(function(require,exports){${script}\n})\n//# sourceURL=${FILE}`);
    load(imported, exports);
    if (typeof exports.default !== "function") {
      throw new PluginError(
        "there is no `export default function`: the file must have one that gives the plugin",
        null,
      );
    }
    plugin = exports.default();
  } catch (error) {
    if (error instanceof PluginError) throw error;
    throw new PluginError(error instanceof Error ? error.message : String(error), lineOf(error));
  }
  const given = (plugin as Plugin | null)?.kind;
  if (given !== kind) {
    throw new PluginError(
      `the file gives ${given === undefined ? "no plugin" : `a ${given}`}, and ${kind} is chosen`,
      null,
    );
  }
  return plugin as Plugin;
}
