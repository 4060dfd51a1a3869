/** Where a program wants to be connected to, and what came of that: what SOCKS, HTTP and the relay's protocol all say in their own ways. */

/** A host and its port. */
export interface Target {
  /** A name, or an address; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** A target as it is written. */
export function formatTarget({ host, port }: Target): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** RFC 1035 §2.3.4: 255 octets; beside letters, digits and hyphens (RFC 1123 §2.1) the underscore, which names in use have. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?$/;

/** Whether it may be looked up: a name, or an IPv4 address. */
export function isName(host: string): boolean {
  return NAME.test(host) && !host.includes("..");
}

/** "NAME:PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT" (RFC 9112 §3.2.3, authority-form); null: it is none of these. */
export function readAuthority(text: string): Target | null {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const [, address, name, digits] = match;
  const port = Number(digits);
  if (port < 1 || port > 65535) return null;
  if (address !== undefined) return isIpv6(address) ? { host: address, port } : null;
  return name !== undefined && isName(name) ? { host: name, port } : null;
}

/** Whether it is an IPv6 address, as the URL standard reads it. */
export function isIpv6(text: string): boolean {
  return URL.canParse(`http://[${text}]/`);
}

/** How a connection to a target came about, or not. The numbers are those of the relay's protocol. */
export const OUTCOMES = {
  connected: 0,
  "wrong key": 1,
  "not allowed": 2,
  "unknown name": 3,
  unreachable: 4,
  refused: 5,
  "timed out": 6,
  busy: 7,
  failed: 8,
} as const;

/** One of them. */
export type Outcome = keyof typeof OUTCOMES;

/** The outcome of a number; a number that nobody knows is a failure. */
export function outcomeOf(number: number): Outcome {
  const names = Object.keys(OUTCOMES) as Outcome[];
  return names.find((name) => OUTCOMES[name] === number) ?? "failed";
}

/** There is no connection to the target. */
export class TargetError extends Error {
  /** Why. */
  readonly outcome: Outcome;
  /** Of "unreachable": the Code of the ICMP message that says so (RFC 792): 0 the network, 1 the host. */
  readonly icmpCode: number;

  /** @param outcome Why. @param message The same for people. @param more What has led to it, and `icmpCode`: 1 unless told otherwise. */
  constructor(
    outcome: Outcome,
    message: string,
    more: { readonly cause?: unknown; readonly icmpCode?: number } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = "TargetError";
    this.outcome = outcome;
    this.icmpCode = more.icmpCode ?? 1;
  }
}

/** Whatever kept a connection from coming about, as an outcome. */
export function asTargetError(error: unknown): TargetError {
  return error instanceof TargetError
    ? error
    : new TargetError("failed", error instanceof Error ? error.message : "it failed");
}
