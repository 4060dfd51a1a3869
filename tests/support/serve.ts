/**
 * Serves this clone over HTTP, so that its modules can be imported by URL: `deno task serve`, then
 * `import … from "http://localhost:8000/mod.ts"`. Nothing else is needed, as no module of the library uses an import map. For programs that import
 * `@mptcp/mptcp`, as those of the documents do, there is one at `/import_map.json`.
 */

import { print, report } from "../../cli/output.ts";

/** Deno refuses a module whose type is neither JavaScript nor TypeScript, which is what most file servers send for `.ts`. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
  md: "text/markdown; charset=utf-8",
  svg: "image/svg+xml",
  ts: "application/typescript; charset=utf-8",
  wasm: "application/wasm",
};

/** The repository's root. */
export const ROOT: URL = new URL("../../", import.meta.url);

function refusal(status: number): Response {
  const text = status === 405 ? "Method not allowed" : "Not found";
  return new Response(`${text}\n`, { status });
}

/** What `@mptcp/mptcp` and its entry points are here. */
async function importMap(root: URL): Promise<Response> {
  const { name, exports }: { name: string; exports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  const imports = Object.entries(exports).map(([key, file]) => [key.replace(".", name), file]);
  return Response.json({ imports: Object.fromEntries(imports) });
}

/** Answers one request with the file that it names below `root`. */
export async function serveFile(request: Request, root: URL = ROOT): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") return refusal(405);
  let segments: string[];
  try {
    segments = decodeURIComponent(new URL(request.url).pathname).split("/").filter((s) => s !== "");
  } catch {
    return refusal(404);
  }
  // A dot at the start is a hidden file or a way out of the root; a backslash is a separator on Windows.
  if (segments.some((segment) => segment.startsWith(".") || /[\\\0]/.test(segment))) {
    return refusal(404);
  }
  if (segments.join("/") === "import_map.json") return await importMap(root);
  const url = new URL(segments.map(encodeURIComponent).join("/"), root);
  try {
    const info = await Deno.stat(url);
    if (!info.isFile) return refusal(404);
    const extension = segments.at(-1)?.split(".").at(-1) ?? "";
    const headers = {
      "content-type": CONTENT_TYPES[extension] ?? "application/octet-stream",
      "content-length": `${info.size}`,
      "access-control-allow-origin": "*",
    };
    if (request.method === "HEAD") return new Response(null, { headers });
    const file = await Deno.open(url);
    return new Response(file.readable, { headers });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return refusal(404);
    }
    throw error;
  }
}

/** Options of {@linkcode serveRepository}. */
export interface ServeOptions {
  /** TCP port; 0 lets the system choose. */
  port: number;
  /** What to serve. @default {ROOT} */
  root?: URL;
  /** Called once the port is open. */
  onListen?: (url: string) => void;
}

/** Serves the repository on localhost until the result is disposed of. */
export function serveRepository(options: ServeOptions): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({
    hostname: "localhost",
    port: options.port,
    onListen: ({ port }) => options.onListen?.(`http://localhost:${port}/`),
  }, (request) => serveFile(request, options.root));
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    print(`deno task serve

Serves this clone at http://localhost:8000 until Ctrl-C, so that programs import it by URL:
http://localhost:8000/mod.ts, or @mptcp/mptcp by http://localhost:8000/import_map.json.`);
    Deno.exit();
  }
  const port = 8000;
  try {
    serveRepository({
      port,
      onListen: (url) => print(`Serving this clone at ${url}: import … from "${url}mod.ts"`),
    });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    report(
      `Cannot serve at port ${port} as something else does, another \`deno task serve\` maybe`,
    );
    Deno.exit(1);
  }
}
