/** `deno task bench:promise`: what it measures, and what it makes of its figures. */

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fileURLToPath, pathToFileURL } from "node:url";
import "../../mod.ts";
import { lia, reno } from "../../cc/mod.ts";
import { defaultPolicies } from "../../core/net/policies.ts";
import { type CellResult, run } from "../../bench/promise/cell_job.ts";
import { type Cell, cellName, gridCells, parseCell } from "../../bench/promise/cells.ts";
import { fromFile, toFile } from "../../bench/promise/file.ts";
import { pageOf } from "../../bench/promise/page.ts";
import { atBest, dialogueOf, exchange } from "../../bench/promise/exchange.ts";
import { cellsOver, heatTable, runGrid } from "../../bench/promise/grid.ts";
import { drawHeatMap, squaresOf } from "../../bench/promise/heat_map.ts";
import { DEFAULT } from "../../bench/promise/policies.ts";
import { measuredBy, PROMISE, verdictsOf } from "../../bench/promise/summary.ts";
import { goalsOf, NETWORKS } from "../../bench/promise/tables/goals.ts";
import { TABLES } from "../../bench/promise/tables/mod.ts";
import { figureText, isKept } from "../../bench/promise/tables/table.ts";

const job = { schedulers: [DEFAULT], congestion: DEFAULT, seeds: 3, tcp: null };

