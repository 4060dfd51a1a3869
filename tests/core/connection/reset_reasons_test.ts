/** MP_TCPRST (RFC 8684 §3.6): each reason is sent where it fits, with T where what it tells is over some time. What they lead to: reopen_test.ts. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathManagerPlugin } from "../../../core/plugin.ts";
import { connectionInfo } from "../../../core/net/info.ts";
import { fixedBuffer } from "../../../core/subflow/settings.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { answersJoin, join, joined, joining } from "../../support/joins.ts";
import type { Got } from "../../support/scripted_peer.ts";

/** A path manager that refuses joins with `reason`. */
function refusing(reason: number): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "refusing",
    create: () => ({ onEvent() {}, refuse: () => reason }),
  };
}

/** A connection of ours over both links, and the peer's ends. */
function dialled(d: Dialogue): ReturnType<typeof joining> {
  const all = joining(d);
  answersJoin(d, all.second);
  return all;
}

/** The four octets of the MP_TCPRST of a segment without other options but timestamps. */
function octets(got: Got): string[] {
  const at = got.bytes.lastIndexOf(30);
  return [...got.bytes.subarray(at, at + 4)].map((each) => each.toString(16).padStart(2, "0"));
}

describe("a RST with MP_TCPRST (RFC 8684 §3.6)", () => {
  for (const family of [4, 6] as const) {
    for (let reason = 0; reason <= 7; reason++) {
      it(`RFC 8684 §3.6: has T for reasons 2 and 4 alone, and its reserved flags 0: ${reason} (IPv${family})`, () => {
        using d = new Dialogue({ family, policies: { pathManager: refusing(reason) } });
        const { peer } = d.opened();
        const second = d.peer({ link: 1, session: peer.session });
        second.offers({}, "S", ["join syn id 3"]);
        // RFC 8684 §3.6: "An implementation of this specification MUST set these flags to 0, and a receiver MUST ignore them."
        const t = reason === 2 || reason === 4 ? "81" : "80";
        assertEquals(octets(second.gets("R. 0 ack 1")), ["1e", "04", t, `0${reason}`]);
        assertEquals([d.counter("MPRstTx"), d.counter("MPJoinRejected")], [1, 1]);
      });
    }
  }

  it("0, unspecified: a join that is under way as its connection is aborted", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    const third = d.peer({ link: 1, session: first.session });
    third.offers({}, "S", ["join syn id 3"]);
    third.gets("S. 0 ack 1");
    app.abort();
    third.gets("R. 1 <tcprst 0>");
    first.gets("R. <fastclose>");
    second.gets("R. <fastclose>");
  });

  it("1, MPTCP-specific: a token that nobody has, an HMAC that is wrong, or none (RFC 8684 §3.2)", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    const unknown = d.peer({ link: 1, session: peer.session });
    unknown.offers({}, "S", ["join syn id 3 bad"]);
    unknown.gets("R. 0 ack 1 <tcprst 1>");
    // RFC 8684 §3.2: "the sender SHOULD send an MP_TCPRST option (Section 3.6) on this RST packet "
    for (const third of [". 1 ack 1 <join ack bad>", ". 1 ack 1", ". 1 ack 1 <raw 1e 04 10 00>"]) {
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 3"]);
      second.gets("S. 0 ack 1");
      second.sends(third);
      assertEquals(octets(second.gets("R. 1 ack 1 <tcprst 1>")), ["1e", "04", "80", "01"]);
    }
  });

  it("2, lack of resources, with T: no memory for the flow of a join", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const { register } = d.stack;
    Object.assign(d.stack, { register: () => false });
    const third = d.peer({ link: 1, session: peer.session });
    third.offers({}, "S", ["join syn id 4"]);
    assertEquals(octets(third.gets("R. 0 ack 1 <tcprst 2 transient>")), ["1e", "04", "81", "02"]);
    assertEquals([app.socket.attempts.length, app.code], [1, undefined]);
    // Another one is welcome once there is some.
    Object.assign(d.stack, { register });
    join(d, peer, 1, {}, 5);
    assertEquals([app.socket.subflows.length, d.counter("MPJoinRejected")], [2, 1]);
  });

  it("3, administratively prohibited: above the limit of subflows (RFC 8684 §3.2)", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    for (let id = 1; id <= 8; id++) join(d, peer, 1, {}, id);
    const ninth = d.peer({ link: 1, session: peer.session });
    ninth.offers({}, "S", ["join syn id 9"]);
    ninth.gets("R. 0 ack 1 <tcprst 3>");
  });

  for (const excessive of [true, false]) {
    it(`4, too much outstanding, with T: a path comes back, and ${excessive ? "half of the send buffer or more" : "less than half of the send buffer"} went over others meanwhile`, () => {
      using d = new Dialogue({
        policies: { pathManager: fullMesh() },
        tcp: { sendBuffer: fixedBuffer(excessive ? 24000 : 40000) },
      });
      const { first, second, app } = dialled(d);
      // The first window goes over the second path, which loses it; the first one brings it to the peer.
      first.sends(". 1 ack 1 <dack8 1, prio backup>");
      app.write(20000);
      second.takeAll();
      const out = second.acked;
      for (let i = 0; i < 6; i++) {
        d.pass(1e6);
        second.takeAll();
        first.takeAll();
        first.acks();
      }
      assertEquals([app.socket.subflows[1]!.stale, app.socket.unacked, out], [true, 0, 14281]);
      second.sends(`. 1 ack 1001 <dack8 ${second.dataAcked}>`);
      if (!excessive) {
        assertEquals(app.socket.subflows.length, 2);
        return;
      }
      second.gets("R. <tcprst 4 transient>");
      // And anew at once.
      const again = d.called(first.session);
      again.gets("S 0 <join syn id 1>");
      assertEquals(app.socket.subflows.length, 1);
    });
  }

  it("5, unacceptable performance: the path manager leaves out a path on which nothing comes through", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(1000);
    second.gets("P. 1:1001");
    for (let i = 0; i < 4; i++) {
      d.pass(1e6);
      first.takeAll();
      second.takeAll();
      first.acks();
    }
    assert(app.socket.subflows[1]!.stale);
    app.socket.paths.context.use([1]);
    d.stack.flush(d.now);
    second.gets("R. <tcprst 5>");
  });

  it("6, middlebox interference: options are taken away on a path that joined (RFC 8684 §3.7)", () => {
    using d = new Dialogue();
    const { second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(1000);
    second.gets("P. 1:1001");
    second.sends(". 1 ack 1001");
    second.gets("R. <tcprst 6>");
  });

  it("of the peer's is what info() remembers, and the last one of several", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    const last = () => connectionInfo(app.socket, d.now).last_reset;
    assertEquals(last(), null);
    const third = join(d, first, 1, {}, 2);
    third.sends("R. 1 ack 1 <tcprst 5>");
    assertEquals([last()?.by, last()?.path, last()?.reason], ["peer", 3, 5]);
    second.sends("R. 1 ack 1 <tcprst 2 transient>");
    assertEquals(last(), { by: "peer", path: 2, reason: 2, transient: true, age: 0 });
  });

  it("is told to who watches, with who sent it", () => {
    const lines: string[] = [];
    using d = new Dialogue({
      probe: {
        subflowReset: (_now, _connection, ...values) => void lines.push(values.join(" ")),
      },
    });
    const { second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(1000);
    second.sends(". 1 ack 1001");
    second.takeAll();
    assertEquals(lines, ["2 us 6 false"]);
    d.pass(3e3);
    assertEquals(connectionInfo(app.socket, d.now).last_reset, {
      by: "us",
      path: 2,
      reason: 6,
      transient: false,
      age: 3,
    });
    assertEquals([d.counter("MPRstTx"), d.counter("MPRstRx")], [1, 0]);
  });
});
