/** The pictures of docs/papers.md: what was measured, and what was published, on one axis; where values lie on a curve, the curve. */

import { loadDrawing } from "../../cli/deps.ts";
import { spreadOf } from "../../sim/stats.ts";
import type { PaperRow } from "./row.ts";
import { judge, type Measured } from "./run.ts";

/** Distinguishable by those who see colours differently, on light and on dark: measured and within, measured and not, published; then series. */
const [WITHIN, OUTSIDE, PUBLISHED] = ["#2F8FD0", "#D55E00", "#8C959F"];
const SERIES = ["#2F8FD0", "#E69F00", "#009E73"];

const WIDTH = 860;
/** Above the marks: a title, and a legend. */
const TOP = 64;
const LINE = 24;

/** Text and background as the reader's, light or dark. */
const THEME =
  "svg{background:#ffffff;color:#1f2328}@media (prefers-color-scheme:dark){svg{background:#0d1117;color:#e6edf3}}";

function textOf(svg: { readonly outerHTML: string }): string {
  const whole = svg.outerHTML.includes("xmlns=")
    ? svg.outerHTML
    : svg.outerHTML.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  return `${whole.replace(/<style>/, `<style>${THEME}`)}\n`;
}

/** A line of the legend, or the title. */
interface Word {
  readonly text: string;
  readonly dx: number;
  readonly fill?: string;
  readonly bold?: boolean;
}

async function draw(
  row: PaperRow,
  height: number,
  words: readonly Word[],
  options: object,
  marks: (Plot: Awaited<ReturnType<typeof loadDrawing>>["Plot"]) => readonly unknown[],
): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const left = row.curve === undefined ? 330 : 60;
  const word = ({ text, dx, fill = "currentColor", bold }: Word, dy: number) =>
    Plot.text([text], {
      frameAnchor: "top-left",
      textAnchor: "start",
      lineAnchor: "bottom",
      dx: dx - left + 12,
      dy,
      fill,
      fontSize: bold === true ? 15 : 12,
      fontWeight: bold === true ? "bold" : "normal",
    });
  return textOf(Plot.plot({
    document: document as never,
    width: WIDTH,
    height,
    marginLeft: left,
    marginRight: 40,
    marginTop: TOP,
    marginBottom: 44,
    style: { fontSize: "12px" },
    ariaLabel: row.title,
    ...options,
    marks: [
      ...marks(Plot) as never[],
      word({ text: row.title, dx: 0, bold: true }, -38),
      ...words.map((each) => word(each, -14)),
    ],
  }));
}

/** Values on a line each, beside what was published. */
function drawLines(row: PaperRow, measured: Measured): Promise<string> {
  const verdicts = judge(row, measured);
  const lines = row.figures.map(({ of, least, most }, i) => {
    const { mean, min, max } = spreadOf(measured.values[of]!);
    return { of, mean, min, max, least, most, holds: verdicts[i]!.holds };
  });
  const all = lines.flatMap(({ min, max, least, most }) => [min, max, least ?? min, most ?? max]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const margin = 0.08 * (high - low || Math.abs(high) || 1);
  const domain = [low - margin, high + margin] as const;
  const bands = lines.map(({ of, least, most }) => ({
    of,
    from: least ?? domain[0],
    to: most ?? domain[1],
  }));
  return draw(
    row,
    TOP + 44 + LINE * lines.length,
    [
      { text: "▬ published, with its tolerance", dx: 0, fill: PUBLISHED! },
      { text: "● measured: mean, least to most of all seeds", dx: 210, fill: WITHIN! },
      { text: "✕ measured, not within it", dx: 520, fill: OUTSIDE! },
    ],
    {
      x: { label: `${row.axis} →`, labelAnchor: "right", grid: true, domain },
      y: { label: null, domain: lines.map(({ of }) => of), tickSize: 0 },
    },
    (Plot) => [
      Plot.barX(bands, {
        y: "of",
        x1: "from",
        x2: "to",
        fill: PUBLISHED!,
        fillOpacity: 0.4,
        inset: 3,
      }),
      Plot.link(lines, {
        y: "of",
        x1: "min",
        x2: "max",
        stroke: (d: { holds: boolean }) => d.holds ? WITHIN! : OUTSIDE!,
        strokeWidth: 2.5,
      }),
      Plot.dot(lines, {
        y: "of",
        x: "mean",
        symbol: (d: { holds: boolean }) => d.holds ? "circle" : "times",
        stroke: (d: { holds: boolean }) => d.holds ? WITHIN! : OUTSIDE!,
        fill: (d: { holds: boolean }) => d.holds ? WITHIN! : OUTSIDE!,
        strokeWidth: 2,
        r: 5,
      }),
    ],
  );
}

/** Values over what is changed, beside published ones. */
function drawCurve(row: PaperRow, measured: Measured): Promise<string> {
  const curve = row.curve!;
  const names = curve.series.map(({ name }) => name);
  const colour = { domain: names, range: SERIES };
  const points = curve.series.flatMap(({ name, points }) =>
    points.map(({ x, of, published }) => {
      const { mean, min, max } = spreadOf(measured.values[of]!);
      return { name, x, mean, min, max, published };
    })
  );
  return draw(
    row,
    420,
    [
      { text: `↑ ${row.axis}`, dx: 0 },
      ...names.map((name, i) => ({
        text: `● ${name}, measured`,
        dx: 150 * (i + 1),
        fill: SERIES[i]!,
      })),
      { text: `○ dashed: ${curve.publishedBy}`, dx: 150 * (names.length + 1), fill: PUBLISHED! },
    ],
    {
      x: {
        label: `${curve.label} →`,
        labelAnchor: "right",
        type: "log",
        ticks: curve.ticks,
        tickFormat: String,
        grid: true,
      },
      y: { label: null, grid: true, zero: true },
      color: colour,
    },
    (Plot) => [
      Plot.line(points, {
        x: "x",
        y: "published",
        stroke: "name",
        strokeWidth: 1.2,
        strokeDasharray: "4 3",
      }),
      Plot.dot(points, { x: "x", y: "published", stroke: "name", r: 3 }),
      Plot.link(points, { x: "x", y1: "min", y2: "max", stroke: "name", strokeWidth: 2.5 }),
      Plot.line(points, { x: "x", y: "mean", stroke: "name", strokeWidth: 2.2 }),
      Plot.dot(points, { x: "x", y: "mean", fill: "name", r: 4 }),
    ],
  );
}

/** The picture of a row, as SVG. */
export function drawRow(row: PaperRow, measured: Measured): Promise<string> {
  return row.curve === undefined ? drawLines(row, measured) : drawCurve(row, measured);
}
