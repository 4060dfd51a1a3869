/** What is spread over time, and what is not: the pacer between window and link, seen on the wire. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cubic, reno } from "../../../cc/mod.ts";
import type {
  CongestionControlPlugin,
  SchedulerPlugin,
  SubflowView,
} from "../../../core/plugin.ts";
import { lia } from "../../../cc/mod.ts";
import { Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const MSS = 1428;

/** A fixed window and a rate that a test may change. */
class Paced {
  rate: number | undefined;
  readonly plugin: CongestionControlPlugin;

  constructor(rate: number | undefined, cwnd = 100 * MSS) {
    this.rate = rate;
    const rateOf = (): number | undefined => this.rate;
    this.plugin = {
      kind: "congestion-control",
      name: "paced",
      create: () => ({
        join: () => ({
          cwnd,
          ssthresh: cwnd,
          get pacingRate() {
            return rateOf();
          },
          onAck: () => {},
          onCongestion: () => {},
        }),
      }),
    };
  }
}

/** Lets `time` pass: when how many segments leave to `peer`, "0:4 1000:2", microseconds from now on. */
function leaves(d: Dialogue, peer: Peer, time: number, mss = MSS): string {
  const start = d.now;
  const end = start + time;
  const lines: string[] = [];
  while (true) {
    const segments = peer.takeAll().filter(({ payload }) => payload.length > 0);
    const bytes = segments.reduce((sum, { payload }) => sum + payload.length, 0);
    if (bytes > 0) lines.push(`${d.now - start}:${bytes / mss}`);
    const next = d.stack.pollTimeout();
    if (next > end) break;
    d.pass(Math.max(0, next - d.now));
  }
  d.pass(end - d.now);
  return lines.join(" ");
}

/** Acknowledges each segment one round trip after it has left, and `spacing` after the one before at the earliest. */
class Path {
  readonly #d: Dialogue;
  readonly #peer: Peer;
  readonly #rtt: number;
  readonly #spacing: number;
  readonly #due: (readonly [time: number, end: number])[] = [];
  /** Segments that left when a timer, and no ACK, said so. */
  held = 0;
  /** Only each so many are acknowledged. */
  each = 1;
  #count = 0;

  constructor(d: Dialogue, peer: Peer, spacing = 0, rtt = 20e3) {
    this.#d = d;
    this.#peer = peer;
    this.#spacing = spacing;
    this.#rtt = rtt;
  }

