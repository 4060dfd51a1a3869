import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathToFileURL } from "node:url";
import {
  brokenArrows,
  fieldNames,
  impureFiles,
  impurities,
  readImports,
  slowCalls,
  unportable,
  valueCircles,
} from "./support/architecture.ts";
import { foreignAssignments, openFields } from "./support/ownership.ts";
import { ROOT } from "./support/serve.ts";

/** Entry points that programs import by URL, where no import map of ours reaches. */
const ENTRIES = [
  "mod.ts",
  "sched/mod.ts",
  "pm/mod.ts",
  "cc/mod.ts",
  "sim/mod.ts",
  "tests/kit/mod.ts",
];

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
  // Draft ARC-1: core/path imports nothing of core/connection and core/subflow.
  it("imports follow the arrows of the layers", async () => {
    assertEquals(await brokenArrows(ROOT), []);
  });

  it("entry points need no import map, no package, nothing of node, and no module around them", async () => {
    assertEquals(await unportable(ROOT, ENTRIES), []);
  });

  it("sans-IO code uses no clock, promise, randomness or platform", async () => {
    assertEquals(await impureFiles(ROOT), []);
  });

  it("the lock of the command holds what the command uses, and that of tests no WebAssembly compiler; neither what tests imported over HTTP", async () => {
    // `deno task` downloads whatever the lock of deno.json names, before anything runs: hence it has none, and the tasks name theirs.
    const { lock, unstable } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    assertEquals({ lock, unstable }, { lock: false, unstable: ["npm-lazy-caching"] });
    const used: string[] = [];
    for await (const { name } of Deno.readDir(new URL("cli/", ROOT))) {
      if (!/^deps\w*\.ts$/.test(name)) continue;
      const text = await Deno.readTextFile(new URL(`cli/${name}`, ROOT));
      used.push(...text.match(/npm:(?:@[^/"]+\/)?[^/"]+/g) ?? []);
    }
    for (const path of ["deno.lock", "tests/deno.lock"]) {
      const { npm, specifiers, remote = {} }: {
        npm: object;
        specifiers: object;
        remote?: object;
      } = JSON.parse(await Deno.readTextFile(new URL(path, ROOT)));
      const compiler = Object.keys(npm).filter((name) => /^(assemblyscript|binaryen)@/.test(name));
      assertEquals([...compiler, ...Object.keys(remote)], [], path);
      if (path === "deno.lock") {
        const named = Object.keys(specifiers).filter((name) => name.startsWith("npm:"));
        assertEquals(named.sort(), [...new Set(used)].sort());
      }
    }
  });

  it("the command begins with two packages: what draws and what reads scenarios is loaded when it is needed", async () => {
    const imports = (await readImports(ROOT, ["cli/mod.ts"])).filter(({ type }) => !type);
    const reached = new Set(["cli/mod.ts"]);
    for (const path of reached) {
      for (const { from, to } of imports) if (from === path) reached.add(to);
    }
    const packages = [...reached].filter((name) => name.startsWith("npm:"));
    assertEquals(packages.sort(), ["npm:cli-progress@3.12.0", "npm:cli-table3@0.6.5"]);
  });
});

describe("parts own their state", () => {
  it("no file of a room needs itself by way of others", async () => {
    assertEquals(await valueCircles(ROOT), []);
  });

  it("the fields of packets are known in core/wire and wasm alone", async () => {
    assertEquals(await fieldNames(ROOT), []);
  });

  it("no file of core assigns to a field of a class in another", async () => {
    assertEquals(await foreignAssignments(ROOT), []);
  });

  it("anyone may change 20 fields of Subflow and MetaSocket at most", async () => {
    const fields = await openFields(ROOT, ["Subflow", "MetaSocket"]);
    assert(fields.length <= 20, `${fields.length}: ${fields.join(", ")}`);
  });
});

