import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { keyMaterial } from "../../../core/connection/keys.ts";
import type { Listener } from "../../../core/host/listener.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import type { Offer, Peer } from "../../support/scripted_peer.ts";

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

/** A host that answers every SYN by a cookie. */
function careful(options: DialogueOptions = {}): Dialogue {
  return new Dialogue({ ...options, tcp: { ...options.tcp, synCookies: "always" } });
}

/** The initial sequence number of a SYN/ACK, and its MPTCP option. */
function numbers({ bytes }: { readonly bytes: Uint8Array }): readonly number[] {
  let at = 40;
  while (at < bytes.length && bytes[at] !== 30) at += bytes[at] === 1 ? 1 : bytes[at + 1]!;
  return [...bytes.subarray(24, 28), ...bytes.subarray(at, at + 16)];
}

/** When what was answered by a cookie comes again; and lets time pass until a moment before cookies have another value of their counter, where that is then. */
const AGAIN = [
  ["", () => {}],
  [", when the counter of cookies has gone on", (d: Dialogue) => {
    d.pass(64e6 - d.now % 64e6 - 1e5);
  }],
] as const;

/** The next segment is the delayed ACK of a line. */
function acknowledges(d: Dialogue, peer: Peer, text: string): void {
  d.untilSent();
  peer.gets(text);
}

/** A connection of a peer whose SYN was answered by a cookie. */
function opened(d: Dialogue, offer: Offer = {}): { peer: Peer; app: App; listener: Listener } {
  const listener = d.listen();
  const peer = d.peer();
  const mptcp = offer.mptcp ?? true;
  const a = offer.checksum ? " A" : "";
  peer.offers(offer, "S", mptcp ? [`mpc${a}`] : []);
  peer.gets("S. 0 ack 1");
  assertEquals(d.usage, NOTHING);
  d.pass(20e3);
  peer.sends(mptcp ? `. 1 ack 1 <mpc keys${a}>` : ". 1 ack 1");
  const app = d.accept(listener);
  if (mptcp) peer.sends(". 1 ack 1 <dack8 1>");
  d.settle();
  return { peer, app, listener };
}

