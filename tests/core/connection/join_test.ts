import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";

describe("MP_JOIN, server (RFC 8684 §3.2)", () => {
  // RFC 8684 §3.2: "the recipient SHOULD respond with a SYN/ACK also containing an MP_JOIN option containing a random number and a
  // truncated (leftmost 64 bits) HMAC"
  it("EST-7: answers with its HMAC, takes the client's, and sends the fourth ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 3"]);
    second.gets("S. 0 ack 1 <join synack id 1>");
    assertEquals(app.socket.subflows.length, 1);
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1 <dack 1>");
    assertEquals(app.socket.subflows.length, 2);
    assertEquals(app.socket.subflows[1]!.remoteId, 3);
    assertEquals(d.counter("MPJoinAckRx"), 1);
  });

  // RFC 8684 §3.2: "If Host B does not receive the expected HMAC or the MP_JOIN option is missing from the ACK, it MUST close the
  // subflow with a TCP RST."
  // RFC 8684 §3.2: "the sender SHOULD send an MP_TCPRST option (Section 3.6) on this RST packet with the reason code for an
  // 'MPTCP-specific error'"
  // RFC 8684 §3.6: "In order to let the receiving host know why a subflow is being closed or rejected, the TCP RST packet MAY include
  // the MP_TCPRST option (Figure 15)."
  // RFC 8684 §3.9.3: "Section 3.8 specifies that an incorrect handshake MUST lead to the subflow being closed with a RST."
  it("EST-7: resets when the HMAC is wrong, with MP_TCPRST, and the subflow never is", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 3"]);
    second.gets("S. 0 ack 1");
    second.sends(". 1 ack 1 <join ack bad>");
    second.gets("R. <tcprst 1>");
    assertEquals(d.counter("MPJoinAckHMacFailure"), 1);
    assertEquals(app.socket.subflowsTotal, 1);
    assertEquals(d.usage.flows, 1);
    peer.data(100);
    assertEquals(app.read(), 100);
  });

  for (
    const [what, segment] of [
      ["an ACK without MP_JOIN", ". 1 ack 1"],
      ["an ACK with a DATA_ACK alone", ". 1 ack 1 <dack8 1>"],
      ["data", "P. 1:101 ack 1 <dack8 1, map8 1 1 100>"],
      ["the MP_JOIN of another segment", ". 1 ack 1 <join synack id 3>"],
      ["a FIN", "F. 1 ack 1"],
    ] as const
  ) {
    // RFC 8684 §3.2: "If Host B does not receive the expected HMAC or the MP_JOIN option is missing from the ACK, it MUST close the
    // subflow with a TCP RST."
    it(`EST-7: resets when ${what} comes in place of the third ACK's HMAC, and takes nothing from it`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 3"]);
      second.gets("S. 0 ack 1");
      second.sends(segment);
      second.gets("R. <tcprst 1>");
      assertEquals(app.read(), 0);
      assertEquals([app.socket.subflowsTotal, d.usage.flows], [1, 1]);
      const third = d.peer({ link: 1, session: peer.session });
      third.offers({}, "S", ["join syn id 3"]);
      third.gets("S. 0 ack 1");
    });
  }

  // RFC 8684 §3.2: "receipt of this packet MUST trigger a regular TCP ACK in response, and the packet MUST be retransmitted if this ACK
  // is not received"
  it("sends the fourth ACK again when the third comes again", () => {
    using d = new Dialogue();
    const { second } = joined(d);
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1 <dack 1>");
  });

  it("repeats the SYN/ACK with the same random number, and gives up after a while", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 3"]);
    const first = second.gets("S. 0 ack 1 <join synack>");
    d.untilSent();
    const again = second.gets("S. 0 ack 1 <join synack>");
    assertEquals(first.bytes.subarray(-16), again.bytes.subarray(-16));
    d.pass(60e6);
    second.takeAll();
    assertEquals(d.usage.flows, 1);
  });

  it("takes the B flag: the subflow is a backup (RFC 8684 §3.3.8)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 3 backup"]);
    second.gets("S. 0 ack 1");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(app.socket.subflows.map(({ backup }) => backup), [false, true]);
  });

  it("is refused on a connection that is plain TCP, or ends", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const { session } = peer;
    app.abort();
    peer.takeAll();
    const second = d.peer({ link: 1, session });
    second.offers({}, "S", ["join syn id 3"]);
    second.gets("R. <tcprst 1>");
  });

  // RFC 8684 §3.2: "If the token received at Host B is unknown or local policy prohibits the acceptance of the new subflow, the
  // recipient MUST respond with a TCP RST for the subflow"
  it("may be refused by the path manager, with its reason", () => {
    using d = new Dialogue({
      policies: {
        pathManager: {
          kind: "path-manager",
          name: "closed",
          create: () => ({ onEvent() {}, refuse: () => 4 }),
        },
      },
    });
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 3"]);
    second.gets("R. <tcprst 4>");
    assertEquals(app.socket.subflows.length, 1);
  });
});

