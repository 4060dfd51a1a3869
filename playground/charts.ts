/** Draws the curves of both runs, one above the other, on the same scales, with the time that is shown. */

import uPlot from "uplot";
import { type ChartName, type Series, sums } from "../cli/sim_series.ts";
import { colour, element, pathColour } from "./dom.ts";
import type { Side } from "./run.ts";

interface Chart {
  readonly chart: ChartName;
  readonly title: string;
  readonly unit: string;
  /** Of what is stored. */
  readonly scale: number;
  readonly dots?: boolean;
}

const CHARTS: readonly Chart[] = [
  { chart: "sequence", title: "Data sequence", unit: "MB", scale: 1e-6, dots: true },
  { chart: "goodput", title: "Goodput", unit: "Mbit/s", scale: 8e-6 },
  { chart: "cwnd", title: "Congestion window", unit: "segments", scale: 1 },
  { chart: "rtt", title: "Round-trip time", unit: "ms", scale: 1e-3 },
  { chart: "queue", title: "Queue", unit: "packets", scale: 1 },
  { chart: "buffer", title: "Reorder buffer", unit: "kB", scale: 1e-3 },
];
const HEIGHT = 130;

/** What is drawn of a run. */
export interface Curves {
  readonly side: Side;
  /** What it is called. */
  readonly name: string;
  readonly series: readonly Series[];
}

/** Those of a series that are shown: what the server sends, and of queues those towards the phone. */
function shown({ chart, side, lane, name }: Series): boolean {
  if (chart === "queue") return lane.endsWith(" backward");
  if (chart === "cwnd") return side === "server" && name === "window";
  if (chart === "goodput") return side === "server" && name !== "again";
  return side === "server";
}

/** The charts. */
export class Charts {
  readonly #box: HTMLElement;
  readonly #seek: (at: number) => void;
  #plots: { readonly plot: uPlot; readonly now: HTMLElement }[] = [];
  #curves: readonly Curves[] = [];
  #paths: readonly string[] = [];
  #end = 0;
  #at = 0;

  /** @param box Where they go. @param seek The visitor wants to see a time. */
  constructor(box: HTMLElement, seek: (at: number) => void) {
    this.#box = box;
    this.#seek = seek;
    let width = 0;
    new ResizeObserver(() => {
      if (box.clientWidth === width) return;
      width = box.clientWidth;
      this.#build();
    }).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
  }

  /** Draws these. @param end Microseconds. */
  show(curves: readonly Curves[], paths: readonly string[], end: number): void {
    this.#curves = curves;
    this.#paths = paths;
    this.#end = end;
    this.#build();
  }

  /** Marks a time. */
  mark(at: number): void {
    this.#at = at;
    for (const { plot, now } of this.#plots) {
      now.style.left = `${Math.max(0, plot.valToPos(at / 1e6, "x"))}px`;
    }
  }

  #build(): void {
    for (const { plot } of this.#plots) plot.destroy();
    this.#plots = [];
    this.#box.replaceChildren();
    if (this.#curves.length === 0) return;
    for (const chart of CHARTS) {
      const all = this.#curves.map(({ series }) =>
        series.filter((one) => one.chart === chart.chart && shown(one))
      );
      const most = Math.max(
        ...all.flat().map((one) => sums(one.values).reduce((a, b) => Math.max(a, b), 0)),
        0,
      ) * chart.scale;
      if (most === 0) continue;
      const row = element("section", { className: "chart" });
      row.append(
        element("h3", {}, `${chart.title}, `, element("span", { className: "unit" }, chart.unit)),
      );
      const pair = element("div", { className: "pair" });
      row.append(pair);
      this.#box.append(row);
      for (const [i, series] of all.entries()) this.#plot(pair, chart, series, most, i);
    }
    this.mark(this.#at);
  }

  #plot(
    pair: HTMLElement,
    chart: Chart,
    all: readonly Series[],
    most: number,
    which: number,
  ): void {
    const figure = element("figure", { className: this.#curves[which]!.side });
    figure.append(element("figcaption", {}, this.#curves[which]!.name));
    pair.append(figure);
    const soft = colour("soft"), grid = colour("grid");
    const axis = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const tables = all.map(({ times, values }): uPlot.AlignedData => [
      sums(times).map((time) => time / 1e6),
      sums(values).map((value) => value * chart.scale),
    ]);
    const lines = all.map(({ lane, name }): uPlot.Series => {
      const index = this.#paths.findIndex((path) => lane === path || lane.startsWith(`${path} `));
      const stroke = index < 0 ? colour("text") : pathColour(index);
      const again = name === "again";
      return chart.dots
        ? {
          stroke: again ? colour("trouble") : stroke,
          paths: () => null,
          points: { show: true, size: 2, fill: again ? colour("trouble") : stroke, width: 0 },
        }
        : { stroke, width: index < 0 ? 2 : 1.5, spanGaps: true, points: { show: false } };
    });
    const plot = new uPlot(
      {
        width: Math.max(160, figure.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [0, this.#end / 1e6] }, y: { range: [0, most * 1.05] } },
        axes: [{ ...axis, size: 24, space: 60 }, { ...axis, size: 46, space: 28 }],
        series: [{}, ...lines],
      },
      tables.length === 0 ? [[]] : uPlot.join(tables),
      figure,
    );
    const now = element("div", { className: "now" });
    plot.over.append(now);
    plot.over.addEventListener("pointerdown", (down) => {
      const seek = (event: PointerEvent): void => {
        const { left } = plot.over.getBoundingClientRect();
        this.#seek(plot.posToVal(event.clientX - left, "x") * 1e6);
      };
      seek(down);
      plot.over.setPointerCapture(down.pointerId);
      plot.over.onpointermove = seek;
      plot.over.onpointerup = () => plot.over.onpointermove = null;
    });
    this.#plots.push({ plot, now });
  }
}
