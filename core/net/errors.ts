/** Outcomes on the network as the errors that Deno's own connections give, with what to do about them. */

import { describe } from "./policies.ts";
import type { FirstTry, TryOutcome } from "../connection/race.ts";
import type { EndReason, NetworkCode } from "./transport.ts";

type ErrorName = keyof typeof Deno.errors;

/** Class and cause; the second cause, where there is one, is that of a connection which was open. */
const OUTCOMES: Readonly<Record<NetworkCode, readonly [ErrorName, string, string?]>> = {
  ConnectionRefused: [
    "ConnectionRefused",
    "the peer refused it: check that a program listens on that port",
  ],
  ConnectionReset: [
    "ConnectionReset",
    "the peer reset it: check that what listens there speaks TCP or MPTCP",
    "the peer reset it: connect again to go on",
  ],
  ConnectionAborted: ["ConnectionAborted", "it was aborted on this host"],
  TimedOut: [
    "TimedOut",
    "nothing answered: check the address, and that packets find their way there and back",
    "no path has brought an answer for too long: connect again when the network is back",
  ],
  NetworkUnreachable: [
    "NetworkUnreachable",
    "no interface of this host leads there: give the host an address of the same family",
    "no path is left: connect again when the network is back",
  ],
  AddrInUse: ["AddrInUse", "the port is in use: choose another one, or 0 for any that is free"],
  AddrNotAvailable: [
    "AddrNotAvailable",
    "this host has no such address: add it with host.addAddress(), or leave it out for any",
  ],
};

/** Causes that say more than those above. */
const REASONS: Readonly<Record<EndReason, string>> = {
  "net-unreachable":
    "a router on the way knows no route to its network (ICMP): check the address, or connect again when the network is back",
  "host-unreachable":
    "a router on the way does not reach it (ICMP): check that it is up, and its address",
  "protocol-unreachable": "it does not speak TCP (ICMP): check the address",
  "port-unreachable":
    "nothing listens on that port, or a firewall says so (ICMP): check the port, and what guards it",
  "prohibited": "a router or firewall on the way prohibits it (ICMP): check what guards the path",
  "hops-exceeded":
    "packets to it went from router to router until their time was over (ICMP): check the routes",
  "options-removed": "MPTCP options were removed on its only path: connect again to go on",
  "bytes-miscounted":
    "a middlebox changed the number of bytes on its only path: connect again to go on",
  "checksum-failed": "a DSS checksum failed on its only path: connect again to go on",
  "interference-told": "the peer found MPTCP disturbed on its only path: connect again to go on",
  "unanswered":
    "the peer has answered nothing for as long as 'userTimeout', or 'keepAlive', allows: connect again when the network is back",
  "not-taken": "the peer answers and takes nothing of what was written before close()",
  "aborted-by-peer": "the peer reset it, as its program ended it at once: connect again to go on",
  "ended-early": "the peer closed its last path before the end of its data: connect again to go on",
  "path-reset":
    "the peer reset its last path, and none was opened in its place: connect again to go on",
  "links-gone": "the devices of this host are gone: open another host",
  "path-left":
    "its path manager, or paths.use(), left its last path, and none was opened in its place: name a path that is to be used",
};

/** Looked up when needed, so that the module also loads where there is no `Deno`. */
function denoError(name: ErrorName, message: string): Error {
  const Class = (globalThis as { Deno?: typeof Deno }).Deno?.errors[name];
  if (Class !== undefined) return new Class(message);
  const error = new Error(message);
  error.name = name;
  return error;
}

/**
 * The error of an outcome.
 *
 * @param code what core reports.
 * @param verb what was tried, as "connect to 10.0.0.1:80".
 * @param open whether the connection had been established.
 * @param reason what led to the outcome, where core says so.
 */
export function networkError(
  code: NetworkCode,
  verb: string,
  open = false,
  reason: EndReason | null = null,
): Error {
  const [name, attempt, later] = OUTCOMES[code];
  const cause = reason !== null ? REASONS[reason] : open ? later ?? attempt : attempt;
  return denoError(name, `Cannot ${verb} as ${cause}`);
}

