/** docs/papers.md, from what was measured. */

import { judge, type Measured, spreadText } from "./run.ts";
import type { PaperRow } from "./row.ts";

/** What docs/papers.json holds: rows by name, each with its seeds and a value for each. */
export type Figures = Readonly<Record<string, Measured>>;

const HEAD = `# Published results, measured again

\`deno task papers\` runs what others have published, or what they test, on the emulated network with
full stacks at all ends, and compares. Each row is a file in [tests/papers](../tests/papers); all values
of all seeds are in [papers.json](papers.json). The same commit gives the same figures on every machine.

\`\`\`sh
deno task papers                      # everything, seeds 1 to 5
deno task papers --row requests       # one row
deno task papers --quick              # one seed, shortened, the orderings only
deno task papers --row torus --docs   # measures a row anew, and writes it here
\`\`\`

A figure is the mean of all seeds, with the least and the most of them. It holds where it is within the
tolerance, which was set before anything was measured. What does not hold is said to, with what
experiments show about it; they are values without a published figure.
`;

const cell = (text: string): string => text.replaceAll("|", "\\|");

function line(cells: readonly string[]): string {
  return `| ${cells.map(cell).join(" | ")} |`;
}

function countText(held: number, all: number): string {
  return held === all ? `all ${all} hold` : `${held} of ${all} hold`;
}

function seedsText({ seeds, length }: Measured): string {
  const text = seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds[0]} to ${seeds.at(-1)}`;
  return length === "full" ? text : `${text}, shortened`;
}

function section(row: PaperRow, measured: Measured | undefined): string {
  const facts = [
    `- Scenario: ${row.scenario}`,
    `- Metric: ${row.metric}`,
    `- Source: ${row.source}`,
    `- Evidence: ${row.evidence.join(", ")}`,
  ];
  const head = [`## ${row.title}`, "", `\`--row ${row.name}\``, "", ...facts];
  if (measured === undefined) return [...head, "", "Not measured yet."].join("\n");
  const verdicts = judge(row, measured);
  const judged = new Set(row.figures.map(({ of }) => of));
  const others = Object.entries(measured.values).filter(([name]) => !judged.has(name));
  return [
    ...head,
    `- Runs: ${seedsText(measured)}`,
    "",
    `![${row.title}](papers/${row.name}.svg)`,
    "",
    line(["figure", "measured", "published", "tolerance", "holds"]),
    line(["---", "--:", "--:", "--:", "---"]),
    ...verdicts.map(({ what, measured, published, tolerance, holds }) =>
      line([what, measured, published, tolerance, holds ? "yes" : "**no**"])
    ),
    ...others.map(([name, values]) => line([name, spreadText(values, row.digits), "", "", ""])),
    ...(row.findings === undefined ? [] : ["", ...row.findings.map((finding) => `- ${finding}`)]),
  ].join("\n");
}

/** The page. */
export function pageOf(rows: readonly PaperRow[], figures: Figures): string {
  const summary = rows.map((row) => {
    const measured = figures[row.name];
    if (measured === undefined) return line([row.title, row.name, "", "not measured yet"]);
    const verdicts = judge(row, measured);
    const held = verdicts.filter(({ holds }) => holds).length;
    return line([row.title, row.name, seedsText(measured), countText(held, verdicts.length)]);
  });
  return [
    HEAD,
    line(["result", "row", "runs", "figures"]),
    line(["---", "---", "---", "---"]),
    ...summary,
    "",
    ...rows.map((row) => `${section(row, figures[row.name])}\n`),
  ].join("\n");
}
