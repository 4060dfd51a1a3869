import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { TIMER_CLOSE, TIMER_WAKE } from "../../../core/connection/data_timer.ts";
import { pass } from "../../../core/connection/settle.ts";
import { minRtt } from "../../../sched/mod.ts";
import { DSS_DATA_ACK, DSS_DATA_ACK_8, DSS_MAPPING } from "../../../wasm/layout.ts";
import { connection, joinedBy } from "../../support/connections.ts";
import { subflowParts } from "../../support/parts.ts";

describe("a connection in a batch", () => {
  it("is queued once for a pass, however much happens, and again after it", () => {
    const { meta, host } = connection();
    for (let i = 0; i < 3; i++) meta.dirty();
    meta.writable();
    assertEquals(host.queued, 1);
    meta.passing();
    meta.dirty();
    meta.dirty();
    assertEquals(host.queued, 2);
  });

  it("is queued no more when everything is given back", () => {
    const { meta, host } = connection();
    meta.close(0);
    assertEquals([meta.gone, host.asked.at(-1)], [true, "closed"]);
    const before = host.queued;
    meta.passing();
    meta.dirty();
    assertEquals(host.queued, before);
  });

  it("tells its observer at the end, each thing once", () => {
    const { meta, told } = joinedBy();
    meta.dataAcknowledged(1, 500, 0);
    assertEquals(told, []);
    meta.notify();
    meta.notify();
    assertEquals(told, ["established"]);
  });

  it("wants a pass for what the application calls for, and leaves it to the caller to end the batch", () => {
    const { meta, host } = joinedBy();
    host.asked.length = 0;
    const verbs = [
      () => meta.write(0, new Uint8Array(1), 0),
      () => meta.setScheduler(0, minRtt()),
      () => meta.finish(0),
      () => meta.close(0),
      () => meta.abort(0),
    ];
    const queued = verbs.map((verb) => {
      meta.passing();
      host.queued = 0;
      verb();
      return host.queued;
    });
    assertEquals([queued, host.asked.includes("flush")], [[1, 1, 1, 1, 1], false]);
  });
});

describe("the deadlines of a connection", () => {
  it("are filed as one timer of the host: the nearest", () => {
    const { meta, host } = connection();
    meta.deadlines.set(TIMER_CLOSE, 500);
    meta.deadlines.set(TIMER_WAKE, 300);
    meta.arm();
    assertEquals([host.timers.next(), host.timers.size], [300, 1]);
  });

  it("are those of its subflows too", () => {
    const { meta, host } = connection();
    const { subflow } = subflowParts();
    meta.begin(subflow);
    subflow.open(0);
    meta.deadlines.set(TIMER_CLOSE, 2e6);
    meta.arm();
    assertEquals(host.timers.next(), 1e6);
  });

  it("have the scheduler's soonest wish", () => {
    const { meta, host } = connection();
    for (const at of [500, 300, 400]) meta.wake(at);
    assertEquals([meta.deadlines.at(TIMER_WAKE), host.timers.next()], [300, 300]);
  });
});

describe("how far a connection speaks MPTCP", () => {
  it("follows from its mode: mappings and DATA_ACKs where both sides have agreed, and nowhere else", () => {
    const { meta } = connection();
    assertEquals([meta.mode.kind, meta.mappingFlags, meta.dataAckFlags], ["offered", 0, 0]);
    meta.agree();
    assertEquals([meta.mode.kind, meta.fallback], ["mptcp", false]);
    assertEquals([meta.mappingFlags, meta.dataAckFlags], [DSS_MAPPING, DSS_DATA_ACK]);
    meta.lengthenAcks();
    assertEquals(meta.dataAckFlags, DSS_DATA_ACK | DSS_DATA_ACK_8);
  });

  it("ends with a fallback: no join finds it any more, and other attempts are reset (RFC 8684 §3.7)", () => {
    const { meta, host } = connection();
    const first = subflowParts().subflow;
    const second = subflowParts({ path: 2 }).subflow;
    meta.begin(first);
    meta.begin(second);
    meta.agree();
    meta.leaveMptcp({ kind: "infinite", tx: 5, rx: 7 }, first, 6, 0);
    assertEquals([meta.fallback, meta.mappingFlags, meta.dataAckFlags], [true, 0, 0]);
    assertEquals([first.ended, second.ended, host.asked.at(-1)], [null, "aborted", "release"]);
  });

  it("is not at all where the host offers none", () => {
    const { meta, host } = connection("client", { mptcp: false });
    assertEquals([meta.mode.kind, meta.fallback, host.asked], ["tcp", true, []]);
    // A server does as the peer asks.
    assertEquals(connection("server", { mptcp: false }).meta.mode.kind, "offered");
  });
});

