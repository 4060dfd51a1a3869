/* Draws the charts of a report of mptcp sim, in a browser, from the element `series` (docs/emulator.md). */
/* global document, matchMedia, getComputedStyle, ResizeObserver, requestAnimationFrame, uPlot */
"use strict";
(() => {
  /** Charts, from top to bottom; `scale` makes the unit shown of the one stored. */
  const CHARTS = [
    {
      chart: "sequence",
      title: "Data sequence",
      unit: "MB",
      scale: 1e-6,
      dots: true,
      shared: true,
      about: "Which path carried which part of the data when: a dot for each packet.",
      names: { new: "sent for the first time", again: "sent again" },
    },
    {
      chart: "goodput",
      title: "Goodput",
      unit: "Mbit/s",
      scale: 8e-6,
      shared: true,
      about: "What the application read, and the payload that each path carried for it.",
      names: { read: "read", new: "on each path sent for the first time", again: "sent again" },
    },
    {
      chart: "cwnd",
      title: "Congestion window",
      unit: "segments",
      scale: 1,
      about: "Of each path, summed up over the connections on it.",
      names: { window: "window", "in flight": "in flight" },
    },
    {
      chart: "rtt",
      title: "Round-trip time",
      unit: "ms",
      scale: 1e-3,
      about: "Smoothed, as the sender knows it; the mean of the connections on the path.",
      names: { smoothed: "smoothed" },
    },
    {
      chart: "queue",
      title: "Queue",
      unit: "packets",
      scale: 1,
      about: "Packets that wait at each link; links at which none ever waits are left out.",
      names: { waiting: "waiting" },
    },
    {
      chart: "buffer",
      title: "Reorder buffer",
      unit: "kB",
      scale: 1e-3,
      about: "Data that has come and cannot be read yet, as something before it is missing.",
      names: { waiting: "waiting" },
    },
    {
      chart: "choices",
      title: "Scheduler decisions",
      unit: "per second",
      scale: 1,
      about: "How often the scheduler chose each path, had it repeat data, or chose to wait.",
      names: { chosen: "chosen", repeats: "chosen to repeat", waits: "wait" },
    },
  ];
  /** Series that are drawn in the second colour. */
  const SECOND = new Set(["again", "in flight", "repeats"]);
  /** Variants that are shown at first. */
  const SHOWN = 3;
  const LANE_HEIGHT = 96;
  const AXIS_HEIGHT = 24;
  const AXIS_WIDTH = 56;

  const { runs } = JSON.parse(document.getElementById("series").textContent);
  const drawn = document.getElementById("drawn");
  if (!runs.some(({ series }) => series.length > 0)) {
    drawn.textContent = "No run came to an end, so there is nothing to draw.";
    return;
  }

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  /** Differences as what they are differences of, `scale` times. */
  function sums(differences, scale) {
    const all = new Float64Array(differences.length);
    let sum = 0;
    for (let i = 0; i < all.length; i++) all[i] = (sum += differences[i]) * scale;
    return all;
  }

  /** Numbers of series, by series: made when they are first shown. */
  const decoded = new WeakMap();
  function numbersOf(series) {
    let numbers = decoded.get(series);
    if (numbers === undefined) {
      const { scale } = CHARTS.find(({ chart }) => chart === series.chart);
      numbers = { times: sums(series.times, 1e-6), values: sums(series.values, scale) };
      numbers.most = numbers.values.reduce((most, value) => Math.max(most, value), 0);
      decoded.set(series, numbers);
    }
    return numbers;
  }

  /** Index of the first time that is not before `time`. */
  function indexOf(times, time) {
    let [low, high] = [0, times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Points of a line from `from` to `to`, at most a least and a most for each column of pixels, with a neighbour on either side. */
  function linePoints({ times, values }, from, to, columns) {
    const first = Math.max(0, indexOf(times, from) - 1);
    const last = Math.min(times.length, indexOf(times, to) + 1);
    const points = [];
    if (last - first <= 2 * columns) {
      for (let i = first; i < last; i++) points.push([times[i], values[i]]);
      return points;
    }
    const width = (to - from) / columns;
    for (let i = first; i < last;) {
      const column = Math.floor((times[i] - from) / width);
      let [least, most] = [i, i];
      for (; i < last && Math.floor((times[i] - from) / width) === column; i++) {
        if (values[i] < values[least]) least = i;
        if (values[i] > values[most]) most = i;
      }
      for (const at of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) {
        points.push([times[at], values[at]]);
      }
    }
    return points;
  }

  /** Dots from `from` to `to`: one for each cell of 2 by 2 pixels that has any, so that nothing is lost to the eye. */
  function dotPoints({ times, values }, from, to, columns, rows, top) {
    const points = [];
    const last = indexOf(times, to + Number.EPSILON);
    const [width, height] = [2 * (to - from) / columns, 2 * top / rows];
    let column = -1;
    let cells = new Set();
    for (let i = indexOf(times, from); i < last; i++) {
      const here = Math.floor((times[i] - from) / width);
      if (here !== column) {
        column = here;
        cells = new Set();
      }
      const cell = Math.floor(values[i] / height);
      if (cells.has(cell)) continue;
      cells.add(cell);
      points.push([times[i], values[i]]);
    }
    return points;
  }

  /** Several lists of points on one axis: where one has none, there is null. */
  function merged(lists) {
    const all = lists.flatMap((points, of) => points.map(([time, value]) => [time, value, of]));
    all.sort((a, b) => a[0] - b[0]);
    const columns = [all.map(([time]) => time)];
    for (let of = 0; of < lists.length; of++) {
      columns.push(all.map(([, value, owner]) => owner === of ? value : null));
    }
    return columns;
  }

  /** The value of a series at a time: the last one until then. */
  function valueAt({ times, values }, time) {
    const at = indexOf(times, time + 1e-9) - 1;
    return at < 0 ? null : values[at];
  }

  function worded(value) {
    const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return value.toLocaleString("en", { maximumFractionDigits: digits });
  }

  const variants = [...new Set(runs.map(({ variant }) => variant))];
  const seeds = [...new Set(runs.map(({ seed }) => seed))];
  /** Who sends what: over several paths first, as that is what plugins decide on, and of these who sends most. */
  const senders = (() => {
    const found = new Map();
    for (const { series } of runs) {
      for (const { chart, traffic, side, lane, times } of series) {
        if (chart !== "sequence") continue;
        const id = JSON.stringify([traffic, side]);
        const { lanes, packets } = found.get(id) ?? { lanes: new Set(), packets: 0 };
        found.set(id, { lanes: lanes.add(lane), packets: packets + times.length });
      }
    }
    const several = ({ lanes }) => lanes.size > 1 ? 1 : 0;
    return [...found]
      .sort(([, a], [, b]) => several(b) - several(a) || b.packets - a.packets)
      .map(([id]) => id);
  })();

  const chosen = {
    sender: senders[0] ?? JSON.stringify([null, null]),
    seed: seeds[0],
    variants: new Set(variants.slice(0, SHOWN)),
  };
  /** What is shown of time, seconds. */
  const view = { from: 0, to: 1, end: 1, at: null };
  /** Charts that are there. */
  let lanes = [];

  // The controls.
  const from = element("input", { type: "number", min: "0", step: "any" });
  const to = element("input", { type: "number", min: "0", step: "any" });
  const controls = element("div", { className: "controls" });
  controls.setAttribute("role", "toolbar");
  controls.setAttribute("aria-label", "What the charts show");
  function select(label, values, texts, change) {
    const box = element(
      "select",
      { onchange: () => change(values[box.selectedIndex]) },
      ...texts.map((text) => element("option", { textContent: text })),
    );
    controls.append(element("label", {}, element("span", { textContent: label }), box));
  }
  if (senders.length > 1) {
    const text = (id) => {
      const [traffic, side] = JSON.parse(id);
      return `${traffic}, sent by the ${side}`;
    };
    select("Traffic", senders, senders.map(text), (id) => {
      chosen.sender = id;
      build();
    });
  }
  if (seeds.length > 1) {
    select("Seed", seeds, seeds.map(String), (seed) => {
      chosen.seed = seed;
      build();
    });
  }
  if (variants.length > 1) {
    const boxes = variants.map((variant) => {
      const box = element("input", {
        type: "checkbox",
        checked: chosen.variants.has(variant),
        onchange: () => {
          if (box.checked) chosen.variants.add(variant);
          else chosen.variants.delete(variant);
          build();
        },
      });
      return element("label", {}, box, variant);
    });
    controls.append(
      element("fieldset", {}, element("legend", { textContent: "Side by side" }), ...boxes),
    );
  }
  const ranged = () => show(Number(from.value), Number(to.value));
  from.onchange = ranged;
  to.onchange = ranged;
  function button(text, label, onclick) {
    const made = element("button", { type: "button", textContent: text, title: label, onclick });
    made.setAttribute("aria-label", label);
    return made;
  }
  controls.append(
    element("label", {}, element("span", { textContent: "From" }), from),
    element("label", {}, element("span", { textContent: "to" }), to, "s"),
    element(
      "span",
      {},
      button("−", "Show more time", () => zoom(2)),
      " ",
      button("+", "Show less time", () => zoom(0.5)),
      " ",
      button("All", "Show the whole run", () => show(0, view.end)),
    ),
  );
  const help = element("p");
  help.innerHTML =
    "Drag over a chart to see less of the time, double-click to see all. With a chart in focus: <kbd>←</kbd> <kbd>→</kbd> read values, with <kbd>Shift</kbd> move, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>0</kbd> shows all.";
  const rows = element("div");
  drawn.replaceChildren(help, controls, rows);

  /** Shows the time from `first` to `last`. */
  function show(first, last) {
    const least = view.end / 1e6;
    const [low, high] = [
      Math.max(0, Math.min(first, last)),
      Math.min(view.end, Math.max(first, last)),
    ];
    if (!(high - low >= least)) return showRange();
    view.from = low;
    view.to = high;
    showRange();
    for (const lane of lanes) lane.draw();
  }
  function showRange() {
    // As exact as can be seen.
    const digits = Math.max(0, Math.min(6, 3 - Math.floor(Math.log10(view.to - view.from))));
    from.value = String(Number(view.from.toFixed(digits)));
    to.value = String(Number(view.to.toFixed(digits)));
  }
  function zoom(factor) {
    const middle = view.at ?? (view.from + view.to) / 2;
    show(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  }
  function pointAt(time) {
    view.at = time;
    for (const lane of lanes) lane.point(time);
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const width = view.to - view.from;
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (steps !== undefined && event.shiftKey) {
      const by = Math.max(-view.from, Math.min(view.end - view.to, steps * width / 4));
      show(view.from + by, view.to + by);
    } else if (steps !== undefined) {
      const at = (view.at ?? (view.from + view.to) / 2) + steps * width / 100;
      pointAt(Math.max(view.from, Math.min(view.to, at)));
    } else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "0") show(0, view.end);
    else return;
    event.preventDefault();
  }

  /** One lane: what it shows, drawn by uPlot. */
  function makeLane(chart, lane, series, most, events, lowest) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const out = element("output");
    const place = element("div");
    const label = element(
      "div",
      { className: "lane" },
      element("span", { textContent: lane }),
      out,
    );
    const top = most > 0 ? most * 1.06 : 1;
    const height = LANE_HEIGHT + (lowest ? AXIS_HEIGHT : 0);
    const numbers = series.map(numbersOf);
    let plot = null;

    function points() {
      const columns = Math.max(1, Math.floor(plot.bbox.width / devicePixelRatio));
      return merged(
        numbers.map((one) =>
          chart.dots
            ? dotPoints(one, view.from, view.to, columns, LANE_HEIGHT, top)
            : linePoints(one, view.from, view.to, columns)
        ),
      );
    }

    /** Vertical lines at the events of the scenario. */
    function drawEvents({ ctx, bbox, valToPos }) {
      ctx.save();
      ctx.strokeStyle = colour("soft");
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.lineWidth = devicePixelRatio;
      for (const { seconds } of events) {
        if (seconds < view.from || seconds > view.to) continue;
        const x = Math.round(valToPos.call(plot, seconds, "x", true));
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    }

    const axis = {
      stroke: colour("soft"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { show: false },
    };
    const options = {
      width: Math.max(120, place.clientWidth || 300),
      height,
      legend: { show: false },
      padding: [6, 8, lowest ? 0 : 6, 0],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
        bind: {
          dblclick: () => () => {
            show(0, view.end);
            return null;
          },
        },
      },
      scales: {
        x: { time: false, auto: false, range: () => [view.from, view.to] },
        y: { auto: false, range: () => [0, top] },
      },
      axes: [
        { ...axis, size: lowest ? AXIS_HEIGHT : 0, values: lowest ? undefined : () => [] },
        { ...axis, size: AXIS_WIDTH, space: 28 },
      ],
      series: [
        {},
        ...series.map(({ name }) => {
          const stroke = colour(SECOND.has(name) ? "second" : "first");
          return chart.dots
            ? {
              stroke,
              paths: () => null,
              points: { show: true, size: 2.5, width: 0, fill: stroke, stroke },
            }
            : {
              stroke,
              width: 1.5,
              spanGaps: true,
              points: { show: false },
            };
        }),
      ],
      hooks: {
        draw: [drawEvents],
        setSelect: [(u) => {
          const { left, width } = u.select;
          if (width < 3) return;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          show(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
        }],
        setCursor: [(u) => {
          const { left, event } = u.cursor;
          if (event === null || event === undefined || left === null || left < 0) return;
          pointAt(u.posToVal(left, "x"));
        }],
      },
    };
    return {
      nodes: [label, place],
      mount() {
        options.width = Math.max(120, place.clientWidth);
        plot = new uPlot(options, [[view.from], ...series.map(() => [null])], place);
        this.draw();
      },
      resize() {
        const width = Math.max(120, place.clientWidth);
        if (plot === null || width === plot.width) return;
        plot.setSize({ width, height });
        this.draw();
      },
      draw() {
        plot.setData(points(), false);
        plot.setScale("x", { min: view.from, max: view.to });
      },
      point(time) {
        const left = plot.valToPos(time, "x");
        // Without an event, so that it does not come back here.
        plot.setCursor({ left, top: 0 }, false);
        const values = series.map((one, i) => {
          const value = valueAt(numbers[i], time);
          return `${chart.names[one.name] ?? one.name} ${value === null ? "–" : worded(value)}`;
        });
        out.textContent = `${values.join(" · ")} at ${time.toFixed(3)} s`;
      },
      destroy() {
        plot?.destroy();
      },
    };
  }

  /** Times of a scenario, in seconds. */
  function secondsOf(text) {
    const [, number, unit] = /^([\d.e+-]+) (us|ms|s|min|h)$/.exec(text) ?? [];
    return Number(number) * { us: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600 }[unit];
  }
  function eventsOf(run) {
    return run.events.map(({ at, do: what, link, host, ...rest }) => ({
      seconds: secondsOf(at),
      text: [
        `${at}: ${what} ${[host, link].filter(Boolean).join(" ")}`,
        ...Object.entries(rest).map(([name, value]) => `${name} ${value}`),
      ].join(", "),
    })).filter(({ seconds }) => !Number.isNaN(seconds)).sort((a, b) => a.seconds - b.seconds);
  }

  /** Draws what is chosen. */
  function build() {
    for (const lane of lanes) lane.destroy();
    lanes = [];
    const shown = runs.filter((run) =>
      run.seed === chosen.seed && chosen.variants.has(run.variant)
    );
    const [traffic, side] = JSON.parse(chosen.sender);
    const ours = (one) => one.traffic === null || (one.traffic === traffic && one.side === side);
    const before = view.end;
    view.end = Math.max(
      1e-3,
      ...shown.flatMap(({ series }) =>
        series.filter(ours).map((one) => numbersOf(one).times.at(-1) ?? 0)
      ),
    );
    if (before !== view.end) {
      // Hosts may keep a connection for long after its last data.
      const last = Math.max(
        0,
        ...shown.flatMap(({ series }) =>
          series.filter((one) => one.chart === "sequence" && ours(one))
            .map((one) => numbersOf(one).times.at(-1) ?? 0)
        ),
      );
      Object.assign(view, {
        from: 0,
        to: last > 0 ? Math.min(view.end, last * 1.03) : view.end,
        at: null,
      });
    }
    const made = CHARTS.map((chart) => makeRow(chart, shown, ours)).filter((row) => row !== null);
    if (shown.length === 0) {
      made.push(element("p", { textContent: "Nothing is chosen: tick a box above." }));
    }
    rows.replaceChildren(...made);
    for (const lane of lanes) lane.mount();
    showRange();
  }

  function makeRow(chart, shown, ours) {
    const series = shown.map((run) =>
      run.series.filter((one) => one.chart === chart.chart && ours(one))
    );
    const all = series.flat();
    const used = (lane) =>
      chart.chart !== "queue" ||
      all.some((one) => one.lane === lane && numbersOf(one).most > 0);
    const order = (lane) => lane === "all" ? 0 : lane === "wait" ? 2 : 1;
    const names = [...new Set(all.map(({ lane }) => lane))].filter(used)
      .sort((a, b) => order(a) - order(b));
    if (names.length === 0) return null;
    const alike = (one, lane) =>
      one.lane === lane || (chart.shared && one.lane !== "all" && lane !== "all");
    const most = (lane) =>
      Math.max(0, ...all.filter((one) => alike(one, lane)).map((one) => numbersOf(one).most));
    // One for each colour: lanes tell apart what has the same.
    const keys = ["first", "second"].map((colour) => [
      colour,
      Object.entries(chart.names).filter(([name]) =>
        SECOND.has(name) === (colour === "second") && all.some((one) => one.name === name)
      ).map(([, text]) => text).join(", "),
    ]).filter(([, text]) => text !== "");
    const legend = element(
      "ul",
      { className: "keys" },
      ...keys.map(([colour, text]) => {
        const mark = element("i");
        mark.style.background = `var(--${colour})`;
        return element("li", {}, mark, text);
      }),
    );
    const columns = shown.map((run, i) => {
      const events = eventsOf(run);
      const mine = names.map((lane, place) => {
        const here = series[i].filter((one) => one.lane === lane);
        const last = place === names.length - 1;
        const label = lane === "all" ? "all paths" : lane;
        const made = makeLane(chart, label, here, most(lane), events, last);
        lanes.push(made);
        return made;
      });
      const thinned = Math.max(1, ...series[i].map(({ merged }) => merged));
      const figure = element(
        "figure",
        { tabIndex: 0, onkeydown: onKey },
        element("figcaption", { textContent: run.variant }),
        ...mine.flatMap(({ nodes }) => nodes),
        element("div", {
          className: "axis",
          textContent: thinned > 1
            ? `seconds of virtual time; of every ${thinned} values the least and the most`
            : "seconds of virtual time",
        }),
        ...events.length > 0 && chart.chart === "sequence"
          ? [
            element("div", {
              className: "axis",
              textContent: `Dashed: ${events.slice(0, 6).map(({ text }) => text).join("; ")}${
                events.length > 6 ? `; and ${events.length - 6} more` : ""
              }`,
            }),
          ]
          : [],
      );
      figure.setAttribute("role", "group");
      figure.setAttribute(
        "aria-label",
        `${chart.title}, ${chart.unit}, of ${run.variant}, seed ${run.seed}: ${names.join(", ")}`,
      );
      return figure;
    });
    return element(
      "section",
      { className: "row" },
      element(
        "h3",
        {},
        chart.title,
        element("span", { className: "unit", textContent: `, ${chart.unit}` }),
      ),
      element("p", { textContent: chart.about }),
      legend,
      element("div", { className: "columns" }, ...columns),
    );
  }

  build();
  let width = rows.clientWidth;
  new ResizeObserver(() => {
    if (rows.clientWidth === width) return;
    width = rows.clientWidth;
    requestAnimationFrame(() => {
      for (const lane of lanes) lane.resize();
    });
  }).observe(rows);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  // What a test in a browser looks for.
  document.documentElement.dataset.drawn = String(lanes.length);
})();
