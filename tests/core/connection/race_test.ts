import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DEFAULT_SETTINGS, type TcpSettings } from "../../../core/subflow/settings.ts";
import { formatAddress, parseAddress } from "../../../core/wire/ip.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { icmpAbout } from "../../support/icmp.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6);
const { connectionAttemptDelay } = DEFAULT_SETTINGS;

/** An address in its usual text. */
function usual(address: string): string {
  return formatAddress(parseAddress(address)!.bytes);
}

/** The host's end of a flow. */
function localOf({ local }: Peer): string {
  return usual(local);
}

/** A host with an address on each of two links, a second family where that is asked for. */
function dialogue(tcp: Partial<TcpSettings> = {}, family: 4 | 6 = 4): Dialogue {
  return new Dialogue({ family, tcp: { connectionAttemptDelay, ...tcp } });
}

/** Both SYNs of a connection whose first one is not answered in time. */
function both(d: Dialogue): { first: Peer; second: Peer } {
  const first = d.called();
  first.gets("S 0");
  d.pass(249e3);
  d.silent();
  d.pass(1e3);
  const second = d.called();
  second.gets("S 0");
  d.silent();
  return { first, second };
}

for (const family of [4, 6] as const) {
  describe(`connect() without a local address, IPv${family}`, () => {
    it("begins at the address that its routes choose, and from another after 250 ms without an answer", () => {
      using d = dialogue({}, family);
      const app = d.connect();
      const { second } = both(d);
      assertEquals(localOf(second), usual(d.address(1)));
      assertEquals(app.socket.localEndpoint.address, usual(d.address(0)));
      assertEquals(d.counter("ConnectRaceTries"), 1);
    });

    it("is the connection that is answered first; the answer to the other gets a RST and no third ACK", () => {
      using d = dialogue({}, family);
      const app = d.connect();
      const { first, second } = both(d);
      second.offers({}, "S.", ["mpc key"]);
      second.gets(". 1 ack 1 <mpc keys>");
      assertEquals(app.log, ["established"]);
      assertEquals(app.socket.localEndpoint.address, usual(d.address(1)));
      first.offers({}, "S.", ["mpc key"]);
      first.gets("R 1");
      d.pass(100e6);
      d.silent();
      assertEquals(d.usage.flows, 1);
      assertEquals(
        app.socket.tries.map(({ local, outcome }) => [local.address, outcome]),
        [[usual(d.address(0)), "late"], [usual(d.address(1)), "answered"]],
      );
      assertEquals([d.counter("ConnectRaceResets"), d.counter("ConnectRaceWonByLater")], [1, 1]);
    });

    it("goes on as the first where that is answered late, but first", () => {
      using d = dialogue({}, family);
      const app = d.connect();
      const { first, second } = both(d);
      d.pass(100e3);
      first.offers({}, "S.", ["mpc key"]);
      first.gets(". 1 ack 1 <mpc keys>");
      second.offers({}, "S.", ["mpc key"]);
      second.gets("R 1");
      assertEquals(app.socket.localEndpoint.address, usual(d.address(0)));
      assertEquals(d.counter("ConnectRaceWonByLater"), 0);
    });
  });
}

