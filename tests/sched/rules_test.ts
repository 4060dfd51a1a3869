/** The rule of each scheduler, by hand: figures of paths, and what it answers. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Answer, Choice, Scheduler, SubflowView } from "../../core/plugin.ts";
import {
  blest,
  daps,
  ecf,
  linux,
  otias,
  peekaboo,
  priority,
  redundant,
  roundRobin,
  sttf,
  weighted,
} from "../../sched/mod.ts";
import { brokenRules } from "../kit/mod.ts";
import { runToy } from "../kit/toy_connection.ts";
import { chunk, connection, subflow } from "./support.ts";

const MSS = 1400;

/** Path of an answer; null: to wait. */
function path(choice: Choice): number | null {
  return choice === null ? null : (choice as Answer).path;
}

/** A path whose window is full. */
function full(index: number, rtt: number, more: Partial<SubflowView> = {}): SubflowView {
  return subflow(index, rtt, { inFlight: 10 * MSS, room: 0, ...more });
}

/** Asks as the data go on by what each answer binds: a segment. */
function asks(scheduler: Scheduler, ready: readonly SubflowView[], times: number): number[] {
  return Array.from(
    { length: times },
    (_, i) => path(scheduler.pick(ready, { ...chunk(), offset: 1 + i * MSS }))!,
  );
}

/** Congestion avoidance. */
const STEADY = { ssthresh: 10 * MSS, inSlowStart: false };

describe("blest", () => {
  const fast = full(1, 20, STEADY);
  const slow = subflow(2, 100, STEADY);

  it("leaves the slow path out where the fast one could fill the window meanwhile", () => {
    // X = 1400·(10 + (5 - 1)/2)·5 = 84,000 bytes, λ = 1.2: 100,800. |M| less a segment of 1,400.
    for (const [window, expected] of [[102_100, 1], [102_300, 2]] as const) {
      const { pick } = blest().create(connection([fast, slow], { window, unacked: 0, now: -1 }));
      assertEquals(path(pick([slow], chunk())), expected, `${window}`);
    }
  });

  it("counts what is in flight on the slow path, and slow start before a first loss", () => {
    const busy = subflow(2, 100, { ...STEADY, inFlight: 10 * MSS });
    const { pick } = blest().create(connection([fast, busy], { window: 102_300, now: -1 }));
    assertEquals(path(pick([busy], chunk())), 1);
    // 14,000·(2^5 - 1)·1.2 = 520,800
    const starting = full(1, 20);
    for (const [window, expected] of [[522_100, 1], [522_300, 2]] as const) {
      const slowStart = blest().create(connection([starting, slow], { window, now: -1 }));
      assertEquals(path(slowStart.pick([slow], chunk())), expected, `${window}`);
    }
  });

  it("trusts its estimate the less, the more often the window blocks", () => {
    const view = connection([fast, slow], { window: 105_200, now: 0 });
    const { pick, onBlocked } = blest().create(view);
    onBlocked!([fast]);
    // λ = 1.24: 104,160 above 103,800.
    assertEquals(path(pick([slow], chunk())), 1);
    Object.assign(view, { now: 20e3 });
    // 1.23: 103,320.
    assertEquals(path(pick([slow], chunk())), 2);
  });

  it("waits for nothing that no acknowledgement is due from, and sends again at once", () => {
    const idle = subflow(1, 20, { ...STEADY, room: 0 });
    const { pick } = blest().create(connection([idle, slow], { window: 20_000 }));
    assertEquals(path(pick([slow], chunk())), 2);
    const again = blest().create(connection([fast, slow], { window: 20_000 }));
    assertEquals(path(again.pick([slow], chunk(fast))), 2);
  });

  it("refuses what is out of range", () => {
    assertThrows(() => blest({ lambda: 1.4 }), RangeError, "'lambda' must be a number from 1 to");
    assertThrows(() => blest({ most: 3 }), RangeError, "'most'");
  });
});

