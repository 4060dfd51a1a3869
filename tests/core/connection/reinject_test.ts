import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { SchedulerPlugin } from "../../../core/plugin.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import { dataOf, type Got, withData } from "../../support/scripted_peer.ts";

const MSS = 1428;
const WINDOW = 10 * MSS;

describe("what is left to be given to subflows", () => {
  it("is also what nobody has any more, until somebody has it, or the peer", () => {
    const second: SchedulerPlugin = {
      kind: "scheduler",
      name: "second",
      create: () => ({ pick: (ready) => ready.at(-1)! }),
    };
    for (const acknowledged of [false, true]) {
      using d = new Dialogue({ policies: { scheduler: second } });
      const { first, second: gone, app } = joined(d);
      app.write(2000);
      assertEquals(app.socket.left, 0);
      d.links[0]!.full = true;
      gone.takeAll();
      gone.sends("R 1");
      assertEquals([app.socket.unsent, app.socket.left], [0, 2000]);
      if (acknowledged) first.sends(". ack 1 <dack8 2001>");
      assertEquals(app.socket.left, acknowledged ? 0 : 2000);
      d.links[0]!.full = false;
      d.stack.handleWritable(d.now, d.links[0]!);
      d.stack.flush(d.now);
      assertEquals(app.socket.left, 0);
      assertEquals(withData(first.takeAll()).length, acknowledged ? 0 : 2);
    }
  });
});

describe("what goes again", () => {
  it("does not wait for a DATA_ACK of what all with room have had, which lies before it", () => {
    // Each second segment goes over both, the others over the second alone.
    const alternating: SchedulerPlugin = {
      kind: "scheduler",
      name: "alternating",
      quantum: MSS,
      create: () => ({
        pick(ready, { offset }) {
          const both = (offset - 1) / MSS % 2 === 1;
          return both ? ready : ready.find(({ path }) => path === 2) ?? ready[0]!;
        },
      }),
    };
    using d = new Dialogue({ policies: { scheduler: alternating }, tcp: { tlp: false } });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(5 * MSS);
    const from = (segments: readonly Got[]): number[] =>
      withData(segments).map((each) => (dataOf(each)[0] - 1) / MSS);
    assertEquals([from(first.takeAll()), from(second.takeAll())], [[1, 3], [0, 1, 2, 3, 4]]);
    // Both fall silent, and then the first has had what it was given.
    while (!app.socket.subflows[1]!.silent) d.pass(1e3);
    first.takeAll();
    second.takeAll();
    first.sends(`. ack ${1 + 2 * MSS} <dack8 1>`);
    assertEquals(from(first.takeAll()), [0, 2, 4]);
  });
});

