/** Listening on the kernel's sockets, and the words for where. */

import { createServer } from "node:net";
import { UsageError } from "../arguments.ts";
import { KernelStream } from "./stream.ts";
import { formatTarget, readAuthority, type Target } from "./target.ts";

/**
 * Reads HOST:PORT.
 *
 * @throws {UsageError} it is none.
 */
export function readEnd(text: string, option: string, example: string): Target {
  const end = readAuthority(text);
  if (end !== null) return end;
  throw new UsageError(`--${option} must be ${example}: it is "${text}"`);
}

/**
 * Reads HOST or HOST:PORT; `port`: where none is named.
 *
 * @throws {UsageError} it is neither.
 */
export function readHost(text: string, option: string, port: number): Target {
  const alone = { host: text.replace(/^\[(.*)\]$/, "$1"), port };
  const end = readAuthority(text) ?? readAuthority(formatTarget(alone));
  if (end !== null) return end;
  throw new UsageError(
    `--${option} must be HOST or HOST:PORT, with a port from 1 to 65535: it is "${text}"`,
  );
}

/** A port of the kernel's that somebody serves. */
export interface KernelListener {
  /** Where it is. */
  readonly address: Target;
  /** Takes no more; what is open goes on. */
  close(): void;
}

/** Listens at `end`, and hands each connection to `serve`. */
export function listenKernel(
  { host, port }: Target,
  serve: (stream: KernelStream) => unknown,
): Promise<KernelListener> {
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(new KernelStream(socket)));
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) => {
      const why = error.code === "EADDRINUSE" ? "something else listens there" : error.message;
      reject(new Error(`Cannot listen at ${formatTarget({ host, port })} as ${why}`));
    });
    server.listen({ host, port }, () => {
      server.on("error", () => {});
      const address = server.address() as { readonly address: string; readonly port: number };
      resolve({
        address: { host: address.address, port: address.port },
        close: () => server.close(),
      });
    });
  });
}
