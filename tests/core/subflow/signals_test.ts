import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Signals } from "../../../core/subflow/signals.ts";

const TIMEOUT = 200e3;

describe("ACKs that leave only to carry an option", () => {
  // RFC 8684 §3: "SHOULD NOT send more than two duplicate ACKs in a row for the purposes of sending MPTCP options alone"
  // RFC 8684 §4: "MPTCP SHOULD NOT send more than two duplicate ACKs containing (non-DSS) MPTCP signals in a row"
  it("are two in a row; the third waits for a timeout", () => {
    const signals = new Signals();
    for (const now of [0, 10]) {
      assertEquals(signals.may(1, 1, now), true);
      signals.sent(1, 1, TIMEOUT, now);
    }
    assertEquals([signals.may(1, 1, 20), signals.until], [false, 10 + TIMEOUT]);
    assertEquals(signals.may(1, 1, 9 + TIMEOUT), false);
    assertEquals(signals.may(1, 1, 10 + TIMEOUT), true);
    // That one is the first of the next two.
    signals.sent(1, 1, TIMEOUT, 10 + TIMEOUT);
    assertEquals(signals.may(1, 1, 11 + TIMEOUT), true);
    signals.sent(1, 1, TIMEOUT, 11 + TIMEOUT);
    assertEquals(signals.may(1, 1, 12 + TIMEOUT), false);
  });

  it("begin anew when data have left, or something new is acknowledged", () => {
    for (const [seq, ack] of [[101, 1], [1, 101]] as const) {
      const signals = new Signals();
      signals.sent(1, 1, TIMEOUT, 0);
      signals.sent(1, 1, TIMEOUT, 0);
      assertEquals(signals.may(1, 1, 1), false);
      assertEquals(signals.may(seq, ack, 1), true);
      signals.sent(seq, ack, TIMEOUT, 1);
      assertEquals(signals.may(seq, ack, 1), true);
      signals.sent(seq, ack, TIMEOUT, 1);
      assertEquals(signals.may(seq, ack, 1), false);
    }
  });
});
