import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { redundant, roundRobin } from "../../sched/mod.ts";
import {
  type DataEvent,
  jainIndex,
  loadScenario,
  measure,
  percentile,
  type Sample,
  type Scenario,
  ScenarioError,
  spreadOf,
  type Traffic,
  VERSION,
} from "../../sim/mod.ts";
import { seededRandom } from "../../core/host/random.ts";
import { Run } from "../../sim/measure.ts";
import { Tally } from "../../sim/stats.ts";
import { u8 } from "../../wasm/mod.ts";
import { parseBytes } from "../../sim/units.ts";

const ENDS = { client: "phone", server: "server" } as const;

/** A phone with two paths to a server. */
function phone(traffic: Readonly<Record<string, Traffic>>, more: Partial<Scenario> = {}): Scenario {
  return {
    name: "phone",
    hosts: { phone: {}, server: {} },
    routers: ["core"],
    links: {
      wifi: { between: ["phone", "core"], rate: "20 Mbit/s", delay: "10 ms" },
      lte: { between: ["phone", "core"], rate: "4 Mbit/s", delay: "50 ms" },
      server: { between: ["core", "server"] },
    },
    traffic,
    ...more,
  };
}

function only(scenario: Scenario, name = "it") {
  return measure(scenario).traffic[name]!;
}

/** What might pile up. */
const ENDLESS: Readonly<Record<string, Traffic>> = {
  bulk: { ...ENDS, kind: "bulk" },
  "requests on fresh connections": {
    ...ENDS,
    kind: "requests",
    bytes: "1 kB",
    connection: "fresh",
    every: "100 ms",
  },
  "requests on one connection": { ...ENDS, kind: "requests", bytes: "1 kB", think: "20 ms" },
  stream: { ...ENDS, kind: "stream", bytes: "500 B", every: "20 ms", deadline: "50 ms" },
  video: { ...ENDS, kind: "video", bitrates: ["100 kbit/s", "200 kbit/s"], chunk: "1 s" },
};

/** What is stored after so many seconds, of times no more than a few as they are. */
function storedAfter(seconds: number, traffic: Traffic): number {
  const slow = { rate: "1 Mbit/s", delay: "5 ms" } as const;
  const scenario = phone({ it: traffic }, {
    duration: `${seconds} s`,
    links: {
      wifi: { between: ["phone", "core"], ...slow },
      lte: { between: ["phone", "core"], ...slow },
      server: { between: ["core", "server"] },
    },
  });
  using run = new Run(scenario, {}, {}, 20);
  run.run();
  return run.stored;
}

