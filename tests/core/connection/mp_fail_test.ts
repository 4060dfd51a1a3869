/** Damaged payload: MP_FAIL, infinite mappings, and what follows (RFC 8684 §3.7). */

import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { joined, joining } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";
import { stream } from "../../support/segment_codec.ts";

const SUMMED: DialogueOptions = { experiments: { checksum: true }, tcp: { tlp: false } };
const PLAIN = "<!map, !map8, !dack, !dack8>";

/** Both roles, both families. */
const ENDS = (["server", "client"] as const).flatMap((role) =>
  ([4, 6] as const).map((family) => ({ role, family, name: `${role}, IPv${family}` }))
);

/** A connection with checksums on which both directions have carried 100 bytes, mapped and DATA_ACKed. */
function proved(d: Dialogue, role: "server" | "client" = "server"): { peer: Peer; app: App } {
  const { peer, app } = role === "server"
    ? d.opened({ checksum: true })
    : d.dialled({ checksum: true });
  app.write(100);
  peer.gets("P. 1:101");
  peer.sends("P. 1:101 ack 101 <dack8 101, map8 1 1 100 csum>");
  assertEquals(app.read(), 100);
  d.pass(50e3);
  peer.takeAll();
  return { peer, app };
}

/** Bytes of the peer from data offset `from` on, of which the one at `at` was changed on the way. */
function spoilt(from: number, length: number, at = 0): Uint8Array {
  const bytes = stream("peer", from, length);
  bytes[at]! ^= 0x55;
  return bytes;
}

function takes(app: App, d: Dialogue, length: number): Uint8Array {
  const target = new Uint8Array(length + 1);
  const bytes = app.socket.read(d.now, target);
  d.stack.flush(d.now);
  return target.slice(0, bytes);
}

