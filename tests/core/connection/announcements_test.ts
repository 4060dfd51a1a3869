/** The sentences of RFC 8684 §3.4.1 on ADD_ADDR, one by one: in both families, at both ends. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathContext, PathManagerPlugin } from "../../../core/plugin.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** A path manager that does nothing; its context is used from outside. */
function quiet(): { readonly plugin: PathManagerPlugin; context: PathContext } {
  const it = {
    context: null as unknown as PathContext,
    plugin: {
      kind: "path-manager",
      name: "quiet",
      create: (given: PathContext) => {
        it.context = given;
        return { onEvent() {} };
      },
    } as PathManagerPlugin,
  };
  return it;
}

/** Ports and addresses that the stack's SYNs go to; nobody answers them. */
function called(d: Dialogue): string[] {
  const ends: string[] = [];
  while (d.sent.length > 0) {
    const peer = d.called();
    const [got] = peer.takeAll();
    if (got!.flags === "S") ends.push(`${peer.remote} ${peer.remotePort}`);
  }
  return ends.sort();
}

for (const family of [4, 6] as const) {
  const far = (host: number) =>
    family === 4 ? `10.0.1.${host}` : `fd00:0:0:1::${host.toString(16)}`;
  const seen = (host: number) =>
    family === 4 ? `10.0.1.${host}` : `fd00:0:0:1:0:0:0:${host.toString(16)}`;

  describe(`ADD_ADDR at a client that opens paths (IPv${family})`, () => {
    function client() {
      const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
      const { peer, app } = d.dialled();
      // The join from its second address, which nobody answers.
      d.sent.length = 0;
      return { d, peer, app };
    }

    // RFC 8684 §3.4.1: "If no port is specified, MPTCP SHOULD attempt to connect to the specified address on the same port as the port that is already in use by the subflow on which the ADD_ADDR signal was sent"
    it("RFC 8684 §3.4.1: without a port leads to that of the subflow which brought it, not of the first", () => {
      const it = quiet();
      using d = new Dialogue({ family, policies: { pathManager: it.plugin } });
      const { peer } = d.dialled();
      const { context } = it;
      // The server's second subflow is at another port, which an ADD_ADDR named.
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(2)} port 8080>`);
      peer.gets(". 1 ack 1 <echo 3>");
      const path = context.index({ local: context.locals[1]!, remote: context.remotes[1]! });
      context.use([1, path]);
      d.stack.flush(d.now);
      const second = d.called(peer.session);
      second.gets("S 0 <join syn>");
      assertEquals(second.remotePort, 8080);
      second.offers({}, "S.", ["join synack id 3"]);
      second.gets(". 1 ack 1 <join ack>");
      second.sends(". 1 ack 1 <dack8 1>");
      second.sends(`. 1 ack 1 <noTS, add 4 ${far(4)}>`);
      peer.sends(`. 1 ack 1 <noTS, add 5 ${far(5)}>`);
      assertEquals(context.remotes.map(({ id, port }) => [id, port]), [
        [0, 80],
        [3, 8080],
        [4, 8080],
        [5, 80],
      ]);
      d.sent.length = 0;
      // The same option again, by another subflow, as its echo was lost: it is no other port.
      peer.sends(`. 1 ack 1 <noTS, add 4 ${far(4)}>`);
      assertEquals(context.remotes[2]!.port, 8080);
      d.sent.length = 0;
    });

    // RFC 8684 §3.4.1: "SHOULD NOT perform further connection attempts to this address/port combination for this connection"
    it("RFC 8684 §3.4.1: of an address that nobody answers at is tried once, from each of ours, until it is announced anew", () => {
      const { d, peer } = client();
      using _ = d;
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      const tries: string[] = [];
      for (let t = 0; t < 600; t++) {
        tries.push(...called(d));
        d.pass(1e6);
      }
      const there = tries.filter((end) => end.startsWith(seen(9)));
      // Four SYNs from each of two addresses are one attempt each.
      assertEquals(there.length, 8);
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      assertEquals(called(d).filter((end) => end.startsWith(seen(9))).length, 2);
    });

    it("RFC 8684 §3.4.1: of an address that once was reached is tried again, as any path is", () => {
      const { d, peer } = client();
      using _ = d;
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      peer.takeAll();
      const second = d.called(peer.session);
      second.gets("S 0 <join syn>");
      second.offers({}, "S.", ["join synack id 3"]);
      second.takeAll();
      second.sends(". 1 ack 1 <dack8 1>");
      second.sends("R 1");
      d.sent.length = 0;
      const tries: string[] = [];
      for (let t = 0; t < 300; t++) {
        tries.push(...called(d));
        d.pass(1e6);
      }
      assert(tries.filter((end) => end.startsWith(seen(9))).length > 20);
    });

    it("RFC 8684 §3.4.1: of an address that nobody answers at is tried again when our network changes", () => {
      const { d, peer } = client();
      using _ = d;
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      for (let t = 0; t < 100; t++) {
        called(d);
        d.pass(1e6);
      }
      d.stack.removeAddress(d.now, d.address(1));
      const prefix = family === 4 ? 24 : 64;
      d.stack.addAddress(d.now, d.links[1]!, `${d.address(1, 7)}/${prefix}`);
      d.stack.flush(d.now);
      assert(called(d).some((end) => end.startsWith(seen(9))));
    });

    // RFC 8684 §3.4.1: "the address MUST be the same as the address previously assigned to this Address ID"
    it("RFC 8684 §3.4.1: of an id that is taken changes nothing, whatever its port, until REMOVE_ADDR has freed it", () => {
      const { d, peer, app } = client();
      using _ = d;
      const remotes = () =>
        app.socket.paths.context.remotes.map(({ id, address }) => `${id} ${address}`);
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      called(d);
      const before = remotes();
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(10)}>`);
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(10)} port 99>`);
      assertEquals([remotes(), called(d)], [before, []]);
      // RFC 8684 §3.4.1: "A host wishing to replace an existing Address ID MUST first remove the existing one"
      peer.sends(". 1 ack 1 <rm 3>");
      called(d);
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(10)}>`);
      assertEquals(remotes().at(-1), `3 ${far(10)}`);
      assertEquals(called(d).filter((end) => end.startsWith(seen(10))).length, 2);
    });

    // RFC 8684 §3.4.1: "If the port number is different, the receiving host SHOULD try to set up a new subflow to this new address/port combination."
    it("RFC 8684 §3.4.1: with another port has a new subflow opened there", () => {
      const { d, peer } = client();
      using _ = d;
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      assertEquals(called(d), [`${seen(9)} 80`, `${seen(9)} 80`]);
      peer.sends(`. 1 ack 1 <noTS, add 3 ${far(9)} port 8080>`);
      assertEquals(called(d), [`${seen(9)} 8080`, `${seen(9)} 8080`]);
    });

    // RFC 8684 §3.4.1: "a host MUST treat address advertisements as soft state"
    it("RFC 8684 §3.4.1: above the limit is confirmed and forgotten, and taken when it comes again where there is room", () => {
      const { d, peer, app } = client();
      using _ = d;
      const ids = () => app.socket.paths.context.remotes.map(({ id }) => id);
      for (let id = 1; id <= 9; id++) {
        peer.sends(`. 1 ack 1 <noTS, add ${id} ${far(id + 20)}>`);
        d.pass(2e6);
        d.sent.length = 0;
      }
      assertEquals(ids(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      assertEquals(d.counter("EchoAddTx"), 9);
      peer.sends(". 1 ack 1 <rm 4>");
      assertEquals(ids().includes(9), false);
      peer.sends(`. 1 ack 1 <noTS, add 9 ${far(29)}>`);
      assertEquals(ids(), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
      d.sent.length = 0;
    });

    // RFC 8684 §3.4.1: "the receiver MUST undertake standard TCP validity checks, e.g., per [RFC5961], before acting upon it"
    it("RFC 8684 §3.4.1: on a segment that is none of the connection's changes nothing; nor do REMOVE_ADDR and MP_PRIO (§3.4.2)", () => {
      for (
        const where of [". 900000 ack 1", ". -70000 ack 1", ". 1 ack 70000", ". 1 ack -9000000"]
      ) {
        for (const option of [`add 3 ${far(9)}`, "rm 0", "prio backup", "fastclose"]) {
          const { d, peer, app } = client();
          using _ = d;
          peer.sends(`${where} <noTS, ${option}>`);
          const { subflows, paths } = app.socket;
          assertEquals(paths.context.remotes.length, 1, where + option);
          assertEquals([subflows.length, subflows[0]!.backup], [1, false], where + option);
          assertEquals(
            ["AddAddr", "RmAddr", "MPPrioRx", "MPFastcloseRx"].map((n) => d.counter(n)),
            [0, 0, 0, 0],
          );
          d.sent.length = 0;
        }
      }
    });

    // RFC 8684 §3.4.1: "The other bits are currently unassigned; they MUST be set to 0 by a sender and MUST be ignored by the receiver."
    it("RFC 8684 §3.4.1: with bits that mean nothing is taken, and none are set in ours", () => {
      const { d, peer } = client();
      using _ = d;
      const packet = peer.packet(`. 1 ack 1 <noTS, add 3 ${far(9)}>`);
      const at = packet.findIndex((octet, i) => octet === 30 && packet[i + 2] === 0x30);
      packet[at + 2] = 0x3e;
      // The checksum of the header counts it in the upper half of a word where the option begins at an even octet.
      const sum = family === 4 ? 20 + 16 : 40 + 16;
      const field = packet[sum]! << 8 | packet[sum + 1]!;
      const added = 0x0e << ((at + 2) % 2 === 0 ? 8 : 0);
      let folded = (~field & 0xffff) + added;
      folded = (folded & 0xffff) + (folded >>> 16);
      packet[sum] = (~folded >>> 8) & 255;
      packet[sum + 1] = ~folded & 255;
      d.inject(packet);
      assertEquals(d.counter("AddAddr"), 1);
      const { bytes } = peer.gets(". 1 ack 1 <echo 3>");
      const option = bytes.findIndex((octet, i) => octet === 30 && (bytes[i + 2]! >>> 4) === 3);
      assertEquals(bytes[option + 2], 0x31);
      d.sent.length = 0;
    });
  });

  describe(`ADD_ADDR of ours (IPv${family})`, () => {
    function server(addAddrTimeout?: number) {
      const it = quiet();
      const d = new Dialogue({
        family,
        policies: { pathManager: it.plugin },
        ...(addAddrTimeout !== undefined && { experiments: { addAddrTimeout } }),
      });
      const { peer, app } = d.opened();
      return { d, peer, app, context: it.context };
    }

    function announces(d: Dialogue, context: PathContext, port = 0): void {
      context.announce({ ...context.locals[1]!, port });
      d.stack.flush(d.now);
    }

    /** Seconds from the first to each further announcement. */
    function times(d: Dialogue, peer: Peer): number[] {
      const begun = d.now;
      const all: number[] = [];
      for (let t = 0; t < 3000; t++) {
        for (const { options } of peer.takeAll()) {
          if (options.some((option) => option.startsWith("add"))) all.push((d.now - begun) / 1e6);
        }
        d.pass(100e3);
      }
      return all;
    }

    it("is repeated after the timeout of the path, a second at least, then after twice as long each time", () => {
      const { d, peer, context } = server();
      using _ = d;
      announces(d, context);
      assertEquals(times(d, peer), [0, 1, 3, 7, 15, 31]);
    });

    it("is repeated after the timeout that was asked for where that is less; never where it is 0", () => {
      for (
        const [timeout, expected] of [[300e3, [0, 0.3, 0.9, 2.1, 4.5, 9.3]], [0, [0]]] as const
      ) {
        const { d, peer, context } = server(timeout);
        using _ = d;
        announces(d, context);
        assertEquals(times(d, peer), [...expected]);
      }
    });

    it("stops with an echo that has id, address and port of it, and with no other", () => {
      for (const port of [0, 4321]) {
        const { d, peer, context } = server();
        using _ = d;
        announces(d, context, port);
        peer.gets(`. <add 1 ${d.address(1)}${port > 0 ? " port 4321" : ""}>`);
        for (const wrong of [`1 ${d.address(1)} port 80`, `1 ${far(77)}`, `2 ${d.address(1)}`]) {
          peer.sends(`. <noTS, echo ${wrong}>`);
        }
        d.untilSent();
        peer.gets(`. <add 1 ${d.address(1)}>`);
        peer.sends(`. <noTS, echo 1 ${d.address(1)}${port > 0 ? " port 4321" : ""}>`);
        d.pass(100e6);
        d.silent();
      }
    });

    // RFC 8684 §3.4.1: "The Address ID MUST uniquely identify the address for the sender of the option (within the scope of the connection)"
    it("RFC 8684 §3.4.1: has an id that no other address had in the connection", () => {
      const { d, peer, context } = server();
      using _ = d;
      const prefix = family === 4 ? 24 : 64;
      const ids = new Map<number, string>([[0, d.address(0)]]);
      for (let host = 20; host < 60; host++) {
        d.stack.addAddress(d.now, d.links[1]!, `${far(host)}/${prefix}`);
        const local = context.locals.at(-1)!;
        assertEquals(ids.has(local.id), false);
        ids.set(local.id, local.address);
        context.announce(local);
        d.stack.flush(d.now);
        d.pass(1e6);
        if (host % 3 === 0) d.stack.removeAddress(d.now, far(host));
        else context.withdraw(local);
        d.stack.flush(d.now);
        if (host % 3 !== 0) d.stack.removeAddress(d.now, far(host));
        d.pass(1e6);
        peer.takeAll();
      }
      assertEquals(ids.size, 41);
    });

    // RFC 8684 §3.4.1: "A host wishing to replace an existing Address ID MUST first remove the existing one"
    it("RFC 8684 §3.4.1: uses an id again only when all were used, and behind its REMOVE_ADDR", () => {
      const { d, peer, context } = server();
      using _ = d;
      const prefix = family === 4 ? 24 : 64;
      const events: string[] = [];
      const look = () => {
        for (const { options } of peer.takeAll()) {
          for (const option of options) {
            const [kind, id] = option.split(" ");
            if (kind === "add" || kind === "rm") events.push(`${kind} ${id}`);
          }
        }
      };
      for (let i = 0; i < 260; i++) {
        const address = family === 4 ? `10.0.1.${30 + i % 200}` : far(0x100 + i);
        d.stack.addAddress(d.now, d.links[1]!, `${address}/${prefix}`);
        const local = context.locals.at(-1)!;
        context.announce(local);
        d.stack.flush(d.now);
        d.pass(400e3);
        look();
        d.stack.removeAddress(d.now, address);
        d.stack.flush(d.now);
        d.pass(400e3);
        look();
      }
      const held = new Set<string>();
      for (const event of events) {
        const [kind, id = ""] = event.split(" ");
        if (kind === "rm") held.delete(id);
        else {
          assertEquals(held.has(id), false, event);
          held.add(id);
        }
      }
      assert(events.filter((event) => event === "add 2").length === 2, "no id came round");
      assertEquals(held.size, 0);
    });
  });

  describe(`addresses that joins tell of (IPv${family}, PM-2)`, () => {
    // RFC 8684 §3.4.1: "All Address IDs learned via either MP_JOIN or ADD_ADDR SHOULD be stored by the receiver"
    it("RFC 8684 §3.4.1, PM-2: the source of a join is known under its id, whatever a translator made of it; ADD_ADDR of what it was before is confirmed and changes nothing", () => {
      const it = quiet();
      using d = new Dialogue({ family, policies: { pathManager: it.plugin } });
      const { peer, app } = d.opened();
      const second = join(d, peer, 1, {}, 6);
      const remotes = () => it.context.remotes.map(({ id, address }) => `${id} ${address}`);
      const expected = [family === 4 ? "0 10.0.0.2" : "0 fd00::2", `6 ${d.address(1, 2)}`];
      assertEquals(remotes(), expected);
      const inside = family === 4 ? "192.168.0.5" : "fd01::5";
      second.sends(`. 1 ack 1 <noTS, add 6 ${inside}>`);
      assertEquals(remotes(), expected);
      assertEquals([d.counter("AddAddr"), d.counter("EchoAddTx")], [1, 1]);
      peer.takeAll();
      // It goes by the id alone.
      peer.sends(". 1 ack 1 <rm 6>");
      assertEquals(remotes().length, 1);
      assertEquals(app.socket.subflows.length, 2);
      d.sent.length = 0;
    });

    it("RFC 8684 §3.4.1: both ends of a join are known by their ids, also of a mixed path", () => {
      using d = new Dialogue({ family });
      const { app } = joined(d);
      assertEquals(app.socket.subflows.map(({ localId, remoteId }) => [localId, remoteId]), [
        [0, 0],
        [1, 1],
      ]);
    });
  });
}
