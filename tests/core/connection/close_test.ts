import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

describe("DATA_FIN (RFC 8684 §3.3.3)", () => {
  // RFC 8684 §3.3.3: "Once a DATA_FIN has been acknowledged, all remaining subflows MUST be closed with standard FIN exchanges."
  // RFC 8684 §3.3.3: "Both hosts SHOULD send FINs on all subflows, as a courtesy"
  // RFC 8684 §3.3.3: "a host MUST NOT close all functioning subflows unless it is safe to do so"
  it("takes an octet of data sequence space, and FINs follow when both are acknowledged (TRM-5, the safe variant)", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.write(100);
    app.finish();
    first.gets("P. 1:101 <map 1 1 100>");
    first.gets(". 101 <map 101 0 1 fin>");
    assertEquals(app.socket.state, "FIN_WAIT_1");
    first.sends(". ack 101 <dack8 102>");
    assertEquals(app.socket.state, "FIN_WAIT_2");
    d.silent();
    first.data(50);
    assertEquals(app.read(), 50);
    first.sends(". <dack8 102, map8 51 0 1 fin>");
    assertEquals(app.socket.atEnd, true);
    // Both FINs, with a DATA_ACK of the DATA_FIN.
    first.gets("F. 101 ack 51 <dack8 52>");
    second.gets("F. 1 ack 1 <dack8 52>");
    d.silent();
    assertEquals(app.code, null);
    assertEquals(d.usage.tokens, 0);
    first.sends("F. ack 102");
    first.gets(". 102 ack 52");
    second.sends("F. ack 2");
    second.gets(". 2 ack 2");
    app.close();
    d.pass(60e6);
    assertEquals(d.usage, NOTHING);
  });

  it("is sent again when it, or its DATA_ACK, is lost", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.finish();
    first.gets(". 1 <map 1 0 1 fin>");
    let before = 0;
    for (let i = 0; i < 4; i++) {
      const waited = d.untilSent();
      assert(waited > 1.5 * before, `${waited} after ${before}`);
      before = waited;
      // On every subflow: no retransmission of TCP stands behind it.
      first.gets(". 1 <map 1 0 1 fin>");
      second.gets(". 1 <map 1 0 1 fin>");
    }
    second.sends(". <dack8 2>");
    assertEquals(app.socket.state, "FIN_WAIT_2");
  });

  it("of a client comes with the keys again until something has come: the third ACK may be lost (RFC 8684 §3.1)", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(20e3);
    peer.offers({}, "S.", ["mpc key"]);
    app.finish();
    assertEquals(peer.lose(), 2);
    for (let i = 0; i < 2; i++) {
      assert(d.untilSent() < 1e6);
      peer.gets(". 1 ack 1 <mpc keys>");
      peer.gets(". 1 ack 1 <map 1 0 1 fin, !mpc>");
      d.silent();
    }
    // A segment of any kind tells that the server has them.
    peer.sends(". 1 ack 1 <dack8 1>");
    d.untilSent();
    peer.gets(". 1 ack 1 <map 1 0 1 fin>");
    peer.sends(". 1 ack 1 <dack8 2>");
    assertEquals(app.socket.state, "FIN_WAIT_2");
  });

  it("goes again without its back-off when the peer is heard after a silence", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.takeAll();
    d.pass(30e6);
    assert(peer.takeAll().length >= 6);
    peer.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    // A round trip later: a DATA_ACK could still follow.
    assertEquals(d.untilSent(), 20e3);
    peer.gets(". 1 ack 101 <dack8 101, map 1 0 1 fin>");
    peer.takeAll();
    // One that hears it and does not heed it makes us no faster.
    const from = d.now;
    let sent = 0;
    while (d.now - from < 60e6) {
      peer.sends(". ack 1 <dack8 1>");
      d.untilSent();
      sent += peer.takeAll().length;
      d.pass(1e3);
    }
    assert(sent < 20, `${sent}`);
  });

  it("of the peer comes with its last data, or alone, and again", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends("P. 1:101 <dack8 1, map8 1 1 101 fin>");
    first.gets(". 1 ack 101 <dack8 102>");
    assertEquals(app.read(), 100);
    assertEquals(app.socket.atEnd, true);
    assertEquals(app.socket.state, "CLOSE_WAIT");
    // Acknowledged each time, wherever it comes.
    second.sends(". <dack8 1, map8 101 0 1 fin>");
    second.gets(". 1 ack 1 <dack8 102>");
  });

  it("is reached only when all data before it are there", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    second.sends(". <dack8 1, map8 201 0 1 fin>");
    second.gets(". 1 ack 1 <dack8 1>");
    first.sends("P. 101:201 <dack8 1, map8 101 101 100>");
    assertEquals(app.socket.atEnd, false);
    first.sends("P. 1:101 <dack8 1, map8 1 1 100>");
    assertEquals(app.read(), 200);
    assertEquals(app.socket.atEnd, true);
    assertEquals(first.takeAll().at(-1)!.options.includes("dack8 202"), true);
  });

  it("whose DATA_ACK was lost with the last subflow: all data are there, so the end is one in order", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(10);
    peer.sends(". <dack8 1, map8 11 0 1 fin>");
    assertEquals(app.read(), 10);
    app.finish();
    peer.takeAll();
    peer.sends("R 11");
    assertEquals(app.code, undefined);
    d.pass(61e6);
    assertEquals(app.code, null);
  });

  it("half close: data flow on in the other direction", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". <dack8 1, map8 1 0 1 fin>");
    peer.gets(". 1 ack 1 <dack8 2>");
    app.write(5000);
    const sent = peer.takeAll();
    assertEquals(sent.at(-1)!.end, 5001);
    peer.acks();
    app.finish();
    peer.gets(". 5001 <map 5001 0 1 fin>");
    assertEquals(app.socket.state, "LAST_ACK");
    peer.sends(". <dack8 5002>");
    peer.gets("F. 5001");
    assertEquals(app.code, null);
  });

  // Draft TRM-6.
  it("of both at once: CLOSING", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.gets(". 1 <map 1 0 1 fin>");
    peer.sends(". <dack8 1, map8 1 0 1 fin>");
    peer.gets(". 1 ack 1 <dack8 2>");
    assertEquals(app.socket.state, "CLOSING");
    peer.sends(". <dack8 2>");
    peer.gets("F. 1");
    assertEquals(app.code, null);
  });

  it("has a checksum where one is agreed", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ checksum: true });
    app.finish();
    peer.gets(". 1 <map 1 0 1 fin csum>");
  });
});

