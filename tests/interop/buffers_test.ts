/** Buffers that grow between the kernel and this stack, in both directions; and what the kernel says of our window. */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** What `ss` tells of the window that the kernel's sender was offered last, in bytes. */
async function offered(stand: Stand): Promise<number> {
  const text = await stand.lab.ss(["-tniH"]);
  return Math.max(...[...text.matchAll(/ snd_wnd:(\d+)/g)].map(([, bytes]) => Number(bytes)));
}

needs("kernel", "python3").describe("buffers that fit themselves to the path", () => {
  for (const tcp of [true, false]) {
    it(`the window that the kernel is offered grows with what is read, and waits when nothing is (${tcp ? "TCP" : "MPTCP"})`, async () => {
      const size = 48 << 20;
      await using stand = await Stand.open({ lab: { mptcp: !tcp } });
      await using meeting = await stand.meet("server", "source", { size, tcp });
      const { conn } = meeting;
      assertEquals(conn.info().skmem.rcvbuf, 262_144);
      assertEquals(conn.info().subflows[0]!.tcp.rcv_wscale, 10);
      // Nobody reads: no more comes than was offered.
      await until(
        "the window is nearly full",
        () => conn.info().mptcp.bytes_received > 262_144 * 3 / 4,
      );
      const before = conn.info();
      assertEquals(before.skmem.rcvbuf, 262_144);
      assert(before.mptcp.bytes_received <= 262_144 + 1024, `${before.mptcp.bytes_received}`);
      const first = await offered(stand);
      assert(first <= 263_168, `${first}`);
      let largest = 0;
      let quarter = 1;
      await meeting.receive(size, async (bytes) => {
        if (bytes < quarter * size / 4) return;
        quarter++;
        // At that moment something may be unread.
        largest = Math.max(largest, await offered(stand));
      });
      await meeting.conn.closeWrite();
      const end = await meeting.peer.until("end");
      assertEquals([end.error, end.sent], [null, meeting.received]);
      const { rcvbuf } = conn.info().skmem;
      assert(rcvbuf > 4 * 262_144 && rcvbuf <= 67_108_864, `${rcvbuf}`);
      assert(largest > 300_000, `${largest}`);
      assert(conn.info().subflows[0]?.tcp.rcv_rtt !== 0);
    });
  }

  it("the send queue grows with the window, and a mark keeps what is unsent short, at no byte's cost", async () => {
    const size = 32 << 20;
    await using stand = await Stand.open();
    await using meeting = await stand.meet("client", "both", { size });
    meeting.conn.setNotSentLowWater(131_072);
    let unsent = 0;
    await meeting.exchange(size, {
      sent: () => {
        unsent = Math.max(unsent, meeting.conn.info().subflows[0]?.tcp.notsent_bytes ?? 0);
      },
    });
    assert(unsent <= 131_072, `${unsent}`);
    const { sndbuf } = meeting.conn.info().skmem;
    assert(sndbuf >= 1_048_576 && sndbuf <= 67_108_864, `${sndbuf}`);
  });
});
