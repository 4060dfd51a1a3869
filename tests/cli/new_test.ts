import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { template } from "../../cli/new.ts";
import { loadPlugin, type PluginModule } from "../../core/net/load_plugin.ts";
import { brokenRules } from "../kit/mod.ts";

const ROOT = new URL("../../", import.meta.url);
const ELSEWHERE = new URL("file:///elsewhere/");
const KINDS = { scheduler: "scheduler", cc: "congestion-control", pm: "path-manager" };

describe("mptcp new", () => {
  it("writes plugins that the kit finds sound and that need no other file", async () => {
    for (const [word, kind] of Object.entries(KINDS)) {
      const text = template(word, "my_own", ELSEWHERE);
      assertStringIncludes(text, "export default function myOwn(");
      // `deno test` transpiles what it imports; types are checked below.
      const url = `data:application/typescript,${encodeURIComponent(text)}`;
      const module: PluginModule = await import(url);
      const plugin = module.default();
      assertEquals([plugin.kind, plugin.name], [kind, "my_own"]);
      const [[option, value] = []] = Object.entries(module.defaults ?? {});
      await assertRejects(
        () => loadPlugin(plugin.kind, `mine,${option}=foo`, { builtIns: { mine: module } }),
        TypeError,
        `'${option}' must be a number, for example ${option}=${value}`,
      );
      assertEquals(brokenRules(plugin).map(({ message }) => message), [], word);
    }
  });

  it("writes plugins that pass the strict type check", async () => {
    const folder = await Deno.makeTempDir();
    try {
      for (const word of Object.keys(KINDS)) {
        await Deno.writeTextFile(`${folder}/${word}.ts`, template(word, "mine", ELSEWHERE));
      }
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["check", "--config", config, ...Object.keys(KINDS).map((word) => `${word}.ts`)],
        cwd: folder,
        env: { NO_COLOR: "1" },
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("names the types by a path within the clone, by URL elsewhere", () => {
    const from = (folder: URL): string | undefined =>
      /from "(.*)"/.exec(template("pm", "x", folder))?.[1];
    assertEquals(from(ROOT), "./core/plugin.ts");
    assertEquals(from(new URL("docs/examples/", ROOT)), "../../core/plugin.ts");
    assertEquals(from(ELSEWHERE), new URL("core/plugin.ts", ROOT).href);
  });

  it("refuses kinds and names that do not work", () => {
    assertThrows(() => template("congestion", "x", ROOT), UsageError, "scheduler, cc, pm");
    for (const name of ["", "1a", "a-b", "../a", "a b"]) {
      assertThrows(() => template("scheduler", name, ROOT), UsageError, "Cannot name");
    }
  });
});
