/** Scenarios about which subflows are opened, by endpoints and limits. */

import { assertEquals } from "@std/assert";
import { all, type Expected, joins, signals } from "./counts.ts";
import { type Entry, group } from "./group.ts";
import type { Scenario } from "./scenario.ts";

/**
 * Joins that the server refuses. RFC 8684 §3.2 lets it do so in answer to the SYN, as we do, or to the third ACK, as Linux does; who is told by a RST
 * closes, or answers.
 */
export function refused(count: number): Expected {
  return {
    client: {
      MPJoinSynTx: count,
      MPJoinSynAckRx: [0, count],
      MPRstRx: [0, count],
      MPRstTx: [0, count],
    },
    server: {
      ...{ MPJoinSynRx: count, MPJoinRejected: count, MPRstTx: [0, 2 * count] },
      // What comes for one that was refused after its cookie finds nothing.
      ...{ MPJoinAckRx: [0, count], MPJoinNoTokenFound: [0, count] },
    },
  };
}

const SUBFLOWS = group("subflows", {
  "no JOIN": {},
  "single subflow, limited by client": {
    client: { limits: [0, 0], endpoints: ["3 subflow"] },
    server: { limits: [0, 0] },
  },
  "single subflow, limited by server": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [0, 0] },
    expect: refused(1),
  },
  "single subflow": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
  "multiple subflows": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { limits: [2, 0] },
    expect: joins(2),
  },
  "multiple subflows, limited by server": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { limits: [1, 0] },
    expect: all(joins(1), refused(1)),
  },
  "single subflow, dev": {
    client: { limits: [1, 0], endpoints: ["3 subflow dev"] },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
});

/** Joins whose SYN is answered by a RST, or by nothing: they may be tried again. */
function failing(count: number): Expected {
  return {
    client: {
      MPJoinSynTx: [0, 3 * count],
      MPJoinSynTxConnectErr: [0, count],
      MPRstRx: [0, 3 * count],
    },
  };
}

const SUBFLOWS_ERROR = group("subflows_error", {
  "no MPC reuse with single endpoint": {
    client: { limits: [1, 0], endpoints: ["1 subflow"] },
    server: { limits: [1, 0] },
  },
  "multi subflows, with failing subflow": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { limits: [2, 0] },
    before: (run) => run.firewall("-s", run.client.address(3), "-j", "REJECT"),
    expect: all(joins(1), failing(1)),
  },
  "multi subflows, with subflow timeout": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { limits: [2, 0] },
    before: (run) => run.firewall("-s", run.client.address(3), "-j", "DROP"),
    expect: all(joins(1), failing(1)),
  },
  "multi subflows, fair usage on close": {
    client: { limits: [1, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { limits: [1, 0] },
    before: (run) => run.firewall("-s", run.client.address(3), "-j", "REJECT"),
    expect: all(joins(1), failing(1)),
  },
});

const SIGNAL_ADDRESS = group("signal_address", {
  "unused signal address": {
    client: { limits: [1, 0] },
    server: { endpoints: ["2 signal"] },
    expect: signals(1),
  },
  "signal address": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "subflow and signal": {
    client: { limits: [2, 1], endpoints: ["3 subflow"] },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(2)),
  },
  "subflow and signal together": {
    client: { limits: [2, 0], endpoints: ["3 signal subflow"] },
    server: { limits: [2, 0] },
    expect: all(signals(1, "client"), joins(1)),
  },
  "multiple subflows and signal": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [3, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(3)),
  },
  "signal addresses": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["2 signal", "3 signal", "4 signal"] },
    expect: all(signals(3), joins(3)),
  },
  "signal invalid addresses": {
    client: { limits: [3, 3] },
    server: { limits: [3, 3], endpoints: ["12 signal", "3 signal", "14 signal"] },
    expect: all(signals(3), joins(1), failing(2)),
  },
  "signal addresses race test": {
    client: { limits: [4, 4], endpoints: ["1 signal", "2 signal", "3 signal", "4 signal"] },
    server: { limits: [4, 4], endpoints: ["1 signal", "2 signal", "3 signal", "4 signal"] },
    // Which of the client's come in time, are new to a server that has met them in joins, and are joined before the limit is reached, is a race.
    expect: all(signals(3), joins(2), {
      client: {
        ...{ AddAddrTx: [1, 4], AddAddrTxDrop: [0, 4], EchoAdd: [0, 4] },
        ...{
          MPJoinSynTx: [0, 1],
          MPJoinSynAckRx: [0, 1],
          MPJoinSynRx: [0, 4],
          MPJoinAckRx: [0, 2],
        },
        ...{ MPJoinRejected: [0, 3], MPRstTx: [0, 3], MPRstRx: [0, 3] },
      },
      server: {
        ...{
          AddAddr: [1, 4],
          EchoAddTx: [0, 4],
          AddAddrDrop: [0, 1],
          MPJoinSynTxCreatSkErr: [0, 2],
        },
        ...{
          MPJoinSynRx: [0, 1],
          MPJoinAckRx: [0, 1],
          MPJoinSynTx: [0, 4],
          MPJoinSynAckRx: [0, 2],
        },
        ...{ MPJoinRejected: [0, 3], MPRstTx: [0, 3], MPRstRx: [0, 3] },
      },
    }),
  },
});

