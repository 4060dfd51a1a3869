import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

const SIZE = 8 << 20;

needs("kernel", "python3").describe("SYN cookies of ours (RFC 4987 §3.6)", () => {
  for (const timestamps of [true, false]) {
    const how = timestamps ? "with timestamps" : "without timestamps";

    it(`keep the MPTCP of the kernel, and its joins, ${how}`, async () => {
      await using stand = await Stand.open({ host: { tcp: { synCookies: "always" } } });
      await stand.lab.sysctl({ "net/ipv4/tcp_timestamps": Number(timestamps) });
      await using meeting = await stand.meet("server", "echo");
      await meeting.greet();
      await until("a second subflow is there", () => meeting.conn.info().subflows.length >= 2);
      const end = await meeting.exchange(SIZE);
      assertEquals(end.mptcp!.fallback, false);
      assertEquals(meeting.conn.info().mptcp.flags, 2);
      const { counters } = stand.host;
      assertNoTrouble(counters);
      assertNoTrouble(await stand.lab.nstat());
      const { SyncookiesSent, SyncookiesRecv, SyncookiesFailed = 0, MPJoinAckRx } = counters;
      assertEquals([SyncookiesRecv, SyncookiesFailed], [1 + MPJoinAckRx!, 0]);
      assert(SyncookiesSent! >= SyncookiesRecv!);
    });

    it(`serve plain TCP of the kernel, ${how}`, async () => {
      await using stand = await Stand.open({ host: { tcp: { synCookies: "always" } } });
      await stand.lab.sysctl({ "net/ipv4/tcp_timestamps": Number(timestamps) });
      await using meeting = await stand.meet("server", "both", { size: SIZE, tcp: true });
      const { tcp } = meeting.conn.info().subflows[0]!;
      await meeting.exchange(SIZE);
      // TCPI_OPT_TIMESTAMPS, _SACK, _WSCALE.
      assertEquals(tcp.options & 7, timestamps ? 7 : 0);
      const { SyncookiesSent, SyncookiesRecv } = stand.host.counters;
      assertEquals([SyncookiesSent, SyncookiesRecv], [1, 1]);
    });
  }
});

needs("kernel", "python3").describe("SYN cookies of the kernel", () => {
  it("serve plain TCP of ours", async () => {
    await using stand = await Stand.open();
    await stand.lab.sysctl({ "net/ipv4/tcp_syncookies": 2 });
    await using meeting = await stand.meet("client", "both", { size: SIZE, tcp: true });
    await meeting.exchange(SIZE);
    const counters = await stand.lab.nstat("TcpExt");
    assertEquals([counters.SyncookiesSent, counters.SyncookiesRecv], [1, 1]);
  });
});
