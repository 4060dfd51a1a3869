/** Scenarios in which an application manages the paths of an end. */

import { assertEquals, assertRejects } from "@std/assert";
import { all, joins, removals, signals } from "./counts.ts";
import { type Entry, group } from "./group.ts";
import { refused } from "./joins.ts";
import type { Scenario } from "./scenario.ts";

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

const VERBS = group("userspace_pm", {
  "ADD_ADDR6 own port, RM_ADDR6 valid id": {
    family: 6,
    client: { limits: [1, 1] },
    server: { ...DAEMON },
    during: async (run) => {
      await run.server.manual.announce(2, 23);
      await run.joined(1);
      await run.server.manual.remove(23);
    },
    expect: all(signals(1), joins(1), removals(1, "server"), { server: { RmSubflow: [0, 1] } }),
  },
  "RM_ADDR invalid id": {
    client: { limits: [1, 1] },
    server: { ...DAEMON },
    during: async (run) => {
      await run.server.manual.announce(2, 23);
      await run.joined(1);
      await assertRejects(async () => await run.server.manual.remove(77));
    },
    expect: all(signals(1), joins(1)),
  },
  "CREATE_SUBFLOW6, DESTROY_SUBFLOW6": { family: 6, ...createAndDestroy(23) },
});

/** What both say of one connection under the same names. */
const DIAG = group("diag", {
  "INFO of a connection with a join": {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0] },
    expect: joins(1),
    after: ({ talk }) => {
      const kernel = talk.end!.mptcp!;
      assertEquals([kernel.fallback, kernel.csum_enabled], [false, 0]);
      if (talk.conn === null) return;
      const { mptcp } = talk.conn.info();
      assertEquals(kernel.bytes_received, mptcp.bytes_sent);
      assertEquals(kernel.bytes_sent, mptcp.bytes_received);
      assertEquals(kernel.subflows_total, 2);
    },
  },
});

/** What the kernel does without a manager of its own, and what the verbs do. */
export const USERSPACE: readonly Scenario[] = [...USERSPACE_TYPE, ...VERBS, ...DIAG];
