import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Choice, SchedulerPlugin, SubflowView } from "../../core/plugin.ts";
import patient from "../../docs/examples/patient.ts";
import {
  linux,
  minRtt,
  priority,
  redundant,
  roundRobin,
  rttThreshold,
  timeDistance,
} from "../../sched/mod.ts";
import { runToy } from "../kit/toy_connection.ts";
import { chunk, connection, subflow } from "./support.ts";

const [near, middle, far] = [subflow(1, 20), subflow(2, 40), subflow(3, 200)] as const;

function path(choice: Choice): number | null {
  return choice === null ? null : (choice as SubflowView).path;
}

/** Shares of the bytes of each path in bulk, and in requests with pauses. */
function shares(plugin: SchedulerPlugin): { bulk: number[]; requests: number[]; done: number } {
  const paths = [{ rate: 1e6, rtt: 20e3 }, { rate: 5e5, rtt: 200e3 }];
  const share = (carried: readonly number[]): number[] => {
    const all = carried.reduce((a, b) => a + b);
    return carried.map((bytes) => Math.round(100 * bytes / all));
  };
  const bulk = runToy(plugin, { name: "bulk", paths, writes: [{ at: 0, bytes: 6e6 }] });
  const writes = Array.from({ length: 50 }, (_, i) => ({ at: i * 5e5, bytes: 8400 }));
  const requests = runToy(plugin, { name: "requests", paths, writes });
  return { bulk: share(bulk.carried), requests: share(requests.carried), done: bulk.done / 1e6 };
}

describe("min_rtt", () => {
  const { pick } = minRtt().create(connection([near, middle, far]));

  it("picks the lowest round trip among those that are ready (SCH-3)", () => {
    assertEquals(path(pick([near, middle, far], chunk())), 1);
    assertEquals(path(pick([far, middle], chunk())), 2);
    assertEquals(path(pick([far], chunk())), 3);
    assertEquals(pick([], chunk()), null);
  });

  it("takes the first of equals", () => {
    assertEquals(path(pick([subflow(4, 20), subflow(5, 20)], chunk())), 4);
  });

  it("sends again where it was not sent yet, if it can", () => {
    assertEquals(path(pick([near, far], chunk(near))), 3);
    assertEquals(path(pick([near, middle, far], chunk(near))), 2);
    assertEquals(path(pick([near, far], chunk(near, far))), 1);
    assertEquals(path(pick([near], chunk(near))), 1);
  });

  it("fills all pipes in bulk (SCH-2), and the fast one where that is enough (SCH-3)", () => {
    const { bulk, requests, done } = shares(minRtt());
    assertEquals(requests, [100, 0]);
    assertEquals(bulk, [66, 34]);
    assertEquals(Math.round(6 / 1.5 / done * 10), 9);
  });
});

describe("round_robin", () => {
  it("gives each its turn, by index, and passes over those that are not ready", () => {
    const { pick } = roundRobin().create(connection([near, middle, far]));
    let offset = 1;
    const turn = (...ready: SubflowView[]): number | null =>
      path(pick(ready, { ...chunk(), offset: offset += 1400 }));
    assertEquals([1, 2, 3, 4].map(() => turn(near, middle, far)), [1, 2, 3, 1]);
    assertEquals(turn(near, far), 3);
    assertEquals(turn(near, middle), 1);
    assertEquals(turn(far), 3);
    assertEquals(turn(far, middle, near), 1);
    assertEquals(turn(), null);
  });

  it("sends again where it was not sent yet, if it can", () => {
    const { pick } = roundRobin().create(connection([near, middle, far]));
    assertEquals(path(pick([near, middle, far], chunk(near))), 2);
    assertEquals(path(pick([near, middle], chunk(near, middle))), 1);
  });

  it("spreads evenly what leaves room, and lets windows decide in bulk", () => {
    const { bulk, requests } = shares(roundRobin());
    assertEquals(requests, [50, 50]);
    assertEquals(bulk, [66, 34]);
  });

  it("takes whole segments in a row", () => {
    assertEquals(roundRobin().quantum, 1460);
    assertEquals(roundRobin({ segments: 4 }).quantum, 5840);
    for (const segments of [0, 45, 1.5, NaN]) {
      assertThrows(() => roundRobin({ segments }), RangeError, "'segments' must be an integer");
    }
  });
});

describe("redundant", () => {
  it("has every subflow carry everything", () => {
    const scheduler = redundant().create(connection([near, far]));
    assertEquals(path(scheduler.pick([near, far], chunk())), 1);
    assertEquals(scheduler.repeat!(far, chunk(near)), true);
    const { requests, done } = shares(redundant());
    assertEquals(requests, [50, 50]);
    // As fast as the best path alone.
    assertEquals(Math.round(done), 6);
  });

  it("loses no time when a path dies", () => {
    const dead = (plugin: SchedulerPlugin): number =>
      runToy(plugin, {
        name: "the near path dies",
        paths: [{ rate: 1e6, rtt: 20e3, dead: [100e3, 9e6] }, { rate: 1e6, rtt: 30e3 }],
        writes: [{ at: 0, bytes: 3e5 }],
      }).done;
    const late = dead(minRtt()) - dead(redundant());
    assertEquals(late > 50e3, true, `${late} µs`);
  });
});

