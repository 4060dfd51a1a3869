import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { delay } from "../../../core/link/sim/elements/delay.ts";
import { filter } from "../../../core/link/sim/elements/filter.ts";
import { rate } from "../../../core/link/sim/elements/rate.ts";
import type { LinkOptions } from "../../../core/link/sim/link.ts";
import { Network } from "../../../core/link/sim/network.ts";
import type { TraceRecord } from "../../../core/link/sim/trace.ts";
import {
  checksumsAreGood,
  ipPacket,
  plainSum,
  RecordingStack,
  sendOver,
} from "../../support/sim.ts";

function pair(options: LinkOptions = {}, trace?: (record: TraceRecord) => void) {
  const network = new Network({ trace });
  const a = network.host("a");
  const b = network.host("b");
  const link = network.link("wire", a, b, options);
  const left = new RecordingStack();
  const right = new RecordingStack();
  a.start(left);
  b.start(right);
  const send = (mark: number, length = 100): boolean =>
    sendOver(link.end(a), ipPacket("10.0.0.1", "10.0.0.2", length, mark));
  const run = (): string[] => {
    while (network.step());
    return right.log.splice(0);
  };
  return { network, a, b, link, left, right, send, run };
}

describe("a link", () => {
  it("carries the bytes of all pieces", () => {
    const { right, send, run } = pair();
    send(7, 1000);
    run();
    const { bytes } = right.packets[0]!;
    assertEquals(bytes, ipPacket("10.0.0.1", "10.0.0.2", 1000, 7));
  });

  it("never calls the host inside send, and hands over all of one moment as one batch", () => {
    const { right, send, run } = pair();
    send(1);
    send(2);
    send(3);
    assertEquals(right.log, []);
    assertEquals(run(), ["packet wire 0 1", "packet wire 0 2", "packet wire 0 3", "flush 0"]);
  });

  for (const elements of [[], [delay("5 us")]]) {
    const how = elements.length === 0 ? "at once" : "later";
    it(`frees a packet at which its host throws, and hands over the rest (${how})`, () => {
      const { network, right, send, run } = pair({ elements });
      const places: number[] = [];
      right.handlePacket = (_now, _link, { address }) => {
        places.push(address);
        if (places.length === 1) throw new Error("broken");
      };
      send(1);
      send(2);
      assertThrows(
        () => {
          while (network.step());
        },
        Error,
        "broken",
      );
      run();
      assertEquals(places.length, 2);
      // What was freed last is taken first.
      send(3);
      send(4);
      run();
      assertEquals(places.slice(2), [places[1], places[0]]);
    });
  }

  it("hands over packets that come out of an element at one moment as one batch", () => {
    const { send, run } = pair({ elements: [delay("5 us")] });
    send(1);
    send(2);
    assertEquals(run(), ["packet wire 5 1", "packet wire 5 2", "flush 5"]);
    const slow = pair({ elements: [rate("8 Mbit/s"), delay("5 us")] });
    slow.send(1);
    slow.send(2);
    assertEquals(slow.run(), ["packet wire 105 1", "flush 105", "packet wire 205 2", "flush 205"]);
  });

  it("queues an answer that is sent in a flush behind what is set for the same moment", () => {
    const { network, b, link, left, right, send, run } = pair();
    right.onFlush = () => {
      right.onFlush = () => {};
      sendOver(link.end(b), ipPacket("10.0.0.2", "10.0.0.1", 60, 9));
    };
    send(1);
    network.clock.at(0, () => left.log.push("set before the answer"));
    run();
    assertEquals(left.log, ["set before the answer", "packet wire 0 9", "flush 0"]);
  });

  it("says what it takes: one packet, checksums neither computed nor checked", () => {
    const { a, link } = pair();
    const { mtu, maxSegments, rxVerified, txChecksum, name } = link.end(a);
    assertEquals({ mtu, maxSegments, rxVerified, txChecksum, name }, {
      mtu: 1500,
      maxSegments: 1,
      rxVerified: true,
      txChecksum: "none",
      name: "wire",
    });
    const full = pair({ checksums: true, maxSegments: 44, mtu: 9000 });
    const end = full.link.end(full.a);
    assertEquals([end.mtu, end.maxSegments, end.rxVerified, end.txChecksum], [
      9000,
      44,
      false,
      "full",
    ]);
    full.send(1);
    full.run();
    assertEquals(full.right.packets[0]!.verified, false);
  });

  it("drops what is longer than its mtu, but takes super-segments", () => {
    const { a, link, run, send } = pair({ mtu: 576 });
    send(1, 577);
    send(2, 576);
    sendOver(link.end(a), ipPacket("10.0.0.1", "10.0.0.2", 1500, 3), 500);
    assertEquals(run(), ["packet wire 0 2", "packet wire 0 3", "flush 0"]);
    assertEquals(link.forward.counts.dropped.mtu, 1);
  });

  it("carries nothing while it is cut, neither in nor out", () => {
    const { network, link, send, run } = pair({ elements: [delay("10 us")] });
    send(1);
    network.clock.at(5, () => link.cut());
    network.clock.at(6, () => send(2));
    network.clock.at(15, () => link.restore());
    network.clock.at(15, () => send(3));
    assertEquals(run(), ["packet wire 25 3", "flush 25"]);
    assertEquals(link.forward.counts, {
      packets: 3,
      bytes: 300,
      delivered: 1,
      deliveredBytes: 100,
      dropped: { delay: 0, cut: 2, mtu: 0, memory: 0 },
    });
  });

  it("gives each direction elements of its own, or different ones", () => {
    const { network, b, link, left, send } = pair({
      forward: [delay("1 us")],
      backward: [delay("2 us")],
    });
    send(1);
    sendOver(link.end(b), ipPacket("10.0.0.2", "10.0.0.1", 60, 9));
    while (network.step());
    assertEquals(left.log, ["packet wire 2 9", "flush 2"]);
  });

  it("shows what is sent, received and dropped, with checksums filled in", () => {
    const records: string[] = [];
    const { send, run } = pair(
      { elements: [delay("1 us"), filter((_, index) => index === 0)] },
      ({ event, at, from, to, bytes }) =>
        records.push(`${event} ${from}-${to} ${at} ${checksumsAreGood(bytes)}`),
    );
    send(1);
    send(2);
    run();
    assertEquals(records, [
      "send a-b 0 true",
      "send a-b 0 true",
      "receive a-b 1 true",
      "drop a-b 1 true",
    ]);
  });

  it("refuses shapes that make no sense", () => {
    assertThrows(() => pair({ mtu: 70000 }), RangeError, "'mtu' must be an integer");
    assertThrows(() => pair({ maxSegments: 0 }), RangeError, "'maxSegments'");
    const { network, a, link } = pair();
    assertThrows(() => network.host("a"), TypeError, 'Cannot add "a"');
    assertThrows(() => network.link("wire", a, a), TypeError, 'Cannot add "wire"');
    assertThrows(() => link.end(network.host("c")), TypeError, "ends elsewhere");
    assertThrows(() => new Network({ seed: 0.5 }), RangeError, "'seed' must be an integer");
  });
});

