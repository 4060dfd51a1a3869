/** Runs a network with a plugin, and with the defaults, and tells what there is to show: what happens in the worker. */

import { type Series, SeriesCollector } from "../cli/sim_series.ts";
import type { PluginKind } from "../core/net/load_plugin.ts";
import { measure, type Measurement } from "../sim/measure.ts";
import type { HostPolicies } from "../sim/scenario.ts";
import { wrapPolicies } from "../sim/watch_plugins.ts";
import { lineOf, makePlugin, PluginError } from "./plugin.ts";
import { type Packets, Recorder } from "./recording.ts";
import { toScenario } from "./settings.ts";
import type { Work } from "./work.ts";

/** Which of the two. */
export type Side = "yours" | "default";

/** What a worker is to do. */
export interface Order {
  /** Number of the order; answers have it. */
  readonly order: number;
  /** What to run. */
  readonly work: Work;
  /** Which of them. */
  readonly side: Side;
  /** Names each callback before it is called: to find the one that does not return. */
  readonly naming: boolean;
}

/** A run that can be shown. */
export interface Shown {
  readonly result: Measurement;
  readonly series: readonly Series[];
  readonly packets: Packets;
}

/** Something that the plugin did wrong. */
export interface Fault {
  readonly text: string;
  /** Line of its text; null: nowhere in particular. */
  readonly line: number | null;
}

/** What a worker answers. */
export type Answer =
  & { readonly order: number; readonly side: Side }
  & (
    | { readonly is: "progress" }
    | { readonly is: "calling"; readonly callback: string }
    | { readonly is: "wrong"; readonly fault: Fault }
    | { readonly is: "done"; readonly shown: Shown; readonly faults: readonly Fault[] }
  );

/** From one value of a curve to the next, and most points of one. */
const INTERVAL = 20_000;
const RATE_INTERVAL = 100_000;
const POINTS = 4000;
/** Milliseconds from one sign of life to the next. */
const TELL = 100;
/** Most faults that are told. */
const FAULTS = 20;

const MEMBERS: Readonly<Record<PluginKind, keyof HostPolicies>> = {
  scheduler: "scheduler",
  "congestion-control": "congestionControl",
  "path-manager": "pathManager",
};

/** Does what is ordered. */
export function run({ order, work, side, naming }: Order, post: (answer: Answer) => void): void {
  const head = { order, side };
  const faults: Fault[] = [];
  // It has begun: from now on silence is the plugin's.
  let told = performance.now();
  const goOn = (): void => {
    const now = performance.now();
    if (now - told < TELL) return;
    told = now;
    post({ ...head, is: "progress" });
  };
  post({ ...head, is: "progress" });
  try {
    const policies: HostPolicies = side === "default" ? {} : wrapPolicies(
      { [MEMBERS[work.kind]]: makePlugin(work.code, work.kind) },
      (callback, method) =>
        function (...args) {
          if (naming) post({ ...head, is: "calling", callback });
          try {
            return Reflect.apply(method, this, args);
          } catch (error) {
            note(faults, `${callback}: ${(error as Error)?.message ?? error}`, lineOf(error));
            throw error;
          }
        },
    );
    const scenario = toScenario(work.settings);
    const collector = new SeriesCollector(RATE_INTERVAL, POINTS);
    const recorder = new Recorder(work.settings.paths.map(({ name }) => name), "phone");
    const result = measure(scenario, policies, {
      interval: `${INTERVAL} us`,
      onData: collector.onData,
      onSample: (sample) => {
        collector.onSample(sample);
        goOn();
      },
      trace: recorder.trace,
      // Exceptions have been noted with their line.
      onFault: (line) => note(faults, line, null),
    });
    const shown = { result, series: collector.end(result.time), packets: recorder.packets };
    post({ ...head, is: "done", shown, faults });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const line = error instanceof PluginError ? error.line : lineOf(error);
    post({ ...head, is: "wrong", fault: { text, line } });
  }
}

/** One of a kind is enough. */
function note(faults: Fault[], text: string, line: number | null): void {
  if (faults.length < FAULTS && !faults.some((fault) => fault.text === text)) {
    faults.push({ text, line });
  }
}
