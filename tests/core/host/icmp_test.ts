import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import type { NetworkCode } from "../../../core/connection/host.ts";
import { nDiffPorts } from "../../../pm/mod.ts";
import { seeded } from "../../kit/random.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { icmpAbout, type IcmpOptions, summed } from "../../support/icmp.ts";

/** The SYN of a connection that has just begun. */
function dialling(d: Dialogue): { app: App; syn: Uint8Array } {
  const app = d.connect();
  return { app, syn: d.called().gets("S 0").bytes };
}

/** Data in flight: its packet. */
function flying(d: Dialogue, mptcp = false): {
  app: App;
  peer: ReturnType<Dialogue["opened"]>["peer"];
  packet: Uint8Array;
} {
  const { peer, app } = d.opened({ mptcp });
  app.socket.setUserTimeout(20e6);
  app.write(100);
  return { app, peer, packet: peer.take().bytes };
}

/** Type, code, how a SYN ends, and what is told of it. */
const FOUR: readonly [string, number, number, NetworkCode, string][] = [
  ["network unreachable", 3, 0, "NetworkUnreachable", "net-unreachable"],
  ["host unreachable", 3, 1, "NetworkUnreachable", "host-unreachable"],
  ["protocol unreachable", 3, 2, "ConnectionRefused", "protocol-unreachable"],
  ["port unreachable", 3, 3, "ConnectionRefused", "port-unreachable"],
  ["network prohibited", 3, 9, "NetworkUnreachable", "prohibited"],
  ["host prohibited", 3, 10, "NetworkUnreachable", "prohibited"],
  ["communication prohibited", 3, 13, "NetworkUnreachable", "prohibited"],
  ["time to live exceeded", 11, 0, "NetworkUnreachable", "hops-exceeded"],
];
const SIX: typeof FOUR = [
  ["no route", 1, 0, "NetworkUnreachable", "net-unreachable"],
  ["prohibited", 1, 1, "NetworkUnreachable", "prohibited"],
  ["address unreachable", 1, 3, "NetworkUnreachable", "host-unreachable"],
  ["port unreachable", 1, 4, "ConnectionRefused", "port-unreachable"],
  ["route rejected", 1, 6, "NetworkUnreachable", "prohibited"],
  ["hop limit exceeded", 3, 0, "NetworkUnreachable", "hops-exceeded"],
  ["unknown next header", 4, 1, "ConnectionRefused", "protocol-unreachable"],
];

describe("an ICMP error about a SYN", () => {
  for (const [family, kinds] of [[4, FOUR], [6, SIX]] as const) {
    for (const [name, type, code, end, reason] of kinds) {
      it(`RFC 5461 §4: ends it at once, and says why (IPv${family}, ${name})`, () => {
        using d = new Dialogue({ family });
        const { app, syn } = dialling(d);
        d.inject(icmpAbout({ type, code, packet: syn }));
        assertEquals([app.code, app.socket.reason], [end, reason]);
        d.pass(10e6);
        d.silent();
        app.close();
        assertEquals(d.usage.connections, 0);
      });
    }
  }

  it("RFC 1122 §4.2.3.9: source quench, redirects and what is unknown end nothing", () => {
    using d = new Dialogue();
    const { app, syn } = dialling(d);
    const kinds = [[4, 0], [5, 1], [3, 5], [3, 200], [11, 1], [12, 0], [40, 0]];
    for (const [type, code] of kinds) {
      d.inject(icmpAbout({ type: type!, code: code!, packet: syn }));
    }
    assertEquals(app.code, undefined);
    assertEquals([d.counter("IcmpInMsgs"), d.counter("IcmpInSrcQuenchs")], [7, 1]);
  });

  it("RFC 5927 §4.1: counts only when it quotes this very SYN, its sum is right, and it came to its sender", () => {
    using d = new Dialogue();
    const { app, syn } = dialling(d);
    const good = { type: 3, code: 1, packet: syn };
    const altered = (change: (bytes: Uint8Array) => void): Uint8Array => {
      const bytes = icmpAbout(good);
      change(bytes);
      return bytes;
    };
    const wrong: [Uint8Array, string][] = [
      [altered((b) => b[22]! ^= 1), "IcmpInCsumErrors"],
      // Sequence number, ports, addresses, protocol and version of the quote.
      [altered((b) => (b[28 + 27]! ^= 1, summed(b))), "OutOfWindowIcmps"],
      [altered((b) => (b[28 + 24]! ^= 128, summed(b))), "OutOfWindowIcmps"],
      [altered((b) => (b[28 + 21]! ^= 1, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28 + 23]! ^= 1, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28 + 15]! ^= 1, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28 + 19]! ^= 1, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28 + 9] = 17, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28] = 0x65, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28] = 0x44, summed(b))), "IcmpInErrors"],
      [altered((b) => (b[28 + 7] = 1, summed(b))), "IcmpInErrors"],
      [icmpAbout({ ...good, quoted: 27 }), "IcmpInErrors"],
      [icmpAbout({ ...good, quoted: 20 }), "IcmpInErrors"],
      [icmpAbout({ ...good, quoted: 0 }), "IcmpInErrors"],
      [icmpAbout({ ...good, to: new Uint8Array([10, 0, 1, 1]) }), "IcmpInErrors"],
    ];
    for (const [bytes, counter] of wrong) {
      const before = d.counter(counter);
      d.inject(bytes);
      assertEquals([app.code, d.counter(counter)], [undefined, before + 1], counter);
    }
    d.inject(icmpAbout({ ...good, from: "10.0.0.1" }));
    assertEquals([app.code, d.counter("IpInAddrErrors")], [undefined, 1]);
    d.inject(icmpAbout(good));
    assertEquals(app.code, "NetworkUnreachable");
  });

  it("RFC 792: may quote a header with options, which routers put in", () => {
    using d = new Dialogue();
    const { app, syn } = dialling(d);
    const packet = new Uint8Array(syn.length + 8);
    packet.set(syn.subarray(0, 20));
    packet.fill(1, 20, 28);
    packet.set(syn.subarray(20), 28);
    packet[0] = 0x47;
    d.inject(icmpAbout({ type: 3, code: 3, packet }));
    assertEquals(app.code, "ConnectionRefused");
  });
});

