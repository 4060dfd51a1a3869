/** Commands that are told to end before they have begun: they end in order, and the kernel is as it was. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { writeKeyFile } from "../../cli/gateway/key.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { mptcp, QUIET } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";

/** What a gateway sets in the kernel, of a namespace. */
async function settings(namespace: Namespace): Promise<string> {
  const look = "nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -br link";
  return (await namespace.exec(["sh", "-c", look])).stdout;
}

const kernel = needs("kernel", "nft");

kernel.describe("a command that is told to end while it begins", () => {
  for (const signal of ["INT", "TERM", "HUP"] as const) {
    kernel.it(`takes back what it has told the kernel: SIG${signal}`, async () => {
      const folder = await Deno.makeTempDir({ prefix: "mptcp-signals-" });
      try {
        await using namespace = await makeNamespace();
        const before = await settings(namespace);
        // In place of the real one: before it sets the rules it tells who has started it to end, and once more, as people do.
        const nft = (await namespace.exec(["sh", "-c", "command -v nft"])).stdout.trim();
        await Deno.writeTextFile(
          `${folder}/nft`,
          `#!/bin/sh
if [ "$1" = -f ]; then kill -${signal} $PPID; sleep 0.1; kill -${signal} $PPID; sleep 0.1; fi
exec ${nft} "$@"
`,
          { mode: 0o755 },
        );
        const gateway = new Running(
          namespace.spawn(mptcp("gateway", "--direct"), {
            ...QUIET,
            env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
          }),
        );
        await gateway.ended();
        assertEquals(await settings(namespace), before, gateway.said);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }

  kernel.it("ends as it does later", async () => {
    const folder = await Deno.makeTempDir({ prefix: "mptcp-signals-" });
    try {
      await using namespace = await makeNamespace();
      const key = `${folder}/relay.key`;
      await writeKeyFile(key);
      // Loaded before there is a device.
      const plugin = `${folder}/mine.ts`;
      await Deno.writeTextFile(
        plugin,
        `try {
          Deno.mkdirSync("${folder}/" + Deno.pid);
          Deno.kill(Deno.pid, "SIGINT");
        } catch {}
        export default () => ({ kind: "scheduler", name: "mine", create: () => ({ pick: (ready) => ready[0] }) });\n`,
      );
      for (
        const words of [
          ["serve", folder],
          ["proxy", "--relay", "10.77.1.1", "--key", key],
          ["relay", "--key", key],
          ["gateway", "--direct"],
        ]
      ) {
        const command = new Running(
          namespace.spawn(mptcp(...words, "--scheduler", plugin), QUIET),
        );
        assertEquals(await command.ended(), 0, `${words[0]}: ${command.said}`);
        assertStringIncludes(command.said, "Ctrl-C ends");
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
