/** The report of `mptcp sim` for a browser: one file, with its data, its style and what draws it. */

import type { Scenario } from "../sim/mod.ts";
import pageCode from "./page/sim.js" with { type: "text" };
import pageStyle from "./page/sim.css" with { type: "text" };
import { loadChartLibrary } from "./deps.ts";
import { escaped, factsList, headOf, jsonElement, libraryElement } from "./html.ts";
import {
  commonPlugins,
  saySeeds,
  type SimReport,
  summaryTables,
  toJson,
  variantNames,
} from "./sim_report.ts";
import type { Series } from "./sim_series.ts";

/** What is drawn of one run. */
export interface DrawnRun {
  /** Which run it is. */
  readonly index: number;
  /** What was run, plugins of its hosts as texts. */
  readonly scenario: Scenario;
  /** Its series. */
  readonly series: readonly Series[];
}

function tables(report: SimReport): string {
  return summaryTables(report).map(({ traffic, columns, rows }) => {
    const head = columns.map((name) => `<th scope="col">${escaped(name)}</th>`).join("");
    const body = rows.map(({ variant, cells }) =>
      `<tr><th scope="row">${escaped(variant)}</th>${
        cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")
      }</tr>`
    ).join("\n");
    return `<div class="table" tabindex="0" role="region" aria-label="Figures of ${
      escaped(traffic)
    }"><table><thead><tr><th scope="col">${
      escaped(traffic)
    }</th>${head}</tr></thead>\n<tbody>${body}</tbody></table></div>`;
  }).join("\n");
}

/** What went wrong, and whose figures are not theirs alone. */
function troubles({ runs }: SimReport): string {
  const lines = new Set(runs.flatMap(({ result, error }) => [
    ...error === undefined ? [] : [error],
    ...(result?.faults ?? []),
  ]));
  if (lines.size === 0) return "";
  const items = [...lines].map((line) => `<li>${escaped(line)}</li>`).join("");
  return `<section class="trouble" aria-labelledby="trouble"><h2 id="trouble">Failed runs and faults of plugins</h2><ul>${items}</ul></section>`;
}

/**
 * The text of the report. `command` is the command line that wrote it.
 *
 * The element `summary` holds what `--json` prints; `series` holds what is drawn (docs/emulator.md).
 */
export async function toHtml(
  report: SimReport,
  drawn: readonly DrawnRun[],
  command: string,
): Promise<string> {
  const library = await loadChartLibrary();
  const variants = variantNames(report.runs);
  const byIndex = new Map(drawn.map((run) => [run.index, run]));
  const series = JSON.stringify({
    format: "mptcp-sim-series/1",
    runs: report.runs.map(({ index, seed }, i) => ({
      index,
      seed,
      variant: variants[i],
      events: byIndex.get(index)?.scenario.events ?? [],
      series: byIndex.get(index)?.series ?? [],
    })),
  });
  const seeds = [...new Set(report.runs.map(({ seed }) => seed))];
  const plugins = [...new Set(variants)];
  const about = drawn[0]?.scenario.about;
  const note = saySeeds(report);
  const several = note === "" ? "" : `<p>${escaped(note)}</p>`;
  const facts: readonly (readonly [string, string])[] = [
    ["Command", `<code>${escaped(command)}</code>`],
    ["Runs", `${report.runs.length} of ${report.total}, in virtual time`],
    [seeds.length > 1 ? "Seeds" : "Seed", seeds.join(", ")],
    ["Side by side", plugins.map(escaped).join("; ")],
    ["In common", escaped(commonPlugins(report)) || "no plugin"],
    ["Version", `mptcp ${escaped(report.version)}`],
  ];
  const scenario = drawn[0] === undefined
    ? ""
    : `<details><summary>The scenario${
      plugins.length > 1 && drawn.length > 1 ? " of the first run" : ""
    }</summary><pre>${escaped(JSON.stringify(drawn[0].scenario, null, 2))}</pre></details>`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
${headOf(`${report.scenario}: mptcp sim`)}
<style>${library.style}\n${pageStyle}</style>
</head>
<body>
<header>
<h1>${escaped(report.scenario)}</h1>
${about === undefined ? "" : `<p class="about">${escaped(about)}</p>`}
${factsList(facts)}
</header>
<main>
${troubles(report)}
<section aria-labelledby="figures">
<h2 id="figures">Figures</h2>
${tables(report)}
<p>Delays are those of answers, messages, pages or chunks; “bytes p99” is from when bytes first left until they were read; columns named after paths are shares of the payload.</p>
${several}
</section>
<section aria-labelledby="charts">
<h2 id="charts">What happened when</h2>
<div id="drawn"><noscript><p>Charts need JavaScript, which is off in this browser.</p></noscript></div>
</section>
<section aria-labelledby="what">
<h2 id="what">What was run</h2>
${scenario}
</section>
</main>
${jsonElement("summary", toJson(report))}
${jsonElement("series", series)}
${libraryElement(library)}
<script>
${pageCode}
</script>
</body>
</html>
`;
}
