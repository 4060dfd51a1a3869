/** The stack over UDP sockets of this machine: two hosts, two paths, both kinds of socket, both families. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createHash } from "node:crypto";
import { Host, udp, type UdpLink, type UdpOptions } from "../../../mod.ts";
import { makeNamespace } from "../../../cli/namespace.ts";
import { Loop } from "../../../core/link/loop.ts";
import { sleep, until } from "../../interop/support/wait.ts";
import { segment, sendBytes, SYN } from "../../support/tun.ts";
import { pattern } from "../../support/streams.ts";
import { needs } from "../../support/tools.ts";

const LINUX = Deno.build.os === "linux";

/** A server with one address and a client with one or two, over loopback. */
async function open(
  family: 4 | 6,
  options: { readonly server?: UdpOptions; readonly client?: UdpOptions; readonly paths?: number },
): Promise<
  & { readonly server: Host; readonly client: Host; readonly links: readonly UdpLink[] }
  & AsyncDisposable
> {
  const { paths = 2 } = options;
  const [loopback, net, bits] = family === 4 ? ["127.0.0.1", "10.9.", 24] : ["::1", "fd00:9:", 64];
  const address = (n: number): string => family === 4 ? `${net}${n}.1` : `${net}${n}::1`;
  const port = freePort(loopback);
  const wan = udp("wan", { bind: loopback, port, ...options.server });
  const server = await Host.open({
    interfaces: [{ link: wan, addresses: [`${address(0)}/${bits}`] }],
  });
  const where = family === 4 ? `127.0.0.1:${port}` : `[::1]:${port}`;
  const links = Array.from({ length: paths }, (_, i) =>
    udp(`path${i}`, {
      bind: family === 4 && LINUX ? `127.0.0.${i + 2}` : loopback,
      peers: { [address(0)]: where },
      ...options.client,
    }));
  const client = await Host.open({
    interfaces: links.map((link, i) => ({ link, addresses: [`${address(i + 1)}/${bits}`] })),
  });
  return {
    server,
    client,
    links: [wan, ...links],
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

/** One that no socket has right now. */
function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Sends both ways at once; what came is what was sent. */
async function exchange(
  { server, client }: { readonly server: Host; readonly client: Host },
  hostname: string,
  bytes: number,
): Promise<void> {
  using listener = server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    client.connect({ hostname, port: 80 }),
    listener.accept(),
  ]);
  const [up, down] = [pattern(bytes, 1), pattern(bytes, 2)];
  const send = async (end: typeof conn, data: Uint8Array): Promise<void> => {
    for (let at = 0; at < data.length;) at += await end.write(data.subarray(at));
    await end.closeWrite();
  };
  const take = async (end: typeof conn): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of end.readable) chunks.push(chunk);
    return sha256(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()));
  };
  const sending = Promise.all([send(conn, up), send(peer, down)]);
  const [atServer, atClient] = await Promise.all([take(peer), take(conn)]);
  await sending;
  assertEquals([atServer, atClient], [sha256(up), sha256(down)]);
  conn.close();
  peer.close();
}