describe("ecf", () => {
  const fast = full(1, 20, { rttVar: 1e3 });
  const slow = subflow(2, 100, { rttVar: 5e3 });

  it("waits while the fast path has all done before the slow one has a segment", () => {
    // (1 + k/14,000)·20 ms < 105 ms: k below 59,500; and k/14,000·100 ms ≥ 45 ms.
    for (const [unsent, expected] of [[59_400, 1], [59_600, 2], [1, 1]] as const) {
      const { pick } = ecf().create(connection([fast, slow], { unsent }));
      assertEquals(path(pick([slow], chunk())), expected, `${unsent}`);
    }
  });

  it("does not change its mind for little, once it waits", () => {
    const view = connection([fast, slow], { unsent: 59_400 });
    const { pick } = ecf().create(view);
    assertEquals(path(pick([slow], chunk())), 1);
    // Waiting: (1 + k/14,000)·20 ms < 1.25·105 ms: k below 77,875.
    Object.assign(view, { unsent: 77_800 });
    assertEquals(path(pick([slow], chunk())), 1);
    Object.assign(view, { unsent: 77_900 });
    assertEquals(path(pick([slow], chunk())), 2);
    Object.assign(view, { unsent: 77_800 });
    assertEquals(path(pick([slow], chunk())), 2);
  });

  it("uses the fast path as long as that has room", () => {
    const near = subflow(1, 20);
    const { pick } = ecf().create(connection([near, slow], { unsent: 1e6 }));
    assertEquals(path(pick([slow, near], chunk())), 1);
  });
});

describe("sttf", () => {
  it("counts the rounds until a segment leaves, windows growing", () => {
    // 10 segments of window, full, nothing bound: one round and a half of 20 ms against half of 58 and of 62 ms.
    for (const [rtt, expected] of [[58, 2], [62, 1]] as const) {
      const far = subflow(2, rtt);
      const both = sttf().create(connection([full(1, 20), far]));
      assertEquals(path(both.pick([far], chunk())), expected, `${rtt}`);
    }
  });

  it("doubles windows up to ssthresh, and adds a segment beyond", () => {
    // 30 segments bound: slow start takes 10 + 20 and one more, three rounds and a half; avoidance 10 + 11 + 12, the same; four with 34.
    const rounds = (queued: number, more: Partial<SubflowView>): number => {
      const near = full(1, 20, { queued: queued * MSS, ...more });
      for (let rtt = 1; rtt < 400; rtt++) {
        const far = subflow(2, rtt);
        if (path(sttf().create(connection([near, far])).pick([far], chunk())) === 1) {
          return Math.floor((rtt - 1) / 40);
        }
      }
      return -1;
    };
    assertEquals(rounds(9, {}), 1);
    assertEquals(rounds(29, {}), 2);
    assertEquals(rounds(30, {}), 3);
    assertEquals(rounds(32, STEADY), 3);
    assertEquals(rounds(33, STEADY), 4);
  });

  it("binds no more than its look-ahead, and nothing where no acknowledgement is due", () => {
    const far = subflow(2, 300);
    const bound = full(1, 20, { queued: 10 * MSS });
    const { pick } = sttf({ lookAhead: 10 }).create(connection([bound, far]));
    assertEquals(path(pick([far], chunk())), 2);
    const silent = subflow(1, 20, { room: 0 });
    assertEquals(path(sttf().create(connection([silent, far])).pick([far], chunk())), 2);
  });
});

describe("otias", () => {
  it("counts windows to wait as they are now", () => {
    // 25 segments bound, window 10: ⌈26/10⌉ = 3 rounds of 20 ms and a half, 70 ms.
    for (const [rtt, expected] of [[138, 2], [142, 1]] as const) {
      const far = subflow(2, rtt);
      const near = full(1, 20, { queued: 25 * MSS });
      const { pick } = otias().create(connection([near, far]));
      assertEquals(path(pick([far], chunk())), expected, `${rtt}`);
    }
  });

  it("sends again where it was not sent yet", () => {
    const [near, far] = [subflow(1, 20), subflow(2, 300)];
    const { pick } = otias().create(connection([near, far]));
    assertEquals(path(pick([near, far], chunk(near))), 2);
  });

  it("leaves backups alone while a regular path works", () => {
    const [backup, far] = [full(1, 20, { backup: true }), full(2, 300)];
    const { pick } = otias().create(connection([backup, far]));
    assertEquals(path(pick([], chunk())), 2);
  });
});