  /** As `leaves`, with ACKs. */
  run(time: number): string {
    const d = this.#d;
    const start = d.now;
    const lines: string[] = [];
    for (let byTimer = false;;) {
      let bytes = 0;
      for (const { payload, end } of this.#peer.takeAll()) {
        if (payload.length === 0) continue;
        bytes += payload.length;
        const [last] = this.#due.at(-1) ?? [0];
        this.#due.push([Math.max(d.now + this.#rtt, last + this.#spacing), end]);
      }
      if (bytes > 0) lines.push(`${d.now - start}:${bytes / MSS}`);
      if (byTimer) this.held += bytes / MSS;
      const timer = d.stack.pollTimeout();
      const [due, ack] = this.#due[0] ?? [Infinity, 0];
      const next = Math.min(timer, due);
      if (next > start + time) break;
      d.pass(Math.max(0, next - d.now));
      byTimer = due > next;
      if (byTimer) continue;
      this.#due.shift();
      if (++this.#count % this.each === 0) this.#peer.sends(`. ack ${ack} <dack8 ${ack}>`);
    }
    d.pass(start + time - d.now);
    return lines.join(" ");
  }
}

/** A window of `segments`, all of it acknowledged, in slow start or behind it. */
function grown(d: Dialogue, segments: number, behind = false): ReturnType<Dialogue["opened"]> {
  const all = d.opened({ rtt: 20e3 });
  const { peer, app } = all;
  const { sender } = app.socket.subflows[0]!;
  const path = new Path(d, peer);
  for (let rounds = 1; sender.cwnd < segments * MSS; rounds++) {
    assert(rounds < 100, `a window of ${sender.cwnd} bytes does not grow`);
    app.write(sender.cwnd - sender.cwnd % MSS);
    path.run(40e3);
  }
  if (behind) {
    // One is lost, and sent again.
    app.write(segments * MSS);
    const from = peer.acked;
    leaves(d, peer, 20e3);
    peer.sends(`. ack ${from} <dack8 ${from}, sack ${from + MSS}:${from + 40 * MSS}>`);
    leaves(d, peer, 20e3);
    peer.acks();
  }
  return all;
}

const SPREAD: DialogueOptions = { tcp: { pacing: true } };

describe("the initial window", () => {
  it("RFC 6928 §2, RFC 9002 §7.7: four segments leave at once, the other six within a quarter of a round trip", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 20e3 });
    app.write(30 * MSS);
    // Four windows a round trip are 2920 bytes a millisecond.
    assertEquals(leaves(d, peer, 20e3), "0:4 935:2 1913:2 2891:2");
  });

  it("RFC 6928 §2: the same for the side that has opened the connection", () => {
    using d = new Dialogue({ ...SPREAD, experiments: { mptcp: false } });
    const { peer, app } = d.dialled({ rtt: 40e3, mptcp: false });
    app.write(30 * 1448);
    assertEquals(leaves(d, peer, 40e3, 1448), "0:4 1984:2 3968:2 5951:2");
  });

  it("RFC 6928 §2: as long as a quarter of the round trip is one millisecond it leaves at once", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 2e3 });
    app.write(30 * MSS);
    assertEquals(leaves(d, peer, 1e3), "0:10");
  });

  it("RFC 6928 §2: leaves at once where pacing is switched off", () => {
    using d = new Dialogue({ tcp: { pacing: false } });
    const { peer, app } = d.opened({ rtt: 200e3 });
    app.write(30 * MSS);
    assertEquals(leaves(d, peer, 20e3), "0:10");
  });

  it("RFC 6928 §2: four segments of a request wait for nothing, and no timer is set", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 100e3 });
    app.write(4 * MSS);
    assertEquals(leaves(d, peer, 0), "0:4");
    const next = d.stack.pollTimeout() - d.now;
    assert(next > 100e3, `something is due in ${next} us`);
  });

  it("RFC 6928 §2: a message that comes in parts is spread as one that comes at once", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 20e3 });
    for (let i = 0; i < 10; i++) app.write(MSS);
    // With the third the rest of the burst is less than two segments.
    assertEquals(leaves(d, peer, 20e3), "0:3 446:2 1424:2 2402:2 3380:1");
  });

  it("RFC 5681 §3.1: doubles in the second round trip as without pacing, within half of it", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 20e3 });
    app.write(60 * MSS);
    const path = new Path(d, peer);
    path.run(19e3);
    const all = path.run(11e3).split(" ").map((each) => Number(each.split(":")[1]));
    assertEquals(all.reduce((sum, count) => sum + count), 20);
  });

  it("RFC 9002 §7.7: what one ACK for the whole window lets out is spread", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 20e3 });
    app.write(14 * MSS);
    leaves(d, peer, 3e3);
    d.pass(17e3);
    app.write(46 * MSS);
    peer.sends(`. ack ${1 + 10 * MSS} <dack8 ${1 + 10 * MSS}>`);
    const all = leaves(d, peer, 20e3).split(" ").map((each) => each.split(":").map(Number));
    assertEquals(all[0], [0, 4]);
    assertEquals(all.reduce((sum, [, count]) => sum + count!, 0), 20);
    assert(all.length >= 8, `${all}`);
  });

  it("RFC 7661 §4.4: a window that is being spread when an ACK comes is in use, and grows", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 40e3 });
    app.write(60 * MSS);
    // The path has become much shorter than the handshake told.
    assertEquals(leaves(d, peer, 3e3), "0:4 1957:2");
    peer.sends(`. ack ${1 + 4 * MSS} <dack8 ${1 + 4 * MSS}>`);
    leaves(d, peer, 20e3);
    const { sender } = app.socket.subflows[0]!;
    assertEquals([sender.cwnd, sender.board.inFlight], [1.4 * 14600, 14 * MSS]);
  });

  it("RFC 8684 §3.2: a joined subflow spreads its own, beside the first", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = d.opened({ rtt: 20e3 });
    app.write(8 * MSS);
    assertEquals(leaves(d, peer, 20e3), "0:4 935:2 1913:2");
    assertEquals(app.socket.subflows.length, 1);
  });
});

