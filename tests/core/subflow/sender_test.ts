import { Heard } from "../../../core/subflow/heard.ts";
import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { TIMER_RACK, TIMER_RTO } from "../../../core/subflow/deadlines.ts";
import { initialWindow, type Sender } from "../../../core/subflow/sender.ts";
import {
  type Outcome,
  OUTCOME_HEARD,
  OUTCOME_TIMEOUT,
  OUTCOME_WORK,
} from "../../../core/subflow/shared.ts";
import { comes, FakeController, ISS, OutputParts } from "../../support/parts.ts";

const MSS = 1000;
/** Round trip of the handshake, and the timeout that follows from it. */
const RTT = 100e3;
const RTO = 300e3;

/** A sender on plain TCP after the handshake, with a window of ten segments; segment n begins at 1 + n * MSS. */
class Desk extends OutputParts {
  readonly sender: Sender;
  readonly controller = new FakeController(10 * MSS);

  constructor(
    options: {
      sack?: boolean;
      lostSyn?: boolean;
      controlled?: boolean;
      rtt?: number;
      minRto?: number;
    } = {},
  ) {
    super({ written: 50_000, plain: true, minRto: options.minRto ?? 200e3 });
    const { sack = true, lostSyn = false, controlled = true, rtt = RTT } = options;
    this.sender = this.output;
    this.sender.board.synSent();
    this.sender.board.synAcked();
    this.sender.window.update(1, 1, 50_000);
    this.sender.agree(sack, true);
    if (!lostSyn) this.sender.rtt.sample(Object.assign(new Heard(), { rtt }), 0);
    this.sender.begin(sack, lostSyn, 0);
    if (controlled) this.sender.control(this.controller, 0);
  }

  /** Binds and sends so many segments. */
  send(segments: number, now: number): boolean {
    const { nxt } = this.sender.board;
    return this.sender.chunk(nxt, segments * MSS, false, false, now);
  }

  /** An ACK of all before segment `ack`, with blocks [from, to) in segments. */
  ack(now: number, ack: number, ...blocks: readonly (readonly [number, number])[]): Outcome {
    const { board } = this.sender;
    const at = (segment: number): number => 1 + segment * MSS;
    comes({ ack: at(ack), sack: blocks.map(([from, to]) => [at(from), at(to)] as const) });
    const duplicate = at(ack) === board.una && !board.empty;
    return this.sender.acknowledge(at(ack), duplicate, now);
  }

  /** Segments in flight, and taken for lost. */
  get segments(): readonly number[] {
    const { inFlight, lost } = this.sender.board;
    return [inFlight / MSS, lost / MSS];
  }

  /** When the retransmission timeout is. */
  get rto(): number {
    return this.deadlines.at(TIMER_RTO);
  }

  /** What was sent, as segments. */
  sent(): string[] {
    return this.outlet.lines().map((line) => {
      const [, from, to] = /(\d+):(\d+)/.exec(line) ?? [];
      return from === undefined
        ? line.split(" ").slice(0, 2).join(" ")
        : `${(Number(from) - ISS - 1) / MSS}:${(Number(to) - ISS - 1) / MSS}`;
    });
  }
}

const SOME = OUTCOME_HEARD | OUTCOME_WORK;

describe("the congestion window", () => {
  it("begins with that of RFC 6928 §2: ten segments, between two of them and 14,600 bytes", () => {
    assertEquals([1000, 1460, 1461, 7300, 9000].map(initialWindow), [
      10_000,
      14_600,
      14_600,
      14_600,
      18_000,
    ]);
    assertEquals(new Desk({ controlled: false }).sender.cwnd, 10_000);
  });

  it("begins with one segment after a lost SYN (RFC 5681 §3.1), or where a third ACK had to be repeated", () => {
    assertEquals(new Desk({ controlled: false, lostSyn: true }).sender.cwnd, MSS);
    const { sender } = new Desk({ controlled: false });
    sender.beginSlow();
    assertEquals(sender.cwnd, MSS);
  });

  it("is the controller's once there is one", () => {
    const { sender, controller } = new Desk();
    controller.ssthresh = 7000;
    assertEquals([sender.controlled, sender.cwnd, sender.ssthresh], [true, 10_000, 7000]);
    assertEquals(new Desk({ controlled: false }).sender.ssthresh, Infinity);
  });
});

