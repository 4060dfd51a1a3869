/** Scenarios about what changes while a connection is open: addresses that come and go, priorities, paths that fail. */

import { all, type Count, type Expected, joins, removals, signals } from "./counts.ts";
import { type Entry, group } from "./group.ts";
import type { Run, Scenario } from "./scenario.ts";

/** Subflows that an end has closed itself. */
function closed(count: Count, by: "client" | "server"): Expected {
  return { [by]: { RmSubflow: count } };
}

/** Removes endpoints once there are so many joins. */
function remove(
  count: number,
  client: readonly string[],
  server: readonly string[],
): (run: Run) => Promise<void> {
  return async (run) => {
    await run.joined(count);
    if (client.length > 0) await run.client.remove(...client);
    if (server.length > 0) await run.server.remove(...server);
  };
}

/** Flushes the endpoints of an end once there are so many joins. */
// Linux tells of none that was never announced when all are flushed; we do, of the one that was chosen to answer an announcement, too.
function flush(count: number, ...ends: readonly ("client" | "server")[]) {
  return async (run: Run): Promise<void> => {
    await run.joined(count);
    for (const end of ends) await run[end].flush();
  };
}

const REMOVE = group("remove", {
  "remove single subflow": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0] },
    during: remove(1, ["3"], []),
    expect: all(joins(1), removals(1, "client"), closed(1, "client")),
  },
  "remove multiple subflows": {
    client: { limits: [2, 0], endpoints: ["2 subflow", "3 subflow"] },
    server: { limits: [2, 0] },
    during: remove(2, ["2", "3"], []),
    expect: all(joins(2), removals(2, "client"), closed(2, "client")),
  },
  "remove single address": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"] },
    during: remove(1, [], ["2"]),
    expect: all(signals(1), joins(1), removals(1, "server"), closed(1, "server")),
  },
  "remove subflow and signal": {
    client: { limits: [2, 1], endpoints: ["3 subflow"] },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    during: remove(2, ["3"], ["2"]),
    expect: all(
      all(signals(1), joins(2)),
      all(removals(1, "client"), closed(1, "client")),
      all(removals(1, "server"), closed(1, "server")),
    ),
  },
  "remove subflows and signal": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [3, 0], endpoints: ["2 signal"] },
    during: remove(3, ["3", "4"], ["2"]),
    expect: all(
      all(signals(1), joins(3)),
      all(removals(2, "client"), closed(2, "client")),
      all(removals(1, "server"), closed(1, "server")),
    ),
  },
  "remove addresses": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["2 signal", "3 signal", "4 signal"] },
    during: remove(3, [], ["2", "3", "4"]),
    expect: all(signals(3), joins(3), removals(3, "server"), closed(3, "server")),
  },
  "remove invalid addresses": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["12 signal", "3 signal", "14 signal"] },
    during: async (run) => {
      await run.joined(1);
      await run.counted("server", "EchoAdd", 3);
      await run.server.remove("12", "3", "14");
    },
    expect: all(signals(3), joins(1), removals(3, "server"), closed(1, "server"), {
      // We end those that were not answered yet.
      client: { MPJoinSynTx: [0, 6], MPJoinSynTxConnectErr: [0, 2], RmSubflow: [0, 2] },
    }),
  },
  "flush subflows and signal": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [3, 0], endpoints: ["2 signal"] },
    during: flush(3, "client", "server"),
    expect: all(
      all(signals(1), joins(3)),
      all(removals([0, 3], "client"), closed([2, 3], "client")),
      all(removals(1, "server"), closed([0, 1], "server")),
    ),
  },
  "flush subflows": {
    client: { limits: [3, 0], endpoints: ["2 subflow", "3 subflow", "4 subflow"] },
    server: { limits: [3, 0] },
    during: flush(3, "client"),
    expect: all(joins(3), removals([0, 3], "client"), closed(3, "client")),
  },
  "flush addresses": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["2 signal", "3 signal", "4 signal"] },
    during: flush(3, "server"),
    expect: all(signals(3), joins(3), removals(3, "server"), closed(3, "server")),
  },
  "flush invalid addresses": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["12 signal", "3 signal", "14 signal"] },
    during: async (run) => {
      await run.joined(1);
      await run.counted("server", "EchoAdd", 3);
      await run.server.flush();
    },
    expect: all(signals(3), joins(1), removals(3, "server"), closed(1, "server"), {
      // We end those that were not answered yet.
      client: { MPJoinSynTx: [0, 6], MPJoinSynTxConnectErr: [0, 2], RmSubflow: [0, 2] },
    }),
  },
  "remove id 0 subflow": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0] },
    during: async (run) => {
      await run.joined(1);
      await run.client.removeInitial();
    },
    expect: all(joins(1), removals(1, "client"), closed(1, "client")),
  },
  "remove id 0 address": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(1);
      await run.server.removeInitial();
    },
    expect: all(signals(1), joins(1), removals(1, "server"), closed(1, "server")),
  },
});

