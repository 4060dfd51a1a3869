import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { toHtml } from "../../cli/sim_html.ts";
import { type SimReport, toJson } from "../../cli/sim_report.ts";
import { type Series, SeriesCollector, sums, ThinnedPoints } from "../../cli/sim_series.ts";
import { redundant, roundRobin } from "../../sched/mod.ts";
import { measure, type Scenario } from "../../sim/mod.ts";

const SCENARIO: Scenario = {
  name: "two </script> ways",
  about: "300 kB, <b>& more</b>",
  hosts: { phone: {}, server: {} },
  links: {
    wifi: { between: ["phone", "server"], rate: "10 Mbit/s", delay: "10 ms" },
    lte: { between: ["phone", "server"], rate: "5 Mbit/s", delay: "30 ms", loss: 0.01 },
  },
  events: [{ at: "400 ms", do: "cut", link: "lte" }, { at: "600 ms", do: "restore", link: "lte" }],
  traffic: {
    down: { kind: "bulk", client: "phone", server: "server", bytes: "1 MB" },
    api: { kind: "requests", client: "phone", server: "server", bytes: "20 kB", count: 3 },
  },
};

/** Runs with two schedulers, as the command has them. */
function runs(): { report: SimReport; drawn: Parameters<typeof toHtml>[1] } {
  const all = [roundRobin(), redundant()].map((scheduler, index) => {
    const collector = new SeriesCollector(20e3, 10_000);
    const result = measure(SCENARIO, { scheduler }, {
      interval: "20 ms",
      onData: collector.onData,
      onSample: collector.onSample,
    });
    return {
      run: { index, set: {}, plugins: { scheduler: scheduler.name }, seed: 1, result },
      drawn: { index, scenario: SCENARIO, series: collector.end(result.time) },
    };
  });
  const failed = { index: 2, set: {}, plugins: { scheduler: "bad" }, seed: 1, result: null };
  return {
    report: {
      format: "mptcp-sim/1",
      version: "1.2.3",
      scenario: SCENARIO.name!,
      total: 3,
      plan: "1",
      runs: [...all.map(({ run }) => run), { ...failed, error: "bad: it <failed>" }],
    },
    drawn: all.map(({ drawn }) => drawn),
  };
}

/** The JSON of an element. */
function dataOf(html: string, id: string): string {
  const match = html.match(`<script type="application/json" id="${id}">([^]*?)</script>`);
  assert(match !== null, id);
  return match[1]!;
}

/** The points of a series. */
function pointsOf({ times, values }: Series): { times: number[]; values: number[] } {
  return { times: sums(times), values: sums(values) };
}

/** What a rate sums up to. */
function area(series: Series): number {
  const { times, values } = pointsOf(series);
  return times.reduce(
    (sum, time, at) => at === 0 ? 0 : sum + (time - times[at - 1]!) * values[at]! / 1e6,
    0,
  );
}

