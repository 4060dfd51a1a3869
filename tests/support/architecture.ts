/** Reads the import graph and the source of a tree and lists what breaks the rules of its layers. */

import { fileURLToPath } from "node:url";

/** The rooms of the product, and what each may import besides itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "wasm": [],
  "core/plugin.ts": [],
  "core/wire": ["wasm", "core/plugin.ts"],
  "core/subflow": ["wasm", "core/plugin.ts", "core/wire"],
  "core/path": ["wasm", "core/plugin.ts", "core/wire"],
  "core/connection": ["wasm", "core/plugin.ts", "core/wire", "core/subflow", "core/path"],
  "core/host": [
    "wasm",
    "core/plugin.ts",
    "core/wire",
    "core/subflow",
    "core/path",
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
    "core/connection",
    "core/host",
    "core/link",
  ],
  "sched": ["core/plugin.ts"],
  "pm": ["core/plugin.ts"],
  "cc": ["core/plugin.ts"],
};

/** Rooms above the product: they may import any of it, and nothing of it may import them. */
const ABOVE = ["mod.ts", "cli", "tests", "bench"];

/** Rooms whose code is a function of its arguments: no clock, no promise, no randomness of its own, nothing of the platform. */
const PURE = [
  "core/plugin.ts",
  "core/wire",
  "core/subflow",
  "core/path",
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

/** Modules of node that files of the library import: nobody writes their own SHA-256, and node.ts is the bridge to node. */
const NODE_MODULES: Readonly<Record<string, readonly string[]>> = {
  "core/connection/keys.ts": ["node:crypto"],
  "core/net/node.ts": ["node:buffer", "node:stream"],
};

/** Longest a file may be, in lines. */
export const LINES = 500;

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
      }));
    });
  } finally {
    await Deno.remove(entry);
  }
}

/** What is wrong with one import, or null. */
function judge({ from, specifier, to, dynamic }: Import): string | null {
  const room = roomOf(from);
  if (room === undefined) {
    // The command may use third parties, named in one file so that it too runs by URL.
    const foreign = !/^(\.|node:)/.test(specifier);
    return foreign && (from === "mod.ts" || inRoom(from, "cli") && from !== "cli/deps.ts")
      ? `${from} imports ${specifier}: third parties stand in cli/deps.ts`
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
  if (to.endsWith(".wasm") && room !== "wasm") {
    return `${from} imports ${to}: wasm/ only`;
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
    inRoom(file, "cli")
  );
  const imports = await readImports(root, files);
  return imports.map(judge).filter((text) => text !== null);
}

/** Lists what the modules given reach by a specifier that would not work without an import map. */
export async function unportable(root: URL, entries: readonly string[]): Promise<string[]> {
  const imports = await readImports(root, entries);
  return imports
    .filter(({ specifier, from, dynamic }) =>
      !/^\.\.?\//.test(specifier) && !dynamic && !NODE_MODULES[from]?.includes(specifier)
    )
    .map(({ from, specifier }) => `${from} imports ${specifier}`);
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

/** Lists the files that are too long. */
export async function longFiles(root: URL): Promise<string[]> {
  const found: string[] = [];
  for (const file of listFiles(root, ".ts")) {
    const lines = (await Deno.readTextFile(new URL(file, root))).trimEnd().split("\n").length;
    if (lines > LINES) found.push(`${file} has ${lines} lines`);
  }
  return found;
}