describe("a window after a pause", () => {
  it("RFC 9002 §7.7: in slow start two windows per round trip, before the first ACK", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = grown(d, 80);
    d.pass(100e3);
    app.write(200 * MSS);
    // 80 segments, which two windows a round trip let out in 10 ms: quanta of 8, and of two after a pause.
    assertEquals(
      leaves(d, peer, 20e3),
      "0:16 967:8 1956:8 2945:8 3934:8 4923:8 5912:8 6901:8 7890:8",
    );
  });

  it("RFC 9002 §5.3, §7.7: within the same time where the peer has delayed ACKs, of segments that came alone", () => {
    const behind = (alone: number): readonly [srtt: number, times: string] => {
      using d = new Dialogue({ tcp: { pacing: true, tlp: false } });
      const { peer, app } = grown(d, 80, true);
      for (let i = 0; i < alone; i++) {
        app.write(MSS);
        leaves(d, peer, 60e3);
        peer.acks();
      }
      const { srtt } = app.socket.subflows[0]!;
      d.pass(100e3);
      app.write(200 * MSS);
      return [srtt, leaves(d, peer, 60e3)];
    };
    const [[soon, times], [late, same]] = [behind(0), behind(4)];
    assert(late > 1.5 * soon, `${late} ${soon}`);
    assertEquals(same, times);
  });

  it("RFC 9002 §7.7: behind slow start 1.2 windows per round trip", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = grown(d, 80, true);
    const { sender } = app.socket.subflows[0]!;
    assert(sender.cwnd >= sender.ssthresh);
    const segments = Math.floor(sender.cwnd / MSS);
    d.pass(100e3);
    app.write(200 * MSS);
    const times = leaves(d, peer, 20e3).split(" ").map((each) => each.split(":").map(Number));
    const sum = times.reduce((sum, [, count]) => sum + count!, 0);
    assertEquals(sum, segments);
    // The last of them leaves behind 20 ms / 1.2 but for the burst.
    assert(times.at(-1)![0]! > 10e3, `${times}`);
  });

  it("RFC 5681 §4.1: longer than two timeouts: an initial window again, spread like the first", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = grown(d, 80);
    const { sender } = app.socket.subflows[0]!;
    d.pass(2 * sender.rtt.base + 1e3);
    app.write(200 * MSS);
    assertEquals(leaves(d, peer, 20e3), "0:4 935:2 1913:2 2891:2");
    assertEquals(sender.cwnd, 14600);
  });

  it("RFC 7661 §4.3: answers of the same length, which leave room in it, double it once at most", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = grown(d, 80);
    const { sender } = app.socket.subflows[0]!;
    const path = new Path(d, peer);
    for (let answer = 0; answer < 6; answer++) {
      app.write(50 * MSS);
      path.run(60e3);
      assertEquals(sender.board.inFlight, 0);
    }
    // By an ACK more than twice at most.
    assert(sender.cwnd >= 80 * MSS && sender.cwnd < 102 * MSS, `${sender.cwnd / MSS} segments`);
  });

  it("RFC 9002 §7.7: at no more than twice the rate at which the path has let the last one through", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = grown(d, 160);
    // Two segments each 1200 us.
    app.write(60 * MSS);
    const from = peer.acked;
    leaves(d, peer, 20e3);
    for (let count = 2; count <= 60; count += 2) {
      const ack = from + count * MSS;
      peer.sends(`. ack ${ack} <dack8 ${ack}>`);
      d.pass(1200);
    }
    app.write(60 * MSS);
    const times = leaves(d, peer, 40e3).split(" ").map((each) => each.split(":").map(Number));
    assertEquals(times.reduce((sum, [, count]) => sum + count!, 0), 60);
    const last = times.at(-1)![0]!;
    // 300 us each, but for the burst and what the first ACKs make of the rate; two windows a round trip would take 8 ms.
    assert(last >= 10e3 && last <= 18e3, `${times}`);
  });

  it("at no more than twice the rate of a path that a larger window than it carries has filled, in one transfer", () => {
    // Slow start that ends before would leave no such window.
    using d = new Dialogue({ ...SPREAD, policies: { congestionControl: lia({ hystart: false }) } });
    const { peer, app } = d.opened({ rtt: 20e3 });
    const { sender } = app.socket.subflows[0]!;
    // A segment each 500 us: 40 of them fill the path.
    const path = new Path(d, peer, 500);
    while (sender.cwnd < 160 * MSS) {
      app.write(20 * MSS);
      path.run(1e3);
    }
    path.run(400e3);
    assertEquals(sender.board.inFlight, 0);
    assert(sender.rtt.srtt > 30e3, `${sender.rtt.srtt}`);
    app.write(100 * MSS);
    const times = leaves(d, peer, 60e3).split(" ").map((each) => each.split(":").map(Number));
    assertEquals(times.reduce((sum, [, count]) => sum + count!, 0), 100);
    // 250 us each, but for the burst.
    const last = times.at(-1)![0]!;
    assert(last >= 20e3 && last <= 26e3, `${times}`);
  });

  it("where the path has become faster, at more each time that one comes through as it was sent", () => {
    using d = new Dialogue(SPREAD);
    const { peer, app } = grown(d, 160);
    /** When the last segment of a burst leaves on a path that takes `spacing` for each. */
    const last = (spacing: number): number => {
      app.write(60 * MSS);
      const path = new Path(d, peer, spacing);
      path.each = 2;
      return Number(path.run(100e3).split(" ").at(-1)!.split(":")[0]);
    };
    const free = last(0);
    last(600);
    const first = last(0);
    last(0);
    assert(first > 2 * free, `${first}`);
    assert(Math.abs(last(0) - free) < 100);
  });

  it("RFC 5681 §4.1: as long as a timeout the window is kept", () => {
    using d = new Dialogue({ tcp: { pacing: false } });
    const { peer, app } = grown(d, 80);
    const { sender } = app.socket.subflows[0]!;
    const idle = d.now - sender.lastSent;
    d.pass(sender.rtt.base - idle);
    app.write(200 * MSS);
    assertEquals(leaves(d, peer, 0), `0:${Math.floor(sender.cwnd / MSS)}`);
    assert(sender.cwnd >= 80 * MSS);
  });

  it("RFC 5681 §4.1: what is in flight is no pause, however long its ACK takes", () => {
    using d = new Dialogue({ tcp: { pacing: false } });
    const { peer, app } = grown(d, 80);
    app.write(MSS);
    d.pass(150e3);
    peer.takeAll();
    app.write(79 * MSS);
    assertEquals(leaves(d, peer, 0), "0:79");
  });

  it("RFC 7661 §4.4.3: slow start takes it back to three quarters of what it was", () => {
    using d = new Dialogue({ tcp: { pacing: false } });
    const { app } = grown(d, 80, true);
    const { sender } = app.socket.subflows[0]!;
    const { cwnd } = sender;
    d.pass(10e6);
    app.write(MSS);
    assertEquals([sender.cwnd, sender.ssthresh], [
      14600,
      Math.max(40 * MSS, Math.floor(cwnd * 3 / 4)),
    ]);
  });
});

