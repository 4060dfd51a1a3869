/**
 * The MPTcpExt names of Linux 6.18, all 76: each is counted where it happens, as a dialogue shows, or there is a reason why it never is. No name is left out,
 * and none that has a reason is counted anyway.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../pm/mod.ts";
import { type App, Dialogue, type DialogueOptions } from "../support/dialogue.ts";
import { join, joined } from "../support/joins.ts";
import { MIB } from "../support/mib.ts";
import type { Peer } from "../support/scripted_peer.ts";
import { stream } from "../support/segment_codec.ts";
import { ROOT } from "../support/serve.ts";

const MESH: DialogueOptions = { policies: { pathManager: fullMesh() } };
const SUMMED: DialogueOptions = { experiments: { checksum: true }, tcp: { tlp: false } };

/** What happens, and what it counts: these names, each so often. */
interface Story {
  readonly what: string;
  readonly options?: DialogueOptions;
  readonly counts: Readonly<Record<string, number>>;
  tell(d: Dialogue): void;
}

/** Bytes of the peer that were changed on the way. */
function spoilt(from: number, length: number): Uint8Array {
  const bytes = stream("peer", from, length);
  bytes[0]! ^= 0x55;
  return bytes;
}

/** A connection of ours whose path manager has begun a join over the second link: its SYN waits to be taken out. */
function joining(d: Dialogue): { first: Peer; second: Peer; app: App } {
  const app = d.connect();
  const first = d.called();
  first.gets("S 0 <mpc>");
  d.pass(20e3);
  first.offers({}, "S.", ["mpc key"]);
  first.gets(". 1 ack 1 <mpc keys>");
  first.sends(". 1 ack 1 <dack8 1>");
  return { first, second: d.called(first.session), app };
}

/** A connection with data both ways under DSS checksums. */
function summed(d: Dialogue): { peer: Peer; app: App } {
  const { peer, app } = d.opened({ checksum: true });
  app.write(100);
  peer.gets("P. 1:101");
  peer.sends("P. 1:101 ack 101 <dack8 101, map8 1 1 100 csum>");
  assertEquals(app.read(), 100);
  d.pass(50e3);
  peer.takeAll();
  return { peer, app };
}

/** Two paths; the first has fallen silent and is stale, the second has brought what it carried. */
function stale(d: Dialogue): { first: Peer; second: Peer; app: App } {
  const pair = joined(d, { rtt: 10e3 }, { rtt: 80e3 });
  pair.app.write(1000);
  d.pass(210e3);
  pair.second.takeAll();
  pair.second.sends(". ack 1001 <dack8 1001>");
  d.pass(3 * 210e3);
  pair.first.takeAll();
  return pair;
}

/** The link takes packets again. */
function release(d: Dialogue): void {
  d.links[0]!.full = false;
  d.stack.handleWritable(d.now, d.links[0]!);
  d.stack.flush(d.now);
}

/** Our second address is announced with a port of its own. */
function announcePort(d: Dialogue): { peer: Peer; app: App } {
  const { peer, app } = d.opened();
  const { context } = app.socket.paths;
  context.announce({ ...context.locals[1]!, port: 8080 });
  d.stack.flush(d.now);
  peer.gets(". 1 ack 1 <add 1 10.0.1.1 port 8080>");
  peer.sends(". 1 ack 1 <echo 1 10.0.1.1 port 8080>");
  return { peer, app };
}

/** Only a SYN without MP_CAPABLE is answered: the third. */
function swallowed(d: Dialogue): void {
  const app = d.connect();
  const peer = d.called();
  d.pass(3e6);
  peer.takeAll();
  peer.offers({}, "S.", []);
  peer.gets(". 1 ack 1 <!mpc>");
  app.abort();
  peer.gets("R.");
}

