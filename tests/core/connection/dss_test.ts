import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { DialogueOptions } from "../../support/dialogue.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { dialled, joined } from "../../support/joins.ts";
import { stream } from "../../support/segment_codec.ts";

/** Keys whose initial data sequence numbers lie a few thousand below a wrap of their lower 32 bits. */
const NEAR_WRAP: DialogueOptions = { keys: [0x01020304, 1269544] };
const PEER_KEY = { high: 0x11121314, low: 516018 };

/** The DSS of a packet without timestamps, or behind these, as it stands there. */
function option(packet: Uint8Array): string {
  const options = packet.subarray(40, (packet[32]! >> 4) * 4 + 20);
  const dss = options.subarray(options.indexOf(30));
  return `raw ${[...dss].map((byte) => byte.toString(16)).join(" ")}`;
}

describe("data sequence numbers of 4 and 8 octets (RFC 8684 §3.3)", () => {
  for (const short of [true, false]) {
    // RFC 8684 §3.3.1: "an implementation MAY include just the lower 32 bits of the data sequence number"
    // RFC 8684 §3.3.1: "An implementation MUST be able to receive and process both 64-bit and 32-bit sequence number values"
    // RFC 8684 §3.3.2: "an implementation can choose whether to send a 32-bit or 64-bit Data ACK, and an implementation MUST accept either"
    it(`ours of ${short ? 4 : 8}, over a wrap of the lower half`, () => {
      using d = new Dialogue({ ...NEAR_WRAP, experiments: { dsn: short ? "short" : "long" } });
      const { peer, app } = d.opened();
      const map = short ? "map" : "map8";
      for (let i = 0; i < 6; i++) {
        app.write(1000);
        peer.gets(`P. ${1000 * i + 1}:${1000 * i + 1001} <${map} ${1000 * i + 1}>`);
        // DATA_ACKs of both lengths are understood.
        const dack = i % 2 === 0 ? "dack" : "dack8";
        peer.sends(`. ack ${1000 * i + 1001} <${dack} ${1000 * i + 1001}>`);
        assertEquals(app.socket.unacked, 0);
      }
    });

    // RFC 8684 §3.3.1: "An implementation MUST be able to receive and process both 64-bit and 32-bit sequence number values"
    // RFC 8684 §3.3.1: "Implementations MUST accept a 32-bit DSN and implicitly promote it to a 64-bit quantity"
    // RFC 8684 §3.3.2: "If data is received with a 64-bit DSN, it MUST be acknowledged with a 64-bit Data ACK."
    it(`the peer's of ${short ? 4 : 8}, over a wrap of the lower half; DATA_ACKs are as long as they`, () => {
      using d = new Dialogue();
      const listener = d.listen();
      const peer = d.peer();
      peer.session.ourKey = PEER_KEY;
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S.");
      peer.sends(". 1 ack 1 <mpc keys>");
      const app = d.accept(listener);
      const [map, dack] = short ? ["map", "dack"] : ["map8", "dack8"];
      for (let i = 0; i < 6; i++) {
        peer.sends(`P. +1000 <dack8 1, ${map}>`);
        d.pass(50e3);
        peer.gets(`. 1 ack ${1000 * i + 1001} <${dack} ${1000 * i + 1001}>`);
      }
      assertEquals(app.read(), 6000);
    });
  }

  for (const checksum of [false, true]) {
    // RFC 8684 §3.3.4 has a test that SSN - SUBFLOW_ACK <= DSN - DATA_ACK. Data that another path lacked do not meet it (tests/compliance/exceptions.txt).
    it(
      `RFC 8684 §3.3.4: what goes again behind a hole of its subflow is taken at once${
        checksum ? ", with checksums" : ""
      }`,
      () => {
        using d = new Dialogue({ experiments: { checksum } });
        const { second, app } = joined(d, { checksum });
        const csum = checksum ? " csum" : "";
        // Octets 1 to 100 of this subflow are lost, for now; they bring data 101 to 200.
        second.sends(`P. 101:201 <dack8 1, map8 1 101 100${csum}>`, stream("peer", 1, 100));
        assertEquals(app.read(), 100);
        second.sends(`P. 1:101 <dack8 1, map8 101 1 100${csum}>`, stream("peer", 101, 100));
        assertEquals(app.read(), 100);
        assertEquals(d.counter("DSSNotMatching") + d.counter("NoDSSInWindow"), 0);
      },
    );
  }

  it("change the payload of a full segment with their length: no short tails", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const [subflow] = app.socket.subflows;
    assertEquals(subflow!.mss, 1428);
    peer.data(10); // from now on DATA_ACKs have 8 octets
    assertEquals(subflow!.mss, 1424);
    app.write(5 * 1424);
    const sizes = peer.takeAll().map(({ seq, end }) => end - seq);
    assertEquals(sizes, [1424, 1424, 1424, 1424, 1424]);
  });

  it("of a mapping in full that disagree in the upper half are not taken", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(`P. +100 <dack8 1, map8 ${2 ** 32 + 1} 1 100>`);
    assertEquals(app.read(), 0);
    assertEquals(d.counter("DSSNotMatching"), 1);
    // The bytes wait: the right mapping may still come.
    peer.sends("P. 1:101 <dack8 1, map8 1 1 100>");
    assertEquals(app.read(), 100);
  });
});