describe("time_distance", () => {
  const binds = (fast: Partial<SubflowView>): number | null => {
    const full = subflow(1, 20, { inFlight: 14000, room: 0, ...fast });
    const { pick } = timeDistance().create(connection([full, far]));
    return path(pick([far], chunk()));
  };

  it("binds ahead to a path that is nearer, though it has no room, until its queue makes it farther", () => {
    assertEquals(binds({}), 1);
    assertEquals(binds({ queued: 100_000 }), 1);
    assertEquals(binds({ queued: 140_000 }), 3);
  });

  it("binds nothing to one that has fallen silent, also where its segments have become smaller since", () => {
    assertEquals(binds({ cwnd: 1400, inFlight: 1400 }), 3);
    assertEquals(binds({ cwnd: 1400, inFlight: 1120, mss: 1120 }), 3);
    assertEquals(binds({ cwnd: 2800, inFlight: 2800 }), 1);
  });

  it("binds nothing to a backup beside regular ones, to a stale one, nor to one without anything to do", () => {
    assertEquals(binds({ backup: true }), 3);
    assertEquals(binds({ stale: true }), 3);
    assertEquals(binds({ inFlight: 0 }), 3);
  });
});

describe("rtt_threshold", () => {
  const busy = subflow(1, 20, { inFlight: 14000, room: 0 });

  it("uses paths within the threshold, and waits for one of these rather than use another", () => {
    const { pick } = rttThreshold({ threshold: 50 }).create(connection([near, middle, far]));
    assertEquals(path(pick([far, middle], chunk())), 2);
    const waits = rttThreshold({ threshold: 50 }).create(connection([busy, far]));
    assertEquals(path(waits.pick([far], chunk())), 1);
  });

  it("uses the nearest where none is within it, or only what brings no acknowledgement", () => {
    const { pick } = rttThreshold({ threshold: 10 }).create(connection([near, middle, far]));
    assertEquals(path(pick([far, middle], chunk())), 2);
    const silent = rttThreshold({ threshold: 50 }).create(connection([subflow(1, 20), far]));
    assertEquals(path(silent.pick([far], chunk())), 3);
    const stale = connection([subflow(1, 20, { stale: true, inFlight: 1400 }), far]);
    assertEquals(path(rttThreshold().create(stale).pick([far], chunk())), 3);
  });

  it("is tuned while it runs, to what it takes", () => {
    const { pick, tune } = rttThreshold({ threshold: 50 }).create(connection([busy, far]));
    tune!({ threshold: 300 });
    assertEquals(path(pick([far], chunk())), 3);
    assertThrows(() => tune!({ threshold: 0 }), RangeError, "'threshold' must be a number from");
    assertThrows(() => tune!({ limit: 1 }), TypeError, "Cannot tune 'limit'");
    assertThrows(() => rttThreshold({ threshold: NaN }), RangeError, "current value is NaN");
  });
});

describe("a path that has let a timeout pass", () => {
  it("is waited for by nobody who prefers it: only several timeouts more make it stale", () => {
    const cut = subflow(1, 20, {
      inFlight: 1400,
      cwnd: 1400,
      mss: 1400,
      room: 0,
      inRecovery: true,
    });
    const repairs = subflow(1, 20, {
      inFlight: 1400,
      cwnd: 2800,
      mss: 1400,
      room: 0,
      inRecovery: true,
    });
    const plugins = [rttThreshold({ threshold: 50 }), priority({ spill: false }), linux()];
    for (const plugin of plugins) {
      const { pick } = plugin.create(connection([cut, far]));
      assertEquals(path(pick([far], chunk())), far.path, plugin.name);
    }
    for (const plugin of plugins.slice(0, 2)) {
      const { pick } = plugin.create(connection([repairs, far]));
      assertEquals(path(pick([far], chunk())), 1, plugin.name);
    }
  });
});

describe("patient, the example", () => {
  it("waits for the fastest path rather than use one four times slower", () => {
    const scheduler = patient().create(connection([near, middle, far]));
    assertEquals(path(scheduler.pick([middle, far], chunk())), 2);
    assertEquals(path(scheduler.pick([far], chunk())), 1);
    const eager = patient({ ratio: 20 }).create(connection([near, middle, far]));
    assertEquals(path(eager.pick([far], chunk())), 3);
  });

  it("waits neither for a stale path nor for a backup", () => {
    for (const more of [{ stale: true }, { backup: true }]) {
      const scheduler = patient().create(connection([subflow(1, 20, more), far]));
      assertEquals(path(scheduler.pick([far], chunk())), 3);
    }
  });
});
