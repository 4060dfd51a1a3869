import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";

/** No segment has an MPTCP option. */
function plain(segments: readonly { options: readonly string[] }[]): boolean {
  const words = /^(mpc|join|dack|map|add|echo|rm|prio|fail|fastclose|tcprst)/;
  return segments.every(({ options }) => !options.some((each) => words.test(each)));
}

describe("MT-1: fallback to plain TCP (RFC 8684 §3.7)", () => {
  it("server: the client does not offer MPTCP", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(20000);
    peer.sends("P. 1:1001");
    assertEquals(app.read(), 1000);
    app.finish();
    const sent = [...peer.takeAll()];
    while (!sent.at(-1)!.flags.includes("F")) {
      peer.acks();
      sent.push(...peer.takeAll());
    }
    assert(plain(sent));
    assertEquals(app.socket.fallback, true);
    assertEquals(d.usage.tokens, 0);
    peer.sends(`F. ack ${peer.acked}`);
    assertEquals(app.code, null);
  });

  // RFC 8684 §3.1: "it is assumed that the sender of the SYN/ACK is not multipath capable; thus, the MPTCP session MUST operate as a
  // regular, single-path TCP session"
  // RFC 8684 §3.7: "SHOULD fall back to regular TCP if either of the SYN messages does not have the MPTCP options"
  // RFC 8684 §6: "If this is dropped, MPTCP SHOULD fall back to regular TCP."
  it("client: the server does not answer with MPTCP, or a middlebox takes it from the SYN or the SYN/ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.dialled({ mptcp: false });
    app.write(3000);
    const sent = peer.takeAll();
    assert(plain(sent));
    assertEquals(sent.at(-1)!.end, 3001);
    peer.acks();
    peer.sends("F. 1:11 ack 3001");
    assertEquals(app.read(), 10);
    assertEquals(d.usage.tokens, 0);
    app.close();
    assert(plain(peer.takeAll()));
  });

  // RFC 8684 §3.1: "If the third packet (the ACK) does not contain the MP_CAPABLE option, then the session MUST fall back"
  // RFC 8684 §3.1: "the host MUST stop using MPTCP and no longer include MPTCP options in future TCP packets"
  it("server: a middlebox takes the option from the SYN/ACK: the third ACK has none", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. <mpc key>");
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    assertEquals(app.socket.fallback, true);
    peer.sends("P. 1:101");
    assertEquals(app.read(), 100);
    app.write(10);
    assert(plain(peer.takeAll()));
    assertEquals(d.counter("MPCapableFallbackACK"), 1);
  });

  // RFC 8684 §3.1: "If this option is not present, the connection SHOULD fall back to regular TCP, as documented in Section 3.7."
  it("server: a middlebox takes options from data only", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. <mpc key>");
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    peer.sends("P. 1:101 ack 1");
    assertEquals(app.read(), 100);
    assertEquals(app.socket.fallback, true);
    d.pass(50e3);
    assert(plain(peer.takeAll()));
    peer.sends("F. 101:201 ack 1");
    assertEquals(app.read(), 100);
    assertEquals(app.socket.atEnd, true);
    assertEquals(d.counter("MPCapableDataFallback"), 1);
  });

  // RFC 8684 §3.1: "If this option is not present, the connection SHOULD fall back to regular TCP, as documented in Section 3.7."
  it("client: a middlebox takes options from data only", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    app.write(2000);
    peer.takeAll();
    peer.sends(". ack 2001");
    assertEquals(app.socket.fallback, true);
    assertEquals(app.socket.unacked, 0);
    app.write(2000);
    const sent = peer.takeAll();
    assert(plain(sent));
    assertEquals(sent.at(-1)!.end, 4001);
    peer.sends("P. 1:101 ack 4001");
    assertEquals(app.read(), 100);
  });

  it("client: closed before it was seen: the FIN takes the place of the DATA_FIN", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    app.write(100);
    app.close();
    peer.takeAll();
    peer.sends(". ack 101");
    peer.gets("F. 101");
    peer.sends("F. 1 ack 102");
    d.pass(100e6);
    d.sent.length = 0;
    assertEquals(d.usage.connections, 0);
  });

  it("sends again what was lost before it, without mappings", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1");
    app.write(5000);
    const [first] = peer.takeAll();
    peer.sends(`. ack ${first!.end}`);
    assertEquals(app.socket.fallback, true);
    d.untilSent();
    assert(plain([peer.gets(`. ${first!.end}:${first!.end + 1448}`)]));
  });

  it("after the peer's DATA_FIN: who has closed, too, waits for its FIN a minute, and not for ever", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 101 fin>");
    assertEquals([app.read(), app.socket.atEnd], [100, true]);
    app.write(10);
    peer.takeAll();
    // No options come back any more.
    peer.sends(". 101 ack 11");
    assertEquals(app.socket.fallback, true);
    app.close();
    peer.gets("F. 11");
    peer.sends(". 101 ack 12");
    d.pass(59e6);
    assertEquals([app.code, d.usage.connections], [null, 1]);
    d.pass(2e6);
    assertEquals([d.usage.connections, d.usage.flows], [0, 0]);
  });

  it("does not happen on a subflow that is left: its FIN would be the end of the data", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. <mpc key>");
    peer.sends("P. 1:2 ack 1 <mpc keys>");
    const app = d.accept(listener);
    peer.sends(". 2 ack 1 <dack8 1>");
    app.socket.paths.context.use([]);
    d.stack.flush(d.now);
    peer.gets("F. 1:1 ack 2");
    app.write(10);
    peer.sends("P. 2:102 ack 2 <add 6 10.0.0.3>");
    assertEquals([app.socket.fallback, app.socket.acked], [false, 0]);
  });

  it("does not happen for a single segment without options on a connection that was agreed", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(100);
    peer.takeAll();
    peer.acks();
    peer.sends(". 1 ack 101");
    assertEquals(app.socket.fallback, false);
    const second = join(d, peer, 1);
    second.data(10);
    assertEquals(app.read(), 10);
  });

  // RFC 8684 §3.2: "If Host B does not receive the expected HMAC or the MP_JOIN option is missing from the ACK, it MUST close the subflow with a TCP RST."
  it("a join needs its options: a third ACK without them is reset, and the connection stays what it is", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S.");
    // Its third ACK is stripped: no HMAC, so it is not taken.
    second.sends(". 1 ack 1");
    second.gets("R. <tcprst 1>");
    assertEquals(app.socket.subflows.length, 1);
    assertEquals(app.socket.fallback, false);
  });

  it("without MPTCP at all by request sends none of its options", () => {
    using d = new Dialogue({ experiments: { mptcp: false } });
    const app = d.connect();
    const peer = d.called();
    assert(plain([peer.gets("S 0")]));
    peer.offers({}, "S.", []);
    app.write(100);
    assert(plain(peer.takeAll()));
    using other = new Dialogue({ experiments: { mptcp: false } });
    const { peer: client } = other.opened({ mptcp: false });
    assertEquals(client.pending, false);
    const third = other.peer();
    third.offers({}, "S", ["mpc"]);
    assert(plain([third.gets("S.")]));
  });
});
