import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BoardRun, makeBoard, toText } from "../../bench/leaderboard/board.ts";
import { type Discipline, disciplines } from "../../bench/leaderboard/disciplines.ts";
import { runBoard } from "../../bench/leaderboard/main.ts";
import { toPage } from "../../bench/leaderboard/page.ts";
import type { Measurement } from "../../sim/mod.ts";
import { lookAt } from "../support/browser.ts";
import { needs } from "../support/tools.ts";

/** A measurement of which only what counts is there. */
function made(goodput: number, mean: number): Measurement {
  return {
    faults: [],
    traffic: { file: { goodput, delays: { mean } } },
  } as unknown as Measurement;
}

describe("the leaderboard", () => {
  it("measures by the default, in which direction better is, over the seeds", () => {
    const common = { title: "", about: "", scenario: { traffic: {} }, traffic: "file" } as const;
    const all: Discipline[] = [
      { ...common, id: "fast", figure: "goodput" },
      { ...common, id: "soon", figure: "mean", kinds: ["scheduler"] },
    ];
    const results: Readonly<Record<string, readonly Measurement[]>> = {
      usual: [made(100, 10), made(300, 30)],
      good: [made(400, 10), made(400, 10)],
      bad: [made(50, 80), made(50, 80)],
    };
    const runs = Object.entries(results).flatMap(([name, both]) =>
      all.flatMap(({ id }) =>
        both.map((result): BoardRun => ({ kind: "scheduler", name, discipline: id, result }))
      )
    );
    runs.push(
      { kind: "scheduler", name: "broken", discipline: "fast", result: made(1, 1) },
      { kind: "scheduler", name: "broken", discipline: "soon", result: "it failed" },
    );
    const names = ["usual", "broken", "bad", "good"];
    const { families } = makeBoard(all, { scheduler: names }, runs, {}, [1, 2], false);
    const [{ rows, disciplines: own }] = families as [typeof families[0] & object];
    assertEquals(own, ["fast", "soon"]);
    assertEquals(rows.map(({ name }) => name), ["usual", "good", "bad", "broken"]);
    const [usual, good, bad, broken] = rows;
    assertEquals(usual!.cells.fast, { values: [100, 300], mean: 200, ratio: 1, score: 1 });
    assertEquals([good!.cells.fast!.ratio, good!.cells.soon!.ratio], [2, 0.5]);
    assertAlmostEquals(good!.score!, 2);
    assertAlmostEquals(bad!.score!, 0.25);
    assertEquals([broken!.score, broken!.cells.soon, broken!.troubles], [
      null,
      null,
      ["it failed"],
    ]);
  });

  it("has the same disciplines in short", () => {
    const [short, long] = [true, false].map((quick) => disciplines(quick).map(({ id }) => id));
    assertEquals(short, long);
  });
});

/** Looks at the page, and sorts its first table by its second discipline, then by names. */
const LOOK = String.raw`
const errors = [];
addEventListener("error", ({ message }) => errors.push(message));
addEventListener("securitypolicyviolation", ({ violatedDirective }) => errors.push(violatedDirective));
addEventListener("load", () => {
  const inks = [...document.querySelectorAll("canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colours.add(data.slice(i, i + 3).join());
    return colours.size;
  });
  const table = document.querySelector("table.board");
  const column = (n) => [...table.tBodies[0].rows].map((row) => row.cells[n].dataset.value);
  const sort = (n) => table.tHead.rows[0].cells[n].querySelector("button").click();
  sort(3);
  const scores = column(3).map(Number);
  sort(0);
  tell({
    errors,
    inks,
    scores,
    names: column(0),
    tables: document.querySelectorAll("table.board").length,
    titles: [...document.querySelectorAll("h3")].map(({ textContent }) => textContent),
    coloured: document.querySelectorAll("td.better, td.worse").length,
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
  });
});
`;

interface Seen {
  readonly errors: readonly string[];
  readonly inks: readonly number[];
  readonly scores: readonly number[];
  readonly names: readonly string[];
  readonly tables: number;
  readonly titles: readonly string[];
  readonly coloured: number;
  readonly wider: number;
  readonly background: string;
}

describe("the leaderboard's page in Chromium", () => {
  const { it } = needs("chromium");

  it("has every plugin's figures, draws them wide and narrow, light and dark, and sorts", async () => {
    const board = await runBoard({
      kinds: ["scheduler", "congestion-control", "path-manager"],
      own: { "scheduler": [], "congestion-control": [], "path-manager": [] },
      only: ["redundant", "wvegas", "manual"],
      seeds: [1],
      quick: true,
      workers: 2,
    });
    assertEquals(
      board.families.map(({ rows }) => rows.map(({ name, troubles }) => [name, troubles])),
      [
        [["earliest", []], ["redundant", []]],
        [["lia", []], ["wvegas", []]],
        [["full_mesh", []], ["manual", []]],
      ],
    );
    for (const { rows, cost, disciplines } of board.families) {
      for (const row of rows) {
        assert(cost === null || row.cost! > 0, row.name);
        for (const id of disciplines) assert(row.cells[id]!.mean > 0, `${row.name} ${id}`);
      }
    }
    assert(toText(board).includes("redundant"));
    const html = await toPage(board, "deno task leaderboard");
    for (const [width, dark] of [[1280, false], [400, true]] as const) {
      const seen = await lookAt<Seen>(html, LOOK, width, dark);
      assertEquals([seen.errors, seen.tables, seen.wider], [[], 3, 0]);
      assertEquals(seen.titles.length, 6);
      assert(seen.inks.length === 6 && seen.inks.every((colours) => colours >= 2), `${seen.inks}`);
      assert(seen.coloured > 0);
      assertEquals(seen.scores, [...seen.scores].sort((a, b) => b - a));
      assertEquals(seen.names, ["earliest", "redundant"]);
      assertEquals(seen.background, dark ? "rgb(16, 20, 24)" : "rgb(255, 255, 255)");
    }
  });
});