describe("measure()", () => {
  for (const [name, traffic] of Object.entries(ENDLESS)) {
    it(`keeps no more of a long run than of a short one: ${name}`, () => {
      const [short, long] = [storedAfter(15, traffic), storedAfter(45, traffic)];
      // What is over is forgotten 64 or 128 at a time.
      assert(long <= short + 500, `${short} are stored after 15 s, ${long} after 45 s`);
    });
  }

  it("keeps no end of a connection of which the other has failed: it may wait for ever for what comes", () => {
    const ends = (seconds: number): number => {
      const down = (link: string) => ({ at: "2 s", do: "down", host: "phone", link } as const);
      const scenario = phone({ it: { ...ENDS, kind: "bulk", direction: "up", connections: 20 } }, {
        duration: `${seconds} s`,
        events: [down("wifi"), down("lte")],
      });
      using run = new Run(scenario, {}, {}, 20);
      assertEquals(run.run().traffic.it!.connections, 20);
      return run.stored;
    };
    const [before, after] = [ends(10), ends(400)];
    assertEquals(before - after, 40);
  });

  it("compares every byte with what was sent if asked for, and tells the longest time without any", () => {
    const flips: ElementFactory = {
      name: "flips",
      create: (_context, output) => ({
        push(packet) {
          // It still counts as verified: nobody but the reader can see it.
          if (packet.length > 1000) u8[packet.address + packet.length - 1]! ^= 1;
          output(packet);
        },
      }),
    };
    const scenario = (more: object): Scenario =>
      phone({ it: { ...ENDS, kind: "bulk", bytes: "200 kB" } }, {
        routers: [],
        links: { wifi: { between: ["phone", "server"], rate: "20 Mbit/s", ...more } },
        events: [
          { at: "20 ms", do: "cut", link: "wifi" },
          { at: "120 ms", do: "restore", link: "wifi" },
        ],
      });
    const [well, ill] = [{}, { elements: [flips] }].map((more) =>
      measure(scenario(more), {}, { verify: true }).traffic.it!
    );
    assertEquals([well!.down, well!.intact, ill!.down, ill!.intact], [2e5, true, 2e5, false]);
    assert(well!.stall! >= 100e3 && well!.stall! < 600e3, `${well!.stall}`);
    assertEquals(only(scenario({})).intact, undefined);
  });

  it("tells version, scenario, seed and plugins, and the same again for the same seed", () => {
    const scenario = phone({ it: { ...ENDS, kind: "bulk", bytes: "300 kB" } }, {
      seed: 7,
      links: {
        wifi: { between: ["phone", "server"], rate: "20 Mbit/s", delay: "10 ms", loss: 0.01 },
      },
      routers: [],
    });
    const one = measure(scenario, { scheduler: redundant() });
    assertEquals([one.version, one.scenario, one.seed, one.policies, one.done, one.faults], [
      VERSION,
      "phone",
      7,
      { scheduler: "redundant", congestionControl: "lia", pathManager: "full_mesh" },
      true,
      [],
    ]);
    const text = (seed?: number): string =>
      JSON.stringify(
        measure(scenario, { scheduler: redundant() }, seed === undefined ? {} : { seed }),
      );
    assertEquals(text(), JSON.stringify(one));
    assert(text(8) !== text());
  });

  it("gives the version of the package", async () => {
    const { version } = JSON.parse(
      await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
    );
    assertEquals(VERSION, version);
  });

  it("counts what each path and each link carried", () => {
    const { traffic, links } = measure(phone({ it: { ...ENDS, kind: "bulk", bytes: 1e6 } }));
    const { paths, repeated, down, up } = traffic.it!;
    assertEquals([down, up], [1e6, 0]);
    assertEquals(paths.map(({ name }) => name), ["wifi", "lte"]);
    assertEquals(paths.reduce((sum, { bytes }) => sum + bytes, 0), 1e6 + repeated);
    assert(links.wifi!.backward.deliveredBytes > 500_000);
    assert(links.wifi!.backward.queue.max > 3);
    const both = links.wifi!.backward.deliveredBytes + links.lte!.backward.deliveredBytes;
    assert(links.server!.backward.deliveredBytes >= both);
  });

  it("has hosts with plugins of their own beside the one that is measured", async () => {
    const rivals: Scenario = await loadScenario({
      dumbbell: { pairs: 2, bottleneck: { rate: "10 Mbit/s", delay: "20 ms" } },
      hosts: {
        left2: { congestionControl: "reno", mptcp: false },
        right2: { congestionControl: "reno" },
      },
      duration: "20 s",
      traffic: {
        ours: { kind: "bulk", client: "left1", server: "right1" },
        theirs: { kind: "bulk", client: "left2", server: "right2" },
      },
    });
    const { traffic, done, time } = measure(rivals);
    assertEquals([done, time], [true, 20e6]);
    const rates = [traffic.ours!.goodput, traffic.theirs!.goodput];
    assert(jainIndex(rates) > 0.8, `${rates}`);
    assertAlmostEquals((rates[0]! + rates[1]!) * 8, 9.3e6, 0.5e6);
  });

  it("names paths after the server's links where that has several", () => {
    const { paths } = only({
      hosts: { phone: {}, server: {} },
      routers: ["core"],
      links: {
        access: { between: ["phone", "core"], rate: "50 Mbit/s", delay: "1 ms" },
        one: { between: ["core", "server"], rate: "5 Mbit/s", delay: "5 ms" },
        two: { between: ["core", "server"], rate: "5 Mbit/s", delay: "5 ms" },
      },
      traffic: { it: { ...ENDS, kind: "bulk", bytes: "500 kB" } },
    });
    assertEquals(paths.map(({ name }) => name), ["one", "two"]);
  });

  it("lets things happen at their times: cuts, changes, interfaces and addresses", () => {
    const carried = (events: Scenario["events"]) => {
      const { paths, done } = only(phone({ it: { ...ENDS, kind: "bulk", bytes: "3 MB" } }, {
        events: events!,
      }));
      assert(done);
      return Object.fromEntries(paths.map(({ name, bytes }) => [name, bytes]));
    };
    const none = carried([]);
    const cut = carried([{ at: "200 ms", do: "cut", link: "wifi" }]);
    assert(cut.lte! > none.lte! + 1e6, JSON.stringify([none, cut]));
    const down = carried([{ at: "200 ms", do: "down", host: "phone", link: "wifi" }]);
    assert(down.lte! > none.lte! + 1e6);
    const back = carried([
      { at: "200 ms", do: "cut", link: "wifi", direction: "backward" },
      { at: "400 ms", do: "restore", link: "wifi" },
    ]);
    assert(back.wifi! > cut.wifi! + 500_000);
    const slow = carried([{ at: "0 s", do: "set", link: "wifi", rate: "1 Mbit/s" }]);
    assert(slow.wifi! < none.wifi! / 2);
    const gone = carried([
      { at: "100 ms", do: "remove-address", host: "phone", link: "lte", address: "10.0.1.1" },
    ]);
    assert(gone.lte! < none.lte! / 2);
    const added = carried([
      { at: "50 ms", do: "add-address", host: "server", link: "server", address: "10.0.2.9/24" },
    ]);
    assert("wifi" in added);
  });

  it("says when plugins were at fault", () => {
    const waits: SchedulerPlugin = {
      kind: "scheduler",
      name: "waits",
      create: () => ({ pick: () => null }),
    };
    const { faults } = measure(phone({ it: { ...ENDS, kind: "bulk", bytes: "50 kB" } }), {
      scheduler: waits,
    });
    assert(faults.length > 0 && faults[0]!.includes("waits"), faults.join());
  });

  it("shows a time series of links, connections and subflows", () => {
    const samples: Sample[] = [];
    measure(phone({ it: { ...ENDS, kind: "bulk", bytes: "1 MB" } }), {}, {
      onSample: (sample) => samples.push(sample),
      interval: "50 ms",
    });
    const of = (name: string, metric: string) =>
      samples.filter((sample) => sample.name === name && sample.metric === metric);
    const cwnd = of("it 1 server wifi", "cwnd_segments");
    assert(cwnd.length > 5 && cwnd.every(({ value }) => value > 1));
    assertEquals(cwnd[0]!.at % 50e3, 0);
    const read = of("it 1 client", "read_bytes").map(({ value }) => value);
    assertEquals(read, read.toSorted((a, b) => a - b));
    assert(of("wifi backward", "queue_packets").some(({ value }) => value > 0));
  });

  it("counts what a subflow sends for the first time apart from what it sends again", () => {
    const sums = { sent_bytes: 0, repeated_bytes: 0 };
    let looks = 0;
    const { traffic } = measure(
      {
        hosts: { phone: { mptcp: false }, server: { mptcp: false } },
        links: {
          wifi: { between: ["phone", "server"], rate: "10 Mbit/s", delay: "10 ms", loss: 0.02 },
        },
        traffic: { it: { ...ENDS, kind: "bulk", bytes: "1 MB" } },
      },
      {},
      {
        interval: "50 ms",
        onData: (event) => {
          if (event.kind !== "sent" || event.side !== "server") return;
          sums[event.again ? "repeated_bytes" : "sent_bytes"] += event.bytes;
        },
        onSample: ({ name, metric, value }) => {
          if (name !== "it 1 server wifi" || !(metric in sums)) return;
          assertEquals(value, sums[metric as keyof typeof sums], metric);
          looks++;
        },
      },
    );
    assert(looks > 10, `${looks}`);
    assert(sums.repeated_bytes > 0);
    assertEquals([traffic.it!.down, sums.sent_bytes], [1e6, 1e6]);
  });

  it("tells of all that is sent and read, and of each answer of the scheduler", () => {
    for (const scheduler of [undefined, roundRobin(), redundant()]) {
      const scenario = phone({
        it: { ...ENDS, kind: "bulk", bytes: "300 kB", direction: "both", connections: 2 },
      }, { seed: 3 });
      const policies = scheduler === undefined ? {} : { scheduler };
      const events: DataEvent[] = [];
      const result = measure(scenario, policies, { onData: (event) => events.push(event) });
      assertEquals(result, measure(scenario, policies), "who looks changes nothing");
      const sum = (kind: "sent" | "read", of: (event: DataEvent) => boolean): number =>
        events.reduce(
          (all, event) => all + (event.kind === kind && of(event) ? event.bytes : 0),
          0,
        );
      for (const side of ["client", "server"] as const) {
        for (const connection of [1, 2]) {
          const here = (event: DataEvent) =>
            event.side === side && event.connection === connection && event.traffic === "it";
          assertEquals(sum("read", here), 300_000);
          assert(
            sum("sent", (event) => here(event) && event.kind === "sent" && !event.again) >=
              300_000,
          );
        }
      }
      for (const { name, bytes } of result.traffic.it!.paths) {
        assertEquals(sum("sent", (event) => "path" in event && event.path === name), bytes);
        assert(events.some((event) => event.kind === "choice" && event.paths.includes(name)));
      }
      const all = events.filter((event) => event.kind === "choice");
      assertEquals(new Set(all.map(({ side }) => side)), new Set(["client", "server"]));
      // One that repeats everything says so.
      if (scheduler?.name === "redundant") assert(all.some(({ repeats }) => repeats));
      assert(events.every(({ at }, i) => i === 0 || at >= events[i - 1]!.at));
    }
  });

  it("ends when connections are given up, and tells why they were", () => {
    const { done, time, traffic } = measure(
      phone({ it: { ...ENDS, kind: "bulk", bytes: "1 MB" } }, {
        events: ["wifi", "lte"].map((link) => ({ at: "100 ms", do: "cut", link }) as const),
      }),
    );
    assert(done && time > 300e6 && time < 400e6, `${time}`);
    assertEquals(traffic.it!.failed, { TimedOut: 1 });
  });

  it("ends after an hour at the latest", () => {
    const { done, time } = measure(
      phone({ it: { ...ENDS, kind: "requests", bytes: 1, count: 100, every: "60 s" } }),
    );
    assertEquals([done, time], [false, 3600e6]);
  });
});

