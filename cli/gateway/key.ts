/** The secret that a proxy and its relay share: a file with one line. */

import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const PREFIX = "mptcp-key-1 ";
/** Octets: as many as SHA-256 gives (RFC 2104 §3). */
const SIZE = 32;

/** A shared key. Nothing gives its octets away. */
export class SharedKey {
  readonly #octets: Uint8Array;

  private constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  /** A new one. */
  static create(): SharedKey {
    return new SharedKey(randomBytes(SIZE));
  }

  /**
   * Reads the line of a key file.
   *
   * @throws {Error} it is none.
   */
  static parse(text: string, file: string): SharedKey {
    const line = text.trimEnd();
    const octets = line.startsWith(PREFIX)
      ? Buffer.from(line.slice(PREFIX.length), "base64url")
      : Buffer.alloc(0);
    if (octets.length === SIZE && line === PREFIX + octets.toString("base64url")) {
      return new SharedKey(octets);
    }
    throw new Error(`Cannot use ${file} as it holds no key: \`mptcp key ${file}\` makes one`);
  }

  /** The line of its file. */
  toLine(): string {
    return `${PREFIX}${Buffer.from(this.#octets).toString("base64url")}\n`;
  }

  /** HMAC-SHA256 (RFC 2104) of `parts`, which must be told apart by their lengths; `purpose`: so that one says nothing about another. */
  mac(purpose: string, ...parts: readonly Uint8Array[]): Uint8Array {
    const mac = createHmac("sha256", this.#octets).update(`mptcp relay 1 ${purpose}\0`);
    for (const part of parts) mac.update(part);
    return mac.digest();
  }
}

/** Whether two MACs are equal, in a time that tells nothing of where they differ. */
export function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Makes a key file that only its owner can read; one that exists is left as it is.
 *
 * @throws {Error} it exists, or cannot be written.
 */
export async function writeKeyFile(file: string): Promise<void> {
  try {
    await Deno.writeTextFile(file, SharedKey.create().toLine(), { createNew: true, mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Error(`Cannot make ${file} as it exists: what uses it would no longer be let in`);
  }
}

/**
 * Reads a key file.
 *
 * @throws {Error} it holds no key, or others than its owner may read it.
 */
export async function readKeyFile(file: string): Promise<SharedKey> {
  const key = SharedKey.parse(await Deno.readTextFile(file), file);
  const { mode } = await Deno.stat(file);
  if (mode !== null && (mode & 0o077) !== 0) {
    throw new Error(`Cannot use ${file} as others may read it: chmod 600 ${file}`);
  }
  return key;
}
