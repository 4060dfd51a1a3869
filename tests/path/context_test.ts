import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathContext, PathEvent, PathIndex, PathManagerPlugin } from "../../core/plugin.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import { toyLocal, ToyPaths, type ToyPathsOptions } from "../kit/toy_paths.ts";
import * as fc from "../support/property.ts";

const CELLULAR = toyLocal("10.1.0.1", "cellular");

/** A path manager that does nothing but tell; its context is used from outside. */
function observed(
  options: ToyPathsOptions = {},
  onEvent: (event: PathEvent, context: PathContext) => void = () => {},
): { toy: ToyPaths; context: PathContext; seen: string[]; established: number[]; ends: number[] } {
  const seen: string[] = [];
  const established: number[] = [];
  const ends: number[] = [];
  const plugin: PathManagerPlugin = {
    kind: "path-manager",
    name: "observed",
    create: (context) => ({
      onEvent(event) {
        const { type } = event;
        if (type === "start") seen.push("start");
        else if (type === "limit") {
          seen.push(`limit ${event.limit} ${event.path ?? event.address?.address}`);
        } else if (event.type === "established") established.push(toy.now);
        else if (type === "echo") seen.push(`echo ${event.address.id}`);
        else if (type === "subflow") seen.push(`${event.path} ${event.change} ${event.reason}`);
        else seen.push(`${type} ${event.address.id} ${event.change}`);
        onEvent(event, context);
      },
      end: () => void ends.push(toy.now),
    }),
  };
  const toy = new ToyPaths(plugin, options);
  return { toy, context: toy.connection.context, seen, established, ends };
}

