import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathContext } from "../../../core/plugin.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";

describe("ADD_ADDR, sent (RFC 8684 §3.4.1)", () => {
  /** A server that announces its second address as soon as it may. */
  function announcing(family: 4 | 6 = 4) {
    const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S.");
    d.pass(20e3);
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    return { d, peer, app };
  }

  // Draft ARC-6: the path manager's option.
  it("goes out on an ACK of its own with a good HMAC, once the peer has both keys: only joins wait for a DSS", () => {
    const { d, peer } = announcing();
    peer.gets(". 1 ack 1 <add 1 10.0.1.1, TS, !dack, !dack8>");
    d.silent();
    peer.sends(". 1 ack 1 <dack8 1>");
    d.silent();
    d.stack.free();
  });

  it("waits at a client for a DSS: the server may not have its key", () => {
    let context: PathContext | null = null;
    const d = new Dialogue({
      policies: {
        pathManager: {
          kind: "path-manager",
          name: "announcer",
          create: (given) => {
            context = given;
            return {
              onEvent({ type }) {
                if (type === "start") given.announce(given.locals[1]!);
              },
            };
          },
        },
      },
    });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    d.silent();
    app.socket.paths.context.announce(context!.locals[1]!);
    d.pass(5e6);
    d.silent();
    peer.sends(". 1 ack 1 <dack8 1>");
    peer.gets(". 1 ack 1 <add 1 10.0.1.1>");
    d.silent();
    d.stack.free();
  });

  // RFC 8684 §3.1: "new subflows MUST NOT be established … until a DSS option has been successfully received across the path"
  it("leaves the paths that a server asks for to wait for a DSS", () => {
    const d = new Dialogue({
      policies: {
        pathManager: {
          kind: "path-manager",
          name: "server_opens",
          create: ({ locals, remotes, index, use }) => ({
            onEvent({ type }) {
              if (type === "start") use([1, index({ local: locals[1]!, remote: remotes[0]! })]);
            },
          }),
        },
      },
    });
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S.");
    peer.sends(". 1 ack 1 <mpc keys>");
    d.accept(listener);
    d.silent();
    peer.sends(". 1 ack 1 <dack8 1>");
    assertEquals(d.sent.length, 1);
    d.stack.free();
  });

  it("is not repeated on what has become plain TCP", () => {
    const { d, peer, app } = announcing();
    peer.gets(". 1 ack 1 <add 1 10.0.1.1>");
    app.write(100);
    peer.gets("P. 1:101 <map 1 1 100>");
    peer.sends(". 1 ack 101");
    assertEquals(app.socket.fallback, true);
    d.pass(600e6);
    d.silent();
    d.stack.free();
  });

  it("is repeated until its echo comes, with back-off, and then no more", () => {
    const { d, peer } = announcing();
    peer.gets(". <add 1 10.0.1.1>");
    assertEquals(d.untilSent(), 1e6);
    peer.gets(". <add 1 10.0.1.1>");
    assertEquals(d.untilSent(), 2e6);
    peer.gets(". <add 1 10.0.1.1>");
    peer.sends(". <echo 1 10.0.1.1>");
    d.pass(600e6);
    d.silent();
    assertEquals(d.counter("EchoAdd"), 1);
    d.stack.free();
  });

  it("is given up after six", () => {
    const { d, peer } = announcing();
    d.pass(600e6);
    assertEquals(peer.takeAll().length, 6);
    d.stack.free();
  });

  it("has IPv6 addresses beside timestamps", () => {
    const { d, peer } = announcing(6);
    peer.gets(". <add 1 fd00:0:0:1::1, TS>");
    d.stack.free();
  });

  it("with IPv6 and a port goes without timestamps: they do not fit (an exception to RFC 7323 §3.2)", () => {
    let context: PathContext | null = null;
    const d = new Dialogue({
      family: 6,
      policies: {
        pathManager: {
          kind: "path-manager",
          name: "announcer",
          create: (given) => {
            context = given;
            return { onEvent() {} };
          },
        },
      },
    });
    const { peer } = d.opened();
    const [, second] = context!.locals;
    context!.announce({ ...second!, port: 4321 });
    peer.gets(". <add 1 fd00:0:0:1::1 port 4321, !TS>");
    d.stack.free();
  });

  it("is no loss signal for the peer, nor its echo for us", () => {
    const { d, peer, app } = announcing();
    peer.takeAll();
    app.write(5000);
    peer.takeAll();
    for (let i = 0; i < 5; i++) peer.sends(". 1 ack 1 <echo 1 10.0.1.1>");
    d.silent();
    assertEquals(app.socket.subflows[0]!.inRecovery, false);
    d.stack.free();
  });
});

