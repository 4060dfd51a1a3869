import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { ReceiveWindow } from "../../../core/subflow/receive_window.ts";
import { TimeWait } from "../../../core/subflow/time_wait.ts";
import { Timestamps } from "../../../core/subflow/timestamps.ts";
import {
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../../../wasm/layout.ts";
import {
  comes,
  FakeHost,
  FakeOutlet,
  flowKey,
  type Incoming,
  IRS,
  ISS,
} from "../../support/parts.ts";

/** What is left of a connection whose SND.NXT and RCV.NXT are 301 and 201, and whose window has 1,000 bytes. */
class Desk {
  readonly host = new FakeHost();
  readonly outlet = new FakeOutlet();
  readonly offered = new ReceiveWindow(1000);
  readonly timeWait: TimeWait;

  constructor(options: { ts?: number; dss?: number; scale?: number } = {}) {
    const timestamps = new Timestamps(0);
    comes(options.ts === undefined ? {} : { ts: [options.ts, 0] });
    timestamps.agree(0);
    this.timeWait = new TimeWait({
      host: this.host,
      outlet: this.outlet,
      local: { address: "10.0.0.1", port: 1000 },
      key: flowKey(),
      flow: 5,
      seq: ISS + 301,
      ack: IRS + 201,
      offered: this.offered,
      next: 1,
      scale: options.scale ?? 0,
      room: 1000,
      timestamps,
      dss: options.dss ?? 0,
      dataAck: { high: 0, low: 20_202 },
    });
  }

  /** What a segment leads to, and what is sent and counted. */
  hears(segment: Incoming): string {
    comes({ seq: 201, ack: 301, ...segment });
    const state = this.timeWait.arrive(1000);
    const { counted } = this.host;
    return [state, ...this.outlet.lines(), ...counted.splice(0)].join(", ");
  }

  /** Whether a SYN is newer than all that came before. */
  outdated(syn: Incoming): boolean {
    comes({ flags: TCP_SYN, ...syn });
    return this.timeWait.outdated;
  }
}

const ANSWER = ". 1301 ack 5201 win 1000";
const FIN = TCP_ACK | TCP_FIN;

describe("TIME-WAIT", () => {
  it("answers a FIN that comes again, and begins to wait anew (RFC 9293 §3.10.7.4, eighth)", () => {
    assertEquals(new Desk().hears({ flags: FIN, seq: 200 }), `again, ${ANSWER}`);
  });

  it("answers nothing else that is in order", () => {
    const desk = new Desk();
    assertEquals(desk.hears({}), "done");
    assertEquals(desk.hears({ flags: 0 }), "done");
    assertEquals(desk.hears({ length: 1000 }), "done");
  });

  it("says what the last ACK said: DATA_ACK and timestamps, and the window that the reader has opened since", () => {
    const desk = new Desk({ ts: 77, dss: DSS_DATA_ACK | DSS_DATA_ACK_8, scale: 2 });
    desk.offered.open(501, 100);
    assertEquals(
      desk.hears({ flags: FIN, seq: 200, ts: [77, 0] }),
      "again, . 1301 ack 5201 win 375 <TS 1 77, dack8 20202>",
    );
  });

  it("acknowledges what does not fit its window, or lies outside (RFC 9293 §3.10.7.4, first)", () => {
    const desk = new Desk();
    const challenge = `done, ${ANSWER}, TCPChallengeACK`;
    // Below RCV.NXT nothing but the FIN is expected; 1,000 bytes above it is the edge.
    assertEquals([200, 201, 1201].map((seq) => desk.hears({ seq })), [
      challenge,
      "done",
      "done",
    ]);
    assertEquals(desk.hears({ seq: 1202 }), challenge);
    assertEquals(desk.hears({ length: 1001 }), `done, ${ANSWER}`);
  });

  it("ends at a RST with the expected number, and at no other (RFC 5961 §3.2)", () => {
    const desk = new Desk();
    assertEquals(desk.hears({ flags: TCP_RST }), "over");
    assertEquals(desk.hears({ flags: TCP_RST, seq: 202 }), `done, ${ANSWER}, TCPChallengeACK`);
    assertEquals(desk.hears({ flags: TCP_RST, seq: 1202 }), "done");
  });

  it("challenges a SYN, and an ACK of what was never sent (RFC 5961 §4, §5)", () => {
    const desk = new Desk();
    assertEquals(desk.hears({ flags: TCP_SYN }), `done, ${ANSWER}, TCPChallengeACK`);
    for (let i = 0; i < 9; i++) {
      assertEquals(desk.hears({ ack: 302 }), `done, ${ANSWER}, TCPChallengeACK`);
    }
    // Ten in five seconds.
    assertEquals(desk.hears({ ack: 302 }), "done, TCPACKSkippedChallenge");
  });

  it("challenges what is older than what came before (PAWS, RFC 7323 §5.3), and learns newer timestamps", () => {
    const desk = new Desk({ ts: 77 });
    const answer = (echo: number): string =>
      `done, . 1301 ack 5201 win 1000 <TS 1 ${echo}>, PAWSEstab, TCPChallengeACK`;
    assertEquals(desk.hears({ ts: [76, 0] }), answer(77));
    assertEquals(desk.hears({ ts: [80, 0] }), "done");
    assertEquals(desk.hears({ ts: [79, 0] }), answer(80));
  });

  it("gives its flow back when it has answered long enough", () => {
    const { timeWait, host } = new Desk();
    assertEquals([timeWait.flow, timeWait.local.port], [5, 1000]);
    timeWait.fire();
    assertEquals(host.forgotten, [5]);
    timeWait.free();
  });
});

describe("a SYN for a flow in TIME-WAIT", () => {
  it("opens a new connection if its timestamp is later, not if it is equal: nothing tells an old copy from it (RFC 6191 §2)", () => {
    const desk = new Desk({ ts: 77 });
    assertEquals([76, 77, 78].map((tsval) => desk.outdated({ ts: [tsval, 0] })), [
      false,
      false,
      true,
    ]);
    // Whatever its number.
    assertEquals(desk.outdated({ ts: [78, 0], seq: 0 }), true);
  });

  it("without timestamps, if its number is above all that came, not if it is the next (RFC 9293 §3.10.7.4, fourth)", () => {
    const desk = new Desk();
    assertEquals([200, 201, 202].map((seq) => desk.outdated({ seq })), [false, false, true]);
    assertEquals(desk.outdated({ ts: [1, 0], seq: 202 }), true);
    assertEquals(new Desk({ ts: 77 }).outdated({ seq: 202 }), true);
  });
});