describe("ConnectionPaths", () => {
  it("tells once when joins are possible, and when the connection ends", () => {
    const { toy, context, seen, established, ends } = observed({ locals: [CELLULAR] });
    toy.connection.start(false);
    assertEquals([seen, established], [["start"], []]);
    toy.connection.start();
    toy.connection.start();
    assertEquals([seen, established, ends], [["start"], [0], []]);
    toy.connection.stop();
    toy.connection.stop();
    assertEquals(ends, [0]);
    context.setBackup(1, true);
    context.use([1, context.index({ local: context.locals[1]!, remote: context.remotes[0]! })]);
    assertEquals(toy.log, []);
  });

  it("holds to the host's limit, and tells of each path that waits for it, once (ARC-3)", () => {
    const { toy, context, seen } = observed({ limits: { subflows: 1 } });
    toy.connection.start();
    const [local] = context.locals;
    const [remote] = context.remotes;
    const paths = [2, 3, 4].map((copy) => context.index({ local: local!, remote: remote!, copy }));
    context.limitSubflows(8);
    assertEquals(context.limits.subflows, 1);
    context.use([1, ...paths]);
    context.use([1, ...paths]);
    assertEquals(seen, ["start", "limit subflows 3", "limit subflows 4"]);
    toy.events.run(1e6);
    toy.change(2, "left");
    toy.events.run(2e6);
    assertEquals(seen.slice(3), [
      "2 joined undefined",
      "2 left reset",
      "3 joined undefined",
      "limit subflows 2",
    ]);
    assertThrows(() => context.limitSubflows(0.5), RangeError, "current value is 0.5");
  });

  it("tells a path manager that names a path by anything but its index what it must be", () => {
    const { context } = observed({});
    const spec = { local: context.locals[0]!, remote: context.remotes[0]! };
    assertThrows(
      () => context.use([spec as never]),
      RangeError,
      "Cannot use an object as a path: it must be what index() gives",
    );
    assertThrows(
      () => context.use([77]),
      RangeError,
      "Cannot use path 77 as no path has that index: it must be what index() gives",
    );
  });

  it("lets a path manager lower the limit: the peer's joins are refused beyond it, those there are stay", () => {
    const { toy, context } = observed({ role: "server" });
    toy.connection.start();
    assertEquals(toy.join(1, { address: "10.9.0.7", port: 50000 }, "10.0.0.1"), { path: 2 });
    context.limitSubflows(0);
    const { subflows, addAddrAccepted } = context.limits;
    assertEquals({ subflows, addAddrAccepted }, { subflows: 0, addAddrAccepted: 8 });
    assertEquals(toy.join(2, { address: "10.9.0.8", port: 50000 }, "10.0.0.1"), { reason: 3 });
    assertEquals(toy.paths.length, 2);
  });

  it("tells of an announcement that the limit has no room for", () => {
    const { toy, context, seen } = observed({ limits: { addAddrAccepted: 1 } });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
    assertEquals(seen, ["start", "remote 2 added", "limit addAddrAccepted 10.9.0.3"]);
    assertEquals(context.remotes.length, 2);
    toy.events.run(0);
    assertEquals(toy.log, ["echo 2", "echo 3"]);
  });

  it("gives an address another id as long as the peer knows it by none", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const before = context.locals[1]!;
    const path = context.index({ local: before, remote: context.remotes[0]! });
    assertThrows(() => context.identify(before, 256), RangeError, "current value is 256");
    assertThrows(() => context.identify(before, 0), RangeError, "current value is 0");
    assertThrows(() => context.identify(context.locals[0]!, 7), RangeError, "by its id 0");
    const named = context.identify(before, 7);
    assertEquals([named.id, context.locals[1]?.id, named.address], [7, 7, "10.1.0.1"]);
    assertEquals(context.identify(named, 7).id, 7);
    assertEquals(toy.connection.localId("10.1.0.1"), 7);
    assertEquals(toy.connection.spec(path), undefined);
    toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    const third = context.locals[2]!;
    assertEquals(context.identify(third, 7).id, 7);
    assertEquals(context.locals.map(({ id }) => id), [0, third.id, 7]);
    context.identify(context.locals[1]!, 7);
    context.announce(named);
    assertThrows(() => context.identify(third, 7), RangeError, "as 10.1.0.1 has it");
    assertThrows(() => context.identify(named, 8), RangeError, "by its id 7");
    context.use([1, context.index({ local: third, remote: context.remotes[0]! })]);
    assertThrows(() => context.identify(third, 8), RangeError, "may know it");
    assertThrows(() => context.identify({ ...third, address: "10.8.0.1" }, 8), RangeError);
  });

  it("withdraws what the peer knows by a join alone (RFC 8684 §3.4.2)", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const [, local] = context.locals;
    context.withdraw(local!);
    context.use([1, context.index({ local: local!, remote: context.remotes[0]! })]);
    toy.events.run(1e6);
    context.withdraw(local!);
    toy.events.run(2e6);
    assertEquals(toy.log, ["open 2 10.1.0.1>10.9.0.1", "close 2", "remove 1"]);
    assertEquals(context.locals.length, 2);
  });

  it("tells what an MP_TCPRST said (RFC 8684 §3.6)", () => {
    const resets: unknown[] = [];
    const { toy } = observed({}, (event) => {
      if (event.type === "subflow") resets.push(event.change, event.reset);
    });
    toy.connection.start();
    toy.connection.resetTold(1, { reason: 5, transient: true });
    toy.change(1, "left");
    assertEquals(resets, ["left", { reason: 5, transient: true }]);
  });

  it("knows the host's addresses from the start, and those that come later (PM-1)", () => {
    const { toy, context, seen } = observed({ locals: [CELLULAR] });
    assertEquals(context.locals.map(({ id, address }) => [id, address]), [
      [0, "10.0.0.1"],
      [1, "10.1.0.1"],
    ]);
    toy.connection.start();
    toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    assertEquals(seen, ["start", "local 2 added"]);
    assertEquals(context.locals.length, 3);
    assertEquals(toy.connection.localId("10.2.0.1"), 2);
    assertEquals(toy.connection.localId("10.3.0.1"), -1);
  });

  it("learns addresses of the peer from ADD_ADDR and from joins (PM-2)", () => {
    const { toy, context, seen } = observed({ role: "server" });
    toy.connection.start();
    toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
    toy.join(4, { address: "203.0.113.4", port: 50000 }, "10.0.0.1");
    assertEquals(seen, ["start", "remote 3 added", "remote 4 added", "2 joined undefined"]);
    assertEquals(context.remotes.map(({ id }) => id), [0, 3, 4]);
    toy.events.run(0);
    assertEquals(toy.log, ["echo 3"]);
  });

  it("echoes each ADD_ADDR, copies in one batch once, and tells of it once", () => {
    const { toy, seen } = observed();
    toy.connection.start();
    for (let i = 0; i < 3; i++) {
      for (let copy = 0; copy < 2; copy++) {
        toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 8080 });
      }
      toy.events.run(i);
    }
    assertEquals(toy.log, ["echo 3", "echo 3", "echo 3"]);
    assertEquals(seen, ["start", "remote 3 added"]);
  });

  it("bounds the echoes that wait: the peer announces again", () => {
    const { toy } = observed();
    const announce = (id: number) =>
      toy.connection.remoteAnnounced(id, { address: `10.9.0.${id}`, port: 0 });
    const taken = Array.from({ length: 12 }, (_, i) => announce(i + 2));
    assertEquals(taken, [...Array(8).fill(true), ...Array(4).fill(false)]);
    toy.events.run(0);
    assertEquals(toy.log.length, 8);
    assertEquals(announce(13), true);
  });

  it("echoes nothing that takes an id from its address", () => {
    const { toy } = observed();
    toy.connection.remoteAnnounced(3, { address: "10.9.0.3", port: 0 });
    toy.connection.remoteAnnounced(3, { address: "10.9.0.4", port: 0 });
    toy.events.run(0);
    assertEquals(toy.log, ["echo 3"]);
  });

  it("drops pairs that have vanished, and gives no index again (PM-3)", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const [, cellular] = context.locals;
    const [remote] = context.remotes;
    const path = context.index({ local: cellular!, remote: remote! });
    toy.connection.localRemoved("10.1.0.1");
    assertEquals(toy.connection.spec(path), undefined);
    toy.connection.localAdded(CELLULAR);
    const again = context.index({ local: context.locals[1]!, remote: remote! });
    assert(again > path);
    context.use([1, path]);
    toy.events.run(1e6);
    assertEquals(toy.log, []);
  });

  // Draft ARC-2, message 1.
  it("takes the full set each time: opens what is new, closes what is missing (PM-4)", () => {
    const { toy, context, seen } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const pair = { local: context.locals[1]!, remote: context.remotes[0]! };
    const path = context.index(pair);
    context.use([1, path]);
    context.use([1, path]);
    assertEquals(toy.log, ["open 2 10.1.0.1>10.9.0.1"]);
    toy.events.run(1e6);
    assertEquals(seen, ["start", "2 joined undefined"]);
    context.use([path]);
    toy.events.run(2e6);
    assertEquals(toy.log.slice(1), ["close 1"]);
    assertEquals(seen.slice(2), ["1 left closed"]);
    assertEquals(context.paths.map((view) => view.path), [2]);
  });

  // Draft ARC-2, messages 2 and 3.
  it("answers the endpoints of an index with local port 0 (PM-5)", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    const spec = { local: context.locals[1]!, remote: context.remotes[0]! };
    const path = context.index(spec);
    const answer = toy.connection.spec(path)!;
    assertEquals([answer.local.address, answer.local.port], ["10.1.0.1", 0]);
    assertEquals([answer.remote.address, answer.remote.port], ["10.9.0.1", 80]);
    assertEquals(toy.connection.spec(99), undefined);
  });

  it("opens no more than its limits allow, and another when one leaves (ARC-3)", () => {
    const { toy, context } = observed({ limits: { subflows: 2 } });
    toy.connection.start();
    const [local] = context.locals;
    const [remote] = context.remotes;
    const paths = [1, 2, 3, 4].map((copy) =>
      context.index({ local: local!, remote: remote!, copy })
    );
    context.use([1, ...paths]);
    assertEquals(toy.log.length, 2);
    toy.events.run(1e6);
    toy.change(paths[0]!, "left");
    assertEquals(toy.log.map((line) => line.split(" ")[1]), ["2", "3", "4"]);
  });

  it("opens nothing before joins are possible, but announces before", () => {
    const { toy, context, seen } = observed({ locals: [CELLULAR] });
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.use([1, path]);
    context.announce(context.locals[1]!);
    assertEquals(toy.log, []);
    toy.connection.start(false);
    assertEquals(toy.log, ["add 1"]);
    toy.connection.start();
    toy.connection.start();
    assertEquals(toy.log, ["add 1", "open 2 10.1.0.1>10.9.0.1"]);
    assertEquals(seen, ["start"]);
  });

  it("announces nothing while it is settled, though it may begin then, and what waited when it goes on", () => {
    for (const announced of ["before", "after"]) {
      const { toy, context } = observed({ locals: [CELLULAR] });
      const announce = (): void => context.announce(context.locals[1]!);
      if (announced === "before") announce();
      toy.connection.settle();
      toy.connection.start();
      if (announced === "after") announce();
      toy.events.run(1e6);
      assertEquals(toy.log, []);
      toy.connection.resume();
      assertEquals(toy.log, ["add 1"]);
    }
  });

  // RFC 8684 §3.4.1: "SHOULD NOT perform further connection attempts to this address/port combination for this connection"
  // RFC 8684 §3.9.3: "if an MP_JOIN fails, it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection,
  // unless the other host refreshes the information with another ADD_ADDR option"
  it("joins a pair that failed again only when the peer announces it anew (RFC 8684 §3.9.3)", () => {
    const { toy, context, seen } = observed({ unreachable: ["10.9.0.2"] });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    const path = context.index({ local: context.locals[0]!, remote: context.remotes[1]! });
    for (let i = 1; i < 4; i++) {
      context.use([1, path]);
      toy.events.run(i * 1e6);
    }
    assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.2", "echo 2"]);
    assertEquals(seen.at(-1), "2 left refused");
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    assertEquals(seen.at(-1), "remote 2 changed");
    context.use([1, path]);
    toy.events.run(toy.now);
    assertEquals(toy.log.length, 4);
  });

  it("opens what ended again after a second, then after twice as long, up to a minute, and at once when the network changes", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.use([1, path]);
    const opened: number[] = [];
    const until = (end: number): void => {
      while (toy.now < end) {
        const before = toy.log.length;
        toy.events.run(toy.now + 10e3);
        if (toy.log.slice(before).some((line) => line.startsWith(`open ${path} `))) {
          opened.push(toy.now);
        }
        // It never lasts.
        toy.change(path, "left");
      }
    };
    until(400e6);
    const waits = opened.slice(1).map((at, i) => Math.round((at - opened[i]!) / 1e6));
    assertEquals(waits.slice(0, 8), [2, 4, 8, 16, 32, 60, 60, 60]);
    // A link has come up.
    const known = opened.length;
    until(opened.at(-1)! + 5e6);
    assertEquals(opened.length, known);
    toy.connection.localAdded({ ...CELLULAR, address: "10.3.0.1" });
    assertEquals(toy.log.at(-1), `open ${path} 10.1.0.1>10.9.0.1`);
    const before = toy.log.length;
    toy.connection.stop();
    until(toy.now + 100e6);
    assertEquals(toy.log.length, before);
  });

  it("begins anew with a second after a path has lived for a minute", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.use([1, path]);
    for (let i = 0; i < 4; i++) {
      toy.events.run(toy.now + 70e6);
      const before = toy.log.length;
      toy.change(path, "left");
      toy.events.run(toy.now + 900e3);
      assertEquals(toy.log.length, before);
      toy.events.run(toy.now + 200e3);
      assertEquals(toy.log.length, before + 1);
    }
  });

  // RFC 8684 §3.6: "The host MAY use this information to decide, for example, whether it tries to re-establish the subflow immediately, later, or
  // never."
  // RFC 8684 §3.6: "If the error condition is considered to be Permanent, the receiver of the RST segment SHOULD NOT try to re-establish a subflow
  // for this connection over this path"
  it("opens nothing again that an MP_TCPRST without the T flag has ended, not even when it is announced anew (RFC 8684 §3.6)", () => {
    for (const transient of [false, true]) {
      for (const path of [1, 2]) {
        const { toy, context } = observed({ locals: [CELLULAR] });
        toy.connection.start();
        context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
        context.use([1, 2]);
        toy.events.run(1e6);
        const before = toy.log.length;
        toy.connection.resetTold(path, { reason: 1, transient });
        toy.change(path, "left");
        toy.events.run(600e6);
        assertEquals(toy.log.length, before + (transient ? 1 : 0), `${path} ${transient}`);
        toy.connection.localRemoved("10.77.0.1");
        toy.connection.remoteAnnounced(0, { address: "10.9.0.1", port: 80 });
        context.use([path === 1 ? 2 : 1]);
        context.use([1, 2]);
        toy.events.run(1200e6);
        const again = toy.log.filter((line) => line.startsWith(`open ${path} `)).length;
        assertEquals(again > (path === 2 ? 1 : 0), transient);
      }
    }
  });

  describe("of a path that is unheard while no other one works", () => {
    /** Path 1 alone, wanted, and silent. */
    const silent = (options: ToyPathsOptions = {}): ReturnType<typeof observed> => {
      const all = observed(options);
      all.toy.connection.start();
      all.context.use([1]);
      all.toy.silent.add(1);
      all.toy.connection.silent(1);
      return all;
    };
    const first = ({ context }: ReturnType<typeof observed>): PathIndex =>
      context.index({ local: context.locals[0]!, remote: context.remotes[0]! });

    it("tries the same from another port, once, which takes its place and its name", () => {
      const all = silent();
      const { toy } = all;
      assertEquals([toy.log, first(all)], [["open 2 10.0.0.1>10.9.0.1"], 1]);
      toy.connection.silent(1);
      toy.events.run(5e6);
      assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.1", "close 1"]);
      assertEquals([toy.paths.map(({ path }) => path), first(all)], [[2], 2]);
      // Whoever wants it goes on to want it.
      all.context.use([first(all)]);
      toy.end(2, "reset");
      toy.events.run(10e6);
      assertEquals(toy.log.slice(2), ["open 2 10.0.0.1>10.9.0.1"]);
    });

    it("drops the try where the path has been heard again when that is answered", () => {
      const { toy } = silent();
      toy.silent.clear();
      toy.events.run(5e6);
      assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.1", "close 2"]);
      assertEquals(toy.paths.map(({ path }) => path), [1]);
    });

    it("tries again after a second, then after twice as long, for as long as it is unheard", () => {
      const { toy } = silent();
      toy.log.length = 0;
      toy.end(2, "timeout");
      for (const at of [1e6, 3e6]) {
        toy.events.run(at - 1);
        assertEquals(toy.log, []);
        toy.events.run(at);
        assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.1"]);
        toy.log.length = 0;
        toy.end(2, "timeout");
      }
      toy.silent.clear();
      toy.events.run(60e6);
      assertEquals(toy.log, []);
      // Another silence is another try.
      toy.silent.add(1);
      toy.connection.silent(1);
      assertEquals(toy.log, ["open 3 10.0.0.1>10.9.0.1"]);
    });

    it("lets one of them go on where the path ends meanwhile", () => {
      const { toy } = silent();
      toy.end(1, "reset");
      toy.events.run(60e6);
      assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.1"]);
      const other = silent();
      other.toy.end(2, "timeout");
      other.toy.end(1, "reset");
      other.toy.log.length = 0;
      other.toy.events.run(60e6);
      assertEquals(other.toy.log, ["open 1 10.0.0.1>10.9.0.1"]);
    });

    it("leaves it where the path manager does, where the limit has no room, and where the peer takes no joins (C flag)", () => {
      const { toy, context } = silent();
      context.use([]);
      assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.1", "close 1", "close 2"]);
      const full = silent({ limits: { subflows: 0 } });
      assertEquals([full.toy.log, full.seen], [[], ["start"]]);
      assertEquals(silent({ deny: true }).toy.log, []);
      const unwanted = observed();
      unwanted.toy.connection.start();
      unwanted.toy.silent.add(1);
      unwanted.toy.connection.silent(1);
      assertEquals(unwanted.toy.log, []);
    });
  });

  it("leaves a path that the peer closed in order, until it is asked for anew", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.use([1, path]);
    toy.events.run(1e6);
    const before = toy.log.length;
    toy.connection.subflowChanged(path, "left", "closed");
    toy.events.run(600e6);
    assertEquals(toy.log.length, before);
    toy.connection.remoteAnnounced(0, { address: "10.9.0.1", port: 80 });
    toy.events.run(toy.now);
    assertEquals(toy.log.slice(before), ["open 2 10.1.0.1>10.9.0.1", "echo 0"]);
  });

  // RFC 8684 §3.1: "the receiver MUST NOT try to open any additional subflows toward this address and port"
  it("joins no address that the peer does not want joined (C flag)", () => {
    const { toy, context } = observed({ deny: true, locals: [CELLULAR] });
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    const [, local] = context.locals;
    const paths = context.remotes.map((remote) => context.index({ local: local!, remote }));
    context.use([1, ...paths]);
    assertEquals(toy.log, ["open 3 10.1.0.1>10.9.0.2"]);
  });

  it("makes backups now or when opened", () => {
    const { toy, context } = observed({ locals: [CELLULAR] });
    toy.connection.start();
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.setBackup(path, true);
    context.setBackup(1, true);
    context.use([1, path]);
    toy.events.run(1e6);
    context.setBackup(path, false);
    assertEquals(toy.log, [
      "backup 1 true",
      "open 2 10.1.0.1>10.9.0.1 backup",
      "backup 2 false",
    ]);
  });

  it("announces with echo, and takes back", () => {
    const { toy, context, seen } = observed({ role: "server", locals: [CELLULAR] });
    toy.connection.start();
    context.announce(context.locals[1]!);
    context.announce(context.locals[1]!);
    toy.events.run(1e6);
    assertEquals(seen, ["start", "echo 1"]);
    context.withdraw(context.locals[1]!);
    context.withdraw(context.locals[1]!);
    toy.events.run(100e6);
    assertEquals(toy.log, ["add 1", "remove 1"]);
    assertThrows(() => context.announce(context.remotes[0]!), RangeError, "not one of locals");
  });

  // RFC 8684 §3.4.2: "A host MAY also choose to announce that a valid IP address should not be used any longer"
  it("ends the paths over an address that it takes back, as the peer does", () => {
    const { toy, context } = observed({ role: "server", locals: [CELLULAR] });
    toy.connection.start();
    context.announce(context.locals[1]!);
    toy.events.run(1e6);
    const joined = toy.join(4, { address: "203.0.113.4", port: 50000 }, "10.1.0.1");
    context.withdraw(context.locals[1]!);
    toy.events.run(2e6);
    assert("path" in joined);
    assertEquals(toy.log.slice(1), [`close ${joined.path}`, "remove 1"]);
    assertEquals(context.paths.map(({ path }) => path), [1]);
  });

  // RFC 8684 §3.4.2: "the affected host SHOULD announce this situation so that the peer can remove subflows related to this address"
  it("tells the peer of an address that is gone, and ends its paths (RFC 8684 §3.4.2)", () => {
    const { toy, context, seen } = observed({ locals: [CELLULAR, toyLocal("10.2.0.1", "wired")] });
    toy.connection.start();
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.use([1, path]);
    toy.events.run(1e6);
    toy.connection.localRemoved("10.1.0.1");
    toy.connection.localRemoved("10.2.0.1");
    toy.events.run(2e6);
    assertEquals(toy.log.slice(1), ["close 2", "remove 1"]);
    assertEquals(seen.slice(2), ["local 1 removed", "local 2 removed", "2 left closed"]);
    assertEquals(toy.connection.spec(path), undefined);
  });

  it("leaves paths over an address that the peer took back to the keepalive check", () => {
    const { toy, context, seen } = observed();
    toy.connection.start();
    toy.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    const path = context.index({ local: context.locals[0]!, remote: context.remotes[1]! });
    context.use([1, path]);
    toy.events.run(1e6);
    toy.connection.remoteRemoved([2, 9]);
    toy.events.run(2e6);
    assertEquals(context.remotes.length, 1);
    assertEquals(context.paths.length, 2);
    toy.change(path, "left");
    assertEquals(toy.connection.spec(path), undefined);
    assertEquals(seen.slice(3), ["remote 2 removed", "2 left reset"]);
  });

  it("refuses joins above the limit, to foreign addresses and as the path manager wants", () => {
    const plugin: PathManagerPlugin = {
      kind: "path-manager",
      name: "picky",
      create: () => ({ onEvent: () => {}, refuse: (remote) => remote.id === 9 ? 2 : null }),
    };
    const toy = new ToyPaths(plugin, { role: "server", limits: { subflows: 1 } });
    toy.connection.start();
    const source = { address: "10.9.0.9", port: 50000 };
    assertEquals(toy.join(9, source, "10.0.0.1"), { reason: 2 });
    assertEquals(toy.join(1, source, "10.7.0.1"), { reason: 3 });
    assertEquals(toy.join(1, source, "10.0.0.1"), { path: 2 });
    assertEquals(toy.join(2, source, "10.0.0.1"), { reason: 3 });
    toy.change(2, "left");
    assertEquals(toy.join(2, source, "10.0.0.1"), { path: 3 });
  });

  it("gives a place to joins that are proved alone: what is half-open keeps nobody out", () => {
    const toy = new ToyPaths(passive(), { role: "server", limits: { subflows: 1 } });
    const source = { address: "10.9.0.9", port: 50000 };
    const end = { address: "10.0.0.1", port: 80 };
    const path = toy.connection.reserve();
    assertEquals(toy.connection.refuseJoin(1, source, end), null);
    toy.connection.abandon(path);
    assertEquals(toy.connection.refuseJoin(1, source, end), null);
    const proved = toy.connection.reserve();
    toy.connection.subflowChanged(proved, "joined");
    assertEquals(toy.connection.refuseJoin(1, source, end), 3);
    assertEquals(toy.connection.context.remotes.length, 1);
  });

  it("does not close a join of the peer that the path manager cannot know of yet", () => {
    const { toy, context } = observed({ role: "server" });
    toy.connection.start();
    const path = toy.connection.reserve();
    context.use([1]);
    assertEquals(toy.log, []);
    const end = { address: "10.0.0.1", port: 80 };
    toy.connection.joinSeen(path, 5, { address: "10.9.0.5", port: 50000 }, end);
    toy.connection.subflowChanged(path, "joined");
    context.use([1]);
    assertEquals(toy.log, ["close 2"]);
  });

  it("tells events one after the other, also when a call leads to the next", () => {
    const seen: string[] = [];
    let depth = 0;
    const { toy, context } = observed({ locals: [CELLULAR], sudden: true }, (event, it) => {
      seen.push(`${event.type} ${++depth}`);
      if (event.type === "local") it.use([1]);
      depth--;
    });
    toy.connection.start();
    const path = context.index({ local: context.locals[1]!, remote: context.remotes[0]! });
    context.use([1, path]);
    toy.events.run(1e6);
    toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    assertEquals(seen, [
      "start 1",
      "established 1",
      "subflow 1",
      "local 1",
      "subflow 1",
    ]);
  });

  it("calls back after a delay, unless cancelled or stopped", () => {
    const { toy, context } = observed();
    const called: number[] = [];
    context.after(1e6, () => called.push(1));
    context.after(2e6, () => called.push(2))();
    context.after(3e6, () => called.push(3));
    context.after(3e6, () => {
      throw new Error("in the application");
    });
    toy.events.run(3.5e6);
    assertEquals(called, [1, 3]);
    assertEquals(toy.errors.length, 1);
    context.after(1e6, () => called.push(4));
    toy.connection.stop();
    context.after(1e6, () => called.push(5));
    toy.events.run(100e6);
    assertEquals(called, [1, 3]);
    assertThrows(() => context.after(NaN, () => {}), RangeError, "delay");
  });

  it("says what is wrong with an index", () => {
    const { context } = observed();
    assertThrows(() => context.use([1, 7]), RangeError, "Cannot use path 7");
    assertThrows(() => context.use([1, 1]), RangeError, "named twice");
    assertThrows(
      () => context.setBackup(NaN, true),
      RangeError,
      "Cannot make a backup of path NaN",
    );
  });

  it("reports what a path manager throws, and goes on", () => {
    const { toy, seen } = observed({}, () => {
      throw new Error("in the path manager");
    });
    toy.connection.start();
    toy.connection.localAdded(CELLULAR);
    assertEquals(seen, ["start", "local 1 added"]);
    assertEquals(toy.errors.length, 3);
  });

  it("never lets an index name two pairs, whatever happens (PM-3)", () => {
    const octet = fc.integer({ min: 0, max: 3 });
    const step = fc.record({ what: fc.integer({ min: 0, max: 6 }), a: octet, b: octet });
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, client) => {
      const role = client ? "client" : "server";
      const toy = new ToyPaths(fullMesh(), { role, sudden: true });
      const { connection } = toy;
      const named = new Map<PathIndex, string>();
      connection.start();
      steps.forEach(({ what, a, b }, i) => {
        if (what === 0) connection.localAdded(toyLocal(`10.${a}.0.1`, `link${b}`));
        if (what === 1) connection.localRemoved(`10.${a}.0.1`);
        if (what === 2) connection.remoteAnnounced(a, { address: `10.9.0.${b}`, port: 0 });
        if (what === 3) connection.remoteRemoved([a]);
        if (what === 4) toy.join(a, { address: `10.9.0.${b}`, port: 50000 }, `10.${b}.0.1`);
        if (what === 5) toy.change(1 + a, "left");
        if (what === 6) toy.change(1 + a, b > 1 ? "stale" : "revived");
        toy.events.run((i + 1) * 2e5);
        for (let path = 1; path < 200; path++) {
          const spec = connection.spec(path);
          if (spec === undefined) continue;
          const text = JSON.stringify(spec);
          assertEquals(named.get(path) ?? text, text);
          named.set(path, text);
        }
        assert(toy.paths.length <= connection.limits.subflows + 1);
      });
      connection.stop();
      assertEquals(toy.errors, []);
    }));
  });
});