describe("connect() without a local address", () => {
  const answer = "S. 0 ack 1 win 65535 <mss 1460, mpc key, sackOK, TS 1000 0, ws 7>";

  it("sends one third ACK where both answers come in one batch", () => {
    using d = dialogue();
    d.connect();
    const { first, second } = both(d);
    d.inject(second.packet(answer), 1, 0, false);
    d.inject(first.packet(answer), 0, 0, false);
    d.stack.flush(d.now);
    assertEquals([first, second].map((peer) => peer.takeAll().map(({ flags }) => flags)), [
      ["R"],
      ["."],
    ]);
    assertEquals(d.usage.flows, 1);
  });

  it("ends by the peer's RST at once, whatever else is on its way", () => {
    using d = dialogue();
    const app = d.connect();
    const { first, second } = both(d);
    first.sends("R. 0 ack 1");
    assertEquals(app.code, "ConnectionRefused");
    second.offers({}, "S.", ["mpc key"]);
    second.gets("R 1");
    app.close();
    assertEquals([d.usage.connections, d.usage.timers], [0, 0]);
  });

  it("asks a peer that refuses by no other path", () => {
    using d = dialogue();
    const app = d.connect();
    const first = d.called();
    first.gets("S 0");
    d.pass(20e3);
    first.sends("R. 0 ack 1");
    assertEquals(app.code, "ConnectionRefused");
    d.pass(10e6);
    d.silent();
  });

  it("tries the next address at once where a router says that it does not reach the peer (ICMP)", () => {
    for (const code of [1, 3, 13]) {
      using d = dialogue();
      const app = d.connect();
      const syn = d.called().take().bytes;
      d.pass(1e3);
      d.inject(icmpAbout({ type: 3, code, packet: syn }));
      const second = d.called();
      second.gets("S 0");
      second.offers({}, "S.", ["mpc key"]);
      second.gets(". 1 ack 1 <mpc keys>");
      assertEquals(app.log, ["established"]);
      d.connect(81);
      assertEquals(localOf(d.called()), d.address(1), "which is remembered");
    }
  });

  it("ends, when nothing answers, with the last address that it has tried", () => {
    using d = dialogue({ synRetries: 1 });
    const app = d.connect();
    const { first, second } = both(d);
    d.pass(2.75e6);
    assertEquals([first.takeAll().length, second.takeAll().length], [1, 1]);
    assertEquals(app.code, undefined);
    d.pass(0.25e6);
    assertEquals(app.code, "TimedOut");
    app.close();
    assertEquals([d.usage.connections, d.usage.flows, d.usage.timers], [0, 0, 0]);
    assertEquals(app.socket.tries.map(({ outcome }) => outcome), ["timeout", "timeout"]);
  });

  it("begins where the destination has answered fastest, and gives it twice that time", () => {
    using d = dialogue();
    d.connect();
    const { second } = both(d);
    d.pass(150e3);
    second.offers({}, "S.", ["mpc key"]);
    second.gets(". 1 ack 1 <mpc keys>");
    d.connect(81);
    const next = d.called();
    next.gets("S 0");
    assertEquals(localOf(next), d.address(1));
    assertEquals(d.untilSent(), 300e3);
    assertEquals(localOf(d.called()), d.address(0));
  });

  it("tries what it does not know beside what it knows, after half of that time", () => {
    using d = dialogue();
    d.dialled({ rtt: 200e3, mptcp: false });
    d.connect(81);
    const known = d.called();
    known.gets("S 0");
    assertEquals(localOf(known), d.address(0));
    assertEquals(d.untilSent(), 100e3);
    assertEquals(localOf(d.called()), d.address(1));
  });

  it("leaves nothing behind where the application ends it meanwhile", () => {
    using d = dialogue();
    const app = d.connect();
    const { first, second } = both(d);
    app.abort();
    app.close();
    assertEquals([d.usage.connections, d.usage.flows, d.usage.timers], [0, 0, 0]);
    for (const peer of [first, second]) {
      peer.offers({}, "S.", ["mpc key"]);
      peer.gets("R 1");
    }
  });

  it("goes by another address when the link of the first goes down", () => {
    using d = dialogue();
    const app = d.connect();
    d.called().gets("S 0");
    d.stack.setLinkUp(d.now, d.links[0]!, false);
    const second = d.called();
    second.gets("S 0");
    assertEquals(localOf(second), d.address(1));
    second.offers({}, "S.", ["mpc key"]);
    second.gets(". 1 ack 1 <mpc keys>");
    assertEquals(app.log, ["established"]);
  });

  it("gives what was written meanwhile to the path that it begins on, once", () => {
    using d = dialogue();
    const app = d.connect(80, 100);
    const { first, second } = both(d);
    second.offers({}, "S.", ["mpc key"]);
    second.gets(". 1 ack 1 <mpc keys>");
    second.gets("P. 1:101 ack 1 <mpc keys len 100>");
    first.offers({}, "S.", ["mpc key"]);
    first.gets("R 1");
    d.silent();
    assertEquals(app.socket.begunWith, 100);
  });

  it("is plain TCP like any other where MPTCP is not spoken", () => {
    using d = dialogue();
    const app = d.connect();
    const { second } = both(d);
    second.offers({}, "S.", []);
    second.gets(". 1 ack 1 <!mpc>");
    assertEquals(app.socket.mode.kind, "tcp");
    second.sends("P. 1:101 ack 1");
    assertEquals(app.read(), 100);
  });

  it("crossed by the peer's own SYN: the others are forgotten too (RFC 9293 §3.5)", () => {
    using d = dialogue();
    const app = d.connect();
    const { first, second } = both(d);
    second.offers({}, "S", []);
    second.gets("S. 0 ack 1");
    second.sends(". 1 ack 1");
    assertEquals(app.log[0], "established");
    first.offers({}, "S.", ["mpc key"]);
    first.gets("R 1");
    assertEquals(d.usage.flows, 1);
  });
});