describe("a controller that sets pacingRate", () => {
  it("has segments leave at that rate, in bursts of two, from a burst of four on", () => {
    const paced = new Paced(2 * MSS * 100);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin }, tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(14 * MSS);
    assertEquals(leaves(d, peer, 100e3), "0:4 10000:2 20000:2 30000:2 40000:2 50000:2");
    d.silent();
  });

  it("has super-segments of a millisecond leave where the rate is high", () => {
    const paced = new Paced(10e3 * MSS, 400 * MSS);
    using d = new Dialogue({
      policies: { congestionControl: paced.plugin },
      maxSegments: 44,
    });
    const { peer, app } = d.opened({ rtt: 10e3 });
    app.write(60 * MSS);
    assertEquals(leaves(d, peer, 10e3), "0:20 1000:10 2000:10 3000:10 4000:10");
  });

  it("keeps to it in every round, ACKs or none", () => {
    const paced = new Paced(100 * MSS, 8 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin }, tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(100 * MSS);
    assertEquals(leaves(d, peer, 100e3), "0:4 20000:2 40000:2");
    // The bucket has filled up while the window was full.
    peer.acks();
    assertEquals(leaves(d, peer, 30e3), "0:4 20000:2");
    peer.acks();
    assertEquals(leaves(d, peer, 30e3), "10000:2 30000:2");
  });

  it("may change the rate at any time: what has come together by then is kept", () => {
    const paced = new Paced(100 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin }, tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(100 * MSS);
    assertEquals(leaves(d, peer, 10e3), "0:4");
    paced.rate = 1000 * MSS;
    peer.sends(`. ack ${1 + MSS} <dack8 ${1 + MSS}>`);
    // One segment has come together, the second takes a millisecond.
    assertEquals(leaves(d, peer, 4e3), "1000:2 3000:2");
    paced.rate = undefined;
    peer.sends(`. ack ${1 + 2 * MSS} <dack8 ${1 + 2 * MSS}>`);
    assertEquals(leaves(d, peer, 100e3), "0:92");
  });

  it("RFC 8985 §6: has repeats wait for it as well", () => {
    const paced = new Paced(100 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin } });
    const { peer, app } = d.opened();
    app.write(12 * MSS);
    leaves(d, peer, 100e3);
    // The first eight are lost.
    peer.sends(`. ack 1 <dack8 1, sack ${1 + 8 * MSS}:${1 + 12 * MSS}>`);
    const start = d.now;
    const seen: string[] = [];
    while (d.now < start + 50e3) {
      for (const { seq } of peer.takeAll()) seen.push(`${d.now - start}:${(seq - 1) / MSS}`);
      d.pass(1000);
    }
    // PRR lets out as many as were delivered; the pacer has two of them ready, and two each 20 ms.
    assertEquals(seen, ["0:0", "0:1", "20000:2", "20000:3"]);
  });

  it("RFC 6298 §5.4: has the repeat after a timeout leave at once, as the bucket is full by then", () => {
    const paced = new Paced(100 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin }, tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(4 * MSS);
    leaves(d, peer, 0);
    d.untilSent();
    peer.gets(`. 1:${1 + MSS}`);
  });

  it("holds one subflow back, and the other goes on: neither is ready before it may send", () => {
    const rates = [100 * MSS, 200 * MSS];
    let joined = 0;
    const congestionControl: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "paced",
      create: () => ({
        join: () => ({
          cwnd: 100 * MSS,
          ssthresh: 100 * MSS,
          pacingRate: rates[joined++]!,
          onAck: () => {},
          onCongestion: () => {},
        }),
      }),
    };
    const asked: string[] = [];
    let d: Dialogue | null = null;
    let start = 0;
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "asks",
      create: () => ({
        pick(ready: readonly SubflowView[]) {
          for (const { room, mss } of ready) assert(room >= mss);
          asked.push(`${d!.now - start}:${ready.map(({ path }) => path).join("+")}`);
          return ready[0]!;
        },
      }),
    };
    d = new Dialogue({ policies: { congestionControl, scheduler } });
    using _ = d;
    const { peer, app } = d.opened();
    const other = join(d, peer, 1);
    assertEquals(app.socket.subflows.length, 2);
    d.pass(200e3);
    d.settle();
    start = d.now;
    app.write(100 * MSS);
    const both: Record<string, string> = {};
    const times: Record<string, string[]> = { first: [], second: [] };
    while (d.now - start <= 40e3) {
      for (const [name, from] of [["first", peer], ["second", other]] as const) {
        const bytes = from.takeAll().reduce((sum, { payload }) => sum + payload.length, 0);
        if (bytes > 0) times[name]!.push(`${d.now - start}:${bytes / MSS}`);
      }
      const next = d.stack.pollTimeout();
      d.pass(Math.max(0, next - d.now));
    }
    for (const [name, list] of Object.entries(times)) both[name] = list.join(" ");
    assertEquals(both, {
      first: "0:4 20000:2 40000:2",
      second: "0:4 10000:2 20000:2 30000:2 40000:2",
    });
    // While one is held back only the other is offered.
    assert(asked.some((each) => each.startsWith("10000:2")), asked.join(" "));
    assert(!asked.some((each) => each.startsWith("10000:1")), asked.join(" "));
  });

  it("is asked again exactly then, also when the scheduler has nothing else to wake it", () => {
    const paced = new Paced(10 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin } });
    const { peer, app } = d.opened();
    app.write(6 * MSS);
    leaves(d, peer, 0);
    peer.acks();
    // Nothing is in flight, and no other timer runs.
    assertEquals(app.socket.subflows[0]!.room, 0);
    assertEquals(d.untilSent(), 200e3);
    assertEquals(leaves(d, peer, 0), "0:2");
  });

  it("waits for a link that refuses, and goes on with what the bucket holds then", () => {
    const paced = new Paced(100 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin } });
    const { peer, app } = d.opened();
    app.write(20 * MSS);
    assertEquals(leaves(d, peer, 10e3), "0:4");
    d.links[0]!.full = true;
    assertEquals(leaves(d, peer, 100e3), "");
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    // No more than the bucket holds, though a tenth of a second has gone by.
    assertEquals(leaves(d, peer, 21e3), "0:4 20000:2");
  });

  it("RFC 8684 §3.3.3: sends its data to the end, DATA_FIN behind the last, after close() as well", () => {
    const paced = new Paced(100 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin } });
    const { peer, app } = d.opened();
    app.write(8 * MSS);
    app.close();
    assertEquals(leaves(d, peer, 39e3), "0:4 20000:2");
    d.pass(1e3);
    peer.gets(`. ${1 + 6 * MSS}:${1 + 7 * MSS}`);
    peer.gets(`P. ${1 + 7 * MSS}:${1 + 8 * MSS}`);
    peer.gets(`. ${1 + 8 * MSS} <map ${1 + 8 * MSS} 0 1 fin>`);
  });

  it("leaves no timer behind when all is sent", () => {
    const paced = new Paced(100 * MSS);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin } });
    const { peer, app } = d.opened();
    app.write(6 * MSS);
    leaves(d, peer, 20e3);
    peer.acks();
    d.pass(1e6);
    assertEquals(d.stack.pollTimeout(), Infinity);
  });

  it("tells the rate that it asks for in the view of the subflow", () => {
    const paced = new Paced(12_345);
    using d = new Dialogue({ policies: { congestionControl: paced.plugin } });
    const { app } = d.opened();
    app.write(1);
    assertEquals(app.socket.subflows[0]!.pacingRate, 12_345);
  });
});

describe("controllers of this project", () => {
  for (const plugin of [reno(), cubic()]) {
    it(`${plugin.name}: what ACKs let out one by one in congestion avoidance waits for no timer`, () => {
      using d = new Dialogue({ ...SPREAD, policies: { congestionControl: plugin } });
      const { peer, app } = grown(d, 80, true);
      d.pass(100e3);
      const path = new Path(d, peer, 500);
      app.write(2000 * MSS);
      // What begins after a pause is spread; from then on the path spaces its ACKs.
      path.run(20e3);
      assert(path.held > 20, `${path.held}`);
      path.held = 0;
      const segments = path.run(200e3).split(" ").map((each) => Number(each.split(":")[1]));
      assert(segments.reduce((sum, count) => sum + count) > 400);
      assertEquals(path.held, 0);
    });
  }
});
