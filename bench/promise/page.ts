/** docs/promise.md: what the grid shows, with its figures. */

import type { GridFigures } from "./grid.ts";
import { bySchedulers, cellsOver } from "./grid.ts";
import { DEFAULT } from "./policies.ts";
import { classesOf, PROMISE, spreadOf, verdictsOf } from "./summary.ts";

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => i === 0 ? "---" : "---:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

const figure = (value: number): string => value.toFixed(3);
/** Cells in which a second path is of use: two TCPs would take at most this. */
const HELPED = 0.9;
/** Cells that the page names. */
const NAMED = 20;

/** The page; `policies` names the scheduler and the congestion control at work. */
export function pageOf(figures: GridFigures, policies: string): string {
  const measured = bySchedulers(figures)[DEFAULT]!;
  const all = spreadOf(measured);
  const verdicts = verdictsOf(measured);
  const over = cellsOver(measured);
  const share = (100 * measured.filter(({ run }) => run.ratio <= 1.005).length / measured.length)
    .toFixed(0);
  const helped = measured.filter(({ floor }) => floor <= HELPED);
  return `# Does a second path ever cost anything?

With \`${policies}\`, the defaults, in ${all.cells} cells: a response by MPTCP over two paths takes ${
    figure(all.median)
  } (median), ${figure(all.p95)} (95th percentile) and ${
    figure(all.worst)
  } (worst) of the time that TCP takes over the better path. In ${share} % of the cells it takes no
longer. ${helped.length} of the cells are such that two TCPs that do not wait for each other would need at
most ${HELPED} of the time: the median of these is ${
    figure(spreadOf(helped).median)
  }. Full stacks on the
emulated network in virtual time, the same on every machine; medians of ${figures.seeds} seeds where packets
are lost.

\`\`\`sh
deno task bench:promise --quick                   # 60 of the cells, in seconds
deno task bench:promise --scheduler ./mine.ts     # all, with a scheduler of yours beside
deno task bench:promise --cells '1MB kept 2/300'  # those whose names have these words
deno task bench:promise --docs                    # all, and this page, its picture and figures anew
\`\`\`

![Completion time of MPTCP over both paths, divided by TCP over the better one: a panel for each size, the ratio of rates across, that of round trips upwards](promise.svg)

Each square is the median of its cells; a dot marks one with a cell above ${PROMISE.worst}.
[promise.json](promise.json) has every cell, and [bench/README.md](../bench/README.md) what they are.

## By class

"two TCPs": the median of what both paths would give if neither ever waited for the other. "> ${PROMISE.worst}":
cells above it. "extra": bytes sent on another path too.

${
    table(
      ["", "cells", "two TCPs", "median", "p95", "worst", `> ${PROMISE.worst}`, "extra"],
      [
        { title: "all", measured },
        ...classesOf(measured).map(({ dimension, key, measured }) => ({
          title: `${dimension.name}: ${key}`,
          measured,
        })),
      ].map(({ title, measured }) => {
        const { cells, floor, median, p95, worst, over, repeated } = spreadOf(measured);
        return [
          title,
          `${cells}`,
          figure(floor),
          figure(median),
          figure(p95),
          figure(worst),
          `${over}`,
          `${(100 * repeated).toFixed(1)} %`,
        ];
      }),
    )
  }

## What is promised

${
    table(
      ["", "at most", "figure", ""],
      verdicts.map(({ what, bound, figure: value, kept }) => [
        what,
        `${bound}`,
        figure(value),
        kept ? "kept" : "**missed**",
      ]),
    )
  }

## The cells above ${PROMISE.worst}

${
    over.length === 0
      ? "None."
      : `${over.length} of ${all.cells}${
        over.length > NAMED ? `, the worst ${NAMED}` : ""
      }; \`--cells\` takes a name and runs it alone.\n\n${
        table(
          ["cell", "ratio"],
          over.slice(0, NAMED).map(({ name, run }) => [`\`${name}\``, run.ratio.toFixed(2)]),
        )
      }`
  }
`;
}
