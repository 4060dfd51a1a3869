import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { TcpSettings } from "../../../core/subflow/settings.ts";
import { FastOpenCache } from "../../../core/host/fast_open.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { icmpAbout, tooBig } from "../../support/icmp.ts";
import type { Offer, Peer } from "../../support/scripted_peer.ts";

/** A host whose listeners and connections use Fast Open. */
function dialogue(options: DialogueOptions = {}, tcp: Partial<TcpSettings> = {}): Dialogue {
  return new Dialogue({ ...options, tcp: { fastOpen: true, ...tcp } });
}

const PLAIN: Offer = { mptcp: false };

/** The counters of Fast Open that are not 0, without what all their names begin with. */
function counted(d: Dialogue): Record<string, number> {
  const all = Object.entries(d.stack.counters.all());
  return Object.fromEntries(
    all.filter(([name]) => name.startsWith("TCPFastOpen"))
      .map(([name, count]) => [name.slice(11), count]),
  );
}

/** The Fast Open option of a SYN or SYN/ACK. */
function cookieOf(options: readonly string[]): string {
  return options.find((each) => each.startsWith("tfo"))!;
}

/** Asks a listener for a cookie, and closes that connection. */
function asks(d: Dialogue, offer: Offer = PLAIN): string {
  const peer = d.peer();
  peer.offers(offer, "S", offer.mptcp === false ? ["tfo"] : ["tfo", "mpc"]);
  const { options } = peer.gets("S. 0 ack 1");
  peer.sends("R 1");
  return cookieOf(options);
}

/** A listener with a cookie for the peer. */
function served(
  d: Dialogue,
  offer: Offer = PLAIN,
): { cookie: string; early: (more?: Offer) => Peer; accept: () => App } {
  const listener = d.listen();
  const cookie = asks(d, offer);
  d.pass(1e6);
  const early = (more: Offer = {}): Peer => {
    const peer = d.peer();
    const all = { ...offer, early: 20, ...more };
    peer.offers(all, "S", all.mptcp === false ? [cookie] : [cookie, "mpc"]);
    return peer;
  };
  return { cookie, early, accept: () => d.accept(listener) };
}

/** Has the stack learn `cookie` of the peer at port 80. */
function learns(d: Dialogue, cookie = "tfo 0102030405060708", offer: Offer = PLAIN): void {
  const app = d.connect();
  const peer = d.called();
  peer.gets("S 0 <tfo>");
  peer.offers(offer, "S.", offer.mptcp === false ? [cookie] : [cookie, "mpc key"]);
  peer.gets(". 1 ack 1");
  app.abort();
  app.close();
  peer.takeAll();
  d.pass(2e6);
  peer.takeAll();
}

describe("Fast Open of a listener", () => {
  it("RFC 7413 §4.2.1: answers an empty option with a cookie, and the handshake goes on as ever", () => {
    using d = dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers(PLAIN, "S", ["tfo"]);
    const got = peer.gets("S. 0 ack 1 <mss 1460, ws, sackOK, TS>");
    assertEquals(/^tfo [0-9a-f]{12}$/.test(cookieOf(got.options)), true);
    assertEquals(listener.accept(), null);
    peer.sends(". 1 ack 1");
    peer.sends("P. 1:21 ack 1");
    assertEquals(d.accept(listener).read(), 20);
    assertEquals(counted(d), { CookieReqd: 1 });
  });

  it("RFC 7413 §4.2.2: with a cookie, data in the SYN are acknowledged and the application's before the third ACK", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21 <!tfo>");
    const app = accept();
    assertEquals(app.read(), 20);
    d.silent();
    d.pass(20e3);
    peer.sends(". 21 ack 1");
    peer.sends("P. 21:41 ack 1");
    assertEquals(app.read(), 20);
    assertEquals(app.socket.bytesReceived, 40);
    assertEquals(counted(d), { CookieReqd: 1, Passive: 1 });
    assertEquals(app.socket.subflows[0]!.bytesReceived, 40);
  });
});

