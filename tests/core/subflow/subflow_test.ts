import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { DELAYED_ACK } from "../../../core/subflow/acks.ts";
import {
  type Outcome,
  OUTCOME_ENDED,
  OUTCOME_FIN,
  OUTCOME_HEARD,
  OUTCOME_JOINED,
  OUTCOME_JUDGE,
  OUTCOME_MORE,
  OUTCOME_REFUSE,
  OUTCOME_SEGMENT,
  OUTCOME_WORK,
} from "../../../core/subflow/shared.ts";
import * as states from "../../../core/subflow/state.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";
import { rx } from "../../../core/wire/segment.ts";
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from "../../../wasm/layout.ts";
import { comes, established, type Incoming, subflowParts } from "../../support/parts.ts";

const SYN_ACK = TCP_SYN | TCP_ACK;
const FIN = TCP_ACK | TCP_FIN;

/** What a segment leads to. */
function hears(subflow: Subflow, segment: Incoming, now = 0): Outcome {
  comes(segment);
  return subflow.arrive(now);
}

/** Has `subflow` take the payload and the FIN of a segment, as a connection does; what came of the FIN. */
function takes(subflow: Subflow, segment: Incoming, now = 0): Outcome {
  hears(subflow, segment, now);
  if (subflow.text() > 0) subflow.placed(subflow.place(1e6, now), now);
  return subflow.arriveFin(now);
}

/** A subflow whose four bytes [1, 5) are in flight. */
function sending(): ReturnType<typeof established> {
  const parts = established({ plain: true, written: 4 });
  parts.subflow.chunk(1, 4, true, 0);
  parts.outlet.lines();
  return parts;
}

describe("a subflow opens", () => {
  it("actively: SYN, judgement of the SYN/ACK, third ACK", () => {
    const { subflow, outlet } = subflowParts({ plain: true });
    assertEquals([subflow.usable, subflow.opening], [false, false]);
    subflow.open(0);
    assertEquals([subflow.state, subflow.opening, subflow.usable], [states.SYN_SENT, true, false]);
    assertEquals(hears(subflow, { flags: SYN_ACK, seq: 0, ack: 1 }, 50e3), OUTCOME_JUDGE);
    assertEquals(subflow.admit(50e3), OUTCOME_JOINED | OUTCOME_WORK);
    assertEquals([subflow.state, subflow.usable, subflow.srtt], [states.ESTABLISHED, true, 50e3]);
    assertEquals(outlet.lines().map((line) => line.split(" win")[0]), [
      "S 1000",
      ". 1001 ack 5001",
    ]);
  });

  it("passively: SYN/ACK, judgement of the third ACK, which then goes on", () => {
    const { subflow, outlet } = subflowParts({ plain: true });
    comes({ flags: TCP_SYN, seq: 0 });
    subflow.accept(0);
    assertEquals(subflow.state, states.SYN_RECEIVED);
    assertEquals(hears(subflow, { ack: 1, length: 10 }), OUTCOME_JUDGE);
    assertEquals(subflow.admit(0), OUTCOME_JOINED | OUTCOME_MORE | OUTCOME_WORK);
    assertEquals(subflow.proceed(0) & OUTCOME_SEGMENT, OUTCOME_SEGMENT);
    assertEquals(outlet.lines().map((line) => line.split(" win")[0]), ["S. 1000 ack 5001"]);
  });

  it("not by an ACK of another connection, which is refused (RFC 9293 §3.10.7.3)", () => {
    const { subflow } = subflowParts({ plain: true });
    subflow.open(0);
    assertEquals(hears(subflow, { flags: SYN_ACK, seq: 0, ack: 2 }), OUTCOME_REFUSE);
    assertEquals(hears(subflow, { flags: TCP_RST | TCP_ACK, seq: 0, ack: 2 }), 0);
    assertEquals(hears(subflow, { flags: TCP_RST, seq: 0 }), 0);
    assertEquals(subflow.ended, null);
    hears(subflow, { flags: TCP_RST | TCP_ACK, seq: 0, ack: 1 });
    assertEquals(subflow.ended, "refused");
  });
});

