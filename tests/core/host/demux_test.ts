import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { StackError } from "../../../core/host/stack_error.ts";
import { formatAddress, parseAddress } from "../../../core/wire/ip.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { plainSum } from "../../support/sim.ts";

/** Puts the right IPv4 header sum into a packet. */
function sumHeader(bytes: Uint8Array): Uint8Array {
  bytes.set([0, 0], 10);
  const sum = ~plainSum(bytes.subarray(0, (bytes[0]! & 15) * 4)) & 0xffff;
  bytes.set([sum >> 8, sum & 255], 10);
  return bytes;
}

/** An ICMP echo request with `length` bytes of data. */
function ping(d: Dialogue, length = 20, ttl = 64): Uint8Array {
  const six = d.family === 6;
  const header = six ? 40 : 20;
  const bytes = new Uint8Array(header + 8 + length);
  const peer = d.peer();
  const frame = peer.packet(". 0");
  bytes.set(frame.subarray(0, header));
  if (six) {
    bytes.set([(8 + length) >> 8, (8 + length) & 255, 58, ttl], 4);
  } else {
    bytes.set([bytes.length >> 8, bytes.length & 255], 2);
    bytes.set([ttl, 1], 8);
    sumHeader(bytes);
  }
  bytes.set([six ? 128 : 8, 0, 0, 0, 0x12, 0x34, 0, 7], header);
  for (let i = 0; i < length; i++) bytes[header + 8 + i] = i;
  sumIcmp(bytes, header);
  return bytes;
}

function icmpSum(bytes: Uint8Array, header: number): number {
  const start = header === 40 ? plainSum(bytes.subarray(8, 40)) + 58 + bytes.length - 40 : 0;
  return plainSum(bytes.subarray(header), start);
}

function sumIcmp(bytes: Uint8Array, header: number): void {
  bytes.set([0, 0], header + 2);
  const sum = ~icmpSum(bytes, header) & 0xffff;
  bytes.set([sum >> 8, sum & 255], header + 2);
}

describe("a segment to no connection (RFC 9293 §3.10.7.1)", () => {
  it("is answered with the RST that fits it", () => {
    using d = new Dialogue();
    const peer = d.peer({ port: 99 });
    peer.sends("S 0 <mss 1460>");
    peer.gets("R. ack 1");
    peer.sends(". 10 ack 77");
    peer.gets("R 77");
    peer.sends("P. 10:20 ack 78");
    peer.gets("R 78");
    peer.sends("F 30:35");
    peer.gets("R. ack 36");
  });

  it("with RST is not answered", () => {
    using d = new Dialogue();
    const peer = d.peer({ port: 99 });
    peer.sends("R. 0 ack 0");
    peer.sends("R 0");
    d.silent();
  });

  it("is answered about a thousand times a second at most", () => {
    using d = new Dialogue();
    const peer = d.peer({ port: 99 });
    for (let i = 0; i < 1500; i++) peer.sends(". 1 ack 1");
    assertAlmostEquals(peer.takeAll().length, 1000, 50);
    assertAlmostEquals(d.counter("TcpOutRstsSkipped"), 500, 50);
    d.pass(100e3);
    for (let i = 0; i < 200; i++) peer.sends(". 1 ack 1");
    assertAlmostEquals(peer.takeAll().length, 100, 20);
  });

  it("to somebody else's address is dropped and counted", () => {
    using d = new Dialogue();
    d.listen();
    const bytes = d.peer().packet("S 0 <mss 1460>");
    bytes[19] = 77;
    d.inject(sumHeader(bytes));
    d.silent();
    assertEquals(d.counter("TcpInCsumErrors"), 1);
    const other = d.peer({ port: 80 });
    Object.assign(other, { local: "10.0.0.77" });
    other.sends("S 0 <mss 1460>");
    other.sends(". 1 ack 1");
    d.silent();
    assertEquals(d.counter("IpInAddrErrors"), 2);
  });

  it("from an address that can be nobody's is dropped and counted (RFC 9293 §3.9.2.3)", () => {
    using d = new Dialogue();
    d.listen();
    const sources = [
      "0.0.0.0",
      "224.0.0.1",
      "239.1.2.3",
      "255.255.255.255",
      "127.0.0.1",
      "10.0.0.1",
    ];
    for (const source of sources) {
      for (const port of [80, 99]) {
        const other = d.peer({ port });
        Object.assign(other, { remote: source });
        other.sends("S 0 <mss 1460>");
        other.sends(". 1 ack 1");
      }
    }
    d.silent();
    assertEquals(d.usage.connections, 0);
    using six = new Dialogue({ family: 6 });
    six.listen();
    for (const source of ["::", "::1", "ff02::1", "fd00::1"]) {
      const other = six.peer();
      Object.assign(other, { remote: source });
      other.sends("S 0 <mss 1460>");
    }
    six.silent();
    assertEquals(six.usage.connections, 0);
  });
});