describe("Fast Open of a listener: what it does not take", () => {
  it("RFC 7413 §4.2: where it is not asked for all options of it are ignored, and data in a SYN come again", () => {
    using d = new Dialogue();
    const listener = d.listen();
    for (const option of ["tfo", "tfo 010203040506"]) {
      const peer = d.peer();
      peer.offers({ ...PLAIN, early: 20 }, "S", [option]);
      peer.gets("S. 0 ack 1 <!tfo>");
      assertEquals(listener.accept(), null);
      peer.sends("P. 1:21 ack 1");
      assertEquals(d.accept(listener).read(), 20);
    }
    assertEquals(counted(d), {});
  });

  it("RFC 7413 §4.2.2: a cookie that is none brings a good one, and the SYN alone is acknowledged", () => {
    using d = dialogue();
    const { cookie, early, accept } = served(d);
    const peer = d.peer();
    peer.offers({ ...PLAIN, early: 20 }, "S", ["tfo 0102030405060708"]);
    assertEquals(cookieOf(peer.gets("S. 0 ack 1 <tfo>").options), cookie);
    peer.sends("P. 1:21 ack 1");
    const app = accept();
    assertEquals(app.read(), 20);
    early().gets("S. 0 ack 21");
    assertEquals(counted(d), { CookieReqd: 1, PassiveFail: 1, Passive: 1 });
  });

  it("RFC 7413 §4.1.2: a cookie is of an address: one of somebody else is none", () => {
    using d = dialogue();
    const { cookie } = served(d);
    const other = d.peer({ link: 1 });
    other.offers({ ...PLAIN, early: 20 }, "S", [cookie]);
    other.gets("S. 0 ack 1 <tfo>");
    assertEquals(counted(d).PassiveFail, 1);
  });

  it("RFC 7413 §4.1.2: the key changes: a cookie of the one before is good and renewed, an older one is none", () => {
    using d = dialogue();
    const { cookie, early } = served(d);
    d.pass(12 * 3600e6);
    const peer = early();
    const next = cookieOf(peer.gets("S. 0 ack 21 <tfo>").options);
    assertEquals(next === cookie, false);
    assertEquals(counted(d), { CookieReqd: 1, Passive: 1, PassiveAltKey: 1 });
    d.pass(12 * 3600e6);
    early().gets("S. 0 ack 1 <tfo>");
    assertEquals(counted(d), { CookieReqd: 1, Passive: 1, PassiveAltKey: 1, PassiveFail: 1 });
  });

  it("RFC 7413 §4.1.1: an option of another length, or without SYN, is ignored", () => {
    using d = dialogue();
    d.listen();
    for (const odd of ["tfo 01020304050607", "tfo 0102", `tfo ${"01".repeat(18)}`]) {
      const peer = d.peer();
      peer.offers({ mptcp: false, sack: false, timestamps: false, early: 20 }, "S", [odd]);
      peer.gets("S. 0 ack 1 <!tfo>");
      peer.sends("R 1");
    }
    assertEquals(counted(d), {});
  });

  it("RFC 7413 §4.2: above the limit of pending ones the data come again; what was reset counts on for a minute (§5.1)", () => {
    using d = dialogue({}, { fastOpenQueue: 2 });
    const { early, accept } = served(d);
    const [first, second, third] = [early(), early(), early()];
    first.gets("S. 0 ack 21");
    second.gets("S. 0 ack 21");
    third.gets("S. 0 ack 1 <!tfo>");
    // A third ACK makes room, a RST does not.
    first.sends(". 21 ack 1");
    second.sends("R 21");
    early().gets("S. 0 ack 21");
    early().gets("S. 0 ack 1");
    assertEquals(counted(d), { CookieReqd: 1, Passive: 3, ListenOverflow: 2 });
    accept().close();
    d.pass(59e6);
    d.sent.length = 0;
    early().gets("S. 0 ack 1");
    d.pass(61e6);
    d.sent.length = 0;
    early().gets("S. 0 ack 21");
  });

  it("RFC 4987 §3.6: where SYNs are answered by cookies the data come again", () => {
    using d = dialogue({}, { synCookies: "pressure", synBacklog: 1 });
    const { early, accept } = served(d);
    d.peer().offers(PLAIN, "S", []);
    d.sent.length = 0;
    const peer = early();
    peer.gets("S. 0 ack 1 <!tfo>");
    peer.sends("P. 1:21 ack 1");
    assertEquals(accept().read(), 20);
    assertEquals(d.counter("SyncookiesRecv"), 1);
    assertEquals(counted(d), { CookieReqd: 1 });
  });

  it("RFC 7413 §4.2.2: the accept queue is full: nothing is taken", () => {
    using d = dialogue();
    const listener = d.listen(80, 1);
    const cookie = asks(d);
    d.pass(1e6);
    for (const answered of [true, false]) {
      const peer = d.peer();
      peer.offers({ ...PLAIN, early: 20 }, "S", [cookie]);
      if (answered) peer.gets("S. 0 ack 21");
    }
    d.silent();
    assertEquals(d.counter("ListenOverflows"), 1);
    assertEquals(d.accept(listener).read(), 20);
  });
});