/** For an attempt that has tried several ways, none of which has led to the peer; `code`: how the last of them failed. */
export function unreachedError(
  code: NetworkCode,
  peer: string,
  tries: readonly (Pick<FirstTry, "local" | "outcome" | "remote" | "trouble">)[],
): Error {
  const [name] = OUTCOMES[code];
  const several = new Set(tries.map(({ remote }) => remote.address)).size > 1;
  const told = tries.map(({ local, remote, outcome, trouble }) => {
    const way = `from ${local.address}` + (several ? ` to ${remote.address}` : "");
    return `${way}: ${
      trouble === null ? OUTCOMES_OF_TRIES[outcome ?? "timeout"] : REASONS[trouble]
    }`;
  });
  return denoError(name, `Cannot connect to ${peer} as no way leads there; ${told.join("; ")}`);
}

/** What came of one way, where no router says more. */
const OUTCOMES_OF_TRIES: Readonly<Record<TryOutcome, string>> = {
  answered: "it was answered",
  late: "nothing answered in time",
  none: "no port is free",
  closed: "the peer closed it",
  refused: "the peer refused it: check that a program listens on that port",
  reset: "the peer reset it",
  timeout: "nothing answered: check the address, and that packets find their way there and back",
  aborted: "its link went down, or its address was removed",
  unreachable: "a router on the way does not reach it (ICMP)",
};

/** The code of an error that the stack throws; null when it is of another kind. */
export function networkCode(error: unknown): NetworkCode | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && Object.hasOwn(OUTCOMES, code) ? code as NetworkCode : null;
}

/** For an attempt whose time, in microseconds, is over; `answered`: the peer has taken the connection, but not all of the data that it began with. */
export function connectTimeoutError(peer: string, limit: number, answered: boolean): Error {
  const within = `within its 'connectTimeout' of ${limit / 1e6} s`;
  return denoError(
    "TimedOut",
    answered
      ? `Cannot connect to ${peer} as its 'data' were not taken ${within}: write them afterwards, or give it more time`
      : `Cannot connect to ${peer} as no answer came ${within}: check the address, or give it more time`,
  );
}

/** For calls on what was closed. */
export function closedError(what: string): Error {
  return denoError("BadResource", `${what} has been closed`);
}

/** For calls that were waiting when `close()` came. */
export function interruptedError(verb: string): Error {
  return denoError("Interrupted", `Cannot ${verb} any longer as it was closed meanwhile`);
}

/** For a call that may wait only once at a time. */
export function busyError(verb: string, hint: string): Error {
  return denoError("Busy", `Cannot ${verb} as such a call is already waiting: ${hint}`);
}

/** For a write after `closeWrite()`. */
export function brokenPipeError(verb: string): Error {
  return denoError(
    "BrokenPipe",
    `Cannot ${verb} as its writing side was closed: write before closeWrite()`,
  );
}

/** For what should have been bytes. */
export function bytesError(verb: string, value: unknown): TypeError {
  return new TypeError(
    `Cannot ${verb} ${describe(value)} as it must be a Uint8Array` +
      (typeof value === "string" ? ": TextEncoder makes one of text" : ""),
  );
}

/** For what should have been several pieces of bytes. */
export function partsError(value: unknown): TypeError {
  return new TypeError(
    `Cannot write ${describe(value)} in parts as it must be an array of Uint8Arrays`,
  );
}

/** For a call that would change what the callback of another one holds. */
export function withinError(verb: string, within: "fill" | "drain"): Error {
  return denoError(
    "Busy",
    `Cannot ${verb} while the callback of a ${within}() is at work: call it after that has returned`,
  );
}

/** The reason given when none is named. */
export function abortError(what: string): DOMException {
  return new DOMException(`${what} was aborted`, "AbortError");
}

/** For a name that could not be asked for; `code` is what the resolver gave: "EAI_AGAIN". */
export function unresolvedNameError(name: string, code: string): Error {
  return new Error(
    `Cannot connect to ${name} as no name server answered for it (${code}): check the network, or give an address`,
  );
}

/** For a name that nobody knows. */
export function unknownNameError(name: string): Error {
  return denoError(
    "NotFound",
    `Cannot connect to ${name} as no address is known for that name: check its spelling, or give an address`,
  );
}
