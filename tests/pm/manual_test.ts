import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathManagerPlugin } from "../../core/plugin.ts";
import { fullMesh, manual, type ManualEvent, type ManualPathManager } from "../../pm/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";
import { Topology } from "../support/topology.ts";

const CELLULAR = toyLocal("10.1.0.1", "cellular");
const SECOND = 1e6;

/** An event as `ip mptcp monitor` prints one, more or less. */
function line(event: ManualEvent): string {
  const words: (string | number)[] = [event.type];
  const add = (name: string, value: unknown): void => {
    if (value !== undefined && value !== false) words.push(`${name}=${value}`);
  };
  if ("remoteId" in event) add("remid", event.remoteId);
  if ("localId" in event) add("locid", event.localId);
  if ("local" in event) add("from", `${event.local.address}:${event.local.port}`);
  if ("remote" in event) add("to", `${event.remote.address}:${event.remote.port}`);
  if ("backup" in event) add("backup", event.backup);
  if ("error" in event) add("error", event.error);
  if ("resetReason" in event) add("reset", `${event.resetReason}/${event.resetFlags}`);
  if ("serverSide" in event) add("server", event.serverSide);
  if ("denyJoinId0" in event) add("deny", event.denyJoinId0);
  return words.join(" ");
}

function heard(pm: ManualPathManager): string[] {
  const lines: string[] = [];
  pm.subscribe((event) => {
    lines.push(line(event));
  });
  return lines;
}

