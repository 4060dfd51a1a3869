/** Scenarios in which an application manages the paths of an end. */

import { assert, assertRejects } from "@std/assert";
import { all, joins, removals, signals } from "./counts.ts";
import { type Entry, group } from "./group.ts";
import { refused } from "./joins.ts";
import type { EndOptions } from "./ends.ts";
import type { Run, Scenario } from "./scenario.ts";

const NO_ENDPOINTS = "our path manager for applications has no endpoints that could be ignored";
const DAEMON = { userspace: "daemon" } as const;
const NOBODY = { userspace: "nobody" } as const;

/** The client opens a subflow from its second address, which it calls `id`, and closes it again. */
function createAndDestroy(id: number): Entry {
  return {
    client: { ...DAEMON },
    server: { limits: [1, 1] },
    during: async (run) => {
      await run.client.manual.create(3, id, run.server.address(1));
      await run.joined(1);
      await run.talk.echo(1000);
      await run.client.manual.destroy(3);
    },
    expect: all(joins(1), {
      client: { RmSubflow: 1, RmAddrTx: [0, 1] },
      server: { RmAddr: [0, 1] },
    }),
  };
}

const USERSPACE_TYPE = group("userspace", {
  "userspace pm type prevents add_addr": {
    without: { server: NO_ENDPOINTS },
    client: { limits: [1, 1] },
    server: { ...NOBODY, endpoints: ["2 signal"] },
  },
  "userspace pm no echo w/o daemon": {
    without: { client: "ours confirms what it has understood (RFC 8684 §3.4.1), whoever listens" },
    client: { ...NOBODY },
    server: { limits: [1, 1], endpoints: ["2 signal"] },
    expect: { client: { AddAddr: [1, 8], AddAddrDrop: [1, 8] }, server: { AddAddrTx: [1, 8] } },
  },
  "userspace pm type rejects join": {
    client: { limits: [1, 1], endpoints: ["3 subflow"] },
    server: { ...NOBODY },
    expect: refused(1),
  },
  "userspace pm type does not send join": {
    without: { client: NO_ENDPOINTS },
    client: { ...NOBODY, endpoints: ["3 subflow"] },
    server: { limits: [1, 1] },
  },
  "userspace pm type prevents mp_prio": {
    without: { client: NO_ENDPOINTS },
    client: { ...NOBODY, endpoints: ["1 subflow"] },
    server: { limits: [1, 1] },
    during: (run) => run.client.change("1 subflow backup").catch(() => {}),
  },
  "userspace pm type prevents rm_addr": {
    without: { client: NO_ENDPOINTS },
    client: { ...NOBODY, endpoints: ["3 subflow"] },
    server: { limits: [1, 1] },
    during: (run) => run.client.remove("3"),
  },
  "userspace pm add & remove address": {
    client: { limits: [2, 2] },
    server: { ...DAEMON },
    during: async (run) => {
      await run.server.manual.announce(2, 10);
      await run.server.manual.announce(3, 20);
      await run.joined(2);
      await run.server.manual.remove(10);
      await run.server.manual.remove(20);
    },
    expect: all(signals(2), joins(2), removals(2, "server"), { server: { RmSubflow: [0, 2] } }),
  },
  "userspace pm create destroy subflow": createAndDestroy(20),
  "userspace pm create id 0 subflow": {
    client: { ...DAEMON },
    server: { limits: [1, 1] },
    during: async (run) => {
      await run.client.manual.create(1, 0, run.server.address(1));
      await run.joined(1);
      await run.talk.echo(1000);
    },
    expect: joins(1),
  },
  "userspace pm remove initial subflow": {
    client: { ...DAEMON },
    server: { limits: [1, 1] },
    during: async (run) => {
      await run.client.manual.create(3, 20, run.server.address(1));
      await run.joined(1);
      await run.client.manual.destroy(1);
    },
    expect: all(joins(1), { client: { RmSubflow: 1 } }),
  },
  "userspace pm send RM_ADDR for ID 0": {
    client: { ...DAEMON },
    server: { limits: [1, 1] },
    during: async (run) => {
      await run.client.manual.create(3, 20, run.server.address(1));
      await run.joined(1);
      await run.client.manual.remove(0);
    },
    expect: all(joins(1), removals(1, "client"), { client: { RmSubflow: [0, 1] } }),
  },
});

