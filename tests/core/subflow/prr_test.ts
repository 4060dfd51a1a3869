import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Prr } from "../../../core/subflow/prr.ts";

const MSS = 1000;

/** What may leave after each of `acks` acknowledgements of a segment; all of it does. */
function recover(pipe: number, ssthresh: number, acks: number, safe: boolean): number[] {
  const prr = new Prr(pipe);
  const out: number[] = [];
  for (let i = 0; i < acks; i++) {
    pipe -= MSS;
    prr.onAck(MSS, pipe, ssthresh, MSS, safe);
    const sent = Math.floor((prr.window - pipe) / MSS) * MSS;
    out.push(sent / MSS);
    prr.onSend(sent);
    pipe += sent;
  }
  return out;
}

describe("proportional rate reduction (RFC 6937, RFC 9937)", () => {
  it("sends one segment for two acknowledged while the pipe is above ssthresh: the window halves within a round trip", () => {
    const sent = recover(20 * MSS, 10 * MSS, 20, false);
    assertEquals(sent.reduce((sum, n) => sum + n), 10);
    assertEquals(Math.max(...sent), 1);
    assertEquals(sent[0], 1); // the first retransmission, at once
  });

  it("sends as much as is acknowledged below ssthresh, and a segment more where nothing new is lost", () => {
    assertEquals(recover(5 * MSS, 10 * MSS, 4, false), [1, 1, 1, 1]);
    assertEquals(recover(5 * MSS, 10 * MSS, 4, true), [2, 2, 2, 2]);
    // Never above ssthresh.
    const sent = recover(9 * MSS, 10 * MSS, 5, true);
    assertEquals(sent, [2, 1, 1, 1, 1]);
  });
});
