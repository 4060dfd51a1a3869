import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import type { Micros } from "../../../core/plugin.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { icmpAbout, summed, tooBig } from "../../support/icmp.ts";
import type { Got, Offer, Peer } from "../../support/scripted_peer.ts";

/** A connection on plain TCP without timestamps: segments of 1,460 bytes by IPv4, 1,440 by IPv6. */
function plain(options: DialogueOptions = {}, offer: Offer = {}): {
  d: Dialogue;
  peer: Peer;
  app: App;
} {
  // Without what would ask about a loss before a timeout, or after it.
  const d = new Dialogue({ ...options, tcp: { tlp: false, frto: false, ...options.tcp } });
  const mss = d.family === 6 ? 1440 : 1460;
  const { peer, app } = d.opened({ mptcp: false, timestamps: false, mss, ...offer });
  return { d, peer, app };
}

/** The lengths of what was sent and not taken out. */
function lengths(peer: Peer): number[] {
  return peer.takeAll().map(({ seq, end }) => end - seq);
}

/** Sequence ranges. */
function ranges(got: readonly Got[]): string[] {
  return got.map(({ seq, end }) => `${seq}:${end}`);
}

/** Times at which something is sent, until `count` packets have been. */
function waits(d: Dialogue, peer: Peer, count: number): Micros[] {
  return Array.from({ length: count }, () => {
    const waited = d.untilSent();
    peer.lose();
    return waited;
  });
}

