import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  blackhole,
  codel,
  delay,
  duplicate,
  type ElementFactory,
  gilbertElliott,
  jitter,
  lossMask,
  mark,
  Network,
  queue,
  rate,
  rateSchedule,
  rateTrace,
  red,
  reorder,
} from "../../../mod.ts";
import { ChainUnderTest, checksumsAreGood, ipPacket, pooled } from "../../support/sim.ts";

/** Pushes `count` packets of `length` bytes, one every `gap` us; gives when each came out. */
function spaced(
  elements: readonly ElementFactory[],
  count: number,
  { gap = 1000, length = 1000, seed = 1, ecn = 0 } = {},
): { chain: ChainUnderTest; times: number[] } {
  const chain = new ChainUnderTest(elements, seed);
  for (let i = 0; i < count; i++) {
    chain.clock.at(i * gap, () => {
      const bytes = ipPacket("10.0.0.1", "10.0.0.2", length, i & 255);
      bytes[1] = ecn;
      bytes[10]! = bytes[11]! = 0;
      let sum = 0;
      for (let j = 0; j < 20; j += 2) sum += bytes[j]! << 8 | bytes[j + 1]!;
      sum = ~((sum & 0xffff) + (sum >> 16));
      bytes[10] = sum >> 8 & 255;
      bytes[11] = sum & 255;
      chain.chain.push(pooled(bytes));
    });
  }
  return { chain, times: chain.run().map((text) => Number(text.split(":")[0])) };
}

/** The last byte of each packet that came out: the number that it was pushed with. */
function marksOf(chain: ChainUnderTest): number[] {
  return chain.packets.map(({ bytes }) => bytes.at(-1)!);
}

/** How many packets came out marked "congestion experienced", with good sums. */
function congested(chain: ChainUnderTest): number {
  for (const { bytes } of chain.packets) {
    const sum = new DataView(bytes.buffer, bytes.byteOffset);
    let total = 0;
    for (let i = 0; i < 20; i += 2) total += sum.getUint16(i);
    while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
    assertEquals(total, 0xffff);
  }
  return chain.packets.filter(({ bytes }) => (bytes[1]! & 3) === 3).length;
}

describe("jitter()", () => {
  it("holds each packet for a time of its own, up to the one given, and keeps their order", () => {
    const { chain, times } = spaced([jitter("10 ms")], 200);
    assertEquals(marksOf(chain), Array.from({ length: 200 }, (_, i) => i));
    const held = times.map((time, i) => time - i * 1000);
    assert(held.every((time) => time >= 0 && time <= 10_000));
    assert(new Set(held.map((time) => Math.round(time))).size > 50);
  });

  it("lets packets overtake when asked to", () => {
    const { chain, times } = spaced([jitter("10 ms", { reorder: true })], 200);
    const marks = marksOf(chain);
    assertEquals(marks.toSorted((a, b) => a - b), Array.from({ length: 200 }, (_, i) => i));
    assert(marks.some((mark, i) => mark < (marks[i - 1] ?? 0)));
    assertEquals(times, times.toSorted((a, b) => a - b));
  });

  it("spreads times as a bell when asked to", () => {
    const { chain, times } = spaced(
      [jitter("60 ms", { reorder: true, distribution: "normal" })],
      255,
      {
        gap: 100_000,
      },
    );
    assertEquals(chain.packets.length, 255);
    const held = times.map((time, i) => time - i * 100_000);
    const near = held.filter((time) => Math.abs(time - 30_000) < 10_000).length;
    assert(near > 140 && near < 205, `${near} of 255 within one deviation, about 174 expected`);
  });
});

describe("reorder()", () => {
  it("holds some packets so that those behind overtake", () => {
    const { chain, times } = spaced([reorder(0.1, "2.5 ms")], 200);
    const marks = marksOf(chain);
    assertEquals(marks.toSorted((a, b) => a - b), Array.from({ length: 200 }, (_, i) => i));
    const late = marks.filter((mark, i) => mark < Math.max(0, ...marks.slice(0, i)));
    assert(late.length > 8 && late.length < 40, `${late.length}`);
    const held = marks.map((mark, i) => times[i]! - mark * 1000).filter((time) => time > 0);
    assert(held.every((time) => time === 2500));
    assert(held.length >= late.length);
  });
});

