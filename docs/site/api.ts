/** The API reference, pages of Markdown from `deno doc`. */

import { declarationOf } from "./declaration.ts";
import type { DocSymbol, EntryPoint, JsDoc } from "./symbols.ts";

const ROOT = new URL("../../", import.meta.url);

/** A page of the reference. */
export interface ApiPage {
  /** Its file, without ".md". */
  readonly file: string;
  /** What the sidebar calls it. */
  readonly title: string;
  /** Its Markdown. */
  readonly text: string;
}

/** Parts of `@mptcp/mptcp` itself, by where symbols are declared; the first that fits. */
const PARTS: readonly {
  readonly file: string;
  readonly title: string;
  readonly about: string;
  readonly of: RegExp;
  /** What the line at its top imports. */
  readonly shown: string;
}[] = [
  {
    file: "api_plugin",
    shown: "type SchedulerPlugin",
    title: "Plugins: the interface",
    about: "What schedulers, congestion controls and path managers see, answer and are told.",
    of: /^core\/plugin\.ts$/,
  },
  {
    file: "api_elements",
    shown: "emulate",
    title: "Emulator: networks and elements",
    about:
      "Networks in virtual time, what links do to packets, and the boxes that stand on real paths.",
    of: /^core\/link\/sim\/|^core\/net\/(emulate|network)\.ts$|^core\/link\/units\.ts$/,
  },
  {
    file: "api_links",
    shown: "tun",
    title: "Links",
    about: "TUN devices, UDP, and what wraps and joins them.",
    of: /^core\/link\//,
  },
  {
    file: "api_mptcp",
    shown: "Host",
    title: "Hosts and connections",
    about: "What applications hold: hosts, connections, listeners, their options and figures.",
    of: /./,
  },
];

/** The entry points that are a page each. */
const PAGES: Readonly<Record<string, { file: string; title: string }>> = {
  "@mptcp/mptcp/sched": { file: "api_sched", title: "Schedulers" },
  "@mptcp/mptcp/cc": { file: "api_cc", title: "Congestion controls" },
  "@mptcp/mptcp/pm": { file: "api_pm", title: "Path managers" },
  "@mptcp/mptcp/node": { file: "api_node", title: "Node: sockets and HTTP" },
  "@mptcp/mptcp/sim": { file: "api_sim", title: "Scenarios" },
  "@mptcp/mptcp/bench": { file: "api_bench", title: "Comparing" },
  "@mptcp/mptcp/testing": { file: "api_testing", title: "The plugin kit" },
};

const KINDS: Readonly<Record<string, string>> = {
  function: "function",
  class: "class",
  interface: "interface",
  typeAlias: "type",
  variable: "value",
};

/** Where a symbol is explained. */
function homeOf({ file, entry }: DocSymbol): string {
  const folder = /^(sched|cc|pm)\//.exec(file)?.[1];
  if (folder !== undefined) return PAGES[`@mptcp/mptcp/${folder}`]!.file;
  if (entry !== "@mptcp/mptcp") return PAGES[entry]!.file;
  return PARTS.find(({ of }) => of.test(file))!.file;
}

function anchorOf(name: string): string {
  return `symbol-${name}`;
}

class Reference {
  readonly #homes = new Map<string, string>();
  readonly #symbols = new Map<string, DocSymbol>();
  readonly #sources = new Map<string, string>();
  /** Entry points by which a symbol can be imported. */
  readonly #entries = new Map<string, string[]>();

  constructor(entries: readonly EntryPoint[]) {
    for (const { entry, symbols } of entries) {
      for (const symbol of symbols) {
        const key = `${symbol.file}:${symbol.line}`;
        this.#entries.set(key, [...this.#entries.get(key) ?? [], entry]);
        const known = this.#symbols.get(key);
        if (known !== undefined) continue;
        this.#symbols.set(key, symbol);
        this.#homes.set(symbol.name, homeOf(symbol));
      }
    }
  }

  /** Symbols of a page: what there is first, types last, each kind by name. */
  of(page: string): DocSymbol[] {
    const order = ["class", "function", "variable", "interface", "typeAlias"];
    return [...this.#symbols.values()].filter((symbol) => homeOf(symbol) === page).sort((a, b) =>
      order.indexOf(a.kind) - order.indexOf(b.kind) ||
      (a.name < b.name ? -1 : 1)
    );
  }

  /** Text of a comment as Markdown that stands in a page: names lead to where they are explained, and nothing is taken for HTML. */
  prose(text: string, page: string): string {
    return text.split(/(^ *```[^]*?^ *```$)/gm).map((part, i) =>
      i % 2 === 1 ? part.replaceAll(/^( *```ts) .*$/gm, "$1") : part.split(/(`[^`\n]*`)/).map((
        piece,
        j,
      ) =>
        j % 2 === 1 ? piece : piece.replaceAll("<", "&lt;").replaceAll("{{", "&#123;{")
          .replaceAll(
            /\{@link(?:code|plain)? ([\w.]+)[^}]*\}/g,
            (_, name: string) => this.#link(name, page),
          )
      ).join("")
    ).join("");
  }

