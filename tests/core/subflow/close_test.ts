import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

describe("closing (RFC 9293 §3.6), plain TCP", () => {
  it("active: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, and nothing is left after it", () => {
    using d = new Dialogue();
    const { peer, app, listener } = d.opened({ mptcp: false });
    app.write(100);
    app.finish();
    peer.gets("P. 1:101 ack 1");
    peer.gets("F. 101 ack 1");
    peer.sends(". ack 102");
    assertEquals(app.socket.state, "FIN_WAIT_2");
    peer.sends("P. +50");
    assertEquals(app.read(), 50);
    peer.sends("F. 51");
    peer.gets(". 102 ack 52");
    assertEquals(app.log.at(-1), "closed null");
    app.close();
    assertEquals(d.usage, { ...NOTHING, flows: 1, timers: 1 });
    d.pass(60e6);
    listener.close(d.now);
    assertEquals(d.usage, NOTHING);
    d.silent();
  });

  it("passive: CLOSE-WAIT, LAST-ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("F. 1:11");
    peer.gets(". 1 ack 12");
    assertEquals(app.read(), 10);
    assertEquals(app.socket.atEnd, true);
    assertEquals(app.socket.state, "CLOSE_WAIT");
    app.write(100);
    peer.gets("P. 1:101 ack 12");
    app.finish();
    peer.gets("F. 101 ack 12");
    peer.acks();
    assertEquals(app.log.at(-1), "closed null");
    app.close();
    assertEquals(d.usage, NOTHING);
  });

  it("simultaneous: CLOSING, TIME-WAIT", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.finish();
    peer.gets("F. 1 ack 1");
    peer.sends("F. 1 ack 1");
    peer.gets(". 2 ack 2");
    assertEquals(app.socket.state, "CLOSING");
    peer.sends(". 2 ack 2");
    assertEquals(app.code, null);
    app.close();
    d.pass(60e6);
    assertEquals(d.usage, NOTHING);
  });

  it("simultaneous, while our FIN is lost: it goes again, and only its acknowledgement counts", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10);
    app.finish();
    peer.gets("P. 1:11");
    peer.gets("F. 11");
    peer.sends("F. 1 ack 11");
    peer.gets(". 12 ack 2");
    assertEquals(app.socket.state, "CLOSING");
    d.untilSent();
    peer.gets("F. 11 ack 2");
    peer.sends(". 2 ack 12");
    assertEquals(app.code, null);
  });

  it("FIN-WAIT-1 to TIME-WAIT when the peer's FIN acknowledges ours", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.finish();
    peer.gets("F. 1 ack 1");
    peer.sends("F. 1 ack 2");
    peer.gets(". 2 ack 2");
    assertEquals(app.code, null);
  });

  it("sends a FIN that was lost again, and data before it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10);
    app.finish();
    peer.gets("P. 1:11");
    peer.gets("F. 11");
    d.untilSent();
    peer.gets("P. 1:11");
    d.pass(20e3);
    peer.sends(". ack 11");
    peer.gets("F. 11");
    peer.sends(". ack 12");
    d.pass(10e6);
    d.silent();
  });

  it("IMP-3: no FIN while the queue holds data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, scale: 0, win: 2000 });
    app.write(10000);
    app.close();
    const fins: number[] = [];
    while (peer.pending) {
      for (const got of peer.takeAll()) if (got.flags.includes("F")) fins.push(got.seq);
      peer.acks();
    }
    assertEquals(fins, [10001]);
  });

  it("with unread data resets (RFC 9293 §3.6)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    app.close();
    peer.gets("R. 1");
    assertEquals(d.usage, NOTHING);
  });

  it("data that come after close() are refused with a RST", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.close();
    peer.gets("F. 1");
    peer.sends("P. 1:101 ack 2");
    peer.gets("R. 2");
    assertEquals(d.usage, NOTHING);
  });

  it("but a repeat of what was read is none of them", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    assertEquals(app.read(), 100);
    app.write(3000);
    app.close();
    peer.takeAll();
    peer.sends("P. 1:101 ack 1");
    peer.gets(". ack 101");
    peer.sends(`F. 101 ack ${peer.acked}`);
    peer.gets(". ack 102");
  });

  it("a peer that never closes is waited for a minute", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.close();
    peer.gets("F. 1");
    peer.acks();
    d.pass(61e6);
    assertEquals(d.usage, NOTHING);
  });
});

