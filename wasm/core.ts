/**
 * The one instance of core.wasm in an isolate. Its bytes come as a text beside it, and not by `import … from "./core.wasm"`, which of all runtimes and
 * bundlers few know, nor by a fetch, which needs a permission or a server: the same files run in Deno, in Node, in Bun and in a browser, also from a disk.
 */

import type * as Core from "./core.wasm";
import { CORE_BYTES } from "./core_bytes.ts";

const bytes = Uint8Array.from(atob(CORE_BYTES), (character) => character.charCodeAt(0));
// At once: whatever imports the stack may then be loaded at once, too. Browsers allow that on the main thread for modules far larger than this one.
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));

/** What core.wasm exports. */
export const core = exports as typeof Core;
