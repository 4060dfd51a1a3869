/** The body of an HTTP message on its way to the peer, without a copy: what a command sends much of. */

import type { ClientRequest, ServerResponse } from "node:http";
import type { MptcpDuplex } from "../core/net/node.ts";

/** Bytes that go with the head. */
const FIRST = 4096;

/**
 * Sends a body of `size` bytes: the first of them by `message` itself, behind its head and all that goes before it, the rest from where `read` puts them
 * straight into the send queue of `duplex`, over which `message` goes. `read` answers how many it has put; 0: there are no more. Rejects, and ends
 * the connection, when they are fewer than `size`.
 */
export async function sendBody(
  message: ClientRequest | ServerResponse,
  duplex: MptcpDuplex,
  size: number,
  read: (view: Uint8Array) => number,
): Promise<void> {
  if (size === 0) return void message.end();
  try {
    await sendPieces(message, duplex, size, read);
  } catch (error) {
    // The peer waits for what will not come.
    message.destroy();
    throw error;
  }
  message.end();
}

async function sendPieces(
  message: ClientRequest | ServerResponse,
  duplex: MptcpDuplex,
  size: number,
  read: (view: Uint8Array) => number,
): Promise<void> {
  const first = new Uint8Array(Math.min(size, FIRST));
  for (let at = 0; at < first.length;) {
    const bytes = read(first.subarray(at));
    if (bytes === 0) throw new Error(`Only ${at} of ${size} bytes were there`);
    at += bytes;
  }
  await new Promise<void>((resolve, reject) => {
    message.once("close", () => reject(new Error("the connection was closed")));
    message.write(first, (error) => error ? reject(error) : resolve());
  });
  await duplex.fill(size - first.length, read);
}
