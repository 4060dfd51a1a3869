/** What `--metrics` does with requests of anybody who reaches its port. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { serveMetrics } from "../../cli/metrics.ts";
import { emulate } from "../../mod.ts";
import { needs } from "../support/tools.ts";

describe("the server of figures", () => {
  it("answers whatever is asked, and goes on", async () => {
    await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "10 ms" } }, seed: 1 });
    using server = await serveMetrics(net.server, () => "wifi", { host: "127.0.0.1", port: 0 });
    const port = Number(new URL(server.url).port);
    const ask = async (line: string): Promise<string> => {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      const request = `${line} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n`;
      await conn.write(new TextEncoder().encode(request));
      return (await new Response(conn.readable).text().catch(() => "")).split("\r\n")[0]!;
    };
    const statuses: Record<string, number> = {
      "GET //": 404,
      "GET http://[/metrics": 404,
      "GET /": 404,
      "POST /metrics": 405,
      "GET /metrics?a=b": 200,
      "GET /metrics": 200,
    };
    for (const [line, status] of Object.entries(statuses)) {
      assertMatch(await ask(line), new RegExp(`^HTTP/1\\.1 ${status} `), line);
    }
    const { status, headers } = await fetch(server.url, { method: "HEAD" });
    assertEquals(status, 200);
    assert(headers.get("content-type")?.startsWith("text/plain"));
  });

  needs("promtool").it("answers what promtool finds nothing wrong with", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms", loss: 0.01 },
        lte: { rate: "10 Mbit/s", delay: "20 ms" },
      },
      seed: 1,
    });
    using server = await serveMetrics(net.server, () => "wifi", { host: "127.0.0.1", port: 0 });
    const listener = net.server.listen({ port: 80 });
    using conn = await net.client.connect({ hostname: "server", port: 80 });
    using peer = await listener.accept();
    await Promise.all([peer.write(new Uint8Array(1e6)), conn.readable.getReader().read()]);
    const text = await (await fetch(server.url)).text();
    assertMatch(text, /^mptcp_path_sent_bytes_total\{path="wifi"\} [1-9]/m);
    const child = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals([code, said], [0, ""]);
    listener.close();
  });
});