describe("ADD_ADDR, received (RFC 8684 §3.4.1)", () => {
  function client() {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { peer, app } = d.dialled();
    return { d, peer, app };
  }

  it("with a good HMAC is echoed, and joined to", () => {
    const { d, peer, app } = client();
    peer.sends(". 1 ack 1 <add 3 10.0.1.2>");
    peer.gets(". 1 ack 1 <echo 3 10.0.1.2>");
    const joins = [d.called(peer.session), null];
    joins[0]!.gets("S 0 <join syn>");
    assertEquals(d.counter("AddAddr"), 1);
    assertEquals(joins[0]!.remote, "10.0.1.2");
    assertEquals(joins[0]!.remotePort, 80);
    assertEquals(app.socket.paths.accepted, 1);
    d.stack.free();
  });

  // RFC 8684 §3.4.1: "If a host receives an ADD_ADDR option for which it cannot validate the HMAC, it SHOULD silently ignore the option."
  it("with a wrong HMAC is dropped without a word", () => {
    const { d, peer, app } = client();
    peer.sends(". 1 ack 1 <add 3 10.0.1.2 bad>");
    d.silent();
    assertEquals(d.counter("AddAddrDrop"), 1);
    assertEquals(app.socket.paths.accepted, 0);
    d.stack.free();
  });

  it("with a port leads there", () => {
    const { d, peer } = client();
    peer.sends(". 1 ack 1 <add 3 10.0.1.2 port 8080>");
    peer.gets(". 1 ack 1 <echo 3 10.0.1.2 port 8080>");
    assertEquals(d.called(peer.session).remotePort, 8080);
    d.stack.free();
  });

  // RFC 8684 §3.4.1: "If the port number is different, the receiving host SHOULD try to set up a new subflow to this new address/port combination."
  it("of a known address with another port leads there, too", () => {
    const { d, peer } = client();
    peer.sends(". 1 ack 1 <add 3 10.0.1.2>");
    peer.gets(". 1 ack 1 <echo 3 10.0.1.2>");
    assertEquals(d.called(peer.session).remotePort, 80);
    d.sent.length = 0;
    peer.sends(". 1 ack 1 <add 3 10.0.1.2 port 8080>");
    peer.gets(". 1 ack 1 <echo 3 10.0.1.2 port 8080>");
    assertEquals(d.called(peer.session).remotePort, 8080);
    d.stack.free();
  });

  // RFC 8684 §3.4.1: "a host MUST treat address advertisements as soft state, and it MAY choose to refresh advertisements periodically"
  it("that comes again is echoed again and opens nothing more", () => {
    const { d, peer, app } = client();
    peer.sends(". 1 ack 1 <add 3 10.0.1.2>");
    d.sent.length = 0;
    peer.sends(". 1 ack 1 <add 3 10.0.1.2>");
    peer.gets(". 1 ack 1 <echo 3 10.0.1.2>");
    d.silent();
    assertEquals(app.socket.paths.accepted, 1);
    peer.sends(". 1 ack 1 <rm 3>");
    assertEquals(app.socket.paths.accepted, 0);
    d.stack.free();
  });

  // RFC 8684 §3.4.1: "the address MUST be the same as the address previously assigned to this Address ID"
  it("under an id of another address is not taken", () => {
    const { d, peer } = client();
    peer.sends(". 1 ack 1 <add 3 10.0.1.2>");
    d.sent.length = 0;
    peer.sends(". 1 ack 1 <add 3 10.0.1.99>");
    d.silent();
    d.stack.free();
  });

  it("of an address that can be no host's is dropped", () => {
    const { d, peer } = client();
    const none = ["127.0.0.1", "255.255.255.255", "224.0.0.9", "0.0.0.0"];
    const mapped = none.map((address) => `::ffff:${address}`);
    for (const address of [...none, ...mapped, "::", "::1", "ff02::1"]) {
      peer.sends(`. 1 ack 1 <noTS, add 3 ${address}>`);
    }
    d.silent();
    assertEquals(d.counter("AddAddrDrop"), 11);
    d.stack.free();
  });

  it("of an IPv4 address in the form of IPv6 leads to that IPv4 address; its echo has it as it came", () => {
    const { d, peer, app } = client();
    peer.sends(". 1 ack 1 <noTS, add 3 ::ffff:10.0.1.2>");
    peer.gets(". 1 ack 1 <echo 3 ::ffff:a00:102>");
    const second = d.called(peer.session);
    assertEquals([second.local, second.remote, second.remotePort], ["10.0.1.1", "10.0.1.2", 80]);
    second.gets("S 0 <join syn id 1>");
    const third = d.called(peer.session);
    assertEquals([third.local, third.remote], ["10.0.0.1", "10.0.1.2"]);
    third.gets("S 0 <join syn id 0>");
    const { address, family } = app.socket.paths.context.remotes[1]!;
    assertEquals([address, family], ["10.0.1.2", 4]);
    // The same in its usual form is known.
    peer.sends(". 1 ack 1 <add 3 10.0.1.2>");
    peer.gets(". 1 ack 1 <echo 3 10.0.1.2>");
    d.silent();
    d.stack.free();
  });

  it("of hundreds of addresses is bounded", () => {
    const { d, peer, app } = client();
    for (let id = 1; id < 256; id++) peer.sends(`. 1 ack 1 <add ${id} 10.0.1.${id}>`);
    assertEquals(app.socket.attempts.length <= 9, true);
    assertEquals(app.socket.paths.context.remotes.length <= 16, true);
    d.stack.free();
  });
});

