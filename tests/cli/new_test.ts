import { describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { template } from "../../cli/new.ts";
import { loadPlugin, type PluginModule } from "../../core/net/load_plugin.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import patient from "../../docs/examples/patient.ts";
import { minRtt } from "../../sched/mod.ts";
import { measure, type Scenario } from "../../sim/mod.ts";
import { brokenRules } from "../kit/mod.ts";

const ROOT = new URL("../../", import.meta.url);
const ELSEWHERE = new URL("file:///elsewhere/");
const KINDS = { scheduler: "scheduler", cc: "congestion-control", pm: "path-manager" };

describe("mptcp new", () => {
  it("writes plugins that the kit finds sound and that need no other file", async () => {
    for (const [word, kind] of Object.entries(KINDS)) {
      const { module: text } = template(word, "my_own", ELSEWHERE);
      assert(text.split("\n").length <= 45, `${word}: ${text.split("\n").length} lines`);
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

  it("writes a scheduler that makes no array and no closure where it is asked for every packet", () => {
    const { module: text } = template("scheduler", "my_own", ELSEWHERE);
    const [, pick = ""] = /^ +pick\(.*\) \{\n(.*)^ +\},$/ms.exec(text) ?? [];
    assertStringIncludes(pick, "return best.srtt");
    const code = pick.replace(/\/\/.*/g, "");
    // Square brackets that follow a name take of one, others make one.
    assertEquals(code.match(/=>|\bfunction\b|\bnew\b|(?<![\w\])])\[|\.\w+\(/g) ?? [], [".min("]);
  });

  it("writes a scheduler that waits for no path that is gone, as the example does not", async () => {
    const { module: text } = template("scheduler", "my_own", ELSEWHERE);
    const module: PluginModule = await import(
      `data:application/typescript,${encodeURIComponent(text)}`
    );
    const scenario: Scenario = {
      hosts: { phone: {}, server: {} },
      routers: ["internet"],
      links: {
        wifi: { between: ["phone", "internet"], rate: "20 Mbit/s", delay: "10 ms", loss: 0.005 },
        cell: { between: ["phone", "internet"], rate: "8 Mbit/s", delay: "40 ms" },
        server: { between: ["internet", "server"] },
      },
      events: [
        { at: "1 s", do: "cut", link: "wifi" },
        { at: "3 s", do: "restore", link: "wifi" },
      ],
      traffic: {
        api: {
          kind: "requests",
          client: "phone",
          server: "server",
          bytes: "50 kB",
          count: 40,
          every: "100 ms",
        },
      },
    };
    const longest = (scheduler: SchedulerPlugin): number =>
      Math.max(...[1, 2, 3].map((seed) => {
        const { traffic, faults } = measure(scenario, { scheduler }, { seed });
        assertEquals(faults, []);
        return traffic.api!.delays!.max;
      }));
    const usual = longest(minRtt());
    for (const one of [module.default({ ratio: 3 }), patient({ ratio: 3 })] as SchedulerPlugin[]) {
      assert(longest(one) < 1.5 * usual, `${one.name}: ${longest(one)} us, min_rtt ${usual} us`);
    }
  });

  it("writes plugin and test into the folder of who calls it, and both pass the strict type check and run", async () => {
    const folder = await Deno.makeTempDir();
    const deno = async (cwd: string, ...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd,
        env: { NO_COLOR: "1", INIT_CWD: folder },
      }).output();
      const text = new TextDecoder().decode(stdout);
      assertEquals(code, 0, text + new TextDecoder().decode(stderr));
      return text;
    };
    const root = fileURLToPath(ROOT);
    const config = `${root}deno.json`;
    const command = `${root}cli/mod.ts`;
    try {
      for (const word of Object.keys(KINDS)) {
        // As `deno task mptcp` runs it.
        const said = await deno(folder, "run", "-A", command, "new", word, `my_${word}`);
        assertStringIncludes(said, `Wrote my_${word}.ts and my_${word}_test.ts.`);
        assertStringIncludes(said, `--config ${config} mptcp demo --${word} ./my_${word}.ts\n`);
      }
      // Its own tests, by the kit's rules and by what it does, without a permission.
      const tested = await deno(folder, "test", "--check", "--config", config, folder);
      for (const word of Object.keys(KINDS)) assertStringIncludes(tested, `my_${word}: `);
      for (const what of ["waits rather than", "keeps beta", "uses most paths at most"]) {
        assertStringIncludes(tested, what);
      }
      // An optional member that is misspelt is one that nobody calls: the types tell.
      for (
        const [word, member, misspelt] of [
          ["scheduler", "pick(ready) {", "onAcked() {},"],
          ["cc", "onCongestion(cause", "onundo() {},"],
          ["pm", "onEvent() {", "refuses: () => null,"],
        ] as const
      ) {
        const file = `${folder}/my_${word}.ts`;
        const text = await Deno.readTextFile(file);
        assertStringIncludes(text, member);
        await Deno.writeTextFile(file, text.replace(member, `${misspelt}\n${member}`));
        const { code, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["check", "--config", config, file],
          env: { NO_COLOR: "1" },
        }).output();
        assertEquals(code, 1, word);
        assertStringIncludes(new TextDecoder().decode(stderr), "only specify known properties");
      }
      const again = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", command, "new", "cc", "my_cc"],
        cwd: folder,
        env: { NO_COLOR: "1", INIT_CWD: folder },
      }).output();
      assertStringIncludes(
        new TextDecoder().decode(again.stderr),
        "Cannot write my_cc.ts as it exists",
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("names the types by a path within the clone, by URL elsewhere", () => {
    const from = (folder: URL): string | undefined =>
      /from "(.*)"/.exec(template("pm", "x", folder).module)?.[1];
    assertEquals(from(ROOT), "./core/plugin.ts");
    assertEquals(from(new URL("docs/examples/", ROOT)), "../../core/plugin.ts");
    assertEquals(from(ELSEWHERE), new URL("core/plugin.ts", ROOT).href);
  });

  it("refuses kinds and names that do not work", () => {
    assertThrows(() => template("congestion", "x", ROOT), UsageError, "scheduler, cc, pm");
    for (const name of ["", "1a", "a-b", "../a", "a b"]) {
      assertThrows(() => template("scheduler", name, ROOT), UsageError, "Cannot name");
    }
    assertThrows(() => template("cc", "1a", ROOT), UsageError, "a letter, then letters, digits");
    for (const kind of Object.keys(KINDS)) {
      for (const name of ["if", "default", "await", "let", "eval", "defaults"]) {
        assertThrows(
          () => template(kind, name, ROOT),
          UsageError,
          `Cannot name a plugin "${name}"`,
        );
      }
    }
    assertThrows(() => template("scheduler", "near", ROOT), UsageError, 'a plugin "near"');
    assertStringIncludes(template("pm", "default_", ROOT).module, "function default_(");
  });
});
