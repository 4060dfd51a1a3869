/** The picture of `deno task bench:promise`: where a second path gains, where it costs, and how much. */

import { loadDrawing } from "../../cli/deps.ts";
import { RTTS, sizeName, SIZES } from "./cells.ts";
import { type Measured, PROMISE, quantile, RATE_RATIOS, rateRatio, rttRatio } from "./summary.ts";

/** A square: the cells of a size, by the ratios of their rates and round trips. */
export interface Square {
  /** Bytes; null: of all sizes. */
  readonly size: number | null;
  readonly rate: string;
  readonly rtt: number;
  readonly cells: number;
  readonly median: number;
  readonly worst: number;
}

/** Ratios of round trips, in order. */
export const RTT_RATIOS: readonly number[] = [
  ...new Set(RTTS.flatMap((one) => RTTS.map((other) => +(one / other).toFixed(2)))),
].filter((ratio) => ratio >= 1).sort((a, b) => a - b);

/** The squares that have cells, those of all sizes first. */
export function squaresOf(measured: readonly Measured[]): Square[] {
  return [null, ...SIZES].flatMap((size) =>
    RTT_RATIOS.flatMap((rtt) =>
      RATE_RATIOS.flatMap((rate): Square[] => {
        const ratios = measured
          .filter(({ cell }) =>
            (size === null || cell.size === size) && rttRatio(cell) === rtt &&
            rateRatio(cell) === rate
          )
          .map(({ run }) => run.ratio);
        if (ratios.length === 0) return [];
        const median = quantile(ratios, 0.5);
        return [{ size, rate, rtt, cells: ratios.length, median, worst: Math.max(...ratios) }];
      })
    )
  );
}

/** Least and most of the colours, which are symmetric in the logarithm. */
const MOST = 2;

/** Distinguishable by those who see colours differently: blue gains, red costs. */
const COLOURS = ["#0072B2", "#6BAED6", "#F7F7F7", "#F4A582", "#B2182B"];

/** Draws it; gives the SVG text. */
export async function drawHeatMap(measured: readonly Measured[], title: string): Promise<string> {
  const { Plot, document } = await loadDrawing();
  const squares = squaresOf(measured);
  const panel = (size: number | null): string => size === null ? "all sizes" : sizeName(size);
  const panels = [null, ...SIZES].map(panel);
  const columns = 2;
  const place = (size: number | null) => {
    const i = panels.indexOf(panel(size));
    return { fx: i % columns, fy: Math.floor(i / columns) };
  };
  const data = squares.map((square) => ({
    ...square,
    ...place(square.size),
    shown: Math.max(1 / MOST, Math.min(MOST, square.median)),
    text: square.median.toFixed(2),
    over: square.worst > PROMISE.worst,
  }));
  const rows = Math.ceil(panels.length / columns);
  const legend = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.3, 1.5, 2];
  const line = (text: string, dy: number, fontSize: number, fontWeight: string) =>
    Plot.text([text], {
      fx: () => 0,
      fy: () => 0,
      frameAnchor: "top-left",
      textAnchor: "start",
      dx: -50,
      dy,
      fontSize,
      fontWeight,
    });
  /** A mark of the legend, at its place in the row. */
  const mark = (text: string, i: number, more: object) =>
    Plot.text([null], {
      fx: () => 0,
      fy: () => 0,
      text: () => text,
      frameAnchor: "top-left",
      textAnchor: "start",
      fontSize: 13,
      dx: 62 * i - 50,
      ...more,
    });
  const svg = Plot.plot({
    document: document as never,
    width: 1180,
    height: 150 + 262 * rows,
    marginLeft: 56,
    marginRight: 16,
    marginTop: 124,
    marginBottom: 66,
    style: { background: "white", color: "black", fontSize: "12px" },
    ariaLabel: title,
    x: {
      domain: RATE_RATIOS,
      label: "rate of the path with the longer round trip / rate of the other →",
      labelAnchor: "center",
      labelOffset: 44,
      tickSize: 0,
    },
    y: {
      domain: RTT_RATIOS,
      label: "longer round trip / shorter",
      labelAnchor: "center",
      labelArrow: "none",
      reverse: true,
      tickSize: 0,
    },
    fx: { axis: null, padding: 0.07 },
    fy: { axis: null, padding: 0.13 },
    color: {
      type: "linear",
      domain: [1 / MOST, 0.8, 1, 1.25, MOST],
      range: COLOURS,
      clamp: true,
    },
    marks: [
      Plot.cell(data, { fx: "fx", fy: "fy", x: "rate", y: "rtt", fill: "shown", inset: 0.5 }),
      Plot.text(data, {
        fx: "fx",
        fy: "fy",
        x: "rate",
        y: "rtt",
        text: "text",
        fill: (square: typeof data[number]) =>
          square.shown < 0.62 || square.shown > 1.6 ? "white" : "black",
        fontSize: 11.5,
      }),
      Plot.dot(data.filter(({ over }) => over), {
        fx: "fx",
        fy: "fy",
        x: "rate",
        y: "rtt",
        dx: 21,
        dy: -8,
        r: 2.6,
        fill: "black",
      }),
      Plot.text([null, ...SIZES].map((size) => ({ ...place(size), text: panel(size) })), {
        fx: "fx",
        fy: "fy",
        text: "text",
        frameAnchor: "top-left",
        dy: -17,
        fontSize: 15,
        fontWeight: "bold",
      }),
      line(title, -112, 17, "bold"),
      line(
        "Completion time of MPTCP over both paths / TCP over the better one: medians. Below 1 the second path gains.",
        -88,
        13,
        "normal",
      ),
      line(`● a cell of the square is above ${PROMISE.worst}`, -68, 13, "normal"),
      ...legend.flatMap((value, i) => [
        mark("■", i, { fill: () => value, fontSize: 20, dy: -46 }),
        mark(`${value}`, i, { dx: 62 * i - 32, dy: -43 }),
      ]),
    ],
  });
  const text: string = svg.outerHTML;
  const whole = text.includes("xmlns=")
    ? text
    : text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  return `${whole}\n`;
}
