import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type EndpointOptions, endpoints } from "../../pm/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";

const SECOND = 1e6;
const CELLULAR = toyLocal("10.1.0.1", "cellular");
const WIRED = toyLocal("10.2.0.1", "wired");

function opened(toy: ToyPaths): string[] {
  return toy.log.filter((line) => line.startsWith("open"));
}

describe("endpoints, what is given", () => {
  it("are listed with ids, which count up from 1 where none is given", () => {
    const eps = endpoints({
      add: "10.1.0.1 subflow backup; 10.2.0.1 dev wired id 7 signal port 80",
    });
    assertEquals(eps.add({ address: "FD00:0:0::1", subflow: true, fullmesh: true }), 2);
    const none = { signal: false, subflow: false, backup: false, fullmesh: false, laminar: false };
    const rest = { implicit: false, dev: "", port: 0 };
    assertEquals(eps.list(), [
      { id: 1, address: "10.1.0.1", ...rest, ...none, subflow: true, backup: true },
      { id: 7, address: "10.2.0.1", ...rest, ...none, dev: "wired", port: 80, signal: true },
      { id: 2, address: "fd00::1", ...rest, ...none, subflow: true, fullmesh: true },
    ]);
    assertEquals(eps.limits(), { subflows: 2, addAddrAccepted: 0 });
    assertEquals(eps.limits({ subflows: 4 }), { subflows: 4, addAddrAccepted: 0 });
    assertThrows(() => Object.assign(eps.list()[0]!, { id: 9 }), TypeError);
  });

  it("are refused where they are wrong, with what they may be", () => {
    const eps = endpoints({ add: "10.1.0.1 id 3 subflow" });
    const refused: [EndpointOptions | object, typeof TypeError | typeof RangeError, string][] = [
      [{ address: "10.1.0.300", subflow: true }, TypeError, `current value is "10.1.0.300"`],
      [{ address: "example.org", subflow: true }, TypeError, "an IPv4 or IPv6 address"],
      [{ address: 7, subflow: true }, TypeError, "current value is 7"],
      [{ address: "10.2.0.1" }, TypeError, "one of signal, subflow, backup, fullmesh, laminar"],
      [{ address: "10.2.0.1", subflow: 1 }, TypeError, "'subflow' must be true or false"],
      [{ address: "10.2.0.1", signal: true, id: 0 }, RangeError, "from 1 to 255"],
      [{ address: "10.2.0.1", signal: true, id: 256 }, RangeError, "current value is 256"],
      [{ address: "10.2.0.1", signal: true, id: 3 }, RangeError, "the id 3 is that of 10.1.0.1"],
      [{ address: "10.2.0.1", signal: true, port: 65536 }, RangeError, "from 1 to 65535"],
      [{ address: "10.2.0.1", subflow: true, port: 80 }, TypeError, "needs signal"],
      [{ address: "10.2.0.1", subflow: true, signal: true, fullmesh: true }, TypeError, "both"],
      [{ address: "10.2.0.1", fullmesh: true }, TypeError, "fullmesh needs subflow"],
      [{ address: "10.2.0.1", subflow: true, dev: 3 }, TypeError, "the name of a link"],
      [{ address: "10.2.0.1", implicit: true }, TypeError, "no option 'implicit'"],
      [{ address: "10.1.0.1", signal: true }, RangeError, "it is there: its id is 3"],
      [null as unknown as object, TypeError, "must be an object"],
    ];
    for (const [options, error, text] of refused) {
      assertThrows(() => eps.add(options as EndpointOptions), error, text);
    }
    assertThrows(() => endpoints({ add: "10.1.0.1 subflows" }), TypeError, "'subflows' is none of");
    assertThrows(() => endpoints({ add: "10.1.0.1 id x subflow" }), RangeError, "'id'");
    assertThrows(() => endpoints({ add: 7 as never }), TypeError, "'add' must be text or an array");
    assertThrows(() => endpoints({ subflows: 9 }), RangeError, "from 0 to 8: current value is 9");
    assertThrows(() => eps.limits({ addAddrAccepted: -1 }), RangeError, "'addAddrAccepted'");
    assertThrows(() => eps.limits({ paths: 1 } as never), TypeError, "no limit 'paths'");
    assertThrows(() => eps.remove(9), RangeError, "there is none: the ids are 3");
    assertThrows(() => eps.remove(0), TypeError, "'address' must be");
    assertThrows(() => eps.change(9, { backup: true }), RangeError, "endpoint 9");
    assertThrows(() => eps.change(3, { signal: true } as never), TypeError, "not signal");
    assertEquals(eps.list().length, 1);
    for (let n = 1; n < 8; n++) eps.add({ address: `10.9.0.${n}`, subflow: true });
    assertThrows(() => eps.add({ address: "10.9.0.9", subflow: true }), RangeError, "there are 8");
  });
});