describe("an ICMP error about an open connection", () => {
  for (const [name, type, code] of FOUR) {
    it(`RFC 5927 §5.2: never ends it (${name})`, () => {
      using d = new Dialogue();
      const { app, peer, packet } = flying(d);
      d.inject(icmpAbout({ type, code, packet }));
      peer.acks();
      app.write(10);
      peer.gets("P. 101:111 ack 1");
      peer.sends(". ack 111");
      assertEquals(app.code, undefined);
    });
  }

  it("RFC 1122 §4.2.3.9: is told as the reason when the user timeout ends it", () => {
    using d = new Dialogue();
    const { app, peer, packet } = flying(d);
    d.pass(5e6);
    peer.lose();
    d.inject(icmpAbout({ type: 3, code: 1, packet }));
    d.pass(20e6);
    assertEquals([app.code, app.socket.reason], ["TimedOut", "host-unreachable"]);
  });

  it("RFC 1122 §4.2.3.9: is told when its timeouts end it", () => {
    using d = new Dialogue();
    const { app, packet } = flying(d);
    app.socket.setUserTimeout(1e4 * 1e6);
    d.inject(icmpAbout({ type: 11, code: 0, packet }));
    d.pass(3000e6);
    assertEquals([app.code, app.socket.reason], ["TimedOut", "hops-exceeded"]);
  });

  it("is forgotten when the peer is heard again", () => {
    using d = new Dialogue();
    const { app, peer, packet } = flying(d);
    d.inject(icmpAbout({ type: 3, code: 1, packet }));
    d.pass(50e3);
    peer.lose();
    peer.acks();
    app.write(10);
    d.pass(30e6);
    assertEquals([app.code, app.socket.reason], ["TimedOut", "unanswered"]);
  });

  it("RFC 5927 §4.1: is not kept in mind when it quotes what was acknowledged", () => {
    using d = new Dialogue();
    const { app, peer, packet } = flying(d);
    peer.acks();
    d.inject(icmpAbout({ type: 3, code: 1, packet }));
    assertEquals(d.counter("OutOfWindowIcmps"), 1);
    assertEquals(app.socket.subflows[0]!.trouble, null);
  });

  it("ends no SYN-RECEIVED, which its own count of tries does", () => {
    using d = new Dialogue();
    d.listen();
    const peer = d.peer();
    peer.offers({ mptcp: false }, "S", []);
    const { bytes } = peer.gets("S. 0 ack 1");
    for (const code of [1, 3, 4]) d.inject(icmpAbout({ type: 3, code, packet: bytes }));
    peer.sends(". 1 ack 1");
    peer.data(10);
    d.pass(1e6);
    peer.gets(". 1 ack 11");
  });

  it("finds nothing in TIME-WAIT", () => {
    using d = new Dialogue();
    const { app, peer, packet } = flying(d);
    peer.acks();
    app.finish();
    peer.gets("F. 101 ack 1");
    peer.sends("F. 1 ack 102");
    peer.gets(". 102 ack 2");
    d.inject(icmpAbout({ type: 3, code: 3, packet }));
    d.inject(icmpAbout({ type: 3, code: 4, mtu: 1300, packet }));
    assertEquals([d.counter("IcmpInErrors"), d.usage.flows], [2, 1]);
    d.silent();
  });

  it("on one of two paths is that path's alone (RFC 8684 §3.2: a join that is refused)", () => {
    using d = new Dialogue({ policies: { pathManager: nDiffPorts({ subflows: 2 }) } });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    d.pass(20e3);
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    peer.sends(". 1 ack 1 <dack8 1>");
    const join = d.called(peer.session);
    const { bytes } = join.gets("S 0 <join syn>");
    d.inject(icmpAbout({ type: 3, code: 3, packet: bytes }));
    assertEquals([app.code, app.socket.attempts.length], [undefined, 1]);
    // It is tried again, as after any other failure: a router may be wrong.
    d.pass(1.2e6);
    d.called(peer.session).gets("S 0 <join syn>");
    app.write(10);
    peer.gets("P. 1:11 ack 1");
  });
});