describe("a SYN that is answered by a cookie", () => {
  for (const family of [4, 6] as const) {
    it(`RFC 4987 §3.6: leaves nothing behind; its third ACK makes the connection (IPv${family})`, () => {
      using d = careful({ family });
      const listener = d.listen();
      const peer = d.peer();
      const mss = family === 4 ? 1460 : 1440;
      peer.sends(`S 0 win 64000 <mss 1400, sackOK, TS 7 0, ws 9>`);
      peer.gets(`S. 0 ack 1 win 65535 <mss ${mss}, sackOK, ws 10, !mpc>`);
      assertEquals([d.usage, listener.halfOpen.size], [NOTHING, 0]);
      d.pass(20e3);
      peer.timestamps = true;
      peer.sends(". 1 ack 1");
      const app = d.accept(listener);
      assertEquals(app.socket.remoteEndpoint.port, peer.remotePort);
      peer.sends("P. 1:101 ack 1");
      assertEquals(app.read(), 100);
      acknowledges(d, peer, ". 1 ack 101");
      app.write(100);
      peer.gets("P. 1:101 ack 101");
      peer.sends(". 101 ack 101");
      app.close();
      peer.gets("F. 101 ack 101");
      peer.sends("F. 101 ack 102");
      peer.gets(". 102 ack 102");
      assertEquals(
        ["SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed"].map((name) => d.counter(name)),
        [1, 1, 0],
      );
      assertEquals(d.usage.connections, 0);
    });
  }

  it("RFC 4987 §3.6: has its MSS kept, rounded down", () => {
    const kept = [[1460, 1460], [1452, 1440], [1300, 1220], [600, 512], [20, 64], [0, 512]];
    for (const [mss, segment] of kept) {
      using d = careful();
      const { app } = opened(d, { mss: mss!, mptcp: false });
      assertEquals(app.socket.subflows[0]!.mtu.segment, segment, `${mss}`);
    }
  });

  it("RFC 4987 §3.6: keeps SACK and the shift of windows in its timestamp", () => {
    for (const scale of [0, 7, 14]) {
      using d = careful();
      const { app, peer } = opened(d, { mptcp: false, scale });
      const [subflow] = app.socket.subflows;
      assertEquals([subflow!.sender.window.scale, subflow!.sender.scaled], [scale, true]);
      assertEquals([subflow!.sender.sackPermitted, subflow!.timestamps.on], [true, true]);
      assertEquals(app.socket.window, 60000 * 2 ** scale);
      peer.sends("P. 101:201 ack 1");
      peer.gets(". 1 ack 1 <sack 101:201>");
    }
    using d = careful();
    const { app } = opened(d, { mptcp: false, sack: false, scale: null });
    const [subflow] = app.socket.subflows;
    assertEquals([subflow!.sender.sackPermitted, subflow!.sender.scaled], [false, false]);
    assertEquals(app.socket.window, 60000);
  });

  it("RFC 7323 §3.2: echoes the timestamp; that of the SYN/ACK is our clock, at most 64 ms late", () => {
    for (const wait of [0, 1e3, 31e3, 63e3, 64e3]) {
      using d = careful();
      d.pass(wait);
      const listener = d.listen();
      const peer = d.peer();
      peer.sends("S 0 <mss 1460, sackOK, TS 4711 0, ws 14>");
      const times = (options: readonly string[]): number[] =>
        options.find((each) => each.startsWith("TS"))!.split(" ").slice(1).map(Number);
      const [sent, echo] = times(peer.gets("S. 0 ack 1 <mss 1460, sackOK, TS, ws 10>").options);
      assertEquals(echo, 4711);
      peer.timestamps = true;
      peer.sends(". 1 ack 1");
      d.accept(listener).write(10);
      const [next] = times(peer.gets("P. 1:11 ack 1").options);
      const late = (next! - sent!) | 0;
      assert(late >= 0 && late < 64, `${late}`);
    }
  });

  it("RFC 7323 §1.3: without timestamps has neither SACK nor scaled windows, and says so", () => {
    using d = careful();
    d.listen();
    const peer = d.peer();
    peer.offers({ timestamps: false }, "S", []);
    peer.gets("S. 0 ack 1 <mss 1460, !sackOK, !ws, !TS>");
    using e = careful();
    const { app } = opened(e, { mptcp: false, timestamps: false, scale: null });
    const [subflow] = app.socket.subflows;
    assertEquals([subflow!.sender.sackPermitted, subflow!.sender.scaled], [false, false]);
    assertEquals([subflow!.timestamps.on, app.socket.window], [false, 60000]);
  });

  it("does not agree on SACK where the listener has none", () => {
    using d = careful({ tcp: { sack: false } });
    d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1 <!sackOK, ws 10, TS>");
  });

  it("RFC 4987 §3.6: takes first data where the third ACK is lost", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    d.pass(1e6);
    peer.sends("P. 1:101 ack 1");
    const app = d.accept(listener);
    assertEquals(app.read(), 100);
    acknowledges(d, peer, ". 1 ack 101");
    assertEquals(app.socket.subflows[0]!.srtt, 1e6); // no sample: nobody knows when the SYN/ACK left
  });

  for (const mptcp of [false, true]) {
    const keys = mptcp ? " <mpc keys len 100>" : "";
    const more = mptcp ? " <dack8 1, map8>" : "";

    it(`RFC 9293 §3.10.7.4: waits for first data that are lost, as the third ACK is: what follows them is dropped, not reset (${mptcp ? "MPTCP" : "plain TCP"})`, () => {
      for (const family of [4, 6] as const) {
        for (const behind of [1, 100, 65000]) {
          using d = careful({ family });
          const listener = d.listen();
          const peer = d.peer();
          peer.offers({}, "S", mptcp ? ["mpc"] : []);
          peer.gets("S. 0 ack 1");
          // In the next step of the counter, too.
          d.pass(65e6);
          peer.session.dataNext = behind + 1;
          peer.sends(`P. ${behind + 1}:${behind + 101} ack 1${more}`);
          peer.sends(`F. ${behind + 101} ack 1`);
          d.silent();
          assertEquals([d.usage, listener.accept()], [NOTHING, null]);
          peer.session.dataNext = 1;
          peer.sends(`P. 1:101 ack 1${keys}`);
          const app = d.accept(listener);
          assertEquals([app.read(), app.socket.fallback], [100, !mptcp]);
          assertEquals([d.counter("TCPOFODrop"), d.counter("SyncookiesFailed")], [2, 0]);
        }
      }
    });
  }

  it("is answered in the same way each time that it comes; either answer opens", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    const first = peer.gets("S. 0 ack 1");
    d.pass(65e6);
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    assertEquals(d.usage, NOTHING);
    const view = new DataView(first.bytes.buffer, first.bytes.byteOffset);
    peer.irs = view.getUint32(24);
    peer.sends(". 1 ack 1");
    assert(listener.accept() !== null);
  });

  it("does not have its data taken: they come again (RFC 4987 §3.6)", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends("S 0:100 <mss 1460>");
    peer.gets("S. 0 ack 1");
    peer.sends("P. 1:101 ack 1");
    assertEquals(d.accept(listener).read(), 100);
  });

  it("is not awaited any more after a RST, and nobody waits for one", () => {
    using d = careful();
    d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.sends("R 1");
    d.pass(200e6);
    d.silent();
    assertEquals(d.usage, NOTHING);
  });
});

