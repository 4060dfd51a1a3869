import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CongestionControlPlugin } from "../../../core/plugin.ts";
import * as controls from "../../../cc/mod.ts";
import { Undo } from "../../../core/subflow/undo.ts";
import { Dialogue } from "../../support/dialogue.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

const MSS = 1448;
const MSS_BARE = 1460;
const RTT = 20e3;
const RTO = 220e3;

const at = (segment: number, mss = MSS): number => 1 + segment * mss;
const line = (from: number, mss = MSS): string => `. ${at(from, mss)}:${at(from + 1, mss)}`;
const ranges = (segments: readonly Got[], mss = MSS): string[] =>
  segments.map(({ seq, end }) => `${(seq - 1) / mss}:${(end - 1) / mss}`);
/** TSval of a segment that came. */
const stamp = (got: Got): string =>
  got.options.find((each) => each.startsWith("TS "))!.split(" ")[1]!;

/** A dialogue on plain TCP in which `segments` segments were written, of which ten have left. */
function written(
  segments: number,
  options: ConstructorParameters<typeof Dialogue>[0] = {},
  offer: Parameters<Dialogue["opened"]>[0] = {},
) {
  const d = new Dialogue({ ...options, tcp: { tlp: false, mtuProbing: "off", ...options.tcp } });
  const { peer, app } = d.opened({ mptcp: false, ...offer });
  app.write(segments * (offer.timestamps === false ? MSS_BARE : MSS));
  const sent = peer.takeAll();
  const subflow = app.socket.subflows[0]!;
  const { cwnd } = subflow;
  return { d, peer, app, sent, subflow, cwnd, [Symbol.dispose]: () => d[Symbol.dispose]() };
}

/** An ACK of all before `segment` that echoes `echo`, with blocks [from, to). */
function ack(
  peer: Peer,
  segment: number,
  echo: string,
  ...blocks: readonly (readonly [from: number, to: number])[]
): void {
  const sack = blocks.map(([from, to]) => `${at(from)}:${at(to)}`).join(" ");
  const options = sack === "" ? "" : `, sack ${sack}`;
  peer.sends(`. ack ${at(segment)} <TS ${peer.tsval} ${echo}${options}>`);
}

/** The same without timestamps. */
function bare(
  peer: Peer,
  segment: number,
  ...blocks: readonly (readonly [from: number, to: number])[]
): void {
  const sack = blocks.map(([from, to]) => `${at(from, MSS_BARE)}:${at(to, MSS_BARE)}`).join(" ");
  peer.sends(`. ack ${at(segment, MSS_BARE)}${sack === "" ? "" : ` <sack ${sack}>`}`);
}

const NO_TIMESTAMPS = { timestamps: false };

describe("undo: what tells that a loss was none", () => {
  it("all that was sent again came twice, also in a recovery of which D-SACKs may still tell", () => {
    const undo = new Undo();
    assert(!undo.on && !undo.twice(100));
    undo.begin();
    assert(undo.on && !undo.twice(100));
    undo.sentAgain(100, 5);
    undo.sentAgain(200, 6);
    assert(!undo.twice(100) && !undo.twice(0));
    undo.begin();
    undo.sentAgain(50, 9);
    assert(!undo.twice(200) && undo.twice(50));
    undo.begin();
    undo.sentAgain(100, 5);
    undo.recovered(1000);
    undo.begin();
    undo.sentAgain(100, 20);
    assert(!undo.twice(100) && undo.twice(100));
    undo.drop();
    undo.begin();
    assert(!undo.twice(50));
  });

  it("what came was sent before the first repeat, every time", () => {
    const undo = new Undo();
    undo.begin();
    assert(!undo.needless);
    undo.sentAgain(100, 5000);
    undo.answered(Infinity);
    assert(!undo.needless);
    undo.answered(5000);
    assert(undo.needless);
    undo.answered(6000);
    assert(!undo.needless);
  });

  it("is over when something is acknowledged that was sent after the recovery", () => {
    const undo = new Undo();
    undo.begin();
    undo.sentAgain(100, 5);
    undo.acknowledged(5000);
    undo.recovered(1000);
    undo.acknowledged(1000);
    assert(undo.on);
    undo.acknowledged(1001);
    assert(!undo.on && !undo.twice(100));
  });
});