describe("two hosts over UDP on this machine", () => {
  for (const family of [4, 6] as const) {
    for (const offload of LINUX ? [true, false] : [false]) {
      const kind = offload ? "the kernel's sockets" : "the runtime's sockets";
      it(`get what they send, on two paths: IPv${family}, ${kind}`, async () => {
        await using it = await open(family, { server: { offload }, client: { offload } });
        await exchange(
          it,
          family === 4 ? "10.9.0.1" : "fd00:9:0::1",
          offload ? 8e6 : 1e6,
        );
        for (const link of it.links) {
          assertEquals(link.sockets, offload ? "segments" : "plain");
          assert(link.counters.OutDatagrams! > 10, link.name);
          const bad = Object.keys(link.counters).filter((name) => /^In(?!Datagrams)/.test(name));
          assertEquals(bad, [], link.name);
        }
        const peers = it.links[0]!.peers;
        assertEquals(peers.map(({ validated }) => validated), [true, true]);
        assertEquals(new Set(peers.map(({ address }) => address)).size, 2);
      });
    }
  }

  it("get along with one that has the other kind of socket, and with a key", async () => {
    if (!LINUX) return;
    const key = crypto.getRandomValues(new Uint8Array(32));
    await using it = await open(4, {
      server: { offload: true, key },
      client: { offload: false, key },
    });
    await exchange(it, "10.9.0.1", 1e5);
  });

  it("are refused where nobody listens: by their stack, and by the port itself", async () => {
    await using it = await open(4, { paths: 1 });
    await assertRejects(
      () => it.client.connect({ hostname: "10.9.0.1", port: 81, connectTimeout: "5 s" }),
      Deno.errors.ConnectionRefused,
    );
    await it.server.close();
    if (!LINUX) return;
    // ICMP tells; TCP is patient with what it tells of a SYN (RFC 5927 §5.2).
    const from = performance.now();
    await assertRejects(
      () => it.client.connect({ hostname: "10.9.0.1", port: 80, connectTimeout: "3 s" }),
    );
    assert(it.links[1]!.counters.InIcmp! > 0, `${performance.now() - from} ms`);
  });

  it("a socket stays, however often nothing but errors has come by it", async () => {
    if (!LINUX) return;
    const port = freePort("127.0.0.1");
    const link = udp("a", {
      bind: "127.0.0.1",
      offload: true,
      peers: { "10.77.1.1": `127.0.0.1:${port}` },
    });
    link.configure(["10.77.1.2/24"]);
    await link.prepare();
    // As far apart as the retransmissions to a peer that is gone: each wakes the loop from its sleep.
    const loop = new Loop({ spin: 0, wait: 0 });
    loop.add(link);
    loop.start({
      handlePacket() {},
      handleWritable() {},
      handleTimeout() {},
      pollTimeout: () => Infinity,
      flush() {},
    });
    loop.hold(true);
    for (let i = 1; i <= 150; i++) {
      sendBytes(link, segment(link, SYN, new Uint8Array()), [40]);
      await until(`error ${i} is heard`, () => (link.counters.InIcmp ?? 0) >= i);
      await sleep(1);
    }
    await loop.close();
  });

  it("without the key do not even meet", async () => {
    await using it = await open(4, {
      paths: 1,
      server: { key: new Uint8Array(32) },
      client: { key: new Uint8Array(32).fill(1) },
    });
    using _listener = it.server.listen({ port: 80 });
    await assertRejects(
      () => it.client.connect({ hostname: "10.9.0.1", port: 80, connectTimeout: "300 ms" }),
      Deno.errors.TimedOut,
    );
    assert(it.links[0]!.counters.InBadMacs! > 0);
    assertEquals(it.links[0]!.counters.OutDatagrams, undefined);
  });
});