describe("Fast Open of a listener before the third ACK", () => {
  it("RFC 7413 §4.2.2: what the application answers leaves behind the SYN/ACK, and the ACK of it is the third", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    const app = accept();
    assertEquals(app.read(), 20);
    app.write(2000);
    peer.gets(". 1:1449 ack 21 <TS>");
    peer.gets("P. 1449:2001 ack 21");
    d.pass(20e3);
    peer.sends(". 21 ack 2001");
    peer.sends("P. 21:41 ack 2001");
    assertEquals(app.read(), 20);
    assertEquals(app.socket.subflows[0]!.sender.board.una, 2001);
    assertEquals(app.socket.subflows[0]!.srtt, 20e3);
  });

  it("RFC 5681 §3.1: no more than an initial window leaves", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    accept().write(50_000);
    assertEquals(peer.takeAll().map(({ seq, end }) => end - seq), Array(10).fill(1448));
    d.pass(20e3);
    peer.sends(". 21 ack 1");
    d.silent();
    peer.sends(". 21 ack 2897");
    assertEquals(peer.takeAll().length, 4);
  });

  it("RFC 7413 §4.2.2: a SYN/ACK that is not answered goes again, with neither data nor the option", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    d.pass(12 * 3600e6);
    const peer = early();
    peer.gets("S. 0 ack 21 <tfo>");
    const app = accept();
    app.write(100);
    peer.gets("P. 1:101 ack 21");
    assertEquals(d.untilSent(), 1e6);
    peer.gets("S. 0 ack 21 <!tfo>");
    d.silent();
    assertEquals(d.untilSent(), 2e6);
    peer.gets("S. 0 ack 21");
    // The answer is lost, not the handshake: it is repaired behind that.
    d.pass(20e3);
    peer.sends(". 21 ack 1");
    d.untilSent(4e6);
    peer.gets("P. 1:101 ack 21");
    peer.sends(". 21 ack 101");
    assertEquals(app.socket.subflows[0]!.sender.board.empty, true);
  });

  it("RFC 7413 §4.2.2: a SYN that comes again, with the data or without, is answered, and its data are not taken twice", () => {
    using d = dialogue();
    const { cookie, early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    const app = accept();
    peer.offers({ ...PLAIN, early: 20 }, "S", [cookie]);
    peer.gets("S. 0 ack 21 <!tfo>");
    d.pass(1e6);
    d.sent.length = 0;
    peer.offers(PLAIN, "S", []);
    peer.gets("S. 0 ack 21 <!tfo>");
    peer.sends(". 21 ack 1");
    assertEquals([app.read(), app.read()], [20, 0]);
    peer.sends("P. 21:41 ack 1");
    assertEquals(app.read(), 20);
    assertEquals(counted(d), { CookieReqd: 1, Passive: 1 });
  });

  it("RFC 7413 §4.2.2: a client that sends the data again nevertheless is acknowledged, and they are not taken twice", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    const app = accept();
    peer.sends(". 21 ack 1");
    peer.sends("P. 1:21 ack 1");
    peer.gets(". 1 ack 21");
    assertEquals([app.read(), app.read()], [20, 0]);
  });

  it("RFC 7413 §4.2.2: a RST ends the connection, and the application hears of it", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    const app = accept();
    peer.sends("R 21");
    assertEquals(app.code, "ConnectionReset");
    app.close();
    assertEquals(d.usage.connections, 0);
  });

  it("RFC 9293 §3.8.4: before the third ACK nobody is asked whether he is there: keepalive begins with that", () => {
    for (const mptcp of [true, false]) {
      using d = dialogue();
      const { early, accept } = served(d, { mptcp });
      const peer = early();
      peer.gets("S. 0 ack 21");
      const app = accept();
      app.socket.setKeepAlive(d.now, { idle: 2e6, interval: 1e6, count: 9 });
      d.stack.flush(d.now);
      d.pass(1e6);
      peer.gets("S. 0");
      d.pass(1.5e6);
      d.silent();
      peer.sends(`. 21 ack 1${mptcp ? " <mpc keys>" : ""}`);
      d.pass(1.9e6);
      d.silent();
      d.pass(0.2e6);
      peer.gets(". 0 ack 21");
    }
  });

  it("RFC 8684 §3.3.8: MP_PRIO waits for the third ACK and a DSS; where that ends MPTCP (§3.7) it never leaves", () => {
    for (const mptcp of [true, false]) {
      using d = dialogue();
      const { early, accept } = served(d, {});
      const peer = early();
      peer.gets("S. 0 ack 21");
      const { socket } = accept();
      socket.paths.setBackup(1, true);
      d.pass(0.5e6);
      d.silent();
      peer.sends(`. 21 ack 1${mptcp ? " <mpc keys>" : ""}`);
      d.silent();
      if (mptcp) {
        peer.sends(". 21 ack 1 <dack8 1>");
        peer.gets(". 1 ack 21 <dack>");
        peer.gets(". 1 ack 21 <prio backup>");
      }
      d.silent();
      assertEquals(socket.mode.kind, mptcp ? "mptcp" : "tcp");
      if (!mptcp) socket.paths.setBackup(1, true);
      d.silent();
    }
  });

  it("RFC 9293 §3.8.6.1: nor is a closed window asked about", () => {
    for (const mptcp of [true, false]) {
      using d = dialogue();
      const { early, accept } = served(d, { mptcp });
      const peer = early({ win: 0 });
      peer.gets("S. 0 ack 21");
      accept().write(20);
      d.pass(6.9e6);
      peer.gets("S. 0");
      peer.gets("S. 0");
      d.silent();
      peer.sends(`. 21 ack 1 win 500${mptcp ? " <mpc keys>" : ""}`);
      if (mptcp) peer.sends(". 21 ack 1 win 500 <dack8 1>");
      peer.gets("P. 1:21 ack 21");
    }
  });

  it("RFC 7413 §4.2.2: nobody answers: it ends after as many SYN/ACKs as any other, with MPTCP too", () => {
    for (const mptcp of [true, false]) {
      using d = dialogue({}, { synRetries: 1 });
      const { early, accept } = served(d, { mptcp });
      const peer = early();
      const app = accept();
      d.pass(4e6);
      assertEquals(peer.takeAll().length, 2);
      assertEquals(app.code, "TimedOut");
      app.close();
      assertEquals(d.usage.connections, 0);
    }
  });

  it("RFC 7413 §4.2.2: close() before the third ACK: the FIN waits for that", () => {
    for (const mptcp of [true, false]) {
      using d = dialogue();
      const { early, accept } = served(d, { mptcp });
      const peer = early();
      peer.gets("S. 0 ack 21");
      const app = accept();
      app.read();
      app.write(100);
      app.close();
      peer.gets("P. 1:101 ack 21");
      d.silent();
      peer.sends(mptcp ? ". 21 ack 101 <mpc keys>" : ". 21 ack 101");
      peer.gets(mptcp ? ". 101 ack 21 <map 101 0 1 fin>" : "F. 101 ack 21");
    }
  });

  it("RFC 9293 §3.10.7.4: an ACK of what was never sent is refused before the third ACK", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    const app = accept();
    app.write(100);
    peer.gets("P. 1:101 ack 21");
    peer.sends(". 21 ack 102");
    peer.gets("R 102");
    peer.sends(". 21 ack 101");
    d.silent();
    assertEquals(app.socket.subflows[0]!.sender.board.una, 101);
  });

  it("RFC 6191 §2: a SYN with a cookie may take over a flow in TIME-WAIT, when it is newer", () => {
    using d = dialogue();
    const { cookie, early, accept } = served(d);
    const peer = early();
    peer.gets("S. 0 ack 21");
    peer.sends(". 21 ack 1");
    const app = accept();
    app.read();
    app.close();
    peer.gets("F. 1 ack 21");
    peer.sends("F. 21 ack 2");
    peer.gets(". 2 ack 22");
    // An old copy of the first SYN: what it says is known.
    peer.offers({ ...PLAIN, early: 20 }, "S", [cookie]);
    peer.gets(". 2 ack 22");
    d.pass(1e6);
    peer.sends(`S 1000:1020 win 65535 <mss 1460, ${cookie}, sackOK, TS 9000 0, ws 7>`);
    peer.gets("S. 0 ack 1021");
    assertEquals(counted(d).Passive, 2);
  });

  it("RFC 7413 §4.2.2: with a good cookie and no data the application may speak first", () => {
    using d = dialogue();
    const { early, accept } = served(d);
    const peer = early({ early: 0 });
    peer.gets("S. 0 ack 1");
    accept().write(100);
    peer.gets("P. 1:101 ack 1");
    peer.sends(". 1 ack 101");
    d.silent();
  });
});

