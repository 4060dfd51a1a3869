/** What a visitor works on: a plugin and a network. It is saved as JSON, and shared as the fragment of a URL. */

import type { PluginKind } from "../core/net/load_plugin.ts";
import { readSettings, type Settings } from "./settings.ts";

const FORMAT = "mptcp-playground/1";
const KINDS: readonly PluginKind[] = ["scheduler", "congestion-control", "path-manager"];
/** Most characters of code. */
const MOST_CODE = 200_000;

/** All of it. */
export interface Work {
  /** Kind of the plugin. */
  readonly kind: PluginKind;
  /** Its text, as a file for `--scheduler`, `--cc` or `--pm` has it. */
  readonly code: string;
  /** The network. */
  readonly settings: Settings;
}

/** As a file. */
export function toJson(work: Work): string {
  return `${JSON.stringify({ format: FORMAT, ...work }, null, 2)}\n`;
}

/**
 * From a file.
 *
 * @throws {TypeError} it is none.
 */
export function fromJson(text: string): Work {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TypeError(`it is no JSON: ${(error as Error).message}`);
  }
  if (value?.format !== FORMAT) {
    throw new TypeError(`format must be "${FORMAT}": it is ${JSON.stringify(value?.format)}`);
  }
  const { kind, code, settings } = value;
  if (!KINDS.includes(kind as PluginKind)) {
    throw new TypeError(`kind must be one of ${KINDS.join(", ")}: it is ${JSON.stringify(kind)}`);
  }
  if (typeof code !== "string" || code.length > MOST_CODE) {
    throw new TypeError(`code must be text of at most ${MOST_CODE} characters`);
  }
  return { kind: kind as PluginKind, code, settings: readSettings(settings) };
}

async function through(bytes: Uint8Array, stream: GenericTransformStream): Promise<Uint8Array> {
  const piped = new Blob([bytes as BlobPart]).stream().pipeThrough(
    stream as ReadableWritablePair<Uint8Array, Uint8Array>,
  );
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

/** As the fragment of a URL, without the #: DEFLATE and base64url. */
export async function toFragment(work: Work): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...work }));
  const packed = await through(bytes, new CompressionStream("deflate-raw"));
  let text = "";
  for (const byte of packed) text += String.fromCharCode(byte);
  return `w=${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

/**
 * From the fragment of a URL; null: it has none.
 *
 * @throws {TypeError} it has one that cannot be read.
 */
export async function fromFragment(fragment: string): Promise<Work | null> {
  const match = /^#?w=([\w-]+)$/.exec(fragment);
  if (match === null) return null;
  let text: string;
  try {
    const packed = atob(match[1]!.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    text = new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw")));
  } catch {
    throw new TypeError("the address was cut off, or is of something else");
  }
  return fromJson(text);
}
