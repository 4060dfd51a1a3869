/**
 * Everything of third parties that the command uses, by full specifier, so that it runs by URL too. The library itself uses none of it.
 *
 * What few commands need is big and stands in `deps_*.ts`. These are loaded by a URL that is computed, as Deno downloads the packages behind a literal
 * `import()` with the program, used or not.
 */

export { parseArgs } from "jsr:@std/cli@^1/parse-args";
// @ts-types="npm:@types/cli-progress@3.11.6"
export { default as cliProgress } from "npm:cli-progress@3.12.0";
export { default as Table } from "npm:cli-table3@0.6.5";

/** What draws the pictures; loaded when one is drawn, as it is big. */
export interface Drawing {
  /** The plots. */
  readonly Plot: typeof import("npm:@observablehq/plot@0.6.17");
  /** A document to draw in, as there is no browser. */
  readonly document: object;
}

/** Loads what draws. */
export async function loadDrawing(): Promise<Drawing> {
  return await import(new URL("./deps_drawing.ts", import.meta.url).href);
}

/** What reads scenario files: YAML with the position of each value, and checks by a JSON schema. Loaded when one is read. */
export interface ScenarioReader {
  /** YAML, which JSON is a part of. */
  readonly YAML: typeof import("npm:yaml@2.8.1");
  /** JSON schemas. */
  readonly Ajv: typeof import("npm:ajv@8.17.1").Ajv;
}

/** What a schema finds wrong. */
export type { ErrorObject as SchemaError } from "npm:ajv@8.17.1";

/** Loads what reads scenario files. */
export async function loadScenarioReader(): Promise<ScenarioReader> {
  return await import(new URL("./deps_scenario.ts", import.meta.url).href);
}

/** What draws the charts of a page in a browser (MIT): its source text. */
export interface ChartLibrary {
  /** JavaScript, which defines `uPlot`. */
  readonly code: string;
  /** Its style sheet. */
  readonly style: string;
  /** The licence, which goes with each copy. */
  readonly licence: string;
}

/** Loads the text of what draws in a browser. */
export async function loadChartLibrary(): Promise<ChartLibrary> {
  return await import(new URL("./deps_charts.ts", import.meta.url).href);
}