describe("duplicate()", () => {
  it("sends some packets twice, byte for byte", () => {
    const { chain } = spaced([duplicate(0.2)], 200);
    const extra = chain.packets.length - 200;
    assert(extra > 20 && extra < 65, `${extra}`);
    const at = chain.packets.findIndex(({ bytes }, i) =>
      bytes.at(-1) === chain.packets[i + 1]?.bytes.at(-1)
    );
    assertEquals(chain.packets[at], chain.packets[at + 1]);
  });
});

describe("gilbertElliott()", () => {
  it("loses packets in bursts of the length and share that its probabilities stand for", () => {
    let lost = 0;
    let bursts = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const { chain } = spaced([gilbertElliott({ toBad: 0.02, toGood: 0.2 })], 250, { seed });
      const passed = new Set(marksOf(chain));
      for (let i = 0; i < 250; i++) {
        if (passed.has(i)) continue;
        lost++;
        if (i === 0 || passed.has(i - 1)) bursts++;
      }
    }
    assertAlmostEquals(lost / 25_000, 0.02 / 0.22, 0.015);
    assertAlmostEquals(lost / bursts, 5, 0.7);
  });

  it("loses in the good state, too, and not all in the bad one, when asked to", () => {
    const always = gilbertElliott({ toBad: 0, toGood: 1, lossGood: 1 });
    assertEquals(spaced([always], 20).chain.packets.length, 0);
    const never = gilbertElliott({ toBad: 1, toGood: 0, lossBad: 0 });
    assertEquals(spaced([never], 20).chain.packets.length, 20);
  });
});

describe("lossMask()", () => {
  it("loses exactly the packets that it has an x for", () => {
    assertEquals(marksOf(spaced([lossMask(".x x.")], 8).chain), [0, 3, 4, 5, 6, 7]);
    const { chain } = spaced([lossMask("..x", { repeat: true })], 8);
    assertEquals(marksOf(chain), [0, 1, 3, 4, 6, 7]);
    assertEquals(chain.chain.dropped, { "loss-mask": 2 });
  });
});

describe("blackhole()", () => {
  it("swallows from one time to another, again and again", () => {
    const { chain } = spaced([blackhole({ from: "2 ms", until: "4 ms", every: "5 ms" })], 10);
    assertEquals(marksOf(chain), [0, 1, 4, 5, 6, 9]);
    assertEquals(spaced([blackhole()], 5).chain.packets.length, 0);
  });

  it("begins and ends by hand", () => {
    const chain = new ChainUnderTest([blackhole({ from: "1 s" })]);
    chain.push(100);
    chain.chain.set({ blackhole: true });
    chain.push(101);
    chain.chain.set({ blackhole: false });
    chain.pushAt(2e6, 102);
    assertEquals(chain.run().map((text) => text.split(":")[1]), ["100", "102"]);
  });
});

describe("mark()", () => {
  it("marks packets whose sender uses ECN, and no others", () => {
    assertEquals(congested(spaced([mark(1)], 20, { ecn: 2 }).chain), 20);
    assertEquals(congested(spaced([mark(1)], 20, { ecn: 0 }).chain), 0);
    const some = congested(spaced([mark(0.25)], 200, { ecn: 1 }).chain);
    assert(some > 30 && some < 75, `${some}`);
  });
});

describe("rateSchedule()", () => {
  it("sends at the rate of the time, in the middle of a packet, too", () => {
    const steps = [{ at: "0 s", rate: "8 Mbit/s" }, { at: "1 ms", rate: "4 Mbit/s" }] as const;
    const chain = new ChainUnderTest([queue(10), rateSchedule(steps)]);
    chain.push(500, 1000, 100); // 500 us; 500 at 1 B/us, 500 at 0.5; 200 us
    assertEquals(chain.run(), ["500:500", "2000:1000", "2200:100"]);
  });

  it("begins again", () => {
    const steps = [{ at: "0 s", rate: "8 Mbit/s" }, { at: "1 ms", rate: "80 Mbit/s" }] as const;
    const chain = new ChainUnderTest([queue(10), rateSchedule(steps, { every: "2 ms" })]);
    chain.push(11_000); // one round
    chain.push(500);
    chain.pushAt(60e6 + 1000, 10_000, 100);
    assertEquals(chain.run(), ["2000:11000", "2500:500", "60002000:10000", "60002100:100"]);
  });
});

