import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import wifiFirst from "../../docs/examples/wifi_first.ts";
import { fullMesh, nDiffPorts, passive } from "../../pm/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";

const CELLULAR = toyLocal("10.1.0.1", "cellular");
const SECOND = 1e6;

function opened(toy: ToyPaths): string[] {
  return toy.log.filter((line) => line.startsWith("open"));
}

describe("full_mesh", () => {
  it("has the client open 2 × 2 paths, those that share no address first (SUB-1)", () => {
    const toy = new ToyPaths(fullMesh(), { locals: [CELLULAR] });
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.connection.start();
    assertEquals(opened(toy), [
      "open 2 10.1.0.1>10.9.0.2",
      "open 3 10.0.0.1>10.9.0.2",
      "open 4 10.1.0.1>10.9.0.1",
    ]);
  });

  // RFC 8684 §3.4.1: "a host MAY advertise such addresses"
  it("has the server announce its addresses and open nothing", () => {
    const toy = new ToyPaths(fullMesh(), { role: "server", locals: [CELLULAR] });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.events.run(SECOND);
    toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    toy.events.run(2 * SECOND);
    assertEquals(toy.log, ["add 1", "echo 2", "add 2"]);
  });

  it("pairs addresses of one family (ARC-8)", () => {
    const locals = [toyLocal("fd00::1", "wifi"), CELLULAR];
    const toy = new ToyPaths(fullMesh(), { locals });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "fd09::2", port: 0 });
    assertEquals(opened(toy), ["open 2 10.1.0.1>10.9.0.1", "open 3 fd00::1>fd09::2"]);
  });

  it("opens paths from addresses that come, closes those of addresses that go", () => {
    const toy = new ToyPaths(fullMesh(), {});
    toy.connection.start();
    toy.connection.localAdded(CELLULAR);
    toy.events.run(SECOND);
    toy.connection.localRemoved("10.1.0.1");
    toy.events.run(2 * SECOND);
    assertEquals(toy.log, ["open 2 10.1.0.1>10.9.0.1", "close 2", "remove 1"]);
  });

  it("RFC 8684 §3.1: leaves out the first address where that is not to be joined (C flag), by whatever id it comes", () => {
    const toy = new ToyPaths(fullMesh(), { locals: [CELLULAR], deny: true });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.connection.remoteAnnounced(3, { address: "10.9.0.1", port: 0 });
    toy.join(7, { address: "10.9.0.1", port: 50000 }, "10.0.0.1");
    toy.events.run(SECOND);
    assertEquals(opened(toy), ["open 3 10.1.0.1>10.9.0.2", "open 4 10.0.0.1>10.9.0.2"]);
    // The same address with another port is another one.
    toy.connection.remoteAnnounced(4, { address: "10.9.0.1", port: 4444 });
    assertEquals(opened(toy).slice(2).every((line) => line.endsWith(">10.9.0.1")), true);
    assertEquals(opened(toy).length, 4);
  });

  it("keeps what the peer opened", () => {
    const toy = new ToyPaths(fullMesh(), {});
    toy.connection.start();
    toy.join(7, { address: "10.9.0.7", port: 50000 }, "10.0.0.1");
    toy.connection.localAdded(CELLULAR);
    toy.events.run(SECOND);
    assertEquals(toy.log.some((line) => line.startsWith("close")), false);
    assertEquals(toy.paths.map(({ path }) => path), [1, 2, 3, 4]);
  });

  it("opens as many as the limits allow", () => {
    const limits = { subflows: 2 };
    const toy = new ToyPaths(fullMesh({ copies: 4 }), { locals: [CELLULAR], limits });
    toy.connection.start();
    assertEquals(opened(toy).length, 2);
  });

  it("repeats pairs from other ports", () => {
    const toy = new ToyPaths(fullMesh({ copies: 2 }), {});
    toy.connection.start();
    assertEquals(opened(toy), ["open 2 10.0.0.1>10.9.0.1"]);
    assertThrows(() => fullMesh({ copies: 0 }), RangeError, "'copies' must be an integer");
  });
});

