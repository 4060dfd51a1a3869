/** `deno task pack` and `deno task docs` write a folder as a whole: nobody loses what was in it by a slip. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import { checkReplaceable } from "../../pack/output_folder.ts";
import { ROOT } from "../support/serve.ts";

/** Lends a folder that is removed afterwards. */
async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("a folder that is built anew", () => {
  it("is new, empty, or what was built before", () =>
    withFolder(async (folder) => {
      await checkReplaceable(`${folder}/new`, "mark");
      await checkReplaceable(folder, "mark");
      await Deno.writeTextFile(`${folder}/other`, "");
      await assertRejects(
        () => checkReplaceable(folder, "mark"),
        Error,
        `Cannot build into ${folder}`,
      );
      await assertRejects(() => checkReplaceable(`${folder}/other`, "mark"), Error, "Cannot build");
      await Deno.writeTextFile(`${folder}/mark`, "");
      await checkReplaceable(folder, "mark");
    }));

  for (const script of ["pack/main.ts", "docs/site/build.ts"]) {
    for (const given of ["by its whole path", "from here"]) {
      it(`is left alone when it holds something else, ${given}: ${script}`, () =>
        withFolder(async (folder) => {
          await Deno.mkdir(`${folder}/mine`);
          await Deno.writeTextFile(`${folder}/mine/work.txt`, "a year's");
          const name = given === "from here" ? "mine" : `${folder}/mine`;
          const { code, stderr } = await new Deno.Command(Deno.execPath(), {
            args: ["run", "-A", "--no-check", fileURLToPath(new URL(script, ROOT)), name],
            cwd: folder,
          }).output();
          const said = new TextDecoder().decode(stderr);
          assertStringIncludes(said, `Cannot build into ${await Deno.realPath(folder)}/mine`);
          assertEquals([code, said.includes("    at ")], [1, false]);
          assertEquals(await Deno.readTextFile(`${folder}/mine/work.txt`), "a year's");
        }));
    }
  }
});