describe("traffic", () => {
  it("bulk: both directions, several connections, until the end", () => {
    const both = only(
      phone({ it: { ...ENDS, kind: "bulk", bytes: "200 kB", direction: "both", connections: 3 } }),
    );
    assertEquals([both.down, both.up, both.connections, both.done], [6e5, 6e5, 3, true]);
    const endless = only(
      phone({ it: { ...ENDS, kind: "bulk", direction: "up" } }, { duration: "2 s" }),
    );
    assert(endless.up > 3e6 && endless.down === 0);
  });

  it("connections that begin as others end: none is refused, and none stands still", () => {
    const often: Traffic = { ...ENDS, kind: "requests", bytes: "10 kB", connection: "fresh" };
    const { traffic } = measure(phone({
      one: { ...often, every: "30 ms", count: 100 },
      other: { ...often, every: "47 ms", count: 60 },
      bulk: { ...ENDS, kind: "bulk", bytes: "2 MB" },
    }, { duration: "20 s" }));
    assertEquals(
      ["one", "other"].map((name) => [traffic[name]!.failed, traffic[name]!.delays!.count]),
      [[{}, 100], [{}, 60]],
    );
    assertEquals([traffic.bulk!.failed, traffic.bulk!.done], [{}, true]);
  });

  it("requests: one behind the other on one connection, or each on a fresh one", () => {
    const kept = only(phone({ it: { ...ENDS, kind: "requests", bytes: "10 kB", count: 8 } }));
    assertEquals([kept.delays!.count, kept.connections, kept.down, kept.up], [8, 1, 80_000, 1600]);
    assert(kept.delays!.min > 20e3 && kept.delays!.max < 100e3);
    const fresh = only(phone({
      it: { ...ENDS, kind: "requests", bytes: "10 kB", count: 8, connection: "fresh" },
    }));
    assertEquals([fresh.delays!.count, fresh.connections, fresh.done], [8, 8, true]);
    assert(fresh.delays!.min > kept.delays!.min + 15e3, "it takes a handshake more");
  });

  it("requests: at their times, or after a pause", () => {
    const every = only(
      phone({ it: { ...ENDS, kind: "requests", bytes: 1000, count: 10, every: "250 ms" } }),
    );
    assert(every.end > 2.25e6 && every.end < 2.4e6);
    const think = only(
      phone({ it: { ...ENDS, kind: "requests", bytes: 1000, count: 10, think: "1 s" } }),
    );
    assert(think.end > 9e6 && think.end < 9.6e6);
  });

  it("requests: a connection that fails takes its question with it", () => {
    const { failed, delays, done } = only(
      phone({
        it: { ...ENDS, kind: "requests", bytes: 1000, count: 3, connection: "fresh", think: "1 s" },
      }, {
        events: [{ at: "500 ms", do: "down", host: "phone", link: "wifi" }, {
          at: "500 ms",
          do: "down",
          host: "phone",
          link: "lte",
        }],
      }),
    );
    assertEquals([done, delays!.count], [true, 1]);
    assertEquals(Object.values(failed).reduce((sum, count) => sum + count, 0), 2);
  });

  it("messages and streams: open loop, with deadlines", () => {
    const stream: Traffic = {
      ...ENDS,
      kind: "stream",
      bytes: "5 kB",
      every: "40 ms",
      count: 50,
      deadline: "100 ms",
    };
    const good = only(phone({ it: stream }));
    assertEquals([good.delays!.count, good.late, good.done], [50, 0, true]);
    const bad = only(phone({ it: stream }, {
      events: [{ at: "500 ms", do: "cut", link: "wifi" }, { at: "500 ms", do: "cut", link: "lte" }],
      duration: "5 s",
    }));
    assert(bad.late! > 30, `${bad.late}`);
    const poisson = only(phone({
      it: {
        ...ENDS,
        kind: "messages",
        bytes: 100,
        every: "10 ms",
        count: 500,
        spread: "exponential",
        direction: "up",
      },
    }));
    assertAlmostEquals(poisson.end / 1e6, 5, 0.7);
    assertEquals(poisson.up, 50_000);
  });

  it("pages: a document, then its objects over several connections", () => {
    const page = (connections: number) =>
      only(phone({
        it: { ...ENDS, kind: "pages", objects: Array(12).fill("15 kB"), connections, count: 2 },
      }));
    const six = page(6);
    assertEquals([six.delays!.count, six.connections, six.down], [2, 12, 2 * (30_000 + 180_000)]);
    const one = page(1);
    assertEquals(one.connections, 2);
    assert(one.delays!.p50 > six.delays!.p50);
  });

  it("video: adapts to what the network carries, and stands still where that is too little", () => {
    const bitrates = ["1 Mbit/s", "4 Mbit/s", "8 Mbit/s"] as const;
    const good = only(phone({ it: { ...ENDS, kind: "video", bitrates, count: 20 } }));
    assertEquals([good.delays!.count, good.video!.stalls, good.done], [20, 0, true]);
    assert(good.video!.bitrate * 8 > 3e6 && good.video!.switches >= 1);
    const poor = only(phone({ it: { ...ENDS, kind: "video", bitrates: ["8 Mbit/s"], count: 10 } }, {
      links: { only: { between: ["phone", "server"], rate: "4 Mbit/s", delay: "20 ms" } },
      routers: [],
    }));
    assert(poor.video!.stalls >= 5);
    // 20 s of video at twice what fits take 40 s and more.
    assertAlmostEquals(poor.video!.stalled / 1e6, 20, 4);
  });

  it("on-off: bursts as large as fit, and pauses", () => {
    const { down } = only(phone({
      it: { ...ENDS, kind: "on-off", on: "500 ms", off: "1500 ms", spread: "fixed" },
    }, { duration: "10 s" }));
    assert(down > 4e6 && down < 15e6, `${down}`);
  });

  it("cbr: datagrams that nothing slows down, in bursts", () => {
    const steady = only(phone({ it: { ...ENDS, kind: "cbr", rate: "8 Mbit/s", packet: 1000 } }, {
      duration: "1 s",
    }));
    assertEquals([steady.sent, steady.lost], [1000, 10]); // what is on the way
    const burst = only(phone({
      it: { ...ENDS, kind: "cbr", rate: "40 Mbit/s", on: "100 ms", off: "300 ms", direction: "up" },
    }, { duration: "4 s" }));
    assertAlmostEquals(burst.sent!, 10 * 334, 40);
    assert(burst.lost! > 500, "twice what the path carries");
  });

  it("cbr: datagrams of any size give back the memory that they take", () => {
    const run = (packet: number) =>
      only(phone({ it: { ...ENDS, kind: "cbr", rate: "400 Mbit/s", packet } }, {
        links: { only: { between: ["phone", "server"], mtu: 65_535 } },
        routers: [],
        duration: "200 ms",
      }));
    for (const packet of [1000, 65_535]) {
      run(packet);
      const before = u8.length;
      const { sent, down } = run(packet);
      assertEquals([down, u8.length], [sent! * packet, before]);
    }
  });
});

