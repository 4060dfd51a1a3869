/** What a decision of a scheduler and an acknowledgement cost, in turns, so that whatever else the machine does meets all alike. */

import type { CongestionControlPlugin, SchedulerPlugin } from "../../mod.ts";
import { acknowledgement } from "../acknowledgement.ts";
import { decision } from "../decision.ts";

/** Subflows of the connection. */
const SUBFLOWS = 2;
/** Turns of each, of which the shortest one counts: what else the machine does makes none shorter. */
const TURNS = 9;
/** Calls of a turn. */
const CALLS = 20_000;

/** Nanoseconds of one call of each; `calls` in a turn. */
function timesOf(works: ReadonlyMap<string, () => void>, calls: number): Map<string, number> {
  const times = new Map([...works.keys()].map((name) => [name, [] as number[]]));
  // The first one is for the compiler.
  for (let turn = -1; turn < TURNS; turn++) {
    for (const [name, work] of works) {
      const start = performance.now();
      for (let i = 0; i < calls; i++) work();
      if (turn >= 0) times.get(name)!.push((performance.now() - start) * 1e6 / calls);
    }
  }
  return new Map([...times].map(([name, all]) => [name, Math.min(...all)]));
}

/** Nanoseconds of one decision among two subflows, by name. */
export function decisionCosts(
  plugins: ReadonlyMap<string, SchedulerPlugin>,
  calls: number = CALLS,
): Map<string, number> {
  return timesOf(
    new Map([...plugins].map(([name, one]) => [name, decision(one, SUBFLOWS)])),
    calls,
  );
}

/** Nanoseconds of one acknowledgement on one of two subflows, by name. */
export function acknowledgementCosts(
  plugins: ReadonlyMap<string, CongestionControlPlugin>,
  calls: number = CALLS,
): Map<string, number> {
  return timesOf(
    new Map([...plugins].map(([name, one]) => [name, acknowledgement(one, SUBFLOWS)])),
    calls,
  );
}
