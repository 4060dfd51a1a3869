/** Draws what `mptcp demo` measured, as an SVG picture: the payload of each path by time, stacked, and how long answers took. */

import { intervalOf, type Section, TRAFFIC } from "./demo_plan.ts";
import { lanesOfRun, pathsOf, type SectionResult, titleOf } from "./demo_view.ts";
import { type Drawing, loadDrawing } from "./deps.ts";

/** Distinguishable by those who see colours differently (Okabe and Ito). */
const COLOURS = [
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#CC79A7",
  "#D55E00",
  "#56B4E9",
  "#999999",
  "#000000",
];
const WIDTH = 900;
/** Room for a section's title and legend. */
const HEAD = 64;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** A plot, its size, and what stands above it. */
interface Panel {
  readonly title: string;
  readonly about: string;
  readonly legend: readonly string[];
  readonly height: number;
  readonly svg: string;
}

/** Labels of rows are as wide as that, about. */
function marginOf(labels: readonly string[]): number {
  return 24 + Math.max(...labels.map((label) => label.length)) * 7.2;
}

function drawLanes({ Plot, document }: Drawing, one: SectionResult, size: number): Panel {
  const { section, results } = one;
  const seconds = intervalOf(section, size) / 1e6;
  const labels = results.map(({ row }) => row.label);
  const paths = Object.keys(section.paths);
  const points = results.flatMap((run) =>
    lanesOfRun(run, section, size).flatMap(({ path, rates }) =>
      rates.map((rate, i) => ({ run: run.row.label, at: i * seconds, path, mbit: rate * 8 / 1e6 }))
    )
  );
  const cuts = results.flatMap(({ row: { label, cut } }) =>
    cut === null ? [] : [{
      run: label,
      from: cut.from / 1e6,
      to: cut.to / 1e6,
      text: `${cut.path} cut`,
    }]
  );
  const most = Math.max(
    ...results.flatMap((run) => {
      const lanes = lanesOfRun(run, section, size);
      return lanes[0]!.rates.map((_, i) => lanes.reduce((sum, { rates }) => sum + rates[i]!, 0));
    }),
  ) * 8 / 1e6;
  const height = 60 + 110 * labels.length;
  const svg = Plot.plot({
    document: document as never,
    width: WIDTH,
    height,
    marginLeft: 56,
    marginRight: marginOf(labels),
    marginTop: 24,
    marginBottom: 36,
    style: { background: "white", color: "black", fontSize: "12px" },
    x: { label: "seconds of virtual time →", nice: true },
    y: { label: "↑ Mbit/s", domain: [0, most], ticks: 4, grid: true },
    fy: { label: null, domain: labels },
    color: { domain: paths, range: COLOURS },
    marks: [
      Plot.rectX(cuts, { fy: "run", x1: "from", x2: "to", fill: "#000", fillOpacity: 0.08 }),
      Plot.areaY(
        points,
        Plot.stackY({
          fy: "run",
          x: "at",
          y: "mbit",
          fill: "path",
          order: paths,
          curve: "step-after",
        }) as never,
      ),
      Plot.text(cuts, {
        fy: "run",
        x: "from",
        y: most,
        text: "text",
        textAnchor: "start",
        lineAnchor: "top",
        dx: 4,
        dy: 3,
        stroke: "white",
        strokeWidth: 3,
        fill: "black",
      }),
      Plot.ruleY([0]),
    ],
  });
  return {
    title: titleOf(section, size),
    about: `${pathsOf(section)}: payload of each path, one upon the other, repeats included`,
    legend: paths,
    height,
    svg: svg.outerHTML,
  };
}

function drawDelays({ Plot, document }: Drawing, one: SectionResult, size: number): Panel {
  const { section, results } = one;
  const labels = results.map(({ row }) => row.label);
  const bars = results.map(({ row, result }) => {
    const { p50, p95, max } = result.traffic[TRAFFIC]!.delays!;
    return { run: row.label, p50: p50 / 1e3, p95: p95 / 1e3, max: max / 1e3 };
  });
  const height = 60 + 30 * labels.length;
  const svg = Plot.plot({
    document: document as never,
    width: WIDTH,
    height,
    marginLeft: marginOf(labels),
    marginRight: 24,
    marginTop: 10,
    marginBottom: 38,
    style: { background: "white", color: "black", fontSize: "12px" },
    x: { label: "milliseconds of virtual time until an answer has come →", grid: true, zero: true },
    y: { label: null, domain: labels },
    marks: [
      Plot.barX(bars, { y: "run", x: "p50", fill: "#999", insetTop: 3, insetBottom: 3 }),
      Plot.ruleY(bars, { y: "run", x1: "p50", x2: "p95", stroke: "#333" }),
      Plot.tickX(bars, { y: "run", x: "p95", stroke: "#333", strokeWidth: 2, inset: 5 }),
      Plot.dotX(bars, { y: "run", x: "max", stroke: "#333", r: 3 }),
      Plot.ruleX([0]),
    ],
  });
  return {
    title: titleOf(section, size),
    about: `${pathsOf(section)}: bar to the median, line to 95 %, ring at the longest`,
    legend: [],
    height,
    svg: svg.outerHTML,
  };
}

const DRAW: Readonly<Record<Section["workload"], typeof drawLanes>> = {
  bulk: drawLanes,
  requests: drawDelays,
};

/** The picture's text. */
export async function drawDemo(sections: readonly SectionResult[], size: number): Promise<string> {
  const drawing = await loadDrawing();
  const panels = sections.map((one) => DRAW[one.section.workload](drawing, one, size));
  let top = 12;
  const parts: string[] = [];
  for (const { title, about, legend, height, svg } of panels) {
    parts.push(
      `<text x="16" y="${top + 16}" font-size="15" font-weight="bold">${escaped(title)}</text>`,
      `<text x="16" y="${top + 36}" fill="#444">${escaped(about)}</text>`,
    );
    let x = 16;
    for (const [i, name] of legend.entries()) {
      parts.push(
        `<rect x="${x}" y="${top + 46}" width="12" height="12" fill="${COLOURS[i]}"/>`,
        `<text x="${x + 17}" y="${top + 56}">${escaped(name)}</text>`,
      );
      x += 34 + 8 * name.length;
    }
    top += HEAD - (legend.length === 0 ? 20 : 0);
    parts.push(svg.replace("<svg", `<svg x="0" y="${top}"`));
    top += height + 16;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}" font-family="system-ui, sans-serif" font-size="12" fill="black">
<title>Which path carried what when, and how long answers took</title>
<rect width="${WIDTH}" height="${top}" fill="white"/>
${parts.join("\n")}
</svg>
`;
}