type Side = "client" | "server";

const OTHER = { client: "server", server: "client" } as const;
const BOTH: Readonly<Record<Side, EndOptions>> = { client: DAEMON, server: DAEMON };
/** Ids of addresses, by who has them. */
const IDS = { client: 23, server: 24 } as const;
const NEW_PORT = 10_200;

/** An address that an end announces; the other end's manager hears of it, and does nothing. */
function announces(by: Side, family: 4 | 6, port?: number): Entry {
  return {
    ...BOTH,
    family,
    during: (run) => run[by].manual.announce(2, IDS[by], port === undefined ? {} : { port }),
    expect: all(
      signals(1, by),
      port === undefined ? {} : { client: { PortAdd: 1 }, server: { PortAdd: 1 } },
    ),
  };
}

/** What an end is asked to do with a connection, or an id, that it does not have. */
function refuses(work: (run: Run, wrong: number) => Promise<void>): Entry {
  return { ...BOTH, during: (run) => assertRejects(() => work(run, 0x1234567)).then(() => {}) };
}

/** An announced address is taken back; the other end's manager is told. */
function takesBack(by: Side, family: 4 | 6, id: number = IDS[by]): Entry {
  return {
    ...BOTH,
    family,
    during: async (run) => {
      await run[by].manual.announce(2, id);
      await run.counted(OTHER[by], "AddAddr", 1);
      await run[by].manual.remove(id);
    },
    expect: all(signals(1, by), removals(1, by)),
  };
}

/** A subflow to where the other end listens, after it has said so. It carries data, and is closed again where that is asked. */
function creates(by: Side, family: 4 | 6, how: { port?: number; destroy: boolean }): Entry {
  const { port, destroy } = how;
  const other = OTHER[by];
  // A server listens on all its addresses, at the port that both know.
  const known = by === "client" && port === undefined;
  return {
    ...BOTH,
    family,
    during: async (run) => {
      await using _listening = known
        ? null
        : await run[other].listen(2, port ?? await run[other].port());
      const at = port === undefined ? {} : { port };
      if (!known) {
        await run[other].manual.announce(2, IDS[other], at);
        await run.counted(by, "AddAddr", 1);
      }
      await run[by].manual.create(2, IDS[by], run[other].address(2), at);
      await run.joined(1, by);
      await run.talk.echo(1000);
      if (!destroy) return;
      await run[by].manual.destroy(2);
      await run.counted(by, "RmSubflow", 1);
    },
    expect: all(
      known ? {} : signals(1, other),
      joins(1, by),
      port === undefined ? {} : {
        [by]: { PortAdd: 1, MPJoinPortSynAckRx: [0, 1] },
        [other]: { PortAdd: 1, MPJoinPortSynRx: 1, MPJoinPortAckRx: 1 },
      },
      destroy ? { [by]: { RmSubflow: 1, RmAddrTx: [0, 1] }, [other]: { RmAddr: [0, 1] } } : {},
    ),
  };
}

/** On a connection of IPv6 an address of IPv4 is announced by the server, and joined by the client. */
function mixes(until: "announced" | "created" | "destroyed"): Entry {
  return {
    ...BOTH,
    family: 6,
    during: async (run) => {
      await run.server.manual.announce(2, IDS.server, { family: 4 });
      await run.counted("client", "AddAddr", 1);
      if (until === "announced") return;
      await run.client.manual.create(2, IDS.client, run.server.address(2, 4));
      await run.joined(1);
      await run.talk.echo(1000);
      if (until === "created") return;
      await run.client.manual.destroy(2, 4);
      await run.counted("client", "RmSubflow", 1);
    },
    expect: all(
      signals(1),
      until === "announced" ? {} : joins(1),
      until === "destroyed"
        ? { client: { RmSubflow: 1, RmAddrTx: [0, 1] }, server: { RmAddr: [0, 1] } }
        : {},
    ),
  };
}

