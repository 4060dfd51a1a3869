/** What both ends tell of one connection: events as `ip mptcp monitor` prints them, and the figures of MPTCP_INFO. */

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { ask } from "../../cli/control.ts";
import { formatEvent } from "../../cli/watch.ts";
import { type ControlEvent, serveControl } from "../../mod.ts";
import { endpoints } from "../../pm/mod.ts";
import { MIB } from "../support/mib.ts";
import { needs } from "../support/tools.ts";
import { type Role, Stand } from "./support/stand.ts";
import { until } from "./support/wait.ts";

/** A line with its values masked, but for those that say what has happened. */
function shape(line: string): string {
  return line.replaceAll(/\b(token|saddr4|daddr4|sport|dport|locid|remid)=\S+/g, "$1");
}

/** The events of a connection whose server announces a second address, makes it a backup and takes it back: by the kernel, and by us. */
async function events(role: Role): Promise<{ kernel: string[]; ours: string[] }> {
  const eps = endpoints({ subflows: 4, addAddrAccepted: 4 });
  await using it = await Stand.open({
    lab: { endpoints: "none" },
    interfaces: { family: 4 },
    host: { pathManager: eps },
  });
  const path = await Deno.makeTempFile({ suffix: ".sock" });
  await Deno.remove(path);
  using _control = await serveControl(it.host, path);
  const ended = new AbortController();
  const ours: string[] = [];
  const monitor = it.lab.spawn(["stdbuf", "-oL", "ip", "mptcp", "monitor"], { stdout: "piped" });
  let said = "";
  const reading = [
    (async () => {
      for await (const each of ask(path, "monitor", ended.signal)) {
        if (!("ok" in (each as object))) ours.push(formatEvent(each as ControlEvent));
      }
    })(),
    (async () => {
      for await (const piece of monitor.stdout.pipeThrough(new TextDecoderStream())) said += piece;
    })(),
  ];
  const [, second] = it.lab.paths;
  if (role === "client") await it.lab.addEndpoint(1, ["signal"]);
  else eps.add({ address: second!.host[0]!.replace(/\/.*/, ""), signal: true });
  {
    await using meeting = await it.meet(role, "echo");
    const { conn } = meeting;
    await meeting.greet();
    await until("there are two paths", () => conn.info().subflows.length === 2);
    if (role === "client") await it.lab.ip("mptcp endpoint change id 1 backup");
    else eps.change(1, { backup: true });
    const client = (): string => role === "client" ? ours.join("\n") : said;
    await until("the client has heard of it", () => client().includes("SF_PRIO"));
    if (role === "client") await it.lab.ip("mptcp endpoint delete id 1");
    else eps.remove(1);
    await until("the client has lost it", () => client().includes("SF_CLOSED"));
    await meeting.exchange(100_000);
  }
  await until(
    "both have closed",
    () =>
      said.includes("[        CLOSED]") && ours.some((line) => line.includes("[        CLOSED]")),
  );
  ended.abort();
  monitor.kill();
  await Promise.all([...reading, monitor.status]);
  // Before its version 6.5 iproute2 knows no names of the events of listeners.
  const known = (line: string): boolean => line !== "" && !/UNKNOWN|LISTENER/.test(line);
  return { kernel: said.split("\n").filter(known).map(shape), ours: ours.filter(known).map(shape) };
}

needs("kernel", "python3").describe("what both ends tell", () => {
  it("mptcp monitor prints of a client, and of a server, what ip mptcp monitor does", async () => {
    const dialled = await events("client");
    const accepted = await events("server");
    assertEquals(dialled.ours.map((line) => line.slice(1, line.indexOf("]")).trim()), [
      "CREATED",
      "ESTABLISHED",
      "ANNOUNCED",
      "SF_ESTABLISHED",
      "SF_PRIO",
      "REMOVED",
      "SF_CLOSED",
      "CLOSED",
    ]);
    assertEquals(dialled.ours, accepted.kernel);
    assertEquals(accepted.ours, dialled.kernel);
  });

  for (const role of ["client", "server"] as const) {
    it(`info() and MPTCP_INFO agree on one connection (${role}); the MIB has the kernel's names`, async () => {
      const eps = endpoints({ subflows: 8, addAddrAccepted: 8 });
      await using it = await Stand.open({
        lab: { endpoints: "none", checksum: true },
        interfaces: { family: 4 },
        host: { pathManager: eps },
      });
      const [, second] = it.lab.paths;
      if (role === "server") await it.lab.addEndpoint(1, ["subflow"]);
      else eps.add({ address: second!.host[0]!.replace(/\/.*/, ""), subflow: true });
      await using meeting = await it.meet(role, "echo");
      await meeting.greet();
      await until("there are two paths", () => meeting.conn.info().subflows.length === 2);
      // No more than the echo finds room for while nobody reads.
      await meeting.send(64 << 10);
      const { mptcp } = meeting.conn.info();
      const { mptcp: kernel } = await meeting.exchange(4 << 20);
      assert(kernel !== null);
      for (const name of ["subflows", "subflows_total", "csum_enabled", "flags"] as const) {
        assertEquals([name, mptcp[name]], [name, kernel[name]]);
      }
      assertEquals([mptcp.subflows_max, mptcp.add_addr_accepted_max], [
        kernel.subflows_max,
        kernel.add_addr_accepted_max,
      ]);
      const used = role === "client" ? mptcp.local_addr_used : kernel.local_addr_used;
      assertEquals(used, 1);
      const names = await new Deno.Command("ip", {
        args: ["netns", "exec", it.lab.name, "nstat", "-asz", "MPTcpExt*"],
      }).output();
      const found = [...new TextDecoder().decode(names.stdout).matchAll(/^MPTcpExt(\w+)/gm)];
      assertEquals(found.map(([, name]) => name!).sort(), [...MIB].sort());
    });
  }
});
