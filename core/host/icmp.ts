/** ICMP and ICMPv6 that come in (RFC 792, RFC 4443): echo is answered; errors reach the flow that they quote a segment of, if it can have elicited them (RFC 5927 §4.1). */

import { flow_value, memory_alloc, u8 } from "../../wasm/mod.ts";
import { KEY_SIZE } from "../../wasm/layout.ts";
import { packetTooBig, pathTroubled } from "../connection/settle.ts";
import type { Micros } from "../plugin.ts";
import type { PathTrouble } from "../subflow/shared.ts";
import { rx } from "../wire/segment.ts";
import { writeKey } from "./flow_key.ts";
import type { Link } from "./link.ts";
import { answerEcho } from "./replies.ts";
import type { LocalAddress } from "./routes.ts";
import type { Stack } from "./stack.ts";

const KEY = memory_alloc(KEY_SIZE);
const TCP = 6;
/** Octets of ICMP's own header, and of a quoted segment at least: ports and sequence number (RFC 792). */
const HEADER = 8;
const QUOTED = 8;

/** What a message is: one that is answered, tells of a path, of a size, or of nothing that concerns us. */
type Kind = "echo" | "too-big" | PathTrouble | null;

/** The codes of ICMP type 3, destination unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1); of others nothing is known. */
const UNREACHABLE_4: readonly Kind[] = [
  "net-unreachable",
  "host-unreachable",
  "protocol-unreachable",
  "port-unreachable",
  "too-big",
  null, // source route failed: none was asked for
  "net-unreachable",
  "host-unreachable",
  "host-unreachable",
  "prohibited",
  "prohibited",
  "net-unreachable",
  "host-unreachable",
  "prohibited",
];
/** Those of ICMPv6 type 1 (RFC 4443 §3.1). */
const UNREACHABLE_6: readonly Kind[] = [
  "net-unreachable",
  "prohibited",
  "net-unreachable",
  "host-unreachable",
  "port-unreachable",
  "prohibited",
  "prohibited",
];

/** MIB names of the types of either family, without `Icmp` and `Icmp6`. */
const NAMES_4: Readonly<Record<number, string>> = {
  0: "InEchoReps",
  3: "InDestUnreachs",
  4: "InSrcQuenchs",
  5: "InRedirects",
  8: "InEchos",
  11: "InTimeExcds",
  12: "InParmProbs",
};
const NAMES_6: Readonly<Record<number, string>> = {
  1: "InDestUnreachs",
  2: "InPktTooBigs",
  3: "InTimeExcds",
  4: "InParmProblems",
  128: "InEchos",
  129: "InEchoReplies",
};

/** What type and code say. */
function kindOf(v6: boolean, type: number, code: number): Kind {
  if (v6) {
    if (type === 1) return UNREACHABLE_6[code] ?? null;
    if (type === 2) return "too-big";
    // Code 1 of "time exceeded" is about fragments, of which we send none.
    if (type === 3) return code === 0 ? "hops-exceeded" : null;
    // Parameter problem, "unrecognized next header" (RFC 4443 §3.4).
    if (type === 4) return code === 1 ? "protocol-unreachable" : null;
    return type === 128 ? "echo" : null;
  }
  if (type === 3) return UNREACHABLE_4[code] ?? null;
  if (type === 11) return code === 0 ? "hops-exceeded" : null;
  return type === 8 ? "echo" : null;
}

/** A packet with an ICMP message for `local`, its sum right, is in `rx`. */
export function icmpArrived(
  stack: Stack,
  link: Link,
  now: Micros,
  local: LocalAddress,
): void {
  const v6 = rx.family === 6;
  const icmp = rx.transport;
  const type = u8[icmp]!;
  const mib = v6 ? "Icmp6" : "Icmp";
  stack.count(`${mib}InMsgs`);
  const name = (v6 ? NAMES_6 : NAMES_4)[type];
  if (name !== undefined) stack.count(mib + name);
  const kind = kindOf(v6, type, u8[icmp + 1]!);
  if (kind === null) return;
  if (kind === "echo") {
    // Who takes others' connections is none of them all the same.
    if (stack.routes.find(local.view.address) !== undefined) answerEcho(stack, link);
    return;
  }
  if (!stack.errors.take(now)) {
    stack.count("IpInDiscards");
    return;
  }
  const quote = icmp + HEADER;
  const segment = quotedSegment(quote, rx.ip + rx.total, v6);
  const flow = segment === 0 ? 0 : quotedFlow(stack, quote, segment, v6);
  const subflow = stack.flows.subflow(flow);
  const connection = stack.flows.connection(flow);
  if (subflow === null || connection === null) {
    stack.count(`${mib}InErrors`);
    return;
  }
  const seq = (get16(segment + 4) << 16) | get16(segment + 6);
  if (kind !== "too-big") {
    pathTroubled(connection, subflow, kind, seq, now);
    return;
  }
  const length = v6 ? 40 + get16(quote + 4) : get16(quote + 2);
  // RFC 1191 §4; RFC 4443 §3.2 has 32 bits.
  const mtu = v6 ? get16(icmp + 4) * 65536 + get16(icmp + 6) : get16(icmp + 6);
  packetTooBig(connection, subflow, mtu, length, seq, now);
}

/** Where the TCP header of the packet begins that is quoted from `at` to `end`; 0: it is none of ours, or too little of it is there. */
function quotedSegment(at: number, end: number, v6: boolean): number {
  if (v6) {
    // We send no extension headers.
    if (end - at < 40 + QUOTED || u8[at]! >> 4 !== 6 || u8[at + 6] !== TCP) return 0;
    return at + 40;
  }
  if (end - at < 20 || u8[at]! >> 4 !== 4 || u8[at + 9] !== TCP) return 0;
  // Routers may have put options in; they cut nothing that we send.
  const header = (u8[at]! & 15) << 2;
  if (header < 20 || end - at < header + QUOTED || (get16(at + 6) & 0x1fff) !== 0) return 0;
  return at + header;
}

/** The flow of the packet that is quoted at `at`, its TCP header at `segment`; 0: there is none, or its sender is not whom the error came to. */
function quotedFlow(stack: Stack, at: number, segment: number, v6: boolean): number {
  const [from, size] = v6 ? [8, 16] : [12, 4];
  const source = u8.slice(at + from, at + from + size);
  const destination = u8.slice(at + from + size, at + from + 2 * size);
  const ours = rx.destination;
  for (let i = 0; i < size; i++) if (source[i] !== ours.bytes[i]) return 0;
  const remote = { family: ours.family, bytes: destination };
  writeKey(ours, get16(segment), remote, get16(segment + 2), 0, KEY);
  return flow_value(stack.wasm, KEY);
}

function get16(at: number): number {
  return u8[at]! << 8 | u8[at + 1]!;
}
