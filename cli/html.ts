/** Pieces of pages that need no network. */

import type { ChartLibrary } from "./deps.ts";

/** Text as HTML shows it. */
export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replaceAll(/[&<>"']/g, (sign) => entities[sign]!);
}

/** JSON as it may stand in a script element: nothing in it ends that. */
export function jsonElement(id: string, json: string): string {
  return `<script type="application/json" id="${id}">${json.replaceAll("<", "\\u003c")}</script>`;
}

/** A library's text as a script element, with its licence. */
export function libraryElement(library: ChartLibrary): string {
  return `<script>
/*! uPlot, which draws the charts:

${library.licence.trim().replaceAll("*/", "* /")}
*/
${library.code}
</script>`;
}

/** What stands in front of a page's style: nothing is fetched from anywhere. */
export function headOf(title: string): string {
  return `<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(title)}</title>`;
}

/** Facts as a list of names and values; values are HTML. */
export function factsList(facts: readonly (readonly [name: string, html: string])[]): string {
  return `<dl>${
    facts.map(([name, html]) => `<div><dt>${escaped(name)}</dt><dd>${html}</dd></div>`).join("\n")
  }</dl>`;
}