describe("a host", () => {
  it("fires the stack's deadline and follows it when it moves", () => {
    const { a, left, network } = pair();
    left.deadline = 50;
    a.wake();
    left.deadline = 80; // later: looked at when the time comes
    a.wake();
    while (network.step());
    assertEquals(left.log, ["timeout 80", "flush 80"]);
    left.deadline = 200;
    a.wake();
    left.deadline = 100; // earlier
    a.wake();
    while (network.step());
    assertEquals(left.log.slice(2), ["timeout 100", "flush 100"]);
    left.deadline = 300;
    a.wake();
    left.deadline = Infinity;
    a.wake();
    assertEquals(network.step(), false);
  });

  it("drops what comes before its stack was started, and after it was stopped", () => {
    const { b, right, send, run } = pair();
    b.stop();
    send(1);
    assertEquals(run(), []);
    b.start(right);
    send(2);
    assertEquals(run(), ["packet wire 0 2", "flush 0"]);
  });

  it("gets what comes over several paths and one router as one batch", () => {
    const network = new Network();
    const [a, b] = [network.host("a"), network.host("b")];
    const core = network.router("core");
    const inner = network.link("inner", b, core);
    const links = ["one", "two"].map((name) => network.link(name, a, core));
    core.route("10.0.0.2", inner);
    const stack = new RecordingStack();
    b.start(stack);
    links.forEach((link, i) => sendOver(link.end(a), ipPacket("10.0.0.1", "10.0.0.2", 80, i)));
    assertEquals(stack.log, []);
    while (network.step());
    assertEquals(stack.log, ["packet inner 0 0", "packet inner 0 1", "flush 0"]);
  });
});

