/* Sorts the tables of the leaderboard, and draws its charts. */
(() => {
  "use strict";
  const board = JSON.parse(document.getElementById("board").textContent);

  /** A heading sorts by its column, best first; the names from a to z. */
  for (const table of document.querySelectorAll("table.board")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", column === 0 ? "ascending" : "descending");
        const of = (row) => row.cells[column].dataset.value;
        const rows = [...table.tBodies[0].rows].sort((a, b) =>
          column === 0 ? of(a).localeCompare(of(b)) : Number(of(b)) - Number(of(a))
        );
        table.tBodies[0].append(...rows);
      });
    });
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  /** As many as there are plugins, told apart by hue, and by dashes from one to the next. */
  function paint(i, count) {
    return {
      stroke: `hsl(${Math.round(360 * i / count)} 65% ${dark.matches ? 62 : 42}%)`,
      dash: [[], [8, 4], [3, 3]][i % 3],
    };
  }

  let charts = [];

  function figure(place, title, about, make) {
    const box = document.createElement("figure");
    const head = document.createElement("h3");
    head.textContent = title;
    const caption = document.createElement("figcaption");
    caption.textContent = about;
    box.append(head, caption);
    place.append(box);
    const width = Math.max(240, box.clientWidth);
    const { options, data } = make();
    charts.push({
      box,
      plot: new uPlot(
        {
          width,
          height: 340,
          focus: { alpha: 0.15 },
          cursor: { focus: { prox: 24 }, drag: { x: false, y: false } },
          ...options,
        },
        data,
        box,
      ),
    });
  }

  const axis = (more) => ({
    stroke: style("--text"),
    grid: { stroke: style("--grid"), width: 1 },
    ticks: { stroke: style("--line"), width: 1 },
    ...more,
  });

  function scores(place, family) {
    const columns = family.disciplines.map((id) => board.disciplines.find((one) => one.id === id));
    figure(
      place,
      "Score by discipline",
      "As good as the default: 1; twice as good: 2",
      () => ({
        options: {
          scales: {
            x: { time: false, range: [-0.5, columns.length - 0.5] },
            y: { distr: 3, log: 2 },
          },
          // The last name goes on beyond its mark.
          padding: [null, 40, null, null],
          axes: [
            axis({
              rotate: -35,
              size: 96,
              splits: () => columns.map((_, i) => i),
              values: (_, splits) => splits.map((i) => columns[i]?.title ?? ""),
            }),
            axis({
              size: 74,
              values: (_, splits) =>
                splits.map((value) => value === null ? "" : `${Number(value.toPrecision(3))} ×`),
            }),
          ],
          series: [
            { label: "discipline", value: (_, i) => columns[i]?.title ?? "–" },
            ...family.rows.map(({ name }, i) => ({
              label: name,
              ...paint(i, family.rows.length),
              width: i === 0 ? 3 : 1.5,
              points: { show: true, size: 6 },
              value: (_, value) => value === null ? "–" : value.toFixed(2),
            })),
          ],
        },
        data: [
          columns.map((_, i) => i),
          ...family.rows.map(({ cells }) => columns.map(({ id }) => cells[id]?.score ?? null)),
        ],
      }),
    );
  }

  function flows(place, family) {
    const columns = board.disciplines.filter(({ id, size }) =>
      size !== undefined && family.disciplines.includes(id)
    );
    figure(
      place,
      "Small flows: mean time, ms",
      "By bytes of an answer",
      () => ({
        options: {
          scales: {
            x: { time: false, range: [-0.3, columns.length - 0.7] },
            y: { distr: 3 },
          },
          axes: [
            axis({
              splits: () => columns.map((_, i) => i),
              values: (_, splits) => splits.map((i) => columns[i]?.title ?? ""),
            }),
            axis({ size: 60 }),
          ],
          series: [
            { label: "size", value: (_, i) => columns[i]?.title ?? "–" },
            ...family.rows.map(({ name }, i) => ({
              label: name,
              ...paint(i, family.rows.length),
              width: i === 0 ? 3 : 1.5,
              points: { show: true, size: 6 },
              value: (_, value) => value === null ? "–" : `${value.toFixed(1)} ms`,
            })),
          ],
        },
        data: [
          columns.map((_, i) => i),
          ...family.rows.map(({ cells }) =>
            columns.map(({ id }) => {
              const cell = cells[id];
              return cell ? cell.mean / 1000 : null;
            })
          ),
        ],
      }),
    );
  }

  function draw() {
    for (const { plot, box } of charts) {
      plot.destroy();
      box.remove();
    }
    charts = [];
    for (const place of document.querySelectorAll(".charts")) {
      const family = board.families.find(({ kind }) => kind === place.dataset.kind);
      scores(place, family);
      flows(place, family);
    }
  }

  draw();
  dark.addEventListener("change", draw);
  addEventListener("resize", () => {
    for (const { plot, box } of charts) {
      const width = Math.max(240, box.clientWidth);
      if (width !== plot.width) plot.setSize({ width, height: 340 });
    }
  });
})();