describe("what goes again of a piece that another path was given in part", () => {
  it("does not wait for a DATA_ACK of that part", () => {
    const second: SchedulerPlugin = {
      kind: "scheduler",
      name: "second",
      create: () => ({
        pick: (ready, { offset }) =>
          ready.find(({ path }) => offset < 2 * MSS && path === 2) ?? ready[0]!,
      }),
    };
    using d = new Dialogue({ policies: { scheduler: second }, tcp: { tlp: false } });
    const { first, second: silent, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    const [a, b] = app.socket.subflows;
    app.write(2 * MSS);
    app.write(9 * MSS);
    const from = (segments: readonly Got[]): number[] =>
      withData(segments).map((each) => (dataOf(each)[0] - 1) / MSS);
    assertEquals([from(first.takeAll()).length, from(silent.takeAll())], [9, [0, 1]]);
    while (!b!.silent) d.pass(1e3);
    // There was room for one.
    assertEquals(from(first.takeAll()), [0]);
    while (!a!.silent) d.pass(1e3);
    first.takeAll();
    first.sends(`. ack ${a!.sender.board.nxt} <dack8 1>`);
    assertEquals(from(first.takeAll()), [1]);
  });
});

describe("SQ-5, the event/action table (draft Table 3)", () => {
  // RFC 8684 §4: "Implementations SHOULD NOT attempt to infer a data-level acknowledgment from the subflow ACKs."
  it("a: what is acknowledged on its subflow leaves the subflow's queue, and only that", () => {
    using d = new Dialogue();
    const { first, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(1000);
    first.gets("P. 1:1001");
    first.sends(". ack 1001 <dack8 1>");
    assertEquals(app.socket.subflows[0]!.inFlight, 0);
    assertEquals(app.socket.unacked, 1000);
    assertEquals(d.usage.pages, 1);
  });

  // RFC 8684 §3.3.6: "The sender MUST keep data in its send buffer as long as the data has not been acknowledged both (1) at the connection level and (2) on
  // all subflows on which it has been sent."
  it("b: what is DATA_ACKed leaves the connection's queue, and only that", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(1000);
    first.gets("P. 1:1001");
    second.sends(". <dack8 1001>");
    assertEquals(app.socket.unacked, 0);
    assertEquals(app.socket.subflows[0]!.inFlight, 1000);
    // The subflow still sends it again, for its own integrity (RFC 8684 §3.3.6).
    d.untilSent();
    first.gets("P. 1:1001 <map 1 1 1000>");
    assertEquals(second.pending, false);
  });

  // RFC 8684 §3.3.6: "a host MUST still retransmit the original data on the original subflow"
  it("c: after a timeout it goes on the best other subflow, and on its own as well", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    const third = join(d, first, 1, { rtt: 30e3 }, 2);
    app.write(1000);
    first.gets("P. 1:1001");
    d.untilSent();
    first.gets("P. 1:1001 <map 1 1 1000>");
    // A mapping of its own.
    third.gets("P. 1:1001 <map 1 1 1000>");
    assertEquals(second.pending, false);
    assertEquals(app.socket.repeated, 1000);
    third.sends(`. ack 1001 <dack8 1001>`);
    assertEquals(app.socket.unacked, 0);
  });

  it("c: with no other subflow it waits, and goes before new data when one appears", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(1000);
    peer.gets("P. 1:1001");
    d.untilSent();
    peer.takeAll();
    app.write(20000);
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S.");
    second.sends(". 1 ack 1 <join ack>");
    const sent = withData(second.takeAll());
    assertEquals(dataOf(sent[0]!), [1, 1001]);
    assert(sent.length > 1);
    assertEquals(dataOf(sent[1]!)[0] > 1000, true);
  });

  it("d: an acknowledgement lets the retransmit queue go first, then part A", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 100e3 });
    app.write(100000);
    const lost = withData(first.takeAll());
    const others = withData(second.takeAll());
    assertEquals(dataOf(lost[0]!)[0], 1);
    // The first subflow is silent; the second is full when its timer runs out.
    d.untilSent();
    first.takeAll();
    second.takeAll();
    second.sends(`. ack ${second.acked} <dack8 1>`);
    const sent = withData(second.takeAll());
    assertEquals(dataOf(sent[0]!)[0], 1);
    const [next] = dataOf(others.at(-1)!);
    assert(sent.filter((each) => dataOf(each)[0] < next).length >= lost.length);
  });

  it("drops duplicates at the receiver", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends("P. 1:1001 <dack8 1, map8 1 1 1000>");
    second.sends("P. 1:2001 <dack8 1, map8 1 1 2000>");
    assertEquals(app.read(), 2000);
    assertEquals(d.counter("DuplicateData"), 1);
    assertEquals(d.usage.pages, 0);
  });
});

describe("SQ-6: a failed subflow", () => {
  it("stops pulling by itself: the other one goes on, nothing waits for it", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    app.write(60000);
    for (let i = 0; i < 100 && second.session.dataAcked < 60001; i++) {
      first.lose();
      second.takeAll();
      second.acks();
      if (!second.pending) d.pass(50e3);
    }
    assertEquals(app.socket.unacked, 0);
    assertEquals(app.socket.subflows.length, 2);
    assert(d.now < 3e6, `${d.now}`);
  });

  it("is used again when it answers; what it still holds are duplicates", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    app.write(1000);
    first.takeAll();
    d.untilSent();
    second.takeAll();
    second.acks();
    for (let i = 0; i < 10 && !app.socket.subflows[0]!.stale; i++) {
      first.takeAll();
      d.untilSent();
    }
    first.takeAll();
    assertEquals(app.socket.subflows[0]!.stale, true);
    app.write(1000);
    assertEquals([first.pending, second.pending], [false, true]);
    second.takeAll();
    second.acks();
    first.sends(". ack 1001 <dack8 2001>");
    assertEquals(app.socket.subflows[0]!.stale, false);
    app.write(1000);
    assertEquals([first.pending, second.pending], [true, false]);
  });
});

