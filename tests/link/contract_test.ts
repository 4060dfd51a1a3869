/** What core/host/link.ts promises to whoever writes a link, by one that was written against it alone. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { Link } from "../../core/host/link.ts";
import { impair } from "../../core/link/impair.ts";
import { delay } from "../../core/link/sim/elements/delay.ts";
import { Libc, O_CLOEXEC, O_NONBLOCK } from "../../core/link/tun/libc.ts";
import { Host } from "../../core/net/host.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { stream } from "../support/segment_codec.ts";
import { type Bell, ToyLink } from "../support/toy_link.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

const BYTES = 600_000;

/** Sends bytes from one host to the other; each is checked. */
async function transfer(near: Link, far: Link): Promise<void> {
  await using client = await Host.open({
    interfaces: [{ link: near, addresses: ["10.0.0.1/24"] }],
    seed: 1,
  });
  await using server = await Host.open({
    interfaces: [{ link: far, addresses: ["10.0.0.2/24", "fd00::2/64"] }],
    seed: 2,
  });
  const listener = server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    client.connect({ hostname: "10.0.0.2", port: 80 }),
    listener.accept(),
  ]);
  const sending = conn.write(stream("stack", 0, BYTES)).then(() => conn.closeWrite());
  let received = 0;
  for await (const chunk of peer.readable) {
    assertEquals(chunk, stream("stack", received, chunk.length));
    received += chunk.length;
  }
  await sending;
  assertEquals(received, BYTES);
  conn.close();
  peer.close();
}

/** A bell made of an eventfd(2). */
function eventBell(): Bell {
  const libc = new Libc();
  const fd = libc.calls.eventfd(0, O_NONBLOCK | O_CLOEXEC);
  return {
    fd,
    ring: () => void libc.calls.eventfd_write(fd, 1n),
    hush: () => void libc.calls.eventfd_read(fd, new Uint8Array(8)),
    close() {
      libc.calls.close(fd);
      libc.close();
    },
  };
}

describe("a link of another kind", () => {
  it("needs to know the contract, packets and their memory only", async () => {
    const source = await Deno.readTextFile(new URL("../support/toy_link.ts", import.meta.url));
    const imports = [...source.matchAll(/ from "(.*)";$/gm)].map(([, specifier]) => specifier);
    assertEquals(imports, [
      "../../core/host/link.ts",
      "../../core/wire/packet.ts",
      "../../wasm/mod.ts",
    ]);
  });

  it("joins two hosts, refuses what it has no room for, and takes super-segments", async () => {
    const [near, far] = ToyLink.pair("near", "far");
    await transfer(near, far);
    assertEquals(near.addresses, ["10.0.0.1/24"]);
    assertEquals(far.addresses, ["10.0.0.2/24", "fd00::2/64"]);
    assertGreater(near.refused, 0);
    assertGreater(near.merged, 0);
    assert(near.closed && far.closed);
  });

  it("exchanges packets one by one, with checksums, when it is asked to", async () => {
    const [near, far] = ToyLink.pair("near", "far");
    const slow = impair(near, { send: [delay("1 ms")], receive: [delay("1 ms")] });
    await transfer(slow, far);
    assertEquals(near.addresses, ["10.0.0.1/24"]);
    assertEquals([near.merged, far.merged], [0, 0]);
    assertGreater(near.sent, BYTES / near.mtu);
    assert(slow.counts!.send.packets >= near.sent);
    assert(near.closed && far.closed);
  });

  it({
    name: "is polled where it lives on a file descriptor",
    ignore: Deno.build.os !== "linux",
    async fn() {
      const [near, far] = ToyLink.pair("near", "far", eventBell);
      await transfer(near, far);
      assertGreater(near.refused, 0);
      assert(near.closed && far.closed);
    },
  });
});
