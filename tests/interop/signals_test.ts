/** Commands that are told to end before they have begun: they end in order, and the kernel is as it was. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { writeKeyFile } from "../../cli/gateway/key.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { mptcp, QUIET } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";
import { until } from "./support/wait.ts";

/** Whether somebody is connected to the Unix socket at a path, beside who listens there. */
async function isAsked(namespace: Namespace, path: string): Promise<boolean> {
  const { stdout } = await namespace.exec(["cat", "/proc/net/unix"]);
  return stdout.split("\n").filter((line) => line.endsWith(` ${path}`)).length > 1;
}

/** What a gateway sets in the kernel, of a namespace. */
async function settings(namespace: Namespace): Promise<string> {
  const look = "nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -br link";
  return (await namespace.exec(["sh", "-c", look])).stdout;
}

const kernel = needs("kernel", "nft");

kernel.describe("a command that is told to end", () => {
  for (const signal of ["INT", "TERM", "HUP"] as const) {
    kernel.it(`takes back what it has told the kernel, while it begins: SIG${signal}`, async () => {
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

  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    kernel.it(`says so by its code where it is not done: ${signal}`, async () => {
      await using namespace = await makeNamespace();
      const env = { MPTCP_RUN_DIR: await Deno.makeTempDir({ prefix: "mptcp-signals-" }) };
      try {
        for (const command of ["get", "put"]) {
          const words = [
            command,
            "http://10.77.1.9/",
            ...(command === "get" ? ["-o", "/dev/null"] : []),
          ];
          const it = new Running(namespace.spawn(mptcp(...words), { ...QUIET, env }));
          await it.until("Waiting for");
          assertEquals(await it.end(signal), code, it.said);
          assertStringIncludes(it.said, "Interrupted");
        }
        // Nobody waits for the end of a command that is ended so and no other way: it is done.
        const host = new Running(
          namespace.spawn(mptcp("serve", env.MPTCP_RUN_DIR), { ...QUIET, env }),
        );
        await host.until("Ctrl-C ends");
        const [{ name = "" } = {}] = [...Deno.readDirSync(env.MPTCP_RUN_DIR)];
        const begun = {
          top: (it: Running) => it.said.includes("1 host"),
          // It says nothing by itself.
          monitor: () => isAsked(namespace, `${env.MPTCP_RUN_DIR}/${name}`),
        };
        for (const [command, hasBegun] of Object.entries(begun)) {
          const it = new Running(namespace.spawn(mptcp(command), { ...QUIET, env }));
          await until(`${command} has begun`, () => hasBegun(it));
          assertEquals(await it.end(signal), 0, `${command}: ${it.said}`);
        }
        assertEquals(await host.end(signal), 0);
      } finally {
        await Deno.remove(env.MPTCP_RUN_DIR, { recursive: true });
      }
    });
  }

  kernel.it("ends while it begins as it does later", async () => {
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