describe("a hint of traffic", () => {
  it("is what the scheduler sees of each chunk that its connections carry, with the time of the write", () => {
    const seen = new Set<string>();
    let wrong = 0;
    const scheduler: SchedulerPlugin = {
      ...roundRobin(),
      name: "hints",
      create: (connection) => ({
        pick(ready, { hint, written, sentOn }) {
          seen.add(`${connection.role} ${hint}`);
          if (sentOn.length === 0 && (hint === 0) !== (written === 0)) wrong++;
          if (written > connection.now) wrong++;
          return ready[0]!;
        },
      }),
    };
    const { faults } = measure(
      phone({
        game: { ...ENDS, kind: "messages", bytes: "600 B", every: "20 ms", count: 5, hint: 80 },
        api: { ...ENDS, kind: "requests", bytes: "20 kB", count: 2, hint: -1.5 },
        bulk: { ...ENDS, kind: "bulk", bytes: "50 kB" },
      }),
      { scheduler },
    );
    assertEquals([[...seen].sort(), wrong, faults], [
      ["client -1.5", "server -1.5", "server 0", "server 80"],
      0,
      [],
    ]);
  });
});

describe("an error of a scenario", () => {
  const broken = (
    more: Partial<Scenario>,
    traffic: unknown = { ...ENDS, kind: "bulk", bytes: 1 },
  ) =>
    assertThrows(
      () => measure(phone({ it: traffic as Traffic }, more)),
      ScenarioError,
    );

  it("says where it is, and what there is", async () => {
    const cases: [ScenarioError, string, string][] = [
      [
        broken({ links: { a: { between: ["phone", "q"] } } }),
        "links.a",
        'Cannot link "q" by "a" as hosts and routers are: phone, server, core',
      ],
      [
        broken({ links: { a: { between: ["phone", "phone"] } } }),
        "links.a",
        'Cannot link "phone" with itself',
      ],
      [
        broken({ links: { a: { between: ["phone", "server"], rate: "0 Mbit/s" } } }),
        "links.a",
        '"0 Mbit/s"',
      ],
      [broken({ routers: ["core", "phone"] }), "routers.1", '"phone"'],
      [broken({ duration: "0 s" }), "duration", 'it must be above 0: it is "0 s"'],
      [
        broken({ events: [{ at: "1 s", do: "set", link: "wifi" }] }),
        "events.0",
        "it sets nothing: give one of rate, delay, loss, queue",
      ],
      [
        broken({
          links: {
            a: { between: ["phone", "server"], trace: [1], queue: 9 },
          },
          events: [{ at: "1 s", do: "set", link: "a", rate: "1 Mbit/s" }],
        }),
        "events.0",
        `'rate' of link "a" as it is made by rate-trace`,
      ],
      [
        broken({}, { ...ENDS, kind: "bulk", bytes: 1, hint: NaN }),
        "traffic.it.hint",
        "it must be a finite number: it is NaN",
      ],
      [
        broken({}, { client: "phone", server: "phone", kind: "bulk", bytes: 1 }),
        "traffic.it.server",
        'it must be another host than the client: it is "phone"',
      ],
      [
        broken({ links: { a: { between: ["phone", "server"], rate: "5" as never } } }),
        "links.a",
        "number, a space",
      ],
      [
        broken({
          links: { a: { between: ["phone", "server"], gilbertElliott: { toBad: 2, toGood: 0 } } },
        }),
        "links.a.gilbertElliott",
        "from 0 to 1",
      ],
      [
        broken({ links: { a: { between: ["phone", "server"], rate: "1 Mbit/s", trace: [1] } } }),
        "links.a",
        "not several",
      ],
      [
        broken({ events: [{ at: "1 s", do: "cut", link: "x" }] }),
        "events.0.link",
        "the links are wifi, lte, server",
      ],
      [
        broken({ events: [{ at: "1" as never, do: "cut", link: "wifi" }] }),
        "events.0.at",
        "number, a space",
      ],
      [
        broken({ events: [{ at: "1 s", do: "up", host: "server", link: "wifi" }] }),
        "events.0.link",
        "its links are server",
      ],
      [
        broken({ routes: [{ at: "x", to: "server", over: "wifi" }] }),
        "routes.0",
        "the routers are: core",
      ],
      [
        broken({}, { client: "x", server: "server", kind: "bulk" }),
        "traffic.it.client",
        'no host "x": the hosts are phone, server',
      ],
      [broken({}, { ...ENDS, kind: "bulk", bytes: "5" }), "traffic.it.bytes", "B, kB, MB, GB"],
      [broken({}, { ...ENDS, kind: "bulk" }), "duration", "must be given"],
      [
        broken({}, { ...ENDS, kind: "stream", bytes: 1, every: "1 s" }),
        "traffic.it.deadline",
        "needs one",
      ],
      [broken({}, { ...ENDS, kind: "walk" }), "traffic.it.kind", "one of bulk, on-off"],
      // Time would stand still.
      ...(["messages", "requests"] as const).map((kind): [ScenarioError, string, string] => [
        broken({ duration: "1 ms" }, { ...ENDS, kind, bytes: 1, every: "0 ms" }),
        "traffic.it.every",
        `it must be above 0 s where there is no 'count': it is "0 ms"`,
      ]),
      ...(["on-off", "cbr"] as const).map((kind): [ScenarioError, string, string] => [
        broken({ duration: "1 ms" }, { ...ENDS, kind, rate: "1 Mbit/s", on: "0 s", off: "0 s" }),
        "traffic.it.on",
        `it must be above 0 s: it is "0 s"`,
      ]),
      ...(["chunk", "buffer"] as const).map((name): [ScenarioError, string, string] => [
        broken({}, { ...ENDS, kind: "video", bitrates: ["1 Mbit/s"], count: 1, [name]: "0 s" }),
        `traffic.it.${name}`,
        `it must be above 0 s: it is "0 s"`,
      ]),
      [
        broken({}, { ...ENDS, kind: "pages", objects: [] }),
        "traffic.it.objects",
        "there must be one at least",
      ],
      [
        broken({ hosts: { phone: { experiments: { buffer: 1 } as never }, server: {} } }),
        "hosts.phone.experiments",
        "there is no option 'buffer': the options are receiveBuffer, sendBuffer,",
      ],
      [
        broken({ hosts: { phone: { experiments: { sendBuffer: "1 MB" as never } }, server: {} } }),
        "hosts.phone.experiments",
        `'sendBuffer' must be a number of bytes from 1 on: current value is "1 MB"`,
      ],
      [
        broken({ hosts: { phone: { scheduler: "x" }, server: {} } }),
        "hosts.phone.scheduler",
        "loadScenario()",
      ],
    ];
    for (const [error, path, text] of cases) {
      assertEquals(error.path.join("."), path, error.message);
      assert(error.message.includes(text), error.message);
    }
    const rejected = await assertRejects(
      () => loadScenario(phone({}, { hosts: { phone: { scheduler: "fastest" } } })),
      ScenarioError,
    );
    assertEquals(rejected.path, ["hosts", "phone", "scheduler"]);
    assert(rejected.message.includes("min_rtt"), rejected.message);
    const other = await assertRejects(
      () => loadScenario(phone({}, { hosts: { phone: { scheduler: "lia" } } })),
      ScenarioError,
      "Cannot use lia as a scheduler as it is a congestion control: give 'congestionControl: lia'",
    );
    assertEquals(other.path, ["hosts", "phone", "scheduler"]);
  });
});