describe("rateTrace()", () => {
  it("sends at the times of the trace, what fits at each, and begins again at its end", () => {
    const chain = new ChainUnderTest([queue(10), rateTrace([1, 1, 4, 5])]);
    chain.push(1000, 1000, 1000, 1500, 1500); // the second and the third end with the second time
    chain.pushAt(10_500, 1500);
    assertEquals(chain.run(), [
      "1000:1000",
      "1000:1000",
      "1000:1000",
      "4000:1500",
      "5000:1500",
      "11000:1500",
    ]);
  });

  it("loses the times that nothing was sent at, and ends when it is not to begin again", () => {
    const chain = new ChainUnderTest([queue(10), rateTrace([1, 2, 3], { repeat: false })]);
    chain.pushAt(1500, 1500);
    chain.pushAt(2500, 1500, 1500);
    assertEquals(chain.run(), ["2000:1500", "3000:1500"]);
    assertEquals(chain.chain.waiting, { packets: 0, bytes: 0 });
  });
});

describe("red()", () => {
  const overload = { gap: 500, length: 1000 }; // twice what the rate takes

  it("drops nothing below its least length, and all above twice its highest", () => {
    const settings = { min: 5, max: 10, weight: 1, probability: 0.1 };
    const { chain } = spaced([red(settings), rate("8 Mbit/s")], 12, { gap: 500 });
    assertEquals(chain.chain.dropped, { red: 0, rate: 0 });
    const flood = new ChainUnderTest([red({ ...settings, limit: 1000 }), rate("8 Mbit/s")]);
    flood.push(...Array.from({ length: 200 }, () => 100));
    flood.run();
    assert(flood.packets.length <= 21, `${flood.packets.length}`);
  });

  it("drops with a probability that grows linearly, each packet by itself, on the length itself", () => {
    // With n that wait, n of 1000: of 200 at once 1000 e^-0.2 - 800 = 19 are dropped.
    let dropped = 0;
    const settings = { min: 0, max: 1000, weight: 1, probability: 1, even: false };
    for (let seed = 1; seed <= 20; seed++) {
      const chain = new ChainUnderTest([red(settings), rate("8 Mbit/s")], seed);
      chain.push(...Array.from({ length: 200 }, () => 1000));
      dropped += chain.chain.dropped.red!;
      chain.chain.clear();
    }
    assertAlmostEquals(dropped / 20, 19, 3);
  });

  it("marks in place of dropping, for who uses ECN", () => {
    const settings = { min: 2, max: 40, weight: 1, probability: 1, gentle: false, ecn: true };
    const { chain } = spaced([red(settings), rate("8 Mbit/s")], 60, { ...overload, ecn: 2 });
    assertEquals(chain.chain.dropped.red, 0);
    assert(congested(chain) > 5);
    const without = spaced([red(settings), rate("8 Mbit/s")], 60, overload);
    assert(without.chain.chain.dropped.red! > 5);
  });

  it("forgets its average while nothing comes", () => {
    const chain = new ChainUnderTest([red({ min: 1, max: 3, weight: 0.5 }), rate("8 Mbit/s")]);
    chain.push(...Array.from({ length: 30 }, () => 1000));
    const before = chain.chain.dropped.red!;
    assert(before > 0);
    chain.run();
    chain.pushAt(10e6, 1000, 1000);
    chain.run();
    assertEquals(chain.chain.dropped.red, before);
  });
});

describe("codel()", () => {
  it("drops nothing of a short burst", () => {
    const chain = new ChainUnderTest([codel(), rate("8 Mbit/s")]);
    chain.push(...Array.from({ length: 50 }, () => 1000));
    chain.run();
    assertEquals(chain.packets.length, 50);
  });

  it("drops the first packet one interval after waits were above target, and more and more often", () => {
    const { chain } = spaced([codel(), rate("8 Mbit/s")], 2000, { gap: 900 });
    const dropped = chain.chain.dropped.codel!;
    // Above 5 ms from 50 ms on, so 150 ms: then 100/sqrt(n) ms apart, about (t / 200 ms)^2 of them, until that is the overload.
    assert(dropped > 60 && dropped < 400, `${dropped}`);
    const few = spaced([codel(), rate("8 Mbit/s")], 150, { gap: 900 });
    assertEquals(few.chain.chain.dropped.codel, 0);
  });

  it("marks in place of dropping, for who uses ECN", () => {
    const { chain } = spaced([codel({ ecn: true }), rate("8 Mbit/s")], 1000, { gap: 900, ecn: 1 });
    assertEquals(chain.chain.dropped.codel, 0);
    assert(congested(chain) > 10);
  });

  it("has a limit", () => {
    const chain = new ChainUnderTest([codel({ limit: 5 }), rate("8 Mbit/s")]);
    chain.push(...Array.from({ length: 10 }, () => 1000));
    assertEquals(chain.chain.dropped.codel, 4);
    assertEquals(chain.chain.waiting, { packets: 5, bytes: 5000 });
    chain.run();
  });
});

