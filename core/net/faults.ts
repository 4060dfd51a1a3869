/** Faults of plugins in words. */

import type { FaultReport, PluginFault } from "../guard/faults.ts";

/** Most different lines about one plugin: a fault may name a path or a number that is another each time. */
const MOST_LINES = 5;

/** The places that the trace of an error tells, the innermost first: "file:///home/me/mine.ts:7:21". */
function placesOf(error: unknown): string[] {
  const trace = error instanceof Error ? String(error.stack) : "";
  return [...trace.matchAll(/^\s+at .*?((?:file|https?):\/\/[^\s()]+:\d+:\d+)/gm)]
    .map(([, place = ""]) => place);
}

/**
 * Where the stack's own modules are, as a trace has them: a bundle is one file, and as a classic script, which the worker of a page may be, knows no
 * `import.meta`. Undefined: traces do not tell.
 */
const OWN = placesOf(new Error("here"))[0]?.replace(
  /(core\/)net\/faults\.[jt]s:\d+:\d+$|:\d+:\d+$/,
  "$1",
);

/** Whether a place is one of the stack's. */
function isOwn(place: string): boolean {
  return OWN !== undefined && place.startsWith(OWN);
}

/** Where an error comes from: in a plugin, also where the stack has refused what that asked for. */
function placeOf(error: unknown): string | undefined {
  const places = placesOf(error);
  return places.find((place) => !isOwn(place)) ?? places[0];
}

/** Where somebody else's code threw an error; undefined: the stack did. */
export function thrownAt(error: unknown): string | undefined {
  return placesOf(error).slice(0, 1).find((place) => !isOwn(place));
}

/** What was thrown, in words: anything can be thrown, also what throws when it is read. */
function wordsOf(error: unknown): string {
  try {
    const place = placeOf(error);
    return `${String(error)}${place === undefined ? "" : ` (${place})`}`;
  } catch {
    return "something that no text can be made of";
  }
}

/** What the values of a controller may be. */
const RANGES: Readonly<Record<string, string>> = {
  cwnd: "bytes, from a segment to 2^30",
  ssthresh: "bytes, a segment at least, or Infinity",
  pacingRate: "bytes per second, a segment a minute at least",
  ownsRecovery: "true or false",
  accurateEcn: "true or false",
};

/** What the callbacks of plugins may answer, by kind and name. */
const ANSWERS: Readonly<Record<string, string>> = {
  "scheduler create": "an object with pick()",
  "scheduler pick": "one subflow, several, or null to wait",
  "scheduler repeat": 'true, false or "skip"',
  "congestion-control create": "an object with join()",
  "congestion-control join": "an object with cwnd, ssthresh, onAck() and onCongestion()",
  "path-manager create": "an object with onEvent()",
  "path-manager refuse": "null, or a reason from 0 to 255",
  "path-manager joinsAsBackup": "true or false",
};

/** What would have been right, where what was wrong does not say it. */
function remedyOf({ kind, rule, callback, what }: PluginFault): string {
  switch (rule) {
    case "no-promise":
      return ", and nothing here waits: it must not be async";
    case "right-shape":
      // What was made, and lacks something, says it.
      if (!what.startsWith("answered ")) return "";
      // falls through
    case "sane-answer": {
      if (what.endsWith(" bytes in pick")) return ", which must be a number of 1 at least";
      const must = ANSWERS[`${kind} ${callback}`];
      return must === undefined ? "" : `, which must be ${must}`;
    }
    case "sane-window": {
      const range = RANGES[/^set (\w+)/.exec(what)?.[1] ?? ""];
      return `${range === undefined ? "" : `: it must be ${range}`} (read after ${callback})`;
    }
    default:
      return "";
  }
}

/** A fault as a line that names the plugin, what it did and where: "Plugin mine (scheduler) threw in pick: …". */
export function describeFault(fault: PluginFault): string {
  const { plugin, kind, what, error } = fault;
  const thrown = error === undefined ? remedyOf(fault) : `: ${wordsOf(error)}`;
  const who = kind === "probe" ? "A probe" : `Plugin ${plugin} (${kind.replace("-", " ")})`;
  return `${who} ${what}${thrown}`;
}

/** What tells a fault from others: of what was thrown in one place, such as a time that has passed, the numbers do not. */
function kindOf(line: string, { error }: PluginFault): string {
  return error === undefined ? line : line.replace(/(?<![:\w.])-?\d+(\.\d+)?(e[+-]?\d+)?/g, "#");
}

/** Takes faults and says each that is new in a line, and when the default takes a plugin's place. */
export function sayFaults(say: (line: string) => void): FaultReport {
  const said = new Map<string, Set<string>>();
  const replaced = new Set<string>();
  return (fault) => {
    const plugin = `${fault.kind} ${fault.plugin}`;
    let lines = said.get(plugin);
    if (lines === undefined) said.set(plugin, lines = new Set());
    if (lines.size < MOST_LINES) {
      const line = describeFault(fault);
      const known = kindOf(line, fault);
      if (!lines.has(known)) {
        lines.add(known);
        // Who only watches decides nothing, and is told nothing more.
        say(
          `${line}. ${
            fault.kind === "probe" ? "It is told nothing more" : "The default decides in its place"
          }.`,
        );
      }
    }
    if (fault.replaced && fault.kind !== "probe" && !replaced.has(plugin)) {
      replaced.add(plugin);
      say(
        `Plugin ${fault.plugin} takes no part in this connection any more: the default has its place.`,
      );
    }
  };
}

/** Who hears of faults: `report`. What it throws is the program's error, and none of the packet or call that the fault was found in. */
export function hearFaults(report: FaultReport): FaultReport {
  return (fault) => {
    try {
      report(fault);
    } catch (error) {
      reportError(error);
    }
  };
}

/** What hears of faults when a host's options name nobody: without a word, the default's figures would be taken for the plugin's. */
export function warnOfFaults(): FaultReport {
  // deno-lint-ignore no-console -- `onPluginFault` sends them elsewhere
  return sayFaults((line) => console.warn(line));
}
