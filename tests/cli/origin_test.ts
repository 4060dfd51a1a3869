import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import config from "../../deno.json" with { type: "json" };
import { COMMANDS, main, overview } from "../../cli/mod.ts";
import { findCall, originOf, PACKAGE, VERSION, withCall } from "../../cli/origin.ts";

describe("where the command comes from", () => {
  it("is told by the address of its modules", () => {
    assertEquals(originOf("https://example.org/v1/cli/origin.ts"), "url");
    assertEquals(originOf("file:///home/me/mptcp/cli/origin.ts"), "clone");
    assertEquals(originOf("file:///x/node_modules/@mptcp/mptcp/command/mod-1.js"), "package");
    assertEquals(originOf(), "clone");
  });

  it("decides what is typed to call it again", async () => {
    assertEquals(
      await findCall("https://example.org/v1/cli/origin.ts"),
      "deno run -A https://example.org/v1/cli/mod.ts",
    );
    const [cwd, exec] = [Deno.env.get("INIT_CWD"), Deno.env.get("npm_command")];
    try {
      Deno.env.set("INIT_CWD", "/somewhere");
      assertEquals(await findCall(), "deno task mptcp");
      Deno.env.delete("INIT_CWD");
      assertMatch(await findCall(), /^(mptcp|deno run -A .*cli\/mod\.ts)$/);
      Deno.env.set("npm_command", "exec");
      assertEquals(await findCall("file:///x/command/mod-1.js"), `npx ${PACKAGE}`);
      Deno.env.delete("npm_command");
      assertEquals(await findCall("file:///x/command/mod-1.js"), "mptcp");
    } finally {
      if (cwd === undefined) Deno.env.delete("INIT_CWD");
      else Deno.env.set("INIT_CWD", cwd);
      if (exec !== undefined) Deno.env.set("npm_command", exec);
    }
  });

  it("shows in usage and examples, and in nothing else", () => {
    const text =
      "mptcp ss [OPTIONS]\n\nA line that breaks before\nmptcp ss stays.\n  mptcp ss -x\n" +
      "  mptcp lab -- mptcp ss\nmptcp COMMAND --help tells";
    assertEquals(
      withCall(text, "npx it"),
      "npx it ss [OPTIONS]\n\nA line that breaks before\nmptcp ss stays.\n  npx it ss -x\n" +
        "  npx it lab -- mptcp ss\nnpx it COMMAND --help tells",
    );
    const shown = withCall(overview(), "npx it");
    assertEquals(shown.match(/^(?: +mptcp (?!COMMAND)|mptcp )/gm), null, shown);
    assertMatch(shown, /^mptcp: /);
    assertEquals(COMMANDS.some(({ name }) => name === "COMMAND"), false);
  });

  it("has one version", async () => {
    assertEquals(VERSION, config.version);
    assertMatch(VERSION, /^\d+\.\d+\.\d+$/);
    assertEquals(await main(["--version"]), 0);
    const changes = await Deno.readTextFile(new URL("../../CHANGELOG.md", import.meta.url));
    assertMatch(changes, new RegExp(`^## ${VERSION.replaceAll(".", "\\.")}`, "m"));
  });
});