describe("reinjection (RFC 8684 §3.3.6)", () => {
  const ends: [string, (d: Dialogue, peer: ReturnType<Dialogue["peer"]>) => void][] = [
    ["is reset", (_, peer) => peer.sends("R 1")],
    ["is closed by the peer", (_, peer) => peer.sends("F. 1 ack 1 <dack8 1>")],
    ["loses its address", (d) => d.stack.removeAddress(d.now, d.address(0))],
    ["loses its link", (d) => d.stack.setLinkUp(d.now, d.links[0]!, false)],
    ["has its address taken back by the peer", (_, peer) => peer.sends(". ack 1 <rm 0>")],
  ];
  for (const [how, end] of ends) {
    it(`happens at once when a subflow ${how}`, () => {
      using d = new Dialogue();
      const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
      app.write(5000);
      first.takeAll();
      end(d, first);
      first.takeAll();
      const again = withData(second.takeAll());
      assertEquals(dataOf(again[0]!)[0], 1);
      assertEquals(dataOf(again.at(-1)!)[1], 5001);
      assertEquals(d.now < 2e6, true);
      second.session.take(1, 5001);
      second.sends(`. ack ${second.acked} <dack8 5001>`);
      assertEquals(app.socket.unacked, 0);
    });
  }

  it("does not wait for a timeout that a loss probe has put off, once that is as late as the timeout would have been (RFC 8985 §7.3)", () => {
    for (const answered of [false, true]) {
      using d = new Dialogue();
      const { first, second, app } = joined(d, { rtt: 150e3 }, { rtt: 200e3 });
      app.write(2 * MSS);
      first.takeAll();
      const begun = d.now;
      const timeout = app.socket.subflows[0]!.sender.timeoutAt - begun;
      d.untilSent();
      // The probe.
      const probed = d.now - begun;
      assertEquals([withData(first.takeAll()).map(dataOf), second.pending], [
        [[1 + MSS, 1 + 2 * MSS]],
        false,
      ]);
      assert(probed < timeout);
      if (answered) {
        d.pass(100e3);
        first.sends(`. 1 ack ${1 + 2 * MSS} <dack8 ${1 + 2 * MSS}>`);
        d.pass(1e6);
        assertEquals([first.pending, second.pending], [false, false]);
        continue;
      }
      const waited = d.untilSent() + probed;
      assert(Math.abs(waited - Math.max(timeout, probed + 150e3)) < 1e3, `${waited} ${timeout}`);
      assertEquals(withData(second.takeAll()).map(dataOf), [[1, 1 + MSS], [1 + MSS, 1 + 2 * MSS]]);
      assertEquals([first.pending, app.socket.subflows[0]!.sender.rtt.timeouts], [false, 0]);
    }
  });

  it("happens by a timer of the data level when the subflow has it acknowledged and no DATA_ACK comes", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(1000);
    first.gets("P. 1:1001");
    first.sends(". ack 1001 <dack8 1>");
    d.silent();
    let before = 0;
    for (let i = 0; i < 4; i++) {
      const waited = d.untilSent();
      assert(waited > 100e3 && waited > 1.5 * before, `${waited} after ${before}`);
      before = waited;
      const sent = [...first.takeAll(), ...second.takeAll()];
      assertEquals(sent.map(dataOf), [[1, 1001]]);
      for (const peer of [first, second]) peer.sends(`. ack ${peer.acked} <dack8 1>`);
    }
  });

  it("by that timer starts without back-off once a DATA_ACK has come", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(1000);
    first.takeAll();
    first.sends(". ack 1001 <dack8 1>");
    let waited = 0;
    for (let i = 0; i < 3; i++) {
      waited = d.untilSent();
      for (const peer of [first, second]) {
        peer.takeAll();
        peer.sends(`. ack ${peer.acked} <dack8 1>`);
      }
    }
    first.sends(". <dack8 1001>");
    app.write(1000);
    for (const peer of [first, second]) {
      peer.takeAll();
      peer.sends(`. ack ${peer.acked} <dack8 1001>`);
    }
    const next = d.untilSent();
    assert(next < waited / 2, `${next} after ${waited}`);
  });

  it("by the data level's timer does not happen while a subflow still works on it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.takeAll();
    d.untilSent();
    const again = peer.takeAll();
    assertEquals(again.length, 1);
    assertEquals(app.socket.repeated, 0);
  });

  it("of the first bytes has a mapping, not the keys, where the subflow has carried them before (RFC 8684 §3.1)", () => {
    using d = new Dialogue();
    const app = d.connect();
    const first = d.called();
    first.gets("S 0");
    first.offers({}, "S.", ["mpc key"]);
    first.gets(". 1 ack 1 <mpc keys>");
    app.write(300);
    first.gets("P. 1:301 ack 1 <mpc keys len 300>");
    // It has come, and no DSS back; a join of the peer's then has it, too.
    first.sends(". ack 301 <add 5 10.0.2.3>");
    const second = join(d, first, 1, { port: 80 });
    const again: string[] = [];
    for (let i = 0; i < 10; i++) {
      d.pass(1e6);
      if (second.takeAll().some(({ end }) => end > 1)) second.sends(". ack 301");
      for (const { seq, end, options } of first.takeAll()) {
        if (end > seq) {
          again.push(`${seq}:${end} ${options.filter((each) => /map|mpc/.test(each))}`);
        }
      }
    }
    assertEquals(again.slice(0, 1), ["301:601 map 1 301 300"]);
  });

  it("is not needed for what the peer has SACKed or DATA_ACKed", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(4 * MSS);
    first.takeAll();
    first.sends(`. ack ${1 + MSS} <dack8 ${1 + MSS}, sack ${1 + 2 * MSS}:${1 + 3 * MSS}>`);
    first.sends("R 1");
    const again = withData(second.takeAll()).map(dataOf);
    assertEquals(again[0]![0], 1 + MSS);
    const total = again.reduce((sum, [from, to]) => sum + to - from, 0);
    assert(total <= 3 * MSS, `${total}`);
  });

  // Draft SQ-7.
  it("makes mappings of its own, as long as its own segments", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3, mss: 600 });
    app.write(5000);
    first.takeAll();
    first.sends("R 1");
    for (const got of withData(second.takeAll())) {
      assert(got.end - got.seq <= 600 - 12 - 20);
    }
    assertEquals(app.socket.subflows.length, 1);
  });

  // RFC 8684 §3.3.6: "a host MUST still retransmit the original data on the original subflow"
  it("reaches the peer although the copy on the first subflow arrives as well", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(WINDOW);
    first.takeAll();
    d.untilSent();
    first.takeAll();
    second.takeAll();
    first.sends(`. ack ${WINDOW + 1} <dack8 ${WINDOW + 1}>`);
    assertEquals(app.socket.unacked, 0);
    app.write(1000);
    const [got] = withData([...first.takeAll(), ...second.takeAll()]);
    assertEquals(dataOf(got!), [WINDOW + 1, WINDOW + 1001]);
  });
});

describe("break before make (RFC 8684 §3.3.3)", () => {
  // Draft TRM-6.
  it("a connection without subflows waits for a join, and loses nothing", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.takeAll();
    peer.sends("R 1");
    assertEquals(app.code, undefined);
    app.write(1000);
    d.pass(30e6);
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S.");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(dataOf(second.take())[0], 1);
    second.data(100);
    assertEquals(app.read(), 100);
    d.pass(100e6);
    assertEquals(app.code, undefined);
  });

  it("is not drawn out, nor explained, by joins that fail", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.takeAll();
    peer.sends("R 1");
    for (let i = 0; i < 5; i++) {
      d.pass(10e6);
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("S.");
      second.sends("R 1");
    }
    d.pass(11e6);
    assertEquals(app.code, "ConnectionReset");
  });

  it("but not for ever", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.takeAll();
    peer.sends("R 1");
    d.pass(61e6);
    assertEquals(app.code, "ConnectionReset");
    app.close();
    assertEquals(d.usage.connections, 0);
  });
});