describe("IMP-3: no FIN on the subflows while the connection's queue holds data", () => {
  // RFC 8684 §3.3.3: "a host MUST NOT close all functioning subflows unless it is safe to do so"
  // RFC 8684 §3.3.3: "Once a DATA_FIN has been acknowledged, all remaining subflows MUST be closed with standard FIN exchanges."
  it("close() with a full queue: all bytes arrive, then the DATA_FIN, then FINs", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    assertEquals(app.write(200000), 200000);
    app.close();
    // Of each path, as what is taken from one may have left before what was taken from the other.
    const orders: string[][] = [[], []];
    for (let i = 0; i < 200 && (first.pending || second.pending); i++) {
      for (const [path, peer] of [first, second].entries()) {
        const order = orders[path]!;
        for (const { flags, options } of peer.takeAll()) {
          const what = flags.includes("F")
            ? "FIN"
            : options.some((each) => each.endsWith(" fin"))
            ? "DATA_FIN"
            : "data";
          if (order.at(-1) !== what) order.push(what);
        }
        peer.acks();
      }
    }
    assertEquals(first.session.dataAcked, 200002);
    for (const order of orders) assertEquals(order.filter((what) => what !== "DATA_FIN"), ["data"]);
    assertEquals(orders.map((order) => order.at(-1)).sort(), ["DATA_FIN", "data"]);
    first.sends(`. <dack8 200002, map8 1 0 1 fin>`);
    first.gets("F.");
    second.gets("F.");
  });

  it("a path that fails in the last window costs nothing: the other one repeats it", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 20e3 });
    app.write(20000);
    app.close();
    assert(first.lose() > 5);
    for (let i = 0; i < 100 && second.session.dataAcked < 20002; i++) {
      first.lose();
      second.takeAll();
      second.acks();
      if (!second.pending) d.pass(50e3);
    }
    assertEquals(second.session.dataAcked, 20002);
    assertEquals(app.socket.finAcked, true);
    assert(d.now < 4e6, `${d.now}`);
  });
});

describe("a subflow's FIN while the connection goes on", () => {
  it("is answered with ours; data go on elsewhere", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends("F. 1 ack 1 <dack8 1>");
    const answers = first.takeAll();
    assertEquals(answers.at(-1)!.flags, "F.");
    assertEquals(answers.at(-1)!.ack, 2);
    first.sends(". ack 2 <dack8 1>");
    app.write(1000);
    second.gets("P. 1:1001");
    second.data(100);
    assertEquals(app.read(), 100);
    assertEquals(app.socket.subflows.length, 1);
    assertEquals(app.code, undefined);
  });
});