describe("the round trip of the path", () => {
  it("RFC 5681 §4.2: is not told by an ACK of less than two segments with nothing behind it, which may have waited", () => {
    const desk = new Desk();
    const { rtt } = desk.sender;
    desk.send(3, 0);
    desk.ack(RTT, 2);
    desk.ack(140e3, 3);
    assertEquals([rtt.pathRtt, rtt.srtt], [RTT, 105e3]);
  });

  it("is told by an ACK of two, and by each of a peer that acknowledges them one by one", () => {
    const desk = new Desk();
    const { rtt } = desk.sender;
    desk.send(2, 0);
    desk.ack(180e3, 2);
    assertEquals(rtt.pathRtt, 110e3);
    desk.send(2, 200e3);
    desk.ack(200e3 + 190e3, 3);
    assertEquals(rtt.pathRtt, 120e3);
  });
});

describe("room for new bytes", () => {
  it("is what the congestion window leaves", () => {
    const desk = new Desk();
    assertEquals([desk.sender.room, desk.sender.full], [10 * MSS, false]);
    desk.send(9, 0);
    assertEquals([desk.sender.room, desk.sender.full], [MSS, false]);
    desk.send(1, 0);
    assertEquals([desk.sender.room, desk.sender.full], [0, true]);
  });

  it("is none while something lost waits to go again, nor while the link is full", () => {
    const desk = new Desk();
    desk.send(5, 0);
    desk.ack(RTT, 0, [1, 4]);
    assertEquals(desk.segments, [1, 1]);
    assertEquals(desk.sender.room, 0);
    const other = new Desk();
    other.outlet.room = 0;
    assertEquals(other.sender.room, 0);
  });

  it("is limited by the window last heard while an answer is due, and by the connection's alone else", () => {
    const desk = new Desk();
    desk.sender.window.update(1, 1, 3000);
    assertEquals(desk.sender.room, 10 * MSS);
    desk.send(2, 0);
    assertEquals(desk.sender.room, MSS);
    desk.sender.window.update(1, 1, 500);
    assertEquals(desk.sender.room, 0);
  });
});

describe("binding bytes to a subflow", () => {
  it("sends them at once, counts them and starts the timer (RFC 6298 §5.1), which later ones leave alone", () => {
    const desk = new Desk();
    assertEquals(desk.rto, Infinity);
    assertEquals(desk.send(3, 1000), true);
    assertEquals(desk.sent(), ["0:1", "1:2", "2:3"]);
    assertEquals([desk.rto, desk.sender.lastSent, desk.sender.bytesSent], [
      1000 + RTO,
      1000,
      3 * MSS,
    ]);
    desk.send(1, 5000);
    assertEquals(desk.rto, 1000 + RTO);
  });

  it("binds nothing when the link is full", () => {
    const desk = new Desk();
    desk.outlet.room = 0;
    assertEquals(desk.send(3, 0), false);
    assertEquals([desk.sender.board.nxt, desk.sender.bytesSent, desk.rto], [1, 0, Infinity]);
  });

  it("binds all of what has left in part: the rest follows when the link takes packets again, and is no repeat", () => {
    const desk = new Desk();
    desk.outlet.room = 2;
    assertEquals(desk.send(3, 0), true);
    assertEquals([desk.sender.board.nxt, ...desk.segments], [1 + 3 * MSS, 2, 1]);
    desk.sender.resend(1000);
    assertEquals(desk.segments, [2, 1]);
    desk.outlet.room = Infinity;
    desk.sender.resend(2000);
    assertEquals(desk.sent(), ["0:1", "1:2", "2:3"]);
    const { bytesSent, retransmits, bytesRetransmitted } = desk.sender;
    assertEquals([bytesSent, retransmits, bytesRetransmitted], [3 * MSS, 0, 0]);
    assertEquals(desk.host.counted, []);
  });

  it("sends a FIN as one more octet, unless the link is full", () => {
    const desk = new Desk();
    desk.outlet.room = 0;
    assertEquals([desk.sender.fin(0), desk.sender.board.nxt], [false, 1]);
    desk.outlet.room = 1;
    assertEquals([desk.sender.fin(1000), desk.sender.board.nxt], [true, 2]);
    assertEquals(desk.sent(), ["F. 1001"]);
    assertEquals(desk.rto, 1000 + RTO);
  });
});

