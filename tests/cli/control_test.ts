/** What answers at a control socket is not believed to be harmless: `--control` and MPTCP_RUN_DIR may name somebody else's. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ask } from "../../cli/control.ts";
import { printable } from "../../cli/output.ts";

describe("answers of a control socket", () => {
  it("cannot steer the terminal that they are shown on", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/it.sock`;
      using listener = Deno.listen({ transport: "unix", path });
      const evil = "a\x1b]0;b\x07\x9b2J\x7f\tc\r";
      const text = JSON.stringify({ ok: [{ [evil]: 1, plugins: { scheduler: evil } }] });
      const serving = (async () => {
        using conn = await listener.accept();
        await conn.read(new Uint8Array(1000));
        await conn.write(new TextEncoder().encode(`${text}\n`));
      })();
      const answers = await Array.fromAsync(ask(path, "ss"));
      await serving;
      const shown = "a�]0;b��2J�\tc�";
      assertEquals(answers, [{ ok: [{ [shown]: 1, plugins: { scheduler: shown } }] }]);
      assertEquals(printable("ä 日本\n"), "ä 日本\n");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("are waited for no longer than somebody wants them, from whenever on", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/it.sock`;
      using _silent = Deno.listen({ transport: "unix", path });
      assertEquals(await Array.fromAsync(ask(path, "monitor", AbortSignal.abort())), []);
      const controller = new AbortController();
      const asking = Array.fromAsync(ask(path, "monitor", controller.signal));
      controller.abort();
      assertEquals(await asking, []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
