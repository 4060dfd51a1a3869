/** What the comments of public symbols show: an example each, which `deno test --doc` runs, and imports as a reader writes them. */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { listFiles } from "./support/architecture.ts";
import { type DocSymbol, publicSymbols } from "../docs/site/symbols.ts";
import { ROOT } from "./support/serve.ts";

const { exports, publish }: {
  exports: Record<string, string>;
  publish: { include: string[] };
} = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));

/** Blocks of TypeScript in a text of Markdown: what stands behind "ts" in the first line, and the code. */
function blocks(markdown: string): { info: string; code: string }[] {
  return [...markdown.matchAll(/^ *```ts\b(.*)\n([^]*?)^ *```$/gm)]
    .map(([, info = "", code = ""]) => ({ info: info.trim(), code }));
}

/** The comments of a module, as Markdown. */
function comments(source: string): string {
  return [...source.matchAll(/^ *\/\*\*[^]*?\*\//gm)]
    .map(([comment]) => comment.replaceAll(/^ *(\/\*\*|\*\/|\*) ?/gm, "")).join("\n");
}

/** Blocks that a reader may copy, by the file that they stand in. */
async function examples(): Promise<{ file: string; code: string }[]> {
  const documents = listFiles(ROOT, ".md").filter((file) => !file.startsWith(".links/"));
  const sources = publish.include.filter((name) =>
    !/\*|\.(md|wasm)$/.test(name) && !/^[A-Z]/.test(name)
  )
    .flatMap((name) =>
      name.endsWith(".ts")
        ? [name]
        : listFiles(new URL(`${name}/`, ROOT), ".ts").map((file) => `${name}/${file}`)
    );
  sources.push("bench/mod.ts");
  const found: { file: string; code: string }[] = [];
  for (const file of [...documents, ...sources]) {
    const text = await Deno.readTextFile(new URL(file, ROOT));
    const markdown = file.endsWith(".md") ? text : comments(text);
    found.push(...blocks(markdown).map(({ code }) => ({ file, code })));
  }
  return found;
}

describe("the documentation of public symbols", () => {
  let symbols: Promise<DocSymbol[]> | null = null;
  const all = (): Promise<DocSymbol[]> => symbols ??= publicSymbols();

  // What an interface or a type is for is seen where a function takes one, or gives one.
  it("has an example that runs for each function, class and value; interfaces and types are parts of those", async () => {
    const seen = new Set<string>();
    const bare = new Set<string>();
    for (const { name, kind, file, markdown } of await all()) {
      if (!["function", "class", "variable"].includes(kind)) continue;
      seen.add(`${file}: ${name}`);
      const shown = blocks(markdown).filter(({ info }) => info === "");
      // An instance comes from some function; a function, or a value, is named where it is shown.
      const named = new RegExp(`\\b${name}\\b`);
      if (!shown.some(({ code }) => kind === "class" || named.test(code))) {
        bare.add(`${file}: ${name}`);
      }
    }
    assert(seen.size > 100, `${seen.size}`);
    assertEquals([...bare].sort(), []);
  });

  it("has a sentence for every symbol, interfaces and types as well", async () => {
    const bare = (await all()).filter(({ markdown }) => markdown.trim() === "");
    assertEquals(bare.map(({ name, file }) => `${file}: ${name}`), []);
  });

  it("names this library in one way, @mptcp/mptcp and what deno.json exports below it, as do all documents", async () => {
    const own = Object.keys(exports).map((name) => name.replace(".", "@mptcp/mptcp"));
    const faults: string[] = [];
    let count = 0;
    for (const { file, code } of await examples()) {
      for (const [, name = ""] of code.matchAll(/\b(?:from|import) ?\(?"([^"]+)"/g)) {
        count++;
        if (own.includes(name) || /^(node:|npm:|@std\/)/.test(name)) continue;
        // A file of the reader's, or an example of a plugin.
        const path = new URL(name, new URL(file, ROOT)).href.slice(ROOT.href.length);
        const there = await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
        if (/^\.\.?\//.test(name) && (!there || path.startsWith("docs/examples/"))) continue;
        faults.push(`${file}: ${name}`);
      }
    }
    assert(count > 100, `${count}`);
    assertEquals(faults, []);
  });
});