describe("mappings (RFC 8684 §3.3.1)", () => {
  it("may be longer than their segments, and be told once", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". 1:1001 <dack8 1, map8 1 1 5000>");
    for (let i = 1; i < 5; i++) peer.sends(`. ${1000 * i + 1}:${1000 * i + 1001}`);
    assertEquals(app.read(), 5000);
  });

  for (const checksum of [false, true]) {
    for (const on of ["a server", "a client", "a join"] as const) {
      // RFC 8684 §3.3.1, "It does not need to be included in every MPTCP packet, as long as the subflow sequence space in that packet is covered by a mapping
      // known at the receiver."
      // RFC 8684 §3.7, "may choose to send fewer DSS options than once per segment"
      it(
        `are told on the first of several segments alone, and that is lost: the others wait, at ${on}${
          checksum ? ", with checksums" : ""
        }`,
        () => {
          using d = new Dialogue({ experiments: { checksum } });
          const { first, second, app } = on === "a client"
            ? { ...dialled(d, 80, { checksum }), second: null }
            : joined(d, { checksum });
          const peer = on === "a join" ? second! : first;
          peer.sends(`. 1:101 <dack8 1, map8 1 1 100${checksum ? " csum" : ""}>`);
          assertEquals(app.read(), 100);
          const told = option(
            peer.packet(`. 101:501 <map8 101 101 400${checksum ? " csum" : ""}>`),
          );
          peer.next = 101;
          peer.takeAll();
          peer.sends(". 201:301");
          peer.sends(". 401:501");
          // Bytes in order that want a mapping do not wait for so long.
          d.pass(2e6);
          assertEquals([peer.takeAll().at(-1)!.ack, app.read()], [101, 0]);
          // It goes again; so does what is behind it, by itself, with the mapping or without.
          peer.sends(`. 101:201 <${told}>`);
          assertEquals(app.read(), checksum ? 0 : 200);
          peer.sends(`. 301:401${checksum ? "" : ` <${told}>`}`);
          assertEquals(app.read(), checksum ? 400 : 200);
          d.pass(2e6);
          assertEquals(peer.takeAll().at(-1)!.ack, 501);
          assertEquals([app.socket.fallback, app.code], [false, undefined]);
          assertEquals(app.socket.subflows.length, on === "a client" ? 1 : 2);
          assertEquals(d.counter("DSSNotMatching") + d.counter("DataCsumErr"), 0);
        },
      );
    }
  }

  // RFC 8684 §3.3.1: "even if a mapping does not exist from the subflow space to the data-level space, the data SHOULD still be ACKed at the
  // subflow"
  // RFC 8684 §3.3.1: "Implementations MAY hold onto such unmapped data for a short while"
  it("may come after their bytes", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    peer.sends(". 101:601");
    peer.sends(". 601:1101");
    assertEquals(app.read(), 100);
    // Acknowledged on the subflow, not at the data level (RQ-1).
    d.pass(40e3);
    const last = peer.takeAll().at(-1)!;
    assertEquals(last.ack, 1101);
    assert(last.options.includes("dack8 101"));
    peer.sends(". 1101:1201 <dack8 1, map8 101 101 1100>");
    assertEquals(app.read(), 1100);
    assertEquals(app.socket.fallback, false);
  });

  it("may come after their bytes also when nothing of ours has proved the path (a middlebox that splits)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". 1:501");
    d.pass(300e3);
    peer.sends(". 501:1001 <dack8 1, map8 1 1 1000>");
    assertEquals(app.read(), 1000);
    d.pass(1e6);
    assertEquals(app.socket.fallback, false);
  });

  it("may come before their bytes, on an ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". 1 <dack8 1, map8 1 1 1000>");
    peer.sends(". 1:1001");
    assertEquals(app.read(), 1000);
  });

  it("may be split and joined by the path: bytes are placed by their number alone", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    // Two mappings, in one segment with the options of the second.
    peer.sends(". 1 <dack8 1, map8 1 1 700>");
    peer.sends(". 1:1401 <dack8 1, map8 701 701 700>");
    assertEquals(app.read(), 1400);
    // One mapping, in segments of which the last has the option.
    peer.sends(". 1401:1801");
    peer.sends(". 1801:2001 <dack8 1, map8 1401 1401 600>");
    assertEquals(app.read(), 600);
  });

  it("RQ-2: bring bytes that are out of order on their subflow to their place at once", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    // On the first subflow a hole; its data come on the second.
    first.sends(". 101:201 <dack8 1, map8 101 101 100>");
    second.sends(". 1:101 <dack8 1, map8 1 1 100>");
    assertEquals(app.read(), 200);
    first.takeAll();
    // The subflow's own hole is still there, and is filled by a duplicate that is dropped.
    first.sends(". 1:101 <dack8 1, map8 1 1 100>");
    first.gets(". 1 ack 201 <dack8 201>");
    assertEquals(app.read(), 0);
    assertEquals(d.counter("DuplicateData"), 1);
  });

  // RFC 8684 §3.3.1: "even if a mapping does not exist from the subflow space to the data-level space, the data SHOULD still be ACKed at the
  // subflow"
  it("RQ-1: a subflow acknowledges what is in order on it, whatever the data level thinks", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    second.sends(". 1:101 <dack8 1, map8 5001 1 100>");
    d.pass(40e3);
    second.gets(". 1 ack 101 <dack8 1>");
    assertEquals(app.read(), 0);
    first.sends(". 1:1001 <dack8 1, map8 1 1 5000>");
    for (let i = 1; i < 5; i++) first.sends(". +1000");
    assertEquals(app.read(), 5100);
  });

  it("RQ-1: data beyond the window of the data level are acknowledged on the subflow and not kept", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 10000 } });
    const { peer, app } = d.opened();
    peer.sends(". 1:1001 <dack8 1, map8 50001 1 1000>");
    peer.sends(". +1000 <dack8 1, map8 1 1001 1000>");
    const last = peer.takeAll().at(-1)!;
    assertEquals(last.ack, 2001);
    assert(last.options.includes("dack8 1001"));
    assertEquals(app.read(), 1000);
  });

  it("with a DATA_FIN beyond what may be sent tell no end, and no data beyond that are kept for it", () => {
    for (const checksum of [false, true]) {
      using d = new Dialogue();
      const { peer, app } = d.opened({ checksum });
      const { receiveQueue } = app.socket;
      const { limit } = receiveQueue;
      const csum = checksum ? " csum" : "";
      peer.sends(`. 1 ack 1 <dack8 1, map8 ${limit + 1} 0 1 fin${csum}>`);
      assertEquals([d.counter("DSSNotMatching"), receiveQueue.limit], [1, limit]);
      peer.sends(`P. 1:101 ack 1 <dack8 1, map8 ${2 * limit} 1 100${csum}>`);
      assertEquals([receiveQueue.held, d.counter("NoDSSInWindow")], [0, 1]);
      // The true end is taken.
      peer.sends(`P. 101:201 ack 1 <dack8 1, map8 1 101 101 fin${csum}>`);
      assertEquals([app.read(), app.socket.receiveQueue.reached], [100, true]);
    }
  });

  it("with a DATA_FIN far ahead have no data beyond the window kept before it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const { receiveQueue } = app.socket;
    const { edge, limit } = receiveQueue.window;
    peer.sends(`. 1 ack 1 <dack8 1, map8 ${edge + limit} 0 1 fin>`);
    assertEquals([receiveQueue.theirs.kind, receiveQueue.limit], ["announced", edge + limit]);
    assertEquals(d.counter("DSSNotMatching"), 0);
  });

  it("of a wrong length, and other malformed options, are left out and counted; the segment is taken", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". 1:101 <dack8 1, map8 1 1 300>");
    peer.sends(". 101:201 <raw 1e 05 20 04 00>");
    peer.sends(". 201:301 <raw 1e 06 30 05 0a 00>");
    assertEquals(app.read(), 300);
    assertEquals(d.counter("MPTCPMalformed"), 2);
  });

  it("that contradict one another are counted, the first holds", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". 1:101 <dack8 1, map8 1 1 1000>");
    peer.sends(". 101:1001 <dack8 1, map8 5000 1 1000>", stream("peer", 101, 900));
    assertEquals(app.read(), 1000);
    assertEquals(d.counter("DSSNotMatching"), 1);
  });
});

