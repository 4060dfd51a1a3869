/** The options that choose plugins, the same on every command. */

import { otherKind, tellKind } from "../core/net/load_plugin.ts";
import { completePolicies } from "../core/net/policies.ts";
import * as balia from "../cc/balia.ts";
import * as bbr from "../cc/bbr.ts";
import * as bbr3 from "../cc/bbr3.ts";
import * as coupled from "../cc/coupled.ts";
import * as coupledBbr from "../cc/coupled_bbr.ts";
import * as cubic from "../cc/cubic.ts";
import * as dctcp from "../cc/dctcp.ts";
import * as ewtcp from "../cc/ewtcp.ts";
import * as lia from "../cc/lia.ts";
import * as olia from "../cc/olia.ts";
import * as reno from "../cc/reno.ts";
import * as semiCoupled from "../cc/semi_coupled.ts";
import * as wvegas from "../cc/wvegas.ts";
import {
  loadPlugin,
  type LoadPluginOptions,
  type PluginKind,
  type PluginKinds,
  type Policies,
} from "../mod.ts";
import * as endpoints from "../pm/endpoints.ts";
import * as fullMesh from "../pm/full_mesh.ts";
import * as handover from "../pm/handover.ts";
import * as labels from "../pm/labels.ts";
import * as manual from "../pm/manual.ts";
import * as nDiffPorts from "../pm/n_diff_ports.ts";
import * as passive from "../pm/passive.ts";
import * as earliest from "../sched/earliest.ts";
import * as blest from "../sched/blest.ts";
import * as daps from "../sched/daps.ts";
import * as ecf from "../sched/ecf.ts";
import * as linux from "../sched/linux.ts";
import * as minRtt from "../sched/min_rtt.ts";
import * as otias from "../sched/otias.ts";
import * as peekaboo from "../sched/peekaboo.ts";
import * as priority from "../sched/priority.ts";
import * as redundant from "../sched/redundant.ts";
import * as roundRobin from "../sched/round_robin.ts";
import * as rttThreshold from "../sched/rtt_threshold.ts";
import * as sttf from "../sched/sttf.ts";
import * as timeDistance from "../sched/time_distance.ts";
import * as weighted from "../sched/weighted.ts";
import { type Option, UsageError } from "./arguments.ts";

/** Plugins that may be named. */
export const BUILT_INS = {
  "scheduler": {
    earliest,
    min_rtt: minRtt,
    round_robin: roundRobin,
    redundant,
    priority,
    weighted,
    rtt_threshold: rttThreshold,
    linux,
    blest,
    ecf,
    sttf,
    otias,
    daps,
    peekaboo,
    time_distance: timeDistance,
  },
  "congestion-control": {
    lia,
    olia,
    balia,
    wvegas,
    ewtcp,
    coupled,
    semi_coupled: semiCoupled,
    reno,
    cubic,
    dctcp,
    bbr,
    bbr3,
    coupled_bbr: coupledBbr,
  },
  "path-manager": {
    full_mesh: fullMesh,
    n_diff_ports: nDiffPorts,
    endpoints,
    handover,
    labels,
    manual,
    passive,
  },
} satisfies Record<PluginKind, NonNullable<LoadPluginOptions["builtIns"]>>;

/** What the plugins that have options take behind their names. */
const OPTIONS: Readonly<Record<string, string>> = {
  round_robin: "segments=1…44, weights=3/1, strict=true",
  redundant: "mode=full|opportunistic|tail",
  priority: "order=2/1, spill=false",
  weighted: "weights=rate|3/1",
  rtt_threshold: "threshold=MS",
  blest: "lambda=1…2",
  ecf: "beta=0.25",
  sttf: "lookAhead=SEGMENTS, segments=1…44",
  otias: "lookAhead=SEGMENTS, segments=1…44",
  daps: "period=1…1000, lookAhead=SEGMENTS, segments=1…44",
  peekaboo: "alpha=1.5, learn=30",
  time_distance: "lookAhead=SEGMENTS, segments=1…44",
  lia: "hystart=false",
  olia: "hystart=false",
  balia: "hystart=false",
  wvegas: "alpha=2…1000",
  ewtcp: "hystart=false",
  coupled: "hystart=false",
  semi_coupled: "hystart=false",
  reno: "hystart=false",
  cubic: "hystart=false",
  dctcp: "hystart=false, g=0.001…1",
  coupled_bbr: "always=true",
  full_mesh: "copies=1…8",
  n_diff_ports: "subflows=1…8",
  endpoints: "add=ADDRESS FLAG…",
  handover: "loss=0…1, rtt=MS, back=S",
  labels: "dscp=0…63",
};