describe("an acknowledgement", () => {
  it("takes off what it acknowledges, starts the timer afresh, and stops it when nothing is left (RFC 6298 §5.2, §5.3)", () => {
    const desk = new Desk();
    desk.send(3, 0);
    assertEquals(desk.ack(RTT, 2), SOME);
    assertEquals([desk.sender.board.una, desk.sender.heard], [1 + 2 * MSS, 2 * MSS]);
    assertEquals([desk.rto, desk.sender.lastHeard], [RTT + RTO, RTT]);
    desk.ack(2 * RTT, 3);
    assertEquals(desk.rto, Infinity);
  });

  it("gives a sample of the round trip, and ends the back-off", () => {
    const desk = new Desk();
    desk.send(1, 0);
    desk.sender.retransmissionTimeout(false, RTO);
    desk.ack(RTO + 10e3, 1);
    // The repeat was not sent yet: it was the original, which took so long.
    assertEquals([desk.sender.rtt.timeouts, desk.sender.rtt.srtt], [
      0,
      RTT + (RTO + 10e3 - RTT) / 8,
    ]);
  });

  it("gives no sample of what was sent again (Karn, RFC 6298 §3)", () => {
    const desk = new Desk();
    desk.send(1, 0);
    desk.sender.retransmissionTimeout(false, RTO);
    desk.sender.resend(RTO);
    desk.ack(RTO + 10e3, 1);
    assertEquals(desk.sender.rtt.srtt, RTT);
    assertEquals(desk.controller.acks.at(-1)!.rtt, -1);
  });

  it("that tells nothing tells the controller nothing, but may have opened a window", () => {
    const desk = new Desk();
    assertEquals(desk.ack(1000, 0), SOME);
    assertEquals([desk.controller.acks, desk.sender.heard], [[], 0]);
  });

  it("tells the controller what was in flight before it, what it delivered, and how fast", () => {
    const desk = new Desk();
    desk.send(10, 0);
    desk.sender.passed(false);
    desk.ack(RTT, 2);
    desk.ack(RTT, 2, [4, 5]);
    assertEquals(desk.controller.acks, [{
      acked: 2 * MSS,
      lost: 0,
      marked: 0,
      rtt: RTT,
      inFlight: 10 * MSS,
      cwndLimited: true,
      delivered: 2 * MSS,
      priorDelivered: 0,
      deliveryRate: 2 * MSS * 1e6 / RTT,
      appLimited: false,
    }, {
      acked: MSS,
      lost: 0,
      marked: 0,
      rtt: RTT,
      inFlight: 8 * MSS,
      cwndLimited: true,
      delivered: 3 * MSS,
      priorDelivered: 0,
      deliveryRate: 3 * MSS * 1e6 / RTT,
      appLimited: false,
    }]);
  });

  it("tells whether the window limited what it acknowledges (RFC 7661): what was sent up to the time that it was full", () => {
    const desk = new Desk();
    desk.send(10, 0);
    desk.sender.passed(false);
    desk.ack(RTT, 9);
    desk.send(1, RTT);
    desk.sender.passed(true);
    desk.ack(2 * RTT, 10);
    desk.ack(2 * RTT, 11);
    assertEquals(desk.controller.acks.map((ack) => ack.cwndLimited), [true, true, false]);
  });

  it("tells so in slow start of a window of which more than half was in flight (RFC 7661 §4.3), while round trips tell of no queue", () => {
    /** Of each ACK of `flight` segments, of which the first takes `first` and the others a round trip. */
    const limited = (flight: number, { first = RTT, ssthresh = Infinity } = {}): boolean[] => {
      const desk = new Desk();
      desk.controller.ssthresh = ssthresh;
      desk.send(1, 0);
      desk.sender.passed(true);
      desk.ack(first, 1);
      const start = 10 * RTT;
      desk.send(flight, start);
      desk.sender.passed(true);
      for (let i = 1; i <= flight; i++) {
        desk.ack(start + RTT, 1 + i);
        // What is in flight by then is less, and says nothing of the window.
        desk.sender.passed(true);
      }
      return [...new Set(desk.controller.acks.slice(1).map((ack) => ack.cwndLimited))];
    };
    assertEquals(limited(6), [true]);
    assertEquals(limited(5), [false]);
    assertEquals(limited(6, { ssthresh: 10 * MSS }), [false]);
    assertEquals(limited(6, { first: 4 * RTT }), [false]);
  });

  it("tells whether there was too little to send, of what was sent until that had been delivered", () => {
    const desk = new Desk();
    desk.send(2, 0);
    desk.sender.passed(true);
    desk.send(1, 10); // there was nothing to send before it
    desk.ack(RTT, 2);
    desk.send(1, RTT);
    desk.ack(RTT + 10, 3);
    desk.send(1, RTT + 10);
    desk.ack(2 * RTT, 4);
    desk.ack(2 * RTT + 10, 5);
    assertEquals(desk.controller.acks.map((ack) => ack.appLimited), [false, true, true, false]);
  });

  it("takes room that the scheduler has left for too little to send, though there is something", () => {
    const desk = new Desk();
    desk.send(2, 0);
    desk.sender.passed(false);
    assertEquals(desk.sender.rate.appLimited, true);
  });

  it("does not take for that what is lost, or what the link or the peer's window leaves no room for", () => {
    const full = new Desk();
    full.send(2, 0);
    full.outlet.room = 0;
    full.sender.passed(false);
    assertEquals(full.sender.rate.appLimited, false);
    const lost = new Desk();
    lost.send(5, 0);
    lost.ack(RTT, 0, [1, 4]);
    lost.sender.passed(true);
    assertEquals([lost.segments, lost.sender.rate.appLimited], [[1, 1], false]);
    const shut = new Desk();
    shut.send(2, 0);
    shut.sender.window.update(1, 2, 2 * MSS);
    shut.sender.passed(false);
    assertEquals(shut.sender.rate.appLimited, false);
  });

  it("does not take what the window held back for too little to send", () => {
    const desk = new Desk();
    desk.send(10, 0);
    desk.sender.passed(true);
    assertEquals(desk.sender.rate.appLimited, false);
  });
});