describe("endpoints", () => {
  it("give addresses their ids on every connection", () => {
    const eps = endpoints({ add: "10.2.0.1 id 1 subflow; 10.1.0.1 id 200 subflow" });
    const toy = new ToyPaths(eps, { locals: [CELLULAR, WIRED] });
    assertEquals(toy.connection.context.locals.map(({ id, address }) => `${id} ${address}`), [
      "0 10.0.0.1",
      "200 10.1.0.1",
      "1 10.2.0.1",
    ]);
  });

  it("wait for their address, and for its link", () => {
    const eps = endpoints({ add: "10.1.0.1 dev cellular subflow; 10.2.0.1 dev wifi subflow" });
    const toy = new ToyPaths(eps, { locals: [WIRED] });
    toy.connection.start();
    assertEquals(toy.log, []);
    toy.connection.localAdded(CELLULAR);
    assertEquals(toy.log, ["open 2 10.1.0.1>10.9.0.1"]);
    toy.events.run(SECOND);
    toy.connection.localRemoved("10.1.0.1");
    toy.events.run(2 * SECOND);
    assertEquals(toy.log.slice(1), ["close 2", "remove 1"]);
    toy.connection.localAdded(CELLULAR);
    toy.events.run(3 * SECOND);
    assertEquals(opened(toy).length, 2);
  });

  it("hold to the C flag of the peer: no path to its first address (RFC 8684 §3.1)", () => {
    const plan = { locals: [CELLULAR, WIRED], deny: true };
    const toy = new ToyPaths(endpoints({ add: "10.1.0.1 subflow; 10.2.0.1 subflow" }), plan);
    toy.connection.start();
    toy.events.run(SECOND);
    assertEquals(toy.log, []);
    // "default limits, server deny join id 0": nothing else is left to connect to, so that one announcement is taken.
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.events.run(2 * SECOND);
    assertEquals(opened(toy), ["open 2 10.1.0.1>10.9.0.2", "open 3 10.2.0.1>10.9.0.2"]);
    toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
    toy.events.run(3 * SECOND);
    assertEquals(opened(toy).length, 2);
  });

  it("answer no address that was only seen in a join", () => {
    const eps = endpoints({ addAddrAccepted: 4, add: "10.1.0.1 subflow fullmesh" });
    const toy = new ToyPaths(eps, { role: "server", locals: [CELLULAR] });
    toy.connection.start();
    toy.join(7, { address: "10.9.0.7", port: 50000 }, "10.1.0.1");
    toy.events.run(SECOND);
    assertEquals(opened(toy), ["open 2 10.1.0.1>10.9.0.1"]);
  });

  it("take another announcement when one was taken back, and one that comes again", () => {
    const toy = new ToyPaths(endpoints({ addAddrAccepted: 1 }), {});
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
    toy.events.run(SECOND);
    toy.connection.remoteRemoved([2]);
    toy.change(2, "left");
    toy.connection.remoteAnnounced(4, { address: "10.9.0.4", port: 8080 });
    toy.events.run(2 * SECOND);
    assertEquals(opened(toy), ["open 2 10.0.0.1>10.9.0.2", "open 3 10.0.0.1>10.9.0.4"]);
  });

  it("RFC 8684 §3.4.2: leave paths to an address that was taken back to whoever took it back", () => {
    const toy = new ToyPaths(endpoints({ addAddrAccepted: 2 }), {});
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.events.run(SECOND);
    // RFC 8684 §3.4.2: "it is the responsibility of the host that sent the REMOVE_ADDR to shut down the subflow"
    toy.connection.remoteRemoved([2]);
    toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
    toy.events.run(2 * SECOND);
    assertEquals(toy.log.filter((entry) => entry.startsWith("close")), []);
    assertEquals(toy.paths.map(({ remote }) => remote.address), [
      "10.9.0.1",
      "10.9.0.2",
      "10.9.0.3",
    ]);
  });

  it("answer no announcement twice when the address that answered it is withdrawn", () => {
    const eps = endpoints({ addAddrAccepted: 2, add: "10.1.0.1 laminar" });
    const toy = new ToyPaths(eps, { locals: [CELLULAR] });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.events.run(SECOND);
    eps.flush();
    toy.events.run(2 * SECOND);
    assertEquals(opened(toy), ["open 2 10.1.0.1>10.9.0.2"]);
  });

  it("keep to limits that are raised and lowered while connections run", () => {
    const eps = endpoints({ subflows: 0, add: "10.1.0.1 subflow; 10.2.0.1 subflow" });
    const toy = new ToyPaths(eps, { locals: [CELLULAR, WIRED] });
    toy.connection.start();
    assertEquals(toy.log, []);
    eps.limits({ subflows: 1 });
    toy.events.run(SECOND);
    assertEquals(opened(toy), ["open 2 10.1.0.1>10.9.0.1"]);
    eps.limits({ subflows: 0 });
    toy.events.run(2 * SECOND);
    assertEquals(toy.paths.length, 2);
    toy.change(2, "left");
    eps.limits({ subflows: 2 });
    toy.events.run(10 * SECOND);
    assertEquals(toy.paths.length, 3);
    const most = new ToyPaths(endpoints({ subflows: 8 }), { limits: { subflows: 1 } });
    assertEquals(most.connection.context.limits.subflows, 1);
  });

  it("serve all connections at once, and forget those that have ended", () => {
    const eps = endpoints();
    const toys = [1, 2].map(() => new ToyPaths(eps, { locals: [CELLULAR] }));
    for (const toy of toys) toy.connection.start();
    toys[1]!.connection.stop();
    eps.add({ address: "10.1.0.1", subflow: true });
    for (const toy of toys) toy.events.run(SECOND);
    assertEquals(toys.map((toy) => opened(toy).length), [1, 0]);
  });

  it("of an address that was withdrawn open nothing from it, the first path's included", () => {
    const eps = endpoints({ add: "10.0.0.1 subflow; 10.1.0.1 subflow" });
    const toy = new ToyPaths(eps, { locals: [CELLULAR] });
    toy.connection.start();
    toy.events.run(SECOND);
    eps.remove(1);
    toy.events.run(70 * SECOND);
    assertEquals(toy.log, ["open 2 10.1.0.1>10.9.0.1", "close 1", "remove 0"]);
    assert(toy.paths.every(({ path }) => path === 2));
  });
});
