/**
 * What the tests rely on: that a leak inside `it` fails, and that hooks run in order, with the stand-ins of .links as with the real packages; that a
 * missing program skips what needs it and nothing else, and fails it under CI=true.
 */

import { afterEach, beforeAll, beforeEach, describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";

describe("hooks", () => {
  const log: string[] = [];
  beforeAll(() => {
    log.push("all");
  });
  beforeEach(() => {
    log.push("outer");
  });
  afterEach(() => {
    log.push("after outer");
  });

  it("run around each test", () => {
    assertEquals(log.splice(0), ["all", "outer"]);
  });

  describe("of suites within suites", () => {
    beforeEach(() => {
      log.push("inner");
    });
    afterEach(() => {
      log.push("after inner");
    });

    it("run from the outside in", () => {
      assertEquals(log.splice(0), ["after outer", "outer", "inner"]);
    });

    it("and from the inside out", () => {
      assertEquals(log.splice(0), ["after inner", "after outer", "outer", "inner"]);
    });
  });
});

/** Runs a test file of this text in a folder of its own; gives its exit code and what it printed. */
async function runTests(
  text: string,
  env: Record<string, string> = {},
): Promise<{ code: number; text: string }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a_test.ts`, text);
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--no-lock", "--config", config, "a_test.ts"],
      cwd: folder,
      env: { NO_COLOR: "1", ...env },
    }).output();
    return { code, text: new TextDecoder().decode(stdout) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("the tool chain", () => {
  it("fails a test that leaves a timer behind, or does not hold", async () => {
    const { code, text } = await runTests(`import { describe, it } from "@std/testing/bdd";
      describe("leaks", () => {
        it("ends", () => { setTimeout(() => {}, 100_000); });
      });
      describe("suite", () => {
        it("throws", () => { throw new Error("does not hold"); });
        it("holds", () => {});
      });`);
    assertEquals(code, 1);
    assertMatch(text, /^leaks \.\.\. FAILED/m);
    assertStringIncludes(text, "A timer was started in this test, but never completed");
    assertStringIncludes(text, "throws ... FAILED");
    assertStringIncludes(text, "holds ... ok");
  });

  it("shows where two values differ", () => {
    const { message } = assertThrows(
      () => assertEquals({ a: 1, b: [1, 2] }, { a: 1, b: [1, 3] }),
      Error,
    );
    assertStringIncludes(message, "not equal");
    assertThrows(() => assertEquals(new Uint8Array(3), new Uint8Array(4)), Error);
    assertEquals(new Map([["a", new Uint8Array(2)]]), new Map([["a", new Uint8Array(2)]]));
  });
});

describe("needs()", () => {
  const tools = new URL("support/tools.ts", import.meta.url).href;
  const program = `import { needs } from ${JSON.stringify(tools)};
    const broken = () => { throw new Error("was run"); };
    needs("cat").describe("suite", () => {
      needs("cat").it("runs", () => {});
      needs("cat", "ping").it("pings", broken);
    });
    needs("tshark", "cat").describe("reads captures", () => needs().it("whole", broken));
    needs("kernel").describe("with a kernel", () => needs().it("talks", broken));`;

  /** Runs it where `cat` is the one program. */
  async function alone(env: Record<string, string>): Promise<{ code: number; text: string }> {
    const path = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${path}/cat`, "#!/bin/sh\n", { mode: 0o755 });
      // Not to be executed, hence no program.
      await Deno.writeTextFile(`${path}/ping`, "#!/bin/sh\n", { mode: 0o644 });
      return await runTests(program, { ...env, PATH: path });
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  }

  it("skips what needs a missing program, with the reason in its name, and nothing else", async () => {
    const { code, text } = await alone({ CI: "" });
    assertEquals(code, 0, text);
    assertMatch(text, /^ +runs \.\.\. ok/m);
    assertMatch(text, /^ +pings \(needs ping: apt-get install iputils-ping\) \.\.\. ignored/m);
    assertMatch(text, /^reads captures \(needs tshark: apt-get install tshark\) \.\.\. ignored/m);
    assertMatch(text, /^with a kernel \(needs a kernel to talk to: .+\) \.\.\. ignored/m);
  });

  it("skips nothing under CI=true: it fails", async () => {
    const { code, text } = await alone({ CI: "true" });
    assertEquals(code, 1, text);
    assertMatch(text, /^ +runs \.\.\. ok/m);
    assertMatch(text, /^ +pings \.\.\. FAILED/m);
    assertMatch(text, /^reads captures \.\.\. FAILED/m);
    assertMatch(text, /^with a kernel \.\.\. FAILED/m);
    assertStringIncludes(text, "Cannot run as this needs ping: apt-get install iputils-ping");
    assert(!text.includes("ignored") && !text.includes("was run"), text);
  });
});
