import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

/** MP_CAPABLE options that MUST be ignored, but in a SYN (RFC 8684 §3.1): octets of one that has `length`, up to its keys. */
const NOT_UNDERSTOOD: readonly [string, (length: number) => string][] = [
  ["one with the B flag", (length) => `raw 1e ${hex(length)} 01 41`],
  ["one without a crypto algorithm", (length) => `raw 1e ${hex(length)} 01 00`],
  ["one with another algorithm alone", (length) => `raw 1e ${hex(length)} 01 02`],
  ["of version 0", (length) => `raw 1e ${hex(length)} 00 01`],
  ["of version 2", (length) => `raw 1e ${hex(length)} 02 01`],
];
const hex = (octet: number): string => octet.toString(16).padStart(2, "0");
const PEER_KEY = "00 00 00 01 00 00 00 02";
const OUR_KEY = "00 00 00 07 00 00 00 09";

describe("MP_CAPABLE, server (RFC 8684 §3.1)", () => {
  it("learns the client's key from the third ACK and sends DSS from then on", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    app.write(100);
    peer.gets("P. 1:101 <dack 1, map 1 1 100>");
    assertEquals(app.socket.fallback, false);
    assertEquals(d.usage.tokens, 1);
  });

  it("EST-2: finds the connection when the third ACK is lost and the first data have the keys", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends("P. 1:101 ack 1 <mpc keys len 100>");
    const app = d.accept(listener);
    assertEquals(app.read(), 100);
    d.pass(40e3);
    peer.gets(". 1 ack 101 <dack 101>");
    assertEquals(app.socket.fallback, false);
  });

  it("waits for the key where a DSS comes before it", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends("P. 101:201 ack 1 <dack8 1, map8 101 101 100>");
    assertEquals(listener.accept(), null);
    peer.sends("P. 1:101 ack 1 <mpc keys len 100>");
    const app = d.accept(listener);
    peer.sends("P. 101:201 ack 1 <dack8 1, map8 101 101 100>");
    assertEquals(app.read(), 200);
    assertEquals(app.socket.fallback, false);
  });

  it("takes first data with keys after the third ACK, repeated and longer than a segment", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    peer.sends(". 1:1001 ack 1 <mpc keys len 3000>");
    peer.sends(". 1:1001 ack 1 <mpc keys len 3000>");
    peer.sends(". 1001:3001 ack 1 <dack8 1, map8 1 1 3000>");
    assertEquals(app.read(), 3000);
  });

  it("asks for the third ACK again when something else of the peer comes, once a second at most", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    // The third ACK is lost; the end of the data comes, and cannot be heeded without the keys.
    d.pass(900e3);
    peer.sends(". 1 ack 1 <map8 1 0 1 fin>");
    d.silent();
    d.pass(300e3);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends(". 1 ack 1 <map8 1 0 1 fin>");
    d.silent();
    d.pass(1e6);
    peer.sends(". 1 ack 1 <map8 1 0 1 fin>");
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    peer.sends(". 1 ack 1 <map8 1 0 1 fin>");
    assertEquals([app.socket.fallback, app.socket.atEnd], [false, true]);
  });

  // RFC 8684 §3.1: "if either host requires the use of checksums, checksums MUST be used"
  // RFC 8684 §3.1: "checksums MUST be used in both directions, and the initiator will set A=1 in the ACK"
  it("asks for checksums when either side does", () => {
    for (const [ours, theirs] of [[true, false], [false, true], [false, false]] as const) {
      using d = new Dialogue({ experiments: { checksum: ours } });
      const listener = d.listen();
      const peer = d.peer();
      const a = theirs ? " A" : "";
      peer.offers({}, "S", [`mpc${a}`]);
      const { options } = peer.gets("S. 0 ack 1 <mpc key>");
      assertEquals(options.includes("mpc key A"), ours || theirs);
      peer.sends(`. 1 ack 1 <mpc keys${a}>`);
      const app = d.accept(listener);
      app.write(10);
      const { options: data } = peer.gets("P. 1:11");
      assertEquals(data.includes("map 1 1 10 csum"), ours || theirs);
    }
  });

  // RFC 8684 §3.1: "If receiving a message with the 'B' flag set to 1 and this is not understood, then the MP_CAPABLE in this SYN MUST
  // be silently ignored"
  // RFC 8684 §3.1: "If flag bits 'D' through 'H' are all 0, the MP_CAPABLE option MUST be treated as invalid and ignored"
  // RFC 8684 §3.1: "it MUST respond without an MP_CAPABLE option, thus forcing a fallback to regular TCP"
  it("takes a peer without HMAC-SHA256, of version 0, or with the B flag for plain TCP", () => {
    for (const option of ["mpc nohmac", "mpc v0", "raw 1e 04 01 41"]) {
      using d = new Dialogue();
      d.listen();
      const peer = d.peer();
      peer.offers({}, "S", [option]);
      peer.gets("S. 0 ack 1 <!mpc>");
      assertEquals(d.usage.tokens, 0);
    }
  });

  // RFC 8684 §3.1: "which MUST be equal to or lower than the version number indicated in the initial MP_CAPABLE"
  it("answers a later version with its own (RFC 8684 §3.1)", () => {
    using d = new Dialogue();
    d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["raw 1e 04 02 01"]);
    const { bytes } = peer.gets("S. 0 ack 1 <mpc key>");
    assertEquals(bytes[bytes.length - 10]! & 15, 1);
  });

  it("reports a path on which joins cannot come to the first address (C flag)", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc C"]);
    peer.gets("S.");
    peer.sends(". 1 ack 1 <mpc keys C>");
    assertEquals(d.accept(listener).socket.keys.denied, true);
  });

  for (const [what, option] of NOT_UNDERSTOOD) {
    it(`takes a third ACK whose MP_CAPABLE is ${what} for one without`, () => {
      using d = new Dialogue({ keys: [7, 9] });
      const listener = d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <mpc key>");
      peer.sends(`. 1 ack 1 <${option(20)} ${PEER_KEY} ${OUR_KEY}>`);
      const app = d.accept(listener);
      assertEquals(app.socket.fallback, true);
      assertEquals(d.counter("MPCapableFallbackACK"), 1);
      app.write(100);
      peer.gets("P. 1:101 <!map, !dack>");
    });

    it(`takes no mapping from first data whose MP_CAPABLE is ${what}`, () => {
      using d = new Dialogue({ keys: [7, 9] });
      const { peer, app } = d.opened();
      peer.sends(`P. 1:101 ack 1 <${option(22)} ${PEER_KEY} ${OUR_KEY} 00 64>`);
      assertEquals(app.read(), 0);
    });
  }

  it("counts an MP_CAPABLE that it heeds, and none that it ignores", () => {
    for (const [option, count] of [["mpc", 1], ["mpc nohmac", 0], ["mpc v0", 0]] as const) {
      using d = new Dialogue();
      d.listen();
      const peer = d.peer();
      peer.offers({}, "S", [option]);
      peer.gets("S.");
      assertEquals(d.counter("MPCapableSYNRX"), count);
    }
  });

  // RFC 8684 §3.1: "the host MUST stop using MPTCP and no longer include MPTCP options in future TCP packets"
  it("with a wrong key of ours in the third ACK is plain TCP", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S.");
    peer.sends(". 1 ack 1 <mpc keys bad>");
    assertEquals(d.accept(listener).socket.fallback, true);
    assertEquals(d.usage.tokens, 0);
  });
});