for (const { role, family, name } of ENDS) {
  describe(`damage on the only subflow (RFC 8684 §3.7), ${name}`, () => {
    const make = () => new Dialogue({ ...SUMMED, family });

    // RFC 8684 §3.7, "if a receiver identifies a checksum failure when there is only one path, it will send back an MP_FAIL option on the subflow-level
    // ACK, referring to the data-level sequence number of the start of the segment on which the checksum error was detected"
    it("is told by MP_FAIL; nothing from there on is delivered or DATA_ACKed", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.gets(". 101 ack 201 <dack8 101, fail 101>");
      // RFC 8684 §3.7: "The receiver of this option MUST discard all data following the data sequence number specified."
      // RFC 8684 §3.7: "The receiver MUST discard all data that follows the data sequence number specified."
      peer.sends("P. 201:301 <dack8 101, map8 201 201 100 csum>");
      peer.sends("P. 301:401 <dack8 101, map8 301 301 100 csum>");
      d.pass(50e3);
      for (const { options } of peer.takeAll()) {
        assert(!options.some((each) => /^dack8 (?!101$)/.test(each)), `${options}`);
      }
      // Also anew, under a mapping like those before: where its bytes lie is not known any more.
      peer.sends("P. 401:501 <dack8 101, map8 101 401 100 csum>", stream("peer", 101, 100));
      assertEquals(app.read(), 0);
      assertEquals(
        ["DataCsumErr", "MPFailTx", "DssFallback"].map((each) => d.counter(each)),
        [1, 1, 0],
      );
    });

    it("ends when the peer maps the failed data anew: they come as they were sent", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.sends("P. 201:301 <dack8 101, map8 201 201 100 csum>");
      peer.takeAll();
      peer.sends(". 301 <fail 100>");
      peer.sends(". 301:401 <map8 101 301 0 zero>", stream("peer", 101, 100));
      assertEquals(app.read(), 100);
      peer.sends("P. 401:601", stream("peer", 201, 200));
      assertEquals(app.read(), 200);
      d.pass(50e3);
      // RFC 8684 §3.7: "The receiver SHOULD stop generating Data ACKs after it receives an infinite mapping."
      for (const { options } of peer.takeAll()) {
        assert(!options.some((each) => each.startsWith("dack")), `${options}`);
      }
      assertEquals([app.socket.mode, d.counter("InfiniteMapRx")], [
        { kind: "infinite", tx: 0, rx: -200 },
        1,
      ]);
      peer.sends("F. 601 ack 101");
      assertEquals(app.socket.atEnd, true);
    });

    // RFC 8684 §3.7, "From that point onward, data can be altered by a middlebox without affecting MPTCP"
    it("ends when an infinite mapping reaches back: the bytes are those of plain TCP, the damage stays in its mapping", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100, 7));
      peer.sends("P. 201:301 <dack8 101, map8 201 201 100 csum>");
      peer.sends(". 301 <fail 1>");
      peer.sends("P. 301:401 <map8 301 301 0 zero>");
      const wanted = stream("peer", 101, 300);
      wanted[7]! ^= 0x55;
      assertEquals(takes(app, d, 300), wanted);
      assertEquals(app.socket.mode, { kind: "infinite", tx: 0, rx: 0 });
    });

    it("ends so also where the infinite mapping overtakes what lies before it", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100, 7));
      peer.sends("P. 301:401 <map8 301 301 0 zero>", stream("peer", 301, 100));
      peer.sends("P. 401:501", stream("peer", 401, 100));
      peer.sends("P. 201:301 <dack8 101, map8 201 201 100 csum>", stream("peer", 201, 100));
      assertEquals(takes(app, d, 400).length, 400);
    });

    // RFC 8684 §3.7, "When a connection has fallen back with an infinite mapping, only one subflow can send data"
    // RFC 8684 §3.7: "Once MPTCP falls back to regular TCP, it MUST NOT revert to MPTCP later in the connection."
    it("leaves no place for MPTCP: our data follow an infinite mapping, and have none after it", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100, 7));
      peer.sends(". 201 <fail 1>");
      peer.sends("P. 201:301 <map8 201 201 0 zero>");
      peer.takeAll();
      app.write(100);
      peer.gets(`P. 101:201 ack 301 <map8 101 101 0 zero>`);
      app.write(100);
      peer.gets(`P. 201:301 ack 301 ${PLAIN}`);
      // RFC 8684 §3.7: "After a sender signals an infinite mapping, it MUST only use subflow ACKs to clear its send buffer."
      peer.sends(". 301 ack 201 <dack8 301>");
      assertEquals(app.socket.unacked, 100);
      peer.sends(". 301 ack 301");
      assertEquals(app.socket.unacked, 0);
      app.finish();
      peer.gets(`F. 301 ${PLAIN}`);
      assertEquals([d.counter("InfiniteMapTx"), app.socket.fallback], [1, true]);
    });

    it("is told again until the peer answers, and ends the connection when it never does", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.takeAll();
      let told = 0;
      for (let i = 0; i < 200 && app.code === undefined; i++) {
        d.pass(1e6);
        for (const { flags, options } of peer.takeAll()) {
          if (flags.includes("R")) assert(options.includes("fail 101"), `${options}`);
          else if (options.includes("fail 101")) told++;
        }
      }
      assertEquals([told, app.code, app.socket.reason], [
        6,
        "ConnectionAborted",
        "checksum-failed",
      ]);
    });

    it("ends the connection when the peer, which has acknowledged it, answers three questions without a byte: within seconds", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.sends(". 201 <fail 1>");
      const from = d.now;
      const timeout = app.socket.subflows[0]!.sender.rtt.estimate;
      d.pass(50e3);
      peer.takeAll();
      for (let i = 0; i < 3; i++) {
        d.untilSent();
        peer.gets(". 100 ack 201 <dack8 101>");
        d.pass(20e3);
        assertEquals(app.code, undefined);
        peer.sends(". 201 ack 101 <dack8 101>");
      }
      d.untilSent();
      assertLess(d.now - from, 20 * timeout);
      peer.gets("R. <fail 101, tcprst 6>");
      assertEquals([app.code, app.socket.reason, app.read()], [
        "ConnectionAborted",
        "checksum-failed",
        0,
      ]);
      assertEquals(d.counter("MPFailTx"), 2);
    });

    it("goes on waiting for a peer that still sends what was on its way", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.sends(". 201 <fail 1>");
      let seq = 201;
      for (let i = 0; i < 20; i++, seq += 100) {
        d.pass(300e3);
        peer.takeAll();
        peer.sends(`P. ${seq}:${seq + 100} <dack8 101, map8 ${seq} ${seq} 100 csum>`);
      }
      assertEquals([app.code, app.socket.readable], [undefined, 0]);
      peer.sends(`P. ${seq}:${seq + 100} <map8 ${seq} ${seq} 0 zero>`);
      assertEquals([app.socket.fallback, takes(app, d, seq).length], [true, seq - 1]);
    });

    it("that the peer acknowledges has a minute until the infinite mapping where nothing comes at all: the path may be cut", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.sends(". 201 <fail 1>");
      d.pass(55e6);
      assertEquals(app.code, undefined);
      d.pass(70e6);
      assertEquals([app.code, app.socket.reason], ["ConnectionAborted", "checksum-failed"]);
    });

    it("on a RST of the peer, which has waited in vain, ends the connection by an error that names the checksum", () => {
      for (const options of ["fail 101, tcprst 6", "fail 101"]) {
        using d = make();
        const { peer, app } = proved(d, role);
        app.write(100);
        peer.sends(`R. 101 ack 101 <${options}>`);
        assertEquals([app.code, app.socket.reason], ["ConnectionReset", "checksum-failed"]);
      }
    });
  });

  describe(`MP_FAIL of the peer (RFC 8684 §3.7), ${name}`, () => {
    const make = () => new Dialogue({ ...SUMMED, family });

    // RFC 8684 §3.7: "the receiver of an MP_FAIL MUST also respond with an MP_FAIL in the reverse direction and entirely revert to a regular TCP session"
    it("is answered by MP_FAIL; what the peer has dropped goes again under an infinite mapping", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      app.write(300);
      peer.gets("P. 101:401 <map 101 101 300 csum>");
      peer.sends(". 101 ack 401 <fail 101>");
      peer.gets(". 401 ack 101 <dack8 101, fail 100>");
      // It is asked: what came with the option may be too old.
      peer.gets(". 100 ack 101");
      app.write(50); // waits
      d.silent();
      peer.sends(". 101 ack 401 <dack8 101>");
      peer.gets("P. 401:751 <map8 101 401 0 zero>");
      peer.sends(". 101 ack 601");
      assertEquals([app.socket.acked, app.socket.unacked], [300, 150]);
      peer.sends(". 101 ack 751");
      app.finish();
      peer.gets(`F. 751 ${PLAIN}`);
      peer.sends("P. 101:201 ack 752", stream("peer", 101, 100));
      assertEquals(app.read(), 100);
      peer.sends("F. 201 ack 752");
      assertEquals(app.code, null);
      assertEquals(["MPFailRx", "MPFailTx", "InfiniteMapTx"].map((each) => d.counter(each)), [
        1,
        1,
        1,
      ]);
    });

    it("of one that takes what has failed, as Linux does: only what is new follows", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      app.write(300);
      peer.gets("P. 101:401 <map 101 101 300 csum>");
      peer.sends(". 101 ack 401 <fail 101>");
      peer.gets(". 401 ack 101 <dack8 101, fail 100>");
      peer.gets(". 100 ack 101");
      peer.sends(". 101 ack 401 <dack8 401>");
      d.silent();
      app.write(100);
      peer.gets("P. 401:501 <map8 401 401 0 zero>");
      app.write(100);
      peer.gets(`P. 501:601 ${PLAIN}`);
      // What it still maps lies where plain TCP has it, too.
      peer.sends("P. 101:201 ack 601 <dack8 401, map8 101 101 100 csum>");
      assertEquals(app.read(), 100);
    });

    it("waits for what is in flight: that may be lost, and lies before what goes again", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      app.write(100);
      app.write(100);
      app.write(100);
      peer.takeAll();
      peer.sends(". 101 ack 301 <fail 201>");
      peer.gets(". 401 ack 101 <dack8 101, fail 100>");
      peer.sends(". 101 ack 301 <dack8 201>");
      d.silent();
      d.untilSent();
      peer.gets("P. 301:401 <map 301 301 100 csum>");
      peer.sends(". 101 ack 401 <dack8 201>");
      peer.gets(". 400 ack 101");
      peer.sends(". 101 ack 401 <dack8 201>");
      peer.gets("P. 401:601 <map8 201 401 0 zero>");
    });

    it("that repeats the infinite mapping with its segment when that is lost", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      app.write(100);
      peer.takeAll();
      peer.sends(". 101 ack 201 <fail 101>");
      peer.takeAll();
      peer.sends(". 101 ack 201 <dack8 101>");
      peer.gets("P. 201:301 <map8 101 201 0 zero>");
      d.untilSent();
      peer.gets("P. 201:301 <map8 101 201 0 zero>");
    });

    it("whose end had been sent: the FIN says it again", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      app.write(100);
      app.finish();
      peer.takeAll();
      peer.sends(". 101 ack 201 <fail 101>");
      peer.takeAll();
      peer.sends(". 101 ack 201 <dack8 101>");
      peer.gets("P. 201:301 <map8 101 201 0 zero>");
      peer.gets(`F. 301 ${PLAIN}`);
    });

    it("in both directions at once: each end repeats what the other lacks", () => {
      using d = make();
      const { peer, app } = proved(d, role);
      app.write(100);
      peer.gets("P. 101:201");
      peer.sends("P. 101:201 ack 201 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.gets(". 201 ack 201 <dack8 101, fail 101>");
      peer.sends(". 201 ack 201 <fail 101>");
      peer.takeAll();
      peer.sends(". 201 ack 201 <dack8 101>");
      peer.gets("P. 201:301 ack 201 <map8 101 201 0 zero>");
      // The DATA_ACK that the peer decides by goes on until its mapping has come.
      peer.sends(". 200 ack 301");
      peer.gets(". 301 ack 201 <dack8 101>");
      peer.sends("P. 201:301 ack 301 <map8 101 201 0 zero>", stream("peer", 101, 100));
      assertEquals(app.read(), 100);
      assertEquals(app.socket.mode, { kind: "infinite", tx: -100, rx: -100 });
      peer.sends("P. 301:401 ack 301", stream("peer", 201, 100));
      assertEquals(app.read(), 100);
    });
  });
}

