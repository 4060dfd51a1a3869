/** What a scheduler is shown and told besides round trips and windows, and what it may answer besides a path. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../../cc/mod.ts";
import type { ConnectionObserver } from "../../../core/connection/host.ts";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import type {
  Chunk,
  ConnectionView,
  Scheduler,
  SchedulerPlugin,
  SubflowView,
} from "../../../core/plugin.ts";
import { minRtt, redundant } from "../../../sched/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import { dataOffsets, type Peer } from "../../support/scripted_peer.ts";
import { type PathShape, Topology, type TopologyOptions } from "../../support/topology.ts";

const PATHS: Readonly<Record<string, PathShape>> = {
  wifi: { rate: "20 Mbit/s", delay: "10 ms", queue: 50 },
  lte: { rate: "10 Mbit/s", delay: "30 ms", queue: 50 },
};

function plugin(make: (connection: ConnectionView) => Partial<Scheduler>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "looks",
    create: (connection) => ({ pick: (ready) => ready[0] ?? null, ...make(connection) }),
  };
}

/** Sends `bytes` with it from the client, whose peer takes in nothing else. */
function transfer(
  scheduler: SchedulerPlugin,
  bytes: number,
  more: Partial<TopologyOptions> = {},
): void {
  using t = new Topology({
    paths: PATHS,
    policies: { scheduler, congestionControl: reno() },
    serverPolicies: { scheduler: minRtt() },
    ...more,
  });
  t.complete(t.connect({ bytes }), 60);
}

describe("a subflow, as a scheduler sees it", () => {
  it("has the address ids of both ends", () => {
    const ids = new Map<number, string>();
    transfer(
      plugin(({ subflows }) => ({
        onAck: () => {
          for (const { path, localId, remoteId } of subflows) {
            ids.set(path, `${localId} ${remoteId}`);
          }
        },
      })),
      1e6,
    );
    assertEquals(ids.get(1), "0 0");
    assertEquals(ids.get(2), "1 0");
  });

  it("counts what was delivered, what was lost and when an ACK came, as the callbacks tell", () => {
    const acked = new Map<number, number>();
    const lost = new Map<number, number>();
    let checks = 0;
    transfer(
      plugin(({ subflows, now: _ }) => ({
        onAck: ({ path }, bytes) => acked.set(path, (acked.get(path) ?? 0) + bytes),
        onLoss: ({ path }, bytes) => lost.set(path, (lost.get(path) ?? 0) + bytes),
        pick(ready) {
          for (const { path, delivered, lost: all } of subflows) {
            assertEquals(delivered, acked.get(path) ?? 0);
            assertEquals(all, lost.get(path) ?? 0);
            checks++;
          }
          return ready[0] ?? null;
        },
      })),
      2e6,
      {
        paths: { wifi: { ...PATHS.wifi!, loss: 0.02 }, lte: { ...PATHS.lte!, loss: 0.02 } },
        seed: 2,
      },
    );
    assert(checks > 100 && lost.get(1)! > 0 && lost.get(2)! > 0, `${checks} ${lost.get(2)}`);
  });

  it("counts timeouts, which are told with what was in flight as lost", () => {
    const told: string[] = [];
    let bytes = 0;
    using t = new Topology({
      paths: PATHS,
      policies: {
        scheduler: plugin(() => ({
          onLoss: ({ path }, lost) => {
            if (path === 1) bytes += lost;
          },
          onTimeout: ({ path, timeouts, inFlight }) => {
            told.push(`${path} timeout ${timeouts} ${inFlight > 1460 ? "in flight" : "all lost"}`);
          },
        })),
        congestionControl: reno(),
      },
      serverPolicies: { scheduler: minRtt() },
    });
    const pair = t.connect({ bytes: 4e6 });
    t.at(0.5, () => t.paths.wifi!.cut());
    t.complete(pair, 60);
    assertEquals(told.slice(0, 2), ["1 timeout 1 all lost", "1 timeout 2 all lost"]);
    assert(bytes > 1e4, `${bytes}`);
  });

  it("tells the queue of its way out once it is asked, that of the other way apart", () => {
    let out = 0;
    let back = 0;
    let first = -1;
    transfer(
      plugin(() => ({
        onAck({ path, delayOut, delayIn }) {
          if (first < 0) first = delayOut + delayIn;
          if (path !== 1) return;
          out = Math.max(out, delayOut);
          back = Math.max(back, delayIn);
        },
      })),
      4e6,
      { paths: { wifi: PATHS.wifi! } },
    );
    assertEquals(first, 0);
    // 50 packets of 1,500 bytes at 20 Mbit/s wait 30 ms; a delayed ACK adds to that.
    assert(out > 25e3 && out < 100e3, `${out} µs`);
    assert(back <= 2e3, `${back} µs`);
  });
});

