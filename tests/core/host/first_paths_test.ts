import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Way } from "../../../core/connection/host.ts";
import { FirstPaths } from "../../../core/host/first_paths.ts";
import * as fc from "../../support/property.ts";

const SECOND = 1e6;
const DELAY = 250e3;

function way(local: string, remote = "10.0.0.1"): Way {
  return { local: { address: local }, remote: { address: remote, port: 80 } };
}

function locals(ways: readonly Way[]): string[] {
  return ways.map(({ local }) => local.address);
}

describe("what a host remembers of the ways to a destination", () => {
  const ways = ["a", "b", "c", "d"].map((local) => way(local));

  it("puts what answers first, the fastest before all, then the unknown, the late and the silent", () => {
    const table = new FirstPaths();
    assertEquals(locals(table.order(ways, 0)), ["a", "b", "c", "d"]);
    table.silent(way("a"), 0);
    table.late(way("b"), 0);
    table.answered(way("d"), 20e3, 0);
    assertEquals(locals(table.order(ways, 0)), ["d", "c", "b", "a"]);
    table.answered(way("c"), 10e3, 0);
    assertEquals(locals(table.order(ways, 0)), ["c", "d", "b", "a"]);
    assertEquals([table.answers(way("c"), 0), table.answers(way("b"), 0)], [true, false]);
  });

  it("leaves the order that somebody has chosen alone, but for what was silent", () => {
    const table = new FirstPaths();
    table.late(way("a"), 0);
    table.silent(way("b"), 0);
    table.answered(way("d"), 20e3, 0);
    assertEquals(locals(table.order(ways, 0, true)), ["a", "c", "d", "b"]);
  });

  it("puts back, of an order that somebody has chosen, what was late twice in a row: its SYN may never be answered", () => {
    const table = new FirstPaths();
    const [a, b] = [way("a"), way("b")];
    const both = [a, b];
    table.late(a, 0);
    assertEquals(table.order(both, 0, true), [a, b]);
    table.late(a, 1e6);
    assertEquals(table.order(both, 1e6, true), [b, a]);
    // A join over it is answered: it is slow, and no more.
    table.answered(a, 600e3, 2e6);
    assertEquals(table.order(both, 2e6, true), [a, b]);
    table.late(a, 3e6);
    assertEquals(table.order(both, 3e6, true), [a, b]);
    table.late(a, 4e6);
    assertEquals(table.order(both, 5e6 + 600e6, true), [a, b], "forgotten");
  });

  it("is of one destination: another is unknown", () => {
    const table = new FirstPaths();
    table.silent(way("a"), 0);
    const other = ["a", "b"].map((local) => way(local, "10.0.9.9"));
    assertEquals(locals(table.order(other, 0)), ["a", "b"]);
  });

  it("is forgotten after 10 minutes, and renewed by what is found since", () => {
    const table = new FirstPaths();
    table.silent(way("a"), 0);
    table.answered(way("c"), 10e3, 0);
    assertEquals(locals(table.order(ways, 599 * SECOND)), ["c", "b", "d", "a"]);
    table.answered(way("c"), 10e3, 599 * SECOND);
    assertEquals(locals(table.order(ways, 600 * SECOND)), ["c", "a", "b", "d"]);
    assertEquals(locals(table.order(ways, 1199 * SECOND)), ["a", "b", "c", "d"]);
    assertEquals(table.size, 0);
  });

  it("has 256 destinations with 16 source addresses each, at most", () => {
    const table = new FirstPaths();
    for (let i = 0; i <= 256; i++) table.answered(way("a", `10.0.${i}.1`), 1e3, 0);
    assertEquals(table.size, 256);
    assertEquals(
      [0, 1, 256].map((i) => table.answers(way("a", `10.0.${i}.1`), 0)),
      [false, true, true],
    );
    for (let i = 0; i <= 16; i++) table.answered(way(`s${i}`, "10.9.9.9"), 1e3, 0);
    assertEquals(
      [0, 1, 16].map((i) => table.answers(way(`s${i}`, "10.9.9.9"), 0)),
      [false, true, true],
    );
  });

  it("alternates interfaces and addresses of the destination where nothing is known", () => {
    const table = new FirstPaths();
    const pairs = ["fd00::1", "10.0.0.1"].flatMap((remote) =>
      ["wifi", "lte"].map((local) => way(local, remote))
    );
    assertEquals(
      table.order(pairs, 0).map(({ local, remote }) => `${local.address} ${remote.address}`),
      ["wifi fd00::1", "lte 10.0.0.1", "lte fd00::1", "wifi 10.0.0.1"],
    );
  });

  it("gives what is unknown the delay, and what is known twice its round trip, from 100 ms to 2 s", () => {
    const table = new FirstPaths();
    const [a, b] = ways as [Way, Way];
    assertEquals(table.wait(a, b, DELAY, false, 0), DELAY);
    table.late(b, 0);
    for (
      const [rtt, wait] of [[1e3, 100e3], [80e3, 160e3], [300e3, 600e3], [4e6, 2e6]] as const
    ) {
      table.answered(a, rtt, 0);
      assertEquals(table.wait(a, b, DELAY, false, 0), wait);
    }
    table.answered(a, 1e3, 0);
    assertEquals(table.wait(a, b, 20e3, false, 0), 20e3, "a shorter delay was asked for");
  });

  it("gives 10 ms where nothing is known of either and all are as good, and no less than that elsewhere", () => {
    const table = new FirstPaths();
    const [a, b] = ways as [Way, Way];
    assertEquals(table.wait(a, b, DELAY, true, 0), 10e3);
    table.silent(a, 0);
    assertEquals(table.wait(a, b, DELAY, true, 0), DELAY);
    assertEquals(table.wait(b, a, DELAY, true, 0), DELAY);
    table.answered(a, 300e3, 0);
    table.late(b, 0);
    assertEquals(table.wait(a, b, DELAY, true, 0), 600e3);
  });

  it("tries what it does not know after half the round trip of what it knows", () => {
    const table = new FirstPaths();
    const [a, b] = ways as [Way, Way];
    table.answered(a, 200e3, 0);
    assertEquals(table.wait(a, b, DELAY, false, 0), 100e3);
    table.answered(a, 19e3, 0);
    assertEquals(table.wait(a, b, DELAY, false, 0), 100e3, "RFC 8305 §5: never less than 10 ms");
  });

  it("orders any findings without losing a way, the silent never before what answers", () => {
    const finding = fc.record({
      local: fc.integer({ min: 0, max: 4 }),
      remote: fc.integer({ min: 0, max: 2 }),
      kind: fc.constantFrom("answered" as const, "late" as const, "silent" as const),
      rtt: fc.integer({ min: 1, max: 1e6 }),
      at: fc.integer({ min: 0, max: 900e6 }),
    });
    fc.assert(
      fc.property(fc.array(finding, { maxLength: 60 }), (findings) => {
        const table = new FirstPaths();
        const all = [0, 1, 2, 3, 4].flatMap((l) => [0, 1, 2].map((r) => way(`l${l}`, `r${r}`)));
        const last = new Map<string, (typeof findings)[number]>();
        let now = 0;
        for (const each of [...findings].sort((a, b) => a.at - b.at)) {
          now = each.at;
          const one = way(`l${each.local}`, `r${each.remote}`);
          if (each.kind === "answered") table.answered(one, each.rtt, now);
          else table[each.kind](one, now);
          last.set(`${one.local.address} ${one.remote.address}`, each);
        }
        const ordered = table.order(all, now);
        assertEquals(new Set(ordered), new Set(all));
        assertEquals(ordered.length, all.length);
        const ranks = ordered.map(({ local, remote }) => {
          const known = last.get(`${local.address} ${remote.address}`);
          if (known === undefined || now >= known.at + 600e6) return [1, 0];
          return known.kind === "answered" ? [0, known.rtt] : [known.kind === "late" ? 2 : 3, 0];
        }) as [number, number][];
        for (let i = 1; i < ranks.length; i++) {
          const [a, b] = [ranks[i - 1]!, ranks[i]!];
          assert(a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]));
        }
      }),
    );
  });
});
