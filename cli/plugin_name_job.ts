/** Loads a plugin in a worker, where one that never returns can be ended, and tells what it is called. */

import { loadPlugin } from "../core/net/load_plugin.ts";
import { noteLoading } from "../sim/watch_plugins.ts";
import { UsageError } from "./arguments.ts";
import { loadNamed, type PluginOption } from "./policies.ts";

/** A plugin that is named on a command line. */
export interface NameJob {
  /** The option. */
  readonly option: PluginOption;
  /** What it was given. */
  readonly text: string;
  /** Where it is told that it is being loaded. */
  readonly watch: SharedArrayBuffer;
}

/** What it is called, or what is wrong with it. */
export type NameAnswer = { readonly name: string } | { readonly wrong: string };

/** Says in `memory` what is being loaded. */
export function watchedLoad(memory: SharedArrayBuffer): typeof loadPlugin {
  return async (kind, text, options) => {
    using _note = noteLoading(memory, loadingOf(text));
    return await loadPlugin(kind, text, options);
  };
}

function loadingOf(text: string): string {
  return `what is loaded from ${text.replace(/,.*/s, "")}`;
}

/** Runs a job. */
export async function run({ option, text, watch }: NameJob): Promise<NameAnswer> {
  using _note = noteLoading(watch, loadingOf(text));
  try {
    return { name: (await loadNamed(option, text)).name };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { wrong: error.message };
  }
}