describe("a connection, as a scheduler sees it", () => {
  it("has the peer's window and the most that it was, and its own receive buffer", () => {
    let seen = 0;
    let most = 0;
    transfer(
      plugin((connection) => ({
        onAck() {
          const { window, mostWindow, receiveBuffer, receiveWindow, readable } = connection;
          seen++;
          assert(mostWindow >= most && mostWindow >= window);
          most = mostWindow;
          assert(receiveWindow > 0 && receiveWindow <= receiveBuffer);
          assertEquals(readable, 0);
        },
      })),
      3e5,
      { server: { receiveBuffer: 60e3 } },
    );
    assert(seen > 10);
    assert(most > 3e4 && most <= 6e4, `${most}`);
  });

  it("has the tag that the application gives it, from the next decision on", () => {
    const tags: number[] = [];
    using t = new Topology({
      paths: PATHS,
      policies: {
        scheduler: plugin((connection) => ({
          pick(ready) {
            if (tags.at(-1) !== connection.tag) tags.push(connection.tag);
            return ready[0] ?? null;
          },
        })),
      },
      serverPolicies: { scheduler: minRtt() },
    });
    const pair = t.connect({ bytes: 2e6 });
    t.at(0.3, () => pair.client.socket.setTag(t.now, 46));
    t.complete(pair, 60);
    assertEquals(tags, [0, 46]);
  });
});

describe("an answer with bytes", () => {
  it("binds no more than that, in whole segments, one at least", () => {
    for (const [segments, expected] of [[0.01, 1], [1.99, 1], [2, 2]] as const) {
      const pieces = new Set<number>();
      let from = -1;
      transfer(
        plugin(() => ({
          pick(ready, { offset, length, sentOn }) {
            const { path, mss } = ready[0]!;
            if (from >= 0 && sentOn.length === 0) pieces.add((offset - from) / mss);
            from = sentOn.length === 0 && length >= 4 * mss ? offset : -1;
            return { path, bytes: segments * mss };
          },
        })),
        3e5,
        { paths: { wifi: PATHS.wifi! } },
      );
      // The first one ends where the keys do, and where room does they may be fewer.
      assertEquals(Math.floor(Math.max(...pieces)), expected);
    }
  });

  it("counts for all copies, the least of them", () => {
    let copies = 0;
    let before = 0;
    using t = new Topology({
      paths: PATHS,
      policies: {
        scheduler: plugin((connection) => ({
          pick(ready) {
            const more = connection.repeated - before;
            before = connection.repeated;
            assert(more <= 1460, `${more}`);
            if (more > 0) copies++;
            return ready.map(({ path, mss }) => ({ path, bytes: path * mss }));
          },
        })),
      },
      serverPolicies: { scheduler: minRtt() },
    });
    t.complete(t.connect({ bytes: 2e5, writes: () => 8000, pace: 0.1 }), 60);
    assert(copies > 20, `${copies}`);
  });
});