describe("DSS checksums (RFC 8684 §3.3.1)", () => {
  const summed: DialogueOptions = { experiments: { checksum: true } };

  it("are sent, and checked before anything is delivered", () => {
    using d = new Dialogue(summed);
    const { peer, app } = d.opened({ checksum: true });
    app.write(100);
    peer.gets("P. 1:101 <map 1 1 100 csum>");
    peer.sends("P. 1:301 <map8 1 1 300 csum>");
    assertEquals(app.read(), 300);
  });

  // Draft RQ-3.
  it("of a mapping in several segments are checked when all of it is there, in whatever order", () => {
    using d = new Dialogue(summed);
    const { peer, app } = d.opened({ checksum: true });
    const raw = option(peer.packet(". 1:302 <dack8 1, map8 1 1 301 csum>"));
    peer.next = 1;
    peer.sends(`. 202:302 <${raw}>`, stream("peer", 202, 100));
    peer.sends(`. 1:72 <${raw}>`, stream("peer", 1, 71));
    assertEquals(app.read(), 0);
    peer.sends(`. 72:202`, stream("peer", 72, 130));
    assertEquals(app.read(), 301);
  });

  it("that fail cost the subflow: no octet is delivered, the peer is told why", () => {
    using d = new Dialogue(summed);
    const { first, second, app } = joined(d, { checksum: true });
    first.sends("P. 1:301 <map8 1 1 300 bad>");
    first.gets("R. <tcprst 6>");
    assertEquals(app.read(), 0);
    assertEquals(d.counter("DataCsumErr"), 1);
    second.sends("P. 1:301 <map8 1 1 300 csum>");
    assertEquals(app.read(), 300);
  });

  // RFC 8684 §3.3: "If a checksum is not present when its use has been negotiated, the receiver MUST close the subflow with a RST"
  // RFC 8684 §3.3: "this RST SHOULD be accompanied by an MP_TCPRST option"
  it("that are missing, though agreed, cost the subflow", () => {
    using d = new Dialogue(summed);
    const { first, app } = joined(d, { checksum: true });
    first.sends("P. 1:301 <map8 1 1 300>");
    first.gets("R. <tcprst 1>");
    assertEquals(app.read(), 0);
  });

  it("a corrupted byte is never delivered, wherever it is", () => {
    for (let at = 0; at < 300; at += 7) {
      using d = new Dialogue(summed);
      const { second, first, app } = joined(d, { checksum: true });
      const good = first.packet("P. 1:301 <dack8 1, map8 1 1 300 csum>");
      const options = good.subarray(40, (good[32]! >> 4) * 4 + 20);
      const raw = [...options.subarray(-28)].map((byte) => byte.toString(16)).join(" ");
      const payload = stream("peer", 1, 300);
      payload[at]! ^= 1 << (at % 8);
      // A middlebox changed it and made the TCP checksum right again.
      first.sends(`P. 1:301 <raw ${raw}>`, payload);
      assertEquals(app.read(), 0);
      second.sends("P. 1:301 <dack8 1, map8 1 1 300 csum>");
      assertEquals(app.read(), 300);
    }
  });

  it("of a retransmission are those of the whole mapping", () => {
    using d = new Dialogue({ ...summed, tcp: { tlp: false } });
    const { peer, app } = d.opened({ checksum: true });
    app.write(3000);
    const [first] = peer.takeAll();
    const sum = first!.bytes.subarray(20 + 32 + 22, 20 + 32 + 24);
    d.untilSent();
    const again = peer.gets("P. 1:1429 <map 1 1 2856 csum>");
    assertEquals(again.bytes.subarray(20 + 32 + 22, 20 + 32 + 24), sum);
  });
});

