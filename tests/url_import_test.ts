import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ROOT, serveRepository } from "./support/serve.ts";

/** Moves 1 MB between emulated hosts with plugins imported by URL, and prints the SHA-256 of what came. */
const PROGRAM = (base: string): string => `
import { emulate } from "${base}mod.ts";
import { roundRobin } from "${base}sched/mod.ts";
import { reno } from "${base}cc/mod.ts";
import { nDiffPorts } from "${base}pm/mod.ts";

await using net = emulate({
  paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" }, lte: { rate: "12 Mbit/s", delay: "40 ms" } },
  scheduler: roundRobin(),
  congestionControl: reno(),
  pathManager: nDiffPorts(),
});
using listener = net.server.listen({ port: 80 });
const [conn, peer] = await Promise.all([
  net.client.connect({ hostname: "server", port: 80 }),
  listener.accept(),
]);
const bytes = Uint8Array.from({ length: 1e6 }, (_, i) => i * i >> 7);
const sending = peer.write(bytes).then(() => peer.closeWrite());
const received = new Uint8Array(await new Response(conn.readable).arrayBuffer());
await sending;
const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", received));
console.log(received.length, sum.toHex());
`;

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Runs deno in a folder of its own, with an empty cache for what it imports, and gives its output. */
async function runOutside(
  files: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: folder,
      env: { NO_COLOR: "1", DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
    }).output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("import by URL", () => {
  it("runs a program outside the clone with --allow-import alone", async () => {
    let base = "";
    await using _server = serveRepository({ port: 0, onListen: (url) => base = url });
    const { host } = new URL(base);
    const { code, stdout, stderr } = await runOutside({ "program.ts": PROGRAM(base) }, [
      "run",
      "--check",
      "--no-prompt",
      `--allow-import=${host}`,
      "program.ts",
    ]);
    const expected = await sha256(Uint8Array.from({ length: 1e6 }, (_, i) => i * i >> 7));
    assertEquals({ code, stdout }, { code: 0, stdout: `1000000 ${expected}\n` }, stderr);
  });

  it("runs the README's first program outside the clone, by the import map that is served", async () => {
    const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
    const program = /^```ts\n([^]*?)^```$/m.exec(readme)?.[1] ?? "";
    let base = "";
    await using _server = serveRepository({ port: 0, onListen: (url) => base = url });
    const { code, stdout, stderr } = await runOutside({
      "program.ts": program.replaceAll('"./docs/', `"${base}docs/`),
    }, [
      "run",
      "--no-prompt",
      `--import-map=${base}import_map.json`,
      `--allow-import=${new URL(base).host}`,
      "program.ts",
    ]);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^8 MB in [\d.]+ s of virtual time\n10\.0\.1\.1 \d+\n10\.0\.2\.1 \d+\n$/);
  });

  it("says so when the port of `deno task serve` is taken", async () => {
    let other: Deno.Listener | null = null;
    try {
      other = Deno.listen({ hostname: "localhost", port: 8000 });
    } catch {
      // By something else already, which is as well.
    }
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "-q", "serve"],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    }).output();
    other?.close();
    assertEquals(code, 1);
    assertEquals(
      new TextDecoder().decode(stderr),
      "Cannot serve at port 8000 as something else does, another `deno task serve` maybe\n",
    );
  });

  it("gives files their types and nothing hidden", async () => {
    let base = "";
    await using _server = serveRepository({ port: 0, onListen: (url) => base = url });
    const get = async (path: string, method = "GET"): Promise<string> => {
      const response = await fetch(`${base}${path}`, { method });
      await response.body?.cancel();
      return `${response.status} ${response.headers.get("content-type")?.split(";")[0]}`;
    };
    assertEquals(await get("mod.ts"), "200 application/typescript");
    assertEquals(await get("mod.ts", "HEAD"), "200 application/typescript");
    assertEquals(await get("wasm/core.wasm"), "200 application/wasm");
    for (const path of [".git/HEAD", ".links/README.md", "core", "no/such.ts", "%2e%2e/x", "%ff"]) {
      assertStringIncludes(await get(path), "404", path);
    }
    assertStringIncludes(await get("mod.ts", "DELETE"), "405");
    assertMatch(base, /^http:\/\/localhost:\d+\/$/);
  });
});
