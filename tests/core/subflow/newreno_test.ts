import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Heard } from "../../../core/subflow/heard.ts";
import { NewReno } from "../../../core/subflow/newreno.ts";
import { type Progress, Rack } from "../../../core/subflow/rack.ts";
import { fastRecovery, lossRecovery, OPEN, type Recovery } from "../../../core/subflow/recovery.ts";
import { Rtt } from "../../../core/subflow/rtt.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { host_new, stream_new } from "../../../wasm/mod.ts";

const MSS = 1000;

/** NewReno over ten segments that were sent at time 0 under one mapping. */
class Desk {
  readonly board = new Scoreboard(stream_new(host_new(1, 2), 1));
  readonly reno: NewReno;
  readonly heard = new Heard();
  recovery: Recovery = OPEN;

  constructor() {
    this.board.synSent();
    this.board.synAcked();
    const mapping = { dsn: 1, ssn: 1, length: 10 * MSS, checksum: -1, first: false };
    const delivery = { delivered: 0, deliveredTime: 0, firstSent: 0, appLimited: false };
    this.board.send(mapping, 10 * MSS, MSS, delivery, 0);
    this.reno = new NewReno(this.board, new Rack(this.board, new Rtt()));
  }

  /** An ACK of all before segment `ack`; the bytes that it shows to be lost. */
  ack(progress: Progress, ack = 0, now = 100): number {
    this.board.acknowledge(1 + ack * MSS, 10, now, this.heard);
    return this.reno.onAck(this.heard, progress, this.recovery, MSS, now);
  }

  /** Sends what is lost first again. */
  resend(now: number): void {
    const { seq, end } = this.board.nextLost()!;
    const delivery = { delivered: 0, deliveredTime: 0, firstSent: 0, appLimited: false };
    this.board.resent(end - seq, delivery, now);
  }
}

describe("NewReno (RFC 6582)", () => {
  it("takes the first segment for lost at the third duplicate, once", () => {
    const desk = new Desk();
    const lost = Array.from({ length: 6 }, () => desk.ack("duplicate"));
    assertEquals(lost, [0, 0, MSS, 0, 0, 0]);
    assertEquals(desk.board.nextLost()!.seq, 1);
  });

  it("begins to count anew at every ACK that moves SND.UNA, and at none that only looks like a duplicate", () => {
    const desk = new Desk();
    const acks: [Progress, number][] = [
      ["duplicate", 0],
      ["duplicate", 0],
      ["advanced", 1],
      ["duplicate", 1],
      ["none", 1],
      ["duplicate", 1],
      ["none", 1],
      ["duplicate", 1],
    ];
    assertEquals(acks.map((each) => desk.ack(...each)), [0, 0, 0, 0, 0, 0, 0, MSS]);
  });

  it("counts duplicates in no recovery: they are of the flight that it repairs", () => {
    for (const recovery of [fastRecovery(10_001, 10_000), lossRecovery(10_001, null)]) {
      const desk = new Desk();
      desk.recovery = recovery;
      assertEquals(Array.from({ length: 4 }, () => desk.ack("duplicate")), [0, 0, 0, 0]);
    }
  });

  it("takes a partial ACK in fast recovery for the next hole (§3.2 step 5), not one of all", () => {
    const desk = new Desk();
    for (let i = 0; i < 3; i++) desk.ack("duplicate");
    desk.recovery = fastRecovery(desk.board.nxt, 10 * MSS);
    desk.resend(200);
    assertEquals(desk.ack("advanced", 4, 300), MSS);
    assertEquals(desk.board.nextLost()!.seq, 1 + 4 * MSS);
    desk.resend(400);
    assertEquals(desk.ack("advanced", 10, 500), 0);
  });

  it("takes no partial ACK after a timeout for a hole: all of it goes again anyway", () => {
    const desk = new Desk();
    desk.recovery = lossRecovery(desk.board.nxt, null);
    assertEquals(desk.ack("advanced", 4), 0);
  });

  it("begins to count anew when a recovery has ended", () => {
    const desk = new Desk();
    desk.ack("duplicate");
    desk.ack("duplicate");
    desk.reno.ended();
    assertEquals(Array.from({ length: 3 }, () => desk.ack("duplicate")), [0, 0, MSS]);
  });

  it("inflates the window by what duplicates tell to have left the network (RFC 3042, RFC 5681 §3.2), and takes it back", () => {
    const desk = new Desk();
    desk.ack("none");
    assertEquals(desk.reno.inflation, 0);
    for (let i = 0; i < 3; i++) desk.ack("duplicate");
    desk.recovery = fastRecovery(desk.board.nxt, 10 * MSS);
    desk.resend(200);
    desk.ack("duplicate");
    assertEquals(desk.reno.inflation, 4 * MSS);
    // A partial one of four segments: less four, and one that has left.
    desk.ack("advanced", 4, 300);
    assertEquals(desk.reno.inflation, MSS);
    desk.reno.ended();
    assertEquals(desk.reno.inflation, 0);
  });
});
