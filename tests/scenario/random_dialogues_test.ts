/**
 * Random dialogues: whatever a peer says, in whatever state, what random_dialogues.ts lists holds after each segment. `SOAK_DIALOGUES` tells how many seeds
 * are played, `SOAK_DIALOGUE` one seed alone, whose last lines are printed.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FIN_WAIT_2, LAST_ACK, SYN_SENT } from "../../core/subflow/state.ts";
import { playDialogue } from "./random_dialogues.ts";

const ONE = Deno.env.get("SOAK_DIALOGUE");
const DIALOGUES = Number(Deno.env.get("SOAK_DIALOGUES") ?? 2000);
/** Dialogues of a test. */
const BATCH = Math.max(500, DIALOGUES / 40);
/** Lines that are told of a dialogue that failed. */
const LINES = 25;

/** Seeds that failed once, and what was wrong then: always played. */
const KEPT: ReadonlyMap<number, string> = new Map([
  [472, "no user timeout where what is DATA_ACKed left no room on the only subflow"],
  [289, "a subflow that was left fell back: its FIN counted as a byte of data"],
  [
    3716,
    "the first data went again under MP_CAPABLE, which says that they are the first of the subflow",
  ],
  [13573, "a peer whose DATA_FIN came before a fallback owed its FIN for ever"],
  [
    3324,
    "paths were opened after MP_FAIL on the only subflow, which then was left with its damage",
  ],
  [1425, "a DATA_FIN that damage kept back was looked at each round trip once a minute had passed"],
  [94402, "a window that was too small was looked at five times a second, while nobody had room"],
]);

/** What was wrong with a seed, and the way to it; null: nothing. */
function failureOf(seed: number): string | null {
  const { wrong } = playDialogue(seed);
  if (wrong === null) return null;
  const lines: string[] = [];
  playDialogue(seed, (line) => lines.push(line));
  const again = `SOAK_DIALOGUE=${seed} deno test -A tests/scenario/random_dialogues_test.ts`;
  return `seed ${seed}: ${wrong}\n  again: ${again}\n  ${lines.slice(-LINES).join("\n  ")}`;
}

function holds(seeds: readonly number[]): void {
  const failures = seeds.map(failureOf).filter((failure) => failure !== null);
  assert(
    failures.length === 0,
    `${failures.length} of ${seeds.length}\n${failures.slice(0, 5).join("\n")}`,
  );
}

describe("a random dialogue: the invariants of TCP and MPTCP hold after each segment", () => {
  if (ONE !== undefined) {
    it(`seed ${ONE}`, () => holds([Number(ONE)]));
    return;
  }
  for (const [seed, was] of KEPT) {
    it(`seed ${seed}, which failed once: ${was}`, () => holds([seed]));
  }

  for (let first = 1; first <= DIALOGUES; first += BATCH) {
    const last = Math.min(DIALOGUES, first + BATCH - 1);
    it(`seeds ${first} to ${last}`, () => {
      holds(Array.from({ length: last - first + 1 }, (_, i) => first + i));
    });
  }

  it("reaches every state that a living subflow can be in, and brings data, in 200 of them", () => {
    let states = 0;
    let read = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const verdict = playDialogue(seed);
      states |= verdict.states;
      read += verdict.read;
    }
    // A subflow in CLOSING or TIME-WAIT does not last long enough to be seen often.
    const seen = [SYN_SENT, 3, 4, FIN_WAIT_2, 6, LAST_ACK].map((state) => states >> state & 1);
    assertEquals(seen, [1, 1, 1, 1, 1, 1]);
    assert(read > 100000, `${read} bytes read`);
  });

  it("is one dialogue a seed", () => {
    const told = [1, 2].map(() => {
      const lines: string[] = [];
      playDialogue(7, (line) => lines.push(line));
      return lines.join("\n");
    });
    assertEquals(told[0], told[1]);
  });
});
