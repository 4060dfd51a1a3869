/** Reads the import graph and the source of a tree and lists what breaks the rules of its layers. */

import { fileURLToPath } from "node:url";
import { parse, walk } from "./syntax.ts";

/** The rooms of the product, and what each may import besides itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "wasm": [],
  "core/plugin.ts": [],
  "core/wire": ["wasm", "core/plugin.ts"],
  "core/subflow": ["wasm", "core/plugin.ts", "core/wire"],
  "core/path": ["wasm", "core/plugin.ts", "core/wire"],
  "core/guard": ["core/plugin.ts"],
  "core/connection": [
    "wasm",
    "core/plugin.ts",
    "core/wire",
    "core/subflow",
    "core/path",
    "core/guard",
  ],
  "core/host": [
    "wasm",
    "core/plugin.ts",
    "core/wire",
    "core/subflow",
    "core/path",
    "core/guard",
    "core/connection",
  ],
  "core/link": [
    "wasm",
    "core/plugin.ts",
    "core/wire",
    "core/subflow",
    "core/path",
    "core/connection",
    "core/host",
  ],
  "core/net": [
    "wasm",
    "core/plugin.ts",
    "core/wire",
    "core/subflow",
    "core/path",
    "core/guard",
    "core/connection",
    "core/host",
    "core/link",
  ],
  "sched": ["core/plugin.ts"],
  "pm": ["core/plugin.ts"],
  "cc": ["core/plugin.ts"],
};

/** Rooms above the product: they may import any of it, and nothing of it may import them. */
const ABOVE = ["mod.ts", "sim", "cli", "tests", "bench"];

/** Rooms whose code is a function of its arguments: no clock, no promise, no randomness of its own, nothing of the platform. */
const PURE = [
  "core/plugin.ts",
  "core/wire",
  "core/subflow",
  "core/path",
  "core/guard",
  "core/connection",
  "core/host",
  "sched",
  "pm",
  "cc",
];

/** Names of the platform that pure code does without. */
const IMPURE = new Set([
  "Deno",
  "Date",
  "performance",
  "Promise",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "crypto",
  "fetch",
  "process",
  "console",
  "globalThis",
]);

/** Modules of node that files of the library import: those behind node.ts, the bridge to node, which mod.ts does not reach. */
const NODE_MODULES: Readonly<Record<string, readonly string[]>> = {
  "core/net/http.ts": ["node:http", "node:stream"],
  "core/net/duplex.ts": ["node:buffer", "node:process", "node:stream"],
};

interface InfoDependency {
  readonly specifier: string;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

interface InfoModule {
  readonly specifier: string;
  readonly dependencies?: readonly InfoDependency[];
  readonly error?: string;
}

/** One import of a file, as written and as resolved. */
interface Import {
  readonly from: string;
  readonly specifier: string;
  /** Path below the root, or the specifier of what is not a file there. */
  readonly to: string;
  readonly dynamic: boolean;
  /** Whether the types of the other alone are needed. */
  readonly type: boolean;
}

function inRoom(path: string, room: string): boolean {
  return path === room || path.startsWith(`${room}/`);
}

function roomOf(path: string): string | undefined {
  return Object.keys(ARROWS).find((room) => inRoom(path, room));
}

/** Every file of the tree that is the project's own, as paths below the root, sorted. */
export function listFiles(root: URL, extension: string): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of Deno.readDirSync(new URL(folder, root))) {
      const path = folder === "./" ? entry.name : `${folder}${entry.name}`;
      if (entry.isDirectory) {
        const skipped = [".git", "node_modules", "coverage", "vendor"].includes(entry.name);
        if (!skipped) walk(`${path}/`);
      } else if (entry.name.endsWith(extension)) found.push(path);
    }
  };
  walk("./");
  return found.sort();
}

