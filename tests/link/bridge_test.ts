import { assert, assertEquals, assertThrows } from "@std/assert";
import { it } from "@std/testing/bdd";
import { type Bridge, bridge, type BridgeOptions } from "../../core/link/bridge.ts";
import { delay } from "../../core/link/sim/elements/delay.ts";
import { loss } from "../../core/link/sim/elements/loss.ts";
import { queue } from "../../core/link/sim/elements/queue.ts";
import { rate } from "../../core/link/sim/elements/rate.ts";
import { tun } from "../../core/link/tun/tun.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { startPeer } from "../interop/support/peer.ts";
import { needs } from "../support/tools.ts";
import { refusingSuperSegments } from "../support/tun.ts";

interface Pair extends AsyncDisposable {
  readonly client: Namespace;
  readonly server: Namespace;
  readonly bridges: readonly Bridge[];
}

/** Two kernels and bridges between them, the server's second address announced. */
async function pair(options: BridgeOptions, paths = 2): Promise<Pair> {
  const [client, server] = await Promise.all([makeNamespace(), makeNamespace()]);
  const bridges = Array.from({ length: paths }, (_, i) => {
    const end = (namespace: Namespace, host: number) =>
      tun(`t${i}`, {
        namespace: namespace.name,
        kernelAddresses: [`10.80.${i}.${host}/24`, `fd00:80:${i}::${host}/64`],
      });
    return bridge(end(client, 1), end(server, 2), options);
  });
  for (const namespace of [client, server]) {
    await namespace.ip("mptcp limits set subflows 4 add_addr_accepted 4");
  }
  if (paths > 1) await server.ip("mptcp endpoint add 10.80.1.2 dev t1 signal");
  return {
    client,
    server,
    bridges,
    async [Symbol.asyncDispose]() {
      await Promise.all(bridges.map((bridge) => bridge.close()));
      await Promise.all([client.close(), server.close()]);
    },
  };
}

/** Sends `size` bytes from the client's kernel to the server's and back over MPTCP; the sums must agree. */
async function transfer({ client, server }: Pair, host: string, size: number): Promise<void> {
  const any = host.includes(":") ? "::" : "0.0.0.0";
  await using echo = await startPeer(server, "listen", "echo", { host: any });
  await using source = await startPeer(client, "connect", "both", { host, port: echo.port, size });
  const end = await source.until("end");
  assertEquals([end.error, end.sent, end.received], [null, size, size]);
  assertEquals(end.receivedSha256, end.sentSha256);
  assertEquals(end.mptcp?.fallback, false);
  await echo.until("done");
}

needs("kernel").describe("bridge()", () => {
  needs("ping", "python3").it("joins two kernels, super-segments and all", async () => {
    await using it = await pair({});
    await transfer(it, "10.80.0.2", 40_000_000);
    await transfer(it, "fd00:80::2", 4_000_000);
    const counters = await it.server.nstat();
    assert(counters.MPJoinAckRx! >= 1);
    assertEquals(counters.DataCsumErr, undefined);
    it.bridges.forEach((bridge) => bridge.cut());
    const ping = await it.client.exec(["ping", "-c", "1", "-W", "0.2", "10.80.0.2"], false);
    assertEquals(ping.code, 1);
    it.bridges.forEach((bridge) => bridge.restore());
    await it.client.exec(["ping", "-c", "1", "10.80.0.2"]);
  });

  needs("python3").it("cuts super-segments where a kernel refuses them", async () => {
    using refusing = refusingSuperSegments();
    await using it = await pair({});
    await transfer(it, "10.80.0.2", 4_000_000);
    await transfer(it, "fd00:80::2", 4_000_000);
    const counters = await it.server.nstat("Tcp");
    assertEquals([counters.TcpInErrs, counters.TcpInCsumErrors], [undefined, undefined]);
    assert(refusing.warnings.length > 0);
  });

  needs("ping", "python3").it("puts the emulator's elements between them", async () => {
    let state = 1;
    const random = () => () => (state = state * 16807 % 2147483647) / 2147483647;
    const elements = [queue({ bytes: 150_000 }), rate("100 Mbit/s"), delay("5 ms"), loss(0.005)];
    await using it = await pair({ elements, random });
    const { stdout } = await it.client.exec([
      "sh",
      "-c",
      "ping -q -i 0.05 -c 20 10.80.0.2 || true",
    ]);
    const least = Number(/= ([\d.]+)\//.exec(stdout)![1]);
    assert(least >= 10, stdout);
    await transfer(it, "10.80.0.2", 6_000_000);
    // How the kernel shares the bytes between the paths is its affair.
    const forward = it.bridges.map(({ counts }) => counts.forward);
    const packets = forward.reduce((sum, one) => sum + one.packets, 0);
    const lost = forward.reduce((sum, one) => sum + one.dropped.loss!, 0);
    assert(packets >= 4000 && lost > 0, JSON.stringify(forward));
    assertEquals((await it.server.nstat("TcpExt")).TCPOFOQueue! > 0, true);
  });

  it("closes the first link when the second cannot be opened", async () => {
    await using namespace = await makeNamespace();
    const a = tun("a", { namespace: namespace.name, kernelAddresses: [] });
    const b = tun("lo", { namespace: namespace.name, kernelAddresses: [] });
    assertThrows(() => bridge(a, b), Deno.errors.AlreadyExists);
    // The kernel takes a closed device away a moment later.
    for (let tries = 100;; tries--) {
      const { stdout } = await namespace.exec(["ip", "-o", "link"]);
      if (!stdout.includes(" a:")) break;
      assert(tries > 0, stdout);
    }
  });
});
