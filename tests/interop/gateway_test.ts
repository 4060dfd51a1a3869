/** `mptcp proxy` and `mptcp relay` as their users run them: programs in one namespace, servers in another, two shaped paths between. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { writeKeyFile } from "../../cli/gateway/key.ts";
import { needs } from "../support/tools.ts";
import { PROXY, SERVER, World } from "./support/gateway_world.ts";
import { until } from "./support/wait.ts";

function git(...words: string[]): string[] {
  return ["git", "-c", "user.name=a", "-c", "user.email=a@b", ...words];
}

const gateway = needs("kernel", "python3", "curl", "sha256sum");

gateway.describe("mptcp proxy and mptcp relay", () => {
  gateway.it(
    "carry curl's downloads and uploads over both paths, by SOCKS5 and by HTTP CONNECT",
    async () => {
      await using world = await World.open();
      const relay = await world.startRelay();
      const proxy = await world.startProxy();
      await world.download("10MB");
      await world.download("1MB", "--proxy", `http://${PROXY}`, "--proxytunnel");
      const file = `${world.folder}/10MB`;
      const told = JSON.parse(
        await world.curl("-T", file, `${SERVER}/upload`),
      ) as Record<string, unknown>;
      const { stdout } = await world.home.exec(["sha256sum", file]);
      assertEquals(told, { bytes: 10e6, sha256: stdout.slice(0, 64) });
      await until("all is told of", () => proxy.records.length === 5 && relay.records.length === 5);
      const { target, outcome, fallback, paths } = proxy.records[0]!;
      assertEquals({ target, outcome, fallback }, {
        target: "localhost:8000",
        outcome: "connected",
        fallback: false,
      });
      const shares = Object.values(paths as Record<string, number>);
      assertEquals(shares.length, 2);
      for (const bytes of shares) assert(bytes > 0.25 * 10e6, `${shares}`);
      const { pathsUp = {}, up } = proxy.records[0]!;
      const asked = Object.values(pathsUp as Record<string, number>);
      assertEquals(asked.length, 2);
      // What the program said, without the handshake with the relay.
      assert(asked.reduce((sum, bytes) => sum + bytes, 0) >= Number(up), `${asked}`);
      const sent = Object.values(relay.records[0]!.paths as Record<string, number>);
      for (const bytes of sent) assert(bytes > 0.25 * 10e6, `${sent}`);
    },
  );

  gateway.it(
    "speak the Convert Protocol: RFC 8803, for hosts of a network without the key",
    async () => {
      await using world = await World.open();
      await world.startRelay(null, "--convert", "5124", "--convert-from", "10.77.0.0/16");
      const proxy = await world.startConvertingProxy("10.78.1.2");
      const server = "http://10.91.1.2:8000";
      await world.downloadFrom(server, "10MB");
      await until("all is told of", () => proxy.records.length === 2);
      for (const { outcome, fallback } of proxy.records) {
        assertEquals([outcome, fallback], ["connected", false]);
      }
      const shares = Object.values(proxy.records[0]!.paths as Record<string, number>);
      for (const bytes of shares) assert(bytes > 0.25 * 10e6, `${shares}`);
      // Nothing listens there: a RST, which is told as one.
      const { code } = await world.home.exec(
        ["curl", "-sS", "--proxy", `http://${PROXY}`, "--proxytunnel", "http://10.91.1.2:9"],
        false,
      );
      assert(code !== 0);
      await until("it is told of", () => proxy.records.length === 3);
      assertEquals(proxy.records[2]!.outcome, "refused");
    },
  );

  gateway.it(
    "carry curl's downloads over both paths in UDP datagrams, from all addresses of the machine",
    async () => {
      await using world = await World.open();
      await world.startRelay("udp");
      const proxy = await world.startProxy("10.91.1.2", world.key, ["--via", "udp"]);
      await world.download("10MB");
      await until("it is told of", () => proxy.records.length === 2);
      const [{ fallback, paths }] = proxy.records as [Record<string, unknown>];
      assertEquals(fallback, false);
      for (const device of ["gw1", "gw2"]) {
        const bytes = Object.entries(paths as Record<string, number>)
          .filter(([path]) => path.split(" ")[0] === device)
          .reduce((sum, [, bytes]) => sum + bytes, 0);
        assert(bytes > 0.25 * 10e6, JSON.stringify(paths));
      }
      await proxy.end();
      // Without FFI all works, and it says what it costs.
      const plain = await world.startProxy("10.91.1.2", world.key, [
        "--via",
        "udp",
        ...["--udp", "wifi=10.91.1.1", "--udp", "lte=10.91.2.1"],
      ], ["--deny-ffi"]);
      await world.download("300kB");
      await until("it is told of", () => plain.records.length === 2);
      assertMatch(plain.said, /wifi: datagrams go one by one as --allow-ffi is not given/);
    },
  );

  gateway.it("go on over UDP from a card that gets another address, and another one", async () => {
    for (const flags of [[], ["--deny-ffi"]]) {
      await using world = await World.open();
      const { home, folder } = world;
      await world.startRelay("udp");
      const proxy = await world.startProxy("10.91.1.2", world.key, ["--via", "udp"], flags);
      const sum = await world.curl(`${SERVER}/20MB.sha256`);
      const download = world.curl("-o", `${folder}/20MB`, `${SERVER}/20MB`);
      for (const [old, next] of [["10.91.2.1", "10.91.2.7"], ["10.91.2.7", "10.91.2.8"]]) {
        await home.ip(`addr del ${old}/24 dev gw2`, `addr add ${next}/24 dev gw2`);
        await proxy.until(`gw2 goes on from ${next}, as gw2 has that in place of ${old}`);
      }
      const { size } = await Deno.stat(`${folder}/20MB`);
      assert(size < 15e6, `${size}: it has come too early`);
      // Now there is no other.
      await home.ip("link set gw1 down");
      await download;
      assertEquals(
        (await home.exec(["sha256sum", `${folder}/20MB`])).stdout.slice(0, 64),
        sum.trim(),
      );
      await until("it is told of", () => proxy.records.length === 2);
      assertEquals([proxy.records[1]!.error, proxy.records[1]!.fallback], [null, false]);
      await home.ip("link set gw1 up");
      await world.download("1MB");
      assertEquals(await proxy.end(), 0);
    }
  });

  needs("git").it("carry git, by SOCKS5 and by HTTP CONNECT", async () => {
    await using world = await World.open();
    await world.startRelay();
    await world.startProxy();
    const { folder } = world;
    await world.away.exec(git("init", "-q", `${folder}/work`));
    await Deno.writeFile(`${folder}/work/file`, new Uint8Array(300_000).map((_, i) => i * i >> 3));
    await world.away.exec(git("-C", `${folder}/work`, "add", "file"));
    await world.away.exec(git("-C", `${folder}/work`, "commit", "-qm", "one"));
    await world.away.exec(git("clone", "-q", "--bare", `${folder}/work`, `${folder}/www/repo.git`));
    await world.away.exec(git("-C", `${folder}/www/repo.git`, "update-server-info"));
    await world.home.exec(
      git(
        "-c",
        `http.proxy=socks5h://${PROXY}`,
        "clone",
        "-q",
        `${SERVER}/repo.git`,
        `${folder}/copy`,
      ),
    );
    assertEquals(
      await Deno.readFile(`${folder}/copy/file`),
      await Deno.readFile(`${folder}/work/file`),
    );
  });

  gateway.it("go on when a path is cut, and use it again when it is back", async () => {
    await using world = await World.open();
    await world.startRelay();
    const proxy = await world.startProxy();
    const downloading = world.download("24MB");
    const size = async (): Promise<number> =>
      (await Deno.stat(`${world.folder}/24MB`).catch(() => null))?.size ?? 0;
    await until("a part has come", async () => (await size()) > 3e6);
    await world.away.ip("link set gw1 down");
    const before = await size();
    await until("more has come", async () => (await size()) > before + 3e6);
    await world.away.ip("link set gw1 up", "route replace 10.77.1.0/24 via 10.91.1.1");
    await downloading;
    await until("it is told of", () => proxy.records.length > 0);
    assertEquals(proxy.records[0]!.error, null);
  });

  gateway.it(
    "go on with a relay that was started again; programs are told while there is none",
    async () => {
      await using world = await World.open();
      const relay = await world.startRelay();
      const proxy = await world.startProxy();
      await world.download("100kB");
      await relay.end();
      const { code, stderr } = await world.home.exec([
        ...["curl", "-sS", "--max-time", "60", "--proxy", `http://${PROXY}`, "--proxytunnel"],
        `${SERVER}/1kB`,
      ], false);
      assert(code !== 0);
      assertMatch(stderr, /502|504/);
      await world.startRelay();
      await world.download("200kB");
      assertStringIncludes(proxy.said, '"outcome":"failed"');
    },
  );

  gateway.it(
    "let nothing through without the key, nor for 1,000 hostile connections each",
    async () => {
      await using world = await World.open();
      const relay = await world.startRelay();
      const other = `${world.folder}/other.key`;
      await writeKeyFile(other);
      const wrong = await world.startProxy("10.78.1.2", other);
      const { stderr } = await world.home.exec([
        ...["curl", "-sS", "--max-time", "60", "--proxy", `http://${PROXY}`, "--proxytunnel"],
        `${SERVER}/1kB`,
      ], false);
      assertMatch(stderr, /502/);
      const connected = (): number =>
        relay.records.filter(({ outcome }) => outcome === "connected").length;
      await until(
        "both tell of it",
        () => wrong.records.length === 1 && relay.records.length === 1,
      );
      assertEquals(wrong.records[0]!.outcome, "wrong key");
      assertEquals(relay.records[0]!.outcome, "wrong key");
      await wrong.end();
      const proxy = await world.startProxy();
      await world.download("1kB");
      await until("both downloads are told of", () => connected() === 2);
      for (
        const [namespace, address, port] of [
          [world.away, "10.78.1.2", "1081"],
          [world.home, "127.0.0.1", "1080"],
        ] as const
      ) {
        const { stdout } = await namespace.exec(["python3", "-c", HOSTILE, address, port]);
        assertEquals(stdout.trim(), "1000");
      }
      await until(
        "all are over",
        () => relay.records.length >= 1003 && proxy.records.length >= 1002,
      );
      assertEquals(connected(), 2);
      await world.download("2kB");
      await until("both downloads are told of", () => connected() === 4);
    },
  );

  needs("iperf3").it(
    "carry iperf3, which knows no proxy, through a forwarder as ssh has one (ProxyCommand)",
    async () => {
      await using world = await World.open();
      await world.startRelay();
      const proxy = await world.startProxy();
      const server = world.away.spawn(["iperf3", "-s", "-1", "-p", "5300"], {
        stdin: "null",
        stdout: "null",
        stderr: "null",
      });
      const forwarder = world.home.spawn(["python3", "-c", FORWARDER, "5301", "localhost:5300"], {
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      });
      const reader = forwarder.stdout.getReader();
      await reader.read();
      const { stdout } = await world.home.exec(
        ["iperf3", "-c", "127.0.0.1", "-p", "5301", "-n", "8M", "-R", "-J"],
      );
      const { end } = JSON.parse(stdout) as { end: { sum_received: { bytes: number } } };
      assert(end.sum_received.bytes >= 8 << 20, `${end.sum_received.bytes}`);
      await server.status;
      forwarder.kill("SIGKILL");
      await reader.cancel();
      await until("it is told of", () => proxy.records.some(({ down }) => Number(down) > 8e6));
    },
  );

  needs("mptcpize").it(
    "speak the kernel's MPTCP at the relay where that is on its sockets, and plain TCP where it is not",
    async () => {
      await using world = await World.open();
      for (const [kernel, fallback] of [["mptcp", false], ["tcp", true]] as const) {
        const relay = await world.startRelay(kernel);
        const proxy = await world.startProxy("10.91.1.2");
        await world.download("4MB");
        await until("it is told of", () => proxy.records.length === 2);
        assertEquals(proxy.records[0]!.fallback, fallback);
        const shares = Object.values(proxy.records[0]!.paths as Record<string, number>);
        assertEquals(
          shares.filter((bytes) => bytes > 0.2 * 4e6).length,
          fallback ? 1 : 2,
          `${shares}`,
        );
        await proxy.end();
        await relay.end();
      }
    },
  );
});

/** Connects 1,000 times, says something random, and reads what comes until it is let go. */
const HOSTILE = `
import random, socket, sys
dice, ended = random.Random(5), 0
for i in range(1000):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as end:
        try:
            end.sendall(dice.randbytes(dice.randrange(300)))
            end.shutdown(socket.SHUT_WR)
            while end.recv(4096):
                pass
        except OSError:
            pass
        ended += 1
print(ended)
`;

/** Carries what comes to a port to a target, by HTTP CONNECT, as \`nc -X connect\` does. */
const FORWARDER = `
import socket, sys, threading
def carry(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(a):
    b = socket.create_connection(("127.0.0.1", 1080))
    b.sendall(f"CONNECT {sys.argv[2]} HTTP/1.1\\r\\n\\r\\n".encode())
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += b.recv(1)
    threading.Thread(target=carry, args=(a, b)).start()
    carry(b, a)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],)).start()
`;
