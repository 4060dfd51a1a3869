/** MP_JOIN octet by octet, its third and fourth ACK, and joins that race with the end of the data (RFC 8684 §3.2, appendix D). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathManagerPlugin } from "../../../core/plugin.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { join, joining } from "../../support/joins.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

const OPTIONS = { policies: { pathManager: fullMesh() } };

/** The first octets of the MP_JOIN of a segment: kind, length, subtype with flags, address id. */
function head(got: Got, length: number): string {
  const { bytes } = got;
  for (let at = bytes.length - length; at > 0; at--) {
    if (bytes[at] === 30 && bytes[at + 1] === length && bytes[at + 2]! >> 4 === 1) {
      return [...bytes.subarray(at, at + 4)].map((each) => each.toString(16).padStart(2, "0"))
        .join(" ");
    }
  }
  return "none";
}

describe("the octets of MP_JOIN (RFC 8684 §3.2)", () => {
  for (const family of [4, 6] as const) {
    it(`RFC 8684 §3.2: reserved bits are 0 in SYN, SYN/ACK and third ACK, B as it is wanted (IPv${family})`, () => {
      using d = new Dialogue({ ...OPTIONS, family });
      const { first, second, syn } = joining(d);
      // RFC 8684 §3.2: "The MP_JOIN option on packets with the SYN flag set also includes 4 bits of flags, 3 of which are currently reserved and MUST be set to 0 by the sender."
      assertEquals(head(syn, 12), "1e 0c 10 01");
      second.offers({}, "S.", ["join synack id 0"]);
      // RFC 8684 §3.2: "The reserved bits in this option MUST be set to 0 by the sender."
      assertEquals(head(second.gets(". 1 ack 1 <join ack>"), 24), "1e 18 10 00");
      const third = d.peer({ link: 1, session: first.session, port: 99 });
      third.offers({}, "S", ["join syn id 3"]);
      assertEquals(head(third.gets("S. 0 ack 1 <join synack id 1>"), 16), "1e 10 10 01");
    });
  }

  it("RFC 8684 §3.3.8: B is set in the SYN of a path that is a backup of ours", () => {
    const backup: PathManagerPlugin = {
      kind: "path-manager",
      name: "backup",
      create: ({ index, locals, remotes, use, setBackup }) => ({
        onEvent({ type }) {
          if (type !== "start") return;
          const path = index({ local: locals[1]!, remote: remotes[0]! });
          setBackup(path, true);
          use([1, path]);
        },
      }),
    };
    using d = new Dialogue({ policies: { pathManager: backup } });
    const { second, app, syn } = joining(d);
    assertEquals(head(syn, 12), "1e 0c 11 01");
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.map((each) => each.backup), [false, true]);
  });

  it("RFC 8684 §3.2: B in the SYN/ACK makes a backup of it, too, and is counted", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers({}, "S.", ["join synack id 0 backup"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.map(({ backup }) => backup), [false, true]);
    assertEquals(d.counter("MPJoinSynAckBackupRx"), 1);
  });

  for (const cookies of [false, true]) {
    it(`RFC 8684 §3.2: B is set in the SYN/ACK where joins to the address are backups of ours${cookies ? ", from a cookie, too" : ""}`, () => {
      const backup: PathManagerPlugin = {
        kind: "path-manager",
        name: "backup",
        create: () => ({ onEvent() {}, joinsAsBackup: ({ address }) => address === "10.0.1.1" }),
      };
      using d = new Dialogue({
        policies: { pathManager: backup },
        ...(cookies && { mptcp: { joinBacklog: 0 } }),
      });
      const { peer: first, app } = d.opened();
      const second = d.peer({ link: 1, session: first.session });
      second.offers({}, "S", ["join syn id 3"]);
      assertEquals(head(second.gets("S. 0 ack 1 <join synack>"), 16).slice(0, 8), "1e 10 11");
      second.sends(". 1 ack 1 <join ack>");
      // All is said.
      second.gets(". 1 ack 1 <!prio>");
      d.pass(1e6);
      second.takeAll();
      assertEquals(app.socket.subflows.map((each) => each.backup), [false, true]);
      assertEquals(d.counter("MPPrioTx"), 0);
    });
  }

  for (
    const [what, octets] of [
      ["of 4 octets", "1e 04 10 01"],
      ["of 16 octets", `1e 10 10 01 ${"00 ".repeat(12).trim()}`],
      ["of 13 octets", `1e 0d 10 01 ${"00 ".repeat(9).trim()}`],
    ] as const
  ) {
    it(`EST-6: a SYN with an MP_JOIN ${what} is no plain SYN: it is reset, and reaches no listener`, () => {
      using d = new Dialogue();
      const { peer, app, listener } = d.opened();
      const second = d.peer({ link: 1, session: peer.session });
      second.sends(`S 0 <mss 1460, raw ${octets}>`);
      second.gets("R. 0 ack 1 <tcprst 1>");
      assertEquals([listener.halfOpen.size, app.socket.attempts.length], [0, 1]);
      assertEquals(d.counter("MPTCPMalformed"), 1);
    });
    it(`RFC 8684 §3.2: a SYN/ACK with an MP_JOIN ${what.replace("16", "12")} has none: it is reset`, () => {
      using d = new Dialogue(OPTIONS);
      const { second, app } = joining(d);
      const option = octets.replace("1e 10", "1e 0c").split(" ").slice(
        0,
        what.includes("16") ? 12 : 40,
      );
      // RFC 8684 §3.2: "If the SYN/ACK as received at Host A does not have an MP_JOIN option, Host A MUST close the subflow with a TCP RST."
      second.sends(`S. 0 ack 1 <mss 1460, raw ${option.join(" ")}>`);
      second.gets("R. 1 ack 1 <tcprst 1>");
      assertEquals([app.socket.attempts.length, app.code], [1, undefined]);
    });
  }
});

