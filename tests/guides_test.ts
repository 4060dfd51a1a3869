/** Programs of the guides that need more than a reader's machine gives by itself. */

import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertStringIncludes } from "@std/assert";
import http from "node:http";
import { text } from "node:stream/consumers";
import { httpsAgent, serveHttps } from "../docs/examples/https.ts";
import { emulate } from "../mod.ts";
import { selfSigned } from "./support/certificate.ts";

describe("the guide to HTTP", () => {
  it("shows its example of HTTPS as it is, with the names that a reader imports by", async () => {
    const read = (name: string) => Deno.readTextFile(new URL(`../docs/${name}`, import.meta.url));
    const program = (await read("examples/https.ts"))
      .replace('"../../mod.ts"', '"@mptcp/mptcp"')
      .replace('"../../core/net/node.ts"', '"@mptcp/mptcp/node"');
    assertStringIncludes(await read("http.md"), `\`\`\`ts\n${program}\`\`\``);
  });

  it("serves and fetches by HTTPS over two paths, with kept connections", async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "15 ms" },
        lte: { rate: "12 Mbit/s", delay: "40 ms" },
      },
    });
    const { key, cert } = await selfSigned("server");
    const listener = net.server.listen({ port: 443 });
    const server = http.createServer((request, response) => {
      response.end(`${request.url} `.repeat(100_000));
    });
    const serving = serveHttps(server, listener, { key, cert });
    const agent = httpsAgent(net.client, cert);
    for (const path of ["/one", "/two"]) {
      const options = { host: "server", port: 443, path, agent };
      const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
        http.get(options, resolve).on("error", reject)
      );
      assertEquals(await text(response), `${path} `.repeat(100_000));
    }
    const used = net.client.info().map(({ subflows }) => subflows.length);
    assertEquals(used, [2]);
    agent.destroy();
    listener.close();
    await serving;
  });
});
