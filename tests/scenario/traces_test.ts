/** Every packet of 24 scenarios is as it was recorded: a change of the stack's inside shows nothing outside. What the sender's lists cost is counted. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { countSteps } from "../support/steps.ts";
import { difference, readRecordings, type Recording, run } from "./traces.ts";
import { SCENARIOS } from "./traces_scenarios.ts";

describe("packet traces", () => {
  const recordings = readRecordings();

  for (const scenario of SCENARIOS) {
    it(scenario.name, () => {
      const { result, acks, steps, dear, most } = countSteps(() => run(scenario));
      const text = difference(scenario.name, recordings[scenario.name], result);
      assert(text === null, text ?? "");
      // What an ACK costs the sender hangs on what is new in it, not on what is in flight; three old blocks at once are found by three bisections, of 300 pieces at most.
      assert(steps <= 16 * acks, `${steps} steps for ${acks} ACKs`);
      assert(dear <= acks / 300 && most <= 18, `${dear} of ${acks} ACKs, by ${most} steps`);
    });
  }

  it("are recorded for these scenarios and no other", () => {
    assertEquals(Object.keys(recordings), SCENARIOS.map(({ name }) => name));
    assertEquals(SCENARIOS.length, 24);
  });
});

describe("a trace that differs", () => {
  const recording: Recording = {
    sent: 10,
    delivered: 9,
    bytes: 1000,
    micros: 2.5,
    client: { MPJoinSynTx: 1 },
    server: {},
    sha256: "00",
  };

  it("is told by the scenario, the first figure, and how to see every packet", () => {
    const text = difference("some", recording, { ...recording, micros: 2.25, sha256: "01" }) ?? "";
    assert(text.startsWith("some: microseconds was 2.5 and is 2.25."), text);
    assert(text.includes("traces.ts --dump some FILE"), text);
  });

  it("is told by a counter where one differs, also one that was 0", () => {
    const text = difference("some", recording, { ...recording, server: { RmAddr: 2 } }) ?? "";
    assert(text.startsWith("some: server RmAddr was 0 and is 2."), text);
  });

  it("is one in the bits of packets alone", () => {
    const [scenario] = SCENARIOS;
    assert(scenario !== undefined);
    const again = (change: Partial<typeof scenario.options>): Recording =>
      run({ ...scenario, options: { ...scenario.options, ...change } });
    const same = again({});
    const reseeded = again({ seed: 99 });
    assertEquals([reseeded.sent, reseeded.bytes], [same.sent, same.bytes]);
    assert(difference(scenario.name, same, reseeded)?.includes("sha256"));
  });

  it("is none when nothing does", () => {
    assertEquals(difference("some", recording, { ...recording }), null);
  });
});