describe("a packet that is none", () => {
  const wrong: [string, string, (bytes: Uint8Array) => Uint8Array][] = [
    ["shorter than it says", "IpInTruncatedPkts", (b) => b.subarray(0, b.length - 1)],
    ["of version 5", "IpInHdrErrors", (b) => sumHeader(b.fill(0x55, 0, 1))],
    ["with a short header", "IpInHdrErrors", (b) => sumHeader(b.fill(0x44, 0, 1))],
    ["with a wrong header sum", "IpInHdrErrors", (b) => b.fill(0, 10, 12)],
    ["that is a first fragment", "IpReasmFails", (b) => sumHeader(b.fill(0x20, 6, 7))],
    ["that is a later fragment", "IpReasmFails", (b) => sumHeader(b.fill(9, 7, 8))],
    ["of UDP", "IpInUnknownProtos", (b) => sumHeader(b.fill(17, 9, 10))],
    ["with a wrong TCP sum", "TcpInCsumErrors", (b) => b.fill(0xff, 42, 43)],
    ["empty", "IpInTruncatedPkts", (b) => b.subarray(0, 0)],
  ];
  for (const [name, counter, change] of wrong) {
    it(`is dropped and counted: ${name}`, () => {
      using d = new Dialogue();
      d.listen();
      d.inject(change(d.peer().packet("S 0 <mss 1460>")));
      d.silent();
      assertEquals(d.stack.counters.all(), { [counter]: 1 });
    });
  }

  it("does not matter in what follows its IP length", () => {
    using d = new Dialogue();
    d.listen();
    const peer = d.peer();
    const bytes = peer.packet("S 0 <mss 1460>");
    const padded = new Uint8Array(bytes.length + 6).fill(0xee);
    padded.set(bytes);
    d.inject(padded);
    peer.gets("S. 0 ack 1");
  });
});

describe("ICMP", () => {
  for (const family of [4, 6] as const) {
    it(`echo is answered, with a TTL of our own (IPv${family}; RFC 1122 §3.2.2.6, RFC 4443 §4.2)`, () => {
      using d = new Dialogue({ family });
      const request = ping(d, 33, 2);
      d.inject(request);
      assertEquals(d.sent.length, 1);
      const { bytes } = d.sent.pop()!;
      const header = family === 4 ? 20 : 40;
      const [source, size] = family === 4 ? [12, 4] : [8, 16];
      assertEquals(
        bytes.subarray(source, source + size),
        request.subarray(source + size, source + 2 * size),
      );
      assertEquals(
        bytes.subarray(source + size, source + 2 * size),
        request.subarray(source, source + size),
      );
      assertEquals(bytes[header], family === 4 ? 0 : 129);
      assertEquals(bytes.subarray(header + 4), request.subarray(header + 4));
      assertEquals(icmpSum(bytes, header), 0xffff);
      if (family === 4) assertEquals(plainSum(bytes.subarray(0, 20)), 0xffff);
      assertEquals(bytes[family === 4 ? 8 : 7], 64);
    });
  }

  it("echo is limited, and never larger than the link", () => {
    using d = new Dialogue();
    for (let i = 0; i < 1200; i++) d.inject(ping(d));
    assertAlmostEquals(d.sent.length, 1000, 50);
    d.sent.length = 0;
    d.pass(1e6);
    d.inject(ping(d, 4000));
    d.silent();
  });

  it("of other kinds, with a wrong sum, or for others is not answered", () => {
    using d = new Dialogue();
    const reply = ping(d);
    reply[20] = 0;
    sumIcmp(reply, 20);
    d.inject(reply);
    const spoiled = ping(d);
    spoiled[40]! ^= 1;
    d.inject(spoiled);
    const foreign = ping(d);
    foreign[19] = 9;
    d.inject(sumHeader(foreign));
    d.silent();
  });
});

