/** What an option of its own costs the wire (RFC 8684 §3, §3.4.1): two ACKs in a row at most, on each subflow. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { type Got, type Peer, withData } from "../../support/scripted_peer.ts";
import { fullMesh } from "../../../pm/mod.ts";

/** Options that travel alone. */
const SIGNAL = /^(add|echo|rm|prio)/;

/** Most signals in a row that say the same, without a timeout between them, among segments that were taken with their times. */
function longest(segments: readonly (readonly [number, Got])[], timeout: number): number {
  let row = 0;
  let most = 0;
  let last: readonly [number, Got] | null = null;
  for (const each of segments) {
    const [now, got] = each;
    const signal = got.options.some((option) => SIGNAL.test(option));
    const same = last !== null && last[1].seq === got.seq && last[1].ack === got.ack &&
      got.end === got.seq && now - last[0] < timeout;
    row = signal ? (same ? row + 1 : 1) : 0;
    most = Math.max(most, row);
    last = each;
  }
  return most;
}

/** Takes what is sent within `time`, with its times. */
function watch(d: Dialogue, peer: Peer, time: number): (readonly [number, Got])[] {
  const all: (readonly [number, Got])[] = [];
  for (let t = 0; t < time; t += 10e3) {
    for (const got of peer.takeAll()) all.push([d.now, got]);
    d.pass(10e3);
  }
  return all;
}

for (const family of [4, 6] as const) {
  describe(`signals (IPv${family})`, () => {
    // RFC 8684 §3: "SHOULD NOT send more than two duplicate ACKs in a row for the purposes of sending MPTCP options alone"
    it("RFC 8684 §3: MP_PRIO that is changed again and again goes twice in a row, then when a timeout is over, as it is then", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      const { path } = app.socket.subflows[1]!;
      for (const backup of [true, false, true, false, true]) {
        app.socket.paths.context.setBackup(path, backup);
        d.stack.flush(d.now);
      }
      second.gets(". 1 ack 1 <prio backup>");
      second.gets(". 1 ack 1 <prio>");
      d.silent();
      assertEquals(d.untilSent(), app.socket.subflows[1]!.sender.rtt.rto);
      second.gets(". 1 ack 1 <prio backup>");
      d.pass(10e6);
      d.silent();
      assertEquals(d.counter("MPPrioTx"), 3);
      assertEquals(first.pending, false);
    });

    it("RFC 8684 §3.3.8: what a batch changes more than once is told once, as it is at its end", () => {
      using d = new Dialogue({ family });
      const { second, app } = joined(d);
      const { path } = app.socket.subflows[1]!;
      for (const backup of [true, false, true]) app.socket.paths.context.setBackup(path, backup);
      d.stack.flush(d.now);
      second.gets(". 1 ack 1 <prio backup>");
      d.pass(10e6);
      d.silent();
    });

    // RFC 8684 §3.7, "it is important to ensure that the path is fully MPTCP capable and the necessary MPTCP options can reach each host": Linux falls back
    // where the first that follows the handshake is an MP_PRIO.
    it("RFC 8684 §3.7: MP_PRIO of the first subflow follows a DSS each way, as server", () => {
      using d = new Dialogue({ family });
      const listener = d.listen(80);
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <mpc key>");
      d.pass(20e3);
      peer.sends(". 1 ack 1 <mpc keys>");
      const app = d.accept(listener);
      app.socket.paths.context.setBackup(1, true);
      d.stack.flush(d.now);
      d.pass(1e6);
      d.silent();
      peer.sends("P. 1:11 ack 1 <mpc keys len 10>");
      peer.gets(". 1 ack 11 <dack 11>");
      peer.gets(". 1 ack 11 <prio backup>");
      d.silent();
      assertEquals(d.counter("MPPrioTx"), 1);
    });

    it("a third leaves at once behind data, or behind what it acknowledges", () => {
      for (const how of ["sends", "gets"]) {
        using d = new Dialogue({ family });
        const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
        const { path } = app.socket.subflows[1]!;
        const set = (backup: boolean) => {
          app.socket.paths.context.setBackup(path, backup);
          d.stack.flush(d.now);
        };
        for (const backup of [true, false]) set(backup);
        second.takeAll();
        if (how === "gets") second.data(100);
        else {
          app.write(100);
          second.gets("P. 1:101");
        }
        second.takeAll();
        set(true);
        second.gets(". <prio backup>");
        // What a backup has in flight is offered to the others.
        assertEquals(first.pending, how === "sends");
      }
    });

    // RFC 8684 §3.4.1: "an MPTCP implementation SHOULD NOT send more than two duplicate ACKs in a row for signaling purposes"
    // RFC 8684 §4: "MPTCP SHOULD NOT send more than two duplicate ACKs containing (non-DSS) MPTCP signals in a row"
    it("RFC 8684 §3.4.1: echoes of many announcements, our own, MP_PRIO and REMOVE_ADDR together never leave three in a row", () => {
      using d = new Dialogue({ family });
      const { peer, app } = d.opened();
      const { context } = app.socket.paths;
      const far = (id: number) => family === 4 ? `10.0.7.${id}` : `fd00:0:0:7::${id}`;
      const all: (readonly [number, Got])[] = [];
      for (let id = 1; id <= 6; id++) peer.sends(`. 1 ack 1 <noTS, add ${id} ${far(id)}>`);
      context.setBackup(1, true);
      context.announce(context.locals[1]!);
      d.stack.flush(d.now);
      all.push(...watch(d, peer, 3e6));
      context.withdraw(context.locals[1]!);
      d.stack.flush(d.now);
      all.push(...watch(d, peer, 5e6));
      const { rto } = app.socket.subflows[0]!.sender.rtt;
      assert(longest(all, rto) <= 2, `${longest(all, rto)}`);
      const told = all.flatMap(([, { options }]) => options.filter((each) => SIGNAL.test(each)));
      for (let id = 1; id <= 6; id++) {
        assert(told.some((each) => each.startsWith(`echo ${id} `)), `${told}`);
      }
      assert(told.includes("prio backup") && told.includes("rm 1"), `${told}`);
      assertEquals(d.counter("EchoAddTx"), 6);
    });
  });
}

