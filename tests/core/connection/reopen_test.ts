/** Life after failure: paths are opened again, by one rule for the first and for those that joined (RFC 8684 §3.4.1, §3.6, §3.9.3). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const OPTIONS = { policies: { pathManager: fullMesh() } };

/** A connection of ours over the first path; its SYN for the second waits to be taken. */
function dialled(d: Dialogue): { first: Peer; app: App } {
  const app = d.connect();
  const first = d.called();
  first.gets("S 0 <mpc>");
  d.pass(20e3);
  first.offers({}, "S.", ["mpc key"]);
  first.gets(". 1 ack 1 <mpc keys>");
  first.sends(". 1 ack 1 <dack8 1>");
  return { first, app };
}

/** Takes the join whose SYN waits. */
function takes(d: Dialogue, first: Peer): Peer {
  const second = d.called(first.session);
  second.gets("S 0 <join syn>");
  d.pass(20e3);
  second.offers({}, "S.", ["join synack id 0"]);
  second.gets(". 1 ack 1 <join ack>");
  second.sends(". 1 ack 1 <dack8 1>");
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

describe("a path that was reset", () => {
  const ways: readonly (readonly [string, string, readonly number[]])[] = [
    ["without MP_TCPRST: a box between has forgotten it", "", [1]],
    ["with the T flag", " <tcprst 4 transient>", [1]],
    ["for good", " <tcprst 2>", []],
  ];
  for (const [what, options, expected] of ways) {
    for (const which of ["first", "joined"]) {
      it(`${what}, is ${expected.length > 0 ? "" : "not "}opened again (${which})`, () => {
        using d = new Dialogue(OPTIONS);
        const { first, app } = dialled(d);
        const second = takes(d, first);
        assertEquals(app.socket.subflows.length, 2);
        d.silent();
        (which === "first" ? first : second).sends(`R 1${options}`);
        assertEquals(app.socket.subflows.length, 1);
        d.silent();
        const times = flows(d, 10e6);
        assertEquals(times.map(Math.round), expected);
        assertEquals(app.code, undefined);
      });
    }
  }

  it("while it was joined is left alone, until its address is announced anew (RFC 8684 §3.9.3)", () => {
    for (const option of ["", " <tcprst 1>", " <tcprst 4 transient>"]) {
      using d = new Dialogue(OPTIONS);
      const { first } = dialled(d);
      const second = d.called(first.session);
      second.gets("S 0");
      second.sends(`R. 0 ack 1${option}`);
      const again = option.includes("transient") ? 1 : 0;
      assertEquals(flows(d, 5e6).length, again);
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
