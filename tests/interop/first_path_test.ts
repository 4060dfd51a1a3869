import { assertEquals, assertRejects } from "@std/assert";
import { it } from "@std/testing/bdd";
import { delay, impair } from "../../mod.ts";
import { needs } from "../support/tools.ts";
import { startPeer } from "./support/peer.ts";
import { Meeting, Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** Has a path of the kernel's swallow all that comes, or answer it by an ICMP error. */
async function spoil({ lab }: Stand, path: number, target: "DROP" | "REJECT"): Promise<void> {
  const { device } = lab.path(path);
  const places = [
    ["INPUT", "-i", device],
    ...(target === "DROP" ? [["OUTPUT", "-o", device]] : []),
  ];
  for (const place of places) {
    await lab.exec(["iptables", "-A", ...place, "-p", "tcp", "-j", target]);
    await lab.exec(["ip6tables", "-A", ...place, "-p", "tcp", "-j", target]);
  }
}

/** A counter of the kernel's TCP. */
async function tcp({ lab }: Stand, name: string): Promise<number> {
  const { stdout } = await lab.exec(["cat", "/proc/net/snmp"]);
  const [names = [], values = []] = stdout.split("\n")
    .filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf(name)]);
}

needs("kernel", "python3", "iptables", "ip6tables").describe(
  "connect() to a kernel over two paths",
  () => {
    for (const [family, any] of [[4, "0.0.0.0"], [6, "::"]] as const) {
      const at = family === 4 ? 0 : 1;
      for (const mptcp of [true, false]) {
        for (const target of ["DROP", "REJECT"] as const) {
          const what = `IPv${family}, ${mptcp ? "MPTCP" : "plain TCP"}`;
          it(`begins on the second where the first ${target === "DROP" ? "swallows all" : "is rejected"} (${what})`, async () => {
            await using stand = await Stand.open({ lab: { endpoints: "none" } });
            await spoil(stand, 0, target);
            const { lab, host } = stand;
            const hostname = lab.path(0).kernel[at]!;
            const ours = lab.path(1).host[at]!.replace(/\/.*/, "");
            const peer = await startPeer(lab, "listen", "both", {
              size: 1 << 16,
              host: any,
              tcp: !mptcp,
            });
            await using meeting = new Meeting(
              peer,
              await host.connect({ hostname, port: peer.port, mptcp }),
            );
            const { conn } = meeting;
            assertEquals(conn.localAddr.hostname, ours);
            const outcome = target === "DROP" ? "late" : "refused";
            assertEquals(conn.info().tries.map(({ outcome }) => outcome), [outcome, "answered"]);
            assertEquals((conn.info().mptcp.flags & 1) === 0, mptcp);
            assertEquals(host.counters.ConnectRaceTries, 1);
            await meeting.exchange(1 << 16);
          });
        }
      }
    }

    it("is one connection for the kernel where the first path only answers late", async () => {
      const slow = [delay("600 ms")];
      await using stand = await Stand.open({
        lab: { endpoints: "none" },
        interfaces: {
          wrap: (link, i) => i === 0 ? impair(link, { send: slow, receive: slow }) : link,
        },
      });
      const { lab, host } = stand;
      const peer = await startPeer(lab, "listen", "both", { size: 1 << 16, host: "0.0.0.0" });
      await using meeting = new Meeting(
        peer,
        await host.connect({ hostname: lab.path(0).kernel[0]!, port: peer.port }),
      );
      assertEquals(meeting.conn.localAddr.hostname, "10.77.2.2");
      // The kernel's SYN/ACK over the slow path gets a RST before any of its sockets knows of it.
      await until(
        "the slow answer has been refused",
        async () => (await tcp(stand, "AttemptFails")) >= 1,
      );
      assertEquals((await lab.nstat()).MPCapableACKRX, 1);
      assertEquals(await tcp(stand, "CurrEstab"), 1);
      await meeting.exchange(1 << 16);
    });

    it("says what it has tried where both paths swallow all", async () => {
      await using stand = await Stand.open({ lab: { endpoints: "none" } });
      for (const path of [0, 1]) await spoil(stand, path, "DROP");
      await assertRejects(
        () =>
          stand.host.connect({
            hostname: stand.lab.path(0).kernel[0]!,
            port: 80,
            tcp: { synRetries: 0 },
          }),
        Deno.errors.TimedOut,
        "from 10.77.2.2: nothing answered",
      );
    });
  },
);
