import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { JoinPorts } from "../../../core/host/join_ports.ts";
import { StackError } from "../../../core/host/stack_error.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const PORT = 4444;

describe("ports that are held for joins", () => {
  const [a, b] = [{}, {}];

  it("are held for one address until the last holder lets go", () => {
    const ports = new JoinPorts();
    ports.hold(a, 1, "10.0.1.1", PORT);
    ports.hold(b, 3, "10.0.1.1", PORT);
    assertEquals([ports.has("10.0.1.1", PORT), ports.has("10.0.0.1", PORT)], [true, false]);
    assertEquals([ports.has("", PORT), ports.has("", 444), ports.has("", 4445)], [
      true,
      false,
      false,
    ]);
    ports.release(a, 1);
    ports.release(a, 1);
    assertEquals(ports.has("10.0.1.1", PORT), true);
    ports.release(b, 1);
    assertEquals(ports.has("10.0.1.1", PORT), true);
    ports.release(b, 3);
    assertEquals([ports.has("10.0.1.1", PORT), ports.has("", PORT)], [false, false]);
  });

  it("are one for each id: another takes its place; all go with their holder", () => {
    const ports = new JoinPorts();
    ports.hold(a, 1, "10.0.1.1", PORT);
    ports.hold(a, 1, "10.0.1.1", 5555);
    ports.hold(a, 2, "10.0.2.1", PORT);
    assertEquals([ports.has("10.0.1.1", PORT), ports.has("10.0.1.1", 5555)], [false, true]);
    ports.leave(b);
    ports.leave(a);
    ports.leave(a);
    assertEquals([ports.has("", PORT), ports.has("", 5555)], [false, false]);
  });
});

/** A server's connection that has announced its second address with a port. */
function announced(d: Dialogue, port = PORT): { peer: Peer; app: App } {
  const { peer, app } = d.opened();
  announce(d, app, port);
  peer.gets(`. 1 ack 1 <add 1 ${d.address(1)} port ${port}>`);
  return { peer, app };
}

function announce(d: Dialogue, app: App, port: number): void {
  const { context } = app.socket.paths;
  context.announce({ ...context.locals[1]!, port });
  d.stack.flush(d.now);
}

for (const family of [4, 6] as const) {
  describe(`RFC 8684 §3.4.1: an address that is announced with another port (IPv${family})`, () => {
    it("takes joins there, and counts them", () => {
      using d = new Dialogue({ family });
      const { peer, app } = announced(d);
      peer.sends(`. 1 ack 1 <echo 1 ${d.address(1)} port ${PORT}>`);
      const second = d.peer({ link: 1, port: PORT, session: peer.session });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("S. 0 ack 1 <join synack id 1>");
      second.sends(". 1 ack 1 <join ack>");
      assertEquals(app.socket.subflows.map(({ local }) => local.port), [80, PORT]);
      assertEquals(["MPJoinPortSynRx", "MPJoinPortAckRx"].map((name) => d.counter(name)), [1, 1]);
    });

    it("takes no connections: a SYN with MP_CAPABLE, or plain, is reset as prohibited", () => {
      using d = new Dialogue({ family });
      announced(d);
      for (const options of [["mpc"], []]) {
        const other = d.peer({ link: 1, port: PORT });
        other.offers({}, "S", options);
        other.gets("R. 0 ack 1 <tcprst 3>");
      }
      assertEquals(d.counter("MPCapableEndpAttempt"), 2);
      // The other address has nobody there, and no reason to tell.
      const other = d.peer({ link: 0, port: PORT });
      other.offers({}, "S", ["mpc"]);
      other.gets("R. 0 ack 1 <!tcprst>");
      assertEquals([d.counter("MPCapableEndpAttempt"), d.usage.connections], [2, 1]);
    });

    it("takes no joins of nobody's", () => {
      using d = new Dialogue({ family });
      announced(d);
      const other = d.peer({ link: 1, port: PORT });
      other.offers({}, "S", ["join syn id 1 bad"]);
      other.gets("R. 0 ack 1 <tcprst 1>");
      assertEquals([d.counter("MPJoinNoTokenFound"), d.counter("MPCapableEndpAttempt")], [1, 0]);
    });

    it("has the port kept from listeners and from our own connections until it is taken back", () => {
      using d = new Dialogue({ family });
      const { app, peer } = announced(d);
      const observer = { onConnection() {} };
      for (const address of ["", d.address(1)]) {
        assertThrows(
          () => d.stack.listen(d.now, { address, port: PORT, observer }),
          StackError,
          "Cannot listen on port 4444 as a connection has announced it for its paths",
        );
      }
      d.stack.listen(d.now, { address: d.address(0), port: PORT, observer }).close(d.now);
      const { context } = app.socket.paths;
      context.withdraw(context.locals[1]!);
      d.stack.flush(d.now);
      d.pass(200e3);
      peer.gets(". 1 ack 1 <rm 1>");
      const listener = d.stack.listen(d.now, { address: "", port: PORT, observer });
      const other = d.peer({ link: 1, port: PORT });
      other.offers({}, "S", ["mpc"]);
      other.gets("S. 0 ack 1 <mpc key>");
      listener.close(d.now);
    });

    it("leaves a listener that was there before to its application", () => {
      using d = new Dialogue({ family });
      d.listen(PORT);
      announced(d);
      const other = d.peer({ link: 1, port: PORT });
      other.offers({}, "S", ["mpc"]);
      other.gets("S. 0 ack 1 <mpc key>");
      assertEquals(d.counter("MPCapableEndpAttempt"), 0);
    });

    const ends: readonly [string, (d: Dialogue, app: App, peer: Peer) => void][] = [
      ["the connection ends", (_, app) => app.abort()],
      ["its address goes", (d) => d.stack.removeAddress(d.now, d.address(1))],
      ["it falls back to plain TCP", (d, _, peer) => {
        peer.sends("P. 1:11 ack 1");
        d.pass(1e6);
      }],
      ["another port takes its place", (d, app) => announce(d, app, 5555)],
      ["no port does", (d, app) => announce(d, app, 0)],
    ];
    for (const [what, end] of ends) {
      it(`holds its port no longer when ${what}`, () => {
        using d = new Dialogue({ family });
        const { app, peer } = announced(d);
        assertEquals(d.stack.joinPorts.has("", PORT), true);
        end(d, app, peer);
        assertEquals(d.stack.joinPorts.has("", PORT), false);
      });
    }

    it("holds none that is announced when the connection is over", () => {
      using d = new Dialogue({ family });
      const { app } = d.opened();
      app.abort();
      d.sent.length = 0;
      announce(d, app, PORT);
      assertEquals(d.stack.joinPorts.has("", PORT), false);
    });
  });
}

describe("RFC 8684 §3.4.1: a client that joins an address with another port", () => {
  it("counts its answer", () => {
    using d = new Dialogue();
    const { peer, app } = d.dialled();
    peer.sends(`. 1 ack 1 <add 1 10.0.1.2 port ${PORT}>`);
    d.pass(0);
    d.sent.length = 0;
    const { context } = app.socket.paths;
    context.use([1, context.index({ local: context.locals[1]!, remote: context.remotes[1]! })]);
    d.stack.flush(d.now);
    const second = d.called(peer.session);
    second.gets("S 0 <join syn id 1>");
    second.offers({}, "S.", ["join synack id 1"]);
    second.gets(". 1 ack 1 <join ack>");
    assertEquals(d.counter("MPJoinPortSynAckRx"), 1);
  });
});
