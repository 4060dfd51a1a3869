/** Options beside DSS come on segments of TCP: what TCP would not take tells nothing (RFC 8684 §3, §3.4.1, §3.4.2, RFC 5961). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

/** Options, and the counter of each that is heeded. */
const SIGNALS = [
  ["add 5 10.0.9.9", "AddAddr"],
  ["rm 7", "RmAddr"],
  ["prio backup", "MPPrioRx"],
  ["fastclose", "MPFastcloseRx"],
] as const;

/** How a segment cannot be the peer's. */
const STRAYS = [
  ["lies before the window", ". -100 ack 1"],
  ["lies beyond the window", ". 90000000 ack 1"],
  ["acknowledges what was never sent", ". 1 ack 5000"],
  ["acknowledges what is too old", ". 1 ack -90000000"],
  ["has no ACK", "P 1"],
] as const;

describe("MPTCP signals on a segment that", () => {
  for (const [what, segment] of STRAYS) {
    // RFC 8684 §3: "standard TCP validity checks (such as ensuring that the sequence number and acknowledgment number are within the window) MUST be
    // undertaken before processing any MPTCP signals"
    // RFC 8684 §3.4.1: "the receiver MUST undertake standard TCP validity checks, e.g., per [RFC5961], before acting upon it"
    // RFC 8684 §3.4.2: "Typical TCP validity tests on the subflow (e.g., ensuring that sequence and ACK numbers are correct) MUST also be undertaken."
    it(`${what} are not heeded`, () => {
      using d = new Dialogue();
      const { first, app } = joined(d);
      first.takeAll();
      for (const [option, counter] of SIGNALS) {
        first.sends(`${segment} <${option}>`);
        assertEquals(d.counter(counter), 0, option);
      }
      assertEquals([app.code, app.socket.subflows.length, app.socket.paths.accepted], [
        undefined,
        2,
        0,
      ]);
    });
  }

  it("is as it should be are heeded", () => {
    for (const [option, counter] of SIGNALS) {
      using d = new Dialogue();
      const { first } = joined(d);
      first.sends(`. 1 ack 1 <${option}>`);
      assertEquals(d.counter(counter), 1, option);
    }
  });

  // A RST ends a connection by MP_FASTCLOSE only with the number that is expected (RFC 5961 §3.2).
  it("resets with another number than the expected one are not heeded", () => {
    using d = new Dialogue();
    const { first, app } = joined(d);
    first.sends("R. 500 ack 1 <fastclose>");
    assertEquals([d.counter("MPFastcloseRx"), app.code], [0, undefined]);
    first.sends("R. 1 ack 1 <fastclose>");
    assertEquals([d.counter("MPFastcloseRx"), app.code], [1, "ConnectionReset"]);
  });

  // Linux whose program was killed: what is gone answers the challenge by a RST without options.
  for (
    const [what, key, code] of [["our", "", "ConnectionReset"], [
      "another",
      " bad",
      undefined,
    ]] as const
  ) {
    it(`resets with another number and ${what} key in their MP_FASTCLOSE count with the one that answers the challenge`, () => {
      using d = new Dialogue();
      const { first, app } = joined(d);
      first.takeAll();
      first.sends(`R. 500 ack 1 <fastclose${key}>`);
      first.gets(". 1 ack 1");
      assertEquals([d.counter("MPFastcloseRx"), app.code], [0, undefined]);
      first.sends("R 1");
      assertEquals([d.counter("MPFastcloseRx"), app.code], [key === "" ? 1 : 0, code]);
    });
  }
});