describe("an ACK that answers no cookie", () => {
  it("RFC 9293 §3.10.7.2: is refused with a RST, and counted", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    for (const ack of [2, 3, 1 << 24, 1 << 27]) {
      peer.sends(`. 1 ack ${ack}`);
      peer.gets(`R ${ack}`);
    }
    for (const seq of [0, 65537]) {
      peer.sends(`. ${seq} ack 1`);
      peer.gets("R 1");
    }
    assertEquals(d.counter("SyncookiesFailed"), 6);
    peer.sends("R. 1 ack 1");
    peer.sends("S. 1 ack 1");
    peer.gets("R 1");
    assertEquals([d.usage, listener.accept(), d.counter("SyncookiesFailed")], [NOTHING, null, 6]);
    d.silent();
  });

  it("RFC 4987 appendix A: nor one that is too old", () => {
    using d = careful();
    d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    d.pass(100e6);
    const other = d.peer();
    other.offers({}, "S", []);
    other.gets("S. 0 ack 1");
    d.pass(28e6);
    peer.sends(". 1 ack 1");
    peer.gets("R 1");
    other.sends(". 1 ack 1");
    assertEquals([d.counter("SyncookiesFailed"), d.counter("SyncookiesRecv")], [1, 1]);
  });

  it("is not looked at where none was sent for 128 s, nor where nobody listens", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends(". 1 ack 1");
    peer.gets("R 1");
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    const elsewhere = d.peer({ port: 81 });
    elsewhere.sends(". 1 ack 1");
    elsewhere.gets("R 1");
    d.pass(128e6);
    peer.sends(". 1 ack 1");
    peer.gets("R 1");
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    listener.close(d.now);
    peer.sends(". 1 ack 1");
    peer.gets("R 1");
    assertEquals([d.counter("SyncookiesFailed"), d.usage], [0, NOTHING]);
  });

  it("is not looked at by a listener that sends none", () => {
    using d = careful();
    d.listen();
    const off = { ...d.stack.tcp, synCookies: "off" as const };
    d.stack.listen(d.now, { port: 81, tcp: off, observer: { onConnection() {} } });
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    const other = d.peer({ port: 81 });
    other.sends(". 1 ack 1");
    other.gets("R 1");
    assertEquals(d.counter("SyncookiesFailed"), 0);
    other.offers({}, "S", []);
    assertEquals([d.usage.connections, d.counter("SyncookiesSent")], [1, 1]);
  });

  it("comes in floods without anything made, and with RSTs within their limit", () => {
    using d = careful();
    d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    for (let i = 0; i < 3000; i++) peer.sends(`. 1 ack ${2 + i * 1_000_003}`);
    assertEquals(d.counter("SyncookiesFailed"), 3000);
    assertEquals(d.usage, NOTHING);
    assert(peer.takeAll().length < 1200);
    peer.sends(". 1 ack 1");
    assertEquals(d.usage.connections, 1);
  });
});