describe("Fast Open of a listener with MPTCP", () => {
  const BOTH: Offer = {};

  it("RFC 8684 B.1: cookie, MP_CAPABLE and timestamps fit into the SYN/ACK", () => {
    using d = dialogue();
    d.listen();
    const peer = d.peer();
    peer.offers(BOTH, "S", ["tfo", "mpc"]);
    const { bytes } = peer.gets("S. 0 ack 1 <mss, sackOK, TS, ws, tfo, mpc key>");
    assertEquals(bytes.length, 20 + 20 + 40);
  });

  it("RFC 8684 B.3, figure 19: data in the SYN are before the data sequence space, what the application answers has a mapping and no DATA_ACK", () => {
    using d = dialogue();
    const { early, accept } = served(d, BOTH);
    const peer = early();
    peer.gets("S. 0 ack 21 <mpc key, !tfo>");
    const app = accept();
    assertEquals(app.read(), 20);
    app.write(100);
    peer.gets("P. 1:101 ack 21 <map 1 1 100, !dack, !dack8>");
    d.pass(20e3);
    peer.sends(". 21 ack 1 <mpc keys>");
    peer.sends(`P. 21:41 ack 101 <dack8 101, map8 1 1 20>`);
    assertEquals(app.read(), 20);
    assertEquals([app.socket.mode.kind, app.socket.bytesReceived], ["mptcp", 40]);
    app.write(100);
    peer.gets("P. 101:201 ack 41 <dack8 21, map 101 101 100>");
  });

  it("RFC 8684 B.2: the first data of the client may ride on MP_CAPABLE", () => {
    using d = dialogue();
    const { early, accept } = served(d, BOTH);
    const peer = early();
    peer.gets("S. 0 ack 21 <mpc key>");
    const app = accept();
    const more = Uint8Array.from({ length: 20 }, (_, i) => i);
    peer.sends("P. 21:41 ack 1 <mpc keys len 20>", more);
    const got = new Uint8Array(100);
    assertEquals(app.socket.read(d.now, got), 40);
    assertEquals(got.subarray(20, 40), more);
    assertEquals(app.socket.mode.kind, "mptcp");
  });

  it("RFC 8684 B.2: DSS checksums cover the data from behind the SYN's on, in both directions", () => {
    using d = dialogue({ experiments: { checksum: true } });
    const { early, accept } = served(d, { ...BOTH, checksum: true });
    const peer = early();
    peer.gets("S. 0 ack 21 <mpc key A>");
    const app = accept();
    assertEquals(app.read(), 20);
    app.write(100);
    peer.gets("P. 1:101 ack 21 <map 1 1 100 csum>");
    peer.sends(". 21 ack 101 <mpc keys A>");
    peer.sends("P. 21:41 ack 101 <dack8 101, map8 1 1 20 csum>");
    assertEquals(app.read(), 20);
    peer.sends("P. 41:61 ack 101 <dack8 101, map8 21 21 20 bad>");
    assertEquals(app.read(), 0);
    assertEquals(d.counter("DataCsumErr"), 1);
  });

  it("RFC 8684 §3.7: the third ACK has lost its MP_CAPABLE: both go on as plain TCP, with what has left already", () => {
    using d = dialogue();
    const { early, accept } = served(d, BOTH);
    const peer = early();
    peer.gets("S. 0 ack 21 <mpc key>");
    const app = accept();
    assertEquals(app.read(), 20);
    app.write(100);
    peer.gets("P. 1:101 ack 21 <map 1 1 100>");
    peer.sends(". 21 ack 101");
    peer.sends("P. 21:41 ack 101");
    assertEquals(app.read(), 20);
    assertEquals(app.socket.mode.kind, "tcp");
    app.write(100);
    peer.gets("P. 101:201 ack 41 <!map, !dack8>");
    peer.sends("F. 41 ack 201");
    assertEquals(app.socket.atEnd, true);
  });

  it("RFC 8684 §3.2: a join has to wait for the third ACK, and is welcome then", () => {
    using d = dialogue();
    const { early, accept } = served(d, BOTH);
    const peer = early();
    peer.gets("S. 0 ack 21 <mpc key>");
    const app = accept();
    const join = d.peer({ link: 1, session: peer.session });
    join.offers({}, "S", ["join syn id 1"]);
    d.silent();
    peer.sends(". 21 ack 1 <mpc keys>");
    peer.sends("P. 21:41 ack 1 <dack8 1, map8 1 1 20>");
    assertEquals(app.read(), 40);
    d.sent.length = 0;
    join.offers({}, "S", ["join syn id 1"]);
    join.gets("S. 0 ack 1 <join synack>");
  });
});

