/** Ports of joins (RFC 8684 §3.9.1), and joins of ours that cannot begin. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathContext, PathManagerPlugin } from "../../../core/plugin.ts";
import { fullMesh, nDiffPorts } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { dialled } from "../../support/joins.ts";

/** A path manager whose context is used from outside. */
function manual(): { plugin: PathManagerPlugin; context: () => PathContext } {
  let context: PathContext | null = null;
  const plugin: PathManagerPlugin = {
    kind: "path-manager",
    name: "manual",
    create: (given) => {
      context = given;
      return { onEvent() {} };
    },
  };
  return { plugin, context: () => context! };
}

describe("the ports of a join of ours (RFC 8684 §3.9.1)", () => {
  for (const family of [4, 6] as const) {
    it(`RFC 8684 §3.9.1: are those of the first subflow, on the other address (IPv${family})`, () => {
      using d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
      const { first } = dialled(d, 8443);
      // RFC 8684 §3.9.1: "Under typical operation, an MPTCP implementation SHOULD use the same ports as the ports that are already in use."
      const second = d.called(first.session);
      assertEquals(second.local, family === 4 ? "10.0.1.1" : "fd00:0:0:1:0:0:0:1");
      // RFC 8684 §3.9.1: "the destination port of a SYN containing an MP_JOIN option SHOULD be the same as the remote port of the first subflow in the connection"
      assertEquals(second.remotePort, 8443);
      // RFC 8684 §3.9.1: "The local port for such SYNs SHOULD also be the same as the port for the first subflow"
      assertEquals(second.localPort, first.localPort);
      second.gets("S 0 <join syn id 1>");
    });
  }

  it("RFC 8684 §3.9.1: is another where that is infeasible: between the addresses of the first, from a second copy on", () => {
    using d = new Dialogue({ policies: { pathManager: nDiffPorts({ subflows: 3 }) } });
    const { first } = dialled(d);
    const ports = [d.called(first.session), null].map((peer) => {
      const at = peer ?? d.called(first.session);
      at.gets("S 0 <join syn id 0>");
      assertEquals(at.local, "10.0.0.1");
      return at.localPort;
    });
    assertEquals(new Set([first.localPort, ...ports]).size, 3);
  });

  it("RFC 8684 §3.9.1: is another where that is infeasible: another connection has it", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const app = d.connect();
    const first = d.called();
    first.gets("S 0 <mpc>");
    const other = d.stack.connect(d.now, {
      local: { address: "10.0.1.1", port: first.localPort },
      remote: { address: "10.0.0.2", port: 80 },
      observer: app,
    });
    assertEquals(other.localEndpoint.port, first.localPort);
    d.called().gets("S 0 <mpc>");
    first.offers({}, "S.", ["mpc key"]);
    first.gets(". 1 ack 1 <mpc keys>");
    first.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(first.session);
    assertEquals(second.local, "10.0.1.1");
    assertNotEquals(second.localPort, first.localPort);
    second.gets("S 0 <join syn id 1>");
  });

  it("is another when the path is opened again: the peer may remember the flow that was", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { first } = dialled(d);
    const second = d.called(first.session);
    second.gets("S 0 <join syn id 1>");
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    for (const [peer, local] of [[second, "10.0.1.1"], [first, "10.0.0.1"]] as const) {
      peer.sends("R 1 <tcprst 6 transient>");
      d.pass(2e6);
      const again = d.called(first.session);
      assertEquals(again.local, local);
      assertNotEquals(again.localPort, first.localPort);
      again.gets("S 0 <join syn>");
      again.lose();
      d.sent.length = 0;
    }
  });

  it("RFC 8684 §3.9.1: of a server's are its own, and those of the client's first subflow", () => {
    const { plugin, context } = manual();
    using d = new Dialogue({ policies: { pathManager: plugin } });
    const { peer } = d.opened();
    peer.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    peer.sends(". 101 ack 1 <dack8 1, add 4 10.0.1.2>");
    peer.takeAll();
    const { index, locals, remotes, use } = context();
    use([1, index({ local: locals[1]!, remote: remotes[1]! })]);
    const second = d.called(peer.session);
    assertEquals([second.local, second.localPort], ["10.0.1.1", 80]);
    assertEquals([second.remote, second.remotePort], ["10.0.1.2", peer.remotePort]);
    second.gets("S 0 <join syn id 1>");
  });

  it("RFC 8684 §3.9.1: are reserved: what is chosen for one address is free at the others, too", () => {
    using d = new Dialogue();
    const ports = new Map<number, string>();
    for (let i = 0; i < 40; i++) {
      // The port that would be next for the second address is taken at the first.
      const remote = { address: "10.0.0.2", port: 80 };
      const local = d.stack.routes.find("10.0.1.1")!;
      const next = d.stack.flows.plan(local, 0, remote, 0, d.now)!.local.port + 1;
      const observer = { onEstablished() {}, onReadable() {}, onWritable() {}, onClosed() {} };
      if (ports.has(next)) continue;
      const first = d.stack.connect(d.now, {
        local: { address: "10.0.0.1", port: next },
        remote,
        observer,
      });
      ports.set(first.localEndpoint.port, "10.0.0.1");
      const second = d.stack.connect(d.now, {
        local: { address: "10.0.1.1", port: 0 },
        remote,
        observer,
      });
      const { port } = second.localEndpoint;
      assert(!ports.has(port), `${port} is that of another connection`);
      ports.set(port, "10.0.1.1");
    }
  });
});

describe("a join of ours that cannot begin", () => {
  for (
    const [what, counter] of [
      ["from an address that is none of ours", "MPJoinSynTxBindErr"],
      ["over a link that is down", "MPJoinSynTxConnectErr"],
      ["as the flow cannot be kept", "MPJoinSynTxCreatSkErr"],
    ] as const
  ) {
    it(`${what} is counted, tried again later, and no MPJoinSynTx`, () => {
      const { plugin, context } = manual();
      using d = new Dialogue({ policies: { pathManager: plugin } });
      const { app } = dialled(d);
      const { index, locals, remotes, use } = context();
      const local = counter === "MPJoinSynTxBindErr"
        ? { ...locals[1]!, address: "10.0.1.77" }
        : { ...locals[1]! };
      if (counter === "MPJoinSynTxConnectErr") d.stack.setLinkUp(d.now, d.links[1]!, false);
      if (counter === "MPJoinSynTxCreatSkErr") Object.assign(d.stack, { register: () => false });
      use([1, index({ local, remote: remotes[0]! })]);
      d.stack.flush(d.now);
      d.silent();
      assertEquals([d.counter(counter), d.counter("MPJoinSynTx")], [1, 0]);
      d.pass(1.1e6);
      assertEquals(d.counter(counter), 2);
      assertEquals([app.socket.attempts.length, app.code], [1, undefined]);
    });
  }

  it("MPJoinSynTx counts what began, not what goes again", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { first } = dialled(d);
    const second = d.called(first.session);
    d.pass(7.5e6);
    assertEquals(second.takeAll().map(({ flags }) => flags), ["S", "S", "S", "S"]);
    assertEquals(d.counter("MPJoinSynTx"), 1);
  });
});