describe("cookies under pressure", () => {
  it("RFC 4987 §3.7: are sent above the limit of half-open connections, and state is kept below it", () => {
    using d = new Dialogue({ tcp: { synBacklog: 2 } });
    const listener = d.listen();
    const peers = [d.peer(), d.peer(), d.peer(), d.peer()];
    for (const peer of peers) peer.offers({}, "S", []);
    assertEquals([listener.halfOpen.size, d.usage.connections], [2, 2]);
    for (const peer of peers) peer.gets("S. 0 ack 1 <sackOK, ws 10, TS>");
    const count = (name: string): number => d.counter(name);
    assertEquals([count("SyncookiesSent"), count("TCPReqQFullDoCookies")], [2, 2]);
    for (const peer of peers.toReversed()) peer.sends(". 1 ack 1");
    assertEquals([count("SyncookiesRecv"), count("ListenDrops")], [2, 0]);
    const order = peers.map(() => listener.accept()?.remoteEndpoint.port);
    assertEquals(order, peers.toReversed().map(({ remotePort }) => remotePort));
    const last = d.peer();
    last.offers({}, "S", []);
    assertEquals([listener.halfOpen.size, count("SyncookiesSent")], [1, 2]);
  });

  for (
    const [mptcp, [when, wait]] of [true, false].flatMap((mptcp) =>
      AGAIN.map((again) => [mptcp, again] as const)
    )
  ) {
    it(`leave a SYN that comes again, and is kept then, the number that it was answered with: either SYN/ACK opens (${mptcp ? "MPTCP" : "plain TCP"})${when}`, () => {
      using d = new Dialogue({ tcp: { synBacklog: 1 } });
      wait(d);
      const listener = d.listen();
      const [other, peer] = [d.peer(), d.peer()];
      other.offers({}, "S", []);
      other.gets("S. 0 ack 1");
      /** The number and the key of an answer. */
      const ask = (): readonly number[] => {
        peer.offers({ mptcp }, "S", mptcp ? ["mpc"] : []);
        const { bytes } = peer.gets("S. 0 ack 1");
        let at = 40;
        while (at < bytes.length && bytes[at] !== 30) at += bytes[at] === 1 ? 1 : bytes[at + 1]!;
        return [...bytes.subarray(24, 28), ...bytes.subarray(at + 4, at + 12)];
      };
      const cookie = ask();
      d.pass(2e5);
      // A place becomes free, and what the peer has sent meanwhile comes.
      other.sends(". 1 ack 1");
      d.accept(listener);
      const kept = ask();
      assertEquals([listener.halfOpen.size, d.counter("SyncookiesSent")], [1, 1]);
      assertEquals([kept, kept.length], [cookie, mptcp ? 12 : 4]);
      peer.sends(mptcp ? ". 1 ack 1 <mpc keys>" : ". 1 ack 1");
      const app = d.accept(listener);
      peer.sends(mptcp ? "P. 1:101 ack 1 <dack8 1, map8>" : "P. 1:101 ack 1");
      assertEquals([app.read(), app.socket.fallback], [100, !mptcp]);
    });
  }

  it("RFC 4987 §3.4: turned off, the oldest half-open connection makes room once it is a second old, or the SYN is dropped", () => {
    using d = new Dialogue({ tcp: { synBacklog: 2, synCookies: "off" } });
    const listener = d.listen();
    const [first, second, third] = [d.peer(), d.peer(), d.peer()];
    for (const peer of [first, second, third]) peer!.offers({}, "S", []);
    assertEquals([first, second, third].map((peer) => peer!.pending), [true, true, false]);
    const counted = (): number[] =>
      ["TCPReqQFullDrop", "ListenDrops", "ListenOverflows", "SyncookiesSent"].map((name) =>
        d.counter(name)
      );
    assertEquals(counted(), [1, 1, 0, 0]);
    d.pass(1e6);
    third!.offers({}, "S", []);
    third!.gets("S. 0 ack 1");
    third!.sends(". 1 ack 1");
    assertEquals([counted(), listener.halfOpen.size], [[1, 1, 0, 0], 1]);
    d.accept(listener);
  });

  it("RFC 6191 §2: are not sent where the flow was in TIME-WAIT, as its numbers must go on", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({ timestamps: false, scale: null }, "S", []);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    app.close();
    peer.gets("F. 1 ack 1");
    peer.sends("F. 1 ack 2");
    peer.gets(". 2 ack 2");
    assertEquals(d.usage, { ...NOTHING, flows: 1, timers: 1 });
    d.pass(1e6);
    peer.sends("S 1000 <mss 1460>");
    peer.gets("S. 0 ack 1001");
    assertEquals([d.counter("SyncookiesSent"), listener.halfOpen.size], [1, 1]);
  });
});