describe("a segment's number (RFC 9293 §3.10.7.4, first)", () => {
  it("beyond the window makes its ACK tell nothing: SND.UNA stays where it is", () => {
    const { subflow, host, level } = sending();
    const edge = 1 + level.receiveWindow;
    assertEquals(hears(subflow, { seq: edge + 1, ack: 5 }), OUTCOME_WORK);
    assertEquals([subflow.sender.board.una, subflow.acks.now], [1, true]);
    assertEquals(host.counted, ["TCPChallengeACK"]);
    assertEquals(hears(subflow, { seq: edge, ack: 5 }) & OUTCOME_HEARD, OUTCOME_HEARD);
    assertEquals(subflow.sender.board.una, 5);
  });

  it("is right up to what another subflow was offered: the window is the connection's (RFC 8684 §3.3.4)", () => {
    const { subflow, level } = established({ plain: true });
    subflow.ack(0);
    const told = subflow.acks.edge;
    assertEquals(told, 1 + level.receiveWindow);
    level.receiveWindow += 2000;
    assertEquals(
      hears(subflow, { seq: told + 1, length: 1000 }) & OUTCOME_SEGMENT,
      OUTCOME_SEGMENT,
    );
    assertEquals(subflow.text(), 1000);
    // What this one was offered itself stays good when others have filled the window.
    level.receiveWindow = 0;
    assertEquals(hears(subflow, { seq: told }) & OUTCOME_SEGMENT, OUTCOME_SEGMENT);
    assertEquals(hears(subflow, { seq: told + 1 }) & OUTCOME_SEGMENT, 0);
  });

  it("below what was acknowledged makes it a duplicate, which is answered", () => {
    const { subflow } = established({ plain: true });
    takes(subflow, { length: 100 });
    subflow.ack(0);
    assertEquals(hears(subflow, { seq: 1, length: 99 }), OUTCOME_WORK);
    assertEquals(subflow.acks.now, true);
  });

  it("of a RST must be the expected one (RFC 5961 §3.2); another is challenged, one outside the window dropped", () => {
    const { subflow, host } = established({ plain: true });
    assertEquals(hears(subflow, { flags: TCP_RST, seq: 100_000 }), 0);
    assertEquals(hears(subflow, { flags: TCP_RST, seq: 2 }), OUTCOME_WORK);
    assertEquals([subflow.ended, ...host.counted], [null, "TCPChallengeACK"]);
    assertEquals(hears(subflow, { flags: TCP_RST, seq: 1 }), OUTCOME_ENDED | OUTCOME_WORK);
    assertEquals([subflow.ended, subflow.state], ["reset", states.CLOSED]);
    assertEquals(hears(subflow, {}), 0);
  });

  it("of a SYN does not matter: it is challenged (RFC 5961 §4.2), ten times in five seconds at most (§7)", () => {
    const { subflow, host } = established({ plain: true });
    for (const seq of [0, 1, 100_000, 0, 1, 100_000, 0, 1, 100_000, 0]) {
      assertEquals(hears(subflow, { flags: TCP_SYN, seq }), OUTCOME_WORK);
    }
    assertEquals(hears(subflow, { flags: TCP_SYN, seq: 1 }), 0);
    assertEquals(host.counted.at(-1), "TCPACKSkippedChallenge");
  });
});

describe("an ACK", () => {
  it("of what was never sent is challenged, and so is one too old to be the peer's (RFC 5961 §5.2)", () => {
    const { subflow } = sending();
    assertEquals(hears(subflow, { ack: 6 }), OUTCOME_WORK);
    assertEquals(hears(subflow, { ack: 1 - 50_001 }), OUTCOME_WORK);
    assertEquals(hears(subflow, { ack: 1 - 50_000 }), OUTCOME_SEGMENT);
    assertEquals(subflow.sender.board.una, 1);
  });

  it("is needed on every segment after the handshake", () => {
    assertEquals(hears(sending().subflow, { flags: 0 }), 0);
  });
});

describe("the text of a segment", () => {
  it("is cut at the edge of the window, its FIN too, and acknowledged", () => {
    const { subflow, level } = established({ plain: true });
    const edge = 1 + level.receiveWindow;
    hears(subflow, { flags: FIN, seq: edge - 10, length: 100 });
    assertEquals([subflow.text(), rx.length, rx.flags & TCP_FIN], [10, 10, 0]);
    assertEquals(subflow.acks.now, true);
  });

  it("is not taken behind the peer's FIN", () => {
    const { subflow } = established({ plain: true });
    takes(subflow, { flags: FIN, seq: 101 });
    hears(subflow, { seq: 51, length: 50 });
    assertEquals(subflow.text(), 50);
    hears(subflow, { seq: 51, length: 51 });
    assertEquals(subflow.text(), 0);
  });

  it("is acknowledged 40 ms later where nothing else is to be said", () => {
    const { subflow, outlet } = established({ plain: true });
    takes(subflow, { length: 100 }, 1000);
    subflow.settle(1000);
    assertEquals([subflow.deadline, outlet.lines()], [1000 + DELAYED_ACK, []]);
    assertEquals(subflow.expire(1000 + DELAYED_ACK), OUTCOME_WORK);
    subflow.settle(1000 + DELAYED_ACK);
    assertEquals(outlet.lines(), [". 1001 ack 5101 win 50000"]);
    assertEquals(subflow.deadline, Infinity);
  });
});

