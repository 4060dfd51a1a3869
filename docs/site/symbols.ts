/** The public symbols, as `deno doc` tells them. */

import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);

/** A comment, as `deno doc --json` has it. */
export interface JsDoc {
  /** The text above its tags. */
  readonly doc?: string;
  /** `@param` and the like. */
  readonly tags?: readonly {
    readonly kind: string;
    readonly name?: string;
    readonly doc?: string;
    readonly tsType?: { readonly repr?: string };
  }[];
}

/** What is declared under a name, as `deno doc --json` has it. */
export interface Declaration {
  /** Kind of the declaration: function, class, interface, typeAlias, variable, reference. */
  readonly kind: string;
  /** Where it stands. */
  readonly location: { readonly filename: string; readonly line: number };
  /** Its comment. */
  readonly jsDoc?: JsDoc;
  /** What it consists of; of a reference, where that is. */
  readonly def: Readonly<Record<string, unknown>> & {
    readonly target?: { readonly filename: string; readonly line: number };
  };
}

/** A symbol of an entry point. */
export interface DocSymbol {
  /** The entry point as it is imported, "@mptcp/mptcp/sched". */
  readonly entry: string;
  /** Name of the symbol. */
  readonly name: string;
  /** Kind of its declaration, as in {@linkcode Declaration}. */
  readonly kind: string;
  /** The file that declares it, below the root. */
  readonly file: string;
  /** Line there, from 1 on. */
  readonly line: number;
  /** Its comment as Markdown, examples included. */
  readonly markdown: string;
  /** All of it. */
  readonly declaration: Declaration;
}

/** What `deno doc` knows of an entry point. */
export interface EntryPoint {
  /** As it is imported. */
  readonly entry: string;
  /** The comment of the module. */
  readonly comment: JsDoc;
  /** What it exports, with what is exported from elsewhere put in its place. */
  readonly symbols: readonly DocSymbol[];
}

interface Nodes {
  readonly nodes: Readonly<
    Record<string, {
      readonly module_doc?: JsDoc;
      readonly symbols: readonly {
        readonly name: string;
        readonly declarations: readonly Declaration[];
      }[];
    }>
  >;
}

async function run(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: fileURLToPath(ROOT),
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(
    `Cannot run deno ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`,
  );
}

/** The text of a comment, and its examples. */
export function markdownOf({ doc = "", tags = [] }: JsDoc = {}): string {
  const examples = tags.filter(({ kind }) => kind === "example").map((
    { doc: text = "" },
  ) => text);
  return [doc, ...examples].join("\n\n").trim();
}

/** All entry points of deno.json, each with all that it exports. */
export async function entryPoints(): Promise<EntryPoint[]> {
  const { name, exports }: { name: string; exports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", ROOT)),
  );
  const files = Object.values(exports);
  const { nodes }: Nodes = JSON.parse(await run(["doc", "--json", ...files]));
  const places = new Map<string, Declaration>();
  for (const { symbols } of Object.values(nodes)) {
    for (const { declarations } of symbols) {
      for (const declaration of declarations) {
        if (declaration.kind === "reference") continue;
        const { filename, line } = declaration.location;
        places.set(`${filename}:${line}`, declaration);
      }
    }
  }
  const entries: EntryPoint[] = [];
  for (const [key, file] of Object.entries(exports)) {
    const entry = key.replace(".", name);
    const { module_doc: comment = {}, symbols } = nodes[new URL(file, ROOT).href]!;
    const found: DocSymbol[] = [];
    for (const { name, declarations } of symbols) {
      for (const own of declarations) {
        const { target } = own.def;
        const declaration = own.kind !== "reference"
          ? own
          : places.get(`${target?.filename}:${target?.line}`);
        // `import` of another module of the graph, which that module exports by itself.
        if (declaration === undefined) continue;
        const { filename, line } = declaration.location;
        found.push({
          entry,
          name,
          kind: declaration.kind,
          file: filename.slice(ROOT.href.length),
          line: line + 1,
          markdown: markdownOf(declaration.jsDoc),
          declaration,
        });
      }
    }
    entries.push({ entry, comment, symbols: found });
  }
  return entries;
}

/** The symbols of all entry points. */
export async function publicSymbols(): Promise<DocSymbol[]> {
  return (await entryPoints()).flatMap(({ symbols }) => symbols);
}
