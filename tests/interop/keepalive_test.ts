import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { needs } from "../support/tools.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

needs("kernel", "python3").describe("keepalive (RFC 9293 §3.8.4)", () => {
  it("asks the kernel on both idle paths, which answers each, and the connection goes on", async () => {
    await using it = await Stand.open({
      lab: { endpoints: "none" },
      interfaces: { family: 4 },
    });
    await using meeting = await it.meet("client", "echo");
    const { conn } = meeting;
    await meeting.greet();
    await until("there are two paths", () => conn.info().subflows.length === 2);
    const heard = () => conn.info().subflows.map(({ tcp }) => tcp.segs_in);
    const asked = () => it.host.counters.TCPKeepAlive ?? 0;
    conn.setKeepAlive(true, { idle: "1 s", interval: "1 s", count: 1 });
    assertEquals(asked(), 0);
    const before = heard();
    await until("each path was asked", () => asked() >= 2);
    await until("each path has answered", () => heard().every((now, i) => now > before[i]!));
    assertEquals(conn.info().subflows.length, 2);
    await meeting.exchange(100_000);
    const kernel = await it.lab.nstat();
    assertNoTrouble(kernel);
    assert((kernel.TcpOutRsts ?? 0) === 0);
  });
});