for (const make of [otias, sttf]) {
  describe(`${make().name}, where a message ends`, () => {
    // Its last segment is a small one, for which there may be room where there is none for a full one.
    const last = (length: number, more: Partial<SubflowView>): number | null => {
      const near = subflow(1, 20, { inFlight: 9 * MSS, ...more });
      const far = subflow(2, 30);
      const { pick } = make().create(connection([near, far]));
      return path(
        pick([far, ...(near.room >= Math.min(length, MSS) ? [near] : [])], { ...chunk(), length }),
      );
    };

    it("waits for no round trip that a part of a segment does not take", () => {
      assertEquals(last(800, { room: 900 }), 1);
      assertEquals(last(800, { room: 700 }), 2);
    });

    it("counts the first segment of a chunk of several, which leaves by itself", () => {
      assertEquals(last(10 * MSS, { room: MSS }), 1);
      assertEquals(last(10 * MSS, { room: MSS - 1 }), 2);
    });
  });
}

describe("daps", () => {
  it("gives each path its window at each multiple of its forward delay", () => {
    // 10 ms and 30 ms: at 10, 20 and 30 the near one, at 30 the far one, each a window of 2 segments.
    const near = subflow(1, 20, { cwnd: 2 * MSS });
    const far = subflow(2, 60, { cwnd: 2 * MSS });
    const scheduler = daps().create(connection([near, far]));
    assertEquals(asks(scheduler, [near, far], 16), [
      ...[1, 1, 1, 1, 1, 1, 2, 2],
      ...[1, 1, 1, 1, 1, 1, 2, 2],
    ]);
  });

  it("binds what comes first to the near path although that is full", () => {
    const near = full(1, 20, { cwnd: 10 * MSS });
    const far = subflow(2, 60);
    assertEquals(path(daps().create(connection([near, far])).pick([far], chunk())), 1);
  });

  it("leaves out a path in slow start after a loss, and falls back to the lowest round trip", () => {
    const near = subflow(1, 20, { inRecovery: true, ssthresh: 20 * MSS });
    const far = subflow(2, 60, STEADY);
    assertEquals(path(daps().create(connection([near, far])).pick([near, far], chunk())), 2);
    const none = daps().create(connection([near]));
    assertEquals(path(none.pick([near], chunk())), 1);
  });

  it("goes on to the next turn where the path of this one leaves in the middle of it", () => {
    const near = subflow(1, 20, { cwnd: 10 * MSS, inFlight: 5 * MSS, room: 5 * MSS });
    const far = subflow(2, 60);
    const subflows = [near, far];
    const { pick } = daps().create(connection(subflows));
    assertEquals(path(pick([near, far], chunk())), 1);
    subflows.shift();
    assertEquals(path(pick([far], { ...chunk(), offset: 1 + MSS })), 2);
  });

  it("keeps a plan within its bound where delays have no factor in common", () => {
    // The least common multiple of 101 and 103 ms is 10,403 ms; 4·103 have 4 turns of each. Then the paths are looked at again.
    const near = subflow(1, 202, { cwnd: MSS });
    const far = subflow(2, 206, { cwnd: MSS });
    const { pick } = daps().create(connection([near, far]));
    let offset = 1;
    const ask = (): number => path(pick([near, far], { ...chunk(), offset: offset += MSS }))!;
    assertEquals(Array.from({ length: 8 }, ask), [1, 2, 1, 2, 1, 2, 1, 2]);
    Object.assign(far, { srtt: 20e3 });
    assertEquals(Array.from({ length: 11 }, ask), [...Array(10).fill(2), 1]);
  });
});

