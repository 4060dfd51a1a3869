/** Middleboxes of core/link/sim/middlebox around a real link, with a kernel at the other end: what both make of them is the same. */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import {
  type ElementFactory,
  impair,
  type Middlebox,
  nat,
  renumber,
  reorderOptions,
  repeatSegments,
  rewriteMss,
  splitSegments,
  stripOptions,
  synProxy,
  tcpProxy,
} from "../../mod.ts";
import { needs } from "../support/tools.ts";
import { type Role, Stand } from "./support/stand.ts";

type Both = readonly (() => ElementFactory)[];

const MPTCP: Readonly<Record<string, Both | (() => Middlebox)>> = {
  "renumbers": () => renumber({ up: 12345, down: 67890 }),
  "translates ports": () => nat(),
  "lowers the MSS, splits, repeats and reorders": [
    () => rewriteMss(1000),
    () => reorderOptions(),
    () => splitSegments(),
    () => repeatSegments({ every: 9 }),
  ],
};
const TCP: Readonly<Record<string, Both | (() => Middlebox)>> = {
  "removes the options of SYNs": [() => stripOptions({ on: "syn", by: "removal" })],
  "proxies TCP": () => tcpProxy(),
  "proxies SYNs": () => synProxy(),
};

const SIZE = 300_000;

async function through(
  role: Role,
  box: Both | (() => Middlebox),
  fallback: boolean,
): Promise<void> {
  const one = typeof box === "function" ? box() : null;
  const each = (): ElementFactory[] => typeof box === "function" ? [] : box.map((make) => make());
  const up = one === null ? each() : [one.up];
  const down = one === null ? each() : [one.down];
  const [send, receive] = role === "client" ? [up, down] : [down, up];
  await using stand = await Stand.open({
    lab: { endpoints: "none" },
    interfaces: { family: 4, paths: 1, wrap: (link) => impair(link, { send, receive }) },
  });
  await using meeting = await stand.meet(role, "both", { size: SIZE });
  const end = await meeting.exchange(SIZE);
  assertEquals([end.sent, end.received], [SIZE, SIZE]);
  assertEquals((meeting.conn.info().mptcp.flags & 1) === 1, fallback, "ours");
  const plain = end.mptcp === null || end.mptcp.fallback;
  assert(plain === fallback, `the kernel's is ${plain ? "plain TCP" : "MPTCP"}`);
}

needs("kernel", "python3").describe("between us and a kernel, a middlebox", () => {
  let role: Role = "client";
  for (const [boxes, fallback] of [[MPTCP, false], [TCP, true]] as const) {
    for (const [what, box] of Object.entries(boxes)) {
      const ours = role = role === "client" ? "server" : "client";
      it(
        `that ${what} ${fallback ? "leads to plain TCP" : "leaves MPTCP"}, as ${ours}`,
        () => through(ours, box, fallback),
      );
    }
  }
});
