/** Subflows that fall silent, are asked, come back, and backups that stand in for them, segment by segment. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { dataOf, type Peer, withData } from "../../support/scripted_peer.ts";

/** Of a subflow whose only sample was 10 ms (RFC 6298 §2.2, with the least variation of 200 ms). */
const RTO = 10e3 + 200e3;
const tcp = { tlp: false, mtuProbing: "off" } as const;

const KINDS = [
  ["IPv4", { family: 4 }],
  ["IPv6", { family: 6 }],
  ["checksums", { experiments: { checksum: true } }],
] as const;

/** Data offsets that segments bring. */
function data(peer: Peer): string[] {
  return withData(peer.takeAll()).map((got) => dataOf(got).join(":"));
}

/** 1,000 bytes on the first subflow, which nobody answers; the second one has brought them by then. */
function silenced(d: Dialogue): ReturnType<typeof joined> {
  const pair = joined(d, { rtt: 10e3 }, { rtt: 80e3 });
  pair.app.write(1000);
  assertEquals(data(pair.first), ["1:1001"]);
  d.pass(RTO);
  assertEquals([data(pair.first), data(pair.second)], [["1:1001"], ["1:1001"]]);
  pair.second.sends(". ack 1001 <dack8 1001>");
  return pair;
}

for (const [kind, options] of KINDS) {
  describe(`a silent subflow (${kind})`, () => {
    it("RFC 8684 §3.3.6: is stale after four timeouts without their back-off, beside one that works", () => {
      using d = new Dialogue({ ...options, tcp });
      const { first, second, app } = silenced(d);
      d.pass(3 * RTO - 1);
      assertEquals(app.socket.subflows.map(({ stale }) => stale), [false, false]);
      d.pass(1);
      assertEquals(app.socket.subflows.map(({ stale }) => stale), [true, false]);
      assertEquals(d.counter("SubflowStale"), 1);
      first.takeAll();
      app.write(1000);
      assertEquals([data(first), data(second)], [[], ["1001:2001"]]);
    });

    // RFC 8684 §3.3.6: "a host MUST still retransmit the original data on the original subflow, in order to preserve the subflow's integrity"
    it("RFC 8684 §3.3.6: still sends its data, each second at least, though another one has brought them; and is used as soon as they are acknowledged", () => {
      using d = new Dialogue({ ...options, tcp });
      const { first, second, app } = silenced(d);
      d.pass(3 * RTO);
      first.takeAll();
      for (let i = 0; i < 60; i++) {
        d.pass(1e6);
        const asked = data(first);
        assert(asked.length >= 1 && asked.length <= 2, `${asked}`);
        assertEquals([...new Set(asked)], ["1:1001"]);
      }
      assertEquals(second.pending, false);
      const { cwnd } = app.socket.subflows[0]!;
      assertEquals(d.counter("TCPTimeouts") < 10, true);
      first.sends(". ack 1001 <dack8 1001>");
      assert(app.socket.subflows[0]!.cwnd >= cwnd);
      assertEquals([app.socket.subflows[0]!.stale, d.counter("SubflowRecover")], [false, 1]);
      app.write(1000);
      assertEquals(data(first), ["1001:2001"]);
    });
  });
}

describe("a subflow is not stale", () => {
  it("RFC 8684 §3.3.6: where no other one works", () => {
    using d = new Dialogue({ tcp });
    const { peer, app } = d.opened({ rtt: 10e3 });
    app.write(1000);
    d.pass(20e6);
    assertEquals([app.socket.subflows[0]!.stale, d.counter("SubflowStale")], [false, 0]);
    // TCP's back-off, and no questions.
    assertEquals(data(peer).length, 7);
    // It is as soon as one does.
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S.");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals([app.socket.subflows[0]!.stale, d.counter("SubflowStale")], [true, 1]);
  });

  it("and another one is, where both have fallen silent: neither is asked beside its timeouts", () => {
    using d = new Dialogue({ tcp });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 10e3 });
    app.write(1000);
    d.pass(10e6);
    assertEquals(app.socket.subflows.filter(({ stale }) => stale).length, 1);
    first.takeAll();
    second.takeAll();
    d.pass(3e6);
    assert(data(first).length + data(second).length <= 2);
  });

  it("where `staleLossCount` is 0, and sooner where it is 1", () => {
    for (const [staleLossCount, stale] of [[0, 0], [1, 1], [255, 0]] as const) {
      using d = new Dialogue({ tcp, experiments: { staleLossCount } });
      joined(d, { rtt: 10e3 }, { rtt: 20e3 }).app.write(1000);
      d.pass(RTO);
      assertEquals(d.counter("SubflowStale"), stale, `${staleLossCount}`);
    }
  });
});

