/** The short form of bench/draft.ts: what the draft argues, in a few cells. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bufferCell, pushCell } from "../../bench/draft.ts";
import { CONTEXTS, WorkMeter } from "../../bench/draft_meter.ts";
import { minRtt } from "../../sched/mod.ts";
import { chunk } from "../sched/support.ts";

describe("the draft's arguments", () => {
  it("ALT-5: on paths that change push stalls, and pull does not", () => {
    const [pull, push] = ["pull", "push"].map((way) => pushCell("stepping", way, 8e6).figures);
    // Where a path becomes ten times slower, the peer's window waits for what is on it: 0.44 s, which no scheduler can help.
    assert(pull!.stalled < 0.5, `${pull!.stalled}`);
    assert(push!.stalled > 5 * pull!.stalled, `${push!.stalled}, ${pull!.stalled}`);
    assert(push!.goodput < 0.9 * pull!.goodput, `${push!.goodput}, ${pull!.goodput}`);
  });

  it("CPU-3: pull asks its scheduler as packets come, push as the application writes, until it has to bind anew", () => {
    const [pull, push, anew] = ["pull", "push", "push, reallocating"].map((way) =>
      pushCell("constant", way, 5e6).figures
    );
    const all = ({ packet, timer, write }: Record<string, number>): number =>
      packet! + timer! + write!;
    // Paced bursts, which a timer lets out, are the rest.
    assert(pull!.calls.packet > 0.8 * all(pull!.calls), JSON.stringify(pull!.calls));
    assert(pull!.calls.write < 0.01 * all(pull!.calls), JSON.stringify(pull!.calls));
    assert(push!.calls.write > 0.9 * all(push!.calls), JSON.stringify(push!.calls));
    assertEquals(push!.reallocations, 0);
    assert(anew!.reallocations > 0);
    assert(anew!.calls.packet > 2 * pull!.calls.packet, JSON.stringify(anew!.calls));
  });

  it("RBF-1, CFG-4: far below 2·ΣBW·RTT_max both paths together carry less than the fast one alone, from it on all", () => {
    const [small, whole, tuned] = [1 / 8, 1, null].map((factor) => bufferCell("both", factor, 8e6));
    const alone = bufferCell("fast alone", 1 / 8, 8e6);
    assert(small!.figures.goodput < alone.figures.goodput);
    assert(whole!.figures.goodput > 1.2 * alone.figures.goodput);
    assert(tuned!.figures.goodput > 0.95 * whole!.figures.goodput);
  });
});

describe("CPU-1: the work of a stack, by what it is for", () => {
  it("is counted where it is done, what a call out of the stack begins for whoever is called", () => {
    const meter = new WorkMeter();
    const { create } = meter.watch(minRtt());
    const scheduler = create({ subflows: [] } as never);
    const ask = (): unknown => scheduler.pick([], chunk());
    meter.turn("packet");
    meter.enter();
    ask();
    meter.within("write", () => ask());
    ask();
    meter.leave();
    meter.turn("timer");
    ask();
    assertEquals(meter.calls, { packet: 1, timer: 1, read: 0, write: 2 });
    for (const context of CONTEXTS) assert(meter.time[context] >= 0);
    assertEquals(meter.time.read, 0);
    assert(meter.time.packet > 0 && meter.schedulerTime.write > 0);
  });
});
