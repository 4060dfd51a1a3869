/**
 * Builds the npm package: `deno task pack [FOLDER]`. The library becomes modules of JavaScript that share their parts, for Node, Bun, browsers and
 * bundlers, with types; the command is joined into one with all it needs, so that the package depends on nothing.
 *
 * @module
 */

import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import config from "../deno.json" with { type: "json" };
import { print, report } from "../cli/output.ts";
import { checkReplaceable } from "./output_folder.ts";

const ROOT = new URL("../", import.meta.url);

/** A file that a package which was built before has. */
const MARK = "command/pack/bin.js";

/** What the code of the package is lowered to: the oldest runtimes that it is for. */
const TARGET = ["es2022", "node20", "chrome110", "firefox115", "safari16.4"];

/** Modules that the command loads by URL, beside it. */
const LOADED = {
  "./pool_worker.ts": "pack/worker.js",
  "./sim_job.ts": "cli/sim_job.js",
  "./plugin_name_job.ts": "cli/plugin_name_job.js",
  "./deps_drawing.ts": "cli/deps_drawing.js",
  "./deps_scenario.ts": "cli/deps_scenario.js",
  "./deps_charts.ts": "cli/deps_charts.js",
} as const;

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr, stdout } = await new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
  }).output();
  const text = new TextDecoder();
  if (!success) {
    throw new Error(
      `${program} ${args.join(" ")}: ${text.decode(stdout)}${text.decode(stderr)}`,
    );
  }
}

/** Joins modules, and what they share, into as few files; gives the paths of the files below `folder`. */
async function join(
  folder: string,
  platform: "browser" | "deno",
  entries: readonly string[],
): Promise<string[]> {
  await run(
    Deno.execPath(),
    "bundle",
    "--quiet",
    // The packages that stand in for Deno, too, which no other lock has.
    "--lock=tests/deno.lock",
    "--frozen",
    `--platform=${platform}`,
    "--code-splitting",
    `--outdir=${folder}`,
    ...entries,
  );
  return await filesBelow(folder);
}

/** Paths of all files below a folder, sorted. */
async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (
    const { name, isDirectory } of Deno.readDir(`${folder}/${prefix}`)
  ) {
    const path = `${prefix}${name}`;
    if (isDirectory) found.push(...await filesBelow(folder, `${path}/`));
    else found.push(path);
  }
  return found.sort();
}

/** Rewrites files for the oldest runtimes, from one folder to another. */
async function lower(
  from: string,
  out: string,
  files: readonly string[],
): Promise<void> {
  await tool(
    "esbuild",
    "--format=esm",
    "--log-level=warning",
    `--target=${TARGET}`,
    `--outbase=${from}`,
    `--outdir=${out}`,
    ...files.map((file) => `${from}/${file}`),
  );
}

/** Has the files of the command find the modules that they load by URL where they are now. */
async function relink(folder: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const path = `${folder}/${file}`;
    let text = await Deno.readTextFile(path);
    for (const [written, target] of Object.entries(LOADED)) {
      const up = "../".repeat(file.split("/").length - 1) || "./";
      text = text.replaceAll(
        `new URL("${written}"`,
        `new URL("${up}${target}"`,
      );
    }
    await Deno.writeTextFile(path, text);
  }
}

/** Runs a tool that is pinned in pack/deno.json, apart from the rest, so that nobody downloads it who does not need it. */
function tool(...words: readonly string[]): Promise<void> {
  const config = fileURLToPath(new URL("deno.json", import.meta.url));
  return run(Deno.execPath(), "run", "--quiet", "--frozen", "-A", `--config=${config}`, ...words);
}

/** What a module's types need beyond what the compiler of a user takes by itself: libraries newer than its target, and types of Node, which it has to name. */
function references(types: string): string {
  const needs = {
    'lib="esnext.disposable"': /\b(?:Async)?Disposable\b|\bSymbol\.(?:asyncD|d)ispose\b/,
    'types="node"': /^import .* from "node:/m,
  };
  return Object.entries(needs)
    .map(([what, used]) => used.test(types) ? `/// <reference ${what} />\n` : "").join("");
}