describe("the report of mptcp sim for a browser", () => {
  it("holds every run and plugin, and the same JSON as --json", async () => {
    const { report, drawn } = runs();
    const html = await toHtml(report, drawn, "mptcp sim two.yaml --runs 1");
    assertEquals(
      `${JSON.stringify(JSON.parse(dataOf(html, "summary")), null, 2)}\n`,
      toJson(report),
    );
    const { format, runs: shown } = JSON.parse(dataOf(html, "series"));
    assertEquals(format, "mptcp-sim-series/1");
    assertEquals(
      shown.map(({ index, seed, variant }: { index: number; seed: number; variant: string }) => [
        index,
        seed,
        variant,
      ]),
      [[0, 1, "round_robin"], [1, 1, "redundant"], [2, 1, "bad"]],
    );
    assertEquals(shown[0].events, SCENARIO.events);
    assertEquals(shown[2].series, []);
    for (const { series } of shown.slice(0, 2)) {
      assertEquals(
        new Set(series.map(({ chart }: Series) => chart)),
        new Set(["sequence", "goodput", "cwnd", "rtt", "queue", "buffer", "choices"]),
      );
    }
    for (
      const text of [
        "mptcp sim two.yaml --runs 1",
        "mptcp 1.2.3",
        "<dt>Seed</dt><dd>1</dd>",
        "two &lt;/script&gt; ways",
        "300 kB, &lt;b&gt;&amp; more&lt;/b&gt;",
        "bad: it &lt;failed&gt;",
        '<th scope="row">round_robin</th>',
        '<th scope="row">redundant</th>',
        "Copyright (c) 2022 Leon Sorokin",
      ]
    ) assert(html.includes(text), text);
  });

  it("is one file, which refers to nothing else and may load nothing", async () => {
    const { report, drawn } = runs();
    const html = await toHtml(report, drawn, "mptcp sim two.yaml");
    assertMatch(
      html,
      /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src/,
    );
    const markup = html.replaceAll(/(<script[^>]*>)[^]*?<\/script>/g, "$1");
    assertEquals(
      markup.match(/<(link|img|iframe|object|embed|base|a)\b|\s(src|href|srcset)=/g),
      null,
    );
    const style = /<style>([^]*?)<\/style>/.exec(html)![1]!;
    assertEquals(style.match(/@import|url\(/g), null);
    // What stands in names and texts begins and ends no element.
    assertEquals(html.match(/<\/script>/g)!.length, 4);
  });

  it("is the same text each time", async () => {
    const [one, other] = [runs(), runs()];
    assertEquals(
      await toHtml(one.report, one.drawn, "x"),
      await toHtml(other.report, other.drawn, "x"),
    );
  });
});

describe("the series of a run", () => {
  it("have every packet of each path, and all that was read", () => {
    const { report, drawn } = runs();
    report.runs.forEach(({ result }, i) => {
      if (result === null) return;
      const { series } = drawn[i]!;
      for (const { name, bytes } of result.traffic.down!.paths) {
        const carried = series.filter(({ chart, traffic, lane }) =>
          chart === "goodput" && traffic === "down" && lane === name
        );
        const sum = carried.reduce((all, one) => all + area(one), 0);
        assert(Math.abs(sum - bytes) < 100, `${name}: ${sum} of ${bytes}`);
        const { times, values } = pointsOf(
          series.find(({ chart, traffic, lane }) =>
            chart === "sequence" && traffic === "down" && lane === name
          )!,
        );
        assert(times.length > 20 && Math.max(...values) < 1e6);
        assert(times.every((time, at) => at === 0 || time >= times[at - 1]!));
      }
      const read = series.find(({ chart, traffic, side, name }) =>
        chart === "goodput" && traffic === "down" && side === "server" && name === "read"
      )!;
      assert(Math.abs(area(read) - 1e6) < 100, `${area(read)}`);
    });
  });

  it("put the buffer of the reader beside the sender's data", () => {
    const [{ series } = { series: [] }] = runs().drawn;
    const buffers = series.filter(({ chart, traffic }) => chart === "buffer" && traffic === "down");
    const most = Object.fromEntries(
      buffers.map((one) => [one.side, Math.max(...pointsOf(one).values)]),
    );
    assert(most.server! > 10_000 && most.client === 0, JSON.stringify(most));
  });

  it("keep the least and the most where there is no room for all", () => {
    for (const count of [7, 64, 65, 1000, 12_345]) {
      const points = new ThinnedPoints(64, false);
      const values = Array.from({ length: count }, (_, i) => Math.round(1000 * Math.sin(i * i)));
      const peak = Math.floor(count / 3);
      values[peak] = 5000;
      values[peak + 1] = -5000;
      values.forEach((value, i) => points.add(i, value));
      const { times, values: kept } = points.points;
      assert(times.length <= 66, `${times.length} of ${count}`);
      assertEquals(points.merged === 1, count <= 64);
      times.forEach((time, i) => {
        assertEquals(kept[i], values[time]);
        assert(i === 0 || time > times[i - 1]!);
      });
      assertEquals([Math.max(...kept), Math.min(...kept)], [5000, -5000]);
      assert(times[0]! <= 2 * points.merged && times.at(-1)! >= count - 2 * points.merged - 1);
    }
  });

  it("leave out what is on a level line", () => {
    const points = new ThinnedPoints(64, true);
    for (let i = 0; i < 1e5; i++) points.add(i, i < 10 ? i : 3);
    assertEquals(points.merged, 1);
    assertEquals(points.points.times, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99_999]);
  });
});
