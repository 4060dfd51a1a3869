import { assert, assertEquals } from "@std/assert";
import { needs } from "../support/tools.ts";
import { it } from "@std/testing/bdd";
import { passive } from "../../pm/mod.ts";
import { assertNoTrouble, LATE_JOINS } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";
import { sleep } from "./support/wait.ts";

/** Bytes each way: many windows; and where nothing is new but the role, so many that what the kernel adapts has long been adapted. */
const sizeOf = (family: 4 | 6, checksum: boolean): number =>
  (family === 4 && !checksum ? 256 : 64) << 20;

/** Lines of subflows of one connection that `ss -t` names, and the count of further ones that `ss -M` does. */
async function seenBySs(stand: Stand): Promise<{ subflows: number; further: number }> {
  const [tcp, mptcp] = await Promise.all([stand.lab.ss(["-tniH"]), stand.lab.ss()]);
  return {
    subflows: tcp.split("\n").filter((line) => /tcp-ulp-mptcp flags:[MJ]/.test(line)).length,
    further: Number(/subflows:(\d+)/.exec(mptcp)?.[1] ?? 0),
  };
}

needs("kernel", "python3").describe("64 and 256 MB each way over two paths", () => {
  for (const role of ["client", "server"] as const) {
    for (const family of [4, 6] as const) {
      for (const checksum of [false, true]) {
        it(`as ${role} over IPv${family}${checksum ? " with DSS checksums" : ""}`, async () => {
          const size = sizeOf(family, checksum);
          await using stand = await Stand.open({
            lab: { checksum, endpoints: family },
            interfaces: { family },
          });
          await using meeting = await stand.meet(role, "both", { family, size });
          let seen: Promise<{ subflows: number; further: number }> | null = null;
          const end = await meeting.exchange(size, {
            received: (bytes) => {
              // On a busy machine the join may still be under way.
              if (seen !== null || bytes <= size / 16) return;
              if (meeting.conn.info().subflows.length >= 2) seen = seenBySs(stand);
            },
          });
          const { subflows, further } = await seen!;
          assert(subflows >= 2 && further >= 1, `ss saw ${subflows} subflows, ${further} further`);
          assertEquals(end.mptcp!.fallback, false);
          assertEquals(end.mptcp!.csum_enabled, Number(checksum));
          assertEquals(meeting.conn.info().mptcp.csum_enabled, Number(checksum));
          assertEquals(meeting.conn.info().mptcp.flags, 2);
          for (const way of ["bytesAcked", "bytesReceived"] as const) {
            const used = end.subflows.filter((subflow) => subflow[way] > 1e5);
            assert(used.length >= 2, `${way} ${end.subflows.map((subflow) => subflow[way])}`);
          }
          const counters = await stand.lab.nstat();
          assertNoTrouble(counters);
          assertNoTrouble(stand.host.counters);
          if (role === "client") {
            assertEquals([counters.MPCapableSYNRX, counters.MPCapableACKRX], [1, 1]);
            assert(counters.MPJoinSynRx! >= 1 && counters.MPJoinAckRx! >= 1);
          } else {
            assertEquals([counters.MPCapableSYNTX, counters.MPCapableSYNACKRX], [1, 1]);
            assert(counters.MPJoinSynTx! >= 1 && counters.MPJoinSynAckRx! >= 1);
          }
        });
      }
    }
  }
});

needs("kernel", "python3").describe("a reader of ours that pauses", () => {
  for (const role of ["client", "server"] as const) {
    // Linux may exceed the shared window a little when it closes; what is not kept then comes again very slowly.
    it(`closes the window and opens it again, as ${role}, and nothing has to come twice`, async () => {
      await using stand = await Stand.open();
      await using meeting = await stand.meet(role, "both", { size: 48 << 20 });
      let next = 1;
      await meeting.exchange(1 << 20, {
        async received(bytes) {
          if (bytes < next) return;
          next = bytes + (6 << 20);
          await sleep(60);
        },
      });
      const counters = await stand.lab.nstat();
      // On a busy machine the kernel may have sent all before the last path has joined.
      assertNoTrouble(counters, LATE_JOINS);
      assert((counters.MPTCPRetrans ?? 0) < 10, `${counters.MPTCPRetrans} mappings came again`);
    });
  }
});

needs("kernel", "python3").describe("a reader of the kernel's that pauses", () => {
  for (const role of ["client", "server"] as const) {
    // What its buffer has no room for is acknowledged on the subflow and not by a DATA_ACK. Over one: what comes out of order over another may fill the rest
    // of so small a buffer, and Linux does not give that up for what is missing.
    it(`leaves MPTCP as it is, as ${role}`, async () => {
      await using stand = await Stand.open({
        lab: { endpoints: "none" },
        host: { pathManager: passive() },
      });
      const peer = { pause: 2, buffer: 16384 };
      await using meeting = await stand.meet(role, "sink", peer);
      meeting.conn.setNoDelay();
      for (let i = 0; i < 500; i++) {
        await meeting.send(100);
        await sleep(1);
      }
      const end = await meeting.exchange(200e3);
      assertEquals(end.mptcp?.fallback, false);
      assertEquals(meeting.conn.info().mptcp.flags, 2);
      assertNoTrouble(stand.host.counters);
    });
  }
});
