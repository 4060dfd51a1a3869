/** `mptcp serve DIR`: the files of a folder over HTTP over MPTCP. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname } from "node:path";
import type { MptcpConn } from "../mod.ts";
import { toDuplex } from "../core/net/node.ts";
import { type Command, type Given, readInteger, UsageError } from "./arguments.ts";
import { sendBody } from "./body.ts";
import { Delivery, pause, POLL, type Sender } from "./delivery.ts";
import { formatBytes, formatRate, formatTime } from "./output.ts";
import { limitHint, readKernelLimits } from "./kernel_limits.ts";
import { HOST_OPTIONS, openHost } from "./observed_host.ts";
import { Progress } from "./progress.ts";
import { onInterrupt } from "./signals.ts";

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".md": "text/markdown; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".ts": "application/typescript; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

/** A file or folder that may be served. */
type Found =
  | { readonly kind: "file"; readonly path: string; readonly size: number }
  | { readonly kind: "folder"; readonly path: string }
  | null;

/** What the path of a request names below `root`, which is a real path; hidden files and what links lead out of the root are as if not there. */
export async function findServed(root: string, pathname: string): Promise<Found> {
  let segments: string[];
  try {
    segments = decodeURIComponent(pathname).split("/").filter((segment) => segment !== "");
  } catch {
    return null;
  }
  if (segments.some((segment) => segment.startsWith(".") || /[\\\0]/.test(segment))) return null;
  try {
    const path = await Deno.realPath([root, ...segments].join("/"));
    const inside = path === root || path.startsWith(root === "/" ? root : `${root}/`);
    if (!inside) return null;
    const info = await Deno.stat(path);
    if (info.isDirectory) return { kind: "folder", path };
    return info.isFile ? { kind: "file", path, size: info.size } : null;
  } catch {
    return null;
  }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

async function listing(path: string, pathname: string): Promise<string> {
  const entries: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (!name.startsWith(".")) entries.push(isDirectory ? `${name}/` : name);
  }
  const links = entries.sort().map((name) =>
    `<li><a href="${encodeURIComponent(name).replace(/%2F$/, "/")}">${escapeHtml(name)}</a></li>`
  );
  const title = escapeHtml(decodeURIComponent(pathname));
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><ul>${
    links.join("")
  }</ul>\n`;
}

/** How long Ctrl-C waits for responses under way, in milliseconds. */
const LINGER = 10_000;

/** Serves files and shows how their bytes are spread over the paths. */
class FileServer {
  readonly #root: string;
  readonly #progress: Progress;
  readonly #conns = new WeakMap<object, Sender>();
  #sending = 0;
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  constructor(root: string, progress: Progress) {
    this.#root = root;
    this.#progress = progress;
  }

  /** Responses under way. */
  get sending(): number {
    return this.#sending;
  }

  /** Serves one connection. */
  serve(conn: MptcpConn): void {
    const duplex = toDuplex(conn);
    this.#conns.set(duplex, { conn, duplex });
    // A peer that goes away is no error of ours; the response that it broke off has its line.
    duplex.on("error", () => {});
    this.#server.emit("connection", duplex);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://host");
    if (request.method !== "GET" && request.method !== "HEAD") {
      return this.#text(request, response, 405, "text/plain", "Method not allowed\n");
    }
    let found = await findServed(this.#root, pathname);
    if (found?.kind === "folder") {
      if (!pathname.endsWith("/")) {
        response.setHeader("location", `${pathname}/`);
        return this.#text(request, response, 301, "text/plain", "Moved\n");
      }
      const index = await findServed(this.#root, `${pathname}index.html`);
      if (index?.kind !== "file") {
        const text = await listing(found.path, pathname);
        return this.#text(request, response, 200, "text/html; charset=utf-8", text);
      }
      found = index;
    }
    if (found === null) {
      return this.#text(request, response, 404, "text/plain", "Not found\n");
    }
    const type = CONTENT_TYPES[extname(found.path)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": found.size });
    if (request.method === "HEAD") return void response.end();
    await this.#send(found.path, found.size, request, response);
  }

  #text(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    type: string,
    text: string,
  ): void {
    const length = new TextEncoder().encode(text).length;
    response.writeHead(status, { "content-type": type, "content-length": length });
    response.end(request.method === "HEAD" ? "" : text);
    this.#progress.log(`${status} ${request.method} ${request.url}`);
  }

  async #send(
    path: string,
    size: number,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const name = decodeURI(request.url ?? "/");
    const sender = this.#conns.get(request.socket)!;
    const delivery = new Delivery(sender, size);
    const { figures } = delivery;
    const bars = this.#progress.begin(size);
    const draw = (): void => {
      figures.sample(performance.now() * 1000);
      bars.update(
        { name, bytes: delivery.bytes, detail: formatRate(delivery.rate) },
        figures.carried,
      );
    };
    const timer = setInterval(draw, 100);
    let failure: unknown;
    this.#sending++;
    try {
      using file = await Deno.open(path);
      await sendBody(response, sender.duplex, size, (view) => file.readSync(view) ?? 0);
    } catch (error) {
      // Also of a client that has all it asked for and closes before the response is told that it is finished.
      failure = error;
      response.destroy(); // one whose file could not be opened has begun too
    }
    // Who has all of it may leave, and with it the paths.
    draw();
    await delivery.end();
    this.#sending--;
    clearInterval(timer);
    draw();
    bars.end();
    const broken = delivery.bytes < size
      ? `broken off (${failure instanceof Error ? failure.message : "the client left"})`
      : "200";
    const how = figures.fallback ? "plain TCP, as the client does not speak MPTCP" : figures.shares;
    this.#progress.log(
      `${broken} GET ${name}: ${formatBytes(delivery.bytes)} in ${formatTime(delivery.time)}, ${
        formatRate(delivery.rate)
      }; ${how}`,
    );
  }
}

async function run(args: Given): Promise<number> {
  const [folder, ...more] = args.positional;
  if (folder === undefined || more.length > 0) {
    throw new UsageError("mptcp serve needs one folder: mptcp serve DIR");
  }
  const root = await Deno.realPath(folder);
  if (!(await Deno.stat(root)).isDirectory) throw new UsageError(`${folder} is not a folder`);
  const port = readInteger(args, "port", 80, [1, 65535]);
  const progress = new Progress();
  const server = new FileServer(root, progress);
  let stopped = false;
  let stop = (): void => void (stopped = true);
  using _signals = onInterrupt(() => stop());
  try {
    await using opened = await openHost("serve", args, progress);
    const { host, interfaces } = opened;
    using listener = host.listen({ port });
    stop = () => {
      listener.close();
      stop = () => host.close();
      if (server.sending === 0) return;
      progress.log(
        `Waits for ${server.sending} under way, 10 s at most; Ctrl-C again ends at once.`,
      );
    };
    if (stopped) stop();
    for (const { addresses } of interfaces) {
      for (const address of addresses) {
        const bare = address.replace(/\/.*$/, "");
        const url = `http://${bare.includes(":") ? `[${bare}]` : bare}${
          port === 80 ? "" : `:${port}`
        }`;
        progress.log(`Serving ${root} at ${url}/`);
      }
    }
    const hint = limitHint(await readKernelLimits());
    if (hint !== null) progress.log(hint);
    progress.log(`By ${opened.policies}`);
    progress.log("Try: mptcpize run curl -o /dev/null URL. Ctrl-C ends.");
    try {
      for await (const conn of listener) server.serve(conn);
    } catch (error) {
      throw opened.explain(error);
    }
    for (let wait = LINGER; server.sending > 0; wait -= POLL) {
      if (wait <= 0) await host.close();
      await pause();
    }
    return 0;
  } finally {
    progress.stop();
  }
}

/** The command. */
export const SERVE: Command = {
  name: "serve",
  positional: "DIR",
  summary: "serve a folder over HTTP over MPTCP, on TUN devices",
  text:
    `Serves the files of DIR to any HTTP client behind the kernel, whether it speaks MPTCP (several
paths at once) or plain TCP. Shows the progress of each response and what each path carries.
Needs Linux, --allow-ffi, and CAP_NET_ADMIN to make the devices. To try it without leaving a trace
on the machine, run it inside \`mptcp lab\`.`,
  examples: [
    ["mptcp serve ~/Videos", "on two TUN devices with the default addresses, port 80"],
    [
      "mptcp serve . --port 8080 --tun tun0=10.0.0.2/24 --tun tun1=10.0.1.2/24",
      "on devices and addresses of your own",
    ],
    ["mptcp serve . --scheduler ./mine.ts,ratio=3", "with your own scheduler"],
  ],
  options: {
    port: { value: "NUMBER", alias: "p", help: "Port to listen on. Default: 80" },
    ...HOST_OPTIONS,
  },
  run,
};