describe("Fast Open of a client", () => {
  it("RFC 7413 §4.2.1: asks a server for a cookie once, and sends its data after the handshake", () => {
    using d = dialogue();
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:0 <tfo>");
    d.pass(20e3);
    peer.offers(PLAIN, "S.", ["tfo 0102030405060708"]);
    peer.gets(". 1 ack 1");
    peer.gets("P. 1:21 ack 1");
    peer.sends(". 1 ack 21");
    assertEquals(app.socket.dataUna, 21);
    assertEquals(counted(d), {});
  });

  it("RFC 7413 §4.2.2: with a cookie the data leave with the SYN; what is written later follows", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <mss 1460, sackOK, TS, ws, tfo 0102030405060708, mpc>");
    d.pass(20e3);
    peer.offers({ ...PLAIN, ack: 21 }, "S.", []);
    peer.gets(". 21 ack 1");
    d.silent();
    app.write(20);
    peer.gets("P. 21:41 ack 1");
    peer.sends("P. 1:21 ack 41");
    assertEquals(app.read(), 20);
    assertEquals(app.socket.subflows[0]!.sender.board.empty, true);
    assertEquals(counted(d), { Active: 1 });
  });

  it("RFC 7413 §4.2.2: a SYN/ACK that acknowledges the SYN alone: the data go again at once", () => {
    using d = dialogue();
    learns(d);
    d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <tfo>");
    d.pass(20e3);
    peer.offers(PLAIN, "S.", []);
    peer.gets(". 1 ack 1");
    peer.gets("P. 1:21 ack 1");
    assertEquals(counted(d), { ActiveFail: 1 });
    // A negative response, not of the path (§4.1.3.1): no Fast Open for a minute, then again.
    for (const [wait, syn] of [[59e6, "0:0 <!tfo>"], [1e6, "0:20 <tfo>"]] as const) {
      d.pass(wait);
      d.sent.length = 0;
      d.connect(80, 20).abort();
      d.called().gets(`S ${syn}`);
    }
  });

  it("RFC 7413 §4.2.2: one that acknowledges a part of the data: the rest goes, and what was written after it", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 1000);
    const peer = d.called();
    peer.gets("S 0:1000 <tfo>");
    peer.offers({ ...PLAIN, ack: 501 }, "S.", []);
    peer.gets(". 501 ack 1");
    peer.gets("P. 501:1001 ack 1");
    app.write(100);
    peer.gets("P. 1001:1101 ack 1");
    assertEquals(counted(d), { ActiveFail: 1 });
  });

  it("RFC 7413 §4.1.2: another cookie in the SYN/ACK takes the place of the one that was no good, and nothing is held against the server", () => {
    using d = dialogue();
    learns(d);
    d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <tfo 0102030405060708>");
    peer.offers(PLAIN, "S.", ["tfo 1112131415161718"]);
    peer.gets(". 1 ack 1");
    peer.gets("P. 1:21 ack 1");
    d.connect(80, 20);
    d.called().gets("S 0:20 <tfo 1112131415161718>");
    assertEquals(counted(d), { ActiveFail: 1 });
  });

  it("RFC 7413 §4.2.2: finish() before the SYN is answered: the end stands behind the data that go again", () => {
    for (const taken of [0, 20]) {
      using d = dialogue();
      learns(d);
      const app = d.connect(80, 20);
      const peer = d.called();
      peer.gets("S 0:20 <tfo>");
      app.finish();
      peer.offers({ ...PLAIN, ack: 1 + taken }, "S.", []);
      peer.gets(`. ${1 + taken} ack 1`);
      if (taken === 0) peer.gets("P. 1:21 ack 1");
      peer.gets("F. 21 ack 1");
    }
  });

  it("RFC 7413 §4.1.3: a server's MSS that has no room for data beside options stands for 64, as after any handshake", () => {
    for (const mss of [1, 40, 63]) {
      using d = dialogue();
      learns(d, undefined, { ...PLAIN, mss });
      const app = d.connect(80, 30);
      const peer = d.called();
      peer.gets("S 0:24 <tfo>");
      peer.offers({ ...PLAIN, mss, ack: 25 }, "S.", []);
      peer.gets(". 25 ack 1");
      peer.gets("P. 25:31 ack 1");
      peer.sends(". 1 ack 31");
      app.write(20);
      peer.gets("P. 31:51 ack 1");
    }
  });

  it("RFC 7413 §4.1.3: no more data than the server's MSS leaves room for beside 40 octets of options, and none above Ethernet's", () => {
    for (
      const [mss, mtu, length] of [[536, 1500, 496], [1460, 1500, 1420], [9000, 9000, 1420], [
        1460,
        1280,
        1200,
      ]] as const
    ) {
      using d = dialogue({ mtu });
      learns(d, undefined, { ...PLAIN, mss });
      d.connect(80, 3000);
      const peer = d.called();
      peer.gets(`S 0:${length} <tfo>`);
      peer.offers({ ...PLAIN, mss, ack: length + 1 }, "S.", []);
      peer.gets(`. ${length + 1} ack 1`);
      const rest = peer.takeAll();
      assertEquals([rest[0]!.seq, rest.at(-1)!.end], [length + 1, 3001]);
    }
  });

  it("RFC 7413 §4.2.2: a SYN that is not answered goes again without option and data; a bare answer then tells of a path that swallows them", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <tfo>");
    assertEquals(d.untilSent(), 1e6);
    peer.gets("S 0:0 <!tfo>");
    peer.offers(PLAIN, "S.", []);
    peer.gets(". 1 ack 1");
    peer.gets("P. 1:21 ack 1");
    peer.sends("P. 1:21 ack 21");
    assertEquals(app.read(), 20);
    assertEquals(counted(d), { ActiveFail: 1, Blackhole: 1 });
    // 1, 2, 4 minutes.
    for (const minutes of [1, 2, 4]) {
      d.pass(minutes * 60e6 - 2e6);
      d.sent.length = 0;
      d.connect(80, 20).abort();
      d.called().gets("S 0:0 <!tfo>");
      d.sent.length = 0;
      d.pass(2e6);
      d.sent.length = 0;
      d.connect(80, 20);
      const again = d.called();
      again.gets("S 0:20 <tfo>");
      d.pass(1e6);
      again.gets("S 0:0");
      again.offers(PLAIN, "S.", []);
      again.takeAll();
      again.sends("R 1");
      d.pass(0);
    }
    assertEquals(counted(d).Blackhole, 4);
    // Another port of the server has its own history.
    d.connect(81, 20);
    d.called().gets("S 0:20 <tfo>");
  });

  it("RFC 7413 §4.2.2: the answer to the first SYN comes after the second has left: its data are not sent again", () => {
    using d = dialogue();
    learns(d);
    d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <tfo>");
    d.pass(1e6);
    peer.gets("S 0:0 <!tfo>");
    peer.offers({ ...PLAIN, ack: 21 }, "S.", []);
    peer.gets(". 21 ack 1");
    d.silent();
    // The server answers the second as well.
    peer.offers({ ...PLAIN, ack: 21 }, "S.", []);
    peer.gets(". 21 ack 1");
    assertEquals(counted(d), { Active: 1 });
  });

  it("RFC 7413 §4.1.3.1: nobody answers at all: not tried again for a while", () => {
    using d = dialogue({}, { synRetries: 1 });
    learns(d);
    const app = d.connect(80, 20);
    d.pass(4e6);
    assertEquals(app.code, "TimedOut");
    d.sent.length = 0;
    d.connect(80, 20);
    d.called().gets("S 0:0 <!tfo>");
    assertEquals(counted(d), { ActiveFail: 1 });
  });

  it("RFC 7413 §4.2.1: a server that does not answer the request for a cookie is not asked again for a while", () => {
    using d = dialogue();
    for (const option of ["tfo", "!tfo"]) {
      d.connect();
      const peer = d.called();
      peer.gets(`S 0 <${option}>`);
      peer.offers(PLAIN, "S.", []);
      peer.gets(". 1 ack 1");
    }
    assertEquals(counted(d), {});
  });

  it("RFC 9293 §3.10.7.3: an ACK beyond the data of the SYN is refused", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <tfo>");
    peer.offers({ ...PLAIN, ack: 22 }, "S.", []);
    peer.gets("R 22");
    assertEquals(app.log, []);
    peer.offers({ ...PLAIN, ack: 21 }, "S.", []);
    peer.gets(". 21 ack 1");
  });

  it("RFC 9293 §3.10.7.3: a RST that acknowledges SYN and data refuses the connection", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <tfo>");
    peer.sends("R. 0 ack 21");
    assertEquals(app.code, "ConnectionRefused");
    // Not of Fast Open's making.
    d.connect(80, 20);
    d.called().gets("S 0:20 <tfo>");
  });

  it("RFC 7413 §4.1.3: a cookie is of a pair of addresses: none for the server's other one", () => {
    using d = dialogue();
    learns(d);
    d.stack.connect(d.now, {
      remote: { address: d.address(1, 2), port: 80 },
      data: new Uint8Array(20),
      observer: { onEstablished() {}, onReadable() {}, onWritable() {}, onClosed() {} },
    });
    d.called().gets("S 0:0 <tfo>");
  });

  it("RFC 7413 §4.1.3: a client remembers 256 pairs, and then forgets the one heard of first", () => {
    const cache = new FastOpenCache();
    const at = (i: number) => ({ address: `10.1.${i >> 8}.${i & 255}`, port: 80 });
    const local = { address: "10.0.0.1", port: 0 };
    for (let i = 0; i < 257; i++) cache.learned(local, at(i), Uint8Array.of(1, 2, 3, i), 1460);
    assertEquals(cache.offer(local, at(0), 0)!.cookie.length, 0);
    assertEquals(cache.offer(local, at(1), 0)!.cookie, Uint8Array.of(1, 2, 3, 1));
    for (let i = 0; i < 257; i++) cache.failed(local, at(i), 0);
    assertEquals([cache.offer(local, at(0), 0) === null, cache.offer(local, at(1), 0)], [
      false,
      null,
    ]);
  });

  it("RFC 1191 §6.4: what is known of the path bounds the data of a SYN; one that a router finds too big goes again without, at once", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 3000);
    const peer = d.called();
    const { bytes } = peer.gets("S 0:1420 <tfo>");
    tooBig(d, bytes, 1280);
    peer.gets("S 0:0 <!tfo>");
    // Told twice it goes once.
    tooBig(d, bytes, 1280);
    d.silent();
    peer.offers(PLAIN, "S.", []);
    peer.gets(". 1 ack 1");
    const large = peer.gets(". 1:1449 ack 1");
    peer.takeAll();
    tooBig(d, large.bytes, 1280);
    peer.takeAll();
    app.abort();
    d.pass(61e6);
    d.sent.length = 0;
    d.connect(80, 3000);
    d.called().gets("S 0:1200 <tfo>");
  });

  it("RFC 7413 §4.1.3.1: a router refuses the SYN: the next one is plain", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const { bytes } = d.called().gets("S 0:20 <tfo>");
    d.inject(icmpAbout({ type: 3, code: 13, packet: bytes }));
    assertEquals(app.code, "NetworkUnreachable");
    d.connect(80, 20);
    d.called().gets("S 0:0 <!tfo>");
    assertEquals(counted(d), { ActiveFail: 1 });
  });

  it("without the option data go after the handshake, in front of all else", () => {
    using d = new Dialogue();
    const app = d.connect(80, 20);
    app.write(20);
    const peer = d.called();
    peer.gets("S 0:0 <!tfo>");
    peer.offers(PLAIN, "S.", []);
    peer.gets(". 1 ack 1");
    peer.gets("P. 1:41 ack 1");
  });
});

