/** The table of docs/interop.md. */

import type { Outcome } from "./run.ts";
import type { Scenario } from "./scenario.ts";

/** One line for each scenario. */
export function table(outcomes: readonly Outcome[]): string {
  const byScenario = new Map<Scenario, Outcome[]>();
  for (const outcome of outcomes) {
    const found = byScenario.get(outcome.scenario) ?? [];
    byScenario.set(outcome.scenario, [...found, outcome]);
  }
  const told = ({ wrong, reason }: Outcome): string =>
    wrong === null
      ? `not run: ${reason}`
      : wrong.length === 0
      ? "pass"
      : `fails: ${wrong.join("; ")}`;
  const rows = [...byScenario].map(([{ group, name }, all]) => {
    const cell = (role: string): string => {
      const found = all.find((outcome) => outcome.role === role);
      return (found === undefined ? "" : told(found)).replaceAll("|", "\\|");
    };
    return `| ${group} | ${name} | ${cell("client")} | ${cell("server")} |`;
  });
  const passed = outcomes.filter(({ wrong }) => wrong?.length === 0).length;
  const scenarios =
    [...byScenario.values()].filter((all) => all.some(({ wrong }) => wrong?.length === 0)).length;
  return `# Scenarios with a Linux kernel at the other end

Under the names of the kernel's own tests. Each is judged by the MPTcpExt counters of both ends, which must be exactly as expected, and by SHA-256 of what
was sent both ways. Client, server: which end is ours. What failed beside others was run again, alone.

Linux ${Deno.osRelease()}, \`deno task interop --all\`: ${passed} pass, of ${scenarios} scenarios.

| group | scenario | client | server |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}
