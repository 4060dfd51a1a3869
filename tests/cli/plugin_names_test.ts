/** Plugins of command lines, loaded so that one which never returns can be named. */

import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { loadWatched } from "../../cli/plugin_names.ts";
import { RUN } from "../support/command.ts";

const OWN = `export default () => ({
  kind: "scheduler", name: "own", create: () => ({ pick: (ready) => ready[0] ?? null }),
});`;

async function withFiles(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("a plugin by name", () => {
  it("of another kind is said to be one, and the option that takes it", async () => {
    for (
      const [option, text, says] of [
        [
          "scheduler",
          "lia",
          "Cannot use lia as a scheduler as it is a congestion control: give --cc lia",
        ],
        [
          "scheduler",
          "reno,hystart=false",
          "Cannot use reno as a scheduler as it is a congestion control: give --cc reno,hystart=false",
        ],
        [
          "scheduler",
          "handover",
          "Cannot use handover as a scheduler as it is a path manager: give --pm handover",
        ],
        [
          "cc",
          "blest",
          "Cannot use blest as a congestion control as it is a scheduler: give --scheduler blest",
        ],
        [
          "cc",
          "labels",
          "Cannot use labels as a congestion control as it is a path manager: give --pm labels",
        ],
        [
          "pm",
          "ecf",
          "Cannot use ecf as a path manager as it is a scheduler: give --scheduler ecf",
        ],
        [
          "pm",
          "bbr",
          "Cannot use bbr as a path manager as it is a congestion control: give --cc bbr",
        ],
      ] as const
    ) {
      const error = await assertRejects(() => loadWatched(option, text), UsageError);
      assertEquals(error.message, `--${option}: ${says}`);
    }
    const error = await assertRejects(() => loadWatched("cc", "toString"), UsageError);
    assertMatch(error.message, /there is none of that name: give one of lia, /);
  });
});

describe("a plugin of a file", () => {
  it("is loaded where it is as it should be, and a built-in without a worker", async () => {
    await withFiles({ "own.js": OWN }, async (folder) => {
      assertEquals((await loadWatched("scheduler", `${folder}/own.js`)).name, "own");
    });
    assertEquals((await loadWatched("cc", "reno,hystart=false")).name, "reno");
    const error = await assertRejects(() => loadWatched("pm", "nobody"), UsageError);
    assertMatch(error.message, /^--pm: .*nobody/);
  });

  it("of another kind is said to be one, and the option that takes it", async () => {
    const kinds = {
      "scheduler": ["scheduler", "a scheduler"],
      "congestion-control": ["cc", "a congestion control"],
      "path-manager": ["pm", "a path manager"],
    } as const;
    for (const [kind, [option, what]] of Object.entries(kinds)) {
      const text = `export default ({ a = 1 } = {}) => (
        { kind: "${kind}", name: "mine", create: () => a });`;
      await withFiles({ "mine.js": text }, async (folder) => {
        for (const [other, whatOther] of Object.values(kinds)) {
          if (other === option) continue;
          const named = `${folder}/mine.js,a=2`;
          const error = await assertRejects(() => loadWatched(other, named), UsageError);
          assertEquals(
            error.message,
            `--${other}: Cannot use ${folder}/mine.js as ${whatOther} as it is ${what}: give --${option} ${named}`,
          );
        }
      });
    }
  });

  it("that never returns is named by every command that runs a host, and holds none of them", async () => {
    await withFiles({ "endless.js": `for (;;);\n${OWN}` }, async (folder) => {
      const commands = [
        ["put", "http://10.255.0.1/"],
        ["get", "http://10.255.0.1/"],
        ["serve", "."],
      ];
      const mod = new URL("../../cli/mod.ts", import.meta.url).href;
      const said = await Promise.all(commands.map(async (words) => {
        const args = [...RUN, mod, ...words, "--scheduler", `${folder}/endless.js`];
        const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
        return { code, stderr: new TextDecoder().decode(stderr) };
      }));
      for (const { code, stderr } of said) {
        assertEquals(code, 2, stderr);
        assertMatch(stderr, /loaded from \S*endless\.js does not come to an end/);
      }
    });
  });
});