describe("figures", () => {
  it("of many values", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    assertEquals(spreadOf(values), {
      count: 100,
      mean: 50.5,
      min: 1,
      p50: 50,
      p95: 95,
      p99: 99,
      max: 100,
    });
    assertEquals(spreadOf([]).p99, 0);
    assertEquals(percentile([1, 2], 0.5), 1);
    assertAlmostEquals(jainIndex([1, 1, 1, 0]), 0.75);
  });

  it("of more times than are kept, within 0.05 %, and exact in count, mean, least and most", () => {
    const random = seededRandom(5)("times").float;
    // From a microsecond to some days.
    const values = Array.from({ length: 20_000 }, () => 2 ** (38 * random()));
    const [all, few] = [new Tally(), new Tally(100)];
    for (const value of [...values, 0]) {
      all.add(value);
      few.add(value);
    }
    const exact = spreadOf([...values, 0]);
    assertEquals(all.spread, exact);
    const { mean, p50, p95, p99, ...rest } = few.spread;
    assertEquals(rest, { count: exact.count, min: exact.min, max: exact.max });
    assertAlmostEquals(mean / exact.mean, 1, 1e-9);
    for (const [near, value] of [[p50, exact.p50], [p95, exact.p95], [p99, exact.p99]] as const) {
      assertAlmostEquals(near / value, 1, 0.0005);
    }
    const before = few.stored;
    for (const value of values) few.add(value);
    assertEquals(few.stored, before);
  });

  it("of sizes", () => {
    assertEquals([parseBytes("1.5 kB", "x"), parseBytes(7, "x")], [1500, 7]);
    assertThrows(() => parseBytes("1 TB", "x"), TypeError, "'x' must be");
    assertThrows(() => parseBytes(0, "x"), RangeError, "from 1 B");
  });
});
