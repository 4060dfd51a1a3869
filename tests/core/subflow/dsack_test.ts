/** Duplicates that are told of (RFC 2883), and what is made of it at the other end. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Repeats } from "../../../core/subflow/repeats.ts";
import { Dialogue } from "../../support/dialogue.ts";
import * as fc from "../../support/property.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;

/** Start of the segment `n` of those sent. */
const at = (n: number): number => 1 + n * MSS;

describe("what came again", () => {
  it("RFC 2883 §4.1.1: a segment that came whole before is told in the first block, once", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends(". 1:501");
    peer.sends(". 501:1001");
    d.pass(40e3);
    peer.gets(". 1 ack 1001 <!sack>");
    peer.sends(". 501:1001");
    peer.gets(". 1 ack 1001 <sack 501:1001>");
    peer.sends(". 1001:1501");
    d.pass(40e3);
    peer.gets(". 1 ack 1501 <!sack>");
    d.silent();
    assertEquals([d.counter("TCPDSACKOldSent"), d.counter("TCPDSACKOfoSent")], [1, 0]);
  });

  it("RFC 2883 §4.1.2: the blocks of what lies above a hole stand behind it", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends(". 1:501");
    d.pass(40e3);
    peer.gets(". 1 ack 501");
    peer.sends(". 1001:1501");
    peer.gets(". 1 ack 501 <sack 1001:1501>");
    peer.sends(". 1:501");
    peer.gets(". 1 ack 501 <sack 1:501 1001:1501>");
    peer.sends(". 2001:2501");
    peer.gets(". 1 ack 501 <sack 2001:2501 1001:1501>");
  });

  it("RFC 2883 §4.1.3: what lies in a block above the hole is told before that block", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends(". 1001:1501");
    peer.sends(". 1501:2001");
    peer.sends(". 3001:3501");
    assertEquals(peer.takeAll().length, 3);
    peer.sends(". 1501:2001");
    peer.gets(". 1 ack 1 <sack 1501:2001 1001:2001 3001:3501>");
    assertEquals([d.counter("TCPDSACKOldSent"), d.counter("TCPDSACKOfoSent")], [0, 1]);
    peer.sends(". 1:501");
    peer.gets(". 1 ack 501 <sack 1001:2001 3001:3501>");
  });

  it("RFC 2883 §4.2.1: of a segment that came in part before, that part is told", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends(". 1:501");
    peer.sends(". 1001:1501");
    peer.takeAll();
    peer.sends(". 301:801");
    peer.gets(". 1 ack 801 <sack 301:501 1001:1501>");
    assertEquals(app.read(), 800);
  });

  it("RFC 2883 §4.2.2: a segment that reaches into a block above the hole is told with the whole of that block", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends(". 1001:1501");
    peer.sends(". 2001:2501");
    peer.takeAll();
    peer.sends(". 1301:1701");
    peer.gets(". 1 ack 1 <sack 1301:1501 1001:1701 2001:2501>");
  });

  it("RFC 2883 §4.2.3: of two parts that came before the first is told", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends(". 1001:1501");
    peer.sends(". 2001:2501");
    peer.takeAll();
    peer.sends(". 801:2301");
    peer.gets(". 1 ack 1 <sack 1001:1501 801:2501>");
  });

  it("RFC 2883 §4: two duplicates apart have an ACK each, also in one batch; those that touch share one", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    for (let i = 0; i < 6; i++) peer.sends(". +500");
    peer.takeAll();
    peer.sendsMore(". 1:501");
    peer.sendsMore(". 501:1001");
    peer.sends(". 2001:2501");
    peer.gets(". 1 ack 3001 <sack 1:1001>");
    peer.gets(". 1 ack 3001 <sack 2001:2501>");
    d.silent();
  });

  it("RFC 2883 §4: a segment far below the window is told too, no byte of before the connection", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends(". 1:501");
    d.pass(40e3);
    peer.gets(". 1 ack 501");
    peer.sends(". 1:101");
    peer.gets(". 1 ack 501 <sack 1:101>");
    peer.sends(". -99:51");
    peer.gets(". 1 ack 501 <sack 1:51>");
    // A probe of a keep-alive brings nothing again.
    peer.sends(". 500 ack 1");
    peer.gets(". 1 ack 501 <!sack>");
  });

  it("RFC 2883 §2: a peer without SACK hears nothing of it", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false, sack: false });
    peer.sends(". 1:501");
    peer.sends(". 1:501");
    peer.gets(". 1 ack 501 <!sack>");
    assertEquals(d.counter("TCPDSACKOldSent"), 0);
  });

  it("RFC 8684 appendix A: the DATA_ACK gives way to it where it has not moved", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(10);
    peer.gets("P. 1:11");
    peer.sends(". ack 11 <dack8 11>");
    peer.data(100);
    d.pass(40e3);
    peer.gets(". 11 ack 101 <dack8 101>");
    peer.sends(". 1:101 ack 11 <dack8 11, map8 1 1 100>");
    peer.gets(". 11 ack 101 <sack 1:101, dack8 101>");
    peer.sends(". 201:301 ack 11 <dack8 11, map8 201 201 100>");
    peer.gets(". 11 ack 101 <sack 201:301>");
    peer.sends(". 201:301 ack 11 <dack8 11, map8 201 201 100>");
    peer.gets(". 11 ack 101 <sack 201:301 201:301, !dack8>");
  });
});