const STORIES: readonly Story[] = [
  {
    what: "a connection that we take, and one that we leave",
    counts: { MPCapableSYNRX: 2, MPCapableACKRX: 2, MPCurrEstab: 1 },
    tell(d) {
      d.opened();
      const { app } = d.opened({ port: 81 });
      assertEquals(d.counter("MPCurrEstab"), 2);
      app.finish();
      d.sent.length = 0;
    },
  },
  {
    what: "a connection that we open",
    counts: { MPCapableSYNTX: 1, MPCapableSYNACKRX: 1, MPCurrEstab: 1 },
    tell: (d) => void d.dialled(),
  },
  {
    what: "connections of plain TCP, refused and aborted ones are none that are established",
    counts: { MPCapableFallbackSYNACK: 1, MPCurrEstab: 0, MPFastcloseTx: 1 },
    tell(d) {
      d.dialled({ mptcp: false });
      const { peer, app } = d.dialled({ port: 81 });
      app.abort();
      peer.gets("R. <fastclose>");
      d.connect(82);
      d.called().sends("R. 0 ack 1");
    },
  },
  {
    what: "a third ACK without MP_CAPABLE",
    counts: { MPCapableFallbackACK: 1 },
    tell(d) {
      const listener = d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. <mpc key>");
      peer.sends(". 1 ack 1");
      assert(d.accept(listener).socket.fallback);
    },
  },
  {
    what: "first data without an option",
    counts: { MPCapableDataFallback: 1 },
    tell(d) {
      d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. <mpc key>");
      peer.sends(". 1 ack 1 <mpc keys>");
      peer.sends("P. 1:101 ack 1");
    },
  },
  {
    what: "a path that swallows SYNs with MP_CAPABLE, and the next connection over it",
    counts: { MPCapableSYNTXDrop: 1, Blackhole: 1, MPCapableSYNTXDisabled: 1 },
    tell(d) {
      swallowed(d);
      d.connect();
    },
  },
  {
    what: "every key that is drawn is taken",
    options: { keys: [1, 2] },
    counts: { MPFallbackTokenInit: 1 },
    tell(d) {
      d.connect();
      d.connect(81);
    },
  },
  {
    what: "both ends open at once",
    counts: { SimultConnectFallback: 1 },
    tell(d) {
      d.connect();
      const peer = d.called();
      peer.gets("S 0 <mpc>");
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S. 0 ack 1 <!mpc>");
      peer.sends(". 1 ack 1");
    },
  },
  {
    what: "a join of the peer's as a backup, another one while it lives, and one with a wrong HMAC",
    counts: { MPJoinSynRx: 3, MPJoinSynBackupRx: 1, MPJoinAckRx: 2, MPJoinAckHMacFailure: 1 },
    tell(d) {
      const { peer } = d.opened();
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 1 backup"]);
      second.gets("S. 0 ack 1");
      second.sends(". 1 ack 1 <join ack>");
      join(d, peer, 1, {}, 2);
      const third = d.peer({ link: 1, session: peer.session });
      third.offers({}, "S", ["join syn id 3"]);
      third.gets("S. 0 ack 1");
      third.sends(". 1 ack 1 <join ack bad>");
    },
  },
  {
    what: "a join with a token that nobody has, and one above the limit",
    counts: { MPJoinNoTokenFound: 1, MPJoinRejected: 1, MPRstTx: 2 },
    tell(d) {
      const { peer } = d.opened();
      const unknown = d.peer({ link: 1, session: peer.session });
      unknown.offers({}, "S", ["join syn id 3 bad"]);
      for (let id = 1; id <= 8; id++) join(d, peer, 1, {}, id);
      const ninth = d.peer({ link: 1, session: peer.session });
      ninth.offers({}, "S", ["join syn id 9"]);
    },
  },
  {
    what: "a join of ours, which the peer wants as a backup",
    options: MESH,
    counts: { MPJoinSynTx: 1, MPJoinSynAckRx: 1, MPJoinSynAckBackupRx: 1 },
    tell(d) {
      const { second } = joining(d);
      second.gets("S 0 <join syn>");
      second.offers({}, "S.", ["join synack id 0 backup"]);
      second.gets(". 1 ack 1 <join ack>");
    },
  },
  {
    what: "a join of ours that is answered with a wrong HMAC",
    options: MESH,
    counts: { MPJoinSynAckHMacFailure: 1 },
    tell(d) {
      const { second } = joining(d);
      second.gets("S 0 <join syn>");
      second.offers({}, "S.", ["join synack id 0 bad"]);
    },
  },
  ...([
    ["whose flow cannot be kept", "MPJoinSynTxCreatSkErr"],
    ["from an address that is none of ours", "MPJoinSynTxBindErr"],
    ["over a link that is down", "MPJoinSynTxConnectErr"],
  ] as const).map(([how, name]): Story => ({
    what: `a join of ours ${how}`,
    counts: { [name]: 1, MPJoinSynTx: 0 },
    tell(d) {
      const { app } = d.dialled();
      const { index, locals, remotes, use } = app.socket.paths.context;
      const bind = name === "MPJoinSynTxBindErr";
      const [local, remote] = [{ ...locals[1]! }, remotes[0]!];
      if (bind) local.address = "10.0.1.77";
      if (name === "MPJoinSynTxConnectErr") d.stack.setLinkUp(d.now, d.links[1]!, false);
      if (name === "MPJoinSynTxCreatSkErr") Object.assign(d.stack, { register: () => false });
      use([1, index({ local, remote })]);
    },
  })),
  {
    what: "joins to a port of their own",
    counts: {
      MPJoinPortSynRx: 1,
      MPJoinPortAckRx: 1,
      MPCapableEndpAttempt: 1,
      AddAddrTx: 1,
      EchoAdd: 1,
    },
    tell(d) {
      const { peer } = announcePort(d);
      const second = d.peer({ link: 1, port: 8080, session: peer.session });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("S. 0 ack 1");
      second.sends(". 1 ack 1 <join ack>");
      d.peer({ link: 1, port: 8080 }).offers({}, "S", ["mpc"]);
    },
  },
  {
    what:
      "joins where only announced ports are taken: at one that is none, and at one that is none any more",
    options: { experiments: { joinPorts: "announced" } },
    counts: {
      MismatchPortSynRx: 1,
      MismatchPortAckRx: 1,
      MPJoinPortSynRx: 1,
      MPJoinPortAckRx: 0,
      MPJoinSynRx: 3,
      MPJoinAckRx: 1,
    },
    tell(d) {
      const { peer, app } = announcePort(d);
      const join = (port?: number): Peer => {
        const to = port === undefined ? {} : { port };
        const joined = d.peer({ link: 1, session: peer.session, ...to });
        joined.offers({}, "S", ["join syn id 1"]);
        return joined;
      };
      join(9090).gets("R. 0 ack 1 <tcprst 3>");
      const late = join(8080);
      late.gets("S. 0 ack 1");
      const { context } = app.socket.paths;
      context.announce({ ...context.locals[1]!, port: 8081 });
      d.stack.flush(d.now);
      late.sends(". 1 ack 1 <join ack>");
      late.gets("R. 1 ack 1 <tcprst 3>");
      // At the port of the first path they are always taken.
      const same = join();
      same.gets("S. 0 ack 1");
      same.sends(". 1 ack 1 <join ack>");
    },
  },
  {
    what: "the peer announces an address with a port, which we join, and one with a wrong HMAC",
    options: { policies: { pathManager: fullMesh() } },
    counts: { AddAddr: 1, PortAdd: 1, EchoAddTx: 1, AddAddrDrop: 1, MPJoinPortSynAckRx: 1 },
    tell(d) {
      const { first } = joining(d);
      d.sent.length = 0;
      first.sends(". 1 ack 1 <add 4 10.0.0.9 bad>");
      first.sends(". 1 ack 1 <noTS, add 3 10.0.1.2 port 8080>");
      first.gets(". <echo 3 10.0.1.2 port 8080>");
      const other = d.called(first.session);
      assertEquals(other.remotePort, 8080);
      other.gets("S 0 <join syn>");
      other.offers({}, "S.", ["join synack id 3"]);
    },
  },
  {
    what: "announcements, echoes and removals that a full link keeps",
    options: MESH,
    counts: { AddAddrTxDrop: 1, EchoAddTxDrop: 1, RmAddrTxDrop: 1, RmAddrTx: 1 },
    tell(d) {
      d.listen();
      const peer = d.peer();
      peer.offers({}, "S", ["mpc"]);
      peer.gets("S.");
      d.links[0]!.full = true;
      peer.sends(". 1 ack 1 <mpc keys>");
      release(d);
      peer.gets(". 1 ack 1 <add 1 10.0.1.1>");
      peer.sends(". 1 ack 1 <noTS, echo 1 10.0.1.1>");
      peer.takeAll();
      d.links[0]!.full = true;
      peer.sends(". 1 ack 1 <noTS, add 5 10.0.7.5>");
      release(d);
      peer.gets(". <echo 5 10.0.7.5>");
      d.links[0]!.full = true;
      d.stack.removeAddress(d.now, "10.0.1.1");
      release(d);
      d.pass(1e6);
    },
  },
  {
    what: "the peer takes an address back, and we one of ours, with its path",
    counts: { RmAddr: 1, RmAddrTx: 1, RmSubflow: 1 },
    tell(d) {
      const { first } = joined(d);
      first.sends(". 1 ack 1 <rm 7>");
      d.stack.removeAddress(d.now, "10.0.1.1");
    },
  },
  {
    what: "priorities, told and heard",
    counts: { MPPrioTx: 1, MPPrioRx: 1 },
    tell(d) {
      const { second, app } = joined(d);
      second.sends(". 1 ack 1 <dack8 1, prio backup>");
      app.socket.paths.context.setBackup(2, true);
      d.stack.flush(d.now);
    },
  },
  {
    what: "the peer aborts, by MP_FASTCLOSE; resets a path, by MP_TCPRST",
    counts: { MPFastcloseRx: 1, MPRstRx: 1 },
    tell(d) {
      const { first, second } = joined(d);
      second.sends("R. 1 ack 1 <tcprst 3>");
      first.sends("R. 1 ack 1 <fastclose>");
    },
  },
  {
    what: "damage on the only path: MP_FAIL both ways, infinite mappings both ways",
    options: SUMMED,
    counts: {
      DataCsumErr: 1,
      DssFallback: 1,
      MPFailTx: 1,
      MPFailRx: 1,
      InfiniteMapRx: 1,
      InfiniteMapTx: 1,
    },
    tell(d) {
      const { peer, app } = summed(d);
      peer.sends("P. 101:201 ack 101 <dack8 101, map8 101 101 100 bad>", spoilt(101, 100));
      peer.sends(". 201 <fail 1>");
      peer.sends("P. 201:301 <map8 201 201 0 zero>");
      peer.takeAll();
      app.write(100);
      peer.gets("P. 101:201 ack 301 <map8 101 101 0 zero>");
    },
  },
  {
    what: "damage on one of two paths",
    options: SUMMED,
    counts: { DataCsumErr: 1, MPFailTx: 1, MPRstTx: 1 },
    tell(d) {
      const { second } = joined(d, { checksum: true });
      second.sends("P. 1:101 <dack8 1, map8 301 1 100 bad>", spoilt(301, 100));
      second.gets("R. <fail 301, tcprst 6>");
    },
  },
  {
    what: "a mapping whose halves do not fit",
    counts: { DSSNotMatching: 1 },
    tell(d) {
      const { peer } = d.opened();
      peer.sends(`P. +100 <dack8 1, map8 ${2 ** 32 + 1} 1 100>`);
    },
  },
  {
    what: "options vanish on the only path, and a mapping comes after all that says otherwise",
    counts: { DssFallback: 1, DSSNoMatchTCP: 1 },
    tell(d) {
      const { peer, app } = d.opened();
      app.write(100);
      peer.gets("P. 1:101");
      peer.sends("P. 1:101 ack 101 <dack8 101, map8 1 1 100>");
      app.read();
      d.pass(50e3);
      peer.takeAll();
      peer.sends("P. 101:201 ack 101");
      d.pass(550e3);
      peer.takeAll();
      app.read();
      peer.sends("P. 201:301 ack 101 <dack8 101, map8 101 201 100>");
    },
  },
  {
    what: "options vanish on a path that joined: it cannot go on as plain TCP",
    counts: { FallbackFailed: 1 },
    tell(d) {
      const { second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
      app.write(1000);
      second.gets("P. 1:1001");
      second.sends(". 1 ack 1001");
      second.gets("R. <tcprst 6>");
    },
  },
  {
    what: "data above a hole: alone, far behind it, beside it, between both, and beyond the window",
    counts: { OFOQueue: 4, OFOQueueTail: 2, OFOMerge: 2, NoDSSInWindow: 1 },
    tell(d) {
      const { first, second, app } = joined(d);
      first.sends("P. 1:101 <dack8 1, map8 201 1 100>");
      second.sends("P. 1:101 <dack8 1, map8 501 1 100>");
      assertEquals([d.counter("OFOQueueTail"), d.counter("OFOMerge")], [1, 0]);
      first.sends("P. 101:201 <dack8 1, map8 601 101 100>");
      assertEquals([d.counter("OFOQueueTail"), d.counter("OFOMerge")], [2, 1]);
      second.sends("P. 101:301 <dack8 1, map8 301 101 200>");
      const far = 1e7;
      first.sends(`P. 201:301 <dack8 1, map8 ${far} 201 100>`);
      second.sends("P. 301:501 <dack8 1, map8 1 301 200>");
      assertEquals(app.read(), 700);
    },
  },
  {
    what: "the same data on two paths",
    counts: { DuplicateData: 1 },
    tell(d) {
      const { first, second } = joined(d);
      first.sends("P. 1:1001 <dack8 1, map8 1 1 1000>");
      second.sends("P. 1:2001 <dack8 1, map8 1 1 2000>");
    },
  },
  {
    what: "a path falls silent and comes back; what it carried goes over the other",
    options: { tcp: { tlp: false, mtuProbing: "off" } },
    counts: { MPTCPRetrans: 1, SubflowStale: 1, SubflowRecover: 1 },
    tell(d) {
      const { first } = stale(d);
      first.sends(". ack 1001 <dack8 1001>");
    },
  },
  {
    what: "the window is shut: the peer is asked",
    counts: { WinProbe: 1 },
    tell(d) {
      const { peer, app } = d.opened({ win: 1000, scale: null });
      app.write(1500);
      peer.gets("P. 1:1001");
      peer.sends(". 1 ack 1001 win 0 <dack8 1001>");
      d.pass(300e3);
      peer.takeAll();
    },
  },
  {
    what: "a path takes what its own last window would not, as the other has told of a larger one",
    counts: { SndWndShared: 1 },
    tell(d) {
      const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
      app.write(1000);
      second.gets("P. 1:1001");
      second.sends(". 1 ack 1001 win 0 <dack8 1001>");
      first.sends(". 1 ack 1 <dack8 1001>");
      d.sent.length = 0;
      app.write(1000);
      second.gets("P. 1001:2001");
    },
  },
];

/** Names that never count, and why. */
const NEVER: Readonly<Record<string, string>> = {
  DSSCorruptionFallback:
    "Linux counts it where what it moves to the connection's queue lies outside the mapping kept beside it: here a mapping's bytes go to their place as they come, or wait for one",
  DSSCorruptionReset: "as DSSCorruptionFallback, on a path beside others",
  MD5SigFallback: "the TCP MD5 option (RFC 2385) is not offered: no connection falls back for it",
  RmAddrDrop:
    "Linux counts it when its worker still has a REMOVE_ADDR to do: here each is carried out as it comes",
  RcvWndShared:
    "no path has a receive window of its own that the shared one could stand in for: there is one object, offered on all",
  RcvWndConflictUpdate: "as RcvWndConflict",
  RcvWndConflict:
    "two processors tell of the shared window at once: a host runs on one thread, in batches",
};

describe("the MIB of MPTCP has the names of Linux", () => {
  it("of which each is counted, or has a reason", () => {
    const counted = STORIES.flatMap(({ counts }) =>
      Object.entries(counts).filter(([, value]) => value > 0).map(([name]) => name)
    );
    assertEquals(MIB.length, 76);
    assertEquals([...new Set([...counted, ...Object.keys(NEVER)])].sort(), [...MIB].sort());
    assertEquals(counted.filter((name) => name in NEVER), []);
  });

  it("and none that has a reason is counted anywhere", async () => {
    const folders = [new URL("core/", ROOT)];
    const found: string[] = [];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for await (const { name, isDirectory } of Deno.readDir(folder)) {
        if (isDirectory) folders.push(new URL(`${name}/`, folder));
        else if (name.endsWith(".ts")) {
          const text = await Deno.readTextFile(new URL(name, folder));
          found.push(...Object.keys(NEVER).filter((each) => text.includes(`"${each}"`)));
        }
      }
    }
    assertEquals(found, []);
  });

  for (const { what, options, counts, tell } of STORIES) {
    it(`${Object.keys(counts).join(", ")}: ${what}`, () => {
      using d = new Dialogue(options);
      tell(d);
      const names = Object.keys(counts);
      assertEquals(Object.fromEntries(names.map((name) => [name, d.counter(name)])), counts);
    });
  }
});
