/** Runs all test files with properties, `SOAK_PROPERTIES` times as long: the second half of `deno task soak`. */

import { fileURLToPath } from "node:url";

const tests = new URL("../", import.meta.url);

/** All TypeScript below `folder` that has `words` in it, sorted. */
export async function filesThatMention(folder: URL, words: RegExp): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const url = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) files.push(...await filesThatMention(url, words));
    else if (name.endsWith(".ts") && words.test(await Deno.readTextFile(url))) {
      files.push(fileURLToPath(url));
    }
  }
  return files.sort();
}

if (import.meta.main) {
  const files = await filesThatMention(tests, /^import .* from "[./]+support\/property\.ts";$/m);
  // deno-lint-ignore no-console -- what a run of some minutes is about
  console.log(
    `${files.length} files with properties, with each run ${
      Deno.env.get("SOAK_PROPERTIES") ?? 1
    } times`,
  );
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--lock=tests/deno.lock", "--frozen", ...files],
    cwd: fileURLToPath(new URL("../", tests)),
  }).spawn().status;
  Deno.exit(code);
}
