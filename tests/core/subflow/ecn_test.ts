import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CongestionControlPlugin } from "../../../core/plugin.ts";
import { Ecn } from "../../../core/subflow/ecn.ts";
import type { TcpSettings } from "../../../core/subflow/settings.ts";
import { lia, reno } from "../../../cc/mod.ts";
import { TCP_ACK, TCP_CWR, TCP_ECE, TCP_SYN } from "../../../wasm/layout.ts";
import { Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import type { Offer, Peer } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;
const at = (segment: number): number => 1 + segment * MSS;
/** The line of segments [from, to). */
const line = (from: number, to = from + 1): string => `. ${at(from)}:${at(to)}`;

/** A host that asks for ECN. */
const asking = (tcp: Partial<TcpSettings> = {}, options: DialogueOptions = {}): Dialogue =>
  new Dialogue({ ...options, tcp: { ecn: "request", ...tcp } });

/** A connection of plain TCP with ECN that a peer opened; it has written `segments` segments. */
function sends(segments: number, options: DialogueOptions = {}, offer: Offer = {}) {
  const d = new Dialogue(options);
  const { peer, app } = d.opened({ mptcp: false, ecn: true, ...offer });
  app.write(segments * MSS);
  const [subflow] = app.socket.subflows;
  return { d, peer, app, subflow: subflow!, [Symbol.dispose]: () => d[Symbol.dispose]() };
}

/** Takes out `count` segments of new data from segment `from` on, all of them ECT(0). */
function takes(peer: Peer, from: number, count: number): void {
  for (let i = 0; i < count; i++) peer.gets(`[ect0] ${line(from + i)}`);
}

/** Reno that writes down what it is told. */
function listening(accurateEcn?: boolean) {
  const told: string[] = [];
  const marked: number[] = [];
  const plugin: CongestionControlPlugin = {
    kind: "congestion-control",
    name: "listening",
    create: (connection) => {
      const group = reno().create(connection);
      return {
        join(subflow) {
          const inner = group.join(subflow);
          return {
            get cwnd() {
              return inner.cwnd;
            },
            get ssthresh() {
              return inner.ssthresh;
            },
            ...(accurateEcn === undefined ? {} : { accurateEcn }),
            onAck(ack) {
              marked.push(ack.marked);
              inner.onAck(ack);
            },
            onCongestion(cause, flightSize) {
              told.push(`${cause} ${flightSize}`);
              inner.onCongestion(cause, flightSize);
            },
            onUndo() {
              told.push("undo");
              inner.onUndo?.();
            },
          };
        },
      };
    },
  };
  return { told, marked, policies: { congestionControl: plugin } };
}

describe("ECN: what the SYNs agree on (RFC 3168 §6.1.1)", () => {
  const SETUP = TCP_ECE | TCP_CWR;

  it("needs a SYN that asks and an answer that agrees, and no other SYN in either direction", () => {
    const rows: [string, (ecn: Ecn) => void, boolean, boolean][] = [
      ["nothing", () => {}, false, false],
      [
        "asked and agreed",
        (e) => {
          assertEquals(e.opens(TCP_SYN, 0), SETUP);
          e.came(TCP_SYN | TCP_ACK | TCP_ECE);
        },
        true,
        true,
      ],
      [
        "asked and refused",
        (e) => {
          e.opens(TCP_SYN, 0);
          e.came(TCP_SYN | TCP_ACK);
        },
        false,
        false,
      ],
      [
        "asked and reflected",
        (e) => {
          e.opens(TCP_SYN, 0);
          e.came(TCP_SYN | TCP_ACK | SETUP);
        },
        false,
        false,
      ],
      [
        "asked, then not, and agreed: only marks are heeded",
        (e) => {
          e.opens(TCP_SYN, 0);
          assertEquals(e.opens(TCP_SYN, 1), 0);
          e.came(TCP_SYN | TCP_ACK | TCP_ECE);
        },
        false,
        true,
      ],
      [
        "was asked and has agreed",
        (e) => {
          e.came(TCP_SYN | SETUP);
          assertEquals(e.opens(TCP_SYN | TCP_ACK, 0), TCP_ECE);
        },
        true,
        true,
      ],
      [
        "was asked, then not",
        (e) => {
          e.came(TCP_SYN | SETUP);
          e.opens(TCP_SYN | TCP_ACK, 0);
          e.came(TCP_SYN);
          assertEquals(e.opens(TCP_SYN | TCP_ACK, 1), 0);
        },
        false,
        false,
      ],
      [
        "one bit alone asks for nothing",
        (e) => {
          e.came(TCP_SYN | TCP_ECE);
          assertEquals(e.opens(TCP_SYN | TCP_ACK, 0), 0);
        },
        false,
        false,
      ],
    ];
    for (const [name, happens, mayMark, heeds] of rows) {
      const ecn = new Ecn("request");
      happens(ecn);
      assertEquals([ecn.sends, ecn.receives], [mayMark, heeds], name);
    }
  });

  it("asks only by 'request', and answers but by 'off'", () => {
    const answers = (["off", "accept", "request"] as const).map((mode) => {
      const asks = new Ecn(mode).opens(TCP_SYN, 0);
      const asked = new Ecn(mode);
      asked.came(TCP_SYN | SETUP);
      return [asks, asked.opens(TCP_SYN | TCP_ACK, 0)];
    });
    assertEquals(answers, [[0, 0], [0, TCP_ECE], [SETUP, TCP_ECE]]);
  });
});

describe("ECN: handshakes (RFC 3168 §6.1.1)", () => {
  for (const family of [4, 6] as const) {
    it(`RFC 3168 §6.1.1: a client asks, the peer agrees, data are ECT(0), DSCP stays (IPv${family})`, () => {
      using d = asking({ dscp: 46 }, { family });
      const { peer, app } = d.dialled({ mptcp: false, ecn: true });
      app.write(100);
      const { bytes } = peer.gets("[ect0] P. 1:101 ack 1");
      const service = family === 4 ? bytes[1]! : (bytes[0]! & 15) << 4 | bytes[1]! >> 4;
      assertEquals(service, 46 << 2 | 2);
    });

    it(`RFC 3168 §6.1.1: a server agrees, data are ECT(0), ACK and FIN are not (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const { peer, app } = d.opened({ ecn: true });
      app.write(100);
      peer.gets("[ect0] P. 1:101 ack 1");
      peer.acks();
      peer.data(100);
      d.pass(50e3);
      peer.gets(". 101 ack 101");
      app.read();
      app.close();
      d.pass(50e3);
      while (peer.pending) assertEquals(peer.take().ecn, 0);
    });
  }

  it("RFC 3168 §6.1.1: a client that does not ask takes no ECE in the answer for an agreement", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({ mptcp: false }, "S.E", []);
    peer.gets(". 1 ack 1");
    app.write(100);
    peer.gets("P. 1:101 ack 1");
  });

  it("RFC 3168 §6.1.1: 'off' answers as if nobody had asked", () => {
    using d = new Dialogue({ tcp: { ecn: "off" } });
    d.listen();
    const peer = d.peer();
    peer.offers({}, "SEW", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
  });

  it("RFC 3168 §6.1.1.2: a peer that reflects what the SYN had has not agreed", () => {
    using d = asking();
    const app = d.connect();
    const peer = d.called();
    peer.gets("SEW 0");
    peer.offers({ mptcp: false }, "S.EW", []);
    peer.gets(". 1 ack 1");
    app.write(100);
    peer.gets("P. 1:101 ack 1");
  });

  it("RFC 3168 §6.1.1.1: a SYN that is not answered goes again without; then nothing is ECT, but marks are echoed", () => {
    using d = asking();
    const app = d.connect();
    const peer = d.called();
    peer.gets("SEW 0");
    assertEquals(d.untilSent(), 1e6);
    peer.gets("S 0");
    // The answer to the first was late.
    peer.offers({ mptcp: false }, "S.E", []);
    peer.gets(". 1 ack 1");
    app.write(100);
    peer.gets("P. 1:101 ack 1");
    peer.sends(". 1 ack 101");
    peer.sends("[ce] P. 1:101 ack 101");
    peer.gets(".E 101 ack 101");
  });

  it("RFC 3168 §6.1.1.1: a SYN that comes again without takes the offer back", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({ mptcp: false }, "SEW", []);
    peer.gets("S.E 0 ack 1");
    peer.lose();
    d.pass(600e3);
    peer.sends("S 0 <mss 1460, sackOK, TS 1600 0, ws 7>");
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    app.write(100);
    peer.gets("P. 1:101 ack 1");
  });

  it("RFC 3168 §6.1.1: the answer goes again as it was, where its ACK is lost", () => {
    using d = new Dialogue();
    d.listen();
    const peer = d.peer();
    peer.offers({ mptcp: false }, "SEW", []);
    peer.gets("S.E 0 ack 1");
    assertEquals(d.untilSent(), 1e6);
    peer.gets("S.E 0 ack 1");
  });

  it("RFC 3168 §6.1.1: both may ask at once (RFC 9293 §3.5, Figure 7)", () => {
    using d = asking();
    const app = d.connect();
    const peer = d.called();
    peer.gets("SEW 0");
    peer.offers({ mptcp: false }, "SEW", []);
    peer.gets("S.E 0 ack 1");
    peer.sends("S.E 0 ack 1 <mss 1460, sackOK, TS 1000 0, ws 7>");
    peer.gets(". 1 ack 1");
    const [subflow] = app.socket.subflows;
    const { cwnd } = subflow!;
    app.write(100);
    peer.gets("[ect0] P. 1:101 ack 1");
    assertEquals(subflow!.cwnd, cwnd);
  });

  it("RFC 3168 §6.1.1: both may open at once where only the peer asks", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({ mptcp: false }, "SEW", []);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1");
    app.write(100);
    peer.gets("P. 1:101 ack 1");
  });

  it("RFC 3168 §6.1.1: MP_JOIN asks and agrees for itself", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { ecn: true }, { ecn: false });
    app.write(11 * MSS);
    assertEquals(first.takeAll().every(({ ecn }) => ecn === 2), true);
    assertEquals(second.takeAll().every(({ ecn }) => ecn === 0), true);
    const [one, other] = app.socket.subflows;
    assertEquals([one!.ecn.sends, other!.ecn.sends], [true, false]);
  });

  it("RFC 3168 §6.1.1: a SYN cookie keeps the agreement in its timestamp; without timestamps there is none", () => {
    for (const timestamps of [true, false]) {
      using d = new Dialogue({ tcp: { synCookies: "always" } });
      const listener = d.listen();
      const peer = d.peer();
      peer.offers({ timestamps }, "SEW", ["mpc"]);
      peer.gets(timestamps ? "S.E 0 ack 1" : "S. 0 ack 1");
      d.pass(20e3);
      peer.sends(". 1 ack 1 <mpc keys>");
      const app = d.accept(listener);
      peer.sends(". 1 ack 1 <dack8 1>");
      app.write(100);
      peer.gets(`${timestamps ? "[ect0] " : ""}P. 1:101 ack 1`);
    }
    using d = new Dialogue({ tcp: { synCookies: "always", ecn: "off" } });
    d.listen();
    const peer = d.peer();
    peer.offers({}, "SEW", ["mpc"]);
    peer.gets("S. 0 ack 1");
  });

  it("RFC 3168 §6.1.1: a cookie agrees on a join, too", () => {
    using d = new Dialogue({ tcp: { synCookies: "always" } });
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "SEW", ["join syn id 1"]);
    second.gets("S.E 0 ack 1 <join synack>");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(app.socket.subflows.map(({ ecn }) => ecn.sends), [false, true]);
  });
});

describe("ECN: the sender (RFC 3168 §6.1.2)", () => {
  it("RFC 3168 §6.1.2: one reduction for a window of data, CWR on the first new segment after it, no repeat", () => {
    const { told, marked, policies } = listening();
    using s = sends(40, { policies });
    takes(s.peer, 0, 10);
    s.d.pass(20e3);
    s.peer.sends(`.E 1 ack ${at(2)}`);
    assertEquals(told, [`ecn ${10 * MSS}`]);
    assertEquals(s.subflow.cwnd, 5 * MSS);
    s.d.silent();
    s.peer.sends(`.E 1 ack ${at(4)}`);
    s.d.silent();
    s.peer.sends(`.E 1 ack ${at(6)}`);
    // Five may be in flight, and four are.
    s.peer.gets(`[ect0] .W ${at(10)}:${at(11)}`);
    s.d.silent();
    s.peer.sends(`.E 1 ack ${at(8)}`);
    takes(s.peer, 11, 2);
    s.peer.sends(`.E 1 ack ${at(10)}`);
    takes(s.peer, 13, 2);
    assertEquals(told.length, 1);
    s.peer.sends(`. 1 ack ${at(11)}`);
    takes(s.peer, 15, 1);
    assertEquals(marked, [2, 2, 2, 2, 2, 0].map((n) => n * MSS));
    assertEquals(s.d.counter("TCPDeliveredCE"), 10);
    assertEquals([s.d.counter("TcpRetransSegs"), told.length], [0, 1]);
  });

  it("RFC 7661 §4.4.1: a mark at the end of the data counts what was in flight with it", () => {
    const { told, policies } = listening();
    using s = sends(10, { policies });
    takes(s.peer, 0, 10);
    s.d.pass(20e3);
    s.peer.sends(`. 1 ack ${at(8)}`);
    s.peer.sends(`.E 1 ack ${at(10)}`);
    assertEquals(told, [`ecn ${10 * MSS}`]);
  });

  it("RFC 3168 §6.1.2: a mark of what was sent after the reduction leads to another", () => {
    const { told, policies } = listening();
    using s = sends(40, { policies });
    takes(s.peer, 0, 10);
    s.peer.sends(`.E 1 ack ${at(6)}`);
    s.peer.gets(`[ect0] .W ${at(10)}:${at(11)}`);
    s.peer.sends(`.E 1 ack ${at(10)}`);
    assertEquals(told.length, 1);
    takes(s.peer, 11, 4);
    s.peer.sends(`.E 1 ack ${at(11)}`);
    assertEquals(told, [`ecn ${10 * MSS}`, `ecn ${5 * MSS}`]);
    assertEquals(s.subflow.cwnd, 2.5 * MSS);
  });

  it("RFC 3168 §6.1.2: the window does not grow by an ACK with ECE", () => {
    using s = sends(40);
    takes(s.peer, 0, 10);
    s.peer.sends(`. 1 ack ${at(2)}`);
    assertEquals(s.subflow.cwnd, 1.2 * 14600);
    takes(s.peer, 10, 4);
    s.peer.sends(`.E 1 ack ${at(4)}`);
    assertEquals(s.subflow.cwnd, 6 * MSS);
    for (let i = 6; i <= 12; i += 2) s.peer.sends(`.E 1 ack ${at(i)}`);
    assertEquals(s.subflow.cwnd, 6 * MSS);
  });

  it("RFC 3168 §6.1.2: a loss in the window of data that was marked is repaired, without a second reduction", () => {
    const { told, policies } = listening();
    using s = sends(40, { policies });
    takes(s.peer, 0, 10);
    s.d.pass(20e3);
    s.peer.sends(`.E 1 ack ${at(2)}`);
    s.d.pass(10e3);
    s.peer.sends(`.E 1 ack ${at(2)} <sack ${at(3)}:${at(7)}>`);
    s.d.pass(20e3);
    // RFC 3168 §6.1.5: not ECT, and no CWR.
    s.peer.gets(line(2));
    assertEquals(told, [`ecn ${10 * MSS}`]);
    assertEquals(s.subflow.cwnd, 5 * MSS);
  });

  it("RFC 3168 §6.1.2: a mark in a window of data of which something was lost is no second reduction", () => {
    const { told, policies } = listening();
    using s = sends(40, { policies });
    takes(s.peer, 0, 10);
    s.d.pass(20e3);
    s.peer.sends(`. 1 ack 1 <sack ${at(1)}:${at(5)}>`);
    s.d.pass(10e3);
    s.peer.gets(line(0));
    assertEquals(told, [`loss ${10 * MSS}`]);
    s.peer.sends(`.E 1 ack ${at(10)}`);
    assertEquals(told.length, 1);
    // RFC 3168 §6.1.2: CWR after any reduction.
    s.peer.gets(`[ect0] .W ${at(10)}:${at(11)}`);
  });

  it("RFC 3168 §6.1.2: the loss of the segment with CWR reduces again, and CWR goes again", () => {
    const { told, policies } = listening();
    using s = sends(60, { policies });
    takes(s.peer, 0, 10);
    s.d.pass(20e3);
    s.peer.sends(`.E 1 ack ${at(8)}`);
    s.peer.gets(`[ect0] .W ${at(10)}:${at(11)}`);
    takes(s.peer, 11, 2);
    s.peer.sends(`.E 1 ack ${at(10)}`);
    takes(s.peer, 13, 2);
    s.d.pass(20e3);
    s.peer.sends(`.E 1 ack ${at(10)} <sack ${at(11)}:${at(15)}>`);
    s.d.pass(10e3);
    s.peer.gets(line(10));
    assertEquals(told.map((each) => each.split(" ")[0]), ["ecn", "loss"]);
    s.peer.sends(`.E 1 ack ${at(15)}`);
    s.peer.gets(`[ect0] .W ${at(15)}:${at(16)}`);
  });

  it("RFC 3168 §6.1.2: after a timeout the first new segment has CWR, and what goes again is not ECT", () => {
    const { told, policies } = listening();
    using s = sends(6, { policies, tcp: { tlp: false, frto: false } });
    takes(s.peer, 0, 6);
    s.d.untilSent();
    s.peer.gets(line(0));
    assertEquals(told, [`timeout ${6 * MSS}`]);
    s.peer.sends(`. 1 ack ${at(6)}`);
    s.app.write(MSS);
    s.peer.gets(`[ect0] .W ${at(6)}:${at(7)}`);
  });

  it("RFC 3168 §6.1.2: where nothing waits CWR goes with what is written next", () => {
    using s = sends(10);
    takes(s.peer, 0, 10);
    s.peer.sends(`.E 1 ack ${at(10)}`);
    s.d.silent();
    s.d.pass(10e3);
    s.app.write(2 * MSS);
    s.peer.gets(`[ect0] .W ${at(10)}:${at(11)}`);
    s.peer.gets(`[ect0] ${line(11)}`);
  });

  it("RFC 3168 §6.1.2: a window of one segment that is marked sends new data when the retransmission timer has expired", () => {
    const plugin: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "one segment",
      create: () => ({
        join: ({ mss }) => ({ cwnd: mss, ssthresh: mss, onAck() {}, onCongestion() {} }),
      }),
    };
    using s = sends(4, { policies: { congestionControl: plugin } });
    takes(s.peer, 0, 1);
    s.d.pass(20e3);
    s.peer.sends(`.E 1 ack ${at(1)}`);
    assertEquals(s.d.untilSent(), 220e3);
    s.peer.gets(`[ect0] .W ${at(1)}:${at(2)}`);
    assertEquals(s.d.counter("TCPTimeouts"), 0);
    s.d.pass(20e3);
    s.peer.sends(`. 1 ack ${at(2)}`);
    takes(s.peer, 2, 1);
  });

  it("RFC 3168 §6.1.2: who has not agreed heeds no ECE", () => {
    using s = sends(20, {}, { ecn: false });
    for (let i = 0; i < 10; i++) s.peer.gets(line(i));
    s.peer.sends(`.E 1 ack ${at(2)}`);
    assertEquals([s.subflow.cwnd, s.d.counter("TCPDeliveredCE")], [1.2 * 14600, 0]);
  });

  it("RFC 3168 §6.1.2: only the path that was marked is reduced, by lia as by reno", () => {
    for (const congestionControl of [reno(), lia()]) {
      using d = new Dialogue({ policies: { congestionControl } });
      const { first, second, app } = joined(d, { ecn: true });
      app.write(40 * 1428);
      const mine = first.takeAll().length;
      const others = second.takeAll().length;
      assert(mine > 2 && others > 2, `${mine} ${others}`);
      const [one, other] = app.socket.subflows;
      const before = [one!.cwnd, other!.cwnd];
      d.pass(20e3);
      first.sends(`.E ack ${first.acked} <dack8 ${first.dataAcked}>`);
      assert(one!.cwnd < before[0]!);
      assertEquals([other!.cwnd, d.faults.length], [before[1], 0]);
    }
  });

  it("RFC 3168 §6.1.2: a super-segment is ECT as a whole, and CWR goes once", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer, app } = d.opened({ mptcp: false, ecn: true });
    app.write(10 * MSS);
    const sent = peer.takeAll();
    assertEquals([sent[0]!.gsoSize, sent.every(({ ecn }) => ecn === 2)], [MSS, true]);
    peer.sends(`.E 1 ack ${at(10)}`);
    app.write(5 * MSS);
    const marked = peer.takeAll();
    assertEquals([marked[0]!.gsoSize, marked.every(({ ecn }) => ecn === 2)], [MSS, true]);
    assertEquals(marked.map(({ flags }) => flags.includes("W")), marked.map((_, i) => i === 0));
  });
});

describe("ECN: what is not ECT (RFC 3168 §6.1.4 to §6.1.6)", () => {
  it("RFC 3168 §6.1.5: a tail loss probe of what was sent before", () => {
    using s = sends(2);
    takes(s.peer, 0, 2);
    s.d.untilSent();
    s.peer.gets(line(1));
  });

  it("RFC 3168 §6.1.6: a probe of a window that is shut, which has no CWR either", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, ecn: true });
    app.write(5 * MSS);
    takes(peer, 0, 5);
    peer.sends(`.E 1 ack ${at(5)} win 0`);
    app.write(MSS);
    d.untilSent();
    peer.gets(`. ${at(5) - 1}`);
    peer.sends(`. 1 ack ${at(5)} win 1000`);
    peer.gets(`[ect0] .W ${at(5)}:${at(6)}`);
  });

  it("RFC 3168 §6.1.4: CE on an ACK is not heeded", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, ecn: true });
    app.write(100);
    peer.gets("[ect0] P. 1:101 ack 1");
    peer.sends("[ce] . 1 ack 101");
    peer.sends("[ect0] P. 1:101 ack 101");
    d.pass(50e3);
    peer.gets(". 101 ack 101");
    assertEquals([d.counter("InCEPkts"), d.counter("InECT0Pkts")], [1, 1]);
  });

  it("RFC 3168 §6.1.5: CE on what lies outside of the window is not heeded", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false, ecn: true });
    peer.sends("P. 1:101 ack 1");
    d.pass(50e3);
    peer.gets(". 1 ack 101");
    peer.sends("[ce] P. 1:101 ack 1");
    peer.gets(". 1 ack 101 <sack 1:101>");
  });
});

describe("ECN: the receiver (RFC 3168 §6.1.3, RFC 8257 §3.2)", () => {
  it("RFC 3168 §6.1.3: what comes marked is echoed at once, in every segment, until CWR comes", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, ecn: true });
    peer.sends("[ect0] . 1:1001 ack 1");
    d.silent();
    peer.sends("[ce] . 1001:1501 ack 1");
    peer.gets(".E 1 ack 1501");
    peer.sends("[ect0] . 1501:2001 ack 1");
    app.write(100);
    peer.gets("[ect0] P.E 1:101 ack 2001");
    peer.sends("[ect0] .W 2001:2501 ack 101");
    peer.gets(". 101 ack 2501");
    peer.sends("[ect0] . 2501:3001 ack 101");
    d.untilSent();
    peer.gets(". 101 ack 3001");
  });

  it("RFC 3168 §6.1.3: a segment with CWR that is marked itself goes on with the echo", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false, ecn: true });
    peer.sends("[ce] . 1:501 ack 1");
    peer.gets(".E 1 ack 501");
    peer.sends("[ce] .W 501:1001 ack 1");
    d.untilSent();
    peer.gets(".E 1 ack 1001");
  });

  it("RFC 3168 §6.1.3: a mark out of order is echoed; so is one on the path of a join, there alone", () => {
    using d = new Dialogue();
    const { first, second } = joined(d, { ecn: true });
    second.sends("[ce] P. 101:201 ack 1 <dack8 1, map8 201 101 100>");
    second.gets(".E 1 ack 1 <sack 101:201>");
    first.sends("[ect0] P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    d.untilSent();
    first.gets(". 1 ack 101");
  });

  it("RFC 3168 §6.1.3: a FIN and its ACK echo, a RST does not", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, ecn: true });
    peer.sends("[ce] . 1:501 ack 1");
    peer.gets(".E 1 ack 501");
    app.read();
    app.finish();
    peer.gets("F.E 1 ack 501");
    app.abort();
    peer.gets("R. 2 ack 501");
  });

  it("RFC 8257 §3.2: for a controller that counts marks each is echoed as it comes, and what came before it by the old echo", () => {
    const { policies } = listening(true);
    using d = new Dialogue({ policies });
    const { peer } = d.opened({ mptcp: false, ecn: true });
    peer.sends("[ect0] . 1:501 ack 1");
    d.silent();
    peer.sends("[ce] . 501:1001 ack 1");
    peer.gets(". 1 ack 501");
    d.silent();
    peer.sends("[ce] . 1001:1501 ack 1");
    peer.gets(".E 1 ack 1501");
    peer.sends("[ce] . 1501:2001 ack 1");
    d.silent();
    peer.sends("[ect0] . 2001:2501 ack 1");
    peer.gets(".E 1 ack 2001");
    d.untilSent();
    peer.gets(". 1 ack 2501");
    // CWR changes nothing of it.
    peer.sends("[ce] .W 2501:3001 ack 1");
    d.untilSent();
    peer.gets(".E 1 ack 3001");
  });

  it("RFC 8257 §3.2: marks that change within a batch are acknowledged apart", () => {
    const { policies } = listening(true);
    using d = new Dialogue({ policies });
    const { peer } = d.opened({ mptcp: false, ecn: true });
    for (const [i, mark] of ["ect0", "ect0", "ce", "ce", "ect0", "ect0"].entries()) {
      peer.sendsMore(`[${mark}] . ${1 + 1000 * i}:${1001 + 1000 * i} ack 1`);
    }
    peer.sends("[ect0] . 6001:7001 ack 1");
    peer.gets(". 1 ack 2001");
    peer.gets(".E 1 ack 4001");
    peer.gets(". 1 ack 6001");
    d.untilSent();
    peer.gets(". 1 ack 7001");
  });

  it("RFC 3168 §6.1.1: who has not agreed echoes nothing", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends("[ce] . 1:1001 ack 1");
    d.untilSent();
    peer.gets(". 1 ack 1001");
  });
});