describe("the order of look-ups", () => {
  // RFC 8684 §3.2: "If the token received at Host B is unknown or local policy prohibits the acceptance of the new subflow, the
  // recipient MUST respond with a TCP RST for the subflow"
  it("EST-6: a join with an unknown token never makes a connection, and is reset with MP_TCPRST (RFC 8684 §3.2)", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["join syn id 1 bad"]);
    peer.gets("R. 0 ack 1 <tcprst 1>");
    assertEquals(listener.halfOpen.size, 0);
    assertEquals(d.usage.connections, 0);
    assertEquals([d.counter("MPJoinSynRx"), d.counter("MPJoinNoTokenFound")], [1, 1]);
  });

  // RFC 8684 §3.2: "Demultiplexing subflow SYNs MUST be done using the token; this is unlike traditional TCP, where the destination port
  // is used for demultiplexing SYN packets."
  it("EST-4: the token finds the connection, at another address and another port", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, port: 4321, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack id 1>");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(app.socket.subflows.length, 2);
  });

  it("EST-5: two joins at once to two connections end up in the right ones", () => {
    using d = new Dialogue();
    const a = d.opened({ port: 80 });
    const b = d.opened({ port: 81 });
    b.peer.session.ourKey = { high: 7, low: 8 };
    const peers = [a, b].map(({ peer }) => d.peer({ link: 1, port: 80, session: peer.session }));
    // The second connection was opened with the first one's key: both have it.
    peers[1]!.session.ourKey = { ...a.peer.session.ourKey };
    for (const peer of peers) peer.offers({}, "S", ["join syn id 1"]);
    for (const peer of peers.toReversed()) {
      peer.gets("S. 0 ack 1 <join synack>");
      peer.sends(". 1 ack 1 <join ack>");
    }
    assertEquals(a.app.socket.subflows[1]!.remote.port, peers[0]!.remotePort);
    assertEquals(b.app.socket.subflows[1]!.remote.port, peers[1]!.remotePort);
  });

  it("EST-2: a join right behind the third ACK is accepted, without another SYN", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    // One batch: nothing has been accepted or sent in between.
    peer.sendsMore(". 1 ack 1 <mpc keys>");
    const second = d.peer({ link: 1, session: peer.session });
    d.inject(second.packet("S 0 <mss 1460, join syn id 1>"), 1);
    second.gets("S. 0 ack 1 <join synack>");
    d.accept(listener);
  });

  it("EST-2: one that overtakes the third ACK waits for its repeat", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    d.silent();
    peer.sends(". 1 ack 1 <mpc keys>");
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack>");
    d.accept(listener);
  });

  it("a port in use by a flow does not hide the listener from others", () => {
    using d = new Dialogue();
    const { listener } = d.opened();
    const other = d.peer();
    other.offers({}, "S", []);
    other.gets("S. 0 ack 1");
    other.sends(". 1 ack 1");
    assert(listener.accept() !== null);
  });
});

describe("a flood of SYNs", () => {
  it("is held up to the backlog, ages within seconds, and does not shut others out", () => {
    using d = new Dialogue();
    const listener = d.listen(80, 50);
    const flood = (): void => {
      for (let i = 0; i < 200; i++) d.peer().offers({}, "S", ["mpc"]);
    };
    flood();
    assertEquals(d.usage.connections, 50);
    d.pass(2e6);
    flood();
    d.sent.length = 0;
    d.pass(1.1e6);
    d.sent.length = 0;
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 1 <mpc keys>");
    d.accept(listener);
    d.pass(200e6);
    assertEquals(d.usage.connections, 1);
    assertEquals(d.usage.tokens, 1);
  });
});

describe("listening", () => {
  it("refuses ports that are taken and addresses that are not ours", () => {
    using d = new Dialogue();
    d.listen(80);
    assertThrows(() => d.listen(80), StackError, "another listener");
    const observer = { onConnection() {} };
    const on = (address: string, port: number) =>
      d.stack.listen(d.now, { address, port, observer });
    assertThrows(() => on("10.0.0.1", 80), StackError);
    assertThrows(() => on("10.9.9.9", 81), StackError, "no address of this host");
    on("10.0.0.1", 81);
    on("10.0.1.1", 81);
    assertThrows(() => d.listen(81), StackError);
  });

  it("keeps its port from connections of this host", () => {
    using d = new Dialogue();
    d.connect();
    const { localPort } = d.called();
    const next = (from: number): number => from === 60999 ? 32768 : from + 1;
    d.listen(next(localPort));
    d.sent.length = 0;
    d.connect();
    assertEquals(d.called().localPort, next(next(localPort)));
  });

  it("on one address leaves the others alone", () => {
    using d = new Dialogue();
    d.stack.listen(d.now, { address: "10.0.0.1", port: 80, observer: { onConnection() {} } });
    const there = d.peer();
    there.sends("S 0 <mss 1460>");
    there.gets("S. 0 ack 1");
    const elsewhere = d.peer({ link: 1 });
    elsewhere.sends("S 0 <mss 1460>");
    elsewhere.gets("R. ack 1");
  });

  it("ends with RSTs for what was not accepted", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const half = d.peer();
    half.offers({}, "S", []);
    half.gets("S. 0 ack 1");
    const whole = d.peer();
    whole.offers({}, "S", []);
    whole.gets("S. 0 ack 1");
    whole.sends(". 1 ack 1");
    listener.close(d.now);
    d.stack.flush(d.now);
    half.gets("R.");
    whole.gets("R.");
    assertEquals(d.usage.connections, 0);
  });
});

