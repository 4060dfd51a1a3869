/** HTTP CONNECT (RFC 9110 §9.3.6, RFC 9112 §3.2.3): the head of a request, and answers. */

import { type Head, ProtocolError } from "./stream.ts";
import { type Outcome, readAuthority, type Target } from "./target.ts";

/** Most octets of a head: of its fields none is heeded. */
const MOST = 16384;

/** A request is to get an answer of its own. */
export class HttpError extends ProtocolError {
  /** The whole answer. */
  readonly answer: Uint8Array;

  /** @param status Code and phrase. @param message For people. @param fields More lines of the head. */
  constructor(status: string, message: string, fields: readonly string[] = []) {
    super(message);
    this.answer = httpAnswer(status, message, fields);
  }
}

/** Status lines (RFC 9110 §15). */
const STATUSES: Readonly<Record<Exclude<Outcome, "connected">, string>> = {
  "not allowed": "403 Forbidden",
  "wrong key": "502 Bad Gateway",
  "unknown name": "502 Bad Gateway",
  unreachable: "502 Bad Gateway",
  refused: "502 Bad Gateway",
  failed: "502 Bad Gateway",
  busy: "503 Service Unavailable",
  "timed out": "504 Gateway Timeout",
};

/** RFC 9110 §9.3.6: "Any 2xx (Successful) response indicates that the sender … will switch to tunnel mode"; it has no content. */
export const ESTABLISHED: Uint8Array = new TextEncoder().encode(
  "HTTP/1.1 200 Connection established\r\n\r\n",
);

function httpAnswer(status: string, message: string, fields: readonly string[]): Uint8Array {
  const body = `${message}\n`;
  const head = [
    `HTTP/1.1 ${status}`,
    "connection: close",
    "content-type: text/plain; charset=utf-8",
    `content-length: ${new TextEncoder().encode(body).length}`,
    ...fields,
  ];
  return new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** The answer where there is no connection. */
export function refusal(outcome: Exclude<Outcome, "connected">, message: string): Uint8Array {
  return httpAnswer(STATUSES[outcome], message, []);
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The target of a CONNECT whose whole head is in `bytes`; null: it is not all there.
 *
 * @throws {HttpError} it is no such request.
 */
export function parseConnect(
  bytes: Uint8Array,
): { readonly value: Target; readonly length: number } | null {
  const end = endOfHead(bytes);
  if (end < 0) {
    // What cannot become a request is not waited for.
    const at = bytes.indexOf(10);
    if (at >= 0) requestLine(latin1(bytes.subarray(0, at)));
    return null;
  }
  const lines = latin1(bytes.subarray(0, end)).split("\r\n");
  const target = requestLine(`${lines[0]}\r`);
  if (!lines.slice(1).every((line) => FIELD.test(line))) {
    throw new HttpError("400 Bad Request", "A line of the head is no header field");
  }
  return { value: target, length: end + 4 };
}

/** Where CRLF CRLF begins; -1: nowhere. */
function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Reads a request line, up to its CR. */
function requestLine(line: string): Target {
  const [method = "", target = "", version = "", ...more] = line.replace(/\r$/, "").split(" ");
  const wellFormed = line.endsWith("\r") && more.length === 0 && TOKEN.test(method) &&
    /^HTTP\/1\.[0-9]$/.test(version);
  if (!wellFormed) {
    throw new HttpError("400 Bad Request", "This is a proxy for SOCKS5 and HTTP CONNECT");
  }
  if (method !== "CONNECT") {
    throw new HttpError(
      "405 Method Not Allowed",
      `${method} is not forwarded, only CONNECT is: tunnel it (curl --proxytunnel), or use the same address as a SOCKS5 proxy (socks5h://)`,
      ["allow: CONNECT"],
    );
  }
  const found = readAuthority(target);
  if (found !== null) return found;
  throw new HttpError("400 Bad Request", "CONNECT needs HOST:PORT");
}

/** Reads what a client asks for. */
export function readConnect(head: Head): Promise<Target> {
  return head.next(parseConnect, MOST);
}