const LAMINAR = group("laminar_endp", {
  "without a laminar endpoint": {
    client: { limits: [2, 2] },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "with a laminar endpoint": {
    client: { limits: [2, 2], endpoints: ["3 laminar"] },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    during: (run) => run.uses([3, 2]),
    expect: all(signals(1), joins(1)),
  },
  "with multiple laminar endpoints": {
    client: { limits: [2, 2], endpoints: ["3/6 laminar", "3 laminar", "4 laminar"] },
    server: { limits: [2, 0], endpoints: ["2 signal", "3 signal"] },
    expect: all(signals(2), joins(2)),
  },
  "single laminar endpoint": {
    client: { limits: [2, 2], endpoints: ["4 laminar"] },
    server: { limits: [2, 0], endpoints: ["2 signal", "3 signal"] },
    expect: all(signals(2), joins(1)),
  },
  "sublow + laminar endpoints": {
    client: { limits: [4, 2], endpoints: ["3 subflow", "4 laminar"] },
    server: { limits: [4, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(2)),
  },
});

/** Where its flags change Linux closes the subflow of an endpoint, and opens it anew. */
const AGAIN: Expected = {
  client: { MPJoinSynTx: [0, 1], MPJoinSynAckRx: [0, 1], RmSubflow: [0, 1] },
  server: { MPJoinSynRx: [0, 1], MPJoinAckRx: [0, 1] },
};

const FULLMESH = group("fullmesh", {
  "fullmesh test 2x1": {
    client: { limits: [4, 1], endpoints: ["3 subflow fullmesh"] },
    server: { limits: [4, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(2)),
  },
  "fullmesh test 1x1": {
    client: { limits: [3, 1], endpoints: ["3 subflow fullmesh"] },
    server: { limits: [3, 0], endpoints: ["1 signal"] },
    expect: joins(1),
  },
  "fullmesh test 1x2": {
    client: { limits: [5, 1], endpoints: ["3 subflow fullmesh", "4 subflow fullmesh"] },
    server: { limits: [5, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(4)),
  },
  "fullmesh test 1x2, limited": {
    client: { limits: [2, 1], endpoints: ["3 subflow fullmesh", "4 subflow fullmesh"] },
    server: { limits: [4, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(2)),
  },
  "set fullmesh flag test": {
    client: { limits: [4, 4], endpoints: ["2 subflow"] },
    server: { limits: [4, 4], endpoints: ["3 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.client.change("2 subflow fullmesh");
    },
    expect: all(signals(1), joins(3), AGAIN),
  },
  "set nofullmesh flag test": {
    client: { limits: [4, 4], endpoints: ["2 subflow fullmesh"] },
    server: { limits: [4, 4], endpoints: ["3 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.client.change("2 subflow");
    },
    expect: all(signals(1), joins(2), { client: { RmSubflow: 1 } }, AGAIN),
  },
  "set backup,fullmesh flags test": {
    client: { limits: [4, 4], endpoints: ["2 subflow"] },
    server: { limits: [4, 4], endpoints: ["3 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.client.change("2 subflow backup fullmesh");
    },
    // A subflow joins as a backup, or is made one.
    expect: all(signals(1), joins(3), AGAIN, {
      client: { MPPrioTx: [0, 1] },
      server: { MPPrioRx: [0, 1], MPJoinSynBackupRx: [1, 2] },
    }),
  },
  "set nobackup,nofullmesh flags test": {
    client: { limits: [4, 4], endpoints: ["2 subflow backup fullmesh"] },
    server: { limits: [4, 4], endpoints: ["3 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.client.change("2 subflow");
    },
    expect: all(signals(1), joins(2), AGAIN, {
      // Linux says it on one subflow of the endpoint.
      client: { MPPrioTx: [0, 2], RmSubflow: 1 },
      server: { MPPrioRx: [0, 2], MPJoinSynBackupRx: 2 },
    }),
  },
});

const IPV6 = group("ipv6", {
  "single subflow IPv6": {
    family: 6,
    client: { limits: [1, 0], endpoints: ["3/6 subflow"] },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
  "unused signal address IPv6": {
    family: 6,
    client: { limits: [1, 0] },
    server: { endpoints: ["2/6 signal"] },
    expect: signals(1),
  },
  "single address IPv6": {
    family: 6,
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2/6 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "remove single address IPv6": {
    family: 6,
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2/6 signal"] },
    during: async (run) => {
      await run.joined(1);
      await run.server.remove("2/6");
    },
    expect: all(signals(1), joins(1), {
      client: { RmAddr: 1 },
      server: { RmAddrTx: 1, RmSubflow: 1 },
    }),
  },
  "remove subflow and signal IPv6": {
    family: 6,
    client: { limits: [2, 1], endpoints: ["3/6 subflow"] },
    server: { limits: [2, 0], endpoints: ["2/6 signal"] },
    during: async (run) => {
      await run.joined(2);
      await run.server.remove("2/6");
      await run.client.remove("3/6");
    },
    expect: all(signals(1), joins(2), {
      client: { RmAddr: 1, RmAddrTx: 1, RmSubflow: 1 },
      server: { RmAddr: 1, RmAddrTx: 1, RmSubflow: 1 },
    }),
  },
});

const V4MAPPED = group("v4mapped", {
  "single subflow IPv4-mapped": {
    mapped: ["client", "server"],
    client: { limits: [1, 0], endpoints: ["m3 subflow"] },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
  "signal address IPv4-mapped": {
    mapped: ["client", "server"],
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["m2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "single subflow v4-map-v6": {
    mapped: ["client", "server"],
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
  "signal address v4-map-v6": {
    mapped: ["client", "server"],
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "single subflow v6-map-v4": {
    client: { limits: [1, 0], endpoints: ["m3 subflow"] },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
  "signal address v6-map-v4": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["m2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "no JOIN with diff families v4-v6": {
    client: { limits: [1, 0], endpoints: ["2/6 subflow"] },
    server: { limits: [1, 0] },
  },
  "no JOIN with diff families v4-v6-2": {
    mapped: ["client", "server"],
    client: { limits: [1, 0], endpoints: ["2/6 subflow"] },
    server: { limits: [1, 0] },
  },
  "no JOIN with diff families v6-v4": {
    family: 6,
    client: { limits: [1, 0], endpoints: ["2 subflow"] },
    server: { limits: [1, 0] },
  },
});

const COOKIES = { cookies: true } as const;

const SYNCOOKIES = group("syncookies", {
  "single subflow with syn cookies": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { ...COOKIES, limits: [1, 0] },
    expect: joins(1),
  },
  "multiple subflows with syn cookies": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { ...COOKIES, limits: [2, 0] },
    expect: joins(2),
  },
  "subflows limited by server w cookies": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "2 subflow"] },
    server: { ...COOKIES, limits: [1, 0] },
    expect: all(joins(1), refused(1)),
  },
  "signal address with syn cookies": {
    client: { limits: [1, 1] },
    server: { ...COOKIES, limits: [1, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "subflow and signal w cookies": {
    client: { limits: [2, 1], endpoints: ["3 subflow"] },
    server: { ...COOKIES, limits: [2, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(2)),
  },
  "subflows and signal w. cookies": {
    client: { limits: [3, 1], endpoints: ["3 subflow", "4 subflow"] },
    server: { ...COOKIES, limits: [3, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(3)),
  },
});

/** Whether each end asks for DSS checksums: they are used where either does. */
function checksums(server: boolean, client: boolean): Entry {
  return {
    client: { checksum: client },
    server: { checksum: server },
    after: ({ talk }) => {
      assertEquals(talk.end!.mptcp!.csum_enabled, Number(client || server));
      if (talk.conn) assertEquals(talk.conn.info().mptcp.csum_enabled, Number(client || server));
    },
  };
}

const CHECKSUM = group("checksum", {
  "checksum test 0 0": checksums(false, false),
  "checksum test 0 1": checksums(false, true),
  "checksum test 1 0": checksums(true, false),
  "checksum test 1 1": checksums(true, true),
});

const DENY = group("deny_join_id0", {
  "single subflow allow join id0 ns1": {
    client: { limits: [1, 0], endpoints: ["3 subflow"], deny: true },
    server: { limits: [1, 0] },
    expect: joins(1),
  },
  "single subflow allow join id0 ns2": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0], deny: true },
  },
  "signal address allow join id0 ns1": {
    client: { limits: [1, 1], deny: true },
    server: { limits: [1, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "signal address allow join id0 ns2": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2 signal"], deny: true },
    expect: all(signals(1), joins(1)),
  },
  "subflow and address allow join id0 1": {
    client: { limits: [2, 1], endpoints: ["3 subflow"], deny: true },
    server: { limits: [2, 0], endpoints: ["2 signal"] },
    expect: all(signals(1), joins(2)),
  },
  "subflow and address allow join id0 2": {
    client: { limits: [2, 1], endpoints: ["3 subflow"] },
    server: { limits: [2, 0], endpoints: ["2 signal"], deny: true },
    expect: all(signals(1), joins(1)),
  },
  "default limits, server deny join id 0": {
    client: { limits: [2, 0], endpoints: ["3 subflow", "4 subflow"] },
    server: { limits: [2, 0], endpoints: ["2 signal", "3 signal"], deny: true },
    // Linux takes the addresses of a server that denies joins to its first one, whatever its limit.
    expect: all(signals(2), joins(2)),
  },
});

const MIXED = group("mixed", {
  "IPv4 sockets do not use IPv6 addresses": {
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["2/6 signal"] },
    expect: signals(1),
    without: {
      client:
        "our sockets have no family: an IPv6 address that can be reached is used (RFC 8684 §3.4.1)",
    },
  },
  "simult IPv4 and IPv6 subflows": {
    family: 6,
    client: { limits: [1, 1] },
    server: { limits: [1, 0], endpoints: ["1 signal"] },
    expect: all(signals(1), joins(1)),
  },
  "simult IPv4 and IPv6 subflows, fullmesh 1x1": {
    family: 6,
    client: { limits: [4, 1], endpoints: ["2/6 subflow fullmesh"] },
    server: { limits: [4, 0], endpoints: ["1 signal"] },
    expect: all(signals(1), joins(2)),
  },
  "simult IPv4 and IPv6 subflows, fullmesh 2x2": {
    family: 6,
    client: { limits: [4, 2], endpoints: ["1/6 subflow fullmesh", "1 subflow fullmesh"] },
    server: { limits: [4, 0], endpoints: ["2 signal", "2/6 signal"] },
    expect: all(signals(2), joins(2)),
  },
});

/** Who opens what. */
export const JOINS: readonly Scenario[] = [
  ...SUBFLOWS,
  ...SUBFLOWS_ERROR,
  ...SIGNAL_ADDRESS,
  ...LAMINAR,
  ...FULLMESH,
  ...IPV6,
  ...V4MAPPED,
  ...MIXED,
  ...SYNCOOKIES,
  ...CHECKSUM,
  ...DENY,
];
