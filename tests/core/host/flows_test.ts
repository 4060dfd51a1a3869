import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import type { FlowPlan } from "../../../core/connection/host.ts";
import { Flows } from "../../../core/host/flows.ts";
import { randomStream } from "../../../core/host/random.ts";
import { Routes } from "../../../core/host/routes.ts";
import { PLAIN } from "../../../core/subflow/handshake.ts";
import { Subflow } from "../../../core/subflow/subflow.ts";
import type { TimeWait } from "../../../core/subflow/time_wait.ts";
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

  constructor(options: { taken?: readonly number[]; start?: number; timeWaits?: number } = {}) {
    const { taken = [], start = 0, timeWaits } = options;
    const random = randomStream(() => start);
    this.flows = new Flows(this.host.wasm, random, (port) => taken.includes(port), timeWaits);
  }

  /** A subflow from a local port. */
  subflow(port: number): Subflow {
    return new Subflow(this.host, new FakeLevel(this.host), {
      path: 1,
      local: { address: "10.0.0.1", port },
      remote: { address: "10.0.0.2", port: 80 },
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

  /** What answers in TIME-WAIT for the flow with a value. */
  timeWait(subflow: Subflow, value: number): TimeWait {
    return subflow.output.rest(value, subflow.local, 1);
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

describe("ephemeral ports", () => {
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
    const { flows } = new Desk({ taken: [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 3] });
    assertEquals([flows.freePort(), flows.freePort()], [FIRST_PORT + 2, FIRST_PORT + 4]);
  });
});

describe("the way for a new flow", () => {
  it("is from a local address, by its link; a port of 0 is chosen", () => {
    const { flows } = new Desk();
    const routes = new Routes();
    const link = new ScriptedLink("link", [], 1500, 1);
    routes.addLink(link);
    const local = routes.addAddress(link, "10.0.0.1/24");
    const remote = { address: "10.0.0.2", port: 80 };
    const plan = (port: number): FlowPlan => {
      const way = flows.plan(local, port, remote, 0, 0);
      memory_free(way.key);
      return way;
    };
    const chosen = plan(0);
    assertEquals([chosen.local, chosen.remote, chosen.family], [
      { address: "10.0.0.1", port: FIRST_PORT },
      remote,
      4,
    ]);
    assert(chosen.outlet === local.outlet);
    assertEquals(plan(5000).local.port, 5000);
    assertEquals(plan(0).local.port, FIRST_PORT + 1);
  });
});