describe("ICMP messages", () => {
  it("are counted under the kernel's names", () => {
    using d = new Dialogue();
    const { packet } = flying(d);
    const send = (options: Omit<IcmpOptions, "packet">): void =>
      d.inject(icmpAbout({ ...options, packet }));
    send({ type: 3, code: 1 });
    send({ type: 11, code: 0 });
    send({ type: 12, code: 0 });
    send({ type: 5, code: 0 });
    const names = ["InMsgs", "InErrors", "InDestUnreachs", "InTimeExcds", "InParmProbs"];
    assertEquals(names.map((name) => d.counter(`Icmp${name}`)), [4, 0, 1, 1, 1]);
    using six = new Dialogue({ family: 6 });
    const about = flying(six).packet;
    six.inject(icmpAbout({ type: 1, code: 1, packet: about }));
    six.inject(icmpAbout({ type: 2, code: 0, mtu: 1400, packet: about }));
    const names6 = ["InMsgs", "InErrors", "InDestUnreachs", "InPktTooBigs"];
    assertEquals(names6.map((name) => six.counter(`Icmp6${name}`)), [2, 0, 1, 1]);
  });

  it("are looked at a thousand times a second at most", () => {
    using d = new Dialogue();
    const { packet } = flying(d);
    for (let i = 0; i < 1500; i++) d.inject(icmpAbout({ type: 3, code: 1, packet }));
    assertEquals(d.counter("IpInDiscards"), 500);
  });

  it("of any content never throw, never end an open connection, and leave no segment below the least", () => {
    for (const family of [4, 6] as const) {
      using d = new Dialogue({ family });
      const chance = seeded(family);
      const random = (below: number): number => Math.floor(chance() * below);
      const { peer, app } = d.opened({ mptcp: false, timestamps: false });
      app.write(3000);
      const packets = peer.takeAll().map(({ bytes }) => bytes);
      const types = family === 4 ? [0, 3, 3, 3, 4, 5, 8, 11, 12, 200] : [1, 2, 2, 3, 4, 128, 200];
      const header = family === 4 ? 20 : 40;
      for (let i = 0; i < 5000; i++) {
        d.now += 2000;
        const packet = packets[random(packets.length)]!;
        const bytes = icmpAbout({
          type: types[random(types.length)]!,
          code: random(16),
          mtu: random(3) === 0 ? random(2 ** 16) : 1500 - random(900),
          packet,
          quoted: random(4) === 0 ? random(packet.length) : packet.length,
        });
        // The outer header stays: what is wrong in it has tests of its own.
        for (let n = random(4); n > 0; n--) {
          bytes[header + random(bytes.length - header)] = random(256);
        }
        d.inject(random(8) === 0 ? bytes : summed(bytes));
        d.sent.length = 0;
      }
      assertEquals(app.code, undefined, `family ${family}`);
      const { mss } = app.socket.subflows[0]!;
      assertEquals(mss >= (family === 4 ? 536 : 1220), true, `${mss}`);
      peer.acked = 3001;
      peer.acks();
      app.write(100);
      peer.gets("P. 3001:3101 ack 1");
    }
  });
});