describe("a subflow that never answers", () => {
  for (const checksum of [false, true]) {
    // RFC 8684 §3.3.6: "this MAY lead to a host resetting the subflow with a RST"
    // RFC 8684 §3.3.6: "A RST for this purpose SHOULD be accompanied by an 'Unacceptable performance' MP_TCPRST option"
    it(`RFC 8684 §3.3.6: is reset after 15 timeouts with reason 5, to be tried again (checksum ${checksum})`, () => {
      using d = new Dialogue({ tcp, experiments: { checksum } });
      const { first, app } = silenced(d);
      d.pass(400e6);
      assertEquals(app.socket.subflows.length, 2);
      first.takeAll();
      d.pass(400e6);
      const { flags, options } = first.takeAll().at(-1)!;
      assertEquals([flags.includes("R"), options.includes("tcprst 5 transient")], [true, true]);
      assertEquals([app.socket.subflows.length, app.code], [1, undefined]);
    });
  }
});

describe("a backup", () => {
  for (const by of ["the peer", "us"] as const) {
    // RFC 8684 §3.3.8: "a subflow where the receiver has indicated that B=1 SHOULD NOT be used to send data unless there are no usable subflows where B=0"
    it(`RFC 8684 §3.3.8: asked for by ${by} carries data while the regular one is stale, and none before and after`, () => {
      using d = new Dialogue({ tcp });
      const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 5e3 });
      if (by === "the peer") second.sends(". <dack8 1, prio backup>");
      else app.socket.paths.context.setBackup(app.socket.subflows[1]!.path, true);
      d.stack.flush(d.now);
      second.takeAll();
      app.write(1000);
      assertEquals([data(first), data(second)], [["1:1001"], []]);
      d.pass(4 * RTO - 1);
      assertEquals(data(second), []);
      d.pass(1);
      assertEquals(data(second), ["1:1001"]);
      second.sends(". ack 1001 <dack8 1001>");
      app.write(1000);
      assertEquals(data(second), ["1001:2001"]);
      second.sends(". ack 2001 <dack8 2001>");
      first.takeAll();
      first.sends(". ack 1001 <dack8 2001>");
      app.write(1000);
      assertEquals([data(first), data(second)], [["2001:3001"], []]);
    });
  }

  // RFC 8684 §3.3.8: "the data sender SHOULD adhere to these requests"
  it("RFC 8684 §3.3.8: by MP_PRIO gets no new data from then on; what it carries is offered to the others, and still its own to repeat", () => {
    using d = new Dialogue({ tcp });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    app.write(1000);
    assertEquals([data(first), data(second)], [["1:1001"], []]);
    first.sends(". ack 1 <dack8 1, prio backup>");
    assertEquals([data(first), data(second)], [[], ["1:1001"]]);
    app.write(1000);
    assertEquals([data(first), data(second)], [[], ["1001:2001"]]);
    second.sends(". ack 2001 <dack8 2001>");
    d.pass(RTO);
    assertEquals([data(first), data(second)], [["1:1001"], []]);
    first.sends(". ack 1001 <dack8 2001, prio>");
    app.write(1000);
    assertEquals([data(first), data(second)], [["2001:3001"], []]);
  });

  it("RFC 8684 §3.3.8: that is the only one left is used, with what was in flight on the other", () => {
    using d = new Dialogue({ tcp });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    second.sends(". <dack8 1, prio backup>");
    app.write(1000);
    first.takeAll();
    first.sends("R 1");
    assertEquals(data(second), ["1:1001"]);
    assertEquals(app.socket.subflows.length, 1);
  });
});

describe("the first subflow", () => {
  it("ARC-5: dies in mid-transfer, and the API tuple stays", () => {
    using d = new Dialogue({ tcp });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    const { localEndpoint, remoteEndpoint } = app.socket;
    app.write(5000);
    first.takeAll();
    first.sends("R 1");
    second.takeAll();
    second.session.take(1, 5001);
    second.sends(`. ack ${second.acked} <dack8 5001>`);
    second.data(100);
    assertEquals([app.socket.unacked, app.read(), app.code], [0, 100, undefined]);
    assertEquals([app.socket.localEndpoint, app.socket.remoteEndpoint], [
      localEndpoint,
      remoteEndpoint,
    ]);
    assertEquals(localEndpoint.address, d.address(0));
  });
});