describe("connections that wait to be accepted", () => {
  it("above the backlog are not opened: the third ACK is dropped, the SYN/ACK comes again, and so does the ACK", () => {
    using d = new Dialogue({ tcp: { synBacklog: 2 } });
    const listener = d.listen(80, 1);
    const [first, second] = [d.peer(), d.peer()];
    for (const peer of [first, second]) peer!.offers({ mptcp: false }, "S", []);
    for (const peer of [first, second]) peer!.gets("S. 0 ack 1");
    first!.sends(". 1 ack 1");
    second!.sends(". 1 ack 1");
    const counted = (): number[] => ["ListenOverflows", "ListenDrops"].map((x) => d.counter(x));
    assertEquals([counted(), listener.halfOpen.size], [[1, 1], 1]);
    second!.sends("P. 1:101 ack 1");
    assertEquals(counted(), [2, 2]);
    assertEquals(d.untilSent(), 1e6);
    second!.gets("S. 0 ack 1");
    second!.sends(". 101 ack 1");
    assertEquals(counted(), [3, 3]);
    d.accept(listener);
    assertEquals(d.untilSent(), 2e6);
    second!.gets("S. 0 ack 1");
    second!.sends(". 101 ack 1");
    second!.sends("P. 1:101 ack 1");
    assertEquals(d.accept(listener).read(), 100);
  });

  it("at the backlog keep SYNs out, without state or cookie", () => {
    for (const synCookies of ["off", "pressure", "always"] as const) {
      using d = new Dialogue({ tcp: { synCookies } });
      const listener = d.listen(80, 1);
      const [first, second] = [d.peer(), d.peer()];
      first!.offers({ mptcp: false }, "S", []);
      first!.gets("S. 0 ack 1");
      first!.sends(". 1 ack 1");
      second!.offers({ mptcp: false }, "S", []);
      assertEquals([d.counter("ListenOverflows"), d.counter("ListenDrops")], [1, 1]);
      d.silent();
      d.accept(listener);
      second!.offers({ mptcp: false }, "S", []);
      second!.gets("S. 0 ack 1");
    }
  });

  it("above it wait for the application though their answer was a cookie: data that come again open them", () => {
    using d = careful();
    const listener = d.listen(80, 1);
    const [first, second] = [d.peer(), d.peer()];
    for (const peer of [first, second]) peer!.offers({ mptcp: false }, "S", []);
    for (const peer of [first, second]) peer!.gets("S. 0 ack 1");
    first!.sends(". 1 ack 1");
    second!.sends(". 1 ack 1");
    second!.sends("P. 1:101 ack 1");
    assertEquals([d.counter("ListenOverflows"), d.counter("SyncookiesRecv")], [2, 3]);
    assertEquals(d.usage.connections, 1);
    d.accept(listener);
    second!.sends("P. 1:101 ack 1");
    acknowledges(d, second!, ". 1 ack 101");
    assertEquals(d.accept(listener).read(), 100);
  });

  it("are none of the half-open: those have a limit of their own, by default as many", () => {
    using d = new Dialogue({ tcp: { synCookies: "off" } });
    const listener = d.listen(80, 3);
    const peers = Array.from({ length: 7 }, () => d.peer());
    const open = (from: number, to: number): void => {
      for (const peer of peers.slice(from, to)) peer.offers({ mptcp: false }, "S", []);
      for (const peer of peers.slice(from, to)) if (peer.pending) peer.gets("S. 0 ack 1");
    };
    open(0, 2);
    for (const peer of peers.slice(0, 2)) peer.sends(". 1 ack 1");
    open(2, 5);
    assertEquals([listener.halfOpen.size, d.counter("ListenDrops")], [3, 0]);
    open(5, 7);
    assertEquals([listener.halfOpen.size, d.counter("ListenDrops")], [3, 2]);
  });
});