describe("REMOVE_ADDR, sent (RFC 8684 §3.4.2)", () => {
  /** A server that has announced three further addresses of its second link, with their echoes and a join to each. */
  function announced() {
    let context: PathContext | null = null;
    const d = new Dialogue({
      policies: {
        pathManager: {
          kind: "path-manager",
          name: "announcer",
          create: (given) => {
            context = given;
            return { onEvent() {} };
          },
        },
      },
    });
    for (const host of [21, 22]) d.stack.addAddress(d.now, d.links[1]!, `10.0.1.${host}/24`);
    const { peer: first, app } = d.opened();
    const { locals, announce, withdraw } = context!;
    const joins = locals.slice(1).map((local) => {
      // A third in a row would wait, or take another subflow.
      d.pass(2e6);
      announce(local);
      d.stack.flush(d.now);
      first.gets(`. 1 ack 1 <add ${local.id} ${local.address}>`);
      first.sends(`. 1 ack 1 <echo ${local.id} ${local.address}>`);
      const peer = d.peer({ link: 1, session: first.session });
      Object.assign(peer, { local: local.address });
      peer.offers({}, "S", [`join syn id ${local.id + 10}`]);
      peer.gets(`S. 0 ack 1 <join synack id ${local.id}>`);
      d.pass(20e3);
      peer.sends(". 1 ack 1 <join ack>");
      peer.gets(". 1 ack 1");
      return peer;
    });
    d.pass(2e6);
    d.silent();
    assertEquals(app.socket.paths.signalled, 3);
    return { d, first, app, joins, locals: locals.slice(1), withdraw };
  }

  it("when an announced address goes, on another subflow", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { peer } = d.opened();
    // `opened` has taken the announcement out.
    peer.sends(". 1 ack 1 <echo 1 10.0.1.1>");
    d.stack.removeAddress(d.now, d.address(1));
    peer.gets(". 1 ack 1 <rm 1>");
    d.stack.free();
  });

  it("names all of a batch at once; the subflows to them end by FIN", () => {
    const { d, first, app, joins, locals, withdraw } = announced();
    for (const local of locals) withdraw(local);
    d.stack.flush(d.now);
    first.gets(". 1 ack 1 <rm 1 2 3, TS, dack 1>");
    for (const join of joins) {
      join.gets("F. 1");
      join.sends("F. 1 ack 2 <dack8 1>");
      join.gets(". 2 ack 2");
    }
    d.silent();
    assertEquals(app.socket.subflows.length, 1);
    const { RmAddrTx, RmSubflow, TcpOutRsts } = d.stack.counters.all();
    assertEquals([RmAddrTx, RmSubflow, TcpOutRsts], [3, 3, undefined]);
    assertEquals(app.socket.paths.signalled, 0);
    d.stack.free();
  });

  it("waits for the pause after the one before it", () => {
    const { d, first, joins, locals, withdraw } = announced();
    for (const local of locals) {
      withdraw(local);
      d.stack.flush(d.now);
    }
    first.gets(". 1 ack 1 <rm 1>");
    assertEquals(first.pending, false);
    d.pass(100e3);
    first.gets(". 1 ack 1 <rm 2 3>");
    for (const join of joins) join.lose();
    d.pass(1e6);
    assertEquals(first.pending, false);
    d.stack.free();
  });

  it("waits for a link that is full", () => {
    const { d, first, locals, withdraw } = announced();
    for (const link of d.links) link.full = true;
    for (const local of locals) withdraw(local);
    d.stack.flush(d.now);
    d.silent();
    for (const link of d.links) link.full = false;
    for (const link of d.links) d.stack.handleWritable(d.now, link);
    d.stack.flush(d.now);
    first.gets(". 1 ack 1 <rm 1 2 3>");
    d.stack.free();
  });

  it("of the only subflow's address goes on it, before its FIN", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.socket.paths.context;
    d.stack.removeAddress(d.now, d.address(0));
    peer.gets(". 1 ack 1 <rm 0>");
    peer.gets("F. 1 ack 1");
    d.silent();
  });
});

describe("the echo of an ADD_ADDR", () => {
  it("with another address or port is none, and the announcement is repeated", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { peer } = d.opened();
    for (const echo of ["1 9.9.9.9", "1 10.0.1.1 port 80", "1 10.0.1.2"]) {
      peer.sends(`. 1 ack 1 <echo ${echo}>`);
    }
    d.untilSent();
    peer.gets(". 1 ack 1 <add 1 10.0.1.1>");
    peer.sends(". 1 ack 1 <echo 1 10.0.1.1>");
    d.pass(100e6);
    d.silent();
    d.stack.free();
  });
});