describe("SACK beside data (RFC 2018 §3)", () => {
  it("RFC 2018 §3: blocks ride on data that leave room for them", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends(". 1001:1501");
    peer.gets(". 1 ack 1 <sack 1001:1501>");
    peer.sendsMore(". 1501:2001");
    app.write(MSS - 12);
    peer.gets(`. 1:${MSS - 11} ack 1 <sack 1001:2001>`);
    d.silent();
  });

  it("RFC 2018 §3: data that fill their segments go without, and an ACK of its own follows where one is owed", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sendsMore(". 1001:1501");
    app.write(4 * MSS);
    for (let i = 0; i < 4; i++) peer.gets(`. +${MSS} ack 1 <!sack>`);
    peer.gets(`. ${at(4)} ack 1 <sack 1001:1501>`);
    app.write(MSS);
    peer.gets(`. +${MSS} ack 1 <!sack>`);
    d.silent();
  });

  it("RFC 2018 §3: so do data sent again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(5 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. 1001:1501 ack 1 <sack ${at(1)}:${at(4)}>`);
    peer.gets(`. ${at(0)}:${at(1)} ack 1 <!sack>`);
    peer.gets(`. ${at(5)} ack 1 <sack 1001:1501>`);
    d.silent();
  });

  it("RFC 8684 §3.3: beside a mapping there is no room, so the blocks have an ACK of their own", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sendsMore(". 101:201 <dack8 1, map8 101 101 100>");
    app.write(100);
    peer.gets("P. 1:101 ack 1 <map 1 1 100, !sack>");
    peer.gets(". 101 ack 1 <sack 101:201>");
    d.silent();
  });

  it("RFC 2883 §4: a duplicate is told beside one segment of data, not on each of several", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends(". 1:501");
    d.pass(40e3);
    peer.gets(". 1 ack 501");
    peer.sendsMore(". 1:501");
    app.write(100);
    peer.gets("P. 1:101 ack 501 <sack 1:501>");
    d.silent();
    peer.sendsMore(". 1:501");
    app.write(2 * MSS - 40);
    peer.gets(`. +${MSS} ack 501 <!sack>`);
    peer.gets(`. +${MSS - 40} ack 501 <!sack>`);
    peer.gets(". ack 501 <sack 1:501>");
    d.silent();
  });

  it("RFC 9293 §3.6: a FIN and a probe carry the blocks, a RST does not", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends(". 1001:1501");
    peer.gets(". 1 ack 1 <sack 1001:1501>");
    app.finish();
    peer.gets("F. 1 ack 1 <sack 1001:1501>");
    app.abort();
    peer.gets("R. 2 <!sack>");
  });
});

describe("a D-SACK that comes", () => {
  /** Ten segments, of which the first is sent again although only late; the ACK that tells is `line`. */
  function told(line: (d: Dialogue) => string): Dialogue {
    const d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. ack 1 <sack ${at(1)}:${at(4)}>`);
    peer.gets(`. 1:${at(1)}`);
    peer.sends(line(d));
    return d;
  }
  const counters = (d: Dialogue): number[] =>
    ["TCPDSACKRecv", "TCPDSACKOfoRecv", "TCPDSACKIgnoredDubious"].map((name) => d.counter(name));

  it("RFC 2883 §5: below the ACK, of what was sent again, is heeded", () => {
    using d = told(() => `. ack ${at(4)} <sack 1:${at(1)}>`);
    assertEquals(counters(d), [1, 0, 0]);
  });

  it("RFC 2883 §5: inside the second block, of what was sent again, is heeded", () => {
    using d = told(() => `. ack 1 <sack ${at(1)}:${at(2)} ${at(1)}:${at(4)}>`);
    // It was never sent again: the network has doubled it.
    assertEquals(counters(d), [0, 1, 1]);
  });

  it("RFC 2883 §5: of what was sent once is of the network's making, and not heeded", () => {
    using d = told(() => `. ack ${at(4)} <sack ${at(1)}:${at(2)}>`);
    assertEquals(counters(d), [1, 0, 1]);
  });

  it("RFC 2883 §5: of what was never sent is nonsense: nothing happens", () => {
    using d = told(() => `. ack ${at(4)} <sack ${at(20)}:${at(21)}>`);
    assertEquals(counters(d), [0, 0, 0]);
    using e = told(() => `. ack ${at(4)} <sack 100:100>`);
    assertEquals(counters(e), [0, 0, 0]);
  });

  it("RFC 2883 §4: on an ACK that others have overtaken is heeded still", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. ack 1 <sack ${at(1)}:${at(4)}>`);
    peer.gets(`. 1:${at(1)}`);
    peer.sends(`. ack ${at(10)}`);
    peer.sends(`. ack ${at(4)} <sack 1:${at(1)}>`);
    assertEquals(counters(d), [1, 0, 0]);
    d.silent();
  });

  it("RFC 2018 §4: a first block above the ACK that stands alone is an ordinary one", () => {
    using d = told(() => `. ack 1 <sack ${at(1)}:${at(5)} ${at(6)}:${at(7)}>`);
    assertEquals(counters(d), [0, 0, 0]);
  });
});