describe("damage where there is, or was, another subflow (RFC 8684 §3.7)", () => {
  // RFC 8684 §3.7, "the affected subflow must be immediately closed with a RST that includes an MP_FAIL option"
  // RFC 8684 §3.7: "Failed data MUST NOT be DATA_ACKed and so will be retransmitted on other subflows"
  it("resets its subflow with MP_FAIL; the data come on the other", () => {
    using d = new Dialogue(SUMMED);
    const { first, second, app } = joined(d, { checksum: true });
    second.sends("P. 1:101 <dack8 1, map8 301 1 100 bad>", spoilt(301, 100));
    second.gets("R. <fail 301, tcprst 6>");
    assertEquals(app.read(), 0);
    first.sends("P. 1:301 <dack8 1, map8 1 1 300 csum>");
    first.sends("P. 301:401 <dack8 1, map8 301 301 100 csum>");
    assertEquals(app.read(), 400);
    assertEquals(
      ["DataCsumErr", "MPFailTx", "MPRstTx"].map((each) => d.counter(each)),
      [1, 1, 1],
    );
  });

  // RFC 8684 §3.7: "the receiver MUST close the subflow with a RST with MP_FAIL"
  it("resets also the one that is left", () => {
    using d = new Dialogue(SUMMED);
    const { first, second, app } = joined(d, { checksum: true });
    second.sends("R. 1 ack 1");
    first.sends("P. 1:101 <dack8 1, map8 1 1 100 bad>", spoilt(1, 100));
    first.gets("R. <fail 1, tcprst 6>");
    assertEquals([app.code, app.socket.reason, app.read()], [
      "ConnectionAborted",
      "checksum-failed",
      0,
    ]);
  });

  it("in a RST of the peer has what it carried go elsewhere", () => {
    using d = new Dialogue(SUMMED);
    const { first, second, app } = joined(d, { checksum: true, rtt: 10e3 }, { rtt: 50e3 });
    app.write(100);
    first.gets("P. 1:101");
    first.sends("R. 1 ack 101 <fail 1, tcprst 6>");
    second.gets("P. 1:101 <map 1 1 100 csum>");
    assertEquals([d.counter("MPFailRx"), app.code], [1, undefined]);
  });

  it("is no reason to join any more", () => {
    using d = new Dialogue(SUMMED);
    const { peer } = proved(d);
    peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
    peer.takeAll();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("R.");
  });
});