describe("a timeout that was none (RFC 3522, RFC 4015)", () => {
  it("RFC 3522 §3.2: the first ACK echoes what was sent before the repeat: no more goes again, the window is back", () => {
    using s = written(12);
    const echo = stamp(s.sent[0]!);
    assertEquals(s.d.untilSent(), RTO);
    s.peer.gets(line(0));
    s.d.pass(50e3);
    ack(s.peer, 2, echo);
    assertEquals(ranges(s.peer.takeAll()), ["10:11", "11:12"]);
    assertEquals([s.subflow.inRecovery, s.subflow.ssthresh], [false, Infinity]);
    assert(s.subflow.cwnd >= s.cwnd);
    assertEquals([s.d.counter("TCPLossUndo"), s.d.counter("TCPSpuriousRTOs")], [1, 1]);
    ack(s.peer, 12, echo);
    s.d.pass(10e6);
    s.d.silent();
    assertEquals(s.subflow.sender.retransmits, 1);
  });

  it("RFC 3522 §3.2: it echoes the repeat: the timeout stands", () => {
    using s = written(10, { tcp: { frto: false } });
    s.d.untilSent();
    const echo = stamp(s.peer.gets(line(0)));
    s.d.pass(RTT);
    ack(s.peer, 1, echo);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
    // A later ACK of something older changes nothing.
    ack(s.peer, 2, stamp(s.sent[1]!));
    assertEquals([s.d.counter("TCPLossUndo"), s.subflow.ssthresh], [0, 5 * MSS]);
  });

  it("RFC 3522 §3.2: after several timeouts, too, of which each has sent the same segment", () => {
    using s = written(12);
    const echo = stamp(s.sent[0]!);
    for (const wait of [1, 2, 4]) {
      assertEquals(s.d.untilSent(), wait * RTO);
      s.peer.gets(line(0));
    }
    ack(s.peer, 10, echo);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
    assert(s.subflow.cwnd >= s.cwnd);
    assertEquals(s.subflow.sender.retransmits, 3);
  });

  it("RFC 4015 §3.2: the back-off falls, and the round trip that was so slow is learnt", () => {
    using s = written(12);
    const echo = stamp(s.sent[0]!);
    s.d.untilSent();
    s.peer.takeAll();
    s.d.untilSent();
    s.peer.takeAll();
    assertEquals(s.subflow.sender.rtt.backedOff, 2);
    ack(s.peer, 2, echo);
    const { rtt } = s.subflow.sender;
    const { rto } = rtt;
    assertEquals([rtt.backedOff, rtt.timeouts], [0, 0]);
    assert(rto > RTO && rto === rtt.base, `${rto}`);
    s.peer.takeAll();
    assertEquals(s.d.untilSent(), rto);
  });

  it("RFC 8985 §6.2: what it took for lost is in flight again, and RACK takes no repeat for what came", () => {
    using s = written(10);
    const echo = stamp(s.sent[0]!);
    s.d.untilSent();
    s.peer.gets(line(0));
    s.d.pass(50e3);
    ack(s.peer, 1, echo);
    assertEquals([s.subflow.inFlight, s.subflow.sender.board.lost], [9 * MSS, 0]);
    ack(s.peer, 2, echo);
    assertEquals(s.subflow.sender.board.lost, 0);
    s.d.silent();
  });

  it("RFC 3522 §3.2: a loss that was known before it stays one", () => {
    using s = written(10);
    s.d.pass(RTT);
    ack(s.peer, 0, stamp(s.sent[0]!), [2, 10]);
    const [first] = s.peer.takeAll();
    assertEquals(first!.seq, 1);
    s.d.untilSent();
    s.peer.takeAll();
    const { lost } = s.subflow.sender.board;
    assert(lost > 0);
    ack(s.peer, 1, stamp(first!), [2, 10]);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
  });

  it("RFC 8985 §6.2: what was sent before a segment that came goes again when the reordering window has passed", () => {
    using s = written(10);
    const echo = stamp(s.sent[0]!);
    s.d.untilSent();
    s.peer.gets(line(0));
    s.d.pass(50e3);
    ack(s.peer, 1, echo, [2, 3]);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
    assertEquals(s.subflow.sender.board.lost, 0);
    assertEquals(s.d.untilSent(), RTT / 4);
    assertEquals(ranges(s.peer.takeAll()), ["1:2"]);
  });

  it("RFC 8985 §7.2: a D-SACK that acknowledges nothing has told so: a loss probe is due, and no back-off stays", () => {
    using s = written(40, { tcp: { tlp: true } }, NO_TIMESTAMPS);
    // The probe is not answered, and a round trip is measured since.
    s.d.untilSent();
    assertEquals(ranges(s.peer.takeAll(), MSS_BARE), ["10:11"]);
    bare(s.peer, 5);
    s.peer.takeAll();
    s.d.untilSent();
    s.peer.gets(line(5, MSS_BARE));
    s.d.pass(50e3);
    bare(s.peer, 6);
    s.peer.takeAll();
    bare(s.peer, 6, [5, 6]);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
    const { sender } = s.subflow;
    assertEquals(sender.timeoutAt, s.d.now + sender.rtt.base);
    assertEquals(sender.probeAt, s.d.now + sender.rtt.srtt / 4);
    s.d.untilSent();
    assertEquals(s.d.counter("TCPLossProbes"), 2);
  });

  it("RFC 3708 §3: without timestamps and new data, D-SACKs of all that went again tell it", () => {
    using s = written(2, {}, NO_TIMESTAMPS);
    s.d.untilSent();
    s.peer.gets(line(0, MSS_BARE));
    bare(s.peer, 2);
    assertEquals(s.subflow.ssthresh, 2 * MSS_BARE);
    bare(s.peer, 2, [0, 1]);
    assertEquals([s.d.counter("TCPDSACKUndo"), s.subflow.ssthresh], [1, Infinity]);
    assert(s.subflow.cwnd >= s.cwnd);
  });

  it("tells a controller that has no onUndo nothing, and no window is forced on it", () => {
    const plain: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "plain",
      create: () => ({
        join: () => {
          const controller = {
            cwnd: 10 * MSS,
            ssthresh: Infinity,
            onAck() {},
            onCongestion() {
              controller.cwnd = 2 * MSS;
            },
          };
          return controller;
        },
      }),
    };
    using s = written(10, { policies: { congestionControl: plain } });
    const echo = stamp(s.sent[0]!);
    s.d.untilSent();
    s.peer.takeAll();
    ack(s.peer, 2, echo);
    assertEquals([s.subflow.cwnd, s.subflow.inFlight], [2 * MSS, 8 * MSS]);
    assertEquals([s.d.faults.length, s.d.counter("TCPSpuriousRTOs")], [0, 1]);
  });

  it("not where 'undo' is false", () => {
    using s = written(10, { tcp: { undo: false, frto: false } });
    const echo = stamp(s.sent[0]!);
    s.d.untilSent();
    s.peer.takeAll();
    ack(s.peer, 1, echo);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
    assertEquals(s.d.counter("TCPLossUndo"), 0);
  });
});