/** All imports of the files given and of what they reach, as `deno info --json` tells them. */
export async function readImports(root: URL, files: readonly string[]): Promise<Import[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const lines = files.map((file) => `import ${JSON.stringify(new URL(file, root).href)};\n`);
    await Deno.writeTextFile(entry, lines.join(""));
    const config = await Deno.stat(new URL("deno.json", root)).then(
      () => ["--config", fileURLToPath(new URL("deno.json", root))],
      () => ["--no-config"],
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", ...config, entry],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const { modules }: { modules: InfoModule[] } = JSON.parse(new TextDecoder().decode(stdout));
    const missing = modules.find((module) => module.error !== undefined);
    if (missing) throw new Error(`Cannot read ${missing.specifier}: ${missing.error}`);
    const relative = (specifier: string): string =>
      specifier.startsWith(root.href) ? specifier.slice(root.href.length) : specifier;
    return modules.flatMap((module) => {
      const from = relative(module.specifier);
      if (from === module.specifier) return [];
      return (module.dependencies ?? []).map((dependency) => ({
        from,
        specifier: dependency.specifier,
        to: relative(
          dependency.code?.specifier ?? dependency.type?.specifier ?? dependency.specifier,
        ),
        dynamic: dependency.isDynamic ?? false,
        type: dependency.code === undefined,
      }));
    });
  } finally {
    await Deno.remove(entry);
  }
}

/** What is wrong with one import, or null. */
function judge({ from, specifier, to, dynamic, type }: Import): string | null {
  const room = roomOf(from);
  if (room === undefined) {
    // The command may use third parties, named in files of their own so that it too runs by URL.
    const foreign = !/^(\.|node:)/.test(specifier);
    return foreign &&
        (from === "mod.ts" || inRoom(from, "cli") && !/^cli\/deps(_\w+)?\.ts$/.test(from))
      ? `${from} imports ${specifier}: third parties stand in cli/deps.ts and cli/deps_*.ts`
      : null;
  }
  if (specifier.startsWith("node:")) {
    // Reached by a dynamic import they load on first use, so a bundle for a browser can leave them out.
    if (dynamic && ["core/net", "core/link"].includes(room)) return null;
    return NODE_MODULES[from]?.includes(specifier) ? null : `${from} imports ${specifier}`;
  }
  if (!specifier.startsWith(".")) {
    return `${from} imports ${specifier}: only relative specifiers work without an import map`;
  }
  // For its types; the bytes stand in core_bytes.ts, as few runtimes and bundlers import such a file.
  if (to.endsWith(".wasm")) {
    return from === "wasm/core.ts" && type
      ? null
      : `${from} imports ${to}: wasm/core.ts, its types`;
  }
  const target = roomOf(to);
  if (target === room || (target !== undefined && ARROWS[room]?.includes(target))) return null;
  if (target !== undefined || ABOVE.some((above) => inRoom(to, above))) {
    return `${from} imports ${to}: ${room} may import ${ARROWS[room]?.join(", ") || "nothing"}`;
  }
  return `${from} imports ${to}, which is in no room`;
}

/** Lists the imports that point against an arrow. */
export async function brokenArrows(root: URL): Promise<string[]> {
  const files = listFiles(root, ".ts").filter((file) =>
    (roomOf(file) !== undefined && !inRoom(file, "wasm/assembly")) || file === "mod.ts" ||
    inRoom(file, "cli") || inRoom(file, "sim")
  );
  const imports = await readImports(root, files);
  return imports.map(judge).filter((text) => text !== null);
}