describe("addresses", () => {
  it("are known in whatever way they are written", () => {
    using d = new Dialogue({ family: 6 });
    d.listen();
    d.stack.addAddress(d.now, d.links[1]!, "FD00:0:0:1:0:0:0:99/64");
    const peer = d.peer({ link: 1 });
    Object.assign(peer, { local: "fd00:0:0:1::99" });
    peer.sends("S 0 <mss 1440>");
    peer.gets("S. 0 ack 1");
    d.stack.removeAddress(d.now, "fd00:0000:0:1::0:99");
    assertEquals(d.stack.addresses.length, 2);
    assertEquals(d.usage.flows, 0);
  });

  it("of a peer in the form of IPv6 that stand for IPv4 are IPv4", () => {
    using d = new Dialogue();
    d.stack.connect(d.now, {
      remote: { address: "::ffff:10.0.0.2", port: 80 },
      observer: { onEstablished() {}, onReadable() {}, onWritable() {}, onClosed() {} },
    });
    const peer = d.called();
    assertEquals([peer.local, peer.remote], ["10.0.0.1", "10.0.0.2"]);
    peer.gets("S 0 <mpc>");
    using six = new Dialogue({ family: 6 });
    assertThrows(
      () =>
        six.stack.connect(six.now, {
          remote: { address: "::ffff:10.0.0.2", port: 80 },
          observer: { onEstablished() {}, onReadable() {}, onWritable() {}, onClosed() {} },
        }),
      StackError,
      "no address of this host is of its family",
    );
  });

  it("that stand for IPv4 in the form of IPv6 are nobody's in a packet", () => {
    using d = new Dialogue({ family: 6 });
    d.stack.addAddress(d.now, d.links[0]!, "10.0.0.1/24");
    d.listen();
    for (const ends of [{ remote: "::ffff:10.0.0.2" }, { local: "::ffff:10.0.0.1" }]) {
      const peer = d.peer();
      Object.assign(peer, ends);
      peer.sends("S 0 <mss 1440>");
    }
    d.silent();
    assertEquals([d.usage.connections, d.counter("IpInAddrErrors")], [0, 2]);
  });

  it("that go take their subflows with them; the others carry on", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    d.stack.removeAddress(d.now, "10.0.1.1");
    second.gets("F. 1 ack 1");
    second.sends("F. 1 ack 2 <dack8 1>");
    assertEquals(app.socket.subflows.length, 1);
    d.sent.length = 0;
    app.write(10);
    first.gets("P. 1:11");
  });
});

describe("a link that takes packets for any address", () => {
  /** Listens to all that nobody else does. */
  function listenToAll(d: Dialogue) {
    return d.stack.listen(d.now, { port: 0, transparent: true, observer: { onConnection() {} } });
  }

  for (const family of [4, 6] as const) {
    it(`gives a listener connections to every address and port, over IPv${family}`, () => {
      using d = new Dialogue({ family, transparent: true });
      const listener = listenToAll(d);
      const own = d.listen(80);
      for (
        const [toLink, port, to] of [[7, 4711, listener], [0, 4711, listener], [
          7,
          80,
          own,
        ]] as const
      ) {
        const peer = d.peer({ toLink, port });
        peer.sends("S 0 <mss 1460>");
        peer.gets("S. 0 ack 1");
        peer.sends(". 1 ack 1");
        const app = d.accept(to);
        const address = formatAddress(parseAddress(d.address(toLink))!.bytes);
        assertEquals(app.socket.localEndpoint, { address, port });
        peer.sends("P. 1:101 ack 1");
        assertEquals(app.read(), 100);
      }
      assertThrows(() => listenToAll(d), StackError);
      listener.close(d.now);
      d.stack.flush(d.now);
      d.sent.length = 0;
      assertEquals(listenToAll(d).port, 0);
    });
  }

  it("refuses them where nobody listens, and answers no echo request in another's name", () => {
    using d = new Dialogue({ transparent: true });
    const peer = d.peer({ toLink: 7 });
    peer.sends("S 0 <mss 1460>");
    peer.gets("R. ack 1");
    const bytes = ping(d);
    bytes.set([10, 0, 7, 1], 16);
    d.inject(sumHeader(bytes));
    d.silent();
    d.inject(ping(d));
    assertEquals(d.sent.length, 1);
  });

  it("answers with the codepoint of the SYN", () => {
    using d = new Dialogue({ transparent: true });
    listenToAll(d);
    const bytes = d.peer({ toLink: 7 }).packet("S 0 <mss 1460>");
    bytes[1] = 46 << 2;
    d.inject(sumHeader(bytes));
    assertEquals(d.sent[0]!.bytes[1]! >> 2, 46);
  });

  it("is not any link", () => {
    using d = new Dialogue();
    listenToAll(d);
    const other = d.peer({ toLink: 7 });
    other.sends("S 0 <mss 1460>");
    d.silent();
    assertEquals(d.counter("IpInAddrErrors"), 1);
  });
});
