/** The round trip grows beyond the retransmission timeout, and nothing is lost: the timeout learns it (RFC 6298 §5.5 to §5.7, RFC 7323 §4). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Choices } from "../support/choices.ts";
import { OneWay } from "../support/one_way.ts";
import { type PathShape, Topology } from "../support/topology.ts";

/** Most timeouts of a subflow: two doublings of 200 ms reach 800 ms, and a first sample of 2 s then gives more than that. */
const MOST_TIMEOUTS = 3;

const path = (roundTrip: number): PathShape => ({
  rate: "4 Mbit/s",
  delay: `${roundTrip / 2} ms`,
  // Nothing is dropped, whatever a window grows to.
  queue: 20000,
});

/** What is written, and how often in seconds. */
const LOADS = [
  { name: "bulk", bytes: 200e3, each: 0.4 },
  { name: "a message a second", bytes: 1000, each: 1 },
] as const;

/** Runs a load while a round trip goes `from` milliseconds `to` milliseconds at second 5. Timeouts until 60 s after that, and in the two minutes then. */
function timeouts(
  paths: number,
  client: Choices,
  [from, to]: readonly [number, number],
  load: typeof LOADS[number],
): readonly [number, number] {
  const names = ["a", "b"].slice(0, paths);
  using t = new Topology({
    paths: Object.fromEntries(names.map((name) => [name, path(from)])),
    client,
  });
  const way = new OneWay(t);
  for (let second = 1; second < 190; second += load.each) {
    t.at(second, () => way.write(load.bytes));
  }
  t.runTo(5);
  for (const name of names) t.paths[name]!.set({ delay: `${to / 2} ms` });
  const count = (): number =>
    t.client.counters.get("TCPTimeouts") + t.server.counters.get("TCPTimeouts");
  t.runTo(65);
  const first = count();
  t.runTo(185);
  const then = count() - first;
  t.runUntil(() => way.read === way.written, 400);
  assert(way.read > 100e3, `${way.read} bytes`);
  return [first, then];
}

describe("a round trip that grows without a loss", () => {
  for (const [from, to] of [[20, 100], [20, 2000], [4000, 4000]] as const) {
    for (const load of LOADS) {
      for (
        const [kind, paths, client] of [
          ["plain TCP", 1, { mptcp: false }],
          ["one subflow", 1, {}],
          ["two subflows", 2, {}],
        ] as const
      ) {
        const what = from === to ? `${to} ms from the start` : `from ${from} to ${to} ms`;
        it(`${what}: at most ${MOST_TIMEOUTS} timeouts of a subflow, then none (${load.name}, ${kind})`, () => {
          const [first, then] = timeouts(paths, client, [from, to], load);
          assert(first <= MOST_TIMEOUTS * paths, `${first} timeouts`);
          assertEquals(then, 0);
        });
      }
    }
  }
});
