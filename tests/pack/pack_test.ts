/** The package for npm, built once, as those who install it use it: in each runtime, with its types, and by its command. */

import { afterAll, beforeAll, describe } from "@std/testing/bdd";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../support/serve.ts";
import { needs } from "../support/tools.ts";

let folder = "";
/** Where the package is installed. */
const home = (): string => `${folder}/node_modules/${config.name}`;

/** Two paths, a loss and joins: 300 kB, the SHA-256 of what came, and how long it took in virtual time. */
const PROGRAM = `
import { emulate } from "${config.name}";
import { roundRobin } from "${config.name}/sched";

const net = emulate({
  paths: {
    wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.01 },
    lte: { rate: "12 Mbit/s", delay: "40 ms" },
  },
  mptcp: { checksum: true },
  scheduler: roundRobin(),
});
const listener = net.server.listen({ port: 80 });
const [conn, peer] = await Promise.all([
  net.client.connect({ hostname: "server", port: 80 }),
  listener.accept(),
]);
const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * i >> 7);
const sending = peer.write(bytes).then(() => peer.closeWrite());
const received = new Uint8Array(await new Response(conn.readable).arrayBuffer());
await sending;
const { subflows } = conn.info();
const equal = received.length === bytes.length && received.every((byte, i) => byte === bytes[i]);
const refused = await net.client.connect({ hostname: "server", port: 81 }).catch(({ name }) => name);
await net[Symbol.asyncDispose]();
const answer = \`\${equal} \${subflows.length} \${net.now} \${refused}\`;
`;

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function output(command: Deno.Command): Promise<Output> {
  const { code, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Runs a module of `folder` in a runtime, with a PATH that leads to runtimes and to nothing else. */
function options(...args: readonly string[]): Deno.CommandOptions {
  return { args: [...args], cwd: folder, env: { PATH: `${folder}/runtimes`, NO_COLOR: "1" } };
}

/** Puts those programs that are installed here into a folder of their own. */
async function gather(programs: readonly string[], to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const program of programs) {
    for (const folder of (Deno.env.get("PATH") ?? "").split(":").reverse()) {
      const path = await Deno.realPath(`${folder}/${program}`).catch(() => null);
      if (path === null) continue;
      await Deno.remove(`${to}/${program}`).catch(() => {});
      await Deno.symlink(path, `${to}/${program}`);
    }
  }
}

/** What the program prints in Deno, which the others are to print too. */
let expected = "";

describe("the package for npm", () => {
  beforeAll(async () => {
    folder = await Deno.makeTempDir();
    const { code, stderr } = await output(
      new Deno.Command(Deno.execPath(), {
        args: ["task", "pack", home()],
        cwd: ROOT,
      }),
    );
    assertEquals(code, 0, stderr);
    await gather(["node", "bun"], `${folder}/runtimes`);
    await Deno.writeTextFile(`${folder}/package.json`, `{ "type": "module" }`);
    await Deno.writeTextFile(
      `${folder}/program.js`,
      `${PROGRAM}console.log(answer);`,
    );
    await Deno.writeTextFile(
      `${folder}/map.json`,
      JSON.stringify({
        imports: {
          [config.name]: `${ROOT}mod.ts`,
          [`${config.name}/sched`]: `${ROOT}sched/mod.ts`,
        },
      }),
    );
    const sources = await output(
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-config", "--import-map=map.json", "program.js"],
        cwd: folder,
        env: { DENO_NO_PACKAGE_JSON: "1", NO_COLOR: "1" },
      }),
    );
    assertMatch(sources.stdout, /^true 2 [\d.]+ \w+\n$/, sources.stderr);
    expected = sources.stdout;
  });

  afterAll(() => Deno.remove(folder, { recursive: true }));

  needs("node").it(
    "runs in Node as the sources do in Deno, to the microsecond",
    async () => {
      const { code, stdout, stderr } = await output(
        new Deno.Command("node", options("program.js")),
      );
      assertEquals([code, stdout], [0, expected], stderr);
    },
  );

  needs("bun").it(
    "runs in Bun as the sources do in Deno, to the microsecond",
    async () => {
      const { code, stdout, stderr } = await output(
        new Deno.Command("bun", options("program.js")),
      );
      assertEquals([code, stdout], [0, expected], stderr);
    },
  );

  needs("chromium").it(
    "runs in a browser as the sources do in Deno, without a bundler",
    async () => {
      const imports = JSON.stringify({
        [config.name]: `/node_modules/${config.name}/mod.js`,
        [`${config.name}/sched`]: `/node_modules/${config.name}/sched/mod.js`,
      });
      const page = `<!DOCTYPE html><script type="importmap">{ "imports": ${imports} }</script>
      <script type="module">
      onerror = onunhandledrejection = (event) => document.title = event.reason ?? event;
      ${PROGRAM}document.title = answer; fetch("/done?" + answer);</script>`;
      const { promise, resolve } = Promise.withResolvers<string>();
      await using server = Deno.serve(
        { port: 0, onListen() {} },
        async (request) => {
          const { pathname, search } = new URL(request.url);
          if (pathname === "/") {
            return new Response(page, {
              headers: { "content-type": "text/html" },
            });
          }
          if (pathname === "/done") {
            resolve(decodeURIComponent(search.slice(1)));
          }
          const file = await Deno.readTextFile(`${folder}${pathname}`).catch(
            () => null,
          );
          return new Response(file, {
            status: file === null ? 404 : 200,
            headers: { "content-type": "text/javascript" },
          });
        },
      );
      const browser = new Deno.Command("chromium", {
        args: [
          "--headless=new",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-dev-shm-usage",
          "--remote-debugging-port=0",
          `--user-data-dir=${folder}/profile`,
          `http://localhost:${server.addr.port}/`,
        ],
        stdout: "null",
        stderr: "null",
      }).spawn();
      const answer = await Promise.race([
        promise,
        browser.status.then(({ code }) => `the browser ended: ${code}`),
      ]);
      browser.kill();
      await browser.status;
      assertEquals(`${answer}\n`, expected);
    },
  );

  needs("node").it(
    "has types that stand without Deno's, for the strictest compiler",
    async () => {
      await Deno.writeTextFile(
        `${folder}/types.ts`,
        `import { emulate, type MptcpConn, type NetAddr, type SchedulerPlugin } from "${config.name}";
import { earliest } from "${config.name}/sched";
import { fullMesh } from "${config.name}/pm";
import { lia } from "${config.name}/cc";
import { measure, type Scenario } from "${config.name}/sim";
import { verify } from "${config.name}/testing";
const scheduler: SchedulerPlugin = earliest();
verify(scheduler);
export const net = emulate({ paths: { a: { rate: "1 Mbit/s", delay: "1 ms" } }, scheduler, pathManager: fullMesh(), congestionControl: lia() });
export const conn: MptcpConn = await net.client.connect({ hostname: "server", port: 80 });
export const address: NetAddr = conn.remoteAddr;
export const one = (scenario: Scenario): number => measure(scenario).seed;
// @ts-expect-error What is no rate is found.
emulate({ paths: { a: { rate: true } } });
`,
      );
      // What a target has by itself is enough: no library has to be named for what it lacks.
      for (const target of ["es2022", "esnext"]) {
        const { code, stdout } = await output(
          new Deno.Command(Deno.execPath(), {
            args: [
              "run",
              "-A",
              "--frozen",
              "--config=pack/deno.json",
              "tsc",
              "--noEmit",
              "--strict",
              "--exactOptionalPropertyTypes",
              "--noUncheckedIndexedAccess",
              ...["--target", target, "--module", "nodenext"],
              `${folder}/types.ts`,
            ],
            cwd: ROOT,
          }),
        );
        assertEquals([code, stdout], [0, ""], target);
      }
      const socket = await Deno.readTextFile(`${home()}/core/net/duplex.d.ts`);
      assertMatch(socket, /^\/\/\/ <reference types="node" \/>$/m);
    },
  );

  const command = (...args: readonly string[]): string[] => [
    `${home()}/command/pack/bin.js`,
    ...args,
  ];

  needs("node").it(
    "brings the command: what needs Deno says so, the rest runs",
    async () => {
      const node = (...args: readonly string[]): Promise<Output> =>
        output(new Deno.Command("node", options(...command(...args))));
      assertEquals(
        (await node("--version")).stdout,
        `mptcp ${config.version}\n`,
      );
      const { code, stderr } = await node("get", "http://10.77.1.1/");
      assertEquals(code, 1);
      assertEquals(
        stderr,
        "mptcp get needs Deno, which opens TUN devices and control sockets as Node cannot: install it (npm install -g deno), and this command finds it\n",
      );
      assertStringIncludes(
        (await node("get", "--help")).stdout,
        "mptcp get [OPTIONS] URL",
      );
      const made = await node("new", "scheduler", "mine");
      assertStringIncludes(made.stdout, "node --test mine_test.ts");
      assertStringIncludes(
        await Deno.readTextFile(`${folder}/mine.ts`),
        `import type { Scheduler, SchedulerPlugin } from "${config.name}";`,
      );
      const demo = await node(
        "demo",
        "--size",
        "100kB",
        "--scheduler",
        "min_rtt",
        "-o",
        "demo.svg",
      );
      assertEquals(demo.code, 0, demo.stderr);
      assertStringIncludes(demo.stdout, "equal");
      assertStringIncludes(
        await Deno.readTextFile(`${folder}/demo.svg`),
        "<svg",
      );
      const sim = await node("sim", "requests", "--runs", "1", "--workers", "1");
      assertEquals(sim.code, 0, sim.stderr);
    },
  );

  needs("node").it(
    "hands what needs Deno to the deno that is installed",
    async () => {
      await gather(["node"], `${folder}/both`);
      await Deno.symlink(Deno.execPath(), `${folder}/both/deno`);
      const { code, stderr } = await output(
        new Deno.Command("node", {
          ...options(...command("ss", "--control", `${folder}/none.sock`)),
          env: { PATH: `${folder}/both`, NO_COLOR: "1" },
        }),
      );
      assertEquals(code, 1);
      assert(!stderr.includes("needs Deno"), stderr);
      const why = `Cannot ask ${folder}/none.sock as there is no such socket`;
      assert(stderr.startsWith(why), stderr);
    },
  );

  needs("node").it("is what `deno install` makes the command of", async () => {
    const install = ["install", "--quiet", "--global", "--no-config", "-A", "--name=mptcp"];
    const { code, stderr } = await output(
      new Deno.Command(Deno.execPath(), {
        args: [...install, `--root=${folder}/installed`, ...command()],
        cwd: folder,
        env: { DENO_NO_PACKAGE_JSON: "1", NO_COLOR: "1" },
      }),
    );
    assertEquals(code, 0, stderr);
    const { stdout } = await output(
      new Deno.Command("sh", { args: ["-c", `${folder}/installed/bin/mptcp --version`] }),
    );
    assertEquals(stdout, `mptcp ${config.version}\n`);
  });

  needs("node").it(
    "holds no name of the machine that built it, and its licences",
    async () => {
      const root = fileURLToPath(ROOT);
      for await (const { name, isFile } of Deno.readDir(`${home()}/command`)) {
        if (!isFile) continue;
        const text = await Deno.readTextFile(`${home()}/command/${name}`);
        assert(!text.includes(root), name);
      }
      assertStringIncludes(
        await Deno.readTextFile(`${home()}/command/LICENCES`),
        "\najv ",
      );
    },
  );
});
