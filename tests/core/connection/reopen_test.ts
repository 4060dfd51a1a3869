/** Life after failure: paths are opened again, by one rule for the first and for those that joined (RFC 8684 §3.4.1, §3.6, §3.9.3). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh, nDiffPorts } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { answersJoin, dialled, joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const OPTIONS = { policies: { pathManager: fullMesh() } };

/** Takes the join whose SYN waits. */
function takes(d: Dialogue, first: Peer): Peer {
  const second = d.called(first.session);
  second.gets("S 0 <join syn>");
  answersJoin(d, second);
  return second;
}

/** Seconds from now to each new flow of ours, within `time`. */
function flows(d: Dialogue, time: number): number[] {
  const start = d.now;
  const ports = new Set<number>();
  const times: number[] = [];
  for (let t = 0; t < time; t += 100e3) {
    d.pass(100e3);
    while (d.sent.length > 0) {
      const peer = d.called();
      if (!ports.has(peer.localPort)) times.push(Math.round((d.now - start) / 1e5) / 10);
      ports.add(peer.localPort);
      peer.lose();
    }
  }
  return times;
}

describe("a join that nobody answers", () => {
  it("is tried again after 1, 2, 4 … 60 s, for ever, and leaves nothing behind", () => {
    using d = new Dialogue(OPTIONS);
    const { first, app } = dialled(d);
    d.called(first.session).lose();
    const times = flows(d, 900e6);
    // Each try takes 15 s itself: 4 SYNs.
    const waits = times.slice(1).map((at, i) => Math.round(at - (i === 0 ? 0 : times[i]!) - 15));
    assertEquals(waits.slice(0, 9), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assertEquals(app.code, undefined);
    app.abort();
    app.close();
    assertEquals(d.usage.timers, 0);
    assertEquals(d.stack.strays.awaited, false);
  });
});

describe("a first path that has left before the path manager was made", () => {
  for (
    const [what, options, expected] of [
      ["is opened again", "", 1],
      ["is left alone where the peer says so", " <tcprst 3>", 0],
      ["waits as the peer asks", " <tcprst 2 transient>", 15],
    ] as const
  ) {
    it(`in the batch that lets joins begin ${what}`, () => {
      using d = new Dialogue({ policies: { pathManager: nDiffPorts({ subflows: 1 }) } });
      const app = d.connect();
      const peer = d.called();
      peer.gets("S 0 <mpc>");
      d.pass(20e3);
      peer.offers({}, "S.", ["mpc key"]);
      peer.gets(". 1 ack 1 <mpc keys>");
      peer.sendsMore(". 1 ack 1 <dack8 1>");
      peer.sends(`R 1${options}`);
      assertEquals([app.socket.subflows.length, app.code], [0, undefined]);
      const times = flows(d, 30e6).slice(0, 1);
      assertEquals(times.map(Math.round), expected === 0 ? [] : [expected]);
    });
  }
});

describe("a path that was reset (RFC 8684 §3.6)", () => {
  // Seconds to the next SYN, for the first path and for one that joined a moment ago; none: it is left alone.
  const ways: readonly (readonly [string, string, readonly number[], readonly number[]])[] = [
    ["without MP_TCPRST: a box between has forgotten it", "", [1], [1]],
    ["unspecified, transient", " <tcprst 0 transient>", [1], [1]],
    ["after an MPTCP-specific error, transient", " <tcprst 1 transient>", [1], [1]],
    ["for want of resources, transient", " <tcprst 2 transient>", [15], [15]],
    ["administratively, transient", " <tcprst 3 transient>", [60], [60]],
    ["with too much outstanding, transient", " <tcprst 4 transient>", [0], [1]],
    ["for its performance, transient", " <tcprst 5 transient>", [30], [30]],
    ["by a middlebox, transient", " <tcprst 6 transient>", [1], [1]],
    ["for a reason that is not known, transient", " <tcprst 77 transient>", [1], [1]],
    // U, V and W set beside T, or alone: "a receiver MUST ignore them".
    ["with reserved flags beside T", " <raw 1e 04 8f 06>", [1], [1]],
    ["with reserved flags alone", " <raw 1e 04 8e 06>", [], []],
    ...[0, 1, 2, 3, 4, 5, 6, 77].map((reason) =>
      [`for good (${reason})`, ` <tcprst ${reason}>`, [], []] as const
    ),
  ];
  for (const family of [4, 6] as const) {
    for (const [what, options, first, joined] of ways) {
      for (const which of ["first", "joined"]) {
        const expected = which === "first" ? first : joined;
        // RFC 8684 §3.6: "the recipient of this segment MAY try to re-establish a subflow for this connection over the failed path."
        // RFC 8684 §3.6: "The time at which a receiver may try to re-establish this subflow is implementation specific but SHOULD take into account the
        // properties of the failure as defined by the provided reason code."
        // RFC 8684 §3.6: "the recipient of this segment MAY try to re-establish a subflow for this connection over the failed path"
        it(`${what}, is ${expected.length > 0 ? "" : "not "}opened again (${which}, IPv${family})`, () => {
          using d = new Dialogue({ ...OPTIONS, family });
          const { first, app } = dialled(d);
          const second = takes(d, first);
          assertEquals(app.socket.subflows.length, 2);
          d.silent();
          (which === "first" ? first : second).sends(`R 1${options}`);
          assertEquals(app.socket.subflows.length, 1);
          const times = flows(d, 70e6).slice(0, 1);
          assertEquals(times.map(Math.round), expected);
          assertEquals(d.counter("MPRstRx"), options === "" ? 0 : 1);
          assertEquals(app.code, undefined);
        });
      }
    }
  }

  // RFC 8684 §3.9.3: "if an MP_JOIN fails, it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection,
  // unless the other host refreshes the information with another ADD_ADDR option"
  it("while it was joined is left alone, until its address is announced anew (RFC 8684 §3.9.3)", () => {
    for (const option of ["", " <tcprst 1>", " <tcprst 3>", " <tcprst 4 transient>"]) {
      using d = new Dialogue(OPTIONS);
      const { first } = dialled(d);
      const second = d.called(first.session);
      second.gets("S 0");
      second.sends(`R. 0 ack 1${option}`);
      const again = option.includes("transient") ? 1 : 0;
      assertEquals(flows(d, 5e6).length, again);
      if (again > 0) continue;
      // RFC 8684 §3.9.3: "it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection, unless the other host
      // refreshes the information with another ADD_ADDR option."
      assertEquals(flows(d, 600e6), []);
      first.sends(". 1 ack 1 <dack8 1, add 0 10.0.0.2>");
      first.takeAll();
      assertEquals(d.called(first.session).local, "10.0.1.1");
    }
  });

  it("for want of resources waits as the peer asks, whatever changes here; its ADD_ADDR ends the wait", () => {
    using d = new Dialogue(OPTIONS);
    const { first } = dialled(d);
    const second = takes(d, first);
    second.sends("R 1 <tcprst 2 transient>");
    d.pass(2e6);
    // A packet of the flow that was would hasten another path.
    second.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    second.gets("R");
    d.silent();
    first.sends(". 1 ack 1 <dack8 1, add 0 10.0.0.2>");
    first.takeAll();
    assertEquals(d.called(first.session).local, "10.0.1.1");
  });

  it("with too much outstanding again and again is opened once a second at most", () => {
    using d = new Dialogue(OPTIONS);
    const { first } = dialled(d);
    const start = d.now;
    let tries = 0;
    for (let second = takes(d, first); d.now - start < 10e6; tries++) {
      second.data(100);
      second.takeAll();
      second.sends("R <tcprst 4 transient>");
      d.untilSent(5e6);
      second = takes(d, first);
    }
    assert(tries <= 10, `${tries}`);
  });

  it("is told with its reason to path managers and probes", () => {
    for (
      const [text, reset] of [
        [" <tcprst 5 transient>", { reason: 5, transient: true }],
        [" <tcprst 3>", { reason: 3, transient: false }],
        ["", undefined],
      ] as const
    ) {
      const told: unknown[] = [];
      const lines: string[] = [];
      using d = new Dialogue({
        policies: {
          pathManager: {
            kind: "path-manager",
            name: "listening",
            create: () => ({
              onEvent: (event) => void (event.type === "subflow" && told.push(event)),
            }),
          },
        },
        probe: {
          subflowReset: (_now, _connection, ...values) => void lines.push(values.join(" ")),
        },
      });
      const { second } = joined(d);
      second.sends(`R 1${text}`);
      assertEquals(told.at(-1), {
        type: "subflow",
        path: 2,
        change: "left",
        reason: "reset",
        ...(reset !== undefined && { reset }),
      });
      assertEquals(lines, reset === undefined ? [] : [`2 peer ${reset.reason} ${reset.transient}`]);
    }
  });
});

describe("what hastens it", () => {
  it("is an ADD_ADDR of its address", () => {
    using d = new Dialogue(OPTIONS);
    const { first } = dialled(d);
    takes(d, first).sends("R 1");
    first.sends(". 1 ack 1 <dack8 1, add 5 10.0.1.9>");
    first.takeAll();
    // Two more pairs: nobody answers.
    flows(d, 100e6);
    for (let i = 0; i < 3; i++) {
      const before = flows(d, 17e6);
      if (before.length > 0) continue;
      first.sends(". 1 ack 1 <dack8 1, add 5 10.0.1.9>");
      assert(d.sent.some(() => true));
      first.takeAll();
      assert(d.sent.length > 0, "a SYN leaves at once");
      return;
    }
    throw new Error("no pause between tries was found");
  });

  it("is a packet from its far end that belongs to nothing any more", () => {
    using d = new Dialogue(OPTIONS);
    const { first, app } = dialled(d);
    const second = takes(d, first);
    // The path is silent until it is given up, and then for long.
    for (let i = 0; i < 3; i++) {
      const flow = i === 0 ? second : takes(d, first);
      flow.sends("R 1");
      d.sent.length = 0;
      d.untilSent(30e6);
    }
    takes(d, first).sends("R 1");
    d.sent.length = 0;
    d.pass(2e6);
    d.silent();
    second.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    second.gets("R");
    const third = d.called(first.session);
    third.gets("S 0 <join syn>");
    assertEquals(app.code, undefined);
    // A flood of them hastens nothing more than once a second.
    third.sends("R. 0 ack 1 <tcprst 4 transient>");
    for (let i = 0; i < 50; i++) {
      second.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
      second.gets("R");
    }
    d.silent();
  });

  it("is a link that comes up", () => {
    using d = new Dialogue(OPTIONS);
    const { first, app } = dialled(d);
    d.called(first.session).lose();
    flows(d, 100e6);
    d.stack.setLinkUp(d.now, d.links[1]!, false);
    flows(d, 1e6);
    d.silent();
    d.stack.setLinkUp(d.now, d.links[1]!, true);
    assertEquals(d.called(first.session).local, "10.0.1.1");
    assertEquals(app.code, undefined);
  });
});

describe("an address that is added to a link", () => {
  for (const gone of [false, true]) {
    it(`that is ${gone ? "gone" : "down"} opens nothing${gone ? "" : " before it is up"}`, () => {
      using d = new Dialogue(OPTIONS);
      const { first, app } = dialled(d);
      d.called(first.session).lose();
      flows(d, 100e6);
      if (gone) d.stack.handleGone(d.now, d.links[1]!);
      else d.stack.setLinkUp(d.now, d.links[1]!, false);
      flows(d, 1e6);
      d.stack.addAddress(d.now, d.links[1]!, "10.0.1.9/24");
      d.silent();
      d.stack.setLinkUp(d.now, d.links[1]!, true);
      if (gone) d.silent();
      else assertEquals(d.called(first.session).local, "10.0.1.1");
      assertEquals(app.code, undefined);
    });
  }
});

describe("plain TCP", () => {
  it("opens nothing, and keeps no timer for it", () => {
    using d = new Dialogue(OPTIONS);
    const { first, app } = dialled(d);
    d.called(first.session).lose();
    first.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 0>");
    flows(d, 20e6);
    assertEquals([app.socket.fallback, d.usage.timers], [true, 0]);
    assertEquals(flows(d, 300e6), []);
  });
});