describe("linux", () => {
  it("takes the path with the shortest linger time, and stays on it for a burst", () => {
    const near = full(1, 20, { pacingRate: 1e6, inFlight: 60_000, cwnd: 1e5, room: 4e4 });
    const far = full(2, 200, { pacingRate: 1e6, inFlight: 50_000, cwnd: 1e5, room: 5e4 });
    const scheduler = linux().create(connection([near, far]));
    const answers = asks(scheduler, [near, far], 60);
    assertEquals(answers.slice(0, 47), Array(47).fill(2));
    Object.assign(far, { inFlight: 115_000 });
    assertEquals(asks(scheduler, [near, far], 1), [2]);
    const fresh = linux().create(connection([near, far]));
    assertEquals(path(fresh.pick([near, far], chunk())), 1);
  });

  it("sends nothing where that one has no room, and tries no other", () => {
    const near = full(1, 20, { pacingRate: 1e7, inFlight: 14_000, queued: 65_428 });
    const far = subflow(2, 200, { pacingRate: 1e5, inFlight: 14_000, room: 14_000 });
    const { pick } = linux().create(connection([near, far]));
    assertEquals(path(pick([far], chunk())), 1);
  });

  it("sends again on an idle path", () => {
    const [near, far] = [subflow(1, 20, { inFlight: MSS }), subflow(2, 200)];
    const { pick } = linux().create(connection([near, far]));
    assertEquals(path(pick([near, far], chunk(near))), 2);
  });
});

describe("peekaboo", () => {
  const fast = full(1, 20);
  const slow = subflow(2, 200);

  it("uses the fast path as long as that has room", () => {
    const near = subflow(1, 20);
    const { pick } = peekaboo().create(connection([near, slow]));
    for (let i = 0; i < 10; i++) assertEquals(path(pick([near, slow], chunk())), 1);
  });

  it("learns which brings more: to wait, or to send on the slow path", () => {
    for (const better of [1, 2]) {
      const view = connection([fast, slow], { random: () => 0.5 }) as {
        now: number;
        acked: number;
      } & ReturnType<typeof connection>;
      const { pick, onAck } = peekaboo().create(view);
      const chosen = [0, 0, 0];
      for (let i = 0; i < 30; i++) {
        const answer = path(pick([slow], chunk()))!;
        chosen[answer] = chosen[answer]! + 1;
        view.now += 50e3;
        view.acked += answer === better ? 50_000 : 5_000;
        onAck!(fast, MSS);
        // Past three reference times its reward is known.
        view.now += 2e6;
        onAck!(fast, MSS);
      }
      assert(chosen[better]! >= 20 && chosen[3 - better]! > 0, chosen.join());
      // Then by chance: 0.9, 0.1 and 0.5 apart by how often it waited.
      const later = Array.from({ length: 5 }, () => path(pick([slow], chunk())));
      assertEquals(later, Array(5).fill(better));
    }
  });
});

describe("priority", () => {
  const [first, second, third] = [subflow(1, 20), subflow(2, 300), subflow(3, 100)] as const;

  it("takes paths in their order, whatever their round trips", () => {
    const { pick } = priority({ order: "2/3" }).create(connection([first, second, third]));
    assertEquals(path(pick([first, second, third], chunk())), 2);
    assertEquals(path(pick([first, third], chunk())), 3);
    assertEquals(path(pick([first], chunk())), 1);
    assertEquals(path(pick([first, second, third], chunk(second))), 3);
  });

  it("waits for a wanted one with spill=false, until it is stale", () => {
    const busy = full(2, 300);
    const scheduler = priority({ order: "2", spill: false }).create(connection([first, busy]));
    assertEquals(path(scheduler.pick([first], chunk())), 2);
    const stale = full(2, 300, { stale: true });
    const other = priority({ order: "2", spill: false }).create(connection([first, stale]));
    assertEquals(path(other.pick([first], chunk())), 1);
    // What goes again does not wait.
    assertEquals(path(scheduler.pick([first], chunk(busy))), 1);
  });

  it("refuses an order that is none", () => {
    for (const order of ["", "a", "0"]) {
      assertThrows(() => priority({ order }), RangeError, "'order' must be numbers from 1 on");
    }
    assertThrows(() => priority({ spill: 1 as never }), RangeError, "'spill'");
  });
});

