import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import type { MptcpConn } from "../../mod.ts";
import { type Needing, needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";
import { sleep, until } from "./support/wait.ts";

/** Bytes of each path by our address on it, as last seen: when a connection has ended, its subflows are gone. */
class Carried {
  readonly sent: Record<string, number> = {};
  readonly received: Record<string, number> = {};

  look(conn: MptcpConn): void {
    for (const { local, tcp } of conn.info().subflows) {
      this.sent[local.address] = tcp.bytes_acked;
      this.received[local.address] = tcp.bytes_received;
    }
  }
}

function look(conn: MptcpConn): Carried {
  const carried = new Carried();
  carried.look(conn);
  return carried;
}

/** Two shaped paths, one subflow on each. */
function shaped(): Promise<Stand> {
  return Stand.open({
    lab: { rates: ["100 Mbit/s"], endpoints: "none" },
    interfaces: { family: 4 },
  });
}

/** A way to cut the first path. */
interface Cut {
  readonly name: string;
  readonly it: Needing["it"];
  readonly cut: (stand: Stand, cut: boolean) => Promise<void>;
}

const CUTS: readonly Cut[] = [
  { name: "whose link goes down", it, cut: (stand, cut) => stand.lab.setUp(0, !cut) },
  {
    name: "that swallows all",
    it: needs("iptables").it,
    cut: async ({ lab }, cut) => {
      const { device } = lab.path(0);
      const change = cut ? "-A" : "-D";
      await lab.exec(["iptables", change, "OUTPUT", "-o", device, "-j", "DROP"]);
      await lab.exec(["iptables", change, "INPUT", "-i", device, "-j", "DROP"]);
    },
  },
];

needs("kernel", "python3").describe("two paths of 100 Mbit/s", () => {
  for (const role of ["client", "server"] as const) {
    it(`carry like parts in both directions, as ${role}`, async () => {
      await using stand = await shaped();
      const size = 24 << 20;
      await using meeting = await stand.meet(role, "both", { size });
      const carried = new Carried();
      // How far both paths were in both directions, at each quarter of what is received.
      const quarters: Carried[] = [look(meeting.conn)];
      const progress = (bytes: number): void => {
        carried.look(meeting.conn);
        if (bytes < size && bytes > size / 4 * quarters.length) quarters.push(look(meeting.conn));
      };
      const end = await meeting.exchange(size, { received: progress, sent: () => progress(0) });
      const parts = [
        ...Object.values(carried.received),
        ...end.subflows.map(({ bytesReceived }) => bytesReceived),
      ];
      assertEquals(parts.length, 4);
      assert(parts.every((bytes) => bytes > 0.2 * size), `carried ${parts}`);
      // At the same time, not one after the other.
      assertEquals(quarters.length, 4);
      for (const [i, { received }] of quarters.slice(1).entries()) {
        for (const [address, bytes] of Object.entries(received)) {
          const more = bytes - (quarters[i]!.received[address] ?? 0);
          assert(more > 0.02 * size, `${address}: ${more} bytes in quarter ${i + 1}`);
        }
      }
      assertNoTrouble(await stand.lab.nstat());
    });

    for (const { name, it, cut } of CUTS) {
      it(`lose nothing to one ${name} for a while, as ${role}`, async () => {
        await using stand = await shaped();
        const size = 24 << 20;
        await using meeting = await stand.meet(role, "both", { size });
        const { conn } = meeting;
        const address = "10.77.1.2";
        const interrupt = async (): Promise<void> => {
          await cut(stand, true);
          // Until what was on its way has arrived.
          let before = look(conn);
          await until("nothing comes on the path", async () => {
            const last = before;
            await sleep(100);
            before = look(conn);
            return before.received[address] === last.received[address] &&
              before.sent[address] === last.sent[address];
          });
          await sleep(500);
          const after = look(conn);
          assertEquals(after.sent[address], before.sent[address]);
          assertEquals(after.received[address], before.received[address]);
          assert(after.sent["10.77.2.2"]! > before.sent["10.77.2.2"]!);
          await cut(stand, false);
          await until("the path is used again in both directions", () => {
            const { sent, received } = look(conn);
            return sent[address]! > after.sent[address]! &&
              received[address]! > after.received[address]!;
          });
        };
        let interruption: Promise<void> | null = null;
        let over = false;
        // Both directions go on slowly: a path of which all arrived and nothing was acknowledged shows nothing of
        // itself while the window is full, and there has to be something left for it to carry in the end.
        const slowly = async (tens: number): Promise<void> => {
          for (let i = 0; i < tens && !over; i++) await sleep(10);
        };
        await meeting.exchange(size, {
          async received(bytes) {
            if (bytes > size / 8) {
              interruption ??= interrupt().finally(() => over = true);
              interruption.catch(() => {});
            }
            if (bytes > size / 2) await slowly(50);
          },
          async sent(bytes) {
            if (bytes > size * 3 / 4) await slowly(100);
          },
        });
        await interruption;
        const kernel = await stand.lab.nstat();
        assertNoTrouble(kernel);
        assertNoTrouble(stand.host.counters);
      });
    }
  }
});