describe("manual, userspace_pm", () => {
  function toy(options: ConstructorParameters<typeof ToyPaths>[1] = {}) {
    const pm = manual();
    const lines = heard(pm);
    const made = new ToyPaths(pm, { locals: [CELLULAR], ...options });
    made.connection.start();
    const token = made.token;
    const run = (seconds = 1): string[] => {
      made.events.run(made.now + seconds * SECOND);
      return lines.splice(0);
    };
    return { pm, toy: made, token, run };
  }

  it("CREATED, ESTABLISHED and CLOSED, with both ends, the side and the C flag", () => {
    const { pm, toy: it, run } = toy({ deny: true, role: "server" });
    assertEquals(run(), [
      "CREATED from=10.0.0.1:0 to=10.9.0.1:40000 server=true deny=true",
      "ESTABLISHED from=10.0.0.1:0 to=10.9.0.1:40000 server=true deny=true",
    ]);
    assertEquals(pm.tokens, [1]);
    it.connection.stop();
    assertEquals(run(), ["CLOSED"]);
    assertEquals(pm.tokens, []);
  });

  for (const [name, port] of [["ADD_ADDR own port", 0], ["ADD_ADDR new port", 10100]] as const) {
    it(`${name}, RM_ADDR: announced with the id that it is given, and taken back`, () => {
      const { pm, toy: it, token, run } = toy();
      pm.announce(token, { address: "10.1.0.1", id: 23, port });
      run();
      assertEquals(it.log, ["add 23"]);
      assertThrows(() => pm.announce(token, { address: "10.1.0.1", id: 24 }), RangeError, "id 24");
      pm.remove(token, 23);
      run();
      assertEquals(it.log, ["add 23", "remove 23"]);
    });
  }

  it("RM_ADDR invalid id, invalid token: nothing is sent, and the error says what there is", () => {
    const { pm, toy: it, token, run } = toy();
    assertThrows(() => pm.remove(token, 9), RangeError, "id 9 as there is none: the ids are 0, 1");
    assertThrows(
      () => pm.remove(7, 1),
      RangeError,
      "no connection has the token 7: the tokens are 1",
    );
    assertThrows(() => pm.announce(7, { address: "10.1.0.1" }), RangeError, "token 7");
    assertThrows(
      () => pm.announce(token, { address: "10.8.0.1" }),
      RangeError,
      "there are 10.0.0.1, 10.1.0.1",
    );
    assertThrows(
      () => pm.announce(token, { address: "10.1.0.1", port: 70000 }),
      RangeError,
      "current value is 70000",
    );
    const ends = [{ address: "10.0.0.1", port: 1 }, { address: "10.9.0.1", port: 2 }] as const;
    assertThrows(() => pm.destroySubflow(token, ...ends), RangeError, "as there is none");
    assertThrows(() => pm.setPriority(token, ...ends, true), RangeError, "as there is none");
    assertThrows(() => pm.setPriority(token, ...ends, 1 as never), TypeError, "true or false");
    assertThrows(
      () => pm.createSubflow(token, { address: "10.1.0.1" }, { address: "fd09::1" }),
      RangeError,
      "one family",
    );
    assertThrows(() => pm.subscribe(7 as never), TypeError, "must be a function");
    run();
    assertEquals(it.log, []);
  });

  it("ANNOUNCED and REMOVED: with id and port, and also what a limit has no room for", () => {
    const { toy: it, run } = toy({ limits: { addAddrAccepted: 1 } });
    run();
    it.connection.remoteAnnounced(2, { address: "10.9.0.2", port: 0 });
    it.connection.remoteAnnounced(3, { address: "fd09::3", port: 10100 });
    it.connection.remoteRemoved([2]);
    assertEquals(run(), [
      "ANNOUNCED remid=2 to=10.9.0.2:80",
      "ANNOUNCED remid=3 to=fd09::3:10100",
      "REMOVED remid=2",
    ]);
    assertEquals(it.log.filter((entry) => !entry.startsWith("echo")), []);
  });

  it("CREATE_SUBFLOW, DESTROY_SUBFLOW: opened once, closed by its ends", () => {
    const { pm, toy: it, token, run } = toy();
    run();
    pm.createSubflow(token, { address: "10.1.0.1", id: 23 }, { address: "10.9.0.7", port: 8080 });
    assertEquals(run(), ["SUB_ESTABLISHED remid=0 locid=23 from=10.1.0.1:40002 to=10.9.0.7:8080"]);
    const view = it.paths.find(({ path }) => path === 2)!;
    pm.destroySubflow(token, view.local, view.remote);
    pm.createSubflow(token, { address: "10.1.0.1" }, { address: "10.9.0.1" });
    assertEquals(run(), [
      "SUB_CLOSED remid=0 locid=23 from=10.1.0.1:40002 to=10.9.0.7:8080",
      "SUB_ESTABLISHED remid=0 locid=23 from=10.1.0.1:40003 to=10.9.0.1:80",
    ]);
    assertEquals(run(100), []);
    assertEquals(it.paths.map(({ path }) => path), [1, 3]);
  });

  it("CREATE_SUBFLOW of the same pair again: from another port", () => {
    const { pm, toy: it, token, run } = toy();
    for (let i = 0; i < 3; i++) {
      pm.createSubflow(token, { address: "10.0.0.1" }, { address: "10.9.0.1" });
    }
    run();
    assertEquals(it.paths.length, 4);
  });

  it("SUB_CLOSED of a join that is refused: with its error, and it is not tried again", () => {
    const { pm, toy: it, token, run } = toy({ unreachable: ["10.9.0.1"] });
    run();
    pm.createSubflow(token, { address: "10.1.0.1" }, { address: "10.9.0.1" });
    assertEquals(run(200), ["SUB_CLOSED remid=0 locid=1 from=10.1.0.1:0 to=10.9.0.1:80 error=111"]);
    assertEquals(it.log.length, 1);
  });

  it("SUB_CLOSED by an MP_TCPRST: with reason and flags", () => {
    const { toy: it, run } = toy();
    run();
    it.join(7, { address: "10.9.0.7", port: 50000 }, "10.0.0.1");
    it.connection.resetTold(2, { reason: 5, transient: true });
    it.change(2, "left");
    assertEquals(run(), [
      "SUB_ESTABLISHED remid=7 locid=0 from=10.0.0.1:80 to=10.9.0.7:50000",
      "SUB_CLOSED remid=7 locid=0 from=10.0.0.1:80 to=10.9.0.7:50000 error=104 reset=5/1",
    ]);
  });

  it("CREATE_SUBFLOW beyond the limit is refused, the one that is on its way counted", () => {
    const { pm, token } = toy({ limits: { subflows: 1 } });
    pm.createSubflow(token, { address: "10.1.0.1" }, { address: "10.9.0.1" });
    assertThrows(
      () => pm.createSubflow(token, { address: "10.1.0.1" }, { address: "10.9.0.2" }),
      RangeError,
      "the limit is 1 beside the first",
    );
  });

  it("MP_PRIO tx, rx: ours is sent and not told, the peer's is told", () => {
    const { pm, toy: it, token, run } = toy();
    run();
    const [first] = it.paths;
    pm.setPriority(token, first!.local, first!.remote, true);
    assertEquals(run(), []);
    assertEquals(it.log, ["backup 1 true"]);
    it.measure(1, { backup: false });
    it.connection.subflowChanged(1, "priority");
    it.measure(1, { backup: true });
    it.connection.subflowChanged(1, "priority");
    assertEquals(run(), [
      "SUB_PRIORITY remid=0 locid=0 from=10.0.0.1:0 to=10.9.0.1:80",
      "SUB_PRIORITY remid=0 locid=0 from=10.0.0.1:0 to=10.9.0.1:80 backup=true",
    ]);
  });

  it("reports a listener that throws, and goes on", () => {
    const pm = manual();
    pm.subscribe(() => {
      throw new Error("in the daemon");
    });
    const lines = heard(pm);
    const made = new ToyPaths(pm, {});
    made.connection.start();
    made.events.run(SECOND);
    assertEquals(lines.length, 2);
    assertEquals(made.errors.length, 2);
    const silent = manual();
    silent.subscribe(() => assert(false))();
    new ToyPaths(silent, {}).connection.start();
  });
});