/** Types of the public modules and of what they need. */
async function writeTypes(
  out: string,
  scratch: string,
  entries: readonly string[],
): Promise<void> {
  const root = fileURLToPath(ROOT);
  const settings = {
    compilerOptions: {
      declaration: true,
      emitDeclarationOnly: true,
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      module: "nodenext",
      target: "esnext",
      lib: ["esnext", "dom", "dom.asynciterable"],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      rootDir: root,
      outDir: `${scratch}/types`,
    },
    files: entries.map((entry) => `${root}${entry}`),
  };
  await Deno.writeTextFile(`${scratch}/tsconfig.json`, JSON.stringify(settings));
  // It fails, as it knows nothing of Deno and Node, and writes all the same: `deno check` checks what goes in, tests/pack what comes out.
  await tool("tsc", "-p", `${scratch}/tsconfig.json`).catch(() => {});
  const wanted = new Set(entries.map((entry) => entry.replace(/\.ts$/, ".d.ts")));
  for (const file of wanted) {
    const text = await Deno.readTextFile(`${scratch}/types/${file}`);
    // Examples in comments name files of their own.
    const rewritten = text.replace(
      /^(?! *\*).*$/gm,
      (line) =>
        line.replace(/(["'])(\.\.?\/[^"']+)\.ts\1/g, (_, quote, path) => {
          wanted.add(new URL(`${path}.d.ts`, `file:///${file}`).pathname.slice(1));
          return `${quote}${path}.js${quote}`;
        }),
    );
    await Deno.mkdir(new URL("./", pathToFileURL(`${out}/${file}`)), { recursive: true });
    await Deno.writeTextFile(`${out}/${file}`, references(rewritten) + rewritten);
  }
}

/** A module of a package of npm, in the comment before it: the folder of the package in the cache, its name and its version. */
const FOREIGN = /^\/\/ (.*\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*))\//gm;

/** The licences of all packages that have been joined into the command. */
async function licences(
  folder: string,
  files: readonly string[],
): Promise<string> {
  const packages = new Map<string, string>();
  for (const file of files) {
    const text = await Deno.readTextFile(`${folder}/${file}`);
    for (
      const [, path = "", name = "", version = ""] of text.matchAll(FOREIGN)
    ) {
      packages.set(`${name} ${version}`, fileURLToPath(new URL(path, ROOT)));
    }
  }
  const parts = await Promise.all(
    [...packages].sort().map(async ([name, path]) => {
      const files = await Array.fromAsync(
        Deno.readDir(path),
        (entry) => entry.name,
      );
      const own = files.find((file) => /^(licen[cs]e|copying)/i.test(file));
      const { license } = JSON.parse(
        await Deno.readTextFile(`${path}/package.json`),
      );
      const text = own === undefined ? "" : await Deno.readTextFile(`${path}/${own}`);
      return `${name} (${license})\n\n${text.trim()}\n`;
    }),
  );
  return `The command holds these packages.\n\n${parts.join("\n----\n\n")}`;
}

/**
 * Builds the package into `out`, in place of one that is there.
 *
 * @throws {Error} Something else is there.
 */
export async function pack(out: string): Promise<void> {
  await checkReplaceable(out, MARK);
  const scratch = await Deno.makeTempDir();
  try {
    await Deno.remove(out, { recursive: true }).catch(() => {});
    await Deno.mkdir(out, { recursive: true });
    const entries = Object.values(config.exports).map((path) => path.replace(/^\.\//, ""));
    const library = await join(`${scratch}/library`, "browser", entries);
    const command = await join(`${scratch}/command`, "deno", [
      "pack/bin.ts",
      ...Object.values(LOADED).map((path) => path.replace(/\.js$/, ".ts")),
    ]);
    await relink(`${scratch}/command`, command);
    await lower(`${scratch}/library`, out, library);
    await lower(`${scratch}/command`, `${out}/command`, command);
    await Deno.writeTextFile(
      `${out}/command/LICENCES`,
      await licences(`${scratch}/command`, command),
    );
    await writeTypes(out, scratch, entries);
    const bin = await Deno.readTextFile(`${out}/command/pack/bin.js`);
    await Deno.writeTextFile(
      `${out}/command/pack/bin.js`,
      `#!/usr/bin/env node\n${bin}`,
    );
    await Deno.chmod(`${out}/command/pack/bin.js`, 0o755);
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
      await Deno.copyFile(new URL(file, ROOT), `${out}/${file}`);
    }
    const js = (path: string): string => path.replace(/\.ts$/, ".js");
    await Deno.writeTextFile(
      `${out}/package.json`,
      `${
        JSON.stringify(
          {
            name: config.name,
            version: config.version,
            description: "Multipath TCP (RFC 8684) in user space",
            license: config.license,
            type: "module",
            engines: { node: ">=20" },
            bin: { mptcp: "./command/pack/bin.js" },
            exports: Object.fromEntries(
              Object.entries(config.exports).map(([name, path]) => [name, {
                types: path.replace(/\.ts$/, ".d.ts"),
                default: js(path),
              }]),
            ),
          },
          null,
          2,
        )
      }\n`,
    );
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print("deno task pack [FOLDER]\n\nBuilds the npm package. Default of FOLDER: package");
    Deno.exit();
  }
  try {
    const folder = resolve(Deno.args[0] ?? fileURLToPath(new URL("package", ROOT)));
    report("Building the package: it takes a minute, and at first a download of what builds it");
    await pack(folder);
    report(`Wrote ${folder}. In a project of yours: npm install ${folder}`);
    report(`The command mptcp everywhere: npm install -g ${folder}`);
  } catch (error) {
    report((error as Error).message);
    Deno.exit(1);
  }
}