describe("DA-2: a DATA_ACK", () => {
  it("is on every segment, data and ACKs alike", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.write(20000);
    for (const peer of [first, second]) {
      for (const { options } of peer.takeAll()) {
        assert(options.some((each) => each.startsWith("dack")), `${options}`);
      }
    }
    // A full segment that went again would have no room for the longer ones: tests/core/subflow/whole_repeats_test.ts.
    for (const peer of [first, second]) peer.acks();
    first.data(100);
    d.pass(40e3);
    first.gets(". <dack8 101>");
    app.write(20000);
    app.finish();
    for (const { options } of [...first.takeAll(), ...second.takeAll()]) {
      assert(options.includes("dack8 101"), `${options}`);
    }
  });

  it("of what was never sent is ignored", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(100);
    peer.takeAll();
    peer.sends(". ack 101 <dack8 5000>");
    assertEquals(app.socket.unacked, 100);
    assertEquals(d.counter("DSSNotMatching"), 1);
    peer.sends(". ack 101 <dack8 101>");
    assertEquals(app.socket.unacked, 0);
  });

  it("DA-1: that is older than the last one still opens the window of now, never closes it", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { scale: 0, win: 10000 });
    app.write(500);
    first.takeAll();
    first.sends(". ack 501 win 10000 <dack8 501>");
    assertEquals(app.socket.window, 10000);
    second.sends(". win 10000 <dack8 1>");
    assertEquals(app.socket.window, 10000);
    assertEquals(app.socket.acked, 500);
  });
});
