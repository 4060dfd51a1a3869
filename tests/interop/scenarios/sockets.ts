/** Scenarios about what a socket tells of a connection with a join, and what the other end says of the same. */

import { assert, assertEquals } from "@std/assert";
import type { PeerAddress, PeerTcp } from "../support/peer.ts";
import { joins, OPENED } from "./counts.ts";
import { type Entry, group } from "./group.ts";
import type { Run, Scenario } from "./scenario.ts";

/** A connection with a join; `compare` sees what both ends say of it. */
function told(compare: (run: Run) => void): Entry {
  return {
    client: { limits: [1, 0], endpoints: ["3 subflow"] },
    server: { limits: [1, 0] },
    during: async (run) => {
      await run.joined(1);
      await run.look();
    },
    expect: joins(1),
    after: compare,
  };
}

/** The paths as the kernel's end has them, as ours would. */
function seenFromHere(ends: readonly (readonly [PeerAddress, PeerAddress])[]): string[] {
  return ends.map(([local, remote]) => `${remote.join(" ")} ${local.join(" ")}`).sort();
}

function ours({ info }: Run): string[] {
  return info!.subflows.map(({ local, remote }) =>
    `${local.address} ${local.port} ${remote.address} ${remote.port}`
  ).sort();
}

/** Timestamps, SACK, window scale. */
const AGREED = 7;

/** What both ends of a subflow have agreed on. */
function agrees(kernel: PeerTcp, { info }: Run, [address, port]: PeerAddress): void {
  if (info === null) return;
  const { tcp } = info.subflows.find(({ local }) =>
    local.address === address && local.port === port
  )!;
  assertEquals([kernel.state, kernel.options & AGREED], [1, AGREED]);
  assertEquals([tcp.state, tcp.options & AGREED], [1, AGREED]);
  assertEquals([kernel.snd_wscale, kernel.rcv_wscale], [tcp.rcv_wscale, tcp.snd_wscale]);
  // Linux takes the octets of timestamps off.
  assertEquals(kernel.advmss + 12, tcp.advmss);
}

const SOCKOPT = group("sockopt", {
  "MPTCP_INFO": told(({ talk }) => {
    const kernel = talk.end!.mptcp!;
    assertEquals([kernel.fallback, kernel.csum_enabled], [false, 0]);
    if (talk.conn === null) return;
    const { mptcp } = talk.conn.info();
    assertEquals(kernel.bytes_received, mptcp.bytes_sent);
    assertEquals(kernel.bytes_sent, mptcp.bytes_received);
    assertEquals(kernel.subflows_total, 2);
  }),
  "MPTCP_TCPINFO": told((run) => {
    const { subflows, full, sent, received } = run.talk.end!;
    assertEquals(subflows.length, 2);
    const sum = (pick: (tcp: PeerTcp) => number) =>
      subflows.reduce((all, each) => all + pick(each), 0);
    // What went twice came twice.
    assert(sum((tcp) => tcp.bytesAcked) >= sent);
    assert(sum((tcp) => tcp.bytesReceived) >= received);
    for (const { remote, tcp } of full!.subflows) agrees(tcp, run, remote);
  }),
  "MPTCP_SUBFLOW_ADDRS": told((run) => {
    const { addresses } = run.talk.end!;
    assertEquals(addresses.length, 2);
    if (run.info !== null) assertEquals(seenFromHere(addresses), ours(run));
  }),
  "MPTCP_FULL_INFO": told((run) => {
    const { full } = run.talk.end!;
    assertEquals([full!.count, full!.subflows.length], [2, 2]);
    assertEquals([full!.mptcp.subflows, full!.mptcp.flags], [1, 2]);
    assertEquals(new Set(full!.subflows.map(({ id }) => id)).size, 2);
    if (run.info === null) return;
    const { mptcp, subflows } = run.info;
    assertEquals([mptcp.subflows, mptcp.flags], [1, 2]);
    assertEquals(new Set(subflows.map(({ id }) => id)).size, 2);
    assertEquals(
      seenFromHere(full!.subflows.map(({ local, remote }) => [local, remote])),
      ours(run),
    );
  }),
});

/** Data go with the SYN where the client has a cookie, which one connection gets it for the next (RFC 7413). */
function early(cookie: boolean, family: 4 | 6): Entry {
  return {
    family,
    client: { fastOpen: true },
    server: { fastOpen: true },
    early: { bytes: 500, cookie },
    ...(cookie ? { expect: OPENED } : {}),
    after: async (run) => {
      assertEquals([await run.client.fastOpens(), await run.server.fastOpens()], [
        cookie ? { Active: 1 } : {},
        { CookieReqd: 1, ...(cookie ? { Passive: 1 } : {}) },
      ]);
    },
  };
}

const FAST_OPEN = group("fast_open", {
  "asks for a cookie": early(false, 4),
  "data with the SYN": early(true, 4),
  "asks for a cookie, IPv6": early(false, 6),
  "data with the SYN, IPv6": early(true, 6),
});

/** All of them. */
export const SOCKETS: readonly Scenario[] = [...SOCKOPT, ...FAST_OPEN];
