import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname } from "node:path";
import { kill } from "node:process";
import { listFiles } from "./support/architecture.ts";
import { ROOT } from "./support/serve.ts";
import { type Node, parse, walk } from "./support/syntax.ts";
import { ONE_BY_ONE, readSum, Report, sumLine } from "./main.ts";

/** Whether tests say that they need a kernel, or change the folder or the environment of their process. */
function mustBeAlone(file: string, source: string): boolean {
  let found = false;
  if (!/needs\(|chdir|Deno\.env/.test(source)) return found;
  walk(parse(file, source), (node) => {
    if (node.type !== "CallExpression") return;
    const { callee, arguments: given } = node;
    if (callee.type === "Identifier") {
      const kernel = (argument: Node): boolean =>
        argument.type === "Literal" && argument.value === "kernel";
      found ||= callee.name === "needs" && given.some(kernel);
    } else if (callee.type === "MemberExpression") {
      const called = source.slice(...callee.range);
      found ||= /^(Deno|process)\.chdir$|^Deno\.env\.(set|delete)$/.test(called);
    }
  });
  return found;
}

describe("the tests that run one by one", () => {
  it("are all that must, and the list names nothing that is not there", async () => {
    const missing: string[] = [];
    for (const file of listFiles(ROOT, "_test.ts")) {
      const listed = ONE_BY_ONE.some((each) => file === each || file.startsWith(`${each}/`));
      const source = await Deno.readTextFile(new URL(file, ROOT));
      if (!listed && mustBeAlone(file, source)) missing.push(file);
    }
    assertEquals(missing, []);
    for (const each of ONE_BY_ONE) await Deno.stat(new URL(each, ROOT));
  });

  it("are known by what they need and call, however it is written", () => {
    assert(mustBeAlone("a.ts", `needs("tc", "kernel").it("x", () => {});`));
    assert(mustBeAlone("a.ts", `const { it } = needs("kernel");`));
    assert(mustBeAlone("a.ts", `Deno.env.delete("A");`));
    assert(
      !mustBeAlone("a.ts", `needs("git"); const text = 'needs("kernel")'; Deno.env.get("A");`),
    );
  });
});

describe("the report of a run", () => {
  it("reads sums, with steps and without, and adds them", () => {
    const sums = [
      "ok | 53 passed (310 steps) | 0 failed (36s)",
      "FAILED | 1 passed | 2 failed (1 step) | 3 ignored (2m21s)",
    ].map((line) => readSum(line)!);
    assertEquals(sums, [
      { passed: 53, failed: 0, ignored: 0 },
      { passed: 1, failed: 2, ignored: 3 },
    ]);
    assertEquals(readSum("adds ... ok (1ms)"), null);
    assertEquals(sumLine([sums[0]!], 61.9), "ok | 53 passed | 0 failed (1m1s)");
    assertEquals(sumLine(sums, 1), "FAILED | 54 passed | 2 failed | 3 ignored (0m1s)");
  });

  it("names the file on each line, and keeps failures for the end", () => {
    const report = new Report();
    const shown = [
      "running 2 tests from ./a_test.ts",
      "holds ... ok (1ms)",
      "",
      "running 1 test from ./b_test.ts",
      "does not ... FAILED (1ms)",
      " ERRORS ",
      "does not => ./b_test.ts:1:1",
      "FAILED | 2 passed | 1 failed (1s)",
    ].map((line) => report.take(line)).filter((line) => line !== null);
    assertEquals(shown, [
      "./a_test.ts => holds ... ok (1ms)",
      "./b_test.ts => does not ... FAILED (1ms)",
    ]);
    assertEquals(report.failures, [" ERRORS ", "does not => ./b_test.ts:1:1"]);
    assertEquals(report.sum, { passed: 2, failed: 1, ignored: 0 });
  });
});

/** Runs tests/main.ts in a folder with these files. `meanwhile` may do something to it. */
async function runIn(
  files: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  meanwhile?: (process: Deno.ChildProcess, folder: string) => Promise<void>,
): Promise<{ code: number; text: string; last: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const empty = ONE_BY_ONE.map((each) => each.replace(/[^.]{3}$/, "$&/empty.ts"));
    const all = { ...Object.fromEntries(empty.map((name) => [name, ""])), "deno.json": "{}" };
    for (const [name, text] of Object.entries({ ...all, ...files })) {
      await Deno.mkdir(dirname(`${folder}/${name}`), { recursive: true });
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", new URL("main.ts", import.meta.url).href, ...args],
      cwd: folder,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = process.output();
    await meanwhile?.(process, folder);
    const { code, stdout, stderr } = await output;
    const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, text: text + errors!, last: text!.trimEnd().split("\n").at(-1)! };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const PASSES = `Deno.test("passes", () => {});`;
const FAILS = `Deno.test("fails", () => { throw new Error("it does not hold"); });`;

describe("deno task test", () => {
  it("runs both groups and the examples of comments, and ends with the sum", async () => {
    const { code, text, last } = await runIn({
      "a.ts": "/** ```ts\n * if (1 > 2) throw 1;\n * ``` */\nexport const a = 1;",
      "tests/a_test.ts": PASSES,
      "tests/link/b_test.ts": PASSES,
    });
    assertEquals(code, 0, text);
    assertMatch(text, /tests\/link\/b_test\.ts => passes \.\.\. ok/);
    assertMatch(last, /^ok \| 3 passed \| 0 failed \(\d+m\d+s\)$/);
  });

  it("tells what fails, and why, behind all that passed", async () => {
    const { code, text, last } = await runIn({
      "tests/a_test.ts": PASSES,
      "tests/link/b_test.ts": FAILS,
    });
    assertEquals(code, 1, text);
    assert(text.lastIndexOf("it does not hold") > text.indexOf("passes ... ok"), text);
    assertMatch(last, /^FAILED \| 1 passed \| 1 failed \(/);
  });

  it("takes files behind `--` as well, as npm has it", async () => {
    const { code, text } = await runIn(
      { "tests/a_test.ts": PASSES, "tests/b_test.ts": FAILS, "tests/deno.lock": `{"version":"5"}` },
      ["--", "tests/a_test.ts"],
    );
    assertEquals(code, 0, text);
    assertMatch(text, /1 passed/);
  });

  it("stops at a wrong type", async () => {
    const { code, text } = await runIn({ "tests/link/b_test.ts": `const a: string = 1;${PASSES}` });
    assertEquals(code, 1);
    assertStringIncludes(text, "is not assignable");
    assert(!text.includes("... ok"), text);
  });

  it("counts a process that ends before its time as a failure", async () => {
    const { code, text, last } = await runIn({
      "tests/a_test.ts": PASSES,
      "tests/link/b_test.ts": `Deno.test("ends all", () => Deno.kill(Deno.pid, "SIGKILL"));`,
    });
    assertEquals(code, 1, text);
    assertMatch(last, /^FAILED \| 1 passed \| 1 failed \(/, text);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`leaves nothing running, and begins nothing, when it alone is told to end by ${signal}`, async () => {
      const waits =
        `Deno.test("waits", async () => { await Deno.writeTextFile("b.pid", \`\${Deno.pid}\`); await new Promise((end) => setTimeout(end, 60000)); });`;
      const files = {
        "tests/a_test.ts": PASSES,
        "tests/link/b_test.ts": waits,
      };
      const pids: number[] = [];
      const { code, last } = await runIn(files, [], async (process, folder) => {
        let pid = 0;
        while (pid === 0) {
          await new Promise((end) => setTimeout(end, 50));
          pid = Number(await Deno.readTextFile(`${folder}/b.pid`).catch(() => ""));
        }
        pids.push(pid);
        process.kill(signal);
      });
      // Those of the other process do not begin any more.
      assertEquals([code, last.replace(/ \(.*/, "")], [1, "FAILED | 0 passed | 1 failed"]);
      for (const pid of pids) assertThrows(() => kill(pid, 0), Error, "ESRCH");
    });
  }

  it("with arguments runs what they name", async () => {
    const files = { "tests/a_test.ts": PASSES, "tests/link/b_test.ts": FAILS };
    const { code, text } = await runIn(files, ["tests/a_test.ts"]);
    assertEquals([code, text.includes("fails")], [0, false], text);
    assertEquals((await runIn(files, ["--filter", "fails"])).code, 1);
  });
});
