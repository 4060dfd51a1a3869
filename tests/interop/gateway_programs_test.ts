/** Programs that people use, through `mptcp proxy` and `mptcp relay` over two shaped paths: each as its users would set it up. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { needs } from "../support/tools.ts";
import { PROXY, QUIET, SERVER, World } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";
import { until } from "./support/wait.ts";

/** Carries its input and output to a target by HTTP CONNECT, as `nc -X connect` does for ssh's ProxyCommand. */
const CONNECT = `
import os, socket, sys, threading
end = socket.create_connection(("127.0.0.1", 1080))
end.sendall(f"CONNECT {sys.argv[1]}:{sys.argv[2]} HTTP/1.1\\r\\n\\r\\n".encode())
head = b""
while not head.endswith(b"\\r\\n\\r\\n"):
    head += end.recv(1)
def up():
    while data := os.read(0, 65536):
        end.sendall(data)
    end.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := end.recv(65536):
    os.write(1, data)
`;

const SIZE = 2_000_000;

/** A world with proxy and relay, in whose folder there is a file. */
async function open(): Promise<World> {
  const world = await World.open();
  try {
    await world.startRelay();
    await world.startProxy();
    await Deno.writeFile(`${world.folder}/file`, new Uint8Array(SIZE).map((_, i) => i * i >> 5));
    return world;
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

/** Waits until the proxy tells of a connection that has brought so much, and sees that both paths did. */
async function overBoth(world: World, bytes: number): Promise<void> {
  const record = () => world.proxy!.records.find(({ down }) => Number(down) >= bytes);
  await until("the proxy tells of it", () => record() !== undefined);
  const { fallback, error, paths } = record()!;
  assertEquals([fallback, error, Object.keys(paths as object).length], [false, null, 2]);
}

needs("kernel", "python3", "ssh", "ssh-keygen", "sshd").describe("ssh", () => {
  needs("kernel", "python3", "ssh", "ssh-keygen", "sshd").it(
    "goes by its ProxyCommand",
    async () => {
      await using world = await open();
      const { folder, home, away } = world;
      for (const name of ["host", "user"]) {
        await home.exec(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`]);
      }
      await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
      const server = new Running(
        away.spawn([
          ...["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", "2222"],
          ...["-h", `${folder}/host`, "-o", "StrictModes=no", "-o", "PidFile=none"],
          ...["-o", `AuthorizedKeysFile=${folder}/user.pub`],
        ], QUIET),
      );
      await server.until("Server listening");
      await Deno.writeTextFile(`${folder}/connect.py`, CONNECT);
      const { stdout } = await home.exec([
        ...["ssh", "-F", "none", "-i", `${folder}/user`, "-p", "2222", "-o", "BatchMode=yes"],
        ...["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
        ...["-o", `ProxyCommand=python3 ${folder}/connect.py %h %p`, "root@localhost"],
        `base64 -w 0 ${folder}/file`,
      ]);
      const bytes = await Deno.readFile(`${folder}/file`);
      assertEquals(stdout === bytes.toBase64(), true);
      await overBoth(world, SIZE);
      await server.end();
    },
  );
});

needs("kernel", "python3", "apt-get", "dpkg-deb").describe("apt", () => {
  needs("kernel", "python3", "apt-get", "dpkg-deb").it(
    "reads lists and fetches a package by Acquire::http::Proxy",
    async () => {
      await using world = await open();
      const { folder, home } = world;
      const [repository, state] = [`${folder}/www/repository`, `${folder}/apt`];
      for (
        const path of [
          `${folder}/deb/DEBIAN`,
          repository,
          `${state}/lists/partial`,
          `${state}/cache/archives/partial`,
        ]
      ) {
        await Deno.mkdir(path, { recursive: true });
      }
      const control =
        "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: one\n";
      await Deno.writeTextFile(`${folder}/deb/DEBIAN/control`, control);
      await Deno.copyFile(`${folder}/file`, `${folder}/deb/file`);
      const deb = `${repository}/thing.deb`;
      await home.exec(["dpkg-deb", "-Znone", "--build", `${folder}/deb`, deb]);
      const { size } = await Deno.stat(deb);
      const { stdout: sum } = await home.exec(["sha256sum", deb]);
      await Deno.writeTextFile(
        `${repository}/Packages`,
        `${control}Filename: ./thing.deb\nSize: ${size}\nSHA256: ${sum.slice(0, 64)}\n\n`,
      );
      await Deno.writeTextFile(
        `${state}/sources.list`,
        `deb [trusted=yes] ${SERVER}/repository ./\n`,
      );
      const options = [
        `Dir::Etc::SourceList=${state}/sources.list`,
        "Dir::Etc::SourceParts=/dev/null",
        `Dir::State::Lists=${state}/lists`,
        `Dir::Cache=${state}/cache`,
        "APT::Sandbox::User=root",
        `Acquire::http::Proxy=socks5h://${PROXY}`,
      ].flatMap((option) => ["-o", option]);
      await home.exec(["apt-get", "-qq", ...options, "update"]);
      await home.exec(["apt-get", "-qq", ...options, "-d", "-y", "install", "thing"]);
      const { stdout } = await home.exec(["sha256sum", `${state}/cache/archives/thing_1_all.deb`]);
      assertEquals(stdout.slice(0, 64), sum.slice(0, 64));
      await overBoth(world, SIZE);
    },
  );
});

needs("kernel", "python3", "chromium").describe("Chromium", () => {
  needs("kernel", "python3", "chromium").it("shows a page by --proxy-server", async () => {
    await using world = await open();
    const { folder, home } = world;
    await Deno.copyFile(`${folder}/file`, `${folder}/www/data.bin`);
    await Deno.writeTextFile(
      `${folder}/www/page.html`,
      `<title>-</title><script>fetch("data.bin").then((r) => r.arrayBuffer()).then((b) => {
        document.title = "It has " + b.byteLength + " bytes";
      })</script>`,
    );
    const { stdout } = await home.exec([
      ...["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
      ...[`--user-data-dir=${folder}/profile`, `--proxy-server=socks5://${PROXY}`],
      // Without this it goes to localhost by itself.
      ...["--proxy-bypass-list=<-loopback>", "--virtual-time-budget=20000", "--dump-dom"],
      `${SERVER}/page.html`,
    ]);
    assertStringIncludes(stdout, `It has ${SIZE} bytes`);
    await overBoth(world, SIZE);
  });
});