describe("MP_CAPABLE, client (RFC 8684 §3.1)", () => {
  // RFC 8684 §3.1: "If A does not immediately have data to send, it MUST include the MP_CAPABLE on the first ACK"
  it("sends keys on the third ACK and on the first data until a DSS comes", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    app.write(3000);
    peer.gets(". 1:1425 ack 1 <mpc keys len 1424, !map>");
    peer.gets(". 1425:2853 <map 1425 1425 1576, !mpc>");
    peer.gets("P. 2853:3001 <map 1425 1425 1576>");
    // Lost: it goes again with the keys, as nothing has told that the server has them.
    d.untilSent();
    peer.gets(". 1:1425 <mpc keys len 1424>");
    peer.sends(". 1 ack 1425 <dack8 1425>");
    peer.takeAll();
    d.untilSent();
    assert(peer.takeAll().every(({ options }) => !options.some((each) => each.startsWith("mpc"))));
  });

  it("has the keys on every ACK until the server has shown that it has them", () => {
    using d = new Dialogue();
    d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    // Beyond the window: a challenge ACK is due.
    peer.sends(". 9000000 ack 1");
    peer.gets(". 1 ack 1 <mpc keys>");
  });

  it("repeats the first data with a DSS once one has come", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    app.write(100);
    peer.gets("P. 1:101 <mpc keys len 100>");
    peer.sends(". 1 ack 1 <dack8 1>");
    d.untilSent();
    peer.gets("P. 1:101 <map 1 1 100, !mpc>");
  });

  for (const [what, option] of NOT_UNDERSTOOD) {
    it(`takes a SYN/ACK whose MP_CAPABLE is ${what} for one without`, () => {
      using d = new Dialogue();
      const app = d.connect();
      const peer = d.called();
      peer.gets("S 0 <mpc>");
      peer.offers({}, "S.", [`${option(12)} ${PEER_KEY}`]);
      peer.gets(". 1 ack 1 <!mpc>");
      assertEquals([app.socket.fallback, d.usage.tokens], [true, 0]);
      assertEquals(d.counter("MPCapableFallbackSYNACK"), 1);
    });
  }

  // RFC 8684 §3.1: "checksums MUST be used in both directions, and the initiator will set A=1 in the ACK"
  it("sends first data with a checksum where one is agreed: 24 octets", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key A"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    app.write(100);
    peer.gets("P. 1:101 <mpc keys len 100 csum>");
  });

  // RFC 8684 §3.9.3: "a host SHOULD fall back to trying regular TCP SYNs after one or more failures of MPTCP SYNs for a connection"
  it("leaves the option out of the third SYN and of every other one from then on", () => {
    using d = new Dialogue();
    d.connect();
    const peer = d.called();
    const asked: boolean[] = [];
    d.pass(70e6);
    for (const { options } of peer.takeAll()) asked.push(options.includes("mpc"));
    assertEquals(asked, [true, true, false, true, false, true, false]);
    assertEquals([d.counter("MPCapableSYNTX"), d.counter("MPCapableSYNTXDrop")], [1, 1]);
  });

  it("asks again at once when the peer has moved, and what was sent went nowhere", () => {
    using d = new Dialogue();
    d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(1000);
    d.stack.handleMove(d.now, d.links[1]!, new Uint8Array([10, 0, 0, 9]));
    d.silent();
    const address = Uint8Array.from(peer.remote.split("."), Number);
    // As often as it moves: these are no tries, of which the third is one of plain TCP, and the last the end.
    for (let moves = 0; moves < 10; moves++) {
      d.stack.handleMove(d.now, d.links[0]!, address);
      peer.gets("S 0 <mpc>");
    }
    d.pass(5e6);
    const asked = peer.takeAll().map(({ options }) => options.includes("mpc"));
    assertEquals(asked, [true, false]);
    d.stack.handleMove(d.now, d.links[0]!, address);
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
  });

  it("is plain TCP where only a SYN without the option is answered", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(3e6);
    peer.gets("S 0 <mpc>");
    peer.gets("S 0 <!mpc>");
    peer.offers({}, "S.", []);
    peer.gets(". 1 ack 1 <!mpc>");
    assertEquals(app.socket.fallback, true);
    assertEquals(d.usage.tokens, 0);
  });

  it("is MPTCP where an earlier SYN, with the option, is answered late", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    d.pass(3e6);
    assertEquals(peer.takeAll().length, 3);
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    assertEquals(app.socket.fallback, false);
  });
});

