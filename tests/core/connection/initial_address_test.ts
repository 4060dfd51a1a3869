/** The C flag of MP_CAPABLE: no joins to the address and port that the connection began with (RFC 8684 §3.1). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathManagerPlugin } from "../../../core/plugin.ts";
import { fullMesh, nDiffPorts, passive } from "../../../pm/mod.ts";
import { Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import { parseAddress } from "../../../core/wire/ip.ts";
import { Topology } from "../../support/topology.ts";

const DENIES: DialogueOptions = { experiments: { allowJoinInitialAddress: false } };
const CAREFUL: DialogueOptions = { ...DENIES, tcp: { synCookies: "always" } };

/** A connection to the dialogue's host, without a word of its peer's behind the handshake. */
function opened(d: Dialogue) {
  const listener = d.listen();
  const peer = d.peer();
  peer.offers({}, "S", ["mpc"]);
  peer.gets("S. 0 ack 1 <mpc key C>");
  peer.sends(". 1 ack 1 <mpc keys>");
  const app = d.accept(listener);
  peer.sends(". 1 ack 1 <dack8 1>");
  d.settle();
  return { peer, app };
}

for (const family of [4, 6] as const) {
  describe(`RFC 8684 §3.1: 'allowJoinInitialAddress: false' (IPv${family})`, () => {
    it("sets C in the SYN, in the third ACK and with the first data", () => {
      using d = new Dialogue({ ...DENIES, family });
      const app = d.connect();
      const peer = d.called();
      peer.gets("S 0 <mpc C>");
      peer.offers({}, "S.", ["mpc key"]);
      peer.gets(". 1 ack 1 <mpc keys C>");
      app.write(10);
      peer.gets("P. 1:11 <mpc keys len 10 C>");
    });

    for (const [how, options] of [["state", DENIES], ["a cookie", CAREFUL]] as const) {
      // RFC 8684 §3.1: "the sender of this option will not accept additional MPTCP subflows to the source address and port"
      it(`sets C in the SYN/ACK, refuses joins there, and takes those to others: a server with ${how}`, () => {
        using d = new Dialogue({ ...options, family });
        const { peer, app } = opened(d);
        const second = d.peer({ link: 0, session: peer.session });
        second.offers({}, "S", ["join syn id 1"]);
        second.gets("R. 0 ack 1 <tcprst 3>");
        assertEquals([d.counter("MPJoinRejected"), d.counter("MPJoinSynRx")], [1, 1]);
        join(d, peer, 1);
        // The same address with another port is another one.
        const third = d.peer({ link: 0, port: 4444, session: peer.session });
        third.offers({}, "S", ["join syn id 2"]);
        third.gets("S. 0 ack 1 <join synack id 0>");
        third.sends(". 1 ack 1 <join ack>");
        assertEquals(app.socket.subflows.length, 3);
      });
    }

    it("refuses joins of the server to the address of a client", () => {
      using d = new Dialogue({ ...DENIES, family });
      const { peer, app } = d.dialled();
      const second = d.peer({
        link: 0,
        port: app.socket.localEndpoint.port,
        session: peer.session,
      });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("R. 0 ack 1 <tcprst 3>");
      assertEquals(app.socket.subflows.length, 1);
    });

    it("is not said where it is allowed", () => {
      using d = new Dialogue({ family });
      d.connect();
      const { options } = d.called().gets("S 0 <mpc>");
      assertEquals(options.includes("mpc C"), false);
    });

    it("goes with the A flag", () => {
      using d = new Dialogue({
        family,
        experiments: { allowJoinInitialAddress: false, checksum: true },
      });
      d.connect();
      d.called().gets("S 0 <mpc A C>");
    });
  });
}

describe("RFC 8684 §3.1: a peer that sets C", () => {
  const managers: readonly [string, () => PathManagerPlugin, number][] = [
    ["full_mesh", fullMesh, 2],
    ["full_mesh with copies", () => fullMesh({ copies: 2 }), 4],
    ["n_diff_ports", () => nDiffPorts({ subflows: 3 }), 2],
    ["passive", passive, 0],
  ];
  for (const family of [4, 6] as const) {
    for (const [name, manager, most] of managers) {
      // RFC 8684 §3.1: "the receiver MUST NOT try to open any additional subflows toward this address and port"
      it(`is joined at the addresses that it announces, at the first never: ${name} (IPv${family})`, () => {
        const d = new Dialogue({ family, policies: { pathManager: manager() } });
        d.connect();
        const peer = d.called();
        peer.gets("S 0");
        peer.offers({}, "S.", ["mpc key C"]);
        peer.gets(". 1 ack 1");
        peer.sends(". 1 ack 1 <dack8 1>");
        d.pass(5e6);
        d.silent();
        // Its first address again, by another id, is no other.
        peer.sends(`. 1 ack 1 <add 3 ${d.address(0, 2)}>`);
        d.pass(0);
        peer.gets(`. <echo 3>`);
        d.silent();
        peer.sends(`. 1 ack 1 <add 4 ${d.address(1, 2)}>`);
        d.pass(0);
        peer.gets(`. <echo 4>`);
        const joins = d.sent.length;
        for (let i = 0; i < joins; i++) {
          const second = d.called(peer.session);
          assertEquals(parseAddress(second.remote), parseAddress(d.address(1, 2)));
          second.gets("S 0 <join syn>");
        }
        assertEquals(joins, most);
        d.stack.free();
      });
    }
  }

  it("is not joined at its first address in place of the first path, when that has ended", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({}, "S.", ["mpc key C"]);
    peer.gets(". 1 ack 1");
    peer.sends(". 1 ack 1 <dack8 1>");
    d.silent();
    peer.sends("R 1");
    d.pass(59e6);
    d.silent();
  });
});

describe("RFC 8684 §3.1: hosts that deny joins to the first address, on a network", () => {
  for (const family of [4, 6] as const) {
    for (
      const [client, server, paths] of [[true, true, 2], [true, false, 1], [
        false,
        true,
        2,
      ]] as const
    ) {
      it(`client ${client}, server ${server}: ${paths} paths (IPv${family})`, () => {
        using t = new Topology({
          family,
          paths: {
            a: { rate: "20 Mbit/s", delay: "5 ms" },
            b: { rate: "20 Mbit/s", delay: "5 ms" },
          },
          client: { allowJoinInitialAddress: client },
          server: { allowJoinInitialAddress: server },
        });
        const pair = t.connect({ bytes: 100e3, keep: true }, { bytes: 100e3, keep: true });
        t.complete(pair, 20);
        assertEquals(pair.client.socket.subflows.length, paths);
        assertEquals(t.client.counters.get("MPJoinSynTx"), paths - 1);
        assertEquals(t.server.counters.get("MPJoinRejected"), 0);
      });
    }
  }
});