describe("what a write says of its bytes", () => {
  const silent: ConnectionObserver = {
    onEstablished() {},
    onReadable() {},
    onWritable() {},
    onClosed() {},
  };

  /** A connection of the client's, on which nobody writes but the test. */
  function opened(t: Topology): MetaSocket {
    t.server.listen(t.now, { port: 80, observer: { onConnection() {} } });
    const remote = { address: "10.0.0.1", port: 80 };
    return t.client.connect(t.now, { remote, observer: silent });
  }

  /** Writes each with its hint, at its time in milliseconds. */
  function hinted(
    writes: readonly (readonly [at: number, bytes: number, hint: number])[],
    pick: (ready: readonly SubflowView[], chunk: Chunk) => SubflowView | null,
  ): void {
    using t = new Topology({
      paths: PATHS,
      policies: { scheduler: plugin(() => ({ pick })) },
      serverPolicies: { scheduler: minRtt() },
    });
    const socket = opened(t);
    for (const time of new Set(writes.map(([at]) => at))) {
      // What is written at one time is sent together.
      t.at(0.2 + time / 1e3, () => {
        for (const [at, length, hint] of writes) {
          if (at === time) socket.write(t.now, new Uint8Array(length), 0, false, hint);
        }
      });
    }
    const bytes = writes.reduce((sum, [, length]) => sum + length, 0);
    t.runUntil(() => socket.acked === bytes, 5);
  }

  it("is seen on each chunk, with the time of the write, and no chunk has two", () => {
    const seen: string[] = [];
    hinted(
      [[0, 3000, 7], [0, 500, 0], [10, 100, 9], [10, 100, 9]],
      (ready, { offset, length, hint, written, sentAt }) => {
        seen.push(`${offset}+${length} hint ${hint} at ${Math.round(written / 1e3)}`);
        assertEquals(sentAt, 0);
        return ready[0] ?? null;
      },
    );
    assertEquals(seen, [
      "1+3000 hint 7 at 200",
      // The keys ride on one segment.
      "1425+1576 hint 7 at 200",
      "3001+500 hint 0 at 0",
      "3501+200 hint 9 at 210",
    ]);
  });

  it("is forgotten when the bytes are DATA_ACKed, and kept for what goes again", () => {
    const again: number[] = [];
    using t = new Topology({
      paths: PATHS,
      policies: {
        scheduler: plugin(() => ({
          pick(ready, { hint, sentOn, sentAt }) {
            if (sentOn.length > 0) {
              again.push(hint);
              assert(sentAt > 0);
            }
            return ready[0] ?? null;
          },
        })),
      },
      serverPolicies: { scheduler: minRtt() },
    });
    const socket = opened(t);
    t.at(0.1, () => socket.write(t.now, new Uint8Array(10), 0));
    t.at(0.4, () => {
      t.paths.wifi!.cut();
      socket.write(t.now, new Uint8Array(2000), 0, false, 5);
    });
    t.runUntil(() => socket.acked === 2010, 5);
    assert(again.length > 0 && again.every((hint) => hint === 5), again.join());
    socket.write(t.now, new Uint8Array(10), 0);
    t.runUntil(() => socket.acked === 2020, 10);
    assertEquals(socket.sendQueue.hints, null);
  });
});

