/** Everything of third parties that the command uses, by full specifier, so that it runs by URL too. The library itself uses none of it. */

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
  const [Plot, { parseHTML }] = await Promise.all([
    import("npm:@observablehq/plot@0.6.17"),
    import("npm:linkedom@0.18.15"),
  ]);
  // The types of linkedom need those of a browser, which this project is checked without.
  const { document } = parseHTML("<html></html>") as unknown as { document: object };
  return { Plot, document };
}

/** A module that was CommonJS: one that has been joined with others may have all that it exports under `default` alone. */
function moduleWith<Module extends object>(
  name: keyof Module,
  module: Module,
): Module {
  return name in module ? module : (module as unknown as { readonly default: Module }).default;
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
  const [yaml, ajv] = await Promise.all([
    import("npm:yaml@2.8.1"),
    import("npm:ajv@8.17.1"),
  ]);
  return {
    YAML: moduleWith("parseDocument", yaml),
    Ajv: moduleWith("Ajv", ajv).Ajv,
  };
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
  const [code, style, licence] = await Promise.all([
    import("npm:uplot@1.6.32/dist/uPlot.iife.min.js", { with: { type: "text" } }),
    import("npm:uplot@1.6.32/dist/uPlot.min.css", { with: { type: "text" } }),
    import("npm:uplot@1.6.32/LICENSE", { with: { type: "text" } }),
  ]);
  return { code: code.default, style: style.default, licence: licence.default };
}