/** The client has a second subflow, of which an end says that it is a backup. */
function prefers(by: Side): Entry {
  return {
    ...BOTH,
    during: async (run) => {
      await run.client.manual.create(2, IDS.client, run.server.address(2));
      await run.joined(1);
      await run.talk.echo(1000);
      await run[by].manual.backup(2);
    },
    expect: all(joins(1), { [by]: { MPPrioTx: 1 }, [OTHER[by]]: { MPPrioRx: 1 } }),
  };
}

/** Somebody listens at the client, and stops: its manager is told. */
function listens(until: "created" | "closed"): Entry {
  return {
    ...BOTH,
    during: async (run) => {
      const listening = await run.client.listen(2);
      const { port } = listening;
      await run.until(() => Promise.resolve(run.client.manual.heard("created", 2, port)));
      assert(run.client.manual.heard("created", 2, port), "nothing was heard of a listener");
      await listening[Symbol.asyncDispose]();
      if (until === "created") return;
      await run.until(() => Promise.resolve(run.client.manual.heard("closed", 2, port)));
      assert(run.client.manual.heard("closed", 2, port), "nothing was heard of its end");
    },
  };
}

const SETUP = "no case of its own: every scenario begins so";

const VERBS = group("userspace_pm", {
  "Created network namespaces": { not: SETUP },
  "Established IPv4 MPTCP Connection": { not: SETUP },
  "Established IPv6 MPTCP Connection": { not: SETUP },
  "ADD_ADDR client => server, invalid token": refuses((run, token) =>
    run.client.manual.announce(2, IDS.client, { token })
  ),
  "ADD_ADDR client => server, reuse port": announces("client", 4),
  "ADD_ADDR6 client => server, reuse port": announces("client", 6),
  "ADD_ADDR client => server, new port": announces("client", 4, NEW_PORT),
  "ADD_ADDR server => client, reuse port": announces("server", 4),
  "ADD_ADDR6 server => client, reuse port": announces("server", 6),
  "ADD_ADDR server => client, new port": announces("server", 4, NEW_PORT),
  "RM_ADDR client => server, invalid token": refuses((run, token) =>
    run.client.manual.remove(IDS.client, { token })
  ),
  "RM_ADDR client => server, invalid id": refuses((run) => run.client.manual.remove(77)),
  "RM_ADDR client => server": takesBack("client", 4),
  "RM_ADDR client-1 => server": takesBack("client", 4, IDS.client - 1),
  "RM_ADDR6 client => server": takesBack("client", 6),
  "RM_ADDR server => client": takesBack("server", 4),
  "RM_ADDR server-1 => client": takesBack("server", 4, IDS.server - 1),
  "RM_ADDR6 server => client": takesBack("server", 6),
  ...Object.fromEntries((["server", "client"] as const).flatMap((by) =>
    ([
      [4, "", {}],
      [6, "6", {}],
      [4, ", new port", { port: NEW_PORT }],
    ] as const).flatMap(([family, what, to]) =>
      (["CREATE", "DESTROY"] as const).map((verb) => {
        const digit = what === "6" ? what : "";
        return [
          `${verb}_SUBFLOW${digit} ${by} => ${OTHER[by]}${digit === "" ? what : ""}`,
          creates(by, family, { ...to, destroy: verb === "DESTROY" }),
        ];
      })
    )
  )),
  "ADD_ADDR4 server => client on IPv6": mixes("announced"),
  "CREATE_SUBFLOW4 client => server on IPv6": mixes("created"),
  "DESTROY_SUBFLOW4 client => server on IPv6": mixes("destroyed"),
  "MP_PRIO TX": prefers("client"),
  "MP_PRIO RX": prefers("server"),
  "CREATE_LISTENER": listens("created"),
  "CLOSE_LISTENER": listens("closed"),
});

/** What the kernel does without a manager of its own, and what the verbs do. */
export const USERSPACE: readonly Scenario[] = [...USERSPACE_TYPE, ...VERBS];
