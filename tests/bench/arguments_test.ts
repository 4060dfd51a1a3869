import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { HELP, readBenchArguments, USAGE } from "../../bench/arguments.ts";
import { UsageError } from "../../cli/arguments.ts";

/** Runs `deno ARGS` in a folder whose only bench prints what the repository's benches would read from the command line. */
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
        // Types are checked elsewhere.
        tasks: { bench: tasks.bench.command.replace(/^deno bench /, "$&--no-check ") },
        imports,
        links,
        lock: { path: new URL("deno.lock", root).pathname, frozen: true },
      }),
    );
    const module = new URL("bench/arguments.ts", root).href;
    await Deno.writeTextFile(
      `${folder}/print_bench.js`,
      `import { readBenchArguments, USAGE } from "${module}";
console.log("read " + JSON.stringify(readBenchArguments(Deno.args).schedulers));`,
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return /^read .*$/m.exec(text)?.[0] ?? text;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("arguments of the benches", () => {
  it("mean the same in every form", async () => {
    const expected = `read ["./mine.ts,ratio=3"]`;
    const own = ["--scheduler", "./mine.ts,ratio=3"];
    assertEquals(await denoWithBench(["task", "bench", ...own]), expected);
    assertEquals(await denoWithBench(["task", "bench", "--", ...own]), expected);
    assertEquals(await denoWithBench(["bench", "--no-check", "-A", "--", ...own]), expected);
    assertEquals(await denoWithBench(["task", "bench"]), "read []");
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
