import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import type { FlowPlan } from "../../../core/connection/host.ts";
import { Flows } from "../../../core/host/flows.ts";
import { randomStream } from "../../../core/host/random.ts";
import { type LocalAddress, Routes } from "../../../core/host/routes.ts";
import { PLAIN } from "../../../core/subflow/handshake.ts";
import { Subflow } from "../../../core/subflow/subflow.ts";
import { TIME_WAIT_LENGTH, type TimeWait } from "../../../core/subflow/time_wait.ts";
import { rx } from "../../../core/wire/segment.ts";
import { PARSE_OK, USAGE_FLOWS } from "../../../wasm/layout.ts";
import { host_usage, memory_free, packet_parse, u8 } from "../../../wasm/mod.ts";
import { connection } from "../../support/connections.ts";
import { ScriptedLink } from "../../support/dialogue.ts";
import { FakeHost, FakeLevel, FakeOutlet, flowKey, ISS } from "../../support/parts.ts";
import { PAYLOAD } from "../../support/scripted_peer.ts";

const FIRST_PORT = 32768;
const LAST_PORT = 60999;

/** A connection to register flows for; which one does not matter. */
const CONNECTION = connection().meta;

/** Flows of a host of their own; ports of listeners are `taken`, the first ephemeral one is `start` above the lowest. */
class Desk {
  readonly host = new FakeHost();
  readonly flows: Flows;

  /** How often a port was looked at. */
  looks = 0;
  readonly #local: LocalAddress;

  constructor(
    options: { taken?: (port: number) => boolean; start?: number; timeWaits?: number } = {},
  ) {
    const { taken = () => false, start = 0, timeWaits } = options;
    const random = randomStream(() => start);
    const looked = (port: number): boolean => {
      this.looks++;
      return taken(port);
    };
    this.flows = new Flows(this.host.wasm, random, looked, timeWaits);
    const routes = new Routes();
    const link = new ScriptedLink("link", [], 1500, 1);
    routes.addLink(link);
    this.#local = routes.addAddress(link, "10.0.0.1/24");
  }