describe("a packet that is too big", () => {
  it("RFC 1191 §3: every packet has DF set, SYN, data, ACK, FIN and RST", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(5000);
    peer.data(10);
    d.pass(1e6);
    app.abort();
    const all = peer.takeAll();
    assert(all.length >= 6);
    assertEquals(all.map(({ bytes }) => bytes[6]! & 0x40), all.map(() => 0x40));
    using other = new Dialogue();
    other.connect();
    assertEquals(other.called().gets("S 0").bytes[6]! & 0x40, 0x40);
  });

  it("RFC 1191 §6.4: goes again at once in smaller segments, and no window falls", () => {
    const { d, peer, app } = plain();
    using _d = d;
    const [subflow] = app.socket.subflows;
    app.write(4 * 1460);
    const sent = peer.takeAll();
    assertEquals(sent.length, 4);
    const { cwnd, ssthresh } = subflow!;
    tooBig(d, sent[0]!.bytes, 1400);
    // Both mappings are cut anew, each by itself.
    assertEquals(ranges(peer.takeAll()), [
      "1:1361",
      "1361:2721",
      "2721:2921",
      "2921:4281",
      "4281:5641",
      "5641:5841",
    ]);
    assertEquals([subflow!.cwnd, subflow!.ssthresh, subflow!.mss], [cwnd, ssthresh, 1360]);
    peer.sends(". ack 5841");
    app.write(2 * 1360);
    assertEquals(lengths(peer), [1360, 1360]);
    assertEquals([subflow!.cwnd, subflow!.ssthresh], [cwnd, ssthresh]);
    assertEquals(d.counter("TCPTimeouts") + d.counter("TCPSackRecovery"), 0);
  });

  it("RFC 1191 §6.4: further messages of the same burst have nothing sent again", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(4 * 1460);
    const sent = peer.takeAll();
    for (const { bytes } of sent) tooBig(d, bytes, 1400);
    assertEquals(lengths(peer).length, 6);
    d.silent();
  });

  it("RFC 1191 §6.4: a second router with less leads to less again", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(2 * 1460);
    tooBig(d, peer.takeAll()[0]!.bytes, 1400);
    const again = peer.takeAll();
    tooBig(d, again[0]!.bytes, 1300);
    // The last one was no larger.
    assertEquals(ranges(peer.takeAll()), ["1:1261", "1261:2521", "2521:2721"]);
  });

  it("RFC 1191 §6.4: is no loss to those who count ACKs without SACK, either", () => {
    const { d, peer, app } = plain({}, { sack: false });
    using _d = d;
    const [subflow] = app.socket.subflows;
    app.write(3 * 1460 + 5 * 100);
    const sent = peer.takeAll();
    const { cwnd } = subflow!;
    tooBig(d, sent[0]!.bytes, 1400);
    peer.takeAll();
    for (let i = 0; i < 5; i++) peer.sends(". ack 1");
    assertEquals([d.counter("TCPRenoRecovery"), subflow!.cwnd], [0, cwnd]);
  });

  it("RFC 1191 §6.4: leaves our MSS option as it is", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(1460);
    tooBig(d, peer.take().bytes, 1300);
    peer.takeAll();
    const next = d.connect();
    next.socket.attempts;
    assertEquals(d.called().gets("S 0").options.find((each) => each.startsWith("mss")), "mss 1460");
  });

  it("RFC 8201 §4: IPv6, 1,280 at least", () => {
    const { d, peer, app } = plain({ family: 6 });
    using _d = d;
    app.write(2 * 1440);
    const [first] = peer.takeAll();
    tooBig(d, first!.bytes, 1279);
    d.silent();
    tooBig(d, first!.bytes, 1280);
    assertEquals(lengths(peer), [1220, 1220, 440]);
    tooBig(d, first!.bytes, 1280);
    d.silent();
    assertEquals(app.socket.subflows[0]!.mtu.path, 1280);
  });

  it("RFC 1191 §3: never leads below 576 octets, whatever is asked for", () => {
    for (const asked of [68, 100, 575, 576]) {
      const { d, peer, app } = plain();
      using _d = d;
      app.write(1460);
      tooBig(d, peer.take().bytes, asked);
      assertEquals(lengths(peer), [536, 536, 388], `${asked}`);
    }
  });

  it("RFC 1191 §5: without a size takes the next that a link may have", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(1460);
    tooBig(d, peer.take().bytes, 0);
    assertEquals(lengths(peer), [1452, 8]);
    peer.sends(". ack 1461");
    app.write(1452);
    tooBig(d, peer.take().bytes, 0);
    assertEquals(lengths(peer), [966, 486]);
  });

  it("RFC 5927 §4.1, §7.2: what cannot be true is ignored", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(1460);
    const packet = peer.take().bytes;
    const message = (mtu: number): Uint8Array => icmpAbout({ type: 3, code: 4, mtu, packet });
    const wrong: [string, Uint8Array][] = [
      ["larger than now", message(1501)],
      ["as large as now", message(1500)],
      ["less than any link has", message(67)],
      ["wrong sum", message(1400).fill(0xff, 22, 23)],
      [
        "wrong sequence",
        (() => {
          const bytes = message(1400);
          bytes[28 + 24]! ^= 64;
          return summed(bytes);
        })(),
      ],
      [
        "about a packet that was smaller",
        (() => {
          const bytes = message(1400);
          bytes.set([1400 >> 8, 1400 & 255], 28 + 2);
          return summed(bytes);
        })(),
      ],
      ["truncated", icmpAbout({ type: 3, code: 4, mtu: 1400, packet, quoted: 24 })],
    ];
    for (const [what, bytes] of wrong) {
      d.inject(bytes);
      assertEquals([app.socket.subflows[0]!.mss, d.sent.length], [1460, 0], what);
    }
    d.inject(message(1400));
    assertEquals(lengths(peer), [1360, 100]);
  });

  it("RFC 5927 §7.2: what was acknowledged quotes nothing in flight", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(1460);
    const packet = peer.take().bytes;
    peer.sends(". ack 1461");
    tooBig(d, packet, 1400);
    assertEquals([app.socket.subflows[0]!.mss, d.counter("OutOfWindowIcmps")], [1460, 1]);
  });

  it("a super-segment is cut anew, its mapping stays whole (RFC 8684 §3.3.1)", () => {
    using d = new Dialogue({ maxSegments: 16 });
    const { peer, app } = d.opened({ timestamps: false });
    app.write(1440 + 500);
    const [first, second] = peer.takeAll();
    assertEquals([first!.gsoSize, second], [1440, undefined]);
    const map = first!.options.find((each) => each.startsWith("map"));
    d.pass(5e3);
    tooBig(d, first!.bytes, 1300);
    const again = peer.takeAll();
    assertEquals(again.map(({ seq, end, gsoSize }) => [seq, end, gsoSize]), [[1, 1441, 1240]]);
    assertEquals(again[0]!.options.find((each) => each.startsWith("map")), map);
    // The last segment, which was small, is still on its way.
    d.pass(20e3);
    peer.sends(". ack 1 <dack8 1, sack 1441:1941>");
    peer.sends(". ack 1941 <dack8 1941>");
    d.silent();
  });

  it("first data of a client, which repeat the keys, go again under the same mapping (RFC 8684 §3.1)", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    d.pass(20e3);
    peer.offers({ timestamps: false }, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    app.write(1400);
    const { bytes } = peer.gets("P. 1:1401 ack 1 <mpc keys len 1400>");
    tooBig(d, bytes, 1300);
    const again = peer.takeAll();
    assertEquals(again.map(({ options }) => options.some((each) => each.includes("len 1400"))), [
      true,
      true,
    ]);
    assertEquals(ranges(again), ["1:1237", "1237:1401"]);
  });

  it("RFC 1191 §6.2: is remembered for the path, for 10 minutes, and probed then (§6.3, RFC 4821 §7.2)", () => {
    using d = new Dialogue();
    const first = d.opened({ mptcp: false, timestamps: false });
    first.app.write(1460);
    tooBig(d, first.peer.take().bytes, 1300);
    first.peer.takeAll();
    first.peer.sends(". ack 1461");
    const next = (port: number): number => {
      const { peer, app } = d.opened({ mptcp: false, timestamps: false, port });
      app.write(5000);
      const [length] = lengths(peer);
      peer.sends(". ack 5001");
      return length!;
    };
    assertEquals(next(81), 1260);
    d.pass(590e6);
    assertEquals(next(82), 1260);
    d.pass(15e6);
    assertEquals(next(83), 1460);
    // The other link has another path.
    const { app } = d.opened({ mptcp: false, timestamps: false, link: 1, port: 84 });
    assertEquals(app.socket.subflows[0]!.mss, 1460);
  });

  it("a join begins with what is known of its path", () => {
    using d = new Dialogue();
    const one = d.opened({ mptcp: false, timestamps: false, link: 1, port: 99 });
    one.app.write(1460);
    tooBig(d, one.peer.take().bytes, 1300, 1);
    one.peer.takeAll();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({ timestamps: false }, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack>");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(app.socket.subflows.map(({ mtu }) => mtu.path), [1500, 1300]);
  });
});