describe("duplicate ACKs with an option (RFC 8684 §3)", () => {
  // RFC 8684 §3.4.1: "an MPTCP implementation MUST NOT treat duplicate ACKs with any MPTCP option, with the exception of the DSS option, as indications of congestion"
  // RFC 8684 §3: "an MPTCP implementation receiving a duplicate ACK that contains an MPTCP option MUST NOT treat it as a signal of congestion"
  it("of the peer are no sign of loss, without SACK either", () => {
    for (const sack of [true, false]) {
      for (const option of ["prio backup", "add 5 10.0.7.5", "rm 9", "echo 4 10.0.7.4"]) {
        using d = new Dialogue();
        const { peer, app } = d.opened({ sack });
        app.write(5000);
        peer.takeAll();
        for (let i = 0; i < 4; i++) peer.sends(`. 1 ack 1 <noTS, ${option}>`);
        const again = withData(peer.takeAll());
        assertEquals([again.length, app.socket.subflows[0]!.inRecovery], [0, false], option);
      }
    }
  });
});

describe("options that a full link keeps", () => {
  it("wait for it, and count once as dropped: ADD_ADDR and echoes", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S.");
    d.links[0]!.full = true;
    peer.sends(". 1 ack 1 <mpc keys>");
    d.accept(listener);
    d.silent();
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    peer.gets(". 1 ack 1 <add 1 10.0.1.1>");
    // An ACK that a full link refuses is owed, with an option or without.
    peer.takeAll();
    assertEquals([d.counter("AddAddrTx"), d.counter("AddAddrTxDrop")], [1, 1]);
    d.links[0]!.full = true;
    peer.sends(". 1 ack 1 <noTS, add 5 10.0.7.5>");
    d.silent();
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    peer.gets(". <echo 5 10.0.7.5>");
    assertEquals([d.counter("EchoAddTx"), d.counter("EchoAddTxDrop")], [1, 1]);
    d.stack.free();
  });
});
