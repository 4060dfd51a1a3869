import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Lab, type LabOptions } from "../../cli/lab.ts";
import type { TransferRecord } from "../../cli/transfer.ts";
import { needs } from "../support/tools.ts";
import { assertNoTrouble, LATE_JOINS } from "./support/counters.ts";
import { RUN } from "../support/command.ts";

const CLI = fileURLToPath(new URL("../../cli/mod.ts", import.meta.url));

/** The command, as a user runs it. */
function mptcp(...args: string[]): string[] {
  return [Deno.execPath(), ...RUN, CLI, ...args];
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mptcp-interop-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A scheduler that sends all on the first path. */
const FIRST = `export default () => ({
  kind: "scheduler",
  name: "first",
  create: ({ subflows }) => ({ pick: () => subflows[0] }),
});`;

/** `mptcp serve` at work. */
class Server implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  /** What it has printed. */
  said = "";

  constructor(lab: Lab, folder: string) {
    this.#child = lab.spawn(mptcp("serve", folder, "--port", "8080"), {
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    this.#reader = this.#child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads on until it has printed `text`. */
  async until(text: string): Promise<void> {
    while (!this.said.includes(text)) {
      const { value, done } = await this.#reader.read();
      assert(!done, `ended without "${text}": ${this.said}`);
      this.said += value;
    }
  }

  /** Ctrl-C; gives its exit code. */
  async end(): Promise<number> {
    this.#child.kill("SIGINT");
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

/** A server whose answers end before their first byte, or before they begin. */
const SHORT = `
import socket
server = socket.create_server(("", 8081))
print("ready")
while True:
    conn, _ = server.accept()
    path = conn.recv(65536).split(b" ")[1]
    if path == b"/head": conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n")
    conn.close()
`;

needs("kernel").describe("HTTP", () => {
  /** `client` downloads a file of ours; what the server and the kernel say of it. */
  async function download(
    options: LabOptions,
    client: readonly string[],
  ): Promise<{ said: string; counters: Record<string, number> }> {
    let result = { said: "", counters: {} };
    await withFolder(async (folder) => {
      const bytes = Uint32Array.from({ length: 8 << 20 }, (_, i) => i * 2654435761);
      await Deno.writeFile(`${folder}/file`, new Uint8Array(bytes.buffer));
      await using lab = await Lab.create(options);
      await using server = new Server(lab, folder);
      await server.until("Ctrl-C");
      await lab.exec([...client, "-sS", "-o", `${folder}/got`, "http://10.77.1.2:8080/file"]);
      assertEquals(await sha256(`${folder}/got`), await sha256(`${folder}/file`));
      await server.until("GET /file");
      result = { said: server.said, counters: await lab.nstat() };
      assertEquals(await server.end(), 0);
    });
    return result;
  }

  needs("curl", "mptcpize").it(
    "is served by `mptcp serve` to curl under mptcpize, over two paths",
    async () => {
      const { said, counters } = await download({}, ["mptcpize", "run", "curl"]);
      assertMatch(said, /200 GET \/file: 33\.6 MB in .*; mptcp0 \d+ %, mptcp1 \d+ %/);
      assertNoTrouble(counters);
      assertEquals(counters.MPCapableSYNACKRX, 1);
      assert(counters.MPJoinSynAckRx! >= 1);
    },
  );

  needs("curl").it("is served by `mptcp serve` to plain curl", async () => {
    const { said, counters } = await download({}, ["curl"]);
    assertMatch(said, /200 GET \/file: 33\.6 MB in .*plain TCP/);
    assertEquals(counters, {});
  });

  needs("curl", "mptcpize").it(
    "counts what the client has, not what waits in the send queue",
    async () => {
      await withFolder(async (folder) => {
        // Less than the send queue takes at once.
        await Deno.writeFile(`${folder}/a file`, new Uint8Array(4e6));
        await using lab = await Lab.create({ rates: ["40 Mbit/s"] });
        await using server = new Server(lab, folder);
        await server.until("Ctrl-C");
        const curl = ["mptcpize", "run", "curl", "-sS", "-o", "/dev/null"];
        await lab.exec([...curl, "http://10.77.1.2:8080/a%20file"]);
        await server.until("Mbit/s");
        const line = /^200 GET \/a file: 4\.00 MB in .*, ([\d.]+) Mbit\/s; mptcp0 /m.exec(
          server.said,
        );
        assert(line !== null && Number(line[1]) < 80, server.said);
        assertEquals(await server.end(), 0);
      });
    },
  );

  needs("curl", "mptcpize").it(
    "reaches its end when Ctrl-C comes in the middle; a client that has all of it left in order",
    async () => {
      await withFolder(async (folder) => {
        await Deno.writeFile(`${folder}/file`, new Uint8Array(24e6));
        await Deno.writeTextFile(`${folder}/small`, "abc");
        await using lab = await Lab.create({ rates: ["80 Mbit/s"] });
        await using server = new Server(lab, folder);
        await server.until("Ctrl-C");
        const curl = ["mptcpize", "run", "curl", "-sS"];
        for (let i = 1; i <= 8; i++) {
          const { stdout } = await lab.exec([...curl, "http://10.77.1.2:8080/small"]);
          assertEquals(stdout, "abc");
        }
        await server.until("/small: 3 B");
        const download = lab.spawn([...curl, "http://10.77.1.2:8080/file"], { stdout: "piped" });
        let got = 0;
        let ended: Promise<number> | null = null;
        for await (const { length } of download.stdout) {
          got += length;
          ended ??= server.end();
        }
        assertEquals(got, 24e6);
        await server.until("/file: 24.0 MB");
        assertEquals(await ended, 0);
        assertMatch(server.said, /Waits for 1 under way/);
        assert(!server.said.includes("broken off"), server.said);
      });
    },
  );

  needs("curl", "python3").it(
    "is fetched by `mptcp get` from a server on the kernel's MPTCP, over two paths",
    async () => {
      await withFolder(async (folder) => {
        await using lab = await Lab.create({ serve: { folder, port: 80 } });
        const url = "http://10.77.1.1/32MB";
        const { stderr } = await lab.exec(mptcp("get", url, "-o", `${folder}/got`));
        const sum = (await lab.exec(["curl", "-sS", `${url}.sha256`])).stdout.trim();
        assertEquals(await sha256(`${folder}/got`), sum);
        assertMatch(stderr, /32\.0 MB in .*mptcp0 .*mptcp1 /);
        assert(stderr.includes(`SHA-256 ${sum}`), stderr);
        const counters = await lab.nstat();
        assertNoTrouble(counters);
        assertEquals(counters.MPCapableACKRX, 1);
        assert(counters.MPJoinAckRx! >= 1);
      });
    },
  );

  needs("python3").it(
    "is sent by `mptcp put` to a server on the kernel's MPTCP, by the scheduler named",
    async () => {
      await withFolder(async (folder) => {
        await Deno.writeFile(`${folder}/file`, new Uint8Array(3e6));
        await Deno.writeTextFile(`${folder}/first.js`, FIRST);
        await using lab = await Lab.create({ serve: { folder, port: 80 } });
        const own = ["--scheduler", `${folder}/first.js`];
        const made = await lab.exec(mptcp("put", "--size", "4MB", "http://10.77.1.1/", ...own));
        // Whichever path was the first to answer.
        assertMatch(
          made.stderr,
          /^4\.00 MB in .*; mptcp[01] 100 %, .*\nby scheduler first, .*\nSHA-256 \w{64}, the same there$/m,
        );
        const file = await lab.exec(mptcp("put", `${folder}/file`, "http://10.77.1.1/file"));
        assertMatch(
          file.stderr,
          /^3\.00 MB in .*\nby scheduler earliest, .*\nSHA-256 \w{64}, the same there$/m,
        );
        assert(file.stderr.includes(await sha256(`${folder}/file`)));
        // All of a few megabytes can be there before the second path has joined.
        assertNoTrouble(await lab.nstat(), LATE_JOINS);
      });
    },
  );

  needs("python3").it("is not sent to the end by `mptcp put` when the server refuses", async () => {
    await withFolder(async (folder) => {
      await using lab = await Lab.create({ rates: ["20 Mbit/s"] });
      const server = lab.spawn(["python3", "-u", "-m", "http.server", "8081", "-d", folder], {
        stdout: "piped",
        stderr: "null",
      });
      const reader = server.stdout.getReader();
      await reader.read();
      const { code, stderr } = await lab.exec(
        mptcp("put", "--size", "100MB", "http://10.77.1.1:8081/"),
        false,
      );
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /The server answered 501|reset/);
      server.kill("SIGTERM");
      await reader.cancel();
      await server.status;
    });
  });

  needs("python3").it("has a line of JSON, by --json, whatever comes of it", async () => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/first.js`, FIRST);
      await using lab = await Lab.create({ serve: { folder, port: 80 } });
      const record = async (
        ...words: string[]
      ): Promise<{ code: number; stderr: string; record: TransferRecord }> => {
        const { code, stdout, stderr } = await lab.exec(mptcp(...words, "--json"), false);
        assertMatch(stdout, /^.+\n$/, stderr);
        return { code, stderr, record: JSON.parse(stdout) };
      };
      const to = (path: string) => ["get", `http://10.77.1.1${path}`, "-o", `${folder}/got`];
      const put = ["put", "--size", "4MB", "http://10.77.1.1/"];
      const got = await record(...to("/4MB"));
      const sent = await record(...put, "--scheduler", `${folder}/first.js`);
      assertEquals(got.record.url, "http://10.77.1.1/4MB");
      assertEquals(got.record.sha256, await sha256(`${folder}/got`));
      assertEquals(sent.record.sha256There, sent.record.sha256);
      assertEquals(sent.record.policies?.scheduler, "first");
      for (const { code, stderr, record } of [got, sent]) {
        assertEquals(code, 0, stderr);
        assert(!stderr.includes("SHA-256"), stderr);
        const { status, error, bytes, seconds, fallback, paths = {} } = record;
        assertEquals({ status, error, bytes, fallback }, {
          status: 200,
          error: null,
          bytes: 4e6,
          fallback: false,
        });
        assert(seconds > 0);
        assert(Object.keys(paths).every((name) => /^mptcp[01]/.test(name)), stderr);
        assert(Object.values(paths).reduce((sum, bytes) => sum + bytes) >= 4e6);
      }
      const none = await record(...to("/none/such"));
      assertEquals([none.code, none.record.status, none.record.bytes], [1, 404, 0]);
      assertMatch(none.record.error!, /^The server answered 404/);
      const nobody = await record(...to(":81/1kB"));
      assertEquals([nobody.code, nobody.record.status, nobody.record.sha256], [1, null, null]);
      assertMatch(nobody.record.error!, /refused/);
      // The standard output is one or the other's.
      const both = await lab.exec(mptcp("get", "http://10.77.1.1/1kB", "--json"), false);
      assertEquals([both.code, both.stdout], [2, ""]);
      assertMatch(both.stderr, /--json .*-o FILE/);
    });
  });

  needs("curl", "python3").it("is fetched by `mptcp get` from a server on plain TCP", async () => {
    await withFolder(async (folder) => {
      await using lab = await Lab.create({ mptcp: false, serve: { folder, port: 80 } });
      const url = "http://10.77.1.1/4MB";
      const { stderr } = await lab.exec(mptcp("get", url, "-o", `${folder}/got`));
      const sum = (await lab.exec(["curl", "-sS", `${url}.sha256`])).stdout.trim();
      assertEquals(await sha256(`${folder}/got`), sum);
      assertMatch(stderr, /plain TCP, as the server does not speak MPTCP/);
      // What is there stays where nothing comes for it, and is gone whole where something does.
      const get = (path: string, to = "got") =>
        lab.exec(mptcp("get", `http://10.77.1.1${path}`, "-o", `${folder}/${to}`), false);
      assertMatch((await get("/none/such")).stderr, /The server answered 404/);
      assertEquals(await sha256(`${folder}/got`), sum);
      assertEquals((await get("/1kB")).code, 0);
      assertEquals((await Deno.stat(`${folder}/got`)).size, 1000);
      // Where nothing was there is nothing, whatever keeps the body away: an answer, no server, its end before the first byte.
      const server = lab.spawn(["python3", "-uc", SHORT], { stdout: "piped", stderr: "null" });
      const reader = server.stdout.getReader();
      await reader.read();
      for (
        const [path, says] of [
          ["/none/such", /The server answered 404/],
          [":81/1kB", /refused/],
          [":8081/head", /The server ended the connection after 0 B of 100 B/],
          [":8081/nothing", /The server ended the connection before it answered/],
        ] as const
      ) {
        for (const to of ["none", "got"]) {
          const { code, stderr } = await get(path, to);
          assertEquals(code, 1, stderr);
          assertMatch(stderr, says);
        }
        await assertRejects(() => Deno.stat(`${folder}/none`), Deno.errors.NotFound);
        assertEquals((await Deno.stat(`${folder}/got`)).size, 1000);
      }
      server.kill("SIGTERM");
      await reader.cancel();
      await server.status;
    });
  });
});
