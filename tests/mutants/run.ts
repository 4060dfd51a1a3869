/**
 * Proves that tests can fail: each NAME.patch beside this file switches one rule off. It is applied to a temporary copy of the tree and must make the
 * test that its first line names fail, which passes without it. `deno task mutants`, or `deno task mutants NAME…` for some; `--sample SEED` takes 8 of
 * those over RFC 8684, 8 of the others, and those of the draft's three IMPORTANT rules: which, follows from the seed. It trusts that all tests pass
 * without patches, as they have just been run.
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

/** Milliseconds that the tests of a file may take, before they are ended: some hundred times what the slowest needs. */
const LONGEST = 300_000;

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
  for (const char of seed) hash = Math.imul(hash, 31) + char.charCodeAt(0);
  // Mixed, as seeds that are alike would begin in a few places only, and some items never be chosen (MurmurHash3's end).
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  hash = (hash ^ hash >>> 16) >>> 0;
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
    args: [
      "test",
      "-A",
      "--lock=tests/deno.lock",
      "--frozen",
      "--no-check",
      "--reporter=tap",
      file,
    ],
    cwd: root,
    env: { NO_COLOR: "1" },
    // A mutant may have a test run in virtual time without an end.
    signal: AbortSignal.timeout(LONGEST),
  }).output();
  const text = new TextDecoder().decode(stdout);
  const results = new Map<string, boolean>();
  for (const [, not, name = ""] of text.matchAll(/^\s*(not )?ok \d+ - (.*?)(?: # \w.*)?$/gm)) {
    results.set(name.replaceAll("\\#", "#"), not === undefined);
  }
  if (results.size === 0) throw new Error(new TextDecoder().decode(stderr) + text);
  return results;
}

/** A copy of the tree, in which one mutant after the other is tried. Its folder stays the same, so that Deno compiles what is not patched once. */
export class Copy implements AsyncDisposable {
  readonly #root: URL;
  readonly #trusting: boolean;
  readonly #before = new Map<string, Map<string, boolean>>();

  private constructor(root: URL, trusting: boolean) {
    this.#root = root;
    this.#trusting = trusting;
  }

  /** Copies `root`. Trusting: all tests are known to pass as it is, and not run before the patch. */
  static async make(root: URL, { trusting = false } = {}): Promise<Copy> {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "mutant" }));
    const copy = new Copy(new URL(`file://${folder}/`), trusting);
    await copyTree(root, copy.#root);
    return copy;
  }

  /** Tries one mutant; gives what is wrong, or null if the test noticed it. */
  async try({ patch, file, test }: Mutant): Promise<string | null> {
    if (!this.#trusting) {
      const before = this.#before.get(file) ?? await runTests(this.#root, file);
      this.#before.set(file, before);
      if (before.get(test) === false) return `"${test}" fails without the patch`;
      if (!before.has(test)) return `${file} has no test "${test}"`;
    }
    try {
      await this.#apply(patch);
    } catch (error) {
      return `the patch does not apply: ${(error as Error).message}`;
    }
    try {
      const after = (await runTests(this.#root, file)).get(test);
      if (after === undefined) return `${file} has no test "${test}"`;
      return after ? `"${test}" does not notice it` : null;
    } finally {
      await this.#apply(patch, "--reverse");
    }
  }

  /** @throws {Error} what git says. */
  async #apply(patch: URL, ...options: readonly string[]): Promise<void> {
    const { success, stderr } = await new Deno.Command("git", {
      args: ["apply", "--whitespace=nowarn", ...options, fileURLToPath(patch)],
      cwd: this.#root,
      // The copy may lie inside another repository, which git must not look for.
      env: { GIT_CEILING_DIRECTORIES: fileURLToPath(new URL("../", this.#root)) },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#root, { recursive: true });
  }
}

const HELP = `deno task mutants [NAME…]
deno task mutants --sample SEED

Switches rules off, one at a time, and sees a test fail: those that are named, all without a name,
or 19 that SEED chooses. Names are those of tests/mutants/NAME.patch.`;

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    await Deno.stdout.write(new TextEncoder().encode(`${HELP}\n`));
    Deno.exit();
  }
  const [option, seed] = Deno.args;
  const here = new URL("./", import.meta.url);
  const mutants = option === "--sample"
    ? sample(await readMutants(here, []), seed ?? "")
    : await readMutants(here, Deno.args);
  const failed: string[] = [];
  // Those of one file come one after the other.
  const queue = mutants.toSorted((a, b) => a.file < b.file ? -1 : a.file > b.file ? 1 : 0);
  // Each lane has a copy of the tree and processes of its own: one for each processor.
  const lanes = Array.from({ length: navigator.hardwareConcurrency }, async () => {
    await using copy = await Copy.make(new URL("../../", import.meta.url), {
      trusting: option === "--sample",
    });
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      // One that does not even compile says nothing of its rule.
      const wrong = await copy.try(mutant).catch((error: Error) => error.message);
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
