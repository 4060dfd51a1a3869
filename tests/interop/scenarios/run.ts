/** Runs scenarios, several at a time, each lane in namespaces of its own. */

import { besideKernel, kernelsApart, type OwnPlace, twoKernels } from "./places.ts";
import { type Role, runScenario, type Scenario } from "./scenario.ts";

/** What became of a scenario in a role. */
export interface Outcome {
  readonly scenario: Scenario;
  readonly role: Role;
  /** What was not as expected; empty: it passed; null: it was not run. */
  readonly wrong: readonly string[] | null;
  /** Why it was not run. */
  readonly reason?: string;
}

/** How they are run. */
export interface RunOptions {
  readonly roles: readonly Role[];
  /** Scenarios at a time. */
  readonly lanes: number;
  /** What both ends counted is among what was wrong. */
  readonly debug?: boolean;
  /** Told of each. */
  readonly told?: (outcome: Outcome) => void;
}

/** Runs them; the outcomes are in their order. */
export async function runScenarios(
  scenarios: readonly Scenario[],
  { roles, lanes, debug = false, told = () => {} }: RunOptions,
): Promise<Outcome[]> {
  const jobs = scenarios.flatMap((scenario) => roles.map((role) => ({ scenario, role })));
  const outcomes: Outcome[] = [];
  let next = 0;
  // One after the other: to the kernel somebody listens where anybody does, in whatever namespace.
  let managing: Promise<string[]> = Promise.resolve([]);
  const lane = async (): Promise<void> => {
    const places: Record<string, OwnPlace> = {};
    try {
      for (let at = next++; at < jobs.length; at = next++) {
        const { scenario, role } = jobs[at]!;
        const reason = scenario.not ?? scenario.without?.[role];
        if (reason !== undefined) outcomes[at] = { scenario, role, wrong: null, reason };
        else {
          const place = role !== "kernel"
            ? places["ours"] ??= await besideKernel()
            : scenario.middleboxes
            ? places["apart"] ??= await kernelsApart()
            : places["kernel"] ??= await twoKernels();
          // One that cannot be set up leaves the others alone.
          const run = (): Promise<string[]> =>
            runScenario(scenario, role, place, debug).catch((error) => [String(error)]);
          const managed = scenario.client?.userspace ?? scenario.server?.userspace;
          const wrong = await (managed === undefined ? run() : managing = managing.then(run));
          outcomes[at] = { scenario, role, wrong };
        }
        told(outcomes[at]!);
      }
    } finally {
      for (const place of Object.values(places)) await place[Symbol.asyncDispose]();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return outcomes;
}