describe("TIME-WAIT", () => {
  function waiting(d: Dialogue, timestamps = true) {
    const opened = d.opened({ mptcp: false, timestamps });
    const { peer, app } = opened;
    peer.sends("P. 1:1001");
    app.read();
    peer.takeAll();
    app.finish();
    peer.gets("F. 1 ack 1001");
    peer.sends("F. 1001 ack 2");
    peer.gets(". 2 ack 1002");
    app.close();
    return opened;
  }

  it("acknowledges a FIN that comes again, and begins anew", () => {
    using d = new Dialogue();
    const { peer } = waiting(d);
    d.pass(50e6);
    peer.sends("F. 1001 ack 2");
    peer.gets(". 2 ack 1002");
    d.pass(50e6);
    assertEquals(d.usage.flows, 1);
    d.pass(10e6);
    assertEquals(d.usage.flows, 0);
  });

  it("acknowledges data that come again: the peer has not seen our ACKs", () => {
    using d = new Dialogue();
    const { peer } = waiting(d);
    peer.sends("P. 1:501 ack 2");
    peer.gets(". 2 ack 1002");
  });

  it("gives way to a SYN with a newer timestamp (RFC 6191)", () => {
    using d = new Dialogue();
    const { peer } = waiting(d);
    d.pass(1e6);
    peer.sends(`S 5 <mss 1460, TS ${peer.tsval} 0>`);
    peer.gets("S. 0 ack 6");
  });

  it("gives way to a SYN with the same timestamp and a higher number (RFC 6191 §2)", () => {
    for (const [seq, answer] of [[900, ". 2 ack 1002"], [5000, "S. 0 ack 5001"]] as const) {
      using d = new Dialogue();
      const { peer } = waiting(d);
      peer.sends(`S ${seq} <mss 1460, TS ${peer.tsval} 0>`);
      peer.gets(answer);
    }
  });

  it("answers an older SYN with an ACK (RFC 9293 §3.10.7.4, fourth)", () => {
    using d = new Dialogue();
    const { peer } = waiting(d);
    peer.sends("S 5000 <mss 1460, TS 1 0>");
    peer.gets(". 2 ack 1002");
    peer.sends("S 5 <mss 1460, noTS>");
    peer.gets(". 2 ack 1002");
  });

  it("without timestamps gives way to a SYN above the last number (RFC 9293 §3.10.7.4, fourth)", () => {
    using d = new Dialogue();
    const { peer } = waiting(d, false);
    peer.sends("S 900 <mss 1460>");
    peer.gets(". 2 ack 1002");
    peer.sends("S 5000 <mss 1460>");
    peer.gets("S. 0 ack 5001");
  });

  it("does not begin anew on a closed port: the SYN is refused, and TIME-WAIT goes on", () => {
    using d = new Dialogue();
    const { peer, listener } = waiting(d);
    listener.close(d.now);
    d.pass(1e6);
    peer.sends(`S 5000 <mss 1460, TS ${peer.tsval} 0>`);
    assertEquals(d.usage.flows, 1);
  });
});

describe("TIME-WAIT of many", () => {
  it("is bounded: above a limit the next one ends at once", () => {
    using d = new Dialogue({ experiments: { timeWaits: 3 } });
    for (const left of [1, 2, 3, 3]) {
      const { peer, app, listener } = d.opened({ mptcp: false });
      app.close();
      peer.gets("F. 1");
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
      listener.close(d.now);
      assertEquals(d.usage.flows, left);
    }
    assertEquals(d.counter("TCPTimeWaitOverflow"), 1);
    d.pass(60e6);
    assertEquals(d.usage.flows, 0);
  });

  it("counts a flow once, however often its FIN comes again", () => {
    using d = new Dialogue({ experiments: { timeWaits: 3 } });
    const { peer, app } = d.opened({ mptcp: false });
    app.close();
    peer.gets("F. 1");
    for (let i = 0; i < 5; i++) {
      peer.sends("F. 1 ack 2");
      peer.gets(". 2 ack 2");
    }
    assertEquals([d.usage.flows, d.counter("TCPTimeWaitOverflow")], [1, 0]);
    d.pass(60e6);
    assertEquals(d.usage.flows, 0);
  });
});

describe("a RST", () => {
  it("ends the connection and tells the application", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(100);
    peer.takeAll();
    peer.sends("R 1");
    assertEquals(app.code, "ConnectionReset");
    d.pass(100e6);
    d.silent();
    app.close();
    assertEquals(d.usage, NOTHING);
  });

  it("of ours after abort() leaves nothing", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(100);
    peer.takeAll();
    app.abort();
    peer.gets("R. 101");
    assertEquals(app.code, "ConnectionAborted");
    app.close();
    assertEquals(d.usage, NOTHING);
    // What still comes belongs to nobody.
    peer.sends(". 1 ack 101");
    peer.gets("R 101");
  });

  it("leaves what came before it to be read", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    peer.sends("R 101");
    assertEquals(app.code, "ConnectionReset");
    assertEquals(app.read(), 100);
    assert(!app.socket.atEnd);
  });
});
