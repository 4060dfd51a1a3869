import { it } from "@std/testing/bdd";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { needs } from "../support/tools.ts";

const MOD = new URL("../../cli/mod.ts", import.meta.url).pathname;

needs("script").describe("progress on a terminal", () => {
  it("shows bars and leaves the terminal as it was, so that long lines wrap", async () => {
    // `script` gives the command a terminal.
    const command = `${Deno.execPath()} run -A ${MOD} demo --size 2MB -o none`;
    const { code, stdout } = await new Deno.Command("script", {
      args: ["-qec", command, "/dev/null"],
      cwd: new URL("../../", import.meta.url).pathname,
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text);
    assertMatch(text, /█*░+ \d of \d runs/);
    assertStringIncludes(text, "earliest, wifi cut");
    assert(!text.includes("\x1b[?7l"), "the terminal's wrapping was switched off");
    assert(!text.includes("\x1b[?25l"), "the cursor was hidden");
  });
});