/** Lists what the modules given reach by a specifier that would not work without an import map, or in a browser. */
export async function unportable(root: URL, entries: readonly string[]): Promise<string[]> {
  const imports = await readImports(root, entries);
  const foreign = imports
    .filter(({ specifier, dynamic }) => !/^\.\.?\//.test(specifier) && !dynamic)
    .map(({ from, specifier }) => `${from} imports ${specifier}`);
  // A bundle may be a classic script, as the worker of a page is, which has no such word.
  const files = [...new Set([...entries, ...imports.map(({ from }) => from)])];
  const metas = files.filter((file) =>
    /^(?!\s*(\*|\/[/*])).*\bimport\.meta\b/m.test(Deno.readTextFileSync(new URL(file, root)))
  );
  return [...foreign, ...metas.map((file) => `${file} uses import.meta`)];
}

/** Lists the uses of clocks, promises, randomness and platform names in one source text. */
export function impurities(name: string, source: string): string[] {
  const found: string[] = [];
  const report = (what: string, at: number): void => {
    found.push(`${name}:${source.slice(0, at).split("\n").length} uses ${what}`);
  };
  const rule: Deno.lint.Rule = {
    create: () => ({
      Identifier(node) {
        const { parent } = node;
        if (!IMPURE.has(node.name)) return;
        // A type such as `close(): Promise<void>` in a contract is no use, a property of that name neither.
        if (parent.type === "TSTypeReference" || parent.type === "TSMethodSignature") return;
        if (parent.type === "MemberExpression" && parent.property === node && !parent.computed) {
          return;
        }
        if (parent.type === "Property" && parent.key === node && parent.value !== node) return;
        report(node.name, node.range[0]);
      },
      MemberExpression(node) {
        if (
          node.object.type === "Identifier" && node.object.name === "Math" &&
          node.property.type === "Identifier" && node.property.name === "random"
        ) report("Math.random", node.range[0]);
      },
      AwaitExpression: (node) => report("await", node.range[0]),
      ":matches(FunctionDeclaration, FunctionExpression, ArrowFunctionExpression)[async=true]": (
        node: Deno.lint.Node,
      ) => report("async", node.range[0]),
    }),
  };
  Deno.lint.runPlugin({ name: "pure", rules: { pure: rule } }, name, source);
  return found;
}

/** Lists the impurities of all sans-IO code. */
export async function impureFiles(root: URL): Promise<string[]> {
  const files = listFiles(root, ".ts").filter((file) => PURE.some((room) => inRoom(file, room)));
  const found = await Promise.all(
    files.map(async (file) => impurities(file, await Deno.readTextFile(new URL(file, root)))),
  );
  return found.flat();
}

/** What one file takes from another: the names as the other exports them, "*" for all. */
interface Taken {
  readonly from: string;
  readonly specifier: string;
  readonly names: readonly string[];
  /** Whether the other is needed when the program runs, not for its types alone. */
  readonly value: boolean;
}

/** Everything that one source text takes from others. */
function takenBy(from: string, source: string): Taken[] {
  const taken: Taken[] = [];
  const add = (specifier: string, names: readonly string[], value: boolean): void => {
    taken.push({ from, specifier, names, value });
  };
  const nameOf = (name: Deno.lint.Identifier | Deno.lint.StringLiteral): string =>
    name.type === "Identifier" ? name.name : name.value;
  walk(parse(from, source), (node) => {
    if (node.type === "ImportDeclaration") {
      const { specifiers } = node;
      const named = specifiers.filter((one) => one.type === "ImportSpecifier");
      const typed = named.length === specifiers.length && named.length > 0 &&
        named.every((one) => one.importKind === "type");
      const names = named.map(({ imported }) => nameOf(imported));
      if (specifiers.some((one) => one.type === "ImportNamespaceSpecifier")) names.push("*");
      add(node.source.value, names, node.importKind !== "type" && !typed);
    } else if (node.type === "ExportNamedDeclaration" && node.source !== null) {
      const { specifiers } = node;
      const typed = specifiers.length > 0 && specifiers.every((one) => one.exportKind === "type");
      const names = specifiers.map(({ local }) => nameOf(local));
      add(node.source.value, names, node.exportKind !== "type" && !typed);
    } else if (node.type === "ExportAllDeclaration") {
      add(node.source.value, ["*"], node.exportKind !== "type");
    } else if (
      node.type === "ImportExpression" && node.source.type === "Literal" &&
      typeof node.source.value === "string"
    ) {
      add(node.source.value, ["*"], true);
    }
  });
  return taken;
}

/** A shortest way from a file back to itself, or null. */
function circleFrom(
  start: string,
  arrows: ReadonlyMap<string, readonly string[]>,
): string[] | null {
  const ways: string[][] = [[start]];
  const seen = new Set<string>();
  for (const way of ways) {
    for (const next of arrows.get(way.at(-1) ?? "") ?? []) {
      if (next === start) return [...way, start];
      if (!seen.has(next)) ways.push([...way, next]);
      seen.add(next);
    }
  }
  return null;
}

/** Files that can be reached from one, itself left out unless there is a way back. */
function reach(start: string, arrows: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set<string>();
  const left = [start];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    for (const next of arrows.get(file) ?? []) {
      if (!seen.has(next)) left.push(next);
      seen.add(next);
    }
  }
  return seen;
}

/** Lists, room by room, the files that need each other when the program is loaded, and a shortest circle among them. */
export async function valueCircles(root: URL): Promise<string[]> {
  const arrows = new Map<string, string[]>();
  for (const file of listFiles(root, ".ts")) {
    const room = roomOf(file);
    if (room === undefined || inRoom(file, "wasm/assembly")) continue;
    const source = await Deno.readTextFile(new URL(file, root));
    const targets = takenBy(file, source)
      .filter(({ value, specifier }) => value && specifier.startsWith("."))
      .map(({ specifier }) => new URL(specifier, new URL(file, root)).href.slice(root.href.length))
      .filter((target) => inRoom(target, room));
    arrows.set(file, targets);
  }
  const found: string[] = [];
  const told = new Set<string>();
  for (const file of arrows.keys()) {
    if (told.has(file) || !reach(file, arrows).has(file)) continue;
    const circle = [...reach(file, arrows)].filter((other) => reach(other, arrows).has(file));
    circle.forEach((other) => told.add(other));
    const way = circleFrom(file, arrows) ?? [];
    found.push(`${circle.length} files need each other, so ${way.join(" -> ")}`);
  }
  return found;
}

/** Fields of the packet as WebAssembly parsed it, and of the one being built. */
const PACKET_FIELD = /^[RT]X_/;
/** Who may know where they lie. */
const KNOW_FIELDS = ["core/wire", "wasm"];

/** Lists where files of the product take RX_ and TX_ names from others, though they are neither in `core/wire` nor in `wasm`. */
export async function fieldNames(root: URL): Promise<string[]> {
  const found: string[] = [];
  for (const file of listFiles(root, ".ts")) {
    if (roomOf(file) === undefined || KNOW_FIELDS.some((room) => inRoom(file, room))) continue;
    const source = await Deno.readTextFile(new URL(file, root));
    // A namespace import, of whatever module, names them where they are used.
    if (!/\b[RT]X_/.test(source)) continue;
    const names = takenBy(file, source).flatMap((taken) => taken.names);
    walk(parse(file, source), (node) => {
      if (node.type === "MemberExpression" && node.property.type === "Identifier") {
        names.push(node.property.name);
      }
    });
    const fields = [...new Set(names)].filter((name) => PACKET_FIELD.test(name)).sort();
    if (fields.length > 0) found.push(`${file} takes ${fields.join(", ")}`);
  }
  return found;
}

/**
 * Private accessors, and arrays that copy within themselves, in what packets go through: V8 asks its runtime for each call of the one, and for each number of the
 * other. Bytes that do so are none: a typed array is moved at once.
 */
export async function slowCalls(root: URL): Promise<string[]> {
  const found: string[] = [];
  for (const file of listFiles(root, ".ts")) {
    if (!inRoom(file, "core") && !inRoom(file, "cc") && !inRoom(file, "sched")) continue;
    const source = await Deno.readTextFile(new URL(file, root));
    walk(parse(file, source), (node) => {
      if (node.type === "MethodDefinition" && node.kind !== "method") {
        if (node.key.type === "PrivateIdentifier") {
          found.push(`${file} has ${node.kind} #${node.key.name}`);
        }
        return;
      }
      if (node.type !== "MemberExpression" || node.property.type !== "Identifier") return;
      if (node.property.name !== "copyWithin") return;
      const name = node.object.type === "Identifier" ? node.object.name : "something";
      if (name !== "u8" && name !== "bytes") found.push(`${file} has ${name}.copyWithin`);
    });
  }
  return found;
}