/** Adds endpoints while the connection is in use. */
function add(client: readonly string[], server: readonly string[]) {
  return async (run: Run): Promise<void> => {
    await run.talk.echo(50_000);
    for (const spec of client) await run.client.add(spec);
    for (const spec of server) await run.server.add(spec);
  };
}

const ADD = group("add", {
  "add single subflow": {
    client: { limits: [1, 0] },
    server: { limits: [1, 0] },
    during: add(["3 subflow"], []),
    expect: joins(1),
  },
  "add signal address": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0] },
    during: add([], ["2 signal"]),
    expect: all(signals(1), joins(1)),
  },
  "add multiple subflows": {
    client: { limits: [2, 0] },
    server: { limits: [2, 0] },
    during: add(["2 subflow", "3 subflow"], []),
    expect: joins(2),
  },
  "add multiple subflows IPv6": {
    family: 6,
    client: { limits: [2, 0] },
    server: { limits: [2, 0] },
    during: add(["2/6 subflow", "3/6 subflow"], []),
    expect: joins(2),
  },
  "add multiple addresses IPv6": {
    family: 6,
    client: { limits: [2, 2] },
    server: { limits: [2, 0] },
    during: add([], ["2/6 signal", "3/6 signal"]),
    expect: all(signals(2), joins(2)),
  },
});

/** MP_PRIO options that `by` sends. */
function prios(count: Count, by: "client" | "server"): Expected {
  const other = by === "client" ? "server" : "client";
  return { [by]: { MPPrioTx: count }, [other]: { MPPrioRx: count } };
}

const BACKUP = group("backup", {
  "single subflow, backup": {
    client: { limits: [1, 0], endpoints: ["3 subflow backup"] },
    server: { limits: [1, 0] },
    during: async (run) => {
      await run.joined(1);
      await run.client.change("3 subflow");
    },
    expect: all(joins(1), prios(1, "client"), { server: { MPJoinSynBackupRx: 1 } }),
  },
  "single address, backup": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal backup"] },
    during: async (run) => {
      await run.joined(1);
      await run.server.change("2 signal");
    },
    expect: all(signals(1), joins(1), prios(1, "server"), { client: { MPJoinSynAckBackupRx: 1 } }),
  },
  "single address, switch to backup": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(1);
      await run.server.change("2 signal backup");
    },
    expect: all(signals(1), joins(1), prios(1, "server")),
  },
  "single address with port, backup": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal backup port 10100"] },
    during: async (run) => {
      await run.joined(1);
      await run.server.change("2 signal");
    },
    expect: all(
      all(signals(1), joins(1), prios(1, "server")),
      { client: { MPJoinSynAckBackupRx: 1, PortAdd: 1, MPJoinPortSynAckRx: [0, 1] } },
      { server: { PortAdd: 1, MPJoinPortSynRx: 1, MPJoinPortAckRx: 1 } },
    ),
  },
  "mpc backup": {
    client: { limits: [1, 0], endpoints: ["1 subflow backup"] },
    server: { limits: [1, 0] },
    expect: prios(1, "client"),
  },
  "mpc backup both sides": {
    client: { limits: [2, 1], endpoints: ["1 subflow backup", "3 subflow"] },
    server: { limits: [2, 0], endpoints: ["1 signal backup"] },
    expect: all(joins(1), prios(1, "client"), prios(1, "server"), {
      client: { MPJoinSynAckBackupRx: 1 },
    }),
  },
  "mpc switch to backup": {
    client: { limits: [0, 0], endpoints: ["1 subflow"] },
    server: { limits: [0, 0] },
    during: (run) => run.client.change("1 subflow backup"),
    expect: prios(1, "client"),
  },
  "mpc switch to backup both sides": {
    client: { limits: [0, 0], endpoints: ["1 subflow"] },
    server: { limits: [0, 0], endpoints: ["1 signal"] },
    during: async (run) => {
      await run.client.change("1 subflow backup");
      await run.server.change("1 signal backup");
    },
    expect: all(prios(1, "client"), prios(1, "server")),
  },
});