describe("the search for a larger size", () => {
  /** A connection whose path takes 1,300 bytes, as a router has said ten minutes ago. */
  function aged(): ReturnType<typeof plain> {
    const all = plain();
    const { d, peer, app } = all;
    app.write(1460);
    tooBig(d, peer.take().bytes, 1300);
    peer.takeAll();
    peer.sends(". ack 1461");
    d.pass(600e6);
    peer.acked = 1461;
    return all;
  }

  it("RFC 4821 §7.4, §7.6.1: one segment of new data, and enough behind it; what passes is used from then on", () => {
    const { d, peer, app } = aged();
    using _d = d;
    app.write(8 * 1260);
    const sent = peer.takeAll();
    assertEquals(sent[0]!.end - sent[0]!.seq, 1460);
    assert(sent.length > 3 && sent.slice(1, -1).every(({ seq, end }) => end - seq === 1260));
    peer.sends(`. ack ${sent.at(-1)!.end}`);
    peer.takeAll();
    app.write(3 * 1460);
    assertEquals(lengths(peer)[0], 1460);
    assertEquals(d.counter("TCPMTUPSuccess"), 1);
  });

  it("RFC 4821 §7.4: none where too little follows it", () => {
    const { d, peer, app } = aged();
    using _d = d;
    app.write(1460 + 2 * 1260);
    assertEquals(lengths(peer)[0], 1260);
  });

  it("RFC 4821 §7.6.2: a probe that is lost alone is no congestion, and no other follows at once", () => {
    const { d, peer, app } = aged();
    using _d = d;
    const [subflow] = app.socket.subflows;
    app.write(8 * 1260);
    const sent = peer.takeAll();
    const { cwnd, ssthresh } = subflow!;
    const { seq, end } = sent[0]!;
    d.pass(20e3);
    for (const each of sent.slice(1, 5)) peer.sends(`. ack ${seq} <sack ${end}:${each.end}>`);
    const again = peer.takeAll();
    // The same bytes, in segments that pass.
    assertEquals(ranges(again).slice(0, 2), [`${seq}:${seq + 1260}`, `${seq + 1260}:${end}`]);
    assertEquals([subflow!.ssthresh, subflow!.inRecovery], [ssthresh, false]);
    assert(subflow!.cwnd >= cwnd);
    assertEquals([d.counter("TCPSackRecovery"), d.counter("TCPMTUPFail")], [0, 1]);
    peer.sends(`. ack ${sent.at(-1)!.end}`);
    app.write(8 * 1260);
    assert(lengths(peer).every((length) => length <= 1260));
  });

  it("RFC 4821 §7.6.2: without SACK, too", () => {
    const { d, peer, app } = plain({}, { sack: false });
    using _d = d;
    app.write(1460);
    tooBig(d, peer.take().bytes, 1300);
    peer.takeAll();
    peer.sends(". ack 1461");
    d.pass(600e6);
    const [subflow] = app.socket.subflows;
    app.write(8 * 1260);
    const sent = peer.takeAll();
    const { seq, end } = sent[0]!;
    const { ssthresh } = subflow!;
    d.pass(20e3);
    for (let i = 0; i < 3; i++) peer.sends(`. ack ${seq}`);
    assertEquals(ranges(peer.takeAll()), [`${seq}:${seq + 1260}`, `${seq + 1260}:${end}`]);
    assertEquals([subflow!.ssthresh, d.counter("TCPRenoRecovery")], [ssthresh, 0]);
  });

  it("RFC 4821 §7.6.4: one that is lost with others tells nothing, and they are congestion", () => {
    const { d, peer, app } = aged();
    using _d = d;
    app.write(8 * 1260);
    const sent = peer.takeAll();
    const { seq } = sent[0]!;
    const last = sent.at(-1)!;
    d.pass(20e3);
    peer.sends(`. ack ${seq} <sack ${sent[2]!.seq}:${last.end}>`);
    d.pass(50e3);
    assertEquals([d.counter("TCPSackRecovery"), d.counter("TCPMTUPFail")], [1, 0]);
  });

  it("RFC 8899 §4.6.2: a router that answers the probe tells the size to try next", () => {
    const { d, peer, app } = aged();
    using _d = d;
    app.write(8 * 1260);
    const sent = peer.takeAll();
    tooBig(d, sent[0]!.bytes, 1400);
    const { seq, end } = sent[0]!;
    assertEquals(ranges(peer.takeAll()).slice(0, 2), [
      `${seq}:${seq + 1260}`,
      `${seq + 1260}:${end}`,
    ]);
    peer.sends(`. ack ${sent.at(-1)!.end}`);
    peer.takeAll();
    app.write(8 * 1260);
    assertEquals(lengths(peer)[0], 1360);
  });

  it("RFC 4821 §7.2: 'always' begins with the base size and probes at once", () => {
    const { d, peer, app } = plain({ tcp: { mtuProbing: "always" } });
    using _d = d;
    app.write(10 * 1160);
    const sent = lengths(peer);
    assertEquals(sent.slice(0, 3), [1460, 1160, 1160]);
  });

  it("'off' probes never: what a router said holds for 10 minutes (RFC 1191 §6.3)", () => {
    const { d, peer, app } = plain({ tcp: { mtuProbing: "off" } });
    using _d = d;
    app.write(1460);
    tooBig(d, peer.take().bytes, 1300);
    peer.takeAll();
    peer.sends(". ack 1461");
    d.pass(599e6);
    app.write(5000);
    assertEquals(lengths(peer)[0], 1260);
    peer.sends(". ack 6461");
    d.pass(2e6);
    app.write(3000);
    assertEquals(lengths(peer), [1460, 1460, 80]);
  });
});