describe("a router", () => {
  function star() {
    const network = new Network();
    const core = network.router("core");
    const hosts = ["a", "b", "c"].map((name) => network.host(name));
    const links = hosts.map((host) => network.link(host.name, host, core));
    const stacks = hosts.map((host) => {
      const stack = new RecordingStack();
      host.start(stack);
      return stack;
    });
    const send = (from: string, to: string, mark: number): void => {
      sendOver(links[0]!.end(hosts[0]!), ipPacket(from, to, 80, mark));
      while (network.step());
    };
    return { network, core, links, stacks, send };
  }

  it("chooses the longest prefix, of either family, and the newest of equals", () => {
    const { core, links, stacks, send } = star();
    core.route("0.0.0.0/0", links[1]!);
    core.route("10.1.0.0/16", links[2]!);
    core.route("10.1.128.7", links[1]!);
    core.route("fd00:1::/33", links[2]!);
    send("10.9.9.9", "192.0.2.1", 1);
    send("10.9.9.9", "10.1.2.3", 2);
    send("10.9.9.9", "10.1.128.7", 3);
    send("fd00::9", "fd00:1:7fff::1", 4);
    core.route("10.1.0.0/16", links[1]!);
    send("10.9.9.9", "10.1.2.3", 5);
    send("fd00::9", "fd00:1:8000::1", 6); // no route
    const marks = stacks.map((stack) => stack.packets.map(({ bytes }) => bytes.at(-1)));
    assertEquals(marks, [[], [1, 3, 5], [2, 4]]);
    assertEquals(core.dropped, { noRoute: 1, expired: 0 });
  });

  it("tells more destinations apart than it remembers, and forgets none that changes its way", () => {
    const { core, links, stacks, send } = star();
    const addresses = Array.from(
      { length: 600 },
      (_, i) => i % 3 === 0 ? `fd00::${i.toString(16)}` : `10.1.${i >> 8}.${i & 255}`,
    );
    const sendAll = (): void => {
      for (const [i, address] of addresses.entries()) {
        send(i % 3 === 0 ? "fd00:9::9" : "10.9.9.9", address, i & 255);
      }
    };
    addresses.forEach((address, i) => core.route(address, links[1 + i % 2]!));
    const marks = (odd: number): number[] =>
      addresses.keys().filter((i) => i % 2 === odd).map((i) => i & 255).toArray();
    const came = (i: number): (number | undefined)[] =>
      stacks[i]!.packets.splice(0).map(({ bytes }) => bytes.at(-1));
    for (const turn of [0, 1]) {
      sendAll();
      assertEquals([came(1), came(2)], [marks(0), marks(1)], `turn ${turn}`);
    }
    addresses.forEach((address, i) => core.route(address, links[2 - i % 2]!));
    sendAll();
    assertEquals([came(1), came(2)], [marks(1), marks(0)]);
  });

  it("counts the time to live down and keeps the header's sum right", () => {
    const { core, links, stacks, send } = star();
    core.route("0.0.0.0/0", links[1]!);
    for (let i = 0; i < 300; i++) send(`10.0.${i & 255}.${i * 7 & 255}`, "10.0.0.2", 1);
    for (const { bytes } of stacks[1]!.packets) {
      assertEquals(bytes[8], 63);
      assertEquals(plainSum(bytes.subarray(0, 20)), 0xffff);
    }
  });

  it("drops what has crossed too many routers: loops end", () => {
    const network = new Network();
    const [one, two] = [network.router("one"), network.router("two")];
    const a = network.host("a");
    const first = network.link("first", a, one);
    const loop = network.link("loop", one, two);
    one.route("0.0.0.0/0", loop);
    two.route("0.0.0.0/0", loop);
    sendOver(first.end(a), ipPacket("10.0.0.1", "10.0.0.2", 60));
    assertEquals(network.step(), false);
    assertEquals(one.dropped.expired + two.dropped.expired, 1);
    assertEquals(loop.forward.counts.packets + loop.backward.counts.packets, 63);
  });

  it("refuses prefixes that are none and links that end elsewhere", () => {
    const { core, network, links } = star();
    assertThrows(() => core.route("10.0.0.0/40", links[0]!), TypeError, "10.0.1.0/24");
    const other = network.link("other", network.host("x"), network.host("y"));
    assertThrows(() => core.route("10.0.0.0/8", other), TypeError, "does not end at router");
  });
});

describe("Network", () => {
  it("runs until a condition or a time", () => {
    const { network, send, right } = pair({ elements: [delay("10 us")] });
    send(1);
    network.runUntil(() => right.log.length > 0);
    assertEquals(network.now, 10);
    network.runTo(500);
    assertEquals(network.now, 500);
    assertThrows(() => network.runUntil(() => false), Error, "nothing is left to happen at 500 us");
  });
});