describe("weighted", () => {
  const [one, two] = [subflow(1, 20), subflow(2, 20)] as const;

  it("shares bytes by weight", () => {
    const answers = asks(
      weighted({ weights: "3/1" }).create(connection([one, two])),
      [one, two],
      40,
    );
    assertEquals(answers.filter((each) => each === 1).length, 30);
  });

  it("takes what paths deliver for their weights", () => {
    const fast = subflow(1, 20, { deliveryRate: 4e6 });
    const slow = subflow(2, 20, { deliveryRate: 1e6 });
    const answers = asks(weighted().create(connection([fast, slow])), [fast, slow], 50);
    assertEquals(answers.filter((each) => each === 1).length, 40);
  });

  it("gives who was without room one window back, not all that it has missed", () => {
    const scheduler = weighted({ weights: "1" }).create(connection([one, two]));
    let offset = 1;
    const ask = (...ready: SubflowView[]): number =>
      path(scheduler.pick(ready, { ...chunk(), offset: offset += MSS }))!;
    for (let i = 0; i < 100; i++) ask(one);
    const answers = Array.from({ length: 30 }, () => ask(one, two));
    assertEquals(answers.filter((each) => each === 2).length, 20);
  });
});

describe("round_robin with options", () => {
  const [one, two] = [subflow(1, 20), subflow(2, 200)] as const;

  it("gives turns of several segments, and several turns by weight, each to its end", () => {
    const { create } = roundRobin({ segments: 2, weights: "2/1" });
    const answers = asks(create(connection([one, two])), [one, two], 12);
    assertEquals(answers, [1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 2, 2]);
    const answer = create(connection([one, two])).pick([one, two], chunk()) as Answer;
    assertEquals(answer, { path: 1, bytes: 4 * MSS });
  });

  it("waits for a full one where it is strict, and passes it over where it is not", () => {
    const busy = full(2, 200);
    for (const [strict, expected] of [[true, [1, 2, 2, 2]], [false, [1, 1, 1, 1]]] as const) {
      const scheduler = roundRobin({ strict }).create(connection([one, busy]));
      assertEquals(asks(scheduler, [one], 1), [1]);
      const later = [2, 3, 4].map((turn) =>
        path(scheduler.pick([one], { ...chunk(), offset: 1 + (strict ? 1 : turn - 1) * MSS }))
      );
      assertEquals([1, ...later], [...expected]);
    }
  });

  it("is as slow as twice the slowest path where it is strict, which the kit does not pass", () => {
    const broken = brokenRules(roundRobin({ strict: true }));
    assertEquals(broken.map(({ rule }) => rule), ["as-fast-as-one"]);
  });

  it("refuses what is out of range", () => {
    assertThrows(() => roundRobin({ weights: "0/1" }), RangeError, "'weights' must be numbers");
    assertThrows(() => roundRobin({ strict: 1 as never }), RangeError, "'strict'");
  });
});

describe("redundant, its modes", () => {
  it("opportunistic: new data at once on all that have room, none later", () => {
    const ready = [subflow(1, 20), subflow(2, 200)];
    const { pick, repeat } = redundant({ mode: "opportunistic" }).create(connection(ready));
    assertStrictEquals(pick(ready, chunk()), ready);
    assertEquals(path(pick(ready, chunk(ready[0]!))), 2);
    assertEquals(repeat, undefined);
  });

  it("tail: repeats once nothing is left to send", () => {
    const views = [subflow(1, 20), subflow(2, 200)];
    const tail = (unsent: number): unknown =>
      redundant({ mode: "tail" }).create(connection(views, { unsent }))
        .repeat!(views[1]!, chunk(views[0]!));
    assertEquals([tail(1), tail(0)], [false, true]);
  });

  it("differ in what they cost and in what they save", () => {
    const carried = (mode: "full" | "opportunistic" | "tail"): number =>
      runToy(redundant({ mode }), {
        name: mode,
        paths: [{ rate: 1e6, rtt: 20e3 }, { rate: 1e6, rtt: 30e3 }],
        writes: [{ at: 0, bytes: 3e6 }],
      }).carried.reduce((a, b) => a + b);
    assert(carried("full") > 5e6, `${carried("full")}`);
    assert(carried("tail") > 3e6 && carried("tail") < 3.2e6, `${carried("tail")}`);
    assert(carried("opportunistic") < carried("full"));
  });

  it("refuses others", () => {
    const error = assertThrows(() => redundant({ mode: "some" as never }), RangeError);
    assertEquals(
      error.message,
      `Cannot make redundant as 'mode' must be one of full, opportunistic, tail: current value is "some"`,
    );
  });
});