describe("elements", () => {
  it("stand in place of a link's queue and rate", async () => {
    await using net = new Network({ mptcp: false });
    net.host("a");
    net.host("b");
    const link = net.link("dsl", {
      between: ["a", "b"],
      delay: "5 ms",
      forward: { rate: "8 Mbit/s", queue: codel() },
      backward: { rate: rateTrace([1, 2, 3]), queue: 50 },
    });
    using listener = net.host("b").listen({ port: 80 });
    const [conn, peer] = await Promise.all([
      net.host("a").connect({ hostname: "b", port: 80 }),
      listener.accept(),
    ]);
    conn.write(new Uint8Array(2e6)).then(() => conn.closeWrite());
    for await (const _ of peer.readable);
    const { dropped } = link.forward.counts;
    assert(dropped.codel! > 0, JSON.stringify(dropped));
    assertThrows(() => link.set({ queue: 5 }), TypeError, "made by codel");
    assertThrows(() => link.backward.set({ rate: "1 Mbit/s" }), TypeError, "made by rate-trace");
    link.backward.set({ queue: 5, delay: "1 ms" });
  });

  it("complete the checksums of what they copy, and free what they hold", () => {
    const chain = new ChainUnderTest([
      jitter("5 ms", { reorder: true }),
      reorder(1, "5 ms"),
      duplicate(1),
      delay("1 ms"),
    ]);
    chain.push(100, 200);
    chain.run();
    assertEquals(chain.packets.length, 4);
    assert(
      chain.packets.every(({ bytes }) => bytes.length > 0) &&
        !checksumsAreGood(chain.packets[0]!.bytes),
    );
    chain.push(100, 200);
    chain.chain.clear();
    assertEquals(chain.run(), []);
  });

  it("refuse what they cannot use, and say the range", () => {
    const wrong: [() => unknown, string][] = [
      [() => jitter("5" as never), "a number, a space"],
      [() => jitter("5 ms", { distribution: "pareto" as never }), '"uniform" or "normal"'],
      [
        () => jitter("5 ms", { order: true } as never),
        "no option 'order': the options are reorder, distribution",
      ],
      [() => jitter("5 ms", [] as never), "its options must be an object: current value is []"],
      [() => codel(["5 ms"] as never), 'must be an object: current value is ["5 ms"]'],
      [() => reorder(2, "1 ms"), "from 0 to 1"],
      [() => duplicate("1" as never), "must be a number from 0 to 1"],
      [() => gilbertElliott({ toBad: 0.1 } as never), "toGood"],
      [() => lossMask("..o"), 'must be of "." and "x"'],
      [() => blackhole({ from: "5 s", until: "2 s" }), "'from' must be before 'until'"],
      [() => mark(-1), "from 0 to 1"],
      [() => rateSchedule([]), "must be a list"],
      [() => rateSchedule([{ at: "1 s", rate: "1 Mbit/s" }]), "must begin at 0 s"],
      [() => rateTrace([3, 1]), "must not go back: number 2 is 1 after 3"],
      [() => rateTrace([0]), "must end after 0 ms"],
      [() => red({ min: 5, max: 5 }), "'min' and a larger 'max'"],
      [() => red({ min: 1, max: 5, weight: 0 }), "'weight' must be above 0"],
      [() => codel({ limit: 0 }), "'limit' must be a number of at least 1"],
      [() => new ChainUnderTest([codel()]), "directly in front of a rate"],
      [
        () => new ChainUnderTest([red({ min: 1, max: 2 }), delay("1 ms")]),
        "directly in front of a rate",
      ],
    ];
    for (const [act, text] of wrong) assertThrows(act, Error, text);
  });
});