describe("a path that swallows SYNs with MP_CAPABLE", () => {
  /** Connects over it: the third SYN is answered. */
  function swallowed(d: Dialogue): void {
    const app = d.connect();
    const peer = d.called();
    d.pass(3e6);
    assertEquals(peer.takeAll().length, 3);
    peer.offers({}, "S.", []);
    peer.gets(". 1 ack 1 <!mpc>");
    app.abort();
    peer.gets("R.");
  }

  it("costs only the first connection to a destination the time of two SYNs, for an hour; then for two", () => {
    using d = new Dialogue();
    swallowed(d);
    d.pass(3590e6);
    d.connect();
    d.called().gets("S 0 <!mpc>");
    assertEquals([d.counter("Blackhole"), d.counter("MPCapableSYNTXDisabled")], [1, 1]);
    d.pass(20e6);
    d.sent.length = 0;
    swallowed(d);
    d.pass(7190e6);
    d.sent.length = 0;
    d.connect();
    d.called().gets("S 0 <!mpc>");
    d.pass(20e6);
    d.sent.length = 0;
    d.connect();
    d.called().gets("S 0 <mpc>");
  });

  it("is none any more where MPTCP has passed", () => {
    using d = new Dialogue();
    swallowed(d);
    d.pass(3601e6);
    const { app } = d.dialled();
    app.abort();
    d.sent.length = 0;
    swallowed(d);
    d.pass(3601e6);
    d.connect();
    d.called().gets("S 0 <mpc>");
    assertEquals([d.counter("Blackhole"), d.counter("MPCapableSYNTXDisabled")], [2, 0]);
  });

  it("says nothing about others", () => {
    using d = new Dialogue();
    swallowed(d);
    const { now, stack } = d;
    const observer = { onEstablished() {}, onReadable() {}, onWritable() {}, onClosed() {} };
    stack.connect(now, { remote: { address: d.address(1, 2), port: 80 }, observer });
    d.called().gets("S 0 <mpc>");
  });

  it("is none where nothing is answered, or a plain server answers the second", () => {
    for (const time of [3e6, 1e6]) {
      using d = new Dialogue();
      const app = d.connect();
      const peer = d.called();
      d.pass(time);
      peer.takeAll();
      if (time < 3e6) peer.offers({}, "S.", []);
      app.abort();
      d.sent.length = 0;
      d.connect();
      d.called().gets("S 0 <mpc>");
    }
  });
});