describe("Fast Open of a client with MPTCP", () => {
  it("RFC 8684 B.3, figure 18: asks for a cookie beside MP_CAPABLE", () => {
    using d = dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc, tfo, mss, sackOK, TS, ws>");
    peer.offers({}, "S.", ["tfo 010203040506", "mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    assertEquals(app.socket.mode.kind, "mptcp");
  });

  it("RFC 8684 B.3, figure 19: the first data behind those of the SYN have DSN 1 and SSN 1", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <mpc, tfo 0102030405060708>");
    peer.offers({ ack: 21 }, "S.", ["mpc key"]);
    peer.gets(". 21 ack 1 <mpc keys>");
    peer.sends("P. 1:101 ack 21 <dack8 1, map8 1 1 100>");
    assertEquals(app.read(), 100);
    app.write(20);
    peer.gets("P. 21:41 <dack8 101, map 1 1 20>");
    peer.sends(". 101 ack 41 <dack8 21>");
    assertEquals(app.socket.dataUna, 21);
    app.finish();
    peer.gets(". 41 <map 21 0 1 fin>");
    assertEquals(counted(d), { Active: 1 });
  });

  it("RFC 8684 B.3, figure 20: data that were not taken become part of the data sequence space", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <mpc, tfo>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    peer.gets("P. 1:21 ack 1 <mpc keys len 20>");
    peer.sends(". 1 ack 21 <dack8 21>");
    assertEquals(app.socket.dataUna, 21);
  });

  it("RFC 8684 B.3, figure 21: of data taken in part the rest has DSN 1 and SSN 1", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 1000);
    const peer = d.called();
    peer.gets("S 0:1000 <mpc, tfo>");
    peer.offers({ ack: 501 }, "S.", ["mpc key"]);
    peer.gets(". 501 ack 1 <mpc keys>");
    const { payload } = peer.gets("P. 501:1001 ack 1 <mpc keys len 500>");
    assertEquals(payload.length, 500);
    peer.sends(". 1 ack 1001 <dack8 501>");
    assertEquals(app.socket.dataUna, 501);
  });

  it("RFC 8684 §3.7: a server without MPTCP takes the data, and the connection goes on as plain TCP behind them", () => {
    using d = dialogue();
    learns(d);
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <mpc, tfo>");
    peer.offers({ ack: 21 }, "S.", []);
    peer.gets(". 21 ack 1 <!mpc>");
    app.write(100);
    peer.gets("P. 21:121 ack 1 <!map>");
    peer.sends("P. 1:21 ack 121");
    assertEquals([app.read(), app.socket.mode.kind], [20, "tcp"]);
  });

  it("RFC 8684 B.1: a cookie of 16 octets beside MP_CAPABLE: timestamps give way", () => {
    using d = dialogue();
    learns(d, `tfo ${"0102030405060708".repeat(2)}`, { ...PLAIN, timestamps: false });
    const app = d.connect(80, 20);
    const peer = d.called();
    peer.gets(`S 0:20 <mss 1460, sackOK, ws, mpc, tfo ${"0102030405060708".repeat(2)}, !TS>`);
    peer.offers({ ack: 21, timestamps: false }, "S.", ["mpc key"]);
    peer.gets(". 21 ack 1 <mpc keys, !TS>");
    app.write(20);
    peer.gets("P. 21:41 <mpc keys len 20, !TS>");
  });

  it("RFC 8684 §3.1: of the SYNs that go again the first has MP_CAPABLE, the next has not; none has Fast Open", () => {
    using d = dialogue();
    learns(d);
    d.connect(80, 20);
    const peer = d.called();
    peer.gets("S 0:20 <mpc, tfo>");
    d.pass(1e6);
    peer.gets("S 0:0 <mpc, !tfo>");
    d.pass(2e6);
    peer.gets("S 0:0 <!mpc, !tfo>");
  });
});