describe("what packets go through", () => {
  it("asks V8's runtime for no private accessor, and moves no array within itself", async () => {
    assertEquals(await slowCalls(ROOT), []);
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
      "core/net/a.ts":
        `import "node:fs"; export const dns = () => import("node:dns"); import.meta.url;`,
      "core/connection/keys.ts": `import "node:crypto"; import "../../wasm/core.wasm";`,
      "core/net/duplex.ts": `import "node:stream";`,
      "wasm/core.wasm": "\0asm\x01\0\0\0",
      "cli/a.ts": `import "npm:cli-table3@0.6.5"; import "node:fs"; import "./deps.ts";`,
      "cli/deps.ts": `export const table = 1;`,
      "cli/deps_b.ts": `import "npm:cli-table3@0.6.5";`,
    }, async (root) => {
      assertEquals((await brokenArrows(root)).map((text) => text.split(" imports ")[0]).sort(), [
        "cli/a.ts",
        "core/connection/keys.ts",
        "core/connection/keys.ts",
        "core/net/a.ts",
        "mod.ts",
      ]);
      assertEquals(await unportable(root, ["mod.ts"]), [
        "core/net/a.ts imports node:fs",
        "mod.ts imports @std/assert",
        "core/net/a.ts uses import.meta",
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

  it("find private accessors, and arrays that copy within themselves", async () => {
    await withTree({
      "core/wire/a.ts": `const u8 = new Uint8Array(2), list = [1, 2];
        u8.copyWithin(0, 1);
        list.copyWithin(0, 1);
        class A { get #a() { return 1; } set #a(_) {} get b() { return this.#a; } #c() {} #d = 1; }`,
      "cc/b.ts": `class B { get #gain() { return 1; } constructor() {} }`,
      "cli/c.ts": `class C { get #slow() { return 1; } }`,
    }, async (root) => {
      assertEquals(await slowCalls(root), [
        "cc/b.ts has get #gain",
        "core/wire/a.ts has list.copyWithin",
        "core/wire/a.ts has get #a",
        "core/wire/a.ts has set #a",
      ]);
    });
  });

  it("find circles of values within a room, and let types point back", async () => {
    await withTree({
      "core/wire/a.ts": `import { b } from "./b.ts"; export const a = b; export type A = number;`,
      "core/wire/b.ts": `export * from "./c.ts"; export const b = 1;`,
      "core/wire/c.ts": `import { type A, a } from "./a.ts"; export const c = (): A => a;`,
      "core/wire/d.ts": `import { a } from "./a.ts"; export const d = a;`,
      "core/path/a.ts": `import "./b.ts"; export type A = number;`,
      "core/path/b.ts": `import type { A } from "./a.ts"; import { type A as B } from "./a.ts";
        export type { A } from "./a.ts"; export { type A as C } from "./a.ts"; export type D = A | B;`,
      "sched/a.ts": `export const b = () => import("./b.ts");`,
      "sched/b.ts": `export { b as c } from "./a.ts";`,
      // Another rule is about these.
      "cc/a.ts": `export * from "../pm/a.ts";`,
      "pm/a.ts": `export * from "../cc/a.ts";`,
      "tests/a.ts": `import "./a.ts";`,
    }, async (root) => {
      assertEquals(await valueCircles(root), [
        "3 files need each other, so core/wire/a.ts -> core/wire/b.ts -> core/wire/c.ts -> core/wire/a.ts",
        "2 files need each other, so sched/a.ts -> sched/b.ts -> sched/a.ts",
      ]);
    });
  });

  it("find who takes the fields of packets past core/wire", async () => {
    await withTree({
      "wasm/layout.ts": `export const RX_SEQ = 0, TX_SEQ = 1, SLOT = 2, MATRIX_A = 3;`,
      "wasm/mod.ts": `export { RX_SEQ } from "./layout.ts";`,
      "core/wire/segment.ts": `export { RX_SEQ, TX_SEQ as sequence } from "../../wasm/layout.ts";`,
      "core/subflow/a.ts":
        `import { RX_SEQ as seq, SLOT } from "../../wasm/layout.ts"; seq + SLOT;`,
      "core/subflow/b.ts":
        `import { MATRIX_A, SLOT } from "../../wasm/layout.ts"; MATRIX_A + SLOT;`,
      "core/path/c.ts": `import * as L from "../../wasm/layout.ts"; L.TX_SEQ + L.RX_SEQ + L.SLOT;`,
      "core/path/d.ts": `// not RX_SEQ\nimport * as L from "../../wasm/layout.ts"; L.SLOT;`,
      "core/host/e.ts": `export { RX_SEQ } from "../wire/segment.ts";`,
      "tests/f.ts": `import { RX_SEQ } from "../wasm/layout.ts"; RX_SEQ;`,
    }, async (root) => {
      assertEquals(await fieldNames(root), [
        "core/host/e.ts takes RX_SEQ",
        "core/path/c.ts takes RX_SEQ, TX_SEQ",
        "core/subflow/a.ts takes RX_SEQ",
      ]);
    });
  });

  it("find assignments to fields of a class in another file, by their types", async () => {
    await withTree({
      "core/a.ts": `export interface Record { value: number; list: number[] }
        export class Owner {
          value = 0;
          list = [1];
          maybe?: number;
          readonly inner: Owner | null = null;
          constructor(public given: number, readonly record: Record) {}
          set(): void { this.value = 1; }
          static clear(owner: Owner): void { owner.value = 0; }
        }
        export class Other { value = 0; }`,
      "core/wire/b.ts": `import { Other, Owner, type Record } from "../a.ts";
        class Mine { value = 0; }
        class Heir extends Owner { more = 0; grow(): void { this.value = 2; } }
        export function plain(record: Record, mine: Mine, heir: Heir): void {
          record.value = 1;
          record.list.length = 0;
          mine.value++;
          heir.more = 1;
          ({ value: 0 }).value = 1;
        }
        export function foreign(owner: Owner, either: Record | Owner, heir: Heir): void {
          owner.value = 1;
          owner.given += 1;
          owner["value"] = 2;
          owner.inner!.value--;
          either.value = 1;
          heir.value = 1;
          delete owner.maybe;
          [owner.value, { a: heir.given }] = [1, { a: 2 }] as const;
          ({ value: owner.value = 1, ...owner.record } = { value: 1 } as never);
          for (owner.value of [1]);
          owner.list.push(1);
          const { record } = owner;
          record.value = 1;
          const same = owner;
          /* é😀 */ same.list = [];
          new Other().value ||= 1;
        }`,
      "cli/c.ts":
        `import { Owner } from "../core/a.ts"; new Owner(1, { value: 1, list: [] }).value = 1;`,
    }, async (root) => {
      const value = "assigns Owner.value of core/a.ts";
      const given = "assigns Owner.given of core/a.ts";
      assertEquals(await foreignAssignments(root), [
        `core/wire/b.ts:12 ${value}`,
        `core/wire/b.ts:13 ${given}`,
        `core/wire/b.ts:14 ${value}`,
        `core/wire/b.ts:15 ${value}`,
        `core/wire/b.ts:16 ${value}`,
        `core/wire/b.ts:17 ${value}`,
        "core/wire/b.ts:18 assigns Owner.maybe of core/a.ts",
        `core/wire/b.ts:19 ${given}`,
        `core/wire/b.ts:19 ${value}`,
        `core/wire/b.ts:20 ${value}`,
        `core/wire/b.ts:21 ${value}`,
        "core/wire/b.ts:26 assigns Owner.list of core/a.ts",
        "core/wire/b.ts:27 assigns Other.value of core/a.ts",
      ]);
    });
  });

  it("count the fields of a class that anyone may change", async () => {
    await withTree({
      "core/subflow/a.ts": `export class Subflow {
          a = 0;
          readonly b = 1;
          #c = 2;
          private d = 3;
          protected e = 4;
          static f = 5;
          declare g: number;
          accessor h = 6;
          "i j" = 7;
          constructor(public k: number, readonly l: number, private m = 1, public n = 2, o = 3) {}
          get p(): number { return this.#c + this.d + this.m; }
          q(): void {}
        }
        export class Other { r = 1; }`,
      "core/path/b.ts": `export abstract class MetaSocket { abstract s: number; }`,
      "tests/c.ts": `class Subflow { t = 1; }`,
    }, async (root) => {
      const names = ["Subflow", "MetaSocket"];
      assertEquals((await openFields(root, names)).map((name) => name.split(".")[1]), [
        ..."saefgh",
        "i j",
        ..."kn",
      ]);
      await assertRejects(() => openFields(root, [...names, "Gone"]), Error, "the class Gone");
    });
  });
});