describe("a SYN that comes again without MP_CAPABLE (RFC 8684 §3.1)", () => {
  function asked() {
    const d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1 <!mpc>");
    return { d, listener, peer };
  }

  // RFC 8684 §3.1: "If a SYN does not contain an MP_CAPABLE option, the SYN/ACK MUST NOT contain one in response."
  it("is answered without, also when the answer has to go again", () => {
    const { d, listener, peer } = asked();
    d.untilSent();
    peer.gets("S. 0 ack 1 <!mpc>");
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    assertEquals([app.socket.fallback, d.usage.tokens], [true, 0]);
    app.write(100);
    peer.gets("P. 1:101 <!map>");
    d.stack.free();
  });

  it("does not undo the one before it, whose answer was only late: the third ACK decides", () => {
    const { d, listener, peer } = asked();
    peer.sends(". 1 ack 1 <mpc keys>");
    assertEquals(d.accept(listener).socket.fallback, false);
    d.stack.free();
  });

  for (const [mptcp, family] of [[true, 4], [false, 4], [true, 6], [false, 6]] as const) {
    it(`or not at all: the third SYN/ACK goes without, and the third ACK decides, ${mptcp ? "with" : "without"} keys (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const listener = d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <mpc key>");
      assertEquals(d.untilSent(), 1e6);
      peer.gets("S. 0 ack 1 <mpc key>");
      assertEquals(d.untilSent(), 2e6);
      peer.gets("S. 0 ack 1 <!mpc>");
      // RFC 8684 §3.1: "If this option is not present, the connection SHOULD fall back to regular TCP"
      peer.sends(mptcp ? ". 1 ack 1 <mpc keys>" : ". 1 ack 1");
      const app = d.accept(listener);
      assertEquals([app.socket.fallback, d.usage.tokens], [!mptcp, mptcp ? 1 : 0]);
      app.write(100);
      peer.gets(mptcp ? "P. 1:101 <map 1 1 100>" : "P. 1:101 <!map>");
    });
  }

  it("but with it after all is answered with it", () => {
    const { d, peer } = asked();
    // Copies are answered twice a second at most.
    d.pass(500e3);
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    assertEquals(d.counter("MPCapableSYNRX"), 1);
    d.stack.free();
  });

  it("of which the first had none either is plain TCP, whatever follows", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1 <!mpc>");
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <!mpc>");
    peer.sends(". 1 ack 1");
    assertEquals(d.accept(listener).socket.fallback, true);
  });
});