describe("MPTCP through a cookie", () => {
  for (const checksum of [false, true]) {
    it(`RFC 8684 §3.1: is agreed by the third ACK, which has both keys${checksum ? ", and checksums by its A flag" : ""}`, () => {
      using d = careful();
      const { peer, app } = opened(d, { checksum });
      assertEquals([app.socket.fallback, app.socket.dssChecksum], [false, checksum]);
      assertEquals(app.socket.keys.own, peer.session.theirKey);
      const sum = checksum ? " csum" : "";
      peer.data(100, sum);
      assertEquals(app.read(), 100);
      acknowledges(d, peer, ". 1 ack 101 <dack8 101>");
      app.write(50);
      peer.gets(`P. 1:51 <map 1 1 50${sum}>`);
      const { counters } = d.stack;
      assertEquals([counters.get("MPCapableSYNRX"), counters.get("MPCapableACKRX")], [1, 1]);
    });
  }

  it("RFC 8684 §3.1: is agreed by first data with both keys, where the third ACK is lost", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends("P. 1:101 ack 1 <mpc keys len 100>");
    const app = d.accept(listener);
    assertEquals([app.socket.fallback, app.read()], [false, 100]);
    acknowledges(d, peer, ". 1 ack 101 <dack 101>");
  });

  it("RFC 8684 §3.1: is not agreed by what has no keys: they are still to come", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    peer.sends(". 1 ack 1 <dack8 1>");
    peer.sends("P. 1:101 ack 1 <map8>");
    d.silent();
    assertEquals(d.usage, NOTHING);
    peer.session.dataNext = 1;
    peer.sends("P. 1:101 ack 1 <mpc keys len 100>");
    assertEquals(d.accept(listener).socket.fallback, false);
  });

  it("RFC 8684 §3.1: ends in plain TCP where our key comes back wrong, or none", () => {
    for (const options of [" <mpc keys>", ""]) {
      using d = careful();
      const listener = d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <mpc key>");
      const { high, low } = peer.session.theirKey;
      peer.session.theirKey = { high, low: low ^ 1 };
      peer.sends(`. 1 ack 1${options}`);
      const app = d.accept(listener);
      assertEquals(app.socket.fallback, true);
      assertEquals([d.usage.tokens, d.counter("MPCapableFallbackACK")], [0, options ? 1 : 0]);
      peer.sends("P. 1:101 ack 1");
      assertEquals(app.read(), 100);
      acknowledges(d, peer, ". 1 ack 101 <!dack>");
    }
  });

  // RFC 8684 §3.1: "If a SYN does not contain an MP_CAPABLE option, the SYN/ACK MUST NOT contain one in response."
  it("RFC 8684 §3.1: MUST NOT be offered to a SYN without it", () => {
    using d = careful();
    d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1 <!mpc>");
    const old = d.peer();
    old.offers({}, "S", ["mpc v0"]);
    old.gets("S. 0 ack 1 <!mpc>");
    using off = careful({ experiments: { mptcp: false } });
    off.listen();
    const third = off.peer();
    third.offers({}, "S", ["mpc"]);
    third.gets("S. 0 ack 1 <!mpc>");
  });

  // RFC 8684 §3.1: "if uniqueness is not met and there is no way to generate an alternative verifiable key, then the connection MUST
  // fall back to using regular TCP"
  it("RFC 8684 §3.1: is not offered where the token is taken, and given up where it was taken meanwhile", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    const key = peer.session.theirKey;
    const { token } = keyMaterial(key);
    const holder = d.peer();
    holder.offers({}, "S", []);
    holder.gets("S. 0 ack 1");
    holder.sends(". 1 ack 1");
    const other = d.accept(listener).socket;
    d.stack.claimToken(token, other);
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <!mpc>");
    peer.sends(". 1 ack 1 <mpc keys>");
    assertEquals([d.accept(listener).socket.fallback, d.counter("MPFallbackTokenInit")], [true, 2]);
    assert(d.stack.tokens.find(token) === other);
  });

  // Its bytes would be another program's, and their DATA_ACK would have the peer forget them.
  it("makes no second connection of an ACK that comes again when the first subflow has ended, and the first goes on", () => {
    for (const text of [". 1 ack 1 <mpc keys>", "P. 1:101 ack 1 <mpc keys len 100>"]) {
      using d = careful();
      const { peer, app, listener } = opened(d);
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("S. 0 ack 1 <join synack id 1>");
      second.sends(". 1 ack 1 <join ack>");
      second.gets(". 1 ack 1");
      peer.sends("R 1");
      assertEquals(app.socket.subflows.length, 1);
      peer.sends(text);
      peer.gets("R 1");
      assertEquals([listener.accept(), d.usage.connections, d.counter("MPFallbackTokenInit")], [
        null,
        1,
        0,
      ]);
    }
  });

  it("has keys that differ by flow and by SYN, and are the same when the SYN comes again", () => {
    using d = careful();
    d.listen();
    const keyOf = (peer: Peer): string => {
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <mpc key>");
      return JSON.stringify(peer.session.theirKey);
    };
    const [one, two] = [d.peer(), d.peer()];
    const first = keyOf(one);
    assertEquals(keyOf(one), first);
    assertNotEquals(keyOf(two), first);
  });
});

