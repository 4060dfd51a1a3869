/** Fuzz of packets. `SOAK_PACKETS` tells how many there are, `SOAK_SEED` from which number they follow. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Fuzzed, fuzzOffPath, fuzzPeer } from "./packet_fuzz.ts";

const PACKETS = Number(Deno.env.get("SOAK_PACKETS") ?? 100000);
const SEED = Number(Deno.env.get("SOAK_SEED") ?? 1);
/** Packets of a run: each begins with fresh stacks. */
const RUN = 10000;

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

/** Holds runs to what must be so; `share` of the packets are theirs. */
function holds(fuzz: (count: number, seed: number) => Fuzzed, share: number): Fuzzed[] {
  const runs: Fuzzed[] = [];
  for (let i = 0; i < PACKETS * share / RUN; i++) {
    const seed = SEED + i;
    let run: Fuzzed;
    try {
      run = fuzz(RUN, seed);
    } catch (error) {
      throw new Error(`seed ${seed} throws`, { cause: error });
    }
    const { left, bytesLeft, faults, wrong } = run;
    const found = { left, bytesLeft, faults: faults.map(({ error }) => `${error}`), wrong };
    assertEquals(
      found,
      { left: left.map(() => NOTHING), bytesLeft: 0, faults: [], wrong: [] },
      `seed ${seed}`,
    );
    runs.push(run);
  }
  return runs;
}

describe(`fuzz of ${PACKETS} packets from seed ${SEED} on`, () => {
  it("of a peer that knows every number and key: nothing throws, loops or is left over", () => {
    const runs = holds(fuzzPeer, 0.7);
    const total = (what: "sent" | "connections"): number =>
      runs.reduce((sum, run) => sum + run[what], 0) / runs.length;
    // It gets somewhere.
    assert(total("sent") > RUN / 10, `${total("sent")} packets sent a run`);
    assert(total("connections") > 20, `${total("connections")} connections a run`);
  });

  it("of somebody who guesses: no stream changes, no connection ends", () => {
    for (const { connections } of holds(fuzzOffPath, 0.3)) assertEquals(connections, 8);
  });
});