describe("repeat", () => {
  it('passes over what it answers "skip" to, and goes on with the next', () => {
    let skippedAt = -1;
    let wentOn = 0;
    const skipped = new Set<number>();
    const repeated = new Set<number>();
    transfer(
      plugin((connection) => ({
        pick(ready) {
          // What follows is asked about anew.
          skippedAt = -1;
          return ready.find(({ path }) => path === 1) ?? null;
        },
        repeat(subflow, { offset, sentOn, sentAt }) {
          assert(sentAt > 0 && !sentOn.includes(subflow));
          const known = skipped.has(offset) || repeated.has(offset);
          if (!known) (skipped.size > repeated.size ? repeated : skipped).add(offset);
          if (!skipped.has(offset)) return true;
          if (connection.now === skippedAt) wentOn++;
          skippedAt = connection.now;
          return "skip";
        },
      })),
      1e6,
    );
    assert(
      wentOn > 10 && skipped.size > 10 && repeated.size > 10,
      `${skipped.size} ${repeated.size}`,
    );
  });

  for (
    const [mode, bytes, fast, slow] of [
      // Nothing comes back of a single message before it has come: in the next pass it would be too late.
      ["full", 1, [0, 1], [0, 1]],
      ["tail", 1, [0, 1], [0, 1]],
      // A path takes nothing new while it lacks what others carry.
      ["full", 40, [0, 10], [0, 10]],
      ["tail", 40, [0, 10], [10, 20]],
    ] as const
  ) {
    it(`is asked before new data, and of the last, in the same pass: redundant, ${mode}, ${bytes} segments`, () => {
      using d = new Dialogue({
        tcp: { mtuProbing: "off" },
        policies: { scheduler: redundant({ mode }) },
      });
      const { first, second, app } = joined(d, { rtt: 20e3 }, { rtt: 80e3 });
      app.write(bytes * 1428);
      const span = (peer: typeof first): number[] => {
        const offsets = dataOffsets(peer.takeAll()).map((offset) => (offset - 1) / 1428);
        return [Math.min(...offsets), Math.max(...offsets) + 1];
      };
      assertEquals([span(first), span(second)], [[...fast], [...slow]]);
    });
  }

  it("asks for all that is out where all is skipped, and repeats none", () => {
    let [asked, most] = [0, 0];
    transfer(
      plugin((connection) => ({
        pick: (ready) => ready.find(({ path }) => path === 1) ?? null,
        repeat: () => {
          most = Math.max(most, ++asked);
          return "skip";
        },
        onAck() {
          asked = 0;
          assertEquals(connection.repeated, 0);
        },
      })),
      5e5,
    );
    assert(most > 10, `${most}`);
  });
});

/** A fast path with a large window beside a slow one, whose window has room; nothing is out. */
function unlike(d: Dialogue): ReturnType<typeof joined> {
  const { first, second, app } = joined(d, { rtt: 1e3 }, { rtt: 20e3 });
  const acks = (): void => {
    d.pass(1e3);
    for (const peer of [first, second]) {
      peer.takeAll();
      peer.acks();
    }
  };
  for (let round = 0; round < 8; round++) {
    app.write(20000);
    acks();
  }
  while (app.socket.unacked > 0) acks();
  return { first, second, app };
}

/** The data offsets that the slow path is given of what the fast one carries. */
function repeatedOnSlow(swapped: boolean): number[] {
  using d = new Dialogue({ policies: { scheduler: minRtt() } });
  const { second, app } = unlike(d);
  const { socket } = app;
  if (!swapped) socket.setScheduler(d.now, redundant());
  const [fast, slow] = socket.subflows;
  const from = socket.dataNxt;
  // What the fast path is given at once is more than the slow one ever takes.
  app.write(fast!.cwnd);
  assert(socket.sendQueue.find(from)!.length > slow!.cwnd);
  const given = dataOffsets(second.takeAll());
  if (swapped) socket.setScheduler(d.now, redundant());
  d.stack.flush(d.now);
  given.push(...dataOffsets(second.takeAll()));
  return given.filter((offset) => offset < from + slow!.cwnd).map((offset) => offset - from);
}

