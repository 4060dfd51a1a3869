import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia } from "../../cc/mod.ts";
import { BUILT_INS } from "../../cli/policies.ts";
import {
  checkPlugin,
  loadPlugin,
  parsePlugin,
  type PluginModule,
} from "../../core/net/load_plugin.ts";
import type { Plugin } from "../../core/plugin.ts";
import { fullMesh, nDiffPorts } from "../../pm/mod.ts";
import { minRtt, roundRobin } from "../../sched/mod.ts";

const ROOT = new URL("../../", import.meta.url);
const builtIns = { min_rtt: minRtt, round_robin: roundRobin };

/** Runs `use` with a file of `source`, which is given as relative path and base. */
async function withFile(
  source: string,
  use: (path: string, base: URL) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const base = new URL(`file://${directory}/`);
    await Deno.writeTextFile(new URL("mine.ts", base), source);
    await use("./mine.ts", base);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

describe("parsePlugin", () => {
  it("tells name and options apart", () => {
    assertEquals(parsePlugin("min_rtt"), { source: "min_rtt", options: {} });
    assertEquals(parsePlugin("./a.ts,ratio=3,late=true,early=false,name=x=y,none=,big=1e3"), {
      source: "./a.ts",
      options: { ratio: "3", late: "true", early: "false", name: "x=y", none: "", big: "1e3" },
    });
    assertEquals(parsePlugin("https://example.com/a.ts,n=-0.5").options, { n: "-0.5" });
  });

  it("says what it cannot read", () => {
    assertThrows(() => parsePlugin(""), TypeError, "must begin with a name, a file or a URL");
    assertThrows(() => parsePlugin("rr,4"), TypeError, `as "4" must be of the form key=value`);
    assertThrows(() => parsePlugin("rr,=4"), TypeError, "key=value");
  });
});

describe("checkPlugin", () => {
  it("gives back what is a plugin of the kind", () => {
    const plugin = minRtt();
    assert(checkPlugin("scheduler", plugin) === plugin);
  });

  it("says what is wrong with anything else", () => {
    const message = (value: unknown, label?: string): string =>
      assertThrows(() => checkPlugin("scheduler", value, label), TypeError).message;
    assertEquals(
      message(minRtt),
      "Cannot use minRtt as a scheduler as it is a function: call it, scheduler: minRtt()",
    );
    assertEquals(message(lia()), "Cannot use lia as a scheduler as it is a congestion control");
    assertEquals(
      message(fullMesh(), "./x.ts"),
      "Cannot use ./x.ts as a scheduler as it is a path manager",
    );
    assertEquals(
      message("blest"),
      'Cannot use blest as a scheduler as it is a string: give the plugin, imported, or of loadPlugin("scheduler", "blest", …)',
    );
    assertEquals(message(null), "Cannot use null as a scheduler as it is null");
    assertEquals(
      message({ name: "x" }),
      `Cannot use x as a scheduler as its 'kind' must be "scheduler": current value is undefined`,
    );
    assert(
      message({ ...minRtt(), name: "" }).endsWith(
        `its 'name' must be a non-empty string: current value is ""`,
      ),
    );
    assert(
      message({ ...minRtt(), create: 1 }).endsWith(
        "its 'create' must be a function: current value is 1",
      ),
    );
    assertEquals(
      message(Promise.reject(new Error("nobody waits for it"))),
      "Cannot use a promise as a scheduler as nothing here waits: what makes it must not be async",
    );
    assertThrows(
      () => checkPlugin("path-manager", nDiffPorts),
      TypeError,
      "as a path manager as it is a function: call it, pathManager: nDiffPorts()",
    );
    assertThrows(
      () => checkPlugin("congestion-control", lia),
      TypeError,
      "congestionControl: lia()",
    );
  });

  it("refuses a congestion control and a path manager with values that they cannot have", () => {
    for (const basis of ["loss", "delay", "model", undefined]) {
      checkPlugin("congestion-control", { ...lia(), basis });
    }
    assertThrows(
      () => checkPlugin("congestion-control", { ...lia(), basis: "latency" }),
      TypeError,
      `Cannot use lia as a congestion control as its 'basis' must be one of loss, delay and model: current value is "latency"`,
    );
    for (const beginsAnywhere of [true, false, undefined]) {
      checkPlugin("path-manager", { ...fullMesh(), beginsAnywhere });
    }
    assertThrows(
      () => checkPlugin("path-manager", { ...fullMesh(), beginsAnywhere: "wifi" }),
      TypeError,
      `as its 'beginsAnywhere' must be true or false: current value is "wifi"`,
    );
  });

  it("refuses what a scheduler asks for and nobody can carry out", () => {
    const message = (more: object): string =>
      assertThrows(() => checkPlugin("scheduler", { ...minRtt(), ...more }), TypeError).message;
    for (const lookAhead of [0, 20_000, Infinity, undefined]) {
      checkPlugin("scheduler", { ...minRtt(), lookAhead });
    }
    checkPlugin("scheduler", { ...minRtt(), quantum: 1 });
    checkPlugin("scheduler", { ...minRtt(), relief: true });
    assertThrows(
      () => checkPlugin("scheduler", { ...minRtt(), relief: 1 as never }),
      TypeError,
      "Cannot use min_rtt as a scheduler as its 'relief' must be true or false: current value is 1",
    );
    const start = "Cannot use min_rtt as a scheduler as its ";
    for (const lookAhead of [NaN, -1, "9", null]) {
      const given = JSON.stringify(lookAhead).replace(/^null$/, String(lookAhead));
      assertEquals(
        message({ lookAhead }),
        `${start}'lookAhead' must be a number from 0 on: current value is ${given}`,
      );
    }
    for (const quantum of [0, -1, 0.5, NaN]) {
      assertEquals(
        message({ quantum }),
        `${start}'quantum' must be a number from 1 on: current value is ${quantum}`,
      );
    }
  });
});

describe("loadPlugin", () => {
  it("finds built-in plugins by name, with options", async () => {
    const plugin = await loadPlugin("scheduler", "round_robin,segments=4", { builtIns });
    assertEquals([plugin.name, plugin.quantum], ["round_robin", 5840]);
  });

  it("refuses options that the plugin does not have", async () => {
    const message = async (text: string): Promise<string> =>
      (await assertRejects(
        () => loadPlugin("scheduler", text, { builtIns, base: ROOT }),
        TypeError,
      )).message;
    assertEquals(
      await message("round_robin,segment=4"),
      "Cannot use round_robin,segment=4 as a scheduler as there is no option 'segment': the options are segments, weights, strict",
    );
    assertEquals(
      await message("min_rtt,ratio=4"),
      "Cannot use min_rtt,ratio=4 as a scheduler as there is no option 'ratio': it has none",
    );
    assertEquals(
      await message("docs/examples/patient.ts,ratoi=4"),
      "Cannot use docs/examples/patient.ts,ratoi=4 as a scheduler as there is no option 'ratoi': the options are ratio",
    );
    assertEquals(
      await message("round_robin,segments=0"),
      "Cannot use round_robin,segments=0 as a scheduler as 'segments' must be an integer from 1 to 44: current value is 0",
    );
  });

  it("takes the options of every built-in plugin, of the type of their defaults only", async () => {
    for (
      const [kind, text, type] of [
        ["scheduler", "round_robin,segments=4", "a number, for example segments=1"],
        ["congestion-control", "lia,hystart=false", "true or false, for example hystart=true"],
        ["congestion-control", "reno,hystart=false", "true or false, for example hystart=true"],
        ["path-manager", "full_mesh,copies=2", "a number, for example copies=1"],
        ["path-manager", "n_diff_ports,subflows=3", "a number, for example subflows=2"],
      ] as const
    ) {
      const builtIns = BUILT_INS[kind];
      const plugin = await loadPlugin(kind, text, { builtIns });
      assertEquals(plugin.name, text.split(",")[0]);
      const [, name] = /,(\w+)=/.exec(text)!;
      for (const wrong of ["foo", "", "1x"]) {
        await assertRejects(
          () => loadPlugin(kind, text.replace(/=.*/, `=${wrong}`), { builtIns }),
          TypeError,
          `as '${name}' must be ${type}: current value is "${wrong}"`,
        );
      }
    }
  });

  it("knows the options of every built-in plugin, and what they are where none are given", async () => {
    for (const kind of ["scheduler", "congestion-control", "path-manager"] as const) {
      const builtIns: Readonly<Record<string, PluginModule>> = BUILT_INS[kind];
      for (const [name, { default: factory, defaults }] of Object.entries(builtIns)) {
        assert(defaults !== undefined, name);
        const { create: _, ...made } = await loadPlugin(kind, name, { builtIns });
        const { create: __, ...alone } = factory();
        assertEquals(made, alone, name);
        await assertRejects(
          () => loadPlugin(kind, `${name},stray=1`, { builtIns }),
          TypeError,
          `there is no option 'stray': ${
            Object.keys(defaults).length === 0
              ? "it has none"
              : `the options are ${Object.keys(defaults).join(", ")}`
          }`,
        );
      }
    }
  });

  it("holds options against the defaults that a file exports", async () => {
    const source = `
      export const defaults = { ratio: 4, late: false, path: "wifi", after: "10 s" };
      export default (options) => ({ kind: "scheduler", name: "mine", create: () => options });
    `;
    await withFile(source, async (path, base) => {
      const load = async (options: string): Promise<unknown> => {
        const plugin = await loadPlugin("scheduler", `${path}${options}`, { base });
        return (plugin.create as () => unknown)();
      };
      const defaults = { ratio: 4, late: false, path: "wifi", after: "10 s" };
      assertEquals(await load(""), defaults);
      assertEquals(await load(",ratio=-1e3,late=true"), { ...defaults, ratio: -1e3, late: true });
      // A text stays one, whatever it looks like.
      for (const text of ["5", "true", "", "a=b", "007"]) {
        assertEquals(await load(`,path=${text}`), { ...defaults, path: text });
      }
      for (const text of ["200 ms", "200ms", "1.5s", "3 us"]) {
        const after = text.replace(/ *([a-z]+)$/, " $1");
        assertEquals(await load(`,after=${text}`), { ...defaults, after });
      }
      const refused: Readonly<Record<string, string>> = {
        "ratio=foo": `'ratio' must be a number, for example ratio=4: current value is "foo"`,
        "ratio=NaN": `'ratio' must be a number, for example ratio=4: current value is "NaN"`,
        "ratio=true": `'ratio' must be a number, for example ratio=4: current value is "true"`,
        "ratio=": `'ratio' must be a number, for example ratio=4: current value is ""`,
        "late=1": `'late' must be true or false, for example late=false: current value is "1"`,
        "after=10": `'after' must be a duration, for example after=10 s: current value is "10"`,
        "after=-1 s": `'after' must be a duration, for example after=10 s: current value is "-1 s"`,
        "after=1 h": `'after' must be a duration, for example after=10 s: current value is "1 h"`,
        "ratoi=4": "there is no option 'ratoi': the options are ratio, late, path, after",
        "toString=4": "there is no option 'toString': the options are ratio, late, path, after",
      };
      for (const [option, why] of Object.entries(refused)) {
        const error = await assertRejects(() => load(`,${option}`), TypeError);
        assertEquals(error.message, `Cannot use ./mine.ts,${option} as a scheduler as ${why}`);
      }
    });
  });

  it("refuses defaults that are none", async () => {
    for (
      const [text, why] of [
        ["3", "it is 3"],
        ["null", "it is null"],
        ["[1]", "it is an array"],
        ["{ a: undefined }", "'a' is undefined"],
        ["{ a: 1, b: {} }", "'b' is an object"],
      ] as const
    ) {
      const source = `export const defaults = ${text}; export default () => {};`;
      await withFile(source, async (path, base) => {
        const error = await assertRejects(() => loadPlugin("scheduler", path, { base }), TypeError);
        assertEquals(
          error.message,
          "Cannot load ./mine.ts as its export 'defaults' must be an object of numbers, " +
            `booleans and texts: ${why}`,
        );
      });
    }
  });

  it("hands over ordinary options, to factories that read them later, or all, too", async () => {
    const load = async (factory: string, options: string): Promise<unknown> => {
      let result: unknown;
      await withFile(`export default ${factory}`, async (path, base) => {
        const plugin = await loadPlugin("scheduler", `${path},${options}`, { base });
        result = (plugin.create as () => unknown)();
      });
      return result;
    };
    const plugin = (create: string): string =>
      `({ kind: "scheduler", name: "x", create: ${create} })`;
    assertEquals(await load(`(o) => ${plugin("() => o")}`, "a=1,b=x"), { a: 1, b: "x" });
    assertEquals(await load(`(o) => { o = { ...o }; return ${plugin("() => o")}; }`, "a=1"), {
      a: 1,
    });
    assertEquals(await load(`({ a, ...rest }) => ${plugin("() => rest")}`, "a=1,b=2"), { b: 2 });
    assertEquals(
      await load(`(o) => ${plugin("() => [o.hasOwnProperty('a'), 'b' in o]")}`, "a=1"),
      [true, false],
    );
  });

  it("loads a file, relative to a directory or absolute", async () => {
    const relative = await loadPlugin("scheduler", "docs/examples/patient.ts,ratio=3", {
      base: ROOT,
    });
    assertEquals(relative.name, "patient");
    const { pathname } = new URL("docs/examples/wifi_first.ts", ROOT);
    assertEquals((await loadPlugin("path-manager", pathname)).name, "wifi_first");
  });

  it("loads a file relative to the current directory", async () => {
    await withFile(
      "export default () => ({ kind: 'path-manager', name: 'x', create() {} })",
      async (
        path,
        base,
      ) => {
        const before = Deno.cwd();
        Deno.chdir(base);
        try {
          assertEquals((await loadPlugin("path-manager", path)).name, "x");
        } finally {
          Deno.chdir(before);
        }
      },
    );
  });

  it("loads a URL", async () => {
    const url = new URL("docs/examples/my_lia.ts", ROOT).href;
    assertEquals((await loadPlugin("congestion-control", url)).name, "my_lia");
  });

  it("loads over HTTP", async () => {
    const source =
      "export default (o) => ({ kind: 'scheduler', name: 'far', quantum: o.q, create() {} })";
    const server = Deno.serve(
      { port: 0, onListen: () => {} },
      () => new Response(source, { headers: { "content-type": "text/javascript" } }),
    );
    try {
      const url = `http://localhost:${server.addr.port}/far.js,q=1400`;
      const loader = new URL("core/net/load_plugin.ts", ROOT).href;
      // In a process of its own: what this one imports over HTTP would be added to deno.lock.
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "eval",
          "--no-lock",
          `import { loadPlugin } from "${loader}";
          const { name, quantum } = await loadPlugin("scheduler", "${url}");
          console.log(JSON.stringify([name, quantum]));`,
        ],
      }).output();
      assertEquals(new TextDecoder().decode(stdout), '["far",1400]\n');
    } finally {
      await server.shutdown();
    }
  });

  it("says what it cannot load", async () => {
    const message = async (text: string, base = ROOT): Promise<string> =>
      (await assertRejects(() => loadPlugin("scheduler", text, { builtIns, base }), TypeError))
        .message;
    assertEquals(
      await message("blest"),
      "Cannot use blest as a scheduler as there is none of that name: " +
        "give one of min_rtt, round_robin, or a file (./blest.ts) or a URL",
    );
    assertEquals(
      await message("docs/examples/wifi_first.ts"),
      "Cannot use docs/examples/wifi_first.ts as a scheduler as it is a path manager",
    );
    assert((await message("./none.ts")).startsWith("Cannot load ./none.ts as Module not found"));
    assertMatch(
      await message("http://localhost:1/x.ts"),
      /^Cannot load http:\/\/localhost:1\/x\.ts as Connection refused.*$/,
    );
    assert((await message("round_robin,segments=0")).includes("'segments' must be an integer"));
    await withFile("export const a = 1;", async (path, base) => {
      assertEquals(await message(path, base), "Cannot load ./mine.ts as it has no default export");
    });
    await withFile("export default 3;", async (path, base) => {
      assertEquals(
        await message(path, base),
        "Cannot load ./mine.ts as its default export must be a function that returns a plugin: " +
          "it is a number",
      );
    });
    await withFile("export default () => () => 1;", async (path, base) => {
      assert(
        (await message(path, base)).includes("Cannot use ./mine.ts as a scheduler as it is a"),
      );
    });
    await withFile(
      "export default () => { throw new Error('not today'); };",
      async (path, base) => {
        // Whoever wrote it wants to know where.
        assertMatch(
          await message(path, base),
          /^Cannot use \.\/mine\.ts as a scheduler as not today \(file:.*\/mine\.ts:1:\d+\)$/,
        );
      },
    );
    await withFile("const a = 1;\nthrow new Error('not today');", async (path, base) => {
      assertMatch(
        await message(path, base),
        /^Cannot load \.\/mine\.ts as not today \(file:.*\/mine\.ts:2:\d+\)$/,
      );
    });
    // What Node says that reads no TypeScript.
    const unread = `Unknown file extension ".ts" for /mine.ts`;
    await withFile(`throw new TypeError(${JSON.stringify(unread)});`, async (path, base) => {
      assertMatch(
        await message(path, base),
        /^Cannot load \.\/mine\.ts as Unknown file extension "\.ts" for \/mine\.ts: Node reads TypeScript from 22\.18 on, and Deno and Bun do/,
      );
    });
    // What Node says of a URL, and Deno of one under a lock that is not to change.
    for (
      const [thrown, said] of [
        [
          "Only URLs with a scheme in: file, data, and node are supported by the default ESM loader. Received protocol 'http:'",
          "Node loads nothing from the network: download it, and give the file",
        ],
        [
          "The lockfile is out of date. Run `deno install --frozen=false`, or rerun with `--frozen=false` to update it.\nchanges:",
          "a task takes nothing from the network that its lock does not name: download it",
        ],
      ] as const
    ) {
      await withFile(`throw new TypeError(${JSON.stringify(thrown)});`, async (path, base) => {
        const told = await message(path, base);
        assert(told.startsWith(`Cannot load ./mine.ts as ${said}`), told);
      });
    }
    await withFile("export default async () => ({});", async (path, base) => {
      assertEquals(
        await message(path, base),
        "Cannot use ./mine.ts as a scheduler as nothing here waits: what makes it must not be async",
      );
    });
    await withFile("export default (", async (path, base) => {
      assert((await message(path, base)).startsWith("Cannot load ./mine.ts as "));
    });
  });

  it("does not take members of objects for names", async () => {
    await assertRejects(
      () => loadPlugin("scheduler", "toString", { builtIns }),
      TypeError,
      "none of that name",
    );
    const factories: Record<string, () => Plugin> = builtIns;
    assertEquals(
      (await loadPlugin("scheduler", "min_rtt", { builtIns: factories })).name,
      "min_rtt",
    );
  });
});
