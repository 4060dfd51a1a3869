/** Writes core_bytes.ts, the compiled module as a text that every runtime, bundler and `file:` page loads. Part of `deno task wasm`. */

const FOLDER = new URL("./", import.meta.url);

/** The text of core_bytes.ts for a compiled module. */
export function embed(module: Uint8Array): string {
  return `/** core.wasm in base64. Written by \`deno task wasm\`. */\nexport const CORE_BYTES =\n  "${module.toBase64()}";\n`;
}

if (import.meta.main) {
  const module = await Deno.readFile(new URL("core.wasm", FOLDER));
  await Deno.writeTextFile(new URL("core_bytes.ts", FOLDER), embed(module));
}