describe("a cell", () => {
  it("that fails is named, and the others count", async () => {
    const [sound] = gridCells();
    // A path of 1 bit/s takes longer than is waited for.
    const never: Cell = { ...sound!, paths: [{ mbit: 1e-6, rtt: 10 }, { mbit: 1e-6, rtt: 10 }] };
    const { figures, failed } = await runGrid([never, sound!], { ...job, seeds: 1 });
    assertEquals(figures.cells.map(({ cell }) => cell), [cellName(sound!)]);
    assertEquals(failed.length, 1);
    assertStringIncludes(failed[0]!, cellName(never));
  });

  it("gives the same figures each time", async () => {
    const cell = "8/40+20/10 queue=1 loss=1%@1 30kB kept buffer=2";
    assertEquals(await run({ ...job, cell }), await run({ ...job, cell }));
  });

  it("begins on the slower path where that is asked for, and finds the better one", async () => {
    const cell = "8/10+100/10 queue=4 loss=0 10kB kept buffer=2";
    const [better, slower] = await Promise.all(
      [false, true].map(async (slower) => (await run({ ...job, cell, slower })).runs[DEFAULT]!),
    );
    assertAlmostEquals(better!.ratio, 1, 0.05);
    assertGreater(slower!.ratio, 1.1);
    // It stayed there: 1.92.
    assertLess(slower!.ratio, 1.4);
  });

  it("takes the times by TCP from an earlier run", async () => {
    const cell = "8/40+20/10 queue=1 loss=0 30kB fresh buffer=auto";
    const { tcp, runs } = await run({ ...job, cell });
    assert(tcp.times[1] < tcp.times[0]);
    const doubled = { ...tcp, times: [2 * tcp.times[0], 2 * tcp.times[1]] as const };
    const again = await run({ ...job, cell, tcp: doubled });
    assertAlmostEquals(again.runs[DEFAULT]!.ratio, runs[DEFAULT]!.ratio / 2, 1e-9);
  });

  it("takes by TCP what its path says: round trips, and its bytes at its rate", () => {
    const policies = defaultPolicies();
    const dialogue = dialogueOf(parseCell("8/40+2/100 queue=4 loss=0 1MB fresh buffer=auto")!);
    const [{ times: [one] }, { times: [other] }] = [1, 2].map((from) =>
      exchange(dialogue, { mptcp: false, from, policies, seed: 1 })
    ) as [ReturnType<typeof exchange>, ReturnType<typeof exchange>];
    // Two round trips until the first byte, and the packets of 1448 bytes in 1500.
    const least = (mbit: number, rtt: number): number => 2e3 * rtt + 1e6 * 8 / mbit * 1500 / 1448;
    for (const [time, bound] of [[one!, least(8, 40)], [other!, least(2, 100)]] as const) {
      assert(time >= bound && time < 1.25 * bound, `${time} of ${bound}`);
    }
  });

  it("is measured with a scheduler of one's own beside the default", async () => {
    const folder = await Deno.makeTempDir();
    try {
      // It sends on the path with the longest round trip alone.
      await Deno.writeTextFile(
        `${folder}/slowest.ts`,
        `export default () => ({
  kind: "scheduler",
  name: "slowest",
  create: (connection) => ({
    pick(ready) {
      const slowest = connection.subflows.reduce((a, b) => a.srtt >= b.srtt ? a : b);
      return ready.find((each) => each.path === slowest.path) ?? null;
    },
  }),
});`,
      );
      const slowest = pathToFileURL(`${folder}/slowest.ts`).href;
      const { runs } = await run({
        ...job,
        schedulers: [DEFAULT, slowest],
        cell: "20/10+20/100 queue=1 loss=0 100kB kept buffer=auto",
      });
      assertGreater(runs[slowest]!.ratio, 2);
      assertLess(runs[DEFAULT]!.ratio, runs[slowest]!.ratio);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

describe("what two paths would give together", () => {
  const arrivals = (...pairs: [at: number, bytes: number][]) =>
    pairs.map(([at, bytes]) => ({ at, bytes }));

  it("is there when the bytes of both make the response", () => {
    const one = arrivals([10, 100], [20, 200], [30, 300], [40, 400]);
    const other = arrivals([15, 100], [25, 200], [100, 400]);
    assertEquals(atBest(400, one, other, 0), 25);
    assertEquals(atBest(400, one, other, 1000), 40);
    assertEquals(atBest(400, other, one, 0), 25);
  });
});

describe("the summary", () => {
  const result = (cell: string, ratio: number, repeated = 0): CellResult => ({
    cell,
    tcp: { times: [1e3, 2e3], floor: 0.8 },
    runs: { [DEFAULT]: { time: 1e3 * ratio, ratio, repeated, retransmitted: 0, faults: [] } },
  });
  const names = gridCells().slice(0, 200).map(cellName);

  it("keeps the promise where each cell does, and says what misses", () => {
    const good = measuredBy(names.map((name) => result(name, 0.9)), DEFAULT);
    assert(verdictsOf(good).every(({ kept }) => kept));
    const lossy = names.find((name) => !name.includes("loss=0 "))!;
    const one = measuredBy(
      names.map((name) => result(name, name === lossy ? 1.2 : 0.9)),
      DEFAULT,
    );
    assertEquals(verdictsOf(one).filter(({ kept }) => !kept).map(({ what }) => what), [
      "worst with loss",
    ]);
    assertEquals(cellsOver(one).map(({ name }) => name), [lossy]);
  });

  it("judges extra bytes over the grid, and on equal paths without loss", () => {
    const equal = "20/40+20/40 queue=1 loss=0 1MB kept buffer=auto";
    const measured = measuredBy(
      [...names.map((name) => result(name, 0.9, 0.01)), result(equal, 0.9, 0.001)],
      DEFAULT,
    ).filter(({ name, cell: { paths: [a, b], loss } }) =>
      name === equal || loss.path !== 0 || a.mbit !== b.mbit || a.rtt !== b.rtt
    );
    const missed = verdictsOf(measured).filter(({ kept }) => !kept);
    assertEquals(missed.map(({ figure }) => figure), [0.001]);
  });

  it("has every cell in one square of its size, and in one of all sizes", () => {
    const measured = measuredBy(names.map((name) => result(name, 0.9)), DEFAULT);
    const squares = squaresOf(measured);
    const count = (all: boolean): number =>
      squares.filter(({ size }) => (size === null) === all)
        .reduce((sum, { cells }) => sum + cells, 0);
    assertEquals([count(true), count(false)], [names.length, names.length]);
    assertStringIncludes(heatTable(measured), "0.90 (0.90)");
  });

  it("is a file that is read back, and a page of words", () => {
    const figures = {
      congestion: DEFAULT,
      seeds: 20,
      schedulers: [DEFAULT],
      cells: names.map((name, i) => result(name, i === 7 ? 1.5 : 0.9)),
    };
    const measured = measuredBy(figures.cells, DEFAULT);
    const text = toFile(figures, { [DEFAULT]: verdictsOf(measured) });
    assertEquals(fromFile(text), figures);
    assertThrows(() => fromFile(text.replace("TCP over path 1", "TCP")), TypeError, "--json");
    const page = pageOf(figures, "some scheduler, some control");
    for (const part of ["`some scheduler, some control`", `\`${names[7]}\` | 1.50`, "**missed**"]) {
      assertStringIncludes(page, part);
    }
  });

  it("is drawn as a picture with a title, units and a panel for each size", async () => {
    const measured = measuredBy(names.map((name) => result(name, PROMISE.worst + 0.05)), DEFAULT);
    const svg = await drawHeatMap(measured, "A title");
    for (const text of ["<svg", "A title", "all sizes", "300kB", "longer round trip", "1.15"]) {
      assertStringIncludes(svg, text);
    }
  });
});

describe("the further tables", () => {
  it("measure a row with figures and bounds", async () => {
    const row = "20 Mbit/s 10 ms + 4 Mbit/s 100 ms, 10kB";
    const { figures, faults } = await TABLES.requests!.run(row, defaultPolicies());
    assertEquals(faults, []);
    // A round trip and 10 kB at 20 Mbit/s.
    assertAlmostEquals(figures["TCP, ms"]!.value, 24.2, 0.5);
    assertEquals(figures.ratio!.most, 1);
    assertThrows(() => TABLES.requests!.run("no such row", defaultPolicies()), RangeError);
  });

  it("connect without a local address where nothing is known of the destination", async () => {
    const { figures } = await TABLES["first-path"]!.run(
      "8/40 first, then 50/10, 100kB",
      defaultPolicies(),
    );
    assertAlmostEquals(figures["TCP on the better path, ms"]!.value, 51.3, 1);
    assertEquals(figures["MPTCP, ms"]!.most, Math.round(51.3 * 1.1 + 40));
    assert(figures["MPTCP, ms"]!.value < 200);
  });

  it("hold figures against their bounds as they are printed", () => {
    assertEquals([0.97049, 12.345, 123.4].map(figureText), ["0.970", "12.3", "123"]);
    assert(isKept({ value: 0.96951, least: 0.97 }));
    assert(!isKept({ value: 0.9694, least: 0.97 }));
    assert(!isKept({ value: Infinity, most: 600 }));
    assert(isKept({ value: 5 }));
  });
});

describe("the goals of RFC 6356", () => {
  const span = { seeds: [1, 2], from: 5, to: 25 };

  it("are measured on 12 networks at least, with 2, 3 and 4 subflows, over shared bottlenecks too", () => {
    assert(NETWORKS.length >= 12);
    for (const subflows of [2, 3, 4]) {
      const over = NETWORKS.filter(({ ways }) => ways.length === subflows);
      assert(over.some(({ ways }) => ways.every((way) => way.over === 0)), `${subflows} subflows`);
    }
  });

  it("show that uncoupled subflows of reno take more than one TCP of a shared bottleneck, and those of lia do not", () => {
    const [network] = NETWORKS;
    const harm = (congestionControl: ReturnType<typeof lia>): number =>
      goalsOf(network!, { ...defaultPolicies(), congestionControl }, span).figures["goal 2"]!.value;
    const [uncoupled, coupled] = [harm(reno()), harm(lia())];
    assert(uncoupled > 1.3, `reno ${uncoupled}`);
    assert(coupled < 1.2, `lia ${coupled}`);
  });
});

describe("the command", () => {
  const command = async (...args: string[]): Promise<{ code: number; text: string }> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "-q", "bench:promise", ...args],
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  };

  it("measures the cell of a name, and writes its figures and picture where they are wanted", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const name = "20/10+20/10 queue=1 loss=0 1MB kept buffer=auto";
      const [json, svg] = [`${folder}/figures.json`, `${folder}/map.svg`];
      const { code, text } = await command("--cells", name, "--json", json, "--svg", svg);
      assertStringIncludes(text, "of round trips: default", text);
      assertStringIncludes(text, "extra bytes, equal paths without loss, most");
      assert(code === 0 || text.includes("MISSED"), text);
      const figures = fromFile(await Deno.readTextFile(json));
      assertEquals(figures.cells.map(({ cell }) => cell), [name]);
      assertLess(figures.cells[0]!.runs[DEFAULT]!.ratio, 0.8);
      assertStringIncludes(await Deno.readTextFile(svg), "<svg");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("refuses what it cannot measure, and says what may be written", async () => {
    for (
      const [args, message] of [
        [["--cells", "5MB"], "a name is"],
        [["--table", "goal"], "must be one of bulk, requests, streaming, first-path, goals"],
        [["--table", "bulk", "--quick"], "--quick is of the grid"],
        [["--scheduler", "none"], "--scheduler: Cannot use none as a scheduler"],
        [["--cc", "lia", "--cc", "reno"], "--cc: the grid is of one"],
        [["--quick", "--docs"], "the page is of the whole grid"],
        [["--json", "/nowhere/at/all.json"], "--json: Cannot write /nowhere/at/all.json"],
        [["--tcp", "/nowhere"], "--tcp: Cannot read /nowhere"],
      ] as const
    ) {
      const { code, text } = await command(...args);
      assertEquals(code, 2, text);
      assertStringIncludes(text, message);
    }
  });

  it("names a plugin that never returns when it is loaded", async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/endless.ts`, "for (;;);");
      const { code, text } = await command("--quick", "--cc", `${folder}/endless.ts`);
      assertEquals(code, 2, text);
      assertStringIncludes(text, "endless.ts does not come to an end");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