describe("n_diff_ports", () => {
  it("has the client open further subflows over the first pair", () => {
    const toy = new ToyPaths(nDiffPorts({ subflows: 3 }), { locals: [CELLULAR] });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    assertEquals(opened(toy), ["open 2 10.0.0.1>10.9.0.1", "open 3 10.0.0.1>10.9.0.1"]);
    assertThrows(() => nDiffPorts({ subflows: 9 }), RangeError, "'subflows' must be an integer");
  });

  it("opens them anew when their address has gone and comes back, or another comes", () => {
    const toy = new ToyPaths(nDiffPorts(), {});
    toy.connection.start();
    toy.connection.localRemoved("10.0.0.1");
    toy.events.run(SECOND);
    toy.log.length = 0;
    toy.connection.localAdded(CELLULAR);
    toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    toy.events.run(2 * SECOND);
    assertEquals(opened(toy), ["open 3 10.1.0.1>10.9.0.1", "open 4 10.1.0.1>10.9.0.1"]);
  });

  for (const copies of [2, 3]) {
    it(`RFC 8684 §3.1: opens ${copies} to what is announced where the first address is not to be joined (C flag)`, () => {
      const toy = new ToyPaths(nDiffPorts({ subflows: copies }), { deny: true });
      toy.connection.start();
      assertEquals(opened(toy), []);
      toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
      toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
      toy.events.run(SECOND);
      const lines = Array.from({ length: copies - 1 }, (_, i) => `open ${2 + i} 10.0.0.1>10.9.0.2`);
      assertEquals(opened(toy), lines);
      assertEquals(toy.log.filter((line) => line.startsWith("close")), []);
    });
  }
  it("goes to another address of the peer when that takes the first back, and holds to its C flag", () => {
    const toy = new ToyPaths(nDiffPorts({ subflows: 2 }), {});
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.events.run(SECOND);
    toy.connection.remoteRemoved([0]);
    toy.events.run(2 * SECOND);
    assertEquals(opened(toy).slice(1), ["open 3 10.0.0.1>10.9.0.2", "open 4 10.0.0.1>10.9.0.2"]);
    const denied = new ToyPaths(nDiffPorts({ subflows: 2 }), { deny: true });
    denied.connection.start();
    assertEquals(opened(denied), []);
    denied.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    assertEquals(opened(denied), ["open 2 10.0.0.1>10.9.0.2"]);
  });

  it("keeps what the peer opened", () => {
    const toy = new ToyPaths(nDiffPorts({ subflows: 2 }), { locals: [CELLULAR] });
    toy.connection.start();
    toy.join(7, { address: "10.9.0.7", port: 50000 }, "10.1.0.1");
    toy.events.run(SECOND);
    toy.connection.localRemoved("10.0.0.1");
    toy.events.run(2 * SECOND);
    assert(toy.paths.some(({ path }) => path === 3));
    assertEquals(toy.paths.length, 3);
  });

  it("joins addresses of one family, that of the first path (ARC-8)", () => {
    const toy = new ToyPaths(nDiffPorts(), { local: "fd00::1", locals: [CELLULAR] });
    toy.connection.start();
    assertEquals(opened(toy), ["open 2 fd00::1>fd09::1"]);
  });

  it("has the server open nothing", () => {
    const toy = new ToyPaths(nDiffPorts(), { role: "server" });
    toy.connection.start();
    assertEquals(toy.log, []);
  });
});

describe("passive", () => {
  it("does nothing, and refuses nothing", () => {
    const toy = new ToyPaths(passive(), { role: "server", locals: [CELLULAR] });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.join(7, { address: "10.9.0.7", port: 50000 }, "10.0.0.1");
    toy.events.run(0);
    assertEquals(toy.log, ["echo 2"]);
    assertEquals(toy.paths.length, 2);
  });
});

describe("wifi_first, the example", () => {
  it("lets the spare path in as backup when the first is stale, and out 10 s after it came back", () => {
    const toy = new ToyPaths(wifiFirst(), { locals: [CELLULAR] });
    toy.connection.start();
    toy.events.run(SECOND);
    assertEquals(toy.log, []);
    toy.change(1, "stale");
    toy.events.run(2 * SECOND);
    assertEquals(toy.log, ["open 2 10.1.0.1>10.9.0.1 backup"]);
    toy.change(1, "revived");
    toy.events.run(11.9 * SECOND);
    assertEquals(toy.paths.length, 2);
    toy.events.run(13 * SECOND);
    assertEquals(toy.log.slice(1), ["close 2"]);
  });

  it("keeps it when the first goes stale again", () => {
    const toy = new ToyPaths(wifiFirst({ spare: "cellular" }), { locals: [CELLULAR] });
    toy.connection.start();
    toy.change(1, "stale");
    toy.events.run(SECOND);
    toy.change(1, "revived");
    toy.events.run(2 * SECOND);
    toy.change(1, "stale");
    toy.events.run(60 * SECOND);
    assertEquals(toy.paths.map(({ path }) => path), [1, 2]);
  });

  it("does nothing without a spare path", () => {
    const toy = new ToyPaths(wifiFirst({ spare: "satellite" }), { locals: [CELLULAR] });
    toy.connection.start();
    toy.change(1, "stale");
    toy.events.run(SECOND);
    assertEquals(toy.log, []);
  });
});