describe("the third and the fourth ACK of a join (RFC 8684 §3.2)", () => {
  it("RFC 8684 §3.2: no data go before the fourth ACK, though nothing else is left to carry them", () => {
    using d = new Dialogue(OPTIONS);
    const { first, second, app } = joining(d);
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    first.sends("R 1 <tcprst 3>");
    app.write(5000);
    // RFC 8684 §3.2: "the packet MUST be retransmitted if this ACK is not received"
    const times: number[] = [];
    const start = d.now;
    for (let i = 0; i < 3; i++) {
      d.untilSent(20e6);
      times.push(Math.round((d.now - start) / 1e5) / 10);
      second.gets(". 1 ack 1 <join ack>");
      d.silent();
    }
    for (let i = 1; i < times.length; i++) assert(times[i]! > times[i - 1]!, times.join());
    second.sends(". 1 ack 1 <dack8 1>");
    second.gets("P. 1:1429 <map 1 1 1428>");
    assertEquals(app.code, undefined);
  });

  it("RFC 8684 §3.2: data of the peer are its fourth ACK, and are taken", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    assertEquals([app.read(), app.socket.subflows.length], [100, 2]);
  });

  it("the third ACK is lost: the SYN/ACK that comes again has it sent again, before its own time", () => {
    using d = new Dialogue(OPTIONS);
    const { second, app } = joining(d);
    second.offers({}, "S.", ["join synack id 0"]);
    second.lose();
    d.pass(10e3);
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.length, 2);
  });

  it("a server's third ACK is lost: data right behind would have lost MP_JOIN, and are reset; what has it opens", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack>");
    // A retransmitted third ACK, with data right behind the first that arrives.
    second.sendsMore(". 1 ack 1 <join ack>");
    second.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    // RFC 8684 §3.2: "receipt of this packet MUST trigger a regular TCP ACK in response"
    second.gets(". 1 ack 101 <dack8 101>");
    assertEquals([app.read(), app.socket.subflows.length], [100, 2]);
  });

  it("no path is opened before a DSS has come (RFC 8684 §3.1), whoever asks", () => {
    for (const wait of [0, 5e6]) {
      using d = new Dialogue(OPTIONS);
      const app = d.connect();
      const first = d.called();
      first.gets("S 0 <mpc>");
      first.offers({}, "S.", ["mpc key"]);
      first.gets(". 1 ack 1 <mpc keys>");
      d.pass(wait);
      // RFC 8684 §3.1: "Note that new subflows MUST NOT be established (using the process documented in Section 3.2) until a DSS option has been successfully received
      // across the path (as documented in Section 3.3)."
      first.sends(". 1 ack 1 <add 3 10.0.1.9>");
      first.takeAll();
      d.silent();
      assertEquals(app.socket.attempts.length, 1);
      first.sends(". 1 ack 1 <dack8 1>");
      d.called(first.session).gets("S 0 <join syn>");
    }
  });
});