describe("a connection's subflows", () => {
  it("stand in the order of their paths, whenever they joined", () => {
    const { meta } = connection();
    for (const path of [3, 1, 2]) meta.joined(subflowParts({ path }).subflow);
    assertEquals(meta.subflows.map(({ path }) => path), [1, 2, 3]);
    assertEquals([meta.subflowsTotal, meta.established], [3, true]);
  });

  it("open the window of the SYN until a DATA_ACK comes, the first of them alone", () => {
    const { meta } = connection();
    const { subflow } = subflowParts();
    subflow.sender.window.begin(700, 0);
    meta.joined(subflow);
    assertEquals(meta.sendQueue.windowEnd, 701);
    const other = subflowParts({ path: 2 }).subflow;
    other.sender.window.begin(900, 0);
    meta.joined(other);
    assertEquals(meta.sendQueue.windowEnd, 701);
  });

  it("are buried once they have ended; the connection waits for others, as long as it would for an answer where the address is gone", () => {
    const { meta, subflow } = joinedBy();
    meta.agree();
    meta.reset(subflow, 0, 0);
    assertEquals([meta.subflows.length, meta.nextEnded() === subflow], [1, true]);
    pass(meta, 0);
    assertEquals([meta.subflows.length, meta.attempts.length, meta.nextEnded()], [0, 0, null]);
    assertEquals([meta.closed, meta.deadlines.at(TIMER_CLOSE)], [false, 300e6]);
    meta.endBare(300e6);
    assertEquals(meta.code, "NetworkUnreachable");
  });
});

describe("a DATA_ACK", () => {
  it("tells the writer of room, and moves the window", () => {
    const { meta, told } = joinedBy();
    meta.agree();
    meta.sendQueue.write(new Uint8Array(100), 0);
    meta.sendQueue.bound(100, meta.subflows[0]!, 1);
    meta.dataAcknowledged(51, 5000, 7);
    meta.notify();
    assertEquals(told, ["established", "writable"]);
    assertEquals([meta.acked, meta.unacked, meta.window], [50, 50, 4899]);
    assertEquals(meta.figures.lastAcked, 7);
  });

  it("that is old tells nothing", () => {
    const { meta, told } = joinedBy();
    meta.agree();
    meta.notify();
    meta.dataAcknowledged(1, 1, 7);
    meta.notify();
    assertEquals([told, meta.figures.lastAcked], [["established"], 0]);
  });
});

describe("a connection ends", () => {
  it("unopened, when the application lets go of it", () => {
    const { meta, host } = connection();
    meta.close(0);
    assertEquals([meta.gone, meta.code, meta.state], [true, null, "CLOSED"]);
    assertEquals(host.asked, ["claim", "release", "closed"]);
  });

  it("for all that is on its way, with the code that it is told first", () => {
    const { meta, told, subflow } = joinedBy();
    meta.endAll("TimedOut", 0);
    meta.endAll("ConnectionReset", 0);
    meta.notify();
    assertEquals([meta.over, meta.gone, subflow.ended], [true, false, "aborted"]);
    assertEquals(told, ["established", "readable", "closed TimedOut"]);
    assertEquals(meta.writeRoom, 0);
  });

  it("with nothing left of it when the application too lets go", () => {
    const { meta, host } = joinedBy();
    meta.endAll("TimedOut", 0);
    pass(meta, 0);
    assertEquals(meta.gone, false);
    meta.close(0);
    assertEquals([meta.gone, host.asked.includes("closed")], [true, true]);
  });
});
