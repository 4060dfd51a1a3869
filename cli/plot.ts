/** Draws which path carried which part of the data when, as an SVG picture. */

import { loadDrawing } from "./deps.ts";
import type { Micros } from "../mod.ts";

/** A packet with data: when it was sent, where in the stream its data is, and which path it took. */
export interface Sent {
  /** When, in microseconds since the connection was opened. */
  readonly at: Micros;
  /** Position in the stream, in bytes. */
  readonly offset: number;
  /** Name of its path. */
  readonly path: string;
}

/** One transfer. */
export interface Run {
  /** Name of the transfer. */
  readonly name: string;
  /** Its packets. */
  readonly sent: readonly Sent[];
  /** When a path was cut and restored. */
  readonly cut?: { readonly path: string; readonly from: Micros; readonly to: Micros };
}

/** Most points drawn of one path and transfer: more would not be seen, only make the file larger. */
const POINTS = 1000;

/** Distinguishable by those who see colours differently (Okabe and Ito). */
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];

/** At most {@linkcode POINTS} points of each path of a run, evenly chosen. */
export function thinOut(sent: readonly Sent[]): Sent[] {
  const counts = new Map<string, number>();
  for (const { path } of sent) counts.set(path, (counts.get(path) ?? 0) + 1);
  const seen = new Map<string, number>();
  return sent.filter(({ path }) => {
    const index = seen.get(path) ?? 0;
    seen.set(path, index + 1);
    return index % Math.ceil((counts.get(path) ?? 1) / POINTS) === 0;
  });
}

/** Draws transfers below one another on the same time axis; gives the SVG text. */
export async function drawRuns(runs: readonly Run[], title: string): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const names = runs.map((run) => run.name);
  const paths = [...new Set(runs.flatMap((run) => run.sent.map(({ path }) => path)))].sort();
  const points = runs.flatMap((run) =>
    thinOut(run.sent).map(({ at, offset, path }) => ({
      run: run.name,
      seconds: at / 1e6,
      megabytes: offset / 1e6,
      path,
    }))
  );
  const cuts = runs.flatMap(({ name, cut }) =>
    cut === undefined ? [] : [{
      run: name,
      from: cut.from / 1e6,
      to: cut.to / 1e6,
      text: `${cut.path} cut`,
    }]
  );
  const highest = Math.max(...points.map((point) => point.megabytes));
  const svg = Plot.plot({
    document: document as never,
    width: 900,
    height: 120 + 200 * runs.length,
    marginLeft: 60,
    marginRight: 150,
    style: { background: "white", color: "black" },
    ariaLabel: title,
    grid: true,
    x: { label: "seconds (virtual time) →" },
    y: { label: "↑ data sequence, MB" },
    fy: { label: null, domain: names },
    color: { domain: paths, range: COLOURS, legend: false },
    marks: [
      Plot.frame({ stroke: "#ccc" }),
      Plot.rectX(cuts, { fy: "run", x1: "from", x2: "to", fill: "#000", fillOpacity: 0.08 }),
      Plot.text(cuts, {
        fy: "run",
        x: "from",
        y: highest,
        text: "text",
        textAnchor: "start",
        lineAnchor: "top",
        dx: 4,
        dy: 4,
      }),
      Plot.dot(points, {
        fy: "run",
        x: "seconds",
        y: "megabytes",
        fill: "path",
        r: 1.2,
      }),
      // The legend: each path's name in its colour, in the first row.
      ...paths.map((path, index) =>
        Plot.text([{ run: names[0], path }], {
          fy: "run",
          text: "path",
          fill: "path",
          frameAnchor: "top-left",
          fontSize: 14,
          fontWeight: "bold",
          dx: 8,
          dy: 8 + 18 * index,
        })
      ),
    ],
  });
  const text: string = svg.outerHTML;
  return text.startsWith("<svg") && !text.includes("xmlns=")
    ? text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
    : text;
}
