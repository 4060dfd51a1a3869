/** Where running commands have their control sockets, and how others find them. */

import { type ControlTarget, serveTarget } from "../core/net/control.ts";
import { type Control, type Host, serveControl } from "../mod.ts";
import { printable } from "./output.ts";

/** The folder of control sockets: MPTCP_RUN_DIR where it is set, /run/mptcp for root, $XDG_RUNTIME_DIR/mptcp for others; null: there is none. */
export function runDir(
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
  uid: number | null = Deno.uid(),
): string | null {
  const chosen = env("MPTCP_RUN_DIR");
  if (chosen) return chosen;
  if (uid === 0) return "/run/mptcp";
  const runtime = env("XDG_RUNTIME_DIR");
  return runtime ? `${runtime}/mptcp` : null;
}

/** Opens a socket named by the command and the process, `serve-1234.sock`; null where that cannot be done: the command works without. */
export function openControl(host: Host, command: string): Promise<Control | null> {
  return open(command, (path) => serveControl(host, path));
}

/** The same for what is no host of ours. */
export function openTarget(target: ControlTarget, command: string): Promise<Control | null> {
  return open(command, (path) => serveTarget(target, path));
}

async function open(
  command: string,
  serve: (path: string) => Promise<Control>,
): Promise<Control | null> {
  try {
    const folder = runDir();
    if (folder === null) return null;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    return await serve(`${folder}/${command}-${Deno.pid}.sock`);
  } catch {
    return null;
  }
}

/** All sockets in the folder that somebody answers at, by name. */
export async function findControls(folder: string | null): Promise<string[]> {
  const found: string[] = [];
  try {
    if (folder === null) return [];
    for await (const { name } of Deno.readDir(folder)) {
      if (name.endsWith(".sock")) found.push(`${folder}/${name}`);
    }
  } catch {
    return [];
  }
  const alive = await Promise.all(
    found.sort().map(async (path) => {
      try {
        (await Deno.connect({ transport: "unix", path })).close();
        return [path];
      } catch {
        return [];
      }
    }),
  );
  return alive.flat();
}

/** An answer whose texts can be shown, whoever has given it. */
function harmless(answer: unknown): unknown {
  if (typeof answer === "string") return printable(answer);
  if (Array.isArray(answer)) return answer.map(harmless);
  if (typeof answer !== "object" || answer === null) return answer;
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [printable(name), harmless(value)]),
  );
}

/** Lines that a control socket answers a command with, until it ends or `signal` does. */
export async function* ask(
  path: string,
  command: string,
  signal?: AbortSignal,
  words: readonly string[] = [],
): AsyncGenerator<unknown> {
  const conn = await Deno.connect({ transport: "unix", path });
  let open = true;
  const close = (): void => {
    if (open) conn.close();
    open = false;
  };
  signal?.addEventListener("abort", close);
  try {
    // It may have come while there was no connection to close.
    if (signal?.aborted) return;
    await conn.write(new TextEncoder().encode(`${JSON.stringify({ command, words })}\n`));
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65536);
    let text = "";
    while (open) {
      const length = await conn.read(buffer).catch(() => null);
      if (length === null) return;
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        yield harmless(JSON.parse(text.slice(0, end)));
        text = text.slice(end + 1);
      }
    }
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}
