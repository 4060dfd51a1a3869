import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { impair, queue, rate } from "../../mod.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";

const SIZE = 6 << 20;

needs("kernel", "python3").describe("ECN (RFC 3168)", () => {
  for (const role of ["client", "server"] as const) {
    for (const plain of [false, true]) {
      it(`is agreed on with the kernel, and marks are heeded in both directions, as ${role}, ${plain ? "plain TCP" : "MPTCP"}`, async () => {
        await using stand = await Stand.open({
          host: { tcp: { ecn: "request" } },
          interfaces: {
            family: 4,
            wrap: (link) => {
              const elements = [queue({ packets: 400, mark: 20 }), rate("60 Mbit/s")];
              return impair(link, { send: elements, receive: elements });
            },
          },
        });
        await stand.lab.sysctl({ "net/ipv4/tcp_ecn": 1 });
        await using meeting = await stand.meet(role, "both", { size: SIZE, tcp: plain });
        let kernel = "";
        let ours = 0;
        const look = async (bytes: number): Promise<void> => {
          if (bytes < SIZE / 2 || kernel !== "") return;
          kernel = await stand.lab.ss(["-t", "-n", "-i", "-o", "-H"]);
          ours = meeting.conn.info().subflows[0]!.tcp.options;
        };
        await meeting.exchange(SIZE, { received: look });
        assert(/\becn\b/.test(kernel) && /\becnseen\b/.test(kernel), kernel);
        // TCPI_OPT_ECN, _ECN_SEEN.
        assertEquals(ours & 24, 24);
        const { counters } = stand.host;
        const theirs = await stand.lab.nstat("TcpExt");
        const ip = await stand.lab.nstat("IpExt");
        assert(counters.TCPDeliveredCE! > 0 && counters.InCEPkts! > 0, JSON.stringify(counters));
        assert(theirs.TCPDeliveredCE! > 0 && ip.InCEPkts! > 0, JSON.stringify({ theirs, ip }));
        assertNoTrouble(await stand.lab.nstat());
      });
    }
  }

  it("is not agreed on where the kernel asks and we are 'off', or the kernel is and we ask", async () => {
    for (const [ours, theirs] of [["off", 1], ["request", 0]] as const) {
      for (const role of ["client", "server"] as const) {
        await using stand = await Stand.open({
          host: { tcp: { ecn: ours } },
          interfaces: { family: 4 },
        });
        await stand.lab.sysctl({ "net/ipv4/tcp_ecn": theirs });
        await using meeting = await stand.meet(role, "both", { size: 100_000 });
        await meeting.exchange(100_000);
        assertEquals(stand.host.counters.InECT0Pkts ?? 0, 0);
        assertEquals((await stand.lab.nstat("IpExt")).InECT0Pkts ?? 0, 0);
      }
    }
  });

  it("is agreed on by default where the kernel asks, and its SYN cookies and ours keep it", async () => {
    await using stand = await Stand.open({
      host: { tcp: { synCookies: "always" } },
      interfaces: { family: 4 },
    });
    await stand.lab.sysctl({ "net/ipv4/tcp_ecn": 1, "net/ipv4/tcp_syncookies": 2 });
    for (const role of ["server", "client"] as const) {
      await using meeting = await stand.meet(role, "both", { size: 1 << 20 });
      await meeting.exchange(1 << 20);
      const { counters } = stand.host;
      if (role === "server") assert(counters.InECT0Pkts! > 0 && counters.SyncookiesRecv! > 0);
    }
  });
});
