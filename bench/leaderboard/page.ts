/** The leaderboard as a page for a browser: one file, which needs no network. */

import { loadChartLibrary } from "../../cli/deps.ts";
import { escaped, factsList, headOf, jsonElement, libraryElement } from "../../cli/html.ts";
import commonStyle from "../../cli/page/sim.css" with { type: "text" };
import { type Board, type Family, sayFigure, TITLES } from "./board.ts";
import pageStyle from "./page.css" with { type: "text" };
import pageCode from "./page.js" with { type: "text" };

/** How strong a cell's colour is: none at 1, full at 2 and 1/2. */
function shade(score: number | null): string {
  if (score === null) return "";
  const strength = Math.min(1, Math.abs(Math.log2(score)));
  if (strength < 0.03) return "";
  return ` class="${score > 1 ? "better" : "worse"}" style="--strength: ${
    (100 * strength).toFixed(0)
  }%"`;
}

function tableOf({ disciplines }: Board, family: Family): string {
  const columns = family.disciplines.map((id) => disciplines.find((one) => one.id === id)!);
  const { cost, usual, rows } = family;
  const base = rows[0]?.cost ?? null;
  const head = [
    '<th scope="col"><button type="button">plugin</button></th>',
    '<th scope="col" title="Geometric mean of the scores; above 1 is better than the default"><button type="button">all</button></th>',
    ...columns.map(({ title, about }) =>
      `<th scope="col" title="${escaped(about)}"><button type="button">${
        escaped(title)
      }</button></th>`
    ),
    ...cost === null ? [] : [
      `<th scope="col"><button type="button">ns per ${
        cost === "decision" ? cost : "ACK"
      }</button></th>`,
    ],
  ].join("");
  const body = rows.map((row) => {
    const cells = columns.map((one) => {
      const cell = row.cells[one.id];
      if (cell === null || cell === undefined) return `<td data-value="-1">failed</td>`;
      const figure = sayFigure(one, cell.mean);
      const ratio = cell.ratio === null ? "–" : `${cell.ratio.toFixed(2)} ×`;
      return `<td data-value="${cell.score ?? -1}"${shade(cell.score)}>${figure}<small>${
        row.name === usual ? "default" : ratio
      }</small></td>`;
    });
    const mark = row.troubles.length > 0
      ? ` <abbr title="${escaped(row.troubles.join("\n"))}">not alone</abbr>`
      : "";
    const own = row.cost === null || cost === null ? [] : [
      `<td data-value="${1 / row.cost}">${row.cost.toFixed(0)}<small>${
        base === null ? "" : `${(row.cost / base).toFixed(2)} ×`
      }</small></td>`,
    ];
    return `<tr><th scope="row" data-value="${escaped(row.name)}">${
      escaped(row.name)
    }${mark}</th>` +
      `<td data-value="${row.score ?? -1}"${shade(row.score)}><b>${
        row.score?.toFixed(2) ?? "–"
      }</b></td>${cells.join("")}${own.join("")}</tr>`;
  }).join("\n");
  return `<div class="table" tabindex="0" role="region" aria-label="${
    TITLES[family.kind]
  }"><table class="board"><thead><tr>${head}</tr></thead>\n<tbody>${body}</tbody></table></div>`;
}

/** The text of the page. `command` is the command line that wrote it. */
export async function toPage(board: Board, command: string): Promise<string> {
  const library = await loadChartLibrary();
  const facts: readonly (readonly [string, string])[] = [
    ["Command", `<code>${escaped(command)}</code>`],
    ["Seeds", board.seeds.join(", ")],
    [
      "Figures",
      "means of the seeds in virtual time, below them as multiples of the default’s; costs in nanoseconds of real time, of this machine",
    ],
    ["Version", `mptcp ${escaped(board.version)}`],
    ...board.quick
      ? [["Note", "shortened runs: they show that it works, not who is ahead"] as const]
      : [],
  ];
  const sections = board.families.map((family) =>
    `<section aria-labelledby="${family.kind}">
<h2 id="${family.kind}">${TITLES[family.kind]}</h2>
${tableOf(board, family)}
<div class="charts" data-kind="${family.kind}"><noscript><p>Charts need JavaScript, which is off in this browser.</p></noscript></div>
</section>`
  ).join("\n");
  const list = board.disciplines.map(({ title, about }) =>
    `<div><dt>${escaped(title)}</dt><dd>${escaped(about)}</dd></div>`
  ).join("\n");
  return `<!DOCTYPE html>
<html lang="en">
<head>
${headOf("Leaderboard of plugins: mptcp")}
<style>${library.style}\n${commonStyle}\n${pageStyle}</style>
</head>
<body>
<header>
<h1>Leaderboard of plugins</h1>
<p class="about">Every plugin on every discipline beside the default of its kind: green is better, red is worse. A heading sorts.</p>
${factsList(facts)}
</header>
<main>
${sections}
<section aria-labelledby="disciplines">
<h2 id="disciplines">Disciplines</h2>
<dl class="wide">${list}</dl>
</section>
</main>
${jsonElement("board", JSON.stringify(board))}
${libraryElement(library)}
<script>
${pageCode}
</script>
</body>
</html>
`;
}