  #link(name: string, page: string): string {
    const [first = ""] = name.split(".");
    const home = this.#homes.get(first);
    if (home === undefined) return `\`${name}\``;
    return `[\`${name}\`](${home === page ? "" : `./${home}.md`}#${anchorOf(first)})`;
  }

  /** A row of the list at the top of a page. */
  row({ name, kind, markdown }: DocSymbol, page: string): string {
    const [first = ""] = markdown.split(/\n\n|(?<=[.:;]) (?=[A-Z])|\n *```/);
    const line = this.prose(first.replaceAll("\n", " "), page).replaceAll(
      "|",
      "\\|",
    );
    return `| [\`${name}\`](#${anchorOf(name)}) | ${KINDS[kind] ?? kind} | ${line} |`;
  }

  async section(symbol: DocSymbol, page: string): Promise<string> {
    const { name, kind, file, line, declaration } = symbol;
    const source = this.#sources.get(file) ??
      await Deno.readTextFile(new URL(file, ROOT));
    this.#sources.set(file, source);
    const entries = this.#entries.get(`${file}:${line}`) ?? [];
    const code = declarationOf(kind, source, line).replaceAll(
      /\{@link\w* ([^}]*)\}/g,
      "$1",
    );
    return `## ${name} {#${anchorOf(name)}}

${this.prose(declaration.jsDoc?.doc ?? "", page)}

\`\`\`ts
${code}
\`\`\`

${this.#tags(declaration.jsDoc, page)}
<p class="from">${KINDS[kind] ?? kind} of ${
      entries.map((entry) => `<code>${entry}</code>`).join(", ")
    } · <a href="./source/${file}.txt">${file}</a></p>
`;
  }

  #tags({ tags = [] }: JsDoc = {}, page: string): string {
    const list = (
      kind: string,
      title: string,
      head: (tag: typeof tags[number]) => string,
    ) => {
      const found = tags.filter((tag) => tag.kind === kind);
      if (found.length === 0) return "";
      const rows = found.map((tag) =>
        `- ${head(tag)}${this.prose((tag.doc ?? "").trim(), page).replaceAll("\n", "\n  ")}`
      );
      return `**${title}**\n\n${rows.join("\n")}\n\n`;
    };
    const examples = tags.filter(({ kind }) => kind === "example").map(
      ({ doc = "" }) => {
        const [title = "", ...rest] = doc.trimStart().split("\n");
        const text = title.startsWith("```") ? doc.trim() : rest.join("\n");
        const named = title === "" || title === "Usage" ||
          title.startsWith("```");
        return `**Example**${named ? "" : `: ${this.prose(title, page)}`}\n\n${
          this.prose(text, page)
        }\n\n`;
      },
    );
    return list("param", "Parameters", ({ name }) => `\`${name}\`: `) +
      list(
        "throws",
        "Throws",
        ({ tsType }) => tsType?.repr ? `\`${tsType.repr}\`: ` : "",
      ) +
      examples.join("");
  }
}

/** All pages, in the order of the sidebar. */
export async function apiPages(
  entries: readonly EntryPoint[],
): Promise<ApiPage[]> {
  const reference = new Reference(entries);
  const page = async (
    { file, title, about, entry, shown }: {
      file: string;
      title: string;
      about: string;
      entry: string;
      shown?: string;
    },
  ): Promise<ApiPage> => {
    const symbols = reference.of(file);
    const sections: string[] = [];
    for (const symbol of symbols) {
      sections.push(await reference.section(symbol, file));
    }
    const rows = symbols.map((symbol) => reference.row(symbol, file));
    return {
      file,
      title,
      text: `---
outline: 2
editLink: false
---

# ${title}

${reference.prose(about, file)}

\`\`\`ts
import { ${shown ?? symbols.find(({ kind }) => kind === "function")?.name} } from "${entry}";
\`\`\`

<div class="symbols">

| name | kind | what |
| ---- | ---- | ---- |
${rows.join("\n")}

</div>

${sections.join("\n")}`,
    };
  };
  const pages = PARTS.toReversed().map((part) => page({ ...part, entry: "@mptcp/mptcp" }));
  for (const { entry, comment } of entries) {
    const own = PAGES[entry];
    if (own !== undefined) {
      pages.push(page({ ...own, about: comment.doc ?? "", entry }));
    }
  }
  return await Promise.all(pages);
}
