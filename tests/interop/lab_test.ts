import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import { Lab } from "../../cli/lab.ts";
import { makeNamespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { serveTarget } from "../../core/net/control.ts";
import { ask } from "../../cli/control.ts";
import { kernelTarget } from "../../cli/lab_control.ts";
import type { ControlEvent } from "../../mod.ts";
import { type Endpoint, passive } from "../../pm/mod.ts";
import { assertNoTrouble } from "./support/counters.ts";
import { startPeer } from "./support/peer.ts";
import { Stand } from "./support/stand.ts";
import { Running } from "./support/running.ts";
import { sleep, until } from "./support/wait.ts";
import { RUN } from "../support/command.ts";

const MAIN = fileURLToPath(new URL("../../cli/mod.ts", import.meta.url));

/** Of what a control socket answers to "ss". */
interface ControlConnection {
  readonly mptcp: { readonly flags: number; readonly subflows: number; readonly token: number };
  readonly subflows: readonly { readonly local: Endpoint; readonly remote: Endpoint }[];
}

function namespaces(): string[] {
  try {
    return [...Deno.readDirSync("/run/netns")].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Runs `mptcp lab` in a namespace name of its own. */
function mptcpLab(name: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    // Other hosts of this machine are not looked at.
    env: { MPTCP_RUN_DIR: `/tmp/${name}-control` },
    args: [...RUN, MAIN, "lab", "--name", name, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

needs("kernel").describe("the lab", () => {
  it("has devices, addresses, limits and endpoints, and leaves nothing behind", async () => {
    const steps: string[] = [];
    let name = "";
    {
      await using lab = await Lab.create({
        paths: 3,
        rates: ["50 Mbit/s", "20 Mbit/s"],
        checksum: true,
        endpoints: 6,
        mtu: 1400,
        progress: (step) => steps.push(step),
      });
      name = lab.name;
      assert(namespaces().includes(name));
      const inside = async (...command: string[]) => (await lab.exec(command)).stdout;
      assertEquals(
        lab.paths.map(({ device, kernel, host }) => [device, ...kernel, ...host]),
        [0, 1, 2].map((i) => [
          `mptcp${i}`,
          `10.77.${i + 1}.1`,
          `fd00:77:${i + 1}::1`,
          `10.77.${i + 1}.2/24`,
          `fd00:77:${i + 1}::2/64`,
        ]),
      );
      assertStringIncludes(await inside("ip", "address", "show", "mptcp2"), "mtu 1400");
      const endpoints = await inside("ip", "mptcp", "endpoint");
      assertEquals(endpoints.match(/fd00:77:[23]::1 id \d+ signal subflow/g)?.length, 2);
      const settings = await inside(
        "sh",
        "-c",
        "cat /proc/sys/net/mptcp/checksum_enabled /proc/sys/net/ipv4/tcp_congestion_control",
      );
      assertEquals(settings, "1\ncubic\n");
      const shaped = await inside("tc", "qdisc");
      assertEquals(shaped.match(/tbf \S+ dev \S+ root refcnt \d+ rate (50|20)Mbit/g)?.length, 6);
      assertEquals(await lab.nstat(), {});
    }
    assert(steps.length >= 4);
    assert(!namespaces().includes(name));
  });

  needs("python3").it("leaves nothing behind when it cannot be made", async () => {
    const serve = { folder: "/", port: 99999 };
    const name = `mptcp-lab-${Deno.pid}-broken`;
    await assertRejects(() => Lab.create({ name, serve }), Error, "HTTP server");
    assert(!namespaces().includes(name));
    await assertRejects(() => Lab.create({ paths: 9 }), RangeError, "from 1 to 8");
  });

  it("ends what runs inside, children of children too", async () => {
    const lab = await Lab.create();
    const child = lab.spawn(["sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait"], {
      stdout: "piped",
    });
    let pid = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      pid += text;
      if (pid.endsWith("\n")) break;
    }
    await lab.close();
    await assertRejects(() => Deno.stat(`/proc/${pid.trim()}/exe`));
  });

  it("removes what a killed program left behind", async () => {
    const program = `import { makeNamespace } from ${
      JSON.stringify(new URL("../../cli/namespace.ts", import.meta.url).href)
    };
      const { name } = await makeNamespace();
      console.log(name);
      Deno.kill(Deno.pid, "SIGKILL");`;
    const run = async (): Promise<string> => {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-config", "--ext=ts", program],
      }).output();
      return new TextDecoder().decode(stdout).trim();
    };
    const first = await run();
    assert(namespaces().includes(first));
    const second = await run();
    assert(!namespaces().includes(first));
    await new Deno.Command("ip", { args: ["netns", "delete", second] }).output();
  });

  needs("python3").it("has peers that move bytes and tell what came", async () => {
    await using namespace = await makeNamespace();
    await using sink = await startPeer(namespace, "listen", "sink", { host: "127.0.0.1" });
    const size = 1_000_001;
    await using source = await startPeer(namespace, "connect", "source", {
      host: "127.0.0.1",
      port: sink.port,
      size,
    });
    const [sent, received] = [await source.until("end"), await sink.until("end")];
    assertEquals([sent.sent, received.received], [size, size]);
    assertEquals(sent.sentSha256, received.receivedSha256);
    assertEquals(received.mptcp?.fallback, false);
    await using plain = await startPeer(namespace, "connect", "sink", {
      host: "127.0.0.1",
      port: sink.port,
      tcp: true,
    });
    assertEquals(await plain.next(), { event: "refused", error: "ECONNREFUSED" });
  });
});

needs("kernel", "python3").describe(
  "the lab's own joins, from endpoints bound to their devices",
  () => {
    for (const family of [4, 6] as const) {
      it(`are all answered over the device that they came by (IPv${family})`, async () => {
        await using stand = await Stand.open({
          lab: { paths: 4, endpoints: family },
          interfaces: { family },
          host: { pathManager: passive() },
        });
        // Over IPv4 a socket bound to a device finds its way without a route.
        if (family === 6) {
          await stand.lab.ip(
            ...[1, 2, 3].map((n) => `route add fd00:77:1::/64 dev mptcp${n} metric ${2000 + n}`),
          );
        }
        await using meeting = await stand.meet("server", "echo", { family });
        await meeting.greet();
        await until(
          "the kernel has joined three times",
          () => meeting.conn.info().subflows.length === 4,
        );
        const ours = meeting.conn.info().subflows.map(({ local }) => local.address);
        assertEquals(new Set(ours).size, 1);
        await meeting.exchange(16 << 20);
        const kernel = await stand.lab.nstat();
        assertEquals([kernel.MPJoinSynTx, kernel.MPJoinSynAckRx], [3, 3]);
        assertEquals(stand.host.counters.MPJoinAckRx, 3);
        assertNoTrouble(kernel);
      });
    }
  },
);

needs("kernel", "python3").describe("mptcp lab", () => {
  needs("curl", "mptcpize").it(
    "runs a command beside a kernel that serves HTTP, then tells what the kernel saw",
    async () => {
      const name = `mptcp-cli-${Deno.pid}`;
      const child = mptcpLab(
        name,
        "--",
        "sh",
        "-c",
        "mptcpize run curl -s http://10.77.1.1/1MB | sha256sum; sleep 0.7; exit 3",
      );
      const { code, stdout, stderr } = await child.output();
      const [out, told] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assertEquals(code, 3, told);
      assertStringIncludes(told!, "HTTP server over MPTCP on port 80");
      assert(/MPCapableSYNRX +1\n/.test(told!), told);
      assert(/^[0-9a-f]{64} /.test(out!));
      assert(!namespaces().includes(name));
    },
  );

  it("leaves nothing behind where a signal ends it, and says so by its code", async () => {
    for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGINT", 130]] as const) {
      const name = `mptcp-cli-${Deno.pid}`;
      // It cares for no Ctrl-C: the second one ends the lab.
      const lab = new Running(
        mptcpLab(name, "--", "sh", "-c", "trap '' INT; echo inside; sleep 60"),
      );
      await lab.until("inside");
      if (signal === "SIGINT") Deno.kill(lab.pid, signal);
      await sleep(100);
      assertEquals(await lab.end(signal), code, lab.said);
      assert(!namespaces().includes(name));
    }
  });

  it("knows the command mptcp inside, in scripts too, and sees connections of a moment", async () => {
    const script = "command -v mptcp; mptcp get http://10.77.1.1/8MB -o /dev/null";
    const child = mptcpLab(
      `mptcp-cli-${Deno.pid}`,
      "--rate",
      "40 Mbit/s",
      "--",
      "sh",
      "-c",
      script,
    );
    const { code, stdout, stderr } = await child.output();
    const [out, told] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(code, 0, told);
    assertStringIncludes(told!, "SHA-256");
    assert(/subflows:\d+ /.test(told!), told);
    const command = out!.trim();
    assert(command.endsWith("/mptcp"), command);
    await assertRejects(() => Deno.stat(command), Deno.errors.NotFound);
  });

  it("has rates, delays and losses as asked for, on both sides of the command", async () => {
    const script = "mptcp put http://10.77.1.1/ --size 100kB";
    const child = mptcpLab(
      `mptcp-cli-${Deno.pid}`,
      ...["--path", "wifi=20Mbit/s,30ms", "--path", "lte=5Mbit/s,60ms,loss=1%", "--queue=40"],
      ...["--", "sh", "-c", script],
    );
    const { code, stderr } = await child.output();
    const told = new TextDecoder().decode(stderr);
    assertEquals(code, 0, told);
    assertStringIncludes(told, "mptcp0  wifi  kernel 10.77.1.1");
    assertStringIncludes(told, "mptcp1: 60 ms one way, 1 % loss in each direction");
    assertStringIncludes(told, "by scheduler earliest, congestion control lia");
    // 100 kB take more than one window: two round trips of 60 ms at least.
    const [, time, unit] = / in ([\d.]+) (m?s), /.exec(told)!;
    assert(Number(time) * (unit === "s" ? 1000 : 1) >= 120, told);
  });

  it("has a control socket, by which the kernel's endpoints and limits are shown and changed, and its counters told", async () => {
    const folder = `/tmp/mptcp-cli-${Deno.pid}-control`;
    try {
      const script = [
        "mptcp endpoint add 10.77.1.1 id 9 signal backup",
        "mptcp endpoint show id 9",
        "mptcp endpoint change id 9 nobackup",
        "mptcp endpoint --json show id 9",
        "mptcp endpoint delete id 9",
        "mptcp endpoint",
        "mptcp limits set subflows 3 add_addr_accepted 1",
        "mptcp limits",
        "mptcp endpoint add nowhere 2>&1 || echo refused",
        "mptcp get http://10.77.1.1/1MB -o /dev/null 2>/dev/null",
        "mptcp nstat",
      ];
      const child = mptcpLab(
        `mptcp-cli-${Deno.pid}`,
        "--",
        "sh",
        "-c",
        script.join("; "),
      );
      const { stdout, stderr } = await child.output();
      const [out, told] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assertMatch(out!, /^id 9\n10\.77\.1\.1 id 9 signal backup\n/, told);
      assertMatch(out!, /"endpoints":\[\{"address":"10\.77\.1\.1","id":9,"signal":true\}\]/);
      assertMatch(out!, /\n10\.77\.2\.1 id 1 signal subflow dev mptcp1\n/);
      assertEquals(out!.match(/add_addr_accepted 1 subflows 3\n/g)?.length, 2);
      assertMatch(out!, /nowhere[^]*refused\n/);
      assertMatch(out!, /\nMPCapableSYNRX +1\n/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("shows the kernel's connections and events as those of a host", async () => {
    await using stand = await Stand.open({
      interfaces: { family: 4 },
      host: { pathManager: passive() },
    });
    const path = await Deno.makeTempFile({ suffix: ".sock" });
    await Deno.remove(path);
    using _control = await serveTarget(kernelTarget(stand.lab), path);
    const ended = new AbortController();
    const events: ControlEvent[] = [];
    const watching = (async () => {
      for await (const each of ask(path, "monitor", ended.signal)) {
        if (!("ok" in (each as object))) events.push(each as ControlEvent);
      }
    })();
    await until("somebody watches", async () => {
      const { stdout } = await stand.lab.exec(["cat", "/proc/net/netlink"]);
      // Of generic netlink, with groups.
      return /^\S+ 16 +\d+ +0*[1-9a-f]/m.test(stdout);
    });
    {
      await using meeting = await stand.meet("server", "echo");
      await meeting.greet();
      await until("the kernel has joined", () => meeting.conn.info().subflows.length === 2);
      let found: { ok: ControlConnection[] } | null = null;
      await until("the kernel shows both", async () => {
        for await (const each of ask(path, "ss")) found = each as { ok: ControlConnection[] };
        return found!.ok[0]?.subflows.length === 2;
      });
      const [kernel] = found!.ok;
      const { subflows } = meeting.conn.info();
      const ends = (local: Endpoint, remote: Endpoint): string =>
        [local, remote].map(({ address, port }) => `${address} ${port}`).join(" ");
      assertEquals(
        kernel!.subflows.map(({ local, remote }) => ends(local, remote)).sort(),
        subflows.map(({ local, remote }) => ends(remote, local)).sort(),
      );
      assertEquals([kernel!.mptcp.flags, kernel!.mptcp.subflows], [2, 1]);
      await until(
        "the monitor has told of it",
        () => events.some(({ event }) => event === "SF_ESTABLISHED"),
      );
      const created = events.find(({ event }) => event === "CREATED")!;
      assertEquals([created.saddr, created.token], ["10.77.1.1", kernel!.mptcp.token]);
      await meeting.exchange(1000);
    }
    ended.abort();
    await watching;
  });

  it("runs the example of a peer that does what a script says", async () => {
    const example = fileURLToPath(new URL("../../docs/examples/scripted_peer.ts", import.meta.url));
    const program = [Deno.execPath(), ...RUN, example];
    const child = mptcpLab(`mptcp-cli-${Deno.pid}`, "--rate", "40 Mbit/s", "--", ...program);
    const { code, stdout, stderr } = await child.output();
    const [out, told] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(code, 0, told);
    // Somewhat more has come than was asked for, by as much as a busy machine reads late.
    assertMatch(out!, /^4\.0 MB: path 1 4\.\d MB, path [23] \(backup\) 0\.0 MB$/m);
    assertMatch(out!, /^8\.0 MB: path 1 \(backup\) \d\.\d MB, path [23] \d\.\d MB$/m);
    assertMatch(out!, /^12\.0 MB: path [23] \d\.\d MB$/m);
    assertMatch(out!, /^lost 1 on purpose; .*"MPPrioTx":2,/m);
  });

  it("removes everything on Ctrl-C", async () => {
    const name = `mptcp-cli-${Deno.pid}`;
    const child = mptcpLab(name, "--", "sh", "-c", "echo begun; exec sleep 1000");
    const complaint = new Response(child.stderr).text();
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (text.includes("begun")) break;
    }
    // A terminal sends it to the command too; without one, the second is what ends it.
    child.kill("SIGINT");
    child.kill("SIGTERM");
    const { code } = await child.status;
    assertEquals(code, 143, await complaint);
    await complaint;
    assert(!namespaces().includes(name));
  });

  it("takes no namespace that is somebody else's", async () => {
    await using namespace = await makeNamespace();
    const refused = async (): Promise<string> => {
      const { code, stderr } = await mptcpLab(namespace.name, "--", "true").output();
      assertEquals(code, 2);
      return new TextDecoder().decode(stderr);
    };
    assertStringIncludes(await refused(), `A namespace named ${namespace.name} exists already`);
    const child = namespace.spawn(["sleep", "1000"]);
    assertStringIncludes(await refused(), "is running already: choose another --name");
    child.kill("SIGTERM");
    await child.status;
  });

  it("says what is wrong with its arguments", async () => {
    for (
      const [args, text] of [
        [["--rate", "50"], "--rate: it must be a number, a space and one of"],
        [["--rate", "5 bit/s"], "--rate: it must be from 100 kbit/s to 100 Gbit/s"],
        [["--paths", "2", "--path", "a"], "--paths and --path exclude each other"],
        [["--path", "a=1 Mbit/s", "--path", "b"], "either all paths of a lab have a rate"],
        [["--name", "a b"], "--name was given 2 times"],
        [["--paths", "9"], "--paths"],
        [["get", "x"], "goes behind a --: mptcp lab -- get x"],
      ] as const
    ) {
      const { code, stderr } = await mptcpLab("mptcp-cli-none", ...args).output();
      assertEquals(code, 2);
      assertStringIncludes(new TextDecoder().decode(stderr), text);
    }
  });
});
