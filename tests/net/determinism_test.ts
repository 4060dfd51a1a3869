import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

const PROGRAM = new URL("../support/trace_main.ts", import.meta.url);

async function run(seed: number): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-read", PROGRAM.href, String(seed)],
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  assert(success);
  return new TextDecoder().decode(stdout);
}

/** Keeps a processor busy in a process of its own, in bursts, until disposed of. */
function noise(): AsyncDisposable {
  const code = `for (;;) {
    const end = performance.now() + Math.random() * 20;
    while (performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
  }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

describe("the emulator", () => {
  it("gives byte-identical packet traces in two processes, one of them under load", async () => {
    const quiet = await run(3);
    assert(/^1000000 300000 \d+ /.test(quiet), quiet);
    let loaded: string;
    {
      await using _first = noise();
      await using _second = noise();
      await using _third = noise();
      loaded = await run(3);
    }
    assertEquals(loaded, quiet);
  });
});
