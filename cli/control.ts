/** Where running commands have their control sockets, and how others find them. */

import process from "node:process";
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
    await sweep(folder);
    return await serve(`${folder}/${command}-${Deno.pid}.sock`);
  } catch {
    return null;
  }
}

/** Whether there is no such process; one of another user is there. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
}

/**
 * Removes what commands have left that were killed: sockets named as ours are, at which nobody answers, of processes that are gone. One that is about to listen
 * does not answer either.
 */
async function sweep(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const pid = /^[a-z]+-(\d+)\.sock$/.exec(name)?.[1];
    const path = `${folder}/${name}`;
    if (pid === undefined || !isGone(Number(pid))) continue;
    try {
      if (!(await Deno.lstat(path)).isSocket) continue;
      (await Deno.connect({ transport: "unix", path })).close();
    } catch (error) {
      // Two may sweep at once.
      if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path).catch(() => {});
    }
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

/** There is nobody, or nobody any more, who answers at a control socket. */
export class NoAnswer extends Error {
  /** `message` names the socket. */
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "NoAnswer";
  }
}

/** What to do where nobody answers. */
const OTHERS = "`mptcp ss` shows those of running hosts";

/** @throws {NoAnswer} */
async function connect(path: string): Promise<Deno.Conn> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) {
      throw new NoAnswer(`Cannot ask ${path} as its host has ended: ${OTHERS}`, error);
    }
    if (error instanceof Deno.errors.NotFound) {
      throw new NoAnswer(`Cannot ask ${path} as there is no such socket: ${OTHERS}`, error);
    }
    throw error;
  }
}

/**
 * Lines that a control socket answers a command with, until it ends or `signal` does.
 *
 * @throws {NoAnswer} Nobody is there.
 */
export async function* ask(
  path: string,
  command: string,
  signal?: AbortSignal,
  words: readonly string[] = [],
): AsyncGenerator<unknown> {
  const conn = await connect(path);
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
