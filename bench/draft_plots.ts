/** The pictures of `deno task bench:draft`. */

import { loadDrawing } from "../cli/deps.ts";
import type { BufferRow, PushRow } from "./draft.ts";
import { CONTEXTS } from "./draft_meter.ts";

/** Distinguishable by those who see colours differently (Okabe and Ito). */
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];

/** SVG text, complete in itself. */
function textOf(svg: { readonly outerHTML: string }): string {
  const text = svg.outerHTML;
  const whole = text.includes("xmlns=")
    ? text
    : text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  return `${whole}\n`;
}

const style = { background: "white", color: "black", fontSize: "13px" };

/** Goodput by when data are bound, for each behaviour of the paths. */
export async function drawGoodput(rows: readonly PushRow[]): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const data = rows.map(({ paths, way, figures }) => ({
    paths,
    way,
    goodput: figures.goodput,
    text: `${figures.goodput.toFixed(1)}  (${figures.stalled.toFixed(1)} s stalled)`,
  }));
  return textOf(Plot.plot({
    document: document as never,
    width: 900,
    height: 560,
    marginLeft: 150,
    marginRight: 90,
    marginBottom: 46,
    style,
    ariaLabel: "Goodput by when data are bound to a path",
    x: { label: "goodput, Mbit/s →", grid: true, domain: [0, 40] },
    y: { label: null, domain: [...new Set(data.map(({ way }) => way))] },
    fy: { label: null, domain: [...new Set(data.map(({ paths }) => paths))] },
    color: { range: COLOURS },
    marks: [
      Plot.barX(data, { fy: "paths", y: "way", x: "goodput", fill: "way" }),
      Plot.text(data, {
        fy: "paths",
        y: "way",
        x: "goodput",
        text: "text",
        textAnchor: "start",
        dx: 4,
      }),
    ],
  }));
}

/** Calls of the scheduler by who pays for them. */
export async function drawCalls(rows: readonly PushRow[]): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const contexts = CONTEXTS.filter((each) => each !== "read");
  const data = rows.flatMap(({ paths, way, figures }) =>
    contexts.map((context) => ({ paths, way, context, calls: figures.calls[context] }))
  );
  const [first] = data;
  return textOf(Plot.plot({
    document: document as never,
    width: 900,
    height: 560,
    marginLeft: 150,
    marginRight: 90,
    marginBottom: 46,
    style,
    ariaLabel: "Calls of the scheduler by context",
    x: { label: "calls of the scheduler for 15 MB →", grid: true },
    y: { label: null, domain: [...new Set(data.map(({ way }) => way))] },
    fy: { label: null, domain: [...new Set(data.map(({ paths }) => paths))] },
    color: { domain: contexts, range: COLOURS },
    marks: [
      Plot.barX(data, { fy: "paths", y: "way", x: "calls", fill: "context", order: contexts }),
      ...contexts.map((context, i) =>
        Plot.text([{ paths: first?.paths, context }], {
          fy: "paths",
          text: () => context === "write" ? "write: the application's" : context,
          fill: "context",
          frameAnchor: "top-right",
          fontWeight: "bold",
          dx: -6,
          dy: 6 + 16 * i,
        })
      ),
    ],
  }));
}

/** Goodput over the size of the receive buffer. */
export async function drawBuffers(rows: readonly BufferRow[]): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const data = rows.map(({ paths, factor, tuned, figures }) => ({
    paths,
    factor,
    tuned,
    goodput: figures.goodput,
  }));
  const fixed = data.filter(({ tuned }) => !tuned);
  const tuned = data.filter(({ tuned }) => tuned);
  return textOf(Plot.plot({
    document: document as never,
    width: 900,
    height: 440,
    marginLeft: 60,
    marginRight: 120,
    marginBottom: 46,
    style,
    ariaLabel: "Goodput over the size of the receive buffer",
    x: {
      type: "log",
      base: 2,
      label: "receive buffer, times 2·ΣBW·RTT_max of both paths →",
      ticks: [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4],
      tickFormat: (value: number) => value < 1 ? `1/${1 / value}` : `${value}`,
    },
    y: { label: "↑ goodput, Mbit/s", grid: true, domain: [0, 32] },
    color: { domain: ["both", "fast alone"], range: COLOURS },
    marks: [
      Plot.ruleX([1], { stroke: "#999", strokeDasharray: "4 3" }),
      Plot.text([{}], {
        x: () => 1,
        y: () => 2,
        text: () => "the formula",
        textAnchor: "start",
        dx: 5,
      }),
      Plot.line(fixed, { x: "factor", y: "goodput", stroke: "paths", strokeWidth: 2 }),
      Plot.dot(fixed, { x: "factor", y: "goodput", fill: "paths", r: 3 }),
      Plot.dot(tuned, { x: "factor", y: "goodput", stroke: "paths", r: 8, strokeWidth: 2 }),
      Plot.text(tuned, { x: "factor", y: "goodput", text: () => "tuned", dy: -16, fill: "paths" }),
      Plot.text(fixed.filter(({ factor }) => factor === 4), {
        x: "factor",
        y: "goodput",
        text: "paths",
        fill: "paths",
        fontWeight: "bold",
        textAnchor: "start",
        dx: 8,
      }),
    ],
  }));
}

/** What one transfer asked of the send queue. */
export interface Estimates {
  readonly paths: string;
  readonly samples: readonly {
    readonly at: number;
    readonly windows: number;
    readonly progress: number;
  }[];
}

/** Both estimates over time. */
export async function drawEstimates(all: readonly Estimates[], size: number): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const data = all.flatMap(({ paths, samples }) =>
    samples.flatMap(({ at, windows, progress }) => [
      { paths, at, by: "windows (SBF-3)", kilobytes: windows / 1e3 },
      { paths, at, by: "progress (SBF-4)", kilobytes: progress / 1e3 },
    ])
  );
  const names = ["windows (SBF-3)", "progress (SBF-4)"];
  return textOf(Plot.plot({
    document: document as never,
    width: 900,
    height: 620,
    marginLeft: 60,
    marginRight: 90,
    marginBottom: 46,
    style,
    ariaLabel: "What is asked of the send queue, over time",
    x: { label: "seconds (virtual time) →" },
    y: { label: "↑ asked of the send queue, kB", grid: true, zero: true },
    fy: { label: null, domain: all.map(({ paths }) => paths) },
    color: { domain: names, range: COLOURS },
    marks: [
      Plot.frame({ stroke: "#ccc" }),
      Plot.ruleY([size / 1e3], { stroke: "#999", strokeDasharray: "4 3" }),
      Plot.line(data, { fy: "paths", x: "at", y: "kilobytes", stroke: "by", strokeWidth: 1.5 }),
      ...names.map((by, i) =>
        Plot.text([{ by, paths: all[0]?.paths }], {
          fy: "paths",
          text: "by",
          fill: "by",
          frameAnchor: "top-right",
          fontWeight: "bold",
          dx: -8,
          dy: 6 + 16 * i,
        })
      ),
    ],
  }));
}