  /** The way from 10.0.0.1; its key is the caller's to free. */
  way(options: { port?: number; remote?: string; to?: number; now?: number } = {}): FlowPlan {
    const { port = 0, remote = "10.0.0.2", to = 80, now = 0 } = options;
    const way = this.flows.plan(this.#local, port, { address: remote, port: to }, 0, now);
    assert(way !== null, "no port is free");
    return way;
  }

  /** The port chosen for a way to a destination. */
  port(remote = "10.0.0.2", to = 80): number {
    const way = this.way({ remote, to });
    memory_free(way.key);
    return way.local.port;
  }

  /** Whether there is a way at all. */
  get any(): boolean {
    return this.flows.plan(this.#local, 0, { address: "10.0.0.2", port: 80 }, 0, 0) !== null;
  }

  /** A subflow from a local port. */
  subflow(port: number, remote = "10.0.0.2"): Subflow {
    return new Subflow(this.host, new FakeLevel(this.host), {
      path: 1,
      local: { address: "10.0.0.1", port },
      remote: { address: remote, port: 80 },
      family: 4,
      key: flowKey(true, port),
      outlet: new FakeOutlet(),
      iss: ISS,
      timestampOffset: 0,
      localId: 0,
      remoteId: 0,
      option: PLAIN,
    });
  }

  /** Registers a subflow from each port; the values are 1, 2, … */
  register(...ports: readonly number[]): Subflow[] {
    return ports.map((port) => {
      const subflow = this.subflow(port);
      assertEquals(this.flows.register(subflow, CONNECTION), true);
      return subflow;
    });
  }

  /** Local ports of the subflows to an address. */
  portsTo(address: string): number[] {
    const ports: number[] = [];
    this.flows.eachTo(address, ({ local }, connection) => {
      assert(connection === CONNECTION);
      ports.push(local.port);
    });
    return ports;
  }

  /** What answers in TIME-WAIT for the flow with a value. */
  timeWait(subflow: Subflow, value: number): TimeWait {
    return subflow.sender.rest(value, subflow.local, 1);
  }

  /** Flows in the table. */
  get size(): number {
    return host_usage(this.host.wasm, USAGE_FLOWS);
  }

  /** The value that a packet to a local port finds. */
  find(port: number): number {
    // An ACK without payload from 10.0.0.2:80 to 10.0.0.1; its checksums are not looked at.
    const ip = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
    const tcp = [0, 80, port >> 8, port & 255, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 16, 1, 0, 0, 0, 0, 0];
    const at = PAYLOAD - (PAYLOAD & 3);
    u8.set([...ip, ...tcp], at);
    assertEquals(packet_parse(this.host.wasm, at, 40, 1), PARSE_OK);
    return rx.flow;
  }
}

describe("flows", () => {
  it("are found by their packets, from when they are registered until they are forgotten", () => {
    const desk = new Desk();
    assertEquals(desk.find(1000), 0);
    const [first, second] = desk.register(1000, 1001);
    assertEquals([desk.find(1000), desk.find(1001), desk.find(1002)], [1, 2, 0]);
    assert(desk.flows.subflow(1) === first && desk.flows.subflow(2) === second);
    assert(desk.flows.connection(1) === CONNECTION);
    desk.flows.forget(1);
    assertEquals([desk.find(1000), desk.find(1001), desk.size], [0, 2, 1]);
    assertEquals([desk.flows.subflow(1), desk.flows.connection(1)], [null, null]);
  });

  it("are refused where one with the same ends is there, which stays", () => {
    const desk = new Desk();
    const [first] = desk.register(1000);
    assertEquals(desk.flows.register(desk.subflow(1000), CONNECTION), false);
    assertEquals([desk.find(1000), desk.flows.subflow(1) === first], [1, true]);
    desk.register(1001);
    assertEquals([desk.find(1001), desk.size], [2, 2]);
  });

  it("take over the values of those that are gone, a refused one's too", () => {
    const desk = new Desk();
    desk.register(1000, 1001);
    desk.flows.forget(1);
    assertEquals(desk.flows.register(desk.subflow(1001), CONNECTION), false);
    desk.register(1002);
    assertEquals([desk.find(1002), desk.size], [1, 2]);
  });

  it("are forgotten once; value 0 is none", () => {
    const desk = new Desk();
    desk.register(1000);
    desk.flows.forget(0);
    desk.flows.forget(9);
    assertEquals(desk.size, 1);
    desk.flows.forget(1);
    desk.flows.forget(1);
    desk.register(1001, 1002);
    assertEquals([desk.find(1001), desk.find(1002)], [1, 2]);
  });
});

describe("flows to one peer", () => {
  it("are found without a look at those of any other, once the first was asked for", () => {
    const desk = new Desk();
    const peers = 500;
    for (let i = 0; i < 2 * peers; i++) {
      const subflow = desk.subflow(1000 + i, `10.1.${i % peers >> 8}.${i % peers & 255}`);
      assert(desk.flows.register(subflow, CONNECTION));
    }
    assertEquals(desk.portsTo("10.1.0.7"), [1007, 1007 + peers]);
    const { steps } = desk.flows;
    for (let i = 0; i < 100; i++) assertEquals(desk.portsTo(`10.1.0.${i}`).length, 2);
    assertEquals(desk.portsTo("10.9.9.9"), []);
    assertEquals(desk.flows.steps - steps, 200);
  });

  it("are those that there are: no more when they end, or rest in TIME-WAIT", () => {
    const desk = new Desk();
    const [, second] = desk.register(1000, 1001);
    assertEquals(desk.portsTo("10.0.0.2"), [1000, 1001]);
    desk.register(1002);
    assertEquals(desk.portsTo("10.0.0.2"), [1000, 1001, 1002]);
    desk.flows.forget(1);
    desk.flows.rest(desk.timeWait(second!, 2));
    assertEquals(desk.portsTo("10.0.0.2"), [1002]);
    desk.flows.forget(2);
    desk.flows.forget(3);
    assertEquals(desk.portsTo("10.0.0.2"), []);
  });
});

describe("flows in TIME-WAIT", () => {
  it("are still found, and answered for by what rests, not by a subflow", () => {
    const desk = new Desk();
    const [subflow] = desk.register(1000);
    const timeWait = desk.timeWait(subflow!, 1);
    assertEquals(desk.flows.resting(1), undefined);
    assertEquals(desk.flows.rest(timeWait), true);
    assertEquals(desk.find(1000), 1);
    assertEquals([desk.flows.subflow(1), desk.flows.connection(1)], [null, null]);
    assert(desk.flows.resting(1) === timeWait);
    desk.flows.forget(1);
    assertEquals([desk.find(1000), desk.flows.resting(1), desk.size], [0, undefined, 0]);
  });

  it("are as many as are allowed: the next is told that there are too many", () => {
    const desk = new Desk({ timeWaits: 2 });
    const subflows = desk.register(1000, 1001, 1002);
    const kept = subflows.map((subflow, i) => desk.flows.rest(desk.timeWait(subflow, i + 1)));
    assertEquals(kept, [true, true, false]);
    desk.flows.forget(3);
    desk.flows.forget(1);
    const [next] = desk.register(1003);
    assertEquals(desk.flows.rest(desk.timeWait(next!, desk.find(1003))), true);
  });
});

describe("ports for listeners that name none", () => {
  it("are given in turn from where the host begins, and around", () => {
    const { flows } = new Desk({ start: LAST_PORT - FIRST_PORT - 1 });
    assertEquals([flows.freePort(), flows.freePort(), flows.freePort(), flows.freePort()], [
      LAST_PORT - 1,
      LAST_PORT,
      FIRST_PORT,
      FIRST_PORT + 1,
    ]);
    assertEquals(new Desk({ start: LAST_PORT - FIRST_PORT + 1 }).flows.freePort(), FIRST_PORT);
  });

  it("leave out those that a listener has", () => {
    const taken = [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 3];
    const { flows } = new Desk({ taken: (port) => taken.includes(port) });
    assertEquals([flows.freePort(), flows.freePort()], [FIRST_PORT + 2, FIRST_PORT + 4]);
  });
});

const PORTS = LAST_PORT - FIRST_PORT + 1;

describe("RFC 6056 §3.3.4: ports of connections", () => {
  it("go on by one for a destination, all around, before any comes again", () => {
    const desk = new Desk();
    const ports = Array.from({ length: PORTS }, () => desk.port());
    assertEquals([Math.min(...ports), Math.max(...ports)], [FIRST_PORT, LAST_PORT]);
    assertEquals(new Set(ports).size, PORTS);
    assertEquals(desk.port(), ports[0]);
    assertEquals(ports.filter((port, i) => i > 0 && port !== ports[i - 1]! + 1).length, 1);
  });

  it("begin elsewhere for each address and each port of a destination", () => {
    const desk = new Desk();
    const starts = Array.from({ length: 100 }, (_, i) => desk.port("10.0.0.2", 80 + i));
    for (let i = 0; i < 100; i++) starts.push(desk.port(`10.1.0.${1 + i}`));
    // 200 of 28,232 drawn at random: less than one pair of equals is expected, and neighbours are as rare.
    assert(new Set(starts).size >= 196, `${new Set(starts).size} of 200`);
    const near = starts.filter((port, i) => i > 0 && Math.abs(port - starts[i - 1]!) < 16).length;
    assert(near <= 3, `${near} of 200 lie beside the one before`);
  });

  it("tell one destination nothing of how many were used for others, but for those of its counter", () => {
    const desk = new Desk();
    const before = desk.port();
    let moved = 0;
    for (let i = 0; i < 1000; i++) desk.port("10.0.0.2", 1000 + i);
    moved = (desk.port() - before - 1 + PORTS) % PORTS;
    // A thousand over 256 counters: four on average.
    assert(moved < 20, `${moved}`);
  });

  it("begin where the host's random numbers say", () => {
    assertEquals(new Desk({ start: 5 }).port(), new Desk({ start: 5 }).port());
    const [one, other] = [new Desk({ start: 5 }).port(), new Desk({ start: 105 }).port()];
    assertEquals((other - one + PORTS) % PORTS, 100);
  });

  it("leave out those of listeners, and those in use for the same ends: one that is free is found", () => {
    const free = FIRST_PORT + 12345;
    const desk = new Desk({ taken: (port) => port % 2 === 0 && port !== free });
    const used = new Desk();
    const first = used.port();
    assertEquals(desk.port() % 2, 1);
    for (const port of [1, 2, 4]) used.register(FIRST_PORT + (first - FIRST_PORT + port) % PORTS);
    assertEquals([used.port() - first, used.port() - first], [3, 5]);
    // Those of another destination do not count.
    assertEquals(used.port("10.0.0.3"), new Desk().port("10.0.0.3"));
    const all = new Desk({ taken: (port) => port !== free });
    assertEquals([all.port(), all.port()], [free, free]);
  });

  it("are none where all are taken, after one look at each; nothing stays behind", () => {
    const desk = new Desk({ taken: () => true });
    assertEquals([desk.any, desk.looks], [false, PORTS]);
  });

  it("are found at the first look after tens of thousands of connections to one peer, all in TIME-WAIT", () => {
    const desk = new Desk({ timeWaits: 1e6 });
    const total = PORTS + 3000;
    for (let i = 0; i < total; i++) {
      const now = i * 1000;
      const way = desk.way({ now });
      const before = desk.flows.reusable(way.key, now);
      if (before !== null) desk.flows.forget(before.flow);
      const subflow = desk.subflow(way.local.port);
      memory_free(way.key);
      assertEquals(desk.flows.register(subflow, CONNECTION), true, `connection ${i}`);
      const timeWait = desk.timeWait(subflow, desk.find(way.local.port));
      timeWait.deadline = now + TIME_WAIT_LENGTH;
      desk.flows.rest(timeWait);
    }
    assertEquals(desk.looks, total);
  });
});

describe("the way for a new flow", () => {
  it("is from a local address, by its link; a port of 0 is chosen", () => {
    const desk = new Desk();
    const chosen = desk.way();
    const port = new Desk().port();
    assertEquals([chosen.local, chosen.remote, chosen.family], [
      { address: "10.0.0.1", port },
      { address: "10.0.0.2", port: 80 },
      4,
    ]);
    assertEquals(chosen.outlet.mtu, 1500);
    const named = desk.way({ port: 5000 });
    assertEquals(named.local.port, 5000);
    for (const { key } of [chosen, named]) memory_free(key);
  });
});