describe("repeats", () => {
  it("tell how many of the bytes that came twice were sent again", () => {
    const repeats = new Repeats();
    repeats.add(100, 200);
    repeats.add(300, 400);
    assertEquals(repeats.twice(150, 350), 100);
    assertEquals(repeats.twice(200, 300), 0);
    // No more in all than were sent again.
    assertEquals(repeats.twice(100, 400), 100);
    assertEquals(repeats.twice(100, 400), 0);
    repeats.add(100, 200);
    assertEquals(repeats.twice(100, 150), 50);
    repeats.clear();
    assertEquals(repeats.twice(100, 400), 0);
  });

  it("agree with a set of numbers", () => {
    const move = fc.record({
      add: fc.boolean(),
      at: fc.nat(60),
      size: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const repeats = new Repeats();
      const set = new Set<number>();
      let open = 0;
      for (const { add, at, size } of moves) {
        const all = Array.from({ length: size }, (_, i) => at + i);
        if (add) {
          repeats.add(at, at + size);
          all.forEach((each) => set.add(each));
          open += size;
        } else {
          const bytes = Math.min(open, all.filter((each) => set.has(each)).length);
          open -= bytes;
          assertEquals(repeats.twice(at, at + size), bytes);
        }
      }
    }));
  });

  it("forget the lowest of more than they keep", () => {
    const repeats = new Repeats();
    for (let i = 0; i < 1100; i++) repeats.add(10 * i, 10 * i + 1);
    assertEquals([repeats.twice(0, 760), repeats.twice(760, 11_000)], [0, 1024]);
  });
});

describe("SACK reneging", () => {
  it("RFC 2018 §8: what was SACKed goes again when a timeout finds it at SND.UNA", () => {
    using d = new Dialogue({ tcp: { pacing: false, tlp: false } });
    const { peer, app } = d.opened({ mptcp: false });
    app.write(4 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. ack 1 <sack ${at(1)}:${at(3)}>`);
    d.silent();
    // The first comes late, and all that was SACKed above it has been thrown away.
    peer.sends(`. ack ${at(1)}`);
    d.untilSent();
    peer.gets(`. ${at(1)}:${at(2)}`);
    assertEquals(d.counter("TCPSACKReneging"), 1);
    d.pass(20e3);
    peer.sends(`. ack ${at(2)}`);
    peer.gets(`. ${at(2)}:${at(3)}`);
    peer.gets(`. ${at(3)}:${at(4)}`);
    d.pass(20e3);
    peer.sends(`. ack ${at(4)}`);
    d.pass(10e6);
    d.silent();
  });

  it("RFC 2018 §8: what was SACKed and lies above a hole is kept through a timeout", () => {
    using d = new Dialogue({ tcp: { pacing: false, tlp: false, frto: false } });
    const { peer, app } = d.opened({ mptcp: false });
    app.write(4 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. ack 1 <sack ${at(2)}:${at(4)}>`);
    // The reordering window is over, and the repeats are lost.
    assertEquals(d.untilSent() < 20e3, true);
    assertEquals(peer.takeAll().map(({ seq }) => seq), [at(0), at(1)]);
    d.untilSent();
    peer.gets(`. 1:${at(1)}`);
    assertEquals([d.counter("TCPTimeouts"), d.counter("TCPSACKReneging")], [1, 0]);
    d.pass(20e3);
    peer.sends(`. ack ${at(1)} <sack ${at(2)}:${at(4)}>`);
    peer.gets(`. ${at(1)}:${at(2)}`);
    d.silent();
  });
});
