import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";

const LOAD = fileURLToPath(new URL("closed_load.ts", import.meta.url));

describe("connections that are closed", () => {
  it("are held by nothing, not even by a deadline that they had hours away", async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", LOAD, "100"],
    }).output();
    const text = new TextDecoder();
    assert(success, text.decode(stderr));
    const held = Number(text.decode(stdout));
    // Of each host the last one may stand in what the next pass writes over.
    assert(held <= 4, `${held} of 200`);
  });
});
