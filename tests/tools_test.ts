/** What the tests rely on: that a leak inside `it` fails, and that hooks run in order, with the stand-ins of .links as with the real packages. */

import { afterEach, beforeAll, beforeEach, describe, it } from "@std/testing/bdd";
import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";

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

describe("the tool chain", () => {
  it("fails a test that leaves a timer behind, or does not hold", async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${folder}/leak_test.ts`,
        `import { describe, it } from "@std/testing/bdd";
        describe("leaks", () => {
          it("ends", () => { setTimeout(() => {}, 100_000); });
        });
        describe("suite", () => {
          it("throws", () => { throw new Error("does not hold"); });
          it("holds", () => {});
        });`,
      );
      const config = new URL("../deno.json", import.meta.url).pathname;
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "--no-check", "--no-lock", "--config", config, "leak_test.ts"],
        cwd: folder,
        env: { NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder().decode(stdout);
      assertEquals(code, 1);
      assertMatch(text, /^leaks \.\.\. FAILED/m);
      assertStringIncludes(text, "A timer was started in this test, but never completed");
      assertStringIncludes(text, "throws ... FAILED");
      assertStringIncludes(text, "holds ... ok");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
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
