import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TransferLines } from "../../cli/progress.ts";
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

describe("progress elsewhere", () => {
  /** Lines of a transfer of `total` bytes, by what there is after each second. */
  function lines(total: number, each: readonly number[]): string[] {
    const said: string[] = [];
    let now = 500;
    const transfer = new TransferLines(total, (line) => said.push(line), () => now);
    for (const bytes of each) {
      now += 1000;
      transfer.update({ name: "download", bytes, detail: "8.00 Mbit/s" });
    }
    transfer.end();
    return said;
  }

  it("is a line each tenth, which is told once, and none of what is over soon", () => {
    assertEquals(lines(10e6, [5e6, 10e6, 10e6]), []);
    assertEquals(lines(10e6, [1e6, 2e6, 2.9e6, 3e6, 3.1e6, 6e6, 10e6]), [
      "download: 2.00 MB of 10.0 MB, 8.00 Mbit/s",
      "download: 3.00 MB of 10.0 MB, 8.00 Mbit/s",
      "download: 6.00 MB of 10.0 MB, 8.00 Mbit/s",
    ]);
  });

  it("is a line each ten seconds where nobody knows how much there will be", () => {
    const each = Array.from({ length: 25 }, (_, i) => (i + 1) * 1e6);
    assertEquals(lines(0, each), [
      "download: 10.0 MB, 8.00 Mbit/s",
      "download: 20.0 MB, 8.00 Mbit/s",
    ]);
  });
});