describe("a fast recovery that was none (RFC 3522, RFC 3708)", () => {
  it("RFC 3522 §3.2: the original comes late, by its timestamp: the window is back at the end", () => {
    using s = written(10);
    const echo = stamp(s.sent[0]!);
    s.d.pass(RTT);
    ack(s.peer, 0, echo, [1, 4]);
    s.peer.gets(line(0));
    s.peer.takeAll();
    assert(s.subflow.ssthresh < Infinity);
    s.d.pass(5e3);
    ack(s.peer, 10, echo);
    assertEquals([s.d.counter("TCPFullUndo"), s.d.counter("TCPTSReorder")], [1, 1]);
    assertEquals([s.subflow.inRecovery, s.subflow.ssthresh], [false, Infinity]);
    assert(s.subflow.cwnd >= s.cwnd);
  });

  it("RFC 3522 §3.2: or before the end, when nothing else is missing", () => {
    using s = written(10);
    const echo = stamp(s.sent[0]!);
    s.d.pass(RTT);
    ack(s.peer, 0, echo, [1, 4]);
    s.peer.gets(line(0));
    s.d.pass(5e3);
    ack(s.peer, 4, echo);
    assertEquals([s.d.counter("TCPPartialUndo"), s.subflow.inRecovery], [1, false]);
    assertEquals(s.subflow.ssthresh, Infinity);
  });

  it("RFC 3522 §3.2: not where one of two was lost", () => {
    using s = written(10);
    const echo = stamp(s.sent[0]!);
    s.d.pass(RTT);
    ack(s.peer, 0, echo, [1, 4], [5, 10]);
    const again = s.peer.takeAll();
    assertEquals(ranges(again), ["0:1", "4:5"]);
    s.d.pass(5e3);
    ack(s.peer, 4, echo, [5, 10]);
    assertEquals(s.subflow.inRecovery, true);
    s.d.pass(15e3);
    ack(s.peer, 10, stamp(again[1]!));
    assertEquals([s.d.counter("TCPFullUndo"), s.d.counter("TCPPartialUndo")], [0, 0]);
    assert(s.subflow.ssthresh < Infinity);
  });

  it("RFC 3708 §3: D-SACKs of all that was sent again, one after the end of the recovery", () => {
    using s = written(10, {}, NO_TIMESTAMPS);
    s.d.pass(RTT);
    bare(s.peer, 0, [1, 4], [5, 10]);
    assertEquals(ranges(s.peer.takeAll(), MSS_BARE), ["0:1", "4:5"]);
    s.d.pass(5e3);
    bare(s.peer, 10);
    assertEquals(s.subflow.inRecovery, false);
    assert(s.subflow.ssthresh < Infinity);
    s.d.pass(15e3);
    bare(s.peer, 10, [0, 1]);
    assertEquals(s.d.counter("TCPDSACKUndo"), 0);
    bare(s.peer, 10, [4, 5]);
    assertEquals([s.d.counter("TCPDSACKUndo"), s.subflow.ssthresh], [1, Infinity]);
    assert(s.subflow.cwnd >= s.cwnd);
    bare(s.peer, 10, [4, 5]);
    assertEquals(s.d.counter("TCPDSACKUndo"), 1);
  });

  it("RFC 3708 §3: not a round trip later: that is of something else", () => {
    using s = written(10, {}, NO_TIMESTAMPS);
    s.d.pass(RTT);
    bare(s.peer, 0, [1, 10]);
    s.peer.takeAll();
    s.d.pass(RTT);
    bare(s.peer, 10);
    s.app.write(2 * MSS_BARE);
    s.peer.takeAll();
    s.d.pass(RTT);
    bare(s.peer, 12);
    bare(s.peer, 12, [0, 1]);
    assertEquals(s.d.counter("TCPDSACKUndo"), 0);
    assert(s.subflow.ssthresh < Infinity);
  });

  it("RFC 3168 §6.1.2 apart, a window that another loss has reduced stays", () => {
    using s = written(10, {}, NO_TIMESTAMPS);
    s.d.pass(RTT);
    bare(s.peer, 0, [1, 10]);
    s.peer.takeAll();
    s.d.pass(RTT);
    bare(s.peer, 10);
    s.app.write(10 * MSS_BARE);
    s.peer.takeAll();
    s.d.pass(RTT);
    bare(s.peer, 10, [11, 15]);
    const { ssthresh } = s.subflow;
    s.peer.takeAll();
    // The first recovery's repeat came twice; the second's did not.
    bare(s.peer, 10, [0, 1], [11, 15]);
    assertEquals([s.d.counter("TCPDSACKUndo"), s.subflow.ssthresh], [0, ssthresh]);
  });
});