describe("recovery", () => {
  it("begins with the first loss of a flight, of which the controller hears once (RFC 5681 §3.2)", () => {
    const desk = new Desk();
    desk.send(10, 0);
    desk.sent();
    desk.controller.ssthresh = 5 * MSS;
    desk.ack(RTT, 0, [1, 4]);
    assertEquals(desk.controller.congestion, [`loss ${10 * MSS}`]);
    assertEquals([desk.sender.recovery.kind, ...desk.host.counted], ["fast", "TCPSackRecovery"]);
    desk.sender.resend(RTT);
    assertEquals(desk.sent(), ["0:1"]);
    desk.ack(RTT + 10, 0, [1, 4], [5, 8]);
    assertEquals([desk.segments[1], desk.controller.congestion.length], [1, 1]);
  });

  it("ends when all that was sent before it is acknowledged", () => {
    const desk = new Desk();
    desk.send(10, 0);
    desk.ack(RTT, 0, [1, 4]);
    desk.sender.resend(RTT);
    desk.ack(2 * RTT, 9);
    assertEquals(desk.sender.recovery.kind, "fast");
    desk.ack(2 * RTT, 10);
    assertEquals(desk.sender.recovery.kind, "open");
  });

  it("sends as PRR lets it (RFC 6937), where the controller does not rule itself", () => {
    const desk = new Desk();
    desk.controller.ssthresh = 5 * MSS;
    desk.send(10, 0);
    desk.ack(RTT, 0, [1, 4]);
    // Of three segments delivered, half: the window is to halve within a round trip.
    assertEquals([desk.sender.board.inFlight, desk.sender.limit], [6 * MSS, 6 * MSS + 1500]);
    Object.assign(desk.controller, { ownsRecovery: true });
    assertEquals(desk.sender.limit, 10 * MSS);
  });

  it("counts duplicates where the peer has no SACK (RFC 6582)", () => {
    const desk = new Desk({ sack: false });
    desk.send(5, 0);
    desk.sent();
    for (let i = 0; i < 2; i++) desk.ack(RTT, 0);
    assertEquals(desk.segments, [5, 0]);
    desk.ack(RTT, 0);
    assertEquals([desk.segments[1], ...desk.host.counted], [1, "TCPRenoRecovery"]);
    desk.sender.resend(RTT);
    assertEquals(desk.sent(), ["0:1"]);
  });

  it("begins too when the reordering window is over (RFC 8985 §6.3)", () => {
    const desk = new Desk();
    desk.send(3, 0);
    desk.sent();
    desk.ack(RTT, 0, [1, 2]);
    assertEquals(desk.deadlines.at(TIMER_RACK), RTT + RTT / 4);
    assertEquals(desk.sender.reorderingTimeout(RTT + 1), 0);
    assertEquals(desk.sender.reorderingTimeout(RTT + RTT / 4), OUTCOME_WORK);
    assertEquals(desk.controller.congestion, [`loss ${3 * MSS}`]);
    assertEquals(desk.deadlines.at(TIMER_RACK), Infinity);
    desk.sender.resend(RTT + RTT / 4);
    assertEquals(desk.sent(), ["0:1"]);
  });

  it("counts each segment that goes again, of those that were lost as one piece too", () => {
    const desk = new Desk();
    desk.send(10, 0);
    desk.sent();
    desk.ack(RTT, 0, [3, 10]);
    desk.sender.resend(RTT);
    const counted = desk.host.counted.filter((name) => name === "TcpRetransSegs");
    assertEquals([desk.sent(), desk.sender.retransmits, counted.length], [
      ["0:1", "1:2", "2:3"],
      3,
      3,
    ]);
  });
});