describe("a path that swallows large packets without a word", () => {
  it("RFC 8899 §4.3: two timeouts with only large segments lost: smaller ones", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(4 * 1460);
    peer.lose();
    d.untilSent();
    peer.gets(". 1:1461");
    d.untilSent();
    peer.gets(". 1:1161");
    peer.sends(". ack 1161");
    // One round trip later all that is left follows, and what was in use is tried once more when it has come.
    peer.takeAll();
    peer.sends(". ack 5841");
    const most = [1, 2, 3, 4].map(() => {
      app.write(12 * 1160);
      const sent = peer.takeAll();
      d.pass(20e3);
      peer.sends(`. ack ${sent.at(-1)!.end}`);
      while (peer.pending) peer.sends(`. ack ${peer.takeAll().at(-1)!.end}`);
      return Math.max(...sent.map(({ seq, end }) => end - seq));
    });
    assertEquals(most, [1160, 1460, 1460, 1460]);
  });

  /** Two timeouts of one segment that is alone, and its end. */
  function thin(bytes = 1400): ReturnType<typeof plain> {
    const all = plain();
    const { d, peer, app } = all;
    app.write(bytes);
    peer.lose();
    for (let i = 0; i < 2; i++) {
      d.untilSent();
      peer.takeAll();
    }
    assertEquals(app.socket.subflows[0]!.mss, 1160);
    peer.sends(`. ack ${1 + bytes}`);
    peer.acked = 1 + bytes;
    d.pass(1e6);
    return all;
  }

  it("was a pause, as the next larger one finds that passes, though nothing follows it: who writes little is not cut into small ones for ever", () => {
    const { d, peer, app } = thin();
    using _d = d;
    const sizes = [1000, 1400, 1400, 2800].map((bytes) => {
      app.write(bytes);
      const sent = peer.takeAll();
      d.pass(20e3);
      peer.sends(`. ack ${sent.at(-1)!.end}`);
      peer.takeAll();
      d.pass(1e6);
      return sent.map(({ seq, end }) => end - seq);
    });
    assertEquals(sizes, [[1000], [1400], [1400], [1460, 1340]]);
    assertEquals([app.socket.subflows[0]!.mss, d.counter("TCPMTUPFail")], [1460, 0]);
  });

  it("was none, as the next larger one finds that is lost: it is cut, and none is tried for long", () => {
    const { d, peer, app } = thin();
    using _d = d;
    app.write(1400);
    peer.gets("P. 1401:2801");
    d.untilSent();
    const again = peer.take();
    assertEquals([again.seq, again.end - again.seq], [1401, 1160]);
    peer.sends(`. ack ${again.end}`);
    peer.takeAll();
    peer.sends(". ack 2801");
    peer.acked = 2801;
    assertEquals(d.counter("TCPMTUPFail"), 1);
    for (let i = 0; i < 20; i++) {
      d.pass(5e6);
      app.write(1400);
      const sent = peer.takeAll();
      assertEquals(sent.map(({ seq, end }) => end - seq), [1160, 240]);
      peer.sends(`. ack ${sent.at(-1)!.end}`);
    }
  });

  it("has a thin stream try again only with nothing before it", () => {
    const { d, peer, app } = thin();
    using _d = d;
    app.write(100);
    peer.takeAll();
    app.write(1400);
    assertEquals(lengths(peer), [1160, 240]);
  });

  it("RFC 8899 §4.3: large ones are lost while small ones come: at once, and no congestion", () => {
    const { d, peer, app } = plain();
    using _d = d;
    const [subflow] = app.socket.subflows;
    app.write(4 * 1460 + 100);
    peer.lose();
    const { cwnd } = subflow!;
    d.pass(20e3);
    peer.sends(". ack 1 <sack 5841:5941>");
    d.pass(10e3);
    assertEquals(lengths(peer), [1160, 1160, 600, 1160, 1160, 600]);
    assertEquals([subflow!.cwnd, d.counter("TCPSackRecovery")], [cwnd, 0]);
  });

  it("RFC 8899 §4.3: large ones that left with one that came are lost in a queue", () => {
    const { d, peer, app } = plain();
    using _d = d;
    const [subflow] = app.socket.subflows;
    app.write(9 * 1460 + 100);
    peer.lose();
    d.pass(20e3);
    peer.sends(". ack 1 <sack 1461:2921>");
    peer.sends(". ack 1 <sack 13141:13241 1461:2921>");
    d.pass(10e3);
    assertEquals([subflow!.mss, d.counter("TCPSackRecovery")], [1460, 1]);
    peer.lose();
    peer.sends(". ack 13241");
    peer.lose();
    // Those of the next flight have left after it.
    app.write(3 * 1460 + 100);
    d.pass(20e3);
    peer.lose();
    peer.sends(". ack 13241 <sack 17621:17721>");
    d.pass(10e3);
    assertEquals(subflow!.mss, 1160);
  });

  it("RFC 8899 §4.3: no black hole where small ones are lost as well", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(2 * 1460 + 100);
    peer.lose();
    waits(d, peer, 3);
    assertEquals(app.socket.subflows[0]!.mss, 1460);
  });

  it("RFC 8899 §4.3: but from the fifth timeout on the first one tells enough, as it alone goes again", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(2 * 1460 + 100);
    peer.lose();
    const sizes = Array.from({ length: 7 }, () => {
      d.untilSent();
      return lengths(peer)[0];
    });
    assertEquals(sizes, [1460, 1460, 1460, 1460, 1160, 536, 536]);
  });

  it("RFC 8899 §4.3: without SACK nothing tells what became of small ones behind", () => {
    const { d, peer, app } = plain({}, { sack: false });
    using _d = d;
    app.write(2 * 1460 + 100);
    peer.lose();
    const sizes = Array.from({ length: 3 }, () => {
      d.untilSent();
      return lengths(peer)[0];
    });
    assertEquals(sizes, [1460, 1160, 1160]);
  });

  it("RFC 8899 §4.3: one that is less than the base size may be too large as well", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(1000);
    peer.lose();
    const sizes = Array.from({ length: 7 }, () => {
      d.untilSent();
      return lengths(peer)[0];
    });
    assertEquals(sizes, [1000, 1000, 1000, 1000, 1000, 536, 536]);
  });

  it("RFC 8899 §4.3: nor does a small one that is lost make a black hole", () => {
    for (const sack of [true, false]) {
      const { d, peer, app } = plain({}, { sack });
      using _d = d;
      app.write(100);
      app.write(1460);
      peer.lose();
      waits(d, peer, 6);
      assertEquals(app.socket.subflows[0]!.mss, 1460);
    }
  });

  it("RFC 9293 §3.8.6: nor where the peer has closed its window", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(2 * 1460);
    peer.lose();
    peer.sends(". ack 1 win 0");
    waits(d, peer, 3);
    assertEquals(app.socket.subflows[0]!.mss, 1460);
  });

  it("RFC 4821 §7.7: further timeouts lead to the least that everybody takes", () => {
    const { d, peer, app } = plain();
    using _d = d;
    app.write(4 * 1460);
    peer.lose();
    const sizes = Array.from({ length: 6 }, () => {
      d.untilSent();
      return lengths(peer)[0];
    });
    assertEquals(sizes, [1460, 1160, 1160, 1160, 536, 536]);
  });

  it("RFC 8899 §5.1.2: the base of IPv6 is 1,280, and nothing is below it", () => {
    const { d, peer, app } = plain({ family: 6 });
    using _d = d;
    app.write(4 * 1440);
    peer.lose();
    const sizes = Array.from({ length: 6 }, () => {
      d.untilSent();
      return lengths(peer)[0];
    });
    assertEquals(sizes, [1440, 1220, 1220, 1220, 1220, 1220]);
  });

  it("'off' goes on with large ones", () => {
    const { d, peer, app } = plain({ tcp: { mtuProbing: "off" } });
    using _d = d;
    app.write(4 * 1460);
    peer.lose();
    d.untilSent();
    d.pass(5e6);
    assertEquals(new Set(lengths(peer)), new Set([1460]));
  });
});