/** Addresses with ports that the server announces and the client joins. */
function ports(announced: number, joined: number): Expected {
  return {
    client: { PortAdd: announced, MPJoinPortSynAckRx: [0, joined] },
    server: { PortAdd: announced, MPJoinPortSynRx: joined, MPJoinPortAckRx: joined },
  };
}

const PORTS = group("add_addr_ports", {
  "signal address with port": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal port 10100"] },
    expect: all(signals(1), joins(1), ports(1, 1)),
  },
  "subflow and signal with port": {
    client: { limits: [2, 1], endpoints: ["3 subflow"] },
    server: { limits: [2, 0], endpoints: ["2 signal port 10100"] },
    expect: all(signals(1), joins(2), ports(1, 1)),
  },
  "remove single address with port": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal port 10100"] },
    during: remove(1, [], ["2"]),
    expect: all(signals(1), joins(1), ports(1, 1), removals(1, "server"), closed(1, "server")),
  },
  "remove subflow and signal with port": {
    client: { limits: [2, 1], endpoints: ["3 subflow"] },
    server: { limits: [2, 0], endpoints: ["2 signal port 10100"] },
    during: remove(2, ["3"], ["2"]),
    expect: all(
      all(signals(1), joins(2), ports(1, 1)),
      all(removals(1, "client"), closed(1, "client")),
      all(removals(1, "server"), closed(1, "server")),
    ),
  },
  "flush subflows and signal with port": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [3, 0], endpoints: ["2 signal port 10100"] },
    during: flush(3, "client", "server"),
    expect: all(
      all(signals(1), joins(3), ports(1, 1)),
      all(removals([0, 3], "client"), closed([2, 3], "client")),
      all(removals(1, "server"), closed([0, 1], "server")),
    ),
  },
  "multiple addresses with port": {
    client: { limits: [2, 2] },
    server: { limits: [2, 0], endpoints: ["2 signal port 10100", "3 signal port 10100"] },
    expect: all(signals(2), joins(2), ports(2, 2)),
  },
  "multiple addresses with ports": {
    client: { limits: [2, 2] },
    server: { limits: [2, 0], endpoints: ["2 signal port 10100", "3 signal port 10101"] },
    expect: all(signals(2), joins(2), ports(2, 2)),
  },
  "port-based signal endpoint must not accept mpc": {
    client: { limits: [1, 0] },
    server: { limits: [1, 0], endpoints: ["2 signal port 10100"] },
    during: async (run) => {
      await run.counted("server", "EchoAdd", 1);
      await run.refusedAt(2, 10100);
    },
    expect: all(signals(1), {
      client: { PortAdd: 1, MPCapableSYNTX: 1, MPRstRx: [0, 1] },
      // RFC 8684 §3.6, "the TCP RST packet MAY include the MP_TCPRST option": ours does.
      server: { PortAdd: 1, MPCapableEndpAttempt: 1, MPCapableSYNRX: [0, 1], MPRstTx: [0, 1] },
    }),
  },
});

/** A path that works no longer, while data move. */
function cut(path: number, back: boolean, milliseconds = 300) {
  return async (run: Run): Promise<void> => {
    await run.busy(async () => {
      await run.linkUp(path, false);
      await run.pause(milliseconds);
      if (back) await run.linkUp(path, true);
    });
  };
}

/** What may come of paths that fail and come back, opened anew or not. */
const FAILING: Expected = {
  client: {
    MPJoinSynTx: [0, 8],
    MPJoinSynAckRx: [0, 8],
    MPJoinSynTxConnectErr: [0, 8],
    RmSubflow: [0, 8],
  },
  server: { MPJoinSynRx: [0, 8], MPJoinAckRx: [0, 8], RmSubflow: [0, 8] },
};

