import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { toHtml } from "../../cli/sim_html.ts";
import type { SimReport } from "../../cli/sim_report.ts";
import { type Series, SeriesCollector } from "../../cli/sim_series.ts";
import { minRtt, roundRobin } from "../../sched/mod.ts";
import { measure, type Measurement, type Scenario } from "../../sim/mod.ts";
import { lookAt } from "../support/browser.ts";
import { needs } from "../support/tools.ts";

const SCENARIO: Scenario = {
  name: "browser",
  hosts: { phone: {}, server: {} },
  links: {
    wifi: { between: ["phone", "server"], rate: "10 Mbit/s", delay: "10 ms" },
    lte: { between: ["phone", "server"], rate: "5 Mbit/s", delay: "30 ms", loss: 0.01 },
  },
  // A profile's stand behind those of the file.
  events: [
    { at: "300 ms", do: "set", link: "lte", rate: "2 Mbit/s" },
    { at: "2e5 us", do: "restore", link: "wifi" },
  ],
  traffic: { down: { kind: "bulk", client: "phone", server: "server", bytes: "1 MB" } },
};

/** Looks at the page from within, uses its keys, and tells what it saw. */
const LOOK = String.raw`
const seen = { errors: [] };
addEventListener("error", ({ message }) => seen.errors.push(message));
addEventListener("securitypolicyviolation", ({ violatedDirective }) => seen.errors.push(violatedDirective));
addEventListener("load", () => {
  const inks = [...document.querySelectorAll("canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colours.add(data.slice(i, i + 3).join());
    return colours.size;
  });
  const figures = [...document.querySelectorAll("figure")];
  const [from, to] = document.querySelectorAll("input[type=number]");
  const key = (key, more) => figures[0].dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
  const range = () => [Number(from.value), Number(to.value)];
  const whole = range();
  key("+");
  const zoomed = range();
  key("ArrowRight", { shiftKey: true });
  const moved = range();
  key("0");
  const back = range();
  key("ArrowRight");
  const outputs = [...document.querySelectorAll("output")].map(({ textContent }) => textContent);
  Object.assign(seen, {
    canvases: inks.length,
    blank: inks.filter((colours) => colours < 2).length,
    titles: [...document.querySelectorAll("h3")].map(({ textContent }) => textContent),
    captions: [...new Set([...document.querySelectorAll("figcaption")].map(({ textContent }) => textContent))],
    dashed: [...document.querySelectorAll(".axis")].map(({ textContent }) => textContent).filter((text) => text.startsWith("Dashed")),
    focusable: figures.every(({ tabIndex }) => tabIndex === 0),
    width: innerWidth,
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    beyond: [...document.querySelectorAll(".uplot")].filter((one) => one.getBoundingClientRect().right > innerWidth).length,
    background: getComputedStyle(document.body).backgroundColor,
    whole, zoomed, moved, back, outputs,
  });
  tell(seen);
});
`;

interface Seen {
  readonly errors: readonly string[];
  readonly canvases: number;
  readonly blank: number;
  readonly titles: readonly string[];
  readonly captions: readonly string[];
  readonly dashed: readonly string[];
  readonly focusable: boolean;
  readonly width: number;
  readonly wider: number;
  readonly beyond: number;
  readonly background: string;
  readonly whole: readonly [number, number];
  readonly zoomed: readonly [number, number];
  readonly moved: readonly [number, number];
  readonly back: readonly [number, number];
  readonly outputs: readonly string[];
}

function ran(): { result: Measurement; series: readonly Series[] }[] {
  return [minRtt(), roundRobin()].map((scheduler) => {
    const collector = new SeriesCollector(20e3, 10_000);
    const { onData, onSample } = collector;
    const result = measure(SCENARIO, { scheduler }, { interval: "20 ms", onData, onSample });
    return { result, series: collector.end(result.time) };
  });
}

/** A report of these runs. */
function page(
  runs: readonly { result: Measurement; series: readonly Series[] }[],
): Promise<string> {
  const report: SimReport = {
    format: "mptcp-sim/1",
    version: "1",
    scenario: "browser",
    total: runs.length,
    plan: "1",
    runs: runs.map(({ result }, index) => ({
      index,
      set: {},
      plugins: { scheduler: result.policies.scheduler },
      seed: 1,
      result,
    })),
  };
  const drawn = runs.map(({ series }, index) => ({ index, scenario: SCENARIO, series }));
  return toHtml(report, drawn, "mptcp sim browser");
}

const TITLES = [
  "Data sequence, MB",
  "Goodput, Mbit/s",
  "Congestion window, segments",
  "Round-trip time, ms",
  "Queue, packets",
  "Reorder buffer, kB",
  "Scheduler decisions, per second",
];

describe("the report of mptcp sim in Chromium", () => {
  const { it } = needs("chromium");

  it("draws all charts from a file, wide and narrow, light and dark, and takes keys", async () => {
    const html = await page(ran());
    for (const [width, dark] of [[1280, false], [1280, true], [400, false], [400, true]] as const) {
      const seen = await lookAt<Seen>(html, LOOK, width, dark);
      assertEquals(seen.errors, []);
      assertEquals(seen.titles, TITLES);
      assertEquals(seen.captions, ["min_rtt", "round_robin"]);
      assert(seen.canvases >= 20 && seen.blank === 0, `${seen.blank} of ${seen.canvases}`);
      assertEquals([seen.width, seen.focusable, seen.wider, seen.beyond], [width, true, 0, 0]);
      assertEquals(seen.background, dark ? "rgb(16, 20, 24)" : "rgb(255, 255, 255)");
      const { whole: [begin, end], zoomed, moved, back } = seen;
      assert(begin === 0 && end > 0.5);
      assert(zoomed[0] > 0 && zoomed[1] < end && moved[0] > zoomed[0], `${zoomed} ${moved}`);
      assert(back[0] === 0 && back[1] >= end);
      assert(
        seen.dashed.length === 2 &&
          seen.dashed.every((text) => text.startsWith("Dashed: 2e5 us: restore wifi; 300 ms: set")),
        seen.dashed.join(),
      );
      assert(seen.outputs.every((text) => / at \d+\.\d{3} s$/.test(text)), seen.outputs.join());
    }
  });

  it("draws a million points", async () => {
    const [run] = ran();
    const count = 500_000;
    const many = ["wifi", "lte"].map((lane, k): Series => ({
      chart: "sequence",
      traffic: "down",
      side: "server",
      lane,
      name: "new",
      merged: 1,
      times: Array.from({ length: count }, () => 20),
      values: Array.from({ length: count }, (_, i) => i % 1000 === 999 && k === 1 ? -500 : 1448),
    }));
    const series = [...run!.series.filter(({ chart }) => chart !== "sequence"), ...many];
    const seen = await lookAt<Seen>(
      await page([{ result: run!.result, series }]),
      LOOK,
      1280,
      false,
    );
    assertEquals([seen.errors, seen.blank, seen.titles], [[], 0, TITLES]);
    assert(seen.whole[1] >= 10 && seen.zoomed[1] < seen.whole[1]);
  });
});
