/** Both sides begin the same join at once (RFC 8684 §3.9.2, RFC 9293 §3.5), and what each calls its addresses (RFC 8684 §3.2). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { connectionInfo } from "../../../core/net/info.ts";
import type { HostAddress, PathContext, PathManagerPlugin } from "../../../core/plugin.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joining } from "../../support/joins.ts";
import type { Offer } from "../../support/scripted_peer.ts";

const OPTIONS = { policies: { pathManager: fullMesh() } };

const SYN: Offer = {};

describe("joins that cross (RFC 8684 §3.9.2)", () => {
  for (const family of [4, 6] as const) {
    it(`RFC 8684 §3.9.2: SYN crosses SYN: one subflow, both HMACs looked at, data when the third ACK is answered (IPv${family})`, () => {
      using d = new Dialogue({ ...OPTIONS, family });
      const { second, app } = joining(d);
      // RFC 8684 §3.9.2: "If a host does not support TCP simultaneous open, it is RECOMMENDED that some element of randomization be applied": one that does, needs none.
      second.offers(SYN, "S", ["join syn id 5"]);
      second.gets("S. 0 ack 1 <join synack id 1>");
      d.pass(10e3);
      second.offers(SYN, "S.", ["join synack id 5"]);
      second.gets(". 1 ack 1 <join ack>");
      assertEquals(app.socket.subflows.length, 1);
      app.write(100);
      second.sends(". 1 ack 1 <join ack>");
      // Our answer to the third ACK, which is itself the answer to ours.
      second.gets(". 1 ack 1 <dack 1>");
      assertEquals(app.socket.subflows.map(({ remoteId }) => remoteId), [0, 5]);
      assertEquals(connectionInfo(app.socket, d.now).joins, []);
      second.data(50);
      assertEquals(app.read(), 50);
      const names = ["MPJoinSynTx", "MPJoinSynRx", "MPJoinSynAckRx"];
      assertEquals(names.map((name) => d.counter(name)), [1, 1, 1]);
      assertEquals(d.usage.flows, 2);
    });
  }

  it("the SYN/ACK of the peer is lost: its third ACK, with the longer HMAC, says as much", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers(SYN, "S", ["join syn id 5"]);
    second.gets("S. 0 ack 1 <join synack>");
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1 <dack 1>");
    assertEquals(app.socket.subflows.length, 2);
  });

  it("our SYN/ACK is lost: it goes again, after a second", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers(SYN, "S", ["join syn id 5"]);
    second.lose();
    d.pass(1.1e6);
    second.gets("S. 0 ack 1 <join synack>");
    second.offers(SYN, "S.", ["join synack id 5"]);
    second.gets(". 1 ack 1 <join ack>");
    // And the third ACK too.
    d.untilSent(3e6);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.length, 2);
  });

  for (
    const [what, options, counter] of [
      ["whose HMAC is wrong", ["join synack id 5 bad"], 1],
      ["without MP_JOIN", [], 0],
    ] as const
  ) {
    it(`RFC 8684 §3.2: a SYN/ACK ${what} is reset there, too`, () => {
      using d = new Dialogue(OPTIONS);
      const { second, app } = joining(d);
      second.offers(SYN, "S", ["join syn id 5"]);
      second.gets("S. 0 ack 1 <join synack>");
      second.offers(SYN, "S.", options);
      second.gets("R. 1 <tcprst 1>");
      assertEquals([app.socket.attempts.length, app.code], [1, undefined]);
      assertEquals(d.counter("MPJoinSynAckHMacFailure"), counter);
    });
  }

  it("a SYN that names another connection, or none, has nothing to do with ours", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers(SYN, "S", []);
    second.offers(SYN, "S", ["mpc"]);
    d.silent();
    second.offers(SYN, "S", ["join syn id 5 bad"]);
    // RFC 8684 §3.2: a token that nobody has is reset.
    second.gets("R. <tcprst 1>");
    second.offers(SYN, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.length, 2);
  });

  it("the B flag of either SYN makes it a backup", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers(SYN, "S", ["join syn id 5 backup"]);
    second.gets("S. 0 ack 1 <join synack>");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(app.socket.subflows.map(({ backup }) => backup), [false, true]);
    assertEquals(d.counter("MPJoinSynBackupRx"), 1);
  });
});

describe("address ids of joins (RFC 8684 §3.2)", () => {
  it("RFC 8684 §3.2: the one in the SYN/ACK is kept: a REMOVE_ADDR of it ends the subflow", () => {
    using d = new Dialogue(OPTIONS);
    const { first, second, app } = joining(d);
    // RFC 8684 §3.2: "A host MUST store the mappings between Address IDs and addresses both for itself and the remote host."
    second.offers({}, "S.", ["join synack id 7"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.map(({ localId, remoteId }) => [localId, remoteId]), [
      [0, 0],
      [1, 7],
    ]);
    first.sends(". 1 ack 1 <dack8 1, rm 7>");
    // It is asked whether it works.
    second.gets(". 0 ack 1");
    // Its address is that of the first subflow: no second entry.
    assertEquals(app.socket.paths.context.remotes.map(({ id }) => id), [0]);
  });

  it("RFC 8684 §3.2: an address that was never announced is known by what the SYN/ACK calls it", () => {
    let context: PathContext | null = null;
    const manual: PathManagerPlugin = {
      kind: "path-manager",
      name: "manual",
      create: (given) => {
        context = given;
        return { onEvent() {} };
      },
    };
    using d = new Dialogue({ policies: { pathManager: manual } });
    const { peer: first, app } = d.dialled();
    const { index, locals, remotes, use } = context! as PathContext;
    const remote: HostAddress = { ...remotes[0]!, id: 99, address: "10.0.1.2" };
    use([1, index({ local: locals[1]!, remote })]);
    d.stack.flush(d.now);
    const second = d.called(first.session);
    second.gets("S 0 <join syn id 1>");
    second.offers({}, "S.", ["join synack id 6"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.paths.context.remotes.map(({ id, address }) => [id, address]), [
      [0, "10.0.0.2"],
      [6, "10.0.1.2"],
    ]);
    first.sends(". 1 ack 1 <dack8 1, rm 6>");
    // It is asked whether it works.
    second.gets(". 0 ack 1");
  });

  it("RFC 8684 §3.2: the one in the peer's SYN is kept with its source", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 200"]);
    second.gets("S. 0 ack 1 <join synack id 1>");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(app.socket.paths.context.remotes.map(({ id, address }) => [id, address]), [
      [0, "10.0.0.2"],
      [200, "10.0.1.2"],
    ]);
    assertEquals(app.socket.paths.context.locals.map(({ id, address }) => [id, address]), [
      [0, "10.0.0.1"],
      [1, "10.0.1.1"],
    ]);
  });
});
