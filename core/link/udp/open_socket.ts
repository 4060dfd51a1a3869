/** Chooses the kind of socket: the kernel's by FFI where that is possible and permitted, else the runtime's. */

import type { DatagramSocket } from "./datagram_socket.ts";
import { LinuxSocket } from "./linux_socket.ts";
import type { CheckedOptions } from "./options.ts";
import { RuntimeSocket } from "./runtime_socket.ts";

/** Why the kernel's sockets cannot be had; null: they can. */
function obstacle(): string | null {
  const runtime = (globalThis as { Deno?: typeof Deno }).Deno;
  if (runtime === undefined) return "this is not Deno";
  if (runtime.build.os !== "linux") return `this is ${runtime.build.os}`;
  const { state } = runtime.permissions.querySync({ name: "ffi" });
  return state === "granted" ? null : "--allow-ffi is not given";
}

/**
 * Opens the socket of a link of that name.
 *
 * @throws {Deno.errors.NotSupported} An option needs FFI, and it cannot be used.
 */
export async function openSocket(name: string, options: CheckedOptions): Promise<DatagramSocket> {
  const { bind, offload } = options;
  if (offload === false) return await RuntimeSocket.open(bind);
  const why = obstacle();
  if (why === null) return new LinuxSocket(bind, options);
  const needs = offload === true ? "'offload'" : options.interface && "'interface'";
  if (needs !== undefined && needs !== "") {
    const Class = (globalThis as { Deno?: typeof Deno }).Deno?.errors.NotSupported ?? Error;
    throw new Class(
      `Cannot open ${name} as ${needs} needs Linux and --allow-ffi, and ${why}: leave it out, or give what is missing`,
    );
  }
  const socket = await RuntimeSocket.open(bind);
  if (why.startsWith("--")) {
    // deno-lint-ignore no-console -- it costs most of the rate, and nobody would know why
    console.warn(
      `${name}: datagrams go one by one as ${why}; with it many go at once. 'offload: false' says that this is meant.`,
    );
  }
  return socket;
}
