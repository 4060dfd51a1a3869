/** docs/promise.md: what the grid shows, with its figures. */

import type { GridFigures } from "./grid.ts";
import { bySchedulers, cellsOver } from "./grid.ts";
import { DEFAULT } from "./policies.ts";
import { classesOf, type Measured, PROMISE, spreadOf, verdictsOf } from "./summary.ts";

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

/** As if MPTCP were two TCPs of which neither waits for the other, or itself where that is better. */
function atBest(measured: readonly Measured[]): Measured[] {
  return measured.map((each) => ({
    ...each,
    run: { ...each.run, ratio: Math.min(each.floor, each.run.ratio), repeated: 0 },
  }));
}

/** The page; `policies` names the scheduler and the congestion control at work. */
export function pageOf(figures: GridFigures, policies: string): string {
  const measured = bySchedulers(figures)[DEFAULT]!;
  const all = spreadOf(measured);
  const verdicts = verdictsOf(measured);
  const ideal = verdictsOf(atBest(measured));
  const gains = atBest(measured).filter(({ run }) => run.ratio <= PROMISE.median).length;
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

"at best" is the same figure of an oracle: each path goes on as TCP over it alone did, neither waits for
the other, and the response is complete when the sum of both is; or what was measured, where windows
that differ have made that less. Where the oracle misses the bound, the networks of the grid do not
allow it: ${gains} of the ${all.cells} cells (${
    (100 * gains / all.cells).toFixed(0)
  } %) have ${PROMISE.median} within reach at all.

It spends no bytes on a DSS, which takes 20 of 1,448 in each segment: what a rate limits, and the
other path cannot help with, takes up to 1.015 of TCP's time. Such are most cells in which the median
of a class is above 1 by thousandths. Where a receive window holds a few segments, one less may be a
round trip more.

Were the octets of a DSS to cost no time, the medians of all sizes, buffers and ratios of rates would
be 1.000, and the 95th percentile 1.007; what fewer of them give, and why each segment has them, is
in [decisions.md](decisions.md).

${
    table(
      ["", "at most", "figure", "at best", ""],
      verdicts.map(({ what, bound, figure: value, kept }, i) => [
        what,
        `${bound}`,
        figure(value),
        figure(ideal[i]!.figure),
        kept ? "kept" : ideal[i]!.kept ? "**missed**" : "**missed**, out of reach",
      ]),
    )
  }

## The cells above ${PROMISE.worst}

A kept connection goes on with the windows that earlier responses have left. Of these the path with
the shorter round trip has carried most, so that the window of a longer and faster one, in which TCP
alone sends a whole response at once, has grown by less: it doubles in each round trip from there on.

Of the cells without loss these are left, and why:

- 20/10+300/100: the above. What a request waits for is made up for by the one before it
  (bench/README.md).
- 8/300+100/300: the pause of 600 ms ends within the second timeout, through which an unused window
  fades. Of that of the faster path a thirteenth is left, by TCP a fifth: its last bytes left
  sooner.
- 2/100+100/10: a receive window of 17 segments, and one round trip more.

Where packets are lost, medians of 20 seeds: 4 MB over 2/10+50/40, 300/10+300/300 and 8/100+300/10
are lia's increase: they were 1.16, 1.14 and 1.10, by reno 1.10, 1.06 and 0.80, before \`lia\` kept parts
of segments over a loss. Of 2/10+50/40 the mean of 200 seeds was 1.10 then, by reno 1.00. 30 kB over
300/100 beside 50/300 and 20/300 were as much as 1.24 by chance: in 40 % of the runs none of some
hundred packets is lost, by TCP as by MPTCP, and the median lies in the gap between these and the
others. Of 400 seeds it is 1.07 and the mean 0.98; of five other sets of 20 the median is 0.86 to
1.18. 8/100+300/300, 30 kB, is 1.10 since what follows a pause leaves at the pace of the path.

Of 50/300 beside 300/300 and 100/300, 1 MB, medians of 200 seeds are 1.04 and 1.08, by reno 1.08 and
1.07. TCP is on the path that loses nothing. Most responses take what TCP's take; one that has lost a
segment on the other path takes 150 to 250 ms more than 470, and in two of eight runs the first that
is timed took 2 s and not 1, for which the cause is not known.

What was worse and is not: the penalty of a shut receive window also halved the window of the path
that carried most, once in a round trip, while an equal one repaired a loss. 20/100+50/100 was 1.21,
50/40+300/40 1.16, and 2/100+300/100 without loss 1.11. What follows a pause was spread over the
smoothed round trip, which an acknowledgement that the peer has delayed makes longer, and which
answers have one hangs on how many segments they are: 8/100+50/10, 100 kB, was 1.13, 100 and 300/300
beside 300/10, 30 kB, 1.11, 100/10+300/40, 30 kB, 1.10.

Rule 3 of the scheduler with the growth of every window over more than two round trips, also with no
threshold known, made 16 of 1,200 cells worse, by up to a tenth, and 6 better.

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