describe("damage on what seemed to be the only subflow, of which the peer, to which our SYN of a join has come, cannot say so", () => {
  /** The peer answers MP_FAIL by a RST, as the join may carry data; that is established then. */
  function outlived(d: Dialogue, told = true) {
    const { first, second, app } = joining(d);
    first.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100 bad>", spoilt(1, 100));
    first.gets(". 1 ack 101 <fail 1>");
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    if (told) first.sends("R. 101 <tcprst 6>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals([app.code, app.socket.subflows.length], [undefined, 1]);
    return { second, app };
  }
  const OPTIONS = { ...SUMMED, policies: { pathManager: fullMesh() } };

  for (const told of [true, false]) {
    it(`goes with its subflow${told ? "" : ", which ends when the join is established"}: all comes on that`, () => {
      using d = new Dialogue(OPTIONS);
      const { second, app } = outlived(d, told);
      for (let at = 1; at < 901; at += 100) {
        second.sends(`P. ${at}:${at + 100} <dack8 1, map8 ${at} ${at} 100 csum>`);
        assertEquals(app.read(), 100);
      }
      app.write(100);
      assert(second.takeAll().some(({ options }) => options.some((o) => o.startsWith("map 1 1"))));
      d.pass(100e6);
      assertEquals([app.socket.fallback, app.code], [false, undefined]);
    });
  }

  it("keeps no path from being opened after it", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = outlived(d);
    second.takeAll();
    second.sends("R. 1 <tcprst 4 transient>");
    for (let i = 0; i < 50 && d.sent.length === 0; i++) d.pass(100e3);
    d.called().gets("S 0 <join syn>");
    assertEquals(app.code, undefined);
  });

  it("nor, once it is gone, a join of the peer's from being answered before ours is established", () => {
    using d = new Dialogue(OPTIONS);
    const { first } = joining(d);
    first.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100 bad>", spoilt(1, 100));
    first.gets(". 1 ack 101 <fail 1>");
    first.sends("R. 101 <tcprst 6>");
    const third = d.peer({ link: 0, session: first.session });
    third.offers({}, "S", ["join syn id 3"]);
    third.gets("S. 0 ack 1 <join synack>");
  });

  it("nor a join of the peer's from being answered", () => {
    using d = new Dialogue(OPTIONS);
    const { second } = outlived(d);
    second.takeAll();
    const third = d.peer({ link: 0, session: second.session });
    third.offers({}, "S", ["join syn id 3"]);
    third.gets("S. 0 ack 1 <join synack>");
  });
});

describe("an infinite mapping without damage (RFC 8684 §3.3.1, §3.7)", () => {
  it("on data ends MPTCP", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    peer.sends("P. 101:201 <map8 101 101 0>");
    peer.sends("P. 201:301");
    assertEquals(app.read(), 300);
    assertEquals([app.socket.fallback, d.counter("InfiniteMapRx")], [true, 1]);
  });

  it("on a pure ACK maps nothing", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    peer.sends(". 101 <dack8 1, map8 101 101 0>");
    assertEquals([app.socket.fallback, d.counter("InfiniteMapRx")], [false, 0]);
  });

  it("that leaves out data is none: the connection ends by an error", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    peer.sends("P. 101:201 <map8 301 101 0>");
    assertEquals([app.read(), app.code], [100, "ConnectionAborted"]);
  });

  it("where joins have carried data is none either", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    second.sends("P. 1:101 <map8 1 1 100>");
    first.sends("P. 1:101 <map8 101 1 0>");
    first.gets("R. <tcprst 6>");
    assertEquals([app.read(), app.socket.fallback], [100, false]);
  });
});
