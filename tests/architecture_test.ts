import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { pathToFileURL } from "node:url";
import {
  brokenArrows,
  impureFiles,
  impurities,
  LINES,
  longFiles,
  unportable,
} from "./support/architecture.ts";
import { ROOT } from "./support/serve.ts";

/** Entry points that programs import by URL, where no import map of ours reaches. */
const ENTRIES = ["mod.ts", "sched/mod.ts", "pm/mod.ts", "cc/mod.ts", "tests/kit/mod.ts"];

async function withTree(
  files: Readonly<Record<string, string>>,
  check: (root: URL) => Promise<void>,
): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const root = pathToFileURL(`${folder}/`);
  try {
    for (const [path, source] of Object.entries(files)) {
      const url = new URL(path, root);
      await Deno.mkdir(new URL(".", url), { recursive: true });
      await Deno.writeTextFile(url, source);
    }
    await check(root);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("architecture", () => {
  it("imports follow the arrows of the layers", async () => {
    assertEquals(await brokenArrows(ROOT), []);
  });

  it("entry points need no import map", async () => {
    assertEquals(await unportable(ROOT, ENTRIES), []);
  });

  it("sans-IO code uses no clock, promise, randomness or platform", async () => {
    assertEquals(await impureFiles(ROOT), []);
  });

  it("no file is too long", async () => {
    assertEquals(await longFiles(ROOT), []);
  });

  it("the lock file holds neither the WebAssembly compiler nor what tests imported over HTTP", async () => {
    // `deno task` downloads whatever it names, before anything runs.
    const { npm, remote = {} }: { npm: object; remote?: object } = JSON.parse(
      await Deno.readTextFile(new URL("deno.lock", ROOT)),
    );
    const compiler = Object.keys(npm).filter((name) => /^(assemblyscript|binaryen)@/.test(name));
    assertEquals([...compiler, ...Object.keys(remote)], []);
  });
});

describe("the architecture's rules", () => {
  const value = "export const value = 1; export type Value = number;\n";

  it("find an import against an arrow, of a type too", async () => {
    await withTree({
      "core/plugin.ts": value,
      "core/wire/a.ts": `import type { Value } from "../subflow/b.ts"; export type A = Value;`,
      "core/subflow/b.ts": `${value}export { value as other } from "../path/c.ts";`,
      "core/path/c.ts": `${value}export { value as d } from "../wire/d.ts";`,
      "core/wire/d.ts": value,
      "core/net/e.ts": `import { value } from "../../sched/f.ts"; export { value };`,
      "sched/f.ts": `${value}export { value as g } from "../core/wire/d.ts";`,
      "pm/g.ts": `import type { Value } from "../core/plugin.ts"; export type G = Value;`,
      "cc/h.ts": `${value}export * from "../pm/g.ts"; export * from "../tests/i.ts";`,
      "tests/i.ts": `export * from "../core/wire/d.ts";`,
    }, async (root) => {
      assertEquals(
        await brokenArrows(root).then((found) => found.map((text) => text.split(":")[0]).sort()),
        [
          "cc/h.ts imports pm/g.ts",
          "cc/h.ts imports tests/i.ts",
          "core/net/e.ts imports sched/f.ts",
          "core/subflow/b.ts imports core/path/c.ts",
          "core/wire/a.ts imports core/subflow/b.ts",
          "sched/f.ts imports core/wire/d.ts",
        ],
      );
    });
  });

  it("find what a program could not import by URL", async () => {
    await withTree({
      "mod.ts": `export * from "./core/net/a.ts"; export * from "@std/assert";`,
      "core/net/a.ts": `import "node:fs"; export const dns = () => import("node:dns");`,
      "core/connection/keys.ts": `import "node:crypto";`,
      "core/connection/other.ts": `import "node:crypto";`,
      "cli/a.ts": `import "npm:cli-table3@0.6.5"; import "node:fs"; import "./deps.ts";`,
      "cli/deps.ts": `export const table = 1;`,
    }, async (root) => {
      assertEquals((await brokenArrows(root)).map((text) => text.split(" imports ")[0]).sort(), [
        "cli/a.ts",
        "core/connection/other.ts",
        "core/net/a.ts",
        "mod.ts",
      ]);
      assertEquals(await unportable(root, ["mod.ts"]), [
        "core/net/a.ts imports node:fs",
        "mod.ts imports @std/assert",
      ]);
    });
  });

  it("find clocks, promises and platform names, and no types, comments or properties", () => {
    const found = (source: string): string[] =>
      impurities("a.ts", source).map((text) => text.split(" uses ")[1] ?? "");
    assertEquals(found("const now = Date.now();"), ["Date"]);
    assertEquals(found("performance.now(); Deno.exit(); const { Deno: d } = globalThis;"), [
      "performance",
      "Deno",
      "globalThis",
    ]);
    assertEquals(found("const a = async () => {}; async function b() { await a(); }"), [
      "async",
      "async",
      "await",
    ]);
    assertEquals(found("new Promise(() => {}); Math.random(); setTimeout(() => {}, 1);"), [
      "Promise",
      "Math.random",
      "setTimeout",
    ]);
    assertEquals(
      found(
        "/** Deno */ interface L { close(): Promise<void>; random(): number }\n" +
          "declare const l: L; l.random(); const o = { Date: 1 }; o.Date; 'Deno'; // await",
      ),
      [],
    );
  });

  it("find a file that is too long", async () => {
    await withTree({
      "a.ts": "//\n".repeat(LINES),
      "b/c.ts": "//\n".repeat(LINES + 1),
    }, async (root) => assertEquals(await longFiles(root), [`b/c.ts has ${LINES + 1} lines`]));
  });
});