describe("udp()", () => {
  it("names what is wrong with its arguments", () => {
    const wrong: [UdpOptions, string][] = [
      [{ port: 0 }, "'port' must be an integer from 1 to 65535: current value is 0"],
      [{ port: "80" as never }, "'port' must be"],
      [{ bind: "here" }, `'bind' must be an address, such as "0.0.0.0": current value is "here"`],
      [{ peers: { "10.0.0.1": "x" } }, `current value has "10.0.0.1": "x"`],
      [{ peers: { "name": "10.0.0.1:1" } }, "'peers'"],
      [{ key: new Uint8Array(15) }, "16 to 64 octets"],
      [{ keepAlive: "0.5 s" }, "from 1 s to 600 s"],
      [{ mtu: 575 }, "'mtu' must be an integer from 576 to 65535: current value is 575"],
      [{ interface: "a b" }, "'interface'"],
      [{ interface: "eth0", offload: false }, "needs the kernel's sockets"],
      [{ maxPeers: 0 }, "'maxPeers'"],
      [{ ports: 1 } as never, "there is no option 'ports': the options are port, bind,"],
      [[] as never, "its options must be an object: current value is []"],
      [7 as never, "its options must be an object: current value is 7"],
      [null as never, "its options must be an object: current value is null"],
      [{ bind: 5 as never }, "'bind' must be an address"],
      [{ peers: 5 as never }, "'peers' must tell of addresses where they are"],
      [{ peers: ["10.0.0.1"] as never }, `current value has "0": "10.0.0.1"`],
    ];
    for (const [options, text] of wrong) {
      const error = assertThrows(() => udp("a", options), Error);
      assert(error.message.includes(text), error.message);
      assert(error instanceof TypeError || error instanceof RangeError, error.name);
    }
    assertThrows(() => udp(""), TypeError, "its name must be");
    assertThrows(
      () => udp("a").configure(["10.0.0.1/8", "10.0.0.2/8"]),
      TypeError,
      "link for each",
    );
    assertThrows(
      () => udp("a", { mtu: 1290 }).configure(["fd00::1/64"]),
      RangeError,
      "at least 1298",
    );
    assertEquals([udp("a").mtu, udp("a", { mtu: 9000 }).mtu], [1482, 8982]);
  });

  it("says what stands in the way of a socket", async () => {
    const attempt = (options: UdpOptions, address = "127.0.0.1/8"): Promise<Host> =>
      Host.open({ interfaces: [{ link: udp("a", options), addresses: [address] }] });
    for (const offload of LINUX ? [true, false] : [false]) {
      await assertRejects(
        () => attempt({ offload }, "192.0.2.1/24"),
        Deno.errors.AddrNotAvailable,
        "this machine has no such address",
      );
      const port = freePort("127.0.0.1");
      await using _first = await attempt({ offload, port });
      await assertRejects(() => attempt({ offload, port }), Deno.errors.AddrInUse, "port is taken");
    }
    if (!LINUX) return;
    await assertRejects(
      () => attempt({ interface: "no-such-device" }),
      Deno.errors.NotFound,
      "use the interface no-such-device",
    );
  });

  needs("kernel").it("goes on over a device that takes less than its datagrams", async () => {
    await using namespace = await makeNamespace();
    // The kernel says of each that is too large that it is, and keeps that in a queue of errors until somebody reads it.
    await namespace.ip("link set lo mtu 1300");
    const program = `
      import { Host, udp } from ${JSON.stringify(new URL("../../../mod.ts", import.meta.url).href)};
      const wan = udp("wan", { port: 28684 });
      const server = await Host.open({ interfaces: [{ link: wan, addresses: ["127.0.0.1/8"] }] });
      const client = await Host.open({
        interfaces: ["a", "b"].map((name, i) => ({
          link: udp(name, { peerPort: 28684 }),
          addresses: [\`127.0.0.\${i + 2}/8\`],
        })),
      });
      const listener = server.listen({ port: 80 });
      for (let i = 0; i < 3; i++) {
        const [conn, peer] = await Promise.all([
          client.connect({ hostname: "127.0.0.1", port: 80 }),
          listener.accept(),
        ]);
        const sent = peer.write(new Uint8Array(3e6)).then(() => peer.closeWrite());
        let bytes = 0;
        for await (const chunk of conn.readable) bytes += chunk.length;
        await sent;
        console.log(bytes);
        conn.close();
        peer.close();
      }
      console.log(wan.counters.OutTooBig > 0);
      await client.close();
      await server.close();`;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, program);
    const { stdout } = await namespace.exec([
      "timeout",
      "60",
      Deno.execPath(),
      ...["run", "--no-check", "--no-config", "--no-lock", "-A", file],
    ]);
    await Deno.remove(file);
    assertEquals(stdout, "3000000\n3000000\n3000000\ntrue\n");
  });

  needs("kernel").it("goes on by a network card that was taken away and put back", async () => {
    await using here = await makeNamespace();
    await using there = await makeNamespace();
    const plug = [
      `ip link add card type veth peer name card netns ${there.name}`,
      "ip addr add 10.94.0.1/24 dev card",
      "ip link set dev card up",
      `ip -n ${there.name} addr add 10.94.0.2/24 dev card`,
      `ip -n ${there.name} link set dev card up`,
    ].join(" && ");
    await here.exec(["sh", "-c", plug]);
    const head = `
      import { Host, udp } from ${
      JSON.stringify(new URL("../../../mod.ts", import.meta.url).href)
    };`;
    const server = `${head}
      const link = udp("wan", { port: 28684 });
      const host = await Host.open({ interfaces: [{ link, addresses: ["10.94.0.2/24"] }] });
      const listener = host.listen({ port: 80 });
      console.log("ready");
      for await (const conn of listener) void conn.write(new Uint8Array(1e6)).then(() => conn.closeWrite());`;
    const client = `${head}
      const link = udp("wan", { peerPort: 28684, interface: "card" });
      const host = await Host.open({ interfaces: [{ link, addresses: ["10.94.0.1/24"] }] });
      const get = async () => {
        await using conn = await host.connect({
          hostname: "10.94.0.2",
          port: 80,
          connectTimeout: "20 s",
        });
        let bytes = 0;
        for await (const chunk of conn.readable) bytes += chunk.length;
        console.log(bytes, link.local);
      };
      await get();
      const { success } = await new Deno.Command("sh", {
        args: ["-c", ${JSON.stringify(`ip link del card && ${plug}`)}],
      }).output();
      console.log(success);
      await get();
      await host.close();`;
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/server.ts`, server);
    await Deno.writeTextFile(`${folder}/client.ts`, client);
    const run = (file: string): string[] => [
      Deno.execPath(),
      ...["run", "--no-check", "--no-config", "--no-lock", "-A", `${folder}/${file}`],
    ];
    const serving = there.spawn(run("server.ts"), { stdout: "piped" });
    const said = serving.stdout.getReader();
    await said.read();
    const { stdout } = await here.exec(["timeout", "60", ...run("client.ts")]);
    const [first = "", plugged, second] = stdout.trim().split("\n");
    assertMatch(first, /^1000000 10\.94\.0\.1:\d+$/);
    assertEquals([plugged, second], ["true", first]);
    await said.cancel();
    serving.kill("SIGKILL");
    await serving.status;
    await Deno.remove(folder, { recursive: true });
  });

  for (const offload of [true, false]) {
    const kind = offload ? "the kernel's sockets" : "the runtime's sockets";
    it(`goes on from another address, with the connections that there are: ${kind}`, async () => {
      if (!LINUX) return;
      await using pair = await open(4, { paths: 1, client: { offload } });
      const { server, client, links: [wan, link] } = pair;
      using listener = server.listen({ port: 80 });
      const [conn, peer] = await Promise.all([
        client.connect({ hostname: "10.9.0.1", port: 80 }),
        listener.accept(),
      ]);
      const buffer = new Uint8Array(9);
      const say = async (from: typeof conn, to: typeof conn, byte: number): Promise<void> => {
        await from.write(new Uint8Array([byte]));
        assertEquals([await to.read(buffer), buffer[0]], [1, byte]);
      };
      await say(conn, peer, 1);
      const before = link!.local!;
      for (const [i, host] of ["127.0.0.7", "127.0.0.8", "127.0.0.7"].entries()) {
        await link!.move(host);
        assertEquals(link!.local, before.replace(/^[^:]+/, host));
        // Who only receives is found, too: nothing of its program is to leave.
        await say(peer, conn, i);
        await say(conn, peer, i);
        await until("the peer is known there", () => wan!.peers[0]!.endpoint === link!.local);
      }
      assertEquals(wan!.counters.Moves, 3);
      assertEquals(conn.info().subflows.map(({ local }) => local.address), ["10.9.1.1"]);
      // What cannot be bound changes nothing.
      await assertRejects(() => link!.move("192.0.2.1"), Deno.errors.AddrNotAvailable);
      for (const wrong of ["::1", "lo", 5 as never]) {
        await assertRejects(() => link!.move(wrong), TypeError, "needs an IPv4 address");
      }
      await say(conn, peer, 9);
      await say(peer, conn, 10);
      conn.close();
      peer.close();
    });
  }
  it("goes on from another address while it waits for a first peer: nothing wakes it but that one", async () => {
    if (!LINUX) return;
    const port = freePort("127.0.0.1");
    const wan = udp("wan", { bind: "127.0.0.1", port });
    await using server = await Host.open({
      interfaces: [{ link: wan, addresses: ["10.9.0.1/24"] }],
    });
    using listener = server.listen({ port: 80 });
    const accepted = listener.accept();
    // It sleeps by now.
    await sleep(100);
    await wan.move("127.0.0.9");
    const path = udp("path", { bind: "127.0.0.2", peers: { "10.9.0.1": `127.0.0.9:${port}` } });
    await using client = await Host.open({
      interfaces: [{ link: path, addresses: ["10.9.1.1/24"] }],
    });
    const connected = client.connect({
      hostname: "10.9.0.1",
      port: 80,
      signal: AbortSignal.timeout(10e3),
    });
    accepted.then((peer) => peer.close(), () => {});
    (await connected).close();
  });

  it("is refused without --allow-net by an error that the program can catch", async () => {
    const program = `
      import { Host, udp } from ${JSON.stringify(new URL("../../../mod.ts", import.meta.url).href)};
      for (const bind of ["127.0.0.1", "::1"]) {
        const link = udp("wan", { bind, offload: false });
        await Host.open({ interfaces: [{ link, addresses: [bind + "/8"] }] })
          .catch((error) => console.log(error.name, error.message));
      }`;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, program);
    const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-config", "--no-lock", "--no-prompt", file],
      env: { NO_COLOR: "1" },
    }).output();
    await Deno.remove(file);
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(code, 0, err);
    const must = "as that needs --allow-net, or --allow-net";
    assertEquals(out!.trim().split("\n"), [
      `NotCapable Cannot bind a UDP socket to 127.0.0.1:0 ${must}=127.0.0.1:0`,
      `NotCapable Cannot bind a UDP socket to [::1]:0 ${must}=[::1]:0`,
    ]);
  });

  it("does with --allow-net alone, and says what that costs", async () => {
    if (!LINUX) return;
    const program = `
      import { Host, udp } from ${JSON.stringify(new URL("../../../mod.ts", import.meta.url).href)};
      const link = udp("wan", { bind: "127.0.0.1" });
      const host = await Host.open({ interfaces: [{ link, addresses: ["10.9.0.1/24"] }] });
      console.log(link.sockets);
      await host.close();
      const needs = udp("wan", { bind: "127.0.0.1", offload: true });
      await Host.open({ interfaces: [{ link: needs, addresses: ["10.9.0.1/24"] }] })
        .catch((error) => console.log(error.name, error.message));`;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, program);
    const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-config", "--no-lock", "--allow-net", "--no-prompt", file],
      env: { NO_COLOR: "1" },
    }).output();
    await Deno.remove(file);
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(code, 0, err);
    assertMatch(
      out!,
      /^plain\nNotSupported Cannot open wan as 'offload' needs Linux and --allow-ffi/,
    );
    assertMatch(err!, /^wan: datagrams go one by one as --allow-ffi is not given/);
  });
});
