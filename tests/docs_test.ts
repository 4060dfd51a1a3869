/** What the documents promise: commands exist, links lead somewhere, programs run as printed (that last one is `deno test --doc`). */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { DEFAULT_MPTCP } from "../core/connection/settings.ts";
import { DEFAULT_SETTINGS } from "../core/subflow/settings.ts";
import { PROBE_METHODS } from "../core/subflow/probe.ts";
import { listFiles } from "./support/architecture.ts";
import { ROOT } from "./support/serve.ts";

interface Block {
  readonly file: string;
  readonly info: string;
  readonly text: string;
}

async function read(file: string): Promise<string> {
  return await Deno.readTextFile(new URL(file, ROOT));
}

const documents = listFiles(ROOT, ".md").filter((file) => !file.startsWith(".links/"));

async function blocks(): Promise<Block[]> {
  const found: Block[] = [];
  for (const file of documents) {
    for (
      const [, info = "", text = ""] of (await read(file)).matchAll(/^```(.*)\n([^]*?)^```$/gm)
    ) {
      found.push({ file, info, text });
    }
  }
  return found;
}

describe("documents", () => {
  it("name only tasks that exist, with a description each", async () => {
    const { tasks }: { tasks: Record<string, { description?: string }> } = JSON.parse(
      await read("deno.json"),
    );
    for (const [name, { description }] of Object.entries(tasks)) assert(description, name);
    for (const file of documents) {
      for (
        const [, name = ""] of (await read(file)).matchAll(/deno(?:@[\d.]+)? task ([a-z][\w:]*)/g)
      ) {
        assert(name in tasks, `${file} names the task ${name}`);
      }
    }
  });

  it("link to files that exist", async () => {
    const missing: string[] = [];
    for (const file of documents) {
      for (const [, target = ""] of (await read(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:|^#/.test(target)) continue;
        const url = new URL(target.replace(/#.*$/, ""), new URL(file, ROOT));
        await Deno.stat(url).catch(() => missing.push(`${file}: ${target}`));
      }
    }
    assertEquals(missing, []);
  });

  it("link to headings that there are", async () => {
    /** As GitHub makes them. */
    const anchor = (heading: string): string =>
      heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
        .replace(/[^\p{L}\p{N}_\- ]/gu, "").trim().replaceAll(" ", "-");
    const anchors = new Map<string, Set<string>>();
    for (const file of documents) {
      const text = (await read(file)).replace(/^```[^]*?^```$/gm, "");
      const found = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchor(heading));
      anchors.set(new URL(file, ROOT).href, new Set(found));
    }
    const missing: string[] = [];
    for (const file of documents) {
      for (const [, target = ""] of (await read(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target) || !target.includes("#")) continue;
        const url = new URL(target, new URL(file, ROOT));
        const name = url.hash.slice(1);
        url.hash = "";
        if (anchors.get(url.href)?.has(name) !== true) missing.push(`${file}: ${target}`);
      }
    }
    assertEquals(missing, []);
  });

  it("lead from the draft's words to code that is there (INT-2)", async () => {
    const glossary = (await read("docs/draft.md")).split("\n## ")[1] ?? "";
    const rows = [...glossary.matchAll(/^\| (.+?) +\| (.+?) +\|$/gm)].slice(2);
    assert(rows.length >= 8, `${rows.length}`);
    for (const [, word, where = ""] of rows) {
      const files = where.match(/core\/[\w/.]+/g) ?? [];
      assert(files.length > 0, word);
      const texts: string[] = [];
      for (const file of files) {
        const { isDirectory } = await Deno.stat(new URL(file.replace(/\.$/, ""), ROOT));
        if (!isDirectory) texts.push(await read(file));
      }
      for (const [, name = ""] of where.matchAll(/`(\w+)`/g)) {
        assert(texts.some((text) => new RegExp(`\\b${name}\\b`).test(text)), `${word}: ${name}`);
      }
    }
  });

  it("list all options of TCP, and all events of a probe", async () => {
    const text = await read("docs/tcp.md");
    for (const option of Object.keys(DEFAULT_SETTINGS)) {
      assertStringIncludes(text, `\n| \`${option}\` `);
    }
    for (const event of PROBE_METHODS) assertStringIncludes(text, `\`${event}\``);
  });

  it("list all options of MPTCP", async () => {
    const text = await read("docs/mptcp.md");
    for (const option of Object.keys(DEFAULT_MPTCP)) {
      if (option !== "enabled") assertStringIncludes(text, `\n| \`${option}\` `);
    }
  });

  it("have programs that run as printed", async () => {
    const readme = (await blocks()).filter(({ file, info }) =>
      file === "README.md" && /^ts\b/.test(info)
    );
    assert(readme.length > 0);
    for (const { info } of readme) assertEquals(info, "ts");
    // The first one is what a newcomer sees: an own scheduler at work, on one screen.
    const [{ text }] = readme as [Block];
    assertStringIncludes(text, `from "@mptcp/mptcp"`);
    assertLess(text.trimEnd().split("\n").length, 28);
  });
});