describe("a subflow closes", () => {
  it("after what was sent, when it is asked to: the FIN leaves in the next pass", () => {
    const { subflow, outlet } = sending();
    subflow.finish(0);
    assertEquals([subflow.usable, subflow.state], [false, states.ESTABLISHED]);
    subflow.settle(0);
    assertEquals(subflow.state, states.FIN_WAIT_1);
    assertEquals(outlet.lines(), ["F. 1005 ack 5001 win 50000"]);
    hears(subflow, { ack: 5 });
    assertEquals(subflow.state, states.FIN_WAIT_1);
    hears(subflow, { ack: 6 });
    assertEquals(subflow.state, states.FIN_WAIT_2);
  });

  it("when the peer has: the last ACK is TIME-WAIT's to repeat", () => {
    const { subflow, host, outlet } = established({ plain: true });
    subflow.registered(7);
    subflow.finish(0);
    subflow.settle(0);
    hears(subflow, { ack: 2 });
    outlet.lines();
    const outcome = takes(subflow, { flags: FIN, ack: 2 });
    assertEquals(outcome, OUTCOME_FIN | OUTCOME_ENDED | OUTCOME_WORK);
    assertEquals([subflow.ended, subflow.state], ["closed", states.TIME_WAIT]);
    assertEquals([host.rested.map(({ flow }) => flow), host.forgotten], [[7], []]);
    assertEquals(outlet.lines(), [". 1002 ack 5002 win 50000"]);
  });

  it("last, without TIME-WAIT, where the peer's FIN came first", () => {
    const { subflow, host } = established({ plain: true });
    subflow.registered(7);
    assertEquals(takes(subflow, { flags: FIN }), OUTCOME_FIN);
    assertEquals([subflow.state, subflow.usable], [states.CLOSE_WAIT, true]);
    subflow.finish(0);
    subflow.settle(0);
    assertEquals(subflow.state, states.LAST_ACK);
    assertEquals(hears(subflow, { seq: 2, ack: 2 }) & OUTCOME_ENDED, OUTCOME_ENDED);
    assertEquals([subflow.ended, host.rested, host.forgotten], ["closed", [], [7]]);
  });

  it("in no longer than 60 s where the connection is over, and the peer's FIN alone is awaited", () => {
    const wait = (over: boolean): number => {
      const { subflow, level } = established({ plain: true });
      level.over = over;
      subflow.finish(0);
      subflow.settle(0);
      hears(subflow, { ack: 2 });
      return subflow.deadline;
    };
    assertEquals([wait(true), wait(false)], [60e6, Infinity]);
  });

  it("at once by a RST, once", () => {
    const { subflow, outlet } = established();
    subflow.reset(6, 0);
    subflow.reset(6, 0);
    assertEquals(outlet.lines(), ["R. 1001 ack 5001 win 50000 <tcprst 8006>"]);
    assertEquals(subflow.ended, "aborted");
  });

  it("without a word while the peer may know nothing of it", () => {
    const { subflow, outlet } = subflowParts();
    subflow.open(0);
    outlet.lines();
    subflow.finish(0);
    assertEquals([subflow.ended, outlet.lines()], ["aborted", []]);
  });
});

describe("what a subflow owes while its link is full", () => {
  it("leaves in a later pass: MP_PRIO, FIN, ACK", () => {
    const { subflow, outlet, host } = established();
    subflow.trust.dssCame();
    outlet.room = 0;
    subflow.setBackup("us", true);
    subflow.sayPrio(0);
    subflow.finish(0);
    subflow.needAck();
    subflow.settle(0);
    assertEquals([subflow.backup, subflow.state, host.counted], [true, states.ESTABLISHED, []]);
    outlet.room = Infinity;
    subflow.settle(0);
    assertEquals(outlet.lines().map((line) => line.replace(/ ack.*</, " <")), [
      ". 1001 <dack8 20001>",
      ". 1001 <dack8 20001, prio 51>",
      "F. 1001 <dack8 20001>",
    ]);
    assertEquals(host.counted, ["MPPrioTx"]);
  });
});

describe("a backup", () => {
  it("is what either side wants to be one (RFC 8684 §3.3.8)", () => {
    const { subflow } = established();
    const is = (by: "us" | "peer", backup: boolean): boolean => {
      subflow.setBackup(by, backup);
      return subflow.backup;
    };
    assertEquals([is("us", true), is("peer", true), is("us", false), is("peer", false)], [
      true,
      true,
      true,
      false,
    ]);
  });
});