describe("a loss, or a timeout, that was none, told to a controller before the one that rules", () => {
  const ALL: readonly (() => CongestionControlPlugin)[] = [
    controls.lia,
    controls.olia,
    controls.balia,
    controls.wvegas,
    controls.ewtcp,
    controls.coupled,
    controls.semiCoupled,
    controls.reno,
    controls.cubic,
    controls.dctcp,
    controls.bbr,
    controls.bbr3,
    controls.coupledBbr,
  ];

  /** `plugin`, which notes what its controllers are told; without `onUndo` where it `keeps` its window. */
  function noted(plugin: CongestionControlPlugin, log: string[], keeps = false) {
    const create: CongestionControlPlugin["create"] = (connection) => {
      const group = plugin.create(connection);
      return {
        join(subflow) {
          log.push("join");
          const inner = group.join(subflow);
          return {
            get cwnd() {
              return inner.cwnd;
            },
            get ssthresh() {
              return inner.ssthresh;
            },
            onAck: (sample) => inner.onAck(sample),
            onCongestion(cause, flightSize) {
              log.push(cause);
              inner.onCongestion(cause, flightSize);
            },
            ...(!keeps && {
              onUndo() {
                log.push("undo");
                inner.onUndo?.();
              },
            }),
          };
        },
        leave(subflow) {
          log.push("leave");
          group.leave?.(subflow);
        },
      };
    };
    return { ...plugin, create };
  }

  for (const make of ALL) {
    it(`RFC 4015 §3.2: has ${make().name} begin again where that was, as if nothing had been told`, () => {
      using s = written(12);
      const echo = stamp(s.sent[0]!);
      s.d.untilSent();
      s.peer.takeAll();
      const log: string[] = [];
      s.app.socket.setCongestionControl(s.d.now, noted(make(), log));
      assertEquals(s.subflow.cwnd, MSS);
      ack(s.peer, 2, echo);
      assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
      assert(s.subflow.cwnd >= s.cwnd, `${s.subflow.cwnd}`);
      assertEquals(s.subflow.ssthresh, Infinity);
      assertEquals(log, ["join", "leave", "join"]);
      assertEquals(s.d.faults, []);
    });
  }

  it("also behind the end of a recovery, and two controllers later, but only once", () => {
    using s = written(10, {}, NO_TIMESTAMPS);
    s.d.pass(RTT);
    bare(s.peer, 0, [3, 10]);
    assertEquals(s.peer.takeAll().length > 0, true);
    const { ssthresh } = s.subflow;
    assert(ssthresh < Infinity);
    const log: string[] = [];
    s.app.socket.setCongestionControl(s.d.now, controls.cubic());
    s.d.pass(RTT);
    s.peer.takeAll();
    bare(s.peer, 10);
    assertEquals(s.subflow.inRecovery, false);
    s.app.socket.setCongestionControl(s.d.now, noted(controls.reno(), log));
    bare(s.peer, 10, [0, 3]);
    assertEquals(s.d.counter("TCPDSACKUndo"), 1);
    assertEquals([s.subflow.cwnd >= s.cwnd, s.subflow.ssthresh], [true, Infinity]);
    assertEquals(log, ["join", "leave", "join"]);
  });

  it("leaves the window of one that has no onUndo, and that of one that has grown beyond it", () => {
    using s = written(12);
    const echo = stamp(s.sent[0]!);
    s.d.untilSent();
    s.peer.takeAll();
    const log: string[] = [];
    s.app.socket.setCongestionControl(s.d.now, noted(controls.reno(), log, true));
    ack(s.peer, 2, echo);
    assertEquals([s.d.counter("TCPSpuriousRTOs"), s.subflow.cwnd < s.cwnd], [1, true]);
    assertEquals(log, ["join"]);
    using large = written(12);
    const first = stamp(large.sent[0]!);
    large.d.untilSent();
    large.peer.takeAll();
    const wide = { cwnd: 50 * MSS, ssthresh: 20 * MSS, onAck() {}, onCongestion() {}, onUndo() {} };
    large.app.socket.setCongestionControl(large.d.now, {
      kind: "congestion-control",
      name: "wide",
      create: () => ({ join: () => wide }),
    });
    ack(large.peer, 2, first);
    assertEquals([large.subflow.cwnd, large.subflow.ssthresh], [50 * MSS, 20 * MSS]);
  });

  it("is told to the one that rules where that was told of another one since", () => {
    using s = written(12, { tcp: { frto: false } });
    s.d.untilSent();
    const echo = stamp(s.peer.gets(line(0)));
    const log: string[] = [];
    s.app.socket.setCongestionControl(s.d.now, noted(controls.reno(), log));
    s.d.pass(RTT);
    ack(s.peer, 1, echo);
    const [again] = s.peer.takeAll();
    s.d.untilSent();
    s.peer.takeAll();
    ack(s.peer, 2, stamp(again!));
    assertEquals(s.d.counter("TCPLossUndo"), 1);
    assertEquals(log, ["join", "timeout", "undo"]);
  });
});