describe("joins through a cookie", () => {
  it("RFC 8684 §3.2: leave nothing behind but what their HMAC is about; the third ACK makes the subflow", () => {
    using d = careful();
    const { peer: first, app } = opened(d);
    const second = d.peer({ link: 1, session: first.session });
    second.offers({}, "S", ["join syn id 1 backup"]);
    second.gets("S. 0 ack 1 <join synack id 1>");
    assertEquals([d.usage.flows, app.socket.attempts.length], [1, 1]);
    d.pass(20e3);
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1");
    assertEquals(app.socket.subflows.map(({ remoteId, backup }) => [remoteId, backup]), [
      [0, false],
      [1, true],
    ]);
    second.data(100);
    assertEquals(app.read(), 100);
    acknowledges(d, second, ". 1 ack 101 <dack8 101>");
    const names = ["MPJoinSynRx", "MPJoinAckRx", "MPJoinAckHMacFailure"];
    assertEquals(names.map((name) => d.counter(name)), [1, 1, 0]);
    // The same ACK again is one of the subflow.
    second.sends(". 101 ack 1 <join ack>");
    assertEquals(app.socket.subflows.length, 2);
  });

  it("RFC 8684 §3.2: whose SYN comes again are about the same random numbers: the third ACK to either SYN/ACK is good", () => {
    using d = careful({ words: [1, 2, 3, 4, 5] });
    const { peer: first, app } = opened(d);
    const second = d.peer({ link: 1, session: first.session });
    second.offers({}, "S", ["join syn id 1"]);
    const answer = second.gets("S. 0 ack 1 <join synack>");
    second.offers({}, "S", ["join syn id 1"]);
    assertEquals(numbers(second.gets("S. 0 ack 1 <join synack>")), numbers(answer));
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1");
    assertEquals([app.socket.subflows.length, d.counter("MPJoinAckHMacFailure")], [2, 0]);
  });

  for (const [when, wait] of AGAIN) {
    it(`RFC 8684 §3.2: come again when there is room to keep them: the answer is that of before, and its third ACK is good${when}`, () => {
      using d = new Dialogue({ experiments: { joinBacklog: 1 }, words: [1, 2, 3, 4, 5] });
      wait(d);
      const { peer: first, app } = d.opened();
      const [other, second] = [1, 1].map(() => d.peer({ link: 1, session: first.session }));
      other!.offers({}, "S", ["join syn id 1"]);
      other!.gets("S. 0 ack 1 <join synack>");
      second!.offers({}, "S", ["join syn id 2"]);
      const answer = second!.gets("S. 0 ack 1 <join synack>");
      d.pass(2e5);
      other!.sends(". 1 ack 1 <join ack>");
      other!.gets(". 1 ack 1");
      second!.offers({}, "S", ["join syn id 2"]);
      assertEquals(numbers(second!.gets("S. 0 ack 1 <join synack>")), numbers(answer));
      second!.sends(". 1 ack 1 <join ack>");
      second!.gets(". 1 ack 1");
      assertEquals([app.socket.subflows.length, d.counter("MPJoinAckHMacFailure")], [3, 0]);
    });
  }

  it("RFC 8684 §3.2: are reset where the HMAC is wrong, or missing: EST-6, none becomes a connection", () => {
    using d = careful();
    const { peer: first, app, listener } = opened(d);
    const bad = d.peer({ link: 1, session: first.session });
    bad.offers({}, "S", ["join syn id 1"]);
    bad.gets("S. 0 ack 1 <join synack>");
    bad.sends(". 1 ack 1 <join ack bad>");
    bad.gets("R. <tcprst 1>");
    assertEquals(d.counter("MPJoinAckHMacFailure"), 1);
    const bare = d.peer({ link: 1, session: first.session });
    bare.offers({}, "S", ["join syn id 1"]);
    bare.gets("S. 0 ack 1 <join synack>");
    bare.sends(". 1 ack 1");
    bare.gets("R 1");
    assertEquals([listener.accept(), app.socket.attempts.length], [null, 1]);
    // Nor is a cookie for a connection good for a join.
    const odd = d.peer({ link: 1, session: first.session });
    odd.offers({}, "S", []);
    odd.gets("S. 0 ack 1");
    odd.sends(". 1 ack 1 <join ack>");
    odd.gets("R 1");
    assertEquals([d.counter("SyncookiesFailed"), d.usage.flows], [2, 1]);
  });

  it("RFC 8684 §3.2: are reset where nobody has the token, any more or at all, or nothing is kept of them", () => {
    using d = careful();
    const { peer: first, app } = opened(d);
    const unknown = d.peer({ link: 1, session: first.session });
    unknown.offers({}, "S", ["join syn id 1 bad"]);
    unknown.gets("R. <tcprst 1>");
    const second = d.peer({ link: 1, session: first.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack>");
    app.abort();
    first.gets("R. <fastclose>");
    second.sends(". 1 ack 1 <join ack>");
    second.gets("R 1 <tcprst 1>");
    assertEquals([d.counter("MPJoinNoTokenFound"), d.usage.flows], [2, 0]);
  });

  it("are refused above the limit of subflows, whenever it is reached", () => {
    using d = careful();
    const { peer: first, app } = opened(d);
    const [early, late] = [1, 2].map(() => d.peer({ link: 1, session: first.session }));
    early!.offers({}, "S", ["join syn id 40"]);
    early!.gets("S. 0 ack 1 <join synack>");
    for (let id = 1; id <= 8; id++) join(d, first, 1, {}, id);
    early!.sends(". 1 ack 1 <join ack>");
    early!.gets("R 1 <tcprst 3>");
    // Its third ACK again has been judged already: it is none of a token that nobody has.
    early!.sends(". 1 ack 1 <join ack>");
    d.silent();
    assertEquals(d.counter("MPJoinNoTokenFound"), 0);
    late!.offers({}, "S", ["join syn id 41"]);
    late!.gets("R. <tcprst 3>");
    assertEquals([app.socket.subflows.length, d.counter("MPJoinRejected")], [9, 2]);
  });

  it("under pressure keep four half-open ones of a connection: whoever knows its token shuts nobody out", () => {
    using d = new Dialogue();
    const { peer: first, app } = d.opened();
    for (let i = 0; i < 3000; i++) {
      d.peer({ link: 1, session: first.session }).offers({}, "S", [`join syn id ${1 + i % 255}`]);
    }
    d.sent.length = 0;
    assertEquals([app.socket.attempts.length, d.usage.flows], [5, 5]);
    join(d, first, 1, {}, 200);
    assertEquals([app.socket.subflows.length, d.usage.flows], [2, 6]);
  });

  it("come first to a host that keeps nothing: a join before the connection's third ACK waits", () => {
    using d = careful();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    // Nobody has the token yet.
    second.gets("R. <tcprst 1>");
    peer.sends(". 1 ack 1 <mpc keys>");
    const { socket } = d.accept(listener);
    join(d, peer, 1);
    assertEquals(socket.subflows.length, 2);
  });
});

describe("the answers to one SYN", () => {
  it("are 7 by ourselves and 16 to copies, at most", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    let answers = 0;
    peer.offers({}, "S", []);
    while (listener.halfOpen.size > 0) {
      peer.offers({}, "S", []);
      answers += peer.takeAll().filter(({ flags }) => flags.includes("S")).length;
      d.pass(250e3);
      assert(d.now < 140e6);
    }
    answers += peer.takeAll().length;
    assertEquals(answers, 7 + 16);
  });
});