describe("the retransmission timeout", () => {
  it("takes all in flight for lost, backs off and is counted (RFC 6298 §5.4 to §5.6)", () => {
    const desk = new Desk();
    desk.send(3, 0);
    desk.sent();
    assertEquals(desk.sender.retransmissionTimeout(false, RTO), OUTCOME_TIMEOUT | OUTCOME_WORK);
    assertEquals([...desk.segments, desk.rto], [0, 3, RTO + 2 * RTO]);
    assertEquals([desk.sender.recovery.kind, ...desk.host.counted], ["loss", "TCPTimeouts"]);
    desk.controller.cwnd = MSS;
    desk.sender.resend(RTO);
    assertEquals(desk.sent(), ["0:1"]);
    const { retransmits, bytesRetransmitted } = desk.sender;
    assertEquals([retransmits, bytesRetransmitted], [1, MSS]);
    assertEquals(desk.host.counted.at(-1), "TcpRetransSegs");
  });

  it("tells the controller once, however often it passes: ssthresh stays what the first made it (RFC 5681 §3.1)", () => {
    const desk = new Desk();
    desk.send(3, 0);
    let now = 0;
    for (let i = 0; i < 3; i++) {
      desk.sender.retransmissionTimeout(false, now = desk.rto);
      desk.sender.resend(now);
    }
    assertEquals(desk.controller.congestion, [`timeout ${3 * MSS}`]);
    // An answer ends the row.
    desk.ack(now, 1);
    desk.sender.retransmissionTimeout(false, desk.rto);
    assertEquals(desk.controller.congestion.length, 2);
  });

  it("gives up after 15 in a row (RFC 9293 §3.8.3 R2), after 8 where the connection is over", () => {
    for (const [patient, most] of [[true, 15], [false, 8]] as const) {
      const desk = new Desk();
      desk.send(1, 0);
      const outcomes = Array.from(
        { length: 16 },
        () => desk.sender.retransmissionTimeout(patient, desk.rto),
      );
      assertEquals(outcomes.indexOf(null), most);
    }
  });

  it("gives up after 100 s at least, however short timeouts may be (RFC 9293 §3.8.3)", () => {
    for (const patient of [true, false]) {
      const desk = new Desk({ rtt: 100, minRto: 1e3 });
      desk.send(1, 0);
      const first = desk.rto;
      let now = first;
      for (let i = 0; i < 40 && desk.sender.retransmissionTimeout(patient, now) !== null; i++) {
        assertEquals(desk.rto > now, true);
        now = desk.rto;
      }
      assert(now - first >= 100e6 && now - first < 400e6, `${(now - first) / 1e6} s`);
    }
  });

  it("is patient, where its connection is, with a peer that answers but has taken its window back (RFC 9293 §3.8.6)", () => {
    for (
      const [patient, windows, most] of [[true, 0, 20], [true, 1000, 15], [false, 0, 8]] as const
    ) {
      const desk = new Desk();
      desk.send(1, 0);
      let now = 0;
      const outcomes = Array.from({ length: 20 }, () => {
        desk.sender.window.update(1, 1, windows);
        desk.ack(now, 0);
        now = desk.rto;
        return desk.sender.retransmissionTimeout(patient, now) !== null;
      });
      assertEquals(outcomes.filter(Boolean).length, most);
    }
  });

  it("counts nothing while a repeat waits for the link: nobody can have answered it", () => {
    const desk = new Desk();
    desk.send(1, 0);
    desk.sender.retransmissionTimeout(false, RTO);
    desk.outlet.room = 0;
    const at = desk.rto;
    assertEquals(desk.sender.retransmissionTimeout(false, at), 0);
    assertEquals([desk.sender.rtt.timeouts, desk.rto], [1, at + 2 * RTO]);
  });

  it("has nothing to do where nothing waits", () => {
    const desk = new Desk();
    assertEquals(desk.sender.retransmissionTimeout(false, RTO), 0);
    assertEquals(desk.host.counted, []);
  });

  it("is 3 s, and without a sample, after a lost SYN (RFC 6298 §5.7)", () => {
    const desk = new Desk({ lostSyn: true });
    desk.send(1, 0);
    assertEquals(desk.rto, 3e6);
  });
});

describe("sending after idleness (RFC 5681 §4.1)", () => {
  it("is told to the controller once, after more than a timeout's length without data", () => {
    const desk = new Desk();
    desk.sender.restart(10e6);
    assertEquals(desk.controller.restarts, []); // nothing was ever sent
    desk.send(1, 10e6);
    desk.sender.restart(20e6);
    assertEquals(desk.controller.restarts, []); // it is in flight
    desk.ack(10e6 + RTT, 1);
    desk.sender.restart(10e6 + RTO);
    assertEquals(desk.controller.restarts, []);
    desk.sender.restart(10e6 + RTO + 1);
    desk.sender.restart(10e6 + RTO + 2);
    assertEquals(desk.controller.restarts, [RTO + 1]);
  });

  it("is none where a repair has lasted as long: what goes again is data", () => {
    const desk = new Desk();
    desk.send(2, 1e6);
    const again = 1e6 + RTO;
    desk.sender.retransmissionTimeout(false, again);
    desk.sender.resend(again);
    desk.ack(again + RTT, 2);
    desk.sender.restart(again + RTT);
    assertEquals(desk.controller.restarts, []);
    desk.sender.restart(again + 2 * RTO);
    assertEquals(desk.controller.restarts, [2 * RTO]);
  });
});