const LINK_FAILURE = group("link_failure", {
  "multiple flows, signal, link failure": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [3, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(3);
      await cut(1, false)(run);
    },
    expect: all(signals(1), joins(3), FAILING),
  },
  "multi flows, signal, bidi, link fail": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [3, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(3);
      await cut(3, true)(run);
      await cut(1, true)(run);
    },
    expect: all(signals(1), joins(3), FAILING),
  },
  "backup subflow unused, link failure": {
    client: { limits: [2, 1], endpoints: ["3 subflow backup dev"] },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(2);
      await cut(1, false)(run);
      await run.carried(3, 0);
    },
    expect: all(signals(1), joins(2), FAILING, { server: { MPJoinSynBackupRx: [1, 3] } }),
  },
  "backup flow used, multi links fail": {
    client: { limits: [2, 1], endpoints: ["3 subflow backup dev"] },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.linkUp(1, false);
      await cut(2, false)(run);
      await run.carried(3, 1);
    },
    expect: all(signals(1), joins(2), FAILING, { server: { MPJoinSynBackupRx: [1, 3] } }),
  },
  "backup flow used, bidi, link failure": {
    client: { limits: [2, 1], endpoints: ["3 subflow backup dev"] },
    server: { limits: [3, 0], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.linkUp(2, false);
      await cut(1, true, 1500)(run);
      await run.carried(3, 1);
    },
    expect: all(signals(1), joins(2), FAILING, { server: { MPJoinSynBackupRx: [1, 3] } }),
  },
});

/** The echoes of ADD_ADDR are lost: an ACK with timestamps, then kind 30, subtype 3 and the E flag. */
async function loseEchoes(run: Run): Promise<void> {
  if ((run.scenario.family ?? 4) === 4) {
    await run.firewall("-m", "u32", "--u32", "0>>22&0x3C@32&0xFF00FF00=0x1E003100", "-j", "DROP");
  } else await run.firewall6("-m", "u32", "--u32", "72&0xFF00FF00=0x1E003100", "-j", "DROP");
}

/** An announcement that is not confirmed: so often is it sent. */
function repeated(addresses: number, joined: number): Expected {
  return all(joins(joined), {
    server: { AddAddrTx: [2 * addresses, 6 * addresses] },
    client: { AddAddr: [2 * addresses, 6 * addresses], EchoAddTx: [2 * addresses, 6 * addresses] },
  });
}

async function waitForRepeats(run: Run): Promise<void> {
  await run.counted("server", "AddAddrTx", 2);
}

const ADD_ADDR_TIMEOUT = group("add_addr_timeout", {
  "signal address, ADD_ADDR timeout": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"], addAddrTimeout: 1 },
    before: loseEchoes,
    during: waitForRepeats,
    expect: repeated(1, 1),
  },
  "signal address, ADD_ADDR6 timeout": {
    family: 6,
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2/6 signal"], addAddrTimeout: 1 },
    before: loseEchoes,
    during: waitForRepeats,
    expect: repeated(1, 1),
  },
  "signal addresses, ADD_ADDR timeout": {
    client: { limits: [2, 2] },
    server: { limits: [2, 2], endpoints: ["2 signal", "3 signal"], addAddrTimeout: 1 },
    before: loseEchoes,
    during: waitForRepeats,
    expect: repeated(2, 2),
  },
  "invalid address, ADD_ADDR timeout": {
    client: { limits: [2, 2] },
    server: { limits: [2, 2], endpoints: ["12 signal", "3 signal"], addAddrTimeout: 1 },
    before: loseEchoes,
    during: waitForRepeats,
    expect: all(repeated(2, 1), { client: { MPJoinSynTx: [0, 6], MPJoinSynTxConnectErr: [0, 6] } }),
  },
});

const FASTCLOSE = group("fastclose", {
  "fastclose test": {
    reset: true,
    during: (run) => run.abort("client"),
    ended: true,
    expect: {
      client: { MPFastcloseTx: 1, MPRstRx: [0, 1], MPRstTx: [0, 1] },
      server: { MPFastcloseRx: 1, MPRstRx: [0, 1], MPRstTx: [0, 1] },
    },
  },
  "fastclose server test": {
    reset: true,
    during: (run) => run.abort("server"),
    ended: true,
    expect: {
      client: { MPFastcloseRx: 1, MPRstRx: [0, 1], MPRstTx: [0, 1] },
      server: { MPFastcloseTx: 1, MPRstRx: [0, 1], MPRstTx: [0, 1] },
    },
  },
});