describe("a chunk that was bound to a fast path, larger than the window of a slow one", () => {
  for (const swapped of [false, true]) {
    const how = swapped ? "by what takes over in a live swap" : "by a scheduler that repeats";
    it(`is repeated there ${how}, as much of it as there is room for`, () => {
      const MSS = 1428;
      assertEquals(repeatedOnSlow(swapped), Array.from({ length: 10 }, (_, i) => i * MSS));
    });
  }

  for (const asked of ["pick", "repeat"] as const) {
    it(`is shown to ${asked} with those that carry all of it: not with one that has another part`, () => {
      using d = new Dialogue({ policies: { scheduler: minRtt() } });
      const { first, second, app } = unlike(d);
      const { socket } = app;
      socket.setScheduler(d.now, redundant());
      const from = socket.dataNxt;
      app.write(socket.subflows[0]!.cwnd);
      const given = dataOffsets(second.takeAll()).length;
      const parts = new Map<number, string>();
      let third: Peer | null = null;
      const note = ({ offset, length, sentOn, sentAt }: Chunk): void => {
        assert(sentAt > 0);
        const segments = [offset, offset + length].map((at) => (at - from) / 1428).join("-");
        parts.set(offset, `${segments}: ${sentOn.map(({ path }) => path)}`);
      };
      socket.setScheduler(
        d.now,
        plugin(() => ({
          pick(ready, chunk) {
            note(chunk);
            return asked === "pick" ? ready[0] ?? null : null;
          },
          ...(asked === "repeat" && {
            repeat({ path }: SubflowView, chunk: Chunk) {
              if (path !== 3 || third === null) return false;
              note(chunk);
              return chunk.offset < from + given * 1428 ? "skip" : true;
            },
          }),
        })),
      );
      first.takeAll();
      // A third one has nothing of it, and room for all.
      if (asked === "repeat") third = join(d, first, 1, { rtt: 20e3 }, 5);
      if (asked === "pick") d.pass(socket.subflows[0]!.sender.timeoutAt - d.now);
      second.sends(`. ack ${second.acked} <dack8 ${from + 1428}>`);
      d.stack.flush(d.now);
      assert(given > 2 && parts.size > 0);
      if (third !== null) {
        assertEquals(parts.size, 2);
        assertEquals(dataOffsets((third as Peer).takeAll())[0], from + given * 1428);
      }
      // What the slow path has of it is on both, what it lacks on the fast one alone.
      for (const [offset, text] of parts) {
        assertEquals(text.endsWith(offset < from + given * 1428 ? ": 1,2" : ": 1"), true, text);
      }
    });
  }

  it("goes there to its end at once where the fast path fails, though who took over repeats nothing", () => {
    using d = new Dialogue({ policies: { scheduler: minRtt() } });
    const { first, second, app } = unlike(d);
    const { socket } = app;
    socket.setScheduler(d.now, redundant());
    const [fast, slow] = socket.subflows;
    const from = socket.dataNxt;
    const { cwnd } = slow!;
    app.write(fast!.cwnd);
    app.write(1);
    const given = dataOffsets(second.takeAll()).length;
    socket.setScheduler(d.now, minRtt());
    first.sends("R. ack 1");
    second.sends(`. ack ${second.acked} <dack8 ${from + given * slow!.mss}>`);
    // All that its window takes, which is the double now.
    assert(given > 0 && slow!.inFlight > cwnd, `${slow!.inFlight}`);
    assertEquals(dataOffsets(second.takeAll())[0], from + given * slow!.mss);
  });
});

describe("what was bound at once, and is more than a mapping can tell of (RFC 8684 §3.3.1: 16 bits)", () => {
  it("is repeated in mappings that can", () => {
    const bytes = 150e3;
    using d = new Dialogue({ tcp: { pacing: false }, policies: { scheduler: minRtt() } });
    const { first, second, app } = joined(d, { scale: 7 });
    const { socket } = app;
    /** The mappings that the second path brings, each by its data offset. */
    const mapped = (): Map<number, number> => {
      d.pass(20e3);
      first.takeAll();
      const mappings = new Map<number, number>();
      for (const { options } of second.takeAll()) {
        for (const option of options) {
          const found = /^map8? (\d+) \d+ (\d+)/.exec(option);
          if (found !== null) mappings.set(Number(found[1]), Number(found[2]));
        }
      }
      first.acks();
      second.acks();
      return mappings;
    };
    const [, other] = socket.subflows;
    for (let round = 0; round < 40 && other!.cwnd < 2 * bytes; round++) {
      app.write(200e3);
      while (socket.unacked > 0) mapped();
    }
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "binds much",
      quantum: bytes,
      lookAhead: 2 * bytes,
      create: () => ({
        pick: (ready) => ready.find(({ path }) => path === 1) ?? null,
        repeat: ({ path }) => path === 2,
      }),
    };
    socket.setScheduler(d.now, scheduler);
    const from = socket.dataNxt;
    app.write(bytes);
    assert(socket.sendQueue.find(from)!.length > 65535);
    app.write(1);
    let end = from;
    for (const [offset, length] of mapped()) {
      assertEquals(offset, end);
      end += length;
    }
    assert(end > from + bytes - other!.mss, `${end - from}`);
  });
});