describe("MP_FASTCLOSE (RFC 8684 §3.5)", () => {
  // RFC 8684 §3.5: "If no TCP RST is received in response, Host A SHOULD send a TCP RST with the MP_FASTCLOSE option itself when it releases state
  // in order to clear any remaining state at middleboxes."
  it("is sent by abort(), on a RST on every subflow", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.write(100);
    first.takeAll();
    second.takeAll();
    app.abort();
    first.gets("R. <fastclose>");
    second.gets("R. <fastclose>");
    assertEquals(app.code, "ConnectionAborted");
    app.close();
    assertEquals(d.usage, NOTHING);
  });

  it("is sent by close() with unread data, as in Linux", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    app.close();
    peer.gets("R. <fastclose>");
    assertEquals(d.usage, NOTHING);
  });

  it("is sent when data come after close()", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.close();
    peer.gets(". 1 <map 1 0 1 fin>");
    peer.data(100);
    peer.gets("R. <fastclose>");
    assertEquals(d.usage, NOTHING);
  });

  it("of the peer ends everything, on a RST as on an ACK", () => {
    for (const flags of ["R.", "."]) {
      using d = new Dialogue();
      const { first, second, app } = joined(d);
      app.write(1000);
      first.takeAll();
      second.takeAll();
      first.sends(`${flags} 1 ack 1 <fastclose>`);
      assertEquals(app.code, "ConnectionReset");
      second.gets("R.");
      app.close();
      assertEquals(d.usage, NOTHING);
    }
  });

  it("with a wrong key is not one: a RST ends its subflow alone, an ACK nothing", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends(". 1 ack 1 <fastclose bad>");
    assertEquals(app.socket.subflows.length, 2);
    first.sends("R. 1 ack 1 <fastclose bad>");
    assertEquals(app.socket.subflows.length, 1);
    assertEquals(app.code, undefined);
    second.data(10);
    assertEquals(app.read(), 10);
  });
});

describe("TRM-2: everything is given back", () => {
  const ways: [string, (d: Dialogue) => void][] = [
    ["a half-open connection", (d) => {
      d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.take();
      peer.sends("R 1");
    }],
    ["a half-open join", (d) => {
      const { peer, app } = d.opened();
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 1"]);
      app.abort();
      app.close();
    }],
    ["a connection that nobody took", (d) => {
      const app = d.connect();
      d.called().sends("R. 0 ack 1");
      app.close();
    }],
    ["one closed before it was established", (d) => {
      d.connect().close();
    }],
    ["one that was closed on both sides", (d) => {
      const { peer, app } = d.opened();
      app.write(70000);
      app.close();
      for (let i = 0; i < 50 && peer.pending; i++) {
        peer.takeAll();
        peer.acks();
      }
      peer.sends(`. <dack8 70002, map8 1 0 1 fin>`);
      peer.takeAll();
      peer.sends(`F. ack ${peer.acked}`);
    }],
    ["one whose host closes", (d) => {
      const { app } = joined(d);
      app.write(70000);
      d.stack.close(d.now);
      app.close();
    }],
    ["plain TCP", (d) => {
      const { peer, app } = d.opened({ mptcp: false });
      app.write(100);
      peer.sends("R 1");
      app.close();
    }],
  ];
  for (const [what, make] of ways) {
    it(`of ${what}`, () => {
      using d = new Dialogue();
      make(d);
      d.pass(200e6);
      d.sent.length = 0;
      assertEquals(d.usage, NOTHING);
    });
  }
});

describe("a DATA_FIN that FINs follow at once (draft TRM-4)", () => {
  for (const checksum of [false, true]) {
    it(`is on each of them, as nothing else repeats it there${checksum ? " (checksums)" : ""}`, () => {
      using d = new Dialogue({ experiments: { dataFin: "fast", checksum } });
      const { peer, app } = d.opened({ checksum });
      app.write(100);
      peer.gets("P. 1:101");
      app.finish();
      peer.gets(". 101 <map 101 0 1 fin>");
      peer.gets("F. 101 <map 101 0 1 fin>");
      // Both are lost.
      peer.sends(". ack 101 <dack8 101>");
      for (let i = 0; i < 5; i++) {
        d.untilSent();
        const fin = peer.takeAll().find(({ flags }) => flags.includes("F"));
        if (fin === undefined) continue;
        assert(fin.options.some((each) => each.startsWith("map 101 0 1")), `${fin.options}`);
        peer.sends(`. ack 102 <dack8 102>`);
        assertEquals(app.socket.finAcked, true);
        return;
      }
      throw new Error("No FIN has come again");
    });
  }

  it("is on none where the peer has it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.gets(". 1 <map 1 0 1 fin>");
    peer.sends(". ack 1 <dack8 2, map8 1 0 1 fin>");
    const fins = peer.takeAll().filter(({ flags }) => flags.includes("F"));
    assertEquals(fins.length, 1);
    assert(!fins[0]!.options.some((each) => each.startsWith("map")), `${fins[0]!.options}`);
  });
});