/** Linux 6.18 makes the segment with its infinite mapping as large as those without any: above the MTU it never leaves. */
const CHECKED = { checksum: true, maxSegment: 1400 } as const;

/** What finds a wrong checksum says so, and what has sent the bytes goes on with an infinite mapping (RFC 8684 §3.7). */
function damaged(from: "client" | "server"): Entry {
  const finder: Expected["client"] = {
    ...{ DataCsumErr: 1, MPFailTx: 1, MPFailRx: 1, InfiniteMapRx: 1, DssFallback: 1 },
    // Ours says so of its own direction, too.
    InfiniteMapTx: [0, 1],
  };
  const sender: Expected["client"] = { MPFailRx: 1, MPFailTx: 1, InfiniteMapTx: 1 };
  return {
    middleboxes: true,
    client: CHECKED,
    server: CHECKED,
    during: async (run) => {
      run.alter(1, from, 5);
      // A kernel that has heard MP_FAIL repeats nothing: it must have more to send, and room for it.
      await run.talk.echo(40_000, () => run.counted(from, "MPFailRx", 1));
    },
    expect: from === "client"
      ? { client: sender, server: finder }
      : { client: finder, server: sender },
  };
}

/** The path that is damaged is closed; another carries it all. */
function resets(from: "client" | "server"): Entry {
  const [finder, sender] = [
    { DataCsumErr: 1, MPFailTx: 1, MPRstTx: 1 },
    { MPFailRx: 1, MPRstRx: 1 },
  ];
  const [client, server] = from === "client" ? [sender, finder] : [finder, sender];
  return {
    middleboxes: true,
    client: { ...CHECKED, endpoints: ["3 subflow"] },
    server: CHECKED,
    during: async (run) => {
      await run.joined(1);
      run.alter(1, from, 5);
      await run.busy(() => run.counted(from === "client" ? "server" : "client", "MPFailTx", 1));
    },
    expect: all(joins(1), { client, server }),
  };
}

const FAIL = group("fail", {
  "Infinite map": damaged("client"),
  "Infinite map, from the server": damaged("server"),
  "MP_FAIL MP_RST": resets("client"),
  "MP_FAIL MP_RST, from the server": resets("server"),
});

const ENDPOINT = group("endpoint", {
  "implicit EP": {
    client: { limits: [2, 2] },
    server: { limits: [2, 2], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "delete and re-add": {
    client: { limits: [2, 0], endpoints: ["2 subflow"] },
    server: { limits: [2, 0] },
    during: async (run) => {
      await run.joined(1);
      await run.client.remove("2");
      await run.counted("server", "RmAddr", 1);
      await run.client.add("2 subflow");
      await run.joined(2);
      await run.client.add("3 subflow");
    },
    expect: all(joins(3), removals(1, "client"), closed(1, "client")),
  },
  "delete re-add signal": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["2 signal"] },
    during: async (run) => {
      await run.joined(1);
      await run.server.remove("2");
      await run.counted("client", "RmAddr", 1);
      await run.server.add("2 signal");
      await run.joined(2);
      await run.server.add("3 signal");
    },
    expect: all(signals(3), joins(3), removals(1, "server"), closed(1, "server")),
  },
  "flush re-add": {
    client: { limits: [2, 0], endpoints: ["2 subflow"] },
    server: { limits: [2, 0] },
    during: async (run) => {
      await run.joined(1);
      await run.client.flush();
      await run.counted("client", "RmSubflow", 1);
      await run.client.add("2 subflow");
    },
    expect: all(joins(2), removals([0, 1], "client"), closed(1, "client")),
  },
});

/** What comes, goes, and fails. */
export const CHANGES: readonly Scenario[] = [
  ...REMOVE,
  ...ADD,
  ...BACKUP,
  ...PORTS,
  ...LINK_FAILURE,
  ...ADD_ADDR_TIMEOUT,
  ...FASTCLOSE,
  ...FAIL,
  ...ENDPOINT,
];