describe("MP_JOIN, client (RFC 8684 §3.2)", () => {
  function dialling() {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(20e3);
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    return { d, app, peer };
  }

  // RFC 8684 §3.1: "new subflows MUST NOT be established … until a DSS option has been successfully received across the path"
  it("EST-7: begins only when a DSS has come", () => {
    const { d, peer } = dialling();
    d.silent();
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    assertEquals(second.local, "10.0.1.1");
    second.gets("S 0 <join syn id 1>");
    d.silent();
    d.stack.free();
  });

  // RFC 8684 §3.2: "receipt of this packet MUST trigger a regular TCP ACK in response, and the packet MUST be retransmitted if this ACK
  // is not received"
  it("EST-7: sends the third ACK with its HMAC, repeats it, and carries no data before the fourth", () => {
    const { d, app, peer } = dialling();
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    second.gets("S 0 <join syn id 1>");
    d.pass(20e3);
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    app.write(100000);
    assertEquals(second.pending, false);
    peer.takeAll();
    d.untilSent();
    peer.takeAll();
    d.pass(200e3);
    second.gets(". 1 ack 1 <join ack>");
    d.sent.length = 0;
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(second.take().seq, 1);
    assertEquals(app.socket.subflows.length, 2);
    d.stack.free();
  });

  // RFC 8684 §3.2: "the HMAC returned to Host A does not match the one expected, Host A MUST close the subflow with a TCP RST"
  // RFC 8684 §3.2: "the sender SHOULD send an MP_TCPRST option (Section 3.6) on this RST packet with the reason code for an
  // 'MPTCP-specific error'"
  // RFC 8684 §3.2: "If the SYN/ACK as received at Host A does not have an MP_JOIN option, Host A MUST close the subflow with a TCP RST."
  // RFC 8684 §3.2: "a SYN/ACK is received without the MP_JOIN option … then the subflow is unusable and Host A MUST close it with a RST"
  it("EST-7: resets a SYN/ACK whose HMAC is wrong, or that has none", () => {
    for (const option of [["join synack id 0 bad"], [], ["mpc key"]]) {
      const { d, app, peer } = dialling();
      peer.sends(". 1 ack 1 <dack8 1>");
      const second = d.called(peer.session);
      second.gets("S 0 <join syn id 1>");
      second.offers({}, "S.", option);
      second.gets("R.");
      assertEquals(app.socket.attempts.length, 1);
      assertEquals(app.code, undefined);
      d.stack.free();
    }
  });

  it("gives up when nobody answers, and the connection goes on", () => {
    const { d, app, peer } = dialling();
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    d.pass(15.5e6);
    assertEquals(second.takeAll().map(({ flags }) => flags), ["S", "S", "S", "S"]);
    assertEquals(d.counter("MPJoinSynTx"), 1);
    assertEquals(app.socket.attempts.length, 1);
    app.write(10);
    peer.gets("P. 1:11");
    d.stack.free();
  });

  it("gives up a third ACK that is never answered", () => {
    const { d, app, peer } = dialling();
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    second.gets("S 0 <join syn id 1>");
    second.offers({}, "S.", ["join synack id 0"]);
    d.pass(120e6);
    assertEquals(app.socket.attempts.length, 1);
    assertEquals(app.socket.subflowsTotal, 1);
    d.stack.free();
  });

  it("has the HMAC on every ACK before the fourth: the server would reset one without", () => {
    const { d, peer } = dialling();
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    second.gets("S 0 <join syn id 1>");
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    // Beyond the window: a challenge ACK is due.
    second.sends(". 9000000 ack 1");
    second.gets(". 1 ack 1 <join ack>");
    d.stack.free();
  });

  // RFC 8684 §3.1: "the receiver MUST NOT try to open any additional subflows toward this address and port"
  it("does not open paths to the first address of a server that denies them (C flag)", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({}, "S.", ["mpc key C"]);
    peer.gets(". 1 ack 1");
    peer.sends(". 1 ack 1 <dack8 1>");
    d.silent();
    d.stack.free();
  });
});

describe("MP_PRIO (RFC 8684 §3.3.8)", () => {
  // RFC 8684 §3.3.8: "the data sender SHOULD adhere to these requests"
  it("of the peer moves data away from a subflow, and back", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends(". <prio backup>");
    app.write(100);
    second.gets("P. 1:101 <map 1 1 100>");
    second.sends(". ack 101 <dack8 101>");
    first.sends(". <prio>");
    second.sends(". <prio backup>");
    app.write(100);
    first.gets("P. 1:101 <map 101 1 100>");
  });

  it("of the peer does not undo what our path manager asked for", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.socket.paths.context.setBackup(app.socket.subflows[1]!.path, true);
    d.stack.flush(d.now);
    second.gets(". 1 ack 1 <prio backup>");
    second.sends(". <prio>");
    assertEquals(app.socket.subflows.map(({ backup }) => backup), [false, true]);
    app.write(100);
    first.gets("P. 1:101 <map 1 1 100>");
  });

  it("does not stop data where only backups are left", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends(". <prio backup>");
    second.sends(". <prio backup>");
    app.write(100);
    assertEquals([...first.takeAll(), ...second.takeAll()].length, 1);
  });

  // Draft ARC-6: the path manager asks, the transport sends.
  it("is sent when the path manager asks", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.socket.paths.context.setBackup(app.socket.subflows[1]!.path, true);
    d.stack.flush(d.now);
    second.gets(". 1 ack 1 <prio backup>");
    app.write(100);
    first.gets("P. 1:101");
    assertEquals(d.counter("MPPrioTx"), 1);
  });
});

describe("joins over IPv6", () => {
  it("work as over IPv4", () => {
    using d = new Dialogue({ family: 6 });
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    second.data(100);
    assertEquals(app.read(), 100);
  });
});