describe("manual, between two stacks", () => {
  const PATH = { rate: "4 Mbit/s", delay: "5 ms" } as const;

  /** A connection that lives for some seconds; the server has a second address. */
  function hosts(client: PathManagerPlugin, server: PathManagerPlugin) {
    const topology = new Topology({
      paths: { a: PATH, b: PATH },
      policies: { pathManager: client },
      serverPolicies: { pathManager: server },
    });
    const [link] = topology.server.routes.outlets.keys();
    topology.server.addAddress(0, link!, "10.0.0.2/24");
    const script = { bytes: 40e3, writes: () => 2000, pace: 0.25 };
    const pair = topology.connect(script, script);
    const finish = (): void => {
      topology.complete(pair, 30);
      topology[Symbol.dispose]();
    };
    const count = (side: "client" | "server", ...names: string[]): number[] =>
      names.map((name) => topology[side].counters.get(name));
    return { topology, pair, finish, count };
  }

  it("userspace: without a daemon nothing is announced or opened, and joins are rejected", () => {
    const { topology, finish, count } = hosts(fullMesh(), manual());
    topology.runTo(1.5);
    assertEquals(count("server", "AddAddrTx", "MPJoinRejected", "MPJoinAckRx"), [0, 1, 0]);
    finish();
    const other = hosts(manual(), fullMesh());
    other.topology.runTo(1.5);
    // The announcement is confirmed all the same: RFC 8684 §3.4.1 leaves no choice.
    assertEquals(other.count("client", "MPJoinSynTx", "MPPrioTx", "RmAddrTx"), [0, 0, 0]);
    assertEquals(other.count("server", "EchoAdd"), [1]);
    other.finish();
  });

  it("userspace pm add & remove address, LISTENER_CREATED, LISTENER_CLOSED", () => {
    const pm = manual();
    const lines = heard(pm);
    const { topology, finish, count } = hosts(fullMesh(), pm);
    topology.runTo(0.5);
    pm.announce(pm.tokens[0]!, { address: "10.0.0.2", id: 9 });
    topology.runTo(1.5);
    assertEquals(count("client", "AddAddr", "MPJoinSynAckRx"), [1, 3]);
    pm.remove(pm.tokens[0]!, 9);
    topology.runTo(3);
    assertEquals(count("server", "RmAddrTx"), [1]);
    assertEquals(count("client", "RmAddr"), [1]);
    finish();
    const types = lines.map((text) => text.split(" ")[0]);
    assertEquals(types.slice(0, 3), ["LISTENER_CREATED", "CREATED", "ESTABLISHED"]);
    const closed = lines.filter((text) => text.startsWith("SUB_CLOSED"));
    assert(closed.filter((text) => text.includes("locid=9")).length === 2, closed.join("\n"));
    assert(types.includes("CLOSED"));
    assertEquals(lines[0], "LISTENER_CREATED from=:::80");
  });

  for (const opener of ["client", "server"] as const) {
    it(`userspace pm create destroy subflow, create id 0 subflow, by the ${opener}`, () => {
      const pm = manual();
      const lines = heard(pm);
      const passively = manual();
      passively.subscribe(() => {});
      const [client, server] = opener === "client" ? [pm, passively] : [passively, pm];
      const { topology, pair, finish, count } = hosts(client!, server!);
      topology.runTo(0.5);
      const token = pm.tokens[0]!;
      const end = opener === "client" ? pair.client : pair.server();
      const second = opener === "client" ? "10.0.2.1" : "10.0.0.2";
      const { remote } = end.socket.subflows[0]!;
      pm.createSubflow(token, { address: second, id: 23 }, { address: remote.address });
      topology.runTo(1);
      assertEquals(count(opener, "MPJoinSynTx", "MPJoinSynAckRx"), [1, 1]);
      const joined = end.socket.subflows[1]!;
      assertEquals(joined.localId, 23);
      pm.setPriority(token, joined.local, joined.remote, true);
      topology.runTo(1.2);
      const other = opener === "client" ? "server" : "client";
      assertEquals(count(other, "MPPrioRx"), [1]);
      pm.destroySubflow(token, joined.local, joined.remote);
      topology.runTo(2);
      assertEquals(end.socket.subflows.length, 1);
      // "remove initial subflow", "send RM_ADDR for ID 0": another takes its place first.
      pm.createSubflow(token, { address: second }, { address: remote.address });
      topology.runTo(2.5);
      pm.remove(token, 0);
      topology.runTo(3.5);
      assertEquals(count(other, "RmAddr"), [1]);
      assertEquals(end.socket.subflows.map(({ local }) => local.address), [second]);
      // "create id 0 subflow"
      const first = opener === "client" ? "10.0.1.1" : "10.0.0.1";
      pm.createSubflow(token, { address: first }, { address: remote.address });
      topology.runTo(4.2);
      assertEquals(end.socket.subflows.map(({ localId }) => localId).sort(), [0, 23]);
      finish();
      const types = lines.map((text) => text.split(" ")[0]);
      assertEquals(types.filter((type) => type === "SUB_ESTABLISHED").length, 3);
    });
  }
});