describe("connect() to several addresses", () => {
  const others = [{ address: "fd00::2", port: 80 }];

  it("of both families tries them in turn with the host's addresses of each", () => {
    using d = dialogue();
    d.stack.addAddress(d.now, d.links[1]!, "fd00::1/64");
    const app = d.connectTo({ remote: { address: d.address(0, 2), port: 80 }, others });
    const seen = [localOf(d.called())];
    d.sent.length = 0;
    for (let i = 0; i < 2; i++) {
      assertEquals(d.untilSent(), 250e3);
      seen.push(localOf(d.called()));
      d.sent.length = 0;
    }
    assertEquals(seen, [d.address(0), "fd00::1", d.address(1)]);
    app.abort();
  });

  it("goes on to the next address where one refuses", () => {
    using d = dialogue();
    d.stack.addAddress(d.now, d.links[1]!, "fd00::1/64");
    const app = d.connectTo({ remote: { address: d.address(0, 2), port: 80 }, others });
    const first = d.called();
    first.gets("S 0");
    first.sends("R. 0 ack 1");
    const second = d.called();
    second.gets("S 0");
    assertEquals(localOf(second), "fd00::1");
    second.offers({}, "S.", ["mpc key"]);
    second.gets(". 1 ack 1 <mpc keys>");
    assertEquals(app.socket.remoteEndpoint, others[0]);
  });

  it("without 'connectionAttemptDelay' tries the next when the one before has failed, each from one address", () => {
    using d = dialogue({ connectionAttemptDelay: null, synRetries: 0 });
    d.stack.addAddress(d.now, d.links[1]!, "fd00::1/64");
    const app = d.connectTo({ remote: { address: d.address(0, 2), port: 80 }, others });
    d.called().gets("S 0");
    assertEquals(d.untilSent(), 1e6);
    const second = d.called();
    second.gets("S 0");
    assertEquals(localOf(second), "fd00::1");
    d.pass(1e6);
    assertEquals(app.code, "TimedOut");
    d.silent();
  });
});

describe("connect() with data for the SYN (RFC 7413)", () => {
  /** The host has a cookie for its first address, and has been answered there if `met`. */
  function fast(met: boolean): Dialogue {
    const d = dialogue({ fastOpen: true, synRetries: 2 });
    const [local, remote] = [0, 0].map((_, i) => ({ address: d.address(0, i + 1), port: 80 }));
    d.stack.fastOpens.learned(local!, remote!, COOKIE, 1460);
    if (met) d.stack.firstPaths.answered({ local: local!, remote: remote! }, 20e3, d.now);
    return d;
  }

  it("sends them where that address has been answered of late, and tries nothing beside it", () => {
    using d = fast(true);
    const app = d.connect(80, 100);
    const first = d.called();
    assertEquals(first.take().payload.length, 100);
    d.pass(1e6);
    assertEquals(first.takeAll().map(({ payload }) => payload.length), [0]);
    d.silent();
    d.pass(30e6);
    first.takeAll();
    d.silent();
    assertEquals(app.code, "TimedOut", "they may have been delivered");
  });

  it("keeps them back where it has not: the next address may have to be tried", () => {
    using d = fast(false);
    d.connect(80, 100);
    const { second } = both(d);
    second.offers({}, "S.", ["mpc key"]);
    second.gets(". 1 ack 1 <mpc keys>");
    second.gets("P. 1:101 ack 1 <mpc keys len 100>");
  });

  it("goes on without them where a router says that the first SYN did not come through", () => {
    using d = fast(true);
    d.connect(80, 100);
    const syn = d.called().take().bytes;
    d.inject(icmpAbout({ type: 3, code: 1, packet: syn }));
    const second = d.called();
    second.gets("S 0");
    second.offers({}, "S.", ["mpc key"]);
    second.gets(". 1 ack 1 <mpc keys>");
    second.gets("P. 1:101 ack 1 <mpc keys len 100>");
  });
});