describe("a scheduler is told", () => {
  it("of a priority that the peer changes, and of none that it says again", () => {
    const changes: string[] = [];
    const scheduler = plugin(() => ({ onSubflow: (_, change) => changes.push(change) }));
    using d = new Dialogue({ policies: { scheduler } });
    const { second, app } = joined(d);
    app.write(1);
    changes.length = 0;
    for (const prio of ["prio backup", "prio backup", "prio", "prio"]) {
      second.sends(`. 1 ack 1 <dack8 1, ${prio}>`);
    }
    assertEquals([changes, d.counter("MPPrioRx")], [["priority", "priority"], 4]);
  });

  it("that the peer's window is in the way of those that have room, once each time", () => {
    const told: number[] = [];
    let sent = 0;
    transfer(
      plugin((connection) => ({
        pick(ready) {
          sent++;
          return ready[0] ?? null;
        },
        onBlocked(ready) {
          const { window } = connection;
          assert(ready.length > 0 && ready.every(({ mss, room }) => window < mss && room >= mss));
          told.push(sent);
        },
      })),
      3e5,
      { server: { receiveBuffer: 20e3 } },
    );
    assert(told.length > 3, `${told.length}`);
    // Something has left between any two of them.
    assertEquals(new Set(told).size, told.length);
  });

  it("never, where there is window enough", () => {
    transfer(plugin(() => ({ onBlocked: () => assert(false) })), 3e5);
  });

  it("of its end: when the connection ends, or another takes over, and of nothing after", () => {
    const told: string[] = [];
    const named = (name: string): SchedulerPlugin =>
      plugin(() => ({
        onClose: () => void told.push(`${name} ends`),
        onSubflow: ({ path }, change) => void told.push(`${name} ${path} ${change}`),
      }));
    using t = new Topology({
      paths: PATHS,
      policies: { scheduler: named("first") },
      serverPolicies: { scheduler: minRtt() },
    });
    const pair = t.connect({ bytes: 1e6 });
    t.at(0.3, () => pair.client.socket.setScheduler(t.now, named("second")));
    t.complete(pair, 60);
    t.runTo(t.seconds + 5);
    assertEquals(told, [
      "first 1 joined",
      "first 2 joined",
      "first ends",
      "second 1 joined",
      "second 2 joined",
      "second ends",
    ]);
  });

  it("what the application tunes, whose mistakes go back to it and are no faults", () => {
    using t = new Topology({
      paths: PATHS,
      policies: {
        scheduler: plugin(() => {
          let path = 1;
          return {
            pick: (ready) => ready.find((each) => each.path === path) ?? null,
            tune(parameters) {
              if (parameters.path === 3) throw new RangeError("no third");
              path = parameters.path as number;
            },
          };
        }),
      },
      serverPolicies: { scheduler: minRtt() },
    });
    const pair = t.connect({ bytes: 2e6 });
    const { socket } = pair.client;
    t.runTo(0.3);
    assertEquals(socket.subflows[1]!.bytesSent, 0);
    assertThrows(() => socket.tuneScheduler(t.now, { path: 3 }), RangeError, "no third");
    socket.tuneScheduler(t.now, { path: 2 });
    t.runTo(0.6);
    socket.setScheduler(t.now, minRtt());
    assertThrows(
      () => socket.tuneScheduler(t.now, {}),
      TypeError,
      "Cannot tune min_rtt as it has nothing to tune: setScheduler() puts another in its place",
    );
    t.complete(pair, 60);
    assert(socket.bytesReceived === 0 && t.faults.length === 0);
  });
});
