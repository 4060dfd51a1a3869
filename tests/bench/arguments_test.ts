import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { HELP, readBenchArguments, USAGE } from "../../bench/arguments.ts";
import { UsageError } from "../../cli/arguments.ts";

/** Runs `deno ARGS` in a folder whose benches print their names, or what the repository's would read from the command line. */
async function denoWithBench(args: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const root = new URL("../../", import.meta.url);
    const { tasks, imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
    const links = ["assert", "cli", "testing"].map((name) =>
      new URL(`.links/std/${name}`, root).pathname
    );
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({
        tasks: { bench: tasks.bench.command },
        imports,
        links,
        lock: false,
      }),
    );
    await Deno.copyFile(new URL("deno.lock", root), `${folder}/deno.lock`);
    const module = new URL("bench/arguments.ts", root).href;
    await Deno.mkdir(`${folder}/bench`);
    const main = await Deno.readTextFile(new URL("bench/main.ts", root));
    // Types are checked elsewhere.
    await Deno.writeTextFile(`${folder}/bench/main.ts`, main.replace('"-A",', '$& "--no-check",'));
    await Deno.writeTextFile(
      `${folder}/bench/compare_bench.ts`,
      `import { readBenchArguments, USAGE } from "${module}";
console.log("read " + JSON.stringify(readBenchArguments(Deno.args).schedulers));`,
    );
    await Deno.writeTextFile(`${folder}/bench/other_bench.js`, "console.log('another one');");
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const said = text.match(/^(read|another) .*$/gm);
    return said === null ? text : [...new Set(said)].sort().join(", ");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("arguments of the benches", () => {
  it("mean the same in every form, and leave out what has nothing to do with them", async () => {
    const expected = `read ["./mine.ts,ratio=3"]`;
    const own = ["--scheduler", "./mine.ts,ratio=3"];
    assertEquals(await denoWithBench(["task", "bench", ...own]), expected);
    assertEquals(await denoWithBench(["task", "bench", "--", ...own]), expected);
    const alone = ["bench", "--no-check", "-A", "bench/compare_bench.ts", "--", ...own];
    assertEquals(await denoWithBench(alone), expected);
    assertEquals(await denoWithBench(["task", "bench"]), "another one, read []");
  });

  it("may name several schedulers", () => {
    assertEquals(readBenchArguments(["--scheduler", "a", "--scheduler=b"]).schedulers, ["a", "b"]);
    assertEquals(readBenchArguments(["--", "--scheduler=b"]).schedulers, ["b"]);
  });

  it("may name the paths that schedulers are compared on", () => {
    assertEquals(readBenchArguments([]).scenarios, undefined);
    const { scenarios } = readBenchArguments(["--path", "dsl=5Mbit/s", "--delay", "9 ms"]);
    const dsl = { rate: "5 Mbit/s", delay: "9 ms", between: ["phone", "internet"] } as const;
    assertEquals(scenarios!.map(({ links }) => links!.dsl), [dsl, dsl]);
    assertEquals(scenarios!.map(({ links }) => Object.keys(links!)), [
      ["dsl", "server"],
      ["dsl", "server"],
    ]);
    assertThrows(() => readBenchArguments(["--rate", "5"]), UsageError, "--rate: it must be");
  });

  it("are refused when unknown", async () => {
    assertThrows(() => readBenchArguments(["--shceduler", "a"]), UsageError, "did you mean");
    assertThrows(() => readBenchArguments(["a"]), UsageError, "Unknown argument a");
    assertThrows(() => readBenchArguments(["--", "--", "a"]), UsageError, "Unknown argument a");
    assertStringIncludes(
      await denoWithBench(["task", "bench", "--sheduler", "x"]),
      "Unknown option --sheduler",
    );
  });

  it("end the whole bench at once when wrong, with the message last", async () => {
    const bench = async (...args: string[]): Promise<{ code: number; text: string }> => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["task", "-q", "bench", ...args],
        cwd: new URL("../../", import.meta.url).pathname,
        env: { NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder();
      return { code, text: text.decode(stdout) + text.decode(stderr) };
    };
    for (
      const [args, message] of [
        [["--sheduler", "x"], "Unknown option --sheduler: did you mean --scheduler?"],
        [["--scheduler", "none"], "Cannot use none as a scheduler"],
        [["--scheduler", "./docs/examples/my_lia.ts"], "as it is a congestion control"],
      ] as const
    ) {
      const { code, text } = await bench(...args);
      assertEquals(code, 2, text);
      assertStringIncludes(text, message);
      assertStringIncludes(text.trim().split("\n").at(-1)!, USAGE);
    }
    assertEquals(await bench("--help"), { code: 0, text: `${HELP}\n` });
    for (const name of ["min_rtt", "round_robin", "redundant"]) assertStringIncludes(HELP, name);
  });
});