/** Names of a list, some on each line. */
const WIDTH = 76;

function inLines(names: readonly string[]): string {
  const lines: string[] = [];
  names.forEach((name, i) => {
    const item = i + 1 < names.length ? `${name},` : name;
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + item.length <= WIDTH) {
      lines[lines.length - 1] = `${line} ${item}`;
    } else lines.push(item);
  });
  return lines.join("\n");
}

function option(what: string, kind: PluginKind): Option {
  const names = Object.keys(BUILT_INS[kind]).map((name, i) => {
    const notes = [...i === 0 ? ["default"] : [], ...name in OPTIONS ? [OPTIONS[name]] : []];
    return notes.length === 0 ? name : `${name} (${notes.join(", ")})`;
  });
  return {
    value: "NAME|FILE|URL[,key=value…]",
    help: `${what}:\n${inLines(names)},\nor a module of your own`,
  };
}

/** The options, for a command's list. */
export const PLUGIN_OPTIONS: Readonly<Record<string, Option>> = {
  scheduler: option("Which path carries what", "scheduler"),
  cc: option("How much may be in flight", "congestion-control"),
  pm: option("Which paths are opened", "path-manager"),
};

const OPTION_KINDS = {
  scheduler: "scheduler",
  cc: "congestion-control",
  pm: "path-manager",
} as const satisfies Record<string, PluginKind>;

/** An option that chooses a plugin. */
export type PluginOption = keyof typeof OPTION_KINDS;

/** The plugin that an option chooses. */
export type PluginOf<O extends PluginOption> = PluginKinds[(typeof OPTION_KINDS)[O]];

function optionOf(kind: PluginKind): string {
  return Object.entries(OPTION_KINDS).find(([, one]) => one === kind)![0];
}

/** Whether it is a plugin of this project that an option names, with options or without. */
export function isBuiltIn(option: PluginOption, text: string): boolean {
  return Object.hasOwn(BUILT_INS[OPTION_KINDS[option]], text.replace(/,.*/s, ""));
}

/**
 * The plugin that an option names.
 *
 * @throws {UsageError} There is none, or it is not as it should be.
 */
export async function loadNamed<O extends PluginOption>(
  option: O,
  text: string,
): Promise<PluginOf<O>> {
  const kind = OPTION_KINDS[option];
  const ask = (one: PluginKind): string => `--${optionOf(one)} ${text}`;
  const other = otherKind(kind, text, BUILT_INS, ask);
  if (other !== null) throw new UsageError(`--${option}: ${other}`);
  try {
    return await loadPlugin(kind, text, { builtIns: BUILT_INS[kind] });
  } catch (error) {
    // The message says what to do; the trace would not.
    if (error instanceof TypeError) throw new UsageError(`--${option}: ${tellKind(error, ask)}`);
    throw error;
  }
}

/** Names of plugins by their kinds. */
export type PluginNames = Readonly<
  Record<"scheduler" | "congestionControl" | "pathManager", string>
>;

/** The plugins that are at work: those that were named, else the defaults. */
export function namePolicies(policies: Policies): PluginNames {
  const { scheduler, congestionControl, pathManager } = completePolicies(policies);
  return {
    scheduler: scheduler.name,
    congestionControl: congestionControl.name,
    pathManager: pathManager.name,
  };
}

/** The same in words. */
export function sayPolicies({ scheduler, congestionControl, pathManager }: PluginNames): string {
  return `scheduler ${scheduler}, congestion control ${congestionControl}, path manager ${pathManager}`;
}