describe("a join that races with the end of the data (RFC 8684 appendix D)", () => {
  const ends: readonly (readonly [string, (peer: Peer, app: App) => void, boolean])[] = [
    ["before either DATA_FIN", () => {}, true],
    ["after ours", (peer, app) => {
      app.finish();
      peer.gets(". <map 1 0 1 fin>");
    }, true],
    ["after ours, DATA_ACKed", (peer, app) => {
      app.finish();
      peer.gets(". <map 1 0 1 fin>");
      peer.sends(". 1 ack 1 <dack8 2>");
    }, true],
    ["after the peer's", (peer) => {
      peer.sends(". 1 ack 1 <dack8 1, map8 1 0 1 fin>");
      peer.gets(". 1 ack 1 <dack8 2>");
    }, true],
    ["after both, ours not DATA_ACKed", (peer, app) => {
      peer.sends(". 1 ack 1 <dack8 1, map8 1 0 1 fin>");
      peer.gets(". 1 ack 1 <dack8 2>");
      app.finish();
      peer.gets(". <map 1 0 1 fin>");
    }, true],
    ["after both, DATA_ACKed", (peer, app) => {
      peer.sends(". 1 ack 1 <dack8 1, map8 1 0 1 fin>");
      peer.gets(". 1 ack 1 <dack8 2>");
      app.finish();
      peer.gets(". <map 1 0 1 fin>");
      peer.sends(". 1 ack 1 <dack8 2>");
      peer.gets("F. 1 ack 1");
    }, false],
    ["after close() and the whole exchange", (peer, app) => {
      app.close();
      peer.gets(". <map 1 0 1 fin>");
      peer.sends(". 1 ack 1 <dack8 2, map8 1 0 1 fin>");
      peer.takeAll();
    }, false],
  ];
  for (const family of [4, 6] as const) {
    for (const [when, end, taken] of ends) {
      it(`${when} is ${taken ? "taken" : "refused: nobody has the token any more"} (IPv${family})`, () => {
        using d = new Dialogue({ family });
        const { peer, app } = d.opened();
        end(peer, app);
        if (taken) {
          join(d, peer, 1);
          assertEquals(app.socket.subflows.length, 2);
        } else {
          const second = d.peer({ link: 1, session: peer.session });
          second.offers({}, "S", ["join syn id 1"]);
          second.gets("R. 0 ack 1 <tcprst 1>");
          assertEquals(d.counter("MPJoinNoTokenFound"), 1);
        }
        assertEquals(app.code, taken ? undefined : null);
      });

      it(`whose SYN came before, and its third ACK ${when}, is ${taken ? "taken" : "reset"} (IPv${family})`, () => {
        using d = new Dialogue({ family });
        const { peer, app } = d.opened();
        const second = d.peer({ link: 1, session: peer.session });
        second.offers({}, "S", ["join syn id 1"]);
        second.gets("S. 0 ack 1 <join synack>");
        end(peer, app);
        if (!taken) second.gets("R. 1 ack 1 <tcprst 0>");
        second.sends(". 1 ack 1 <join ack>");
        if (taken) assertEquals(app.socket.subflows.length, 2);
        else second.gets("R 1");
        d.pass(60e6);
        assertEquals(d.stack.halfOpenJoins.size, 0);
      });
    }
  }
});

describe("IPv4 and IPv6 in one connection", () => {
  for (const family of [4, 6] as const) {
    const other = family === 4 ? 6 : 4;
    const ours = other === 6 ? "fd00:0:0:1::7" : "10.0.1.7";
    const theirs = other === 6 ? "fd00:0:0:1::9" : "10.0.1.9";

    it(`a client of IPv${family} joins over IPv${other} when the server announces such an address`, () => {
      using d = new Dialogue({ ...OPTIONS, family });
      d.stack.addAddress(d.now, d.links[1]!, `${ours}/${other === 6 ? 64 : 24}`);
      const { first, second, app } = joining(d);
      second.lose();
      first.sends(`. 1 ack 1 <${other === 6 ? "noTS" : "dack8 1"}, add 4 ${theirs}>`);
      first.takeAll();
      const third = d.called(first.session);
      assertEquals([third.remotePort, third.localPort], [80, first.localPort]);
      third.gets("S 0 <join syn id 2>");
      third.offers({}, "S.", ["join synack id 4"]);
      third.gets(". 1 ack 1 <join ack>");
      third.sends(". 1 ack 1 <dack8 1>");
      third.data(100);
      assertEquals(app.read(), 100);
      assertEquals(app.socket.subflows.map(({ local }) => local.address.includes(":")), [
        family === 6,
        other === 6,
      ]);
    });

    it(`a server of IPv${family} takes a join over IPv${other}, and sends data on it`, () => {
      const options: DialogueOptions = { family };
      using d = new Dialogue(options);
      d.stack.addAddress(d.now, d.links[1]!, `${ours}/${other === 6 ? 64 : 24}`);
      const { peer, app } = d.opened();
      const second = d.peer({ link: 1, session: peer.session });
      Object.assign(second, { local: ours, remote: theirs });
      second.offers({}, "S", ["join syn id 9"]);
      second.gets("S. 0 ack 1 <join synack id 2>");
      second.sends(". 1 ack 1 <join ack>");
      second.gets(". 1 ack 1");
      second.data(100);
      assertEquals([app.read(), app.socket.subflows[1]!.remoteId], [100, 9]);
      peer.sends(". 1 ack 1 <dack8 1, prio backup>");
      d.sent.length = 0;
      app.write(1000);
      second.gets("P. 1:1001 <map 1 1 1000>");
    });
  }
});
