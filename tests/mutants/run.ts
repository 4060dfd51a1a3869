/**
 * Proves that tests can fail: each NAME.patch beside this file switches one rule off. It is applied to a temporary copy of the tree and must make the
 * test that its first line names fail, which passes without it. `deno task mutants`, or `deno task mutants NAME…` for some; `--sample SEED` takes 8 of
 * those over RFC 8684, 8 of the others, and those of the draft's three IMPORTANT rules: which, follows from the seed.
 *
 * The first line reads `Fails: tests/FILE_test.ts: name of the test`; the lines up to the diff say which harm the rule prevents.
 */

import { basename } from "node:path";
import { fileURLToPath } from "node:url";

/** A patch and the test that must notice it. */
export interface Mutant {
  /** Name of the file without `.patch`. */
  readonly name: string;
  /** Where the patch is. */
  readonly patch: URL;
  /** Test file, relative to the root. */
  readonly file: string;
  /** Name of the test or step. */
  readonly test: string;
}

/** Reads the mutants of a folder, those named or all. */
export async function readMutants(folder: URL, names: readonly string[]): Promise<Mutant[]> {
  const mutants: Mutant[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.name.endsWith(".patch")) continue;
    const patch = new URL(entry.name, folder);
    const [first = ""] = (await Deno.readTextFile(patch)).split("\n", 1);
    const match = /^Fails: (\S+_test\.ts): (.+)$/.exec(first);
    if (!match) {
      throw new Error(
        `Cannot use ${entry.name} as its first line must be "Fails: tests/FILE_test.ts: name of the test": it is "${first}"`,
      );
    }
    const [, file = "", test = ""] = match;
    mutants.push({ name: basename(entry.name, ".patch"), patch, file, test });
  }
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new Error(`Cannot find a mutant named ${unknown.join(", ")}`);
  return mutants
    .filter((mutant) => names.length === 0 || names.includes(mutant.name))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

/** How many of each kind a sample has. */
const SAMPLE = 8;

/** `count` of them, spread evenly; the first follows from `seed`. */
function spread<Item>(items: readonly Item[], count: number, seed: string): Item[] {
  let hash = 0;
  for (const char of seed) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  const chosen: Item[] = [];
  for (let i = 0; i < Math.min(count, items.length); i++) {
    chosen.push(items[Math.floor(hash + i * items.length / count) % items.length]!);
  }
  return chosen;
}

/** Some of all kinds: 8 `mptcp_`, 8 others, and all `imp_`. */
export function sample(mutants: readonly Mutant[], seed: string): Mutant[] {
  const kind = ({ name }: Mutant): string => /^(imp|mptcp)_/.exec(name)?.[1] ?? "other";
  return [
    ...mutants.filter((mutant) => kind(mutant) === "imp"),
    ...spread(mutants.filter((mutant) => kind(mutant) === "mptcp"), SAMPLE, seed),
    ...spread(mutants.filter((mutant) => kind(mutant) === "other"), SAMPLE, seed),
  ];
}

async function copyTree(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    if ([".git", "node_modules", "coverage"].includes(entry.name)) continue;
    const suffix = entry.isDirectory ? "/" : "";
    const source = new URL(encodeURIComponent(entry.name) + suffix, from);
    const target = new URL(encodeURIComponent(entry.name) + suffix, to);
    if (entry.isDirectory) await copyTree(source, target);
    else if (entry.isFile) await Deno.copyFile(source, target);
  }
}

/** Results of the tests and steps of one file by name: true = passed. */
async function runTests(root: URL, file: string): Promise<Map<string, boolean>> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--reporter=tap", file],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  const results = new Map<string, boolean>();
  for (const [, not, name = ""] of text.matchAll(/^\s*(not )?ok \d+ - (.*?)(?: # \w.*)?$/gm)) {
    results.set(name.replaceAll("\\#", "#"), not === undefined);
  }
  if (results.size === 0) throw new Error(new TextDecoder().decode(stderr) + text);
  return results;
}

/** Tries one mutant on a copy of `root`; gives what is wrong, or null if the test noticed it. */
export async function tryMutant(mutant: Mutant, root: URL): Promise<string | null> {
  const folder = await Deno.makeTempDir({ prefix: "mutant" });
  try {
    const copy = new URL(`file://${await Deno.realPath(folder)}/`);
    await copyTree(root, copy);
    const before = await runTests(copy, mutant.file);
    const passed = before.get(mutant.test);
    if (passed === undefined) return `${mutant.file} has no test "${mutant.test}"`;
    if (!passed) return `"${mutant.test}" fails without the patch`;
    const applied = await new Deno.Command("git", {
      args: ["apply", "--whitespace=nowarn", fileURLToPath(mutant.patch)],
      cwd: copy,
      // The copy may lie inside another repository, which git must not look for.
      env: { GIT_CEILING_DIRECTORIES: fileURLToPath(new URL("../", copy)) },
    }).output();
    if (!applied.success) {
      return `the patch does not apply: ${new TextDecoder().decode(applied.stderr).trim()}`;
    }
    const after = await runTests(copy, mutant.file);
    return after.get(mutant.test) === false ? null : `"${mutant.test}" does not notice it`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const [option, seed] = Deno.args;
  const here = new URL("./", import.meta.url);
  const mutants = option === "--sample"
    ? sample(await readMutants(here, []), seed ?? "")
    : await readMutants(here, Deno.args);
  const failed: string[] = [];
  const queue = [...mutants];
  // Each has a copy of the tree and processes of its own: one for each processor at a time.
  const lanes = Array.from({ length: navigator.hardwareConcurrency }, async () => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      // One that does not even compile says nothing of its rule.
      const wrong = await tryMutant(mutant, new URL("../../", import.meta.url))
        .catch((error: Error) => error.message);
      if (wrong !== null) failed.push(mutant.name);
      const text = wrong === null ? `killed by "${mutant.test}"` : `SURVIVED: ${wrong}`;
      await Deno.stdout.write(new TextEncoder().encode(`${mutant.name}: ${text}\n`));
    }
  });
  await Promise.all(lanes);
  await Deno.stdout.write(
    new TextEncoder().encode(
      `${mutants.length - failed.length} killed, ${failed.length} survived\n`,
    ),
  );
  Deno.exitCode = failed.length === 0 ? 0 : 1;
}
