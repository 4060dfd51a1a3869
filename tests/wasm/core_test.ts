import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { embed } from "../../wasm/embed.ts";
import { core } from "../../wasm/core.ts";

const read = (path: string): URL => new URL(`../../wasm/${path}`, import.meta.url);

describe("the module that is loaded", () => {
  it("is core.wasm, byte for byte", async () => {
    const written = await Deno.readTextFile(read("core_bytes.ts"));
    assert(written === embed(await Deno.readFile(read("core.wasm"))), "run `deno task wasm`");
  });

  it("has what mod.ts takes of it, and imports nothing", async () => {
    const module = new WebAssembly.Module(await Deno.readFile(read("core.wasm")));
    assertEquals(WebAssembly.Module.imports(module), []);
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    assertEquals(Object.keys(core).sort(), names.sort());
    const taken = Object.keys(await import("../../wasm/mod.ts"));
    const views = ["f64", "i32", "u16", "u32", "u8"];
    const inside = ["memory", "memory_fix"];
    assertEquals(
      [...names, ...views].filter((name) => !inside.includes(name)).sort(),
      taken.sort(),
    );
  });
});
