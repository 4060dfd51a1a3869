/** Answers to what belongs to no connection: RST (RFC 9293 §3.10.7.1), ICMP echo (RFC 792, RFC 4443 §4.2). Limited in rate. */

import { header_build, memory_alloc, sum, u32, u8 } from "../../wasm/mod.ts";
import {
  KEY_SIZE,
  OPTION_MPTCP,
  RX_ACK,
  RX_DEST,
  RX_DEST_PORT,
  RX_FAMILY,
  RX_FLAGS,
  RX_IP,
  RX_LENGTH,
  RX_PROTOCOL,
  RX_SEQ,
  RX_SOURCE,
  RX_SOURCE_PORT,
  RX_TOTAL,
  RX_TRANSPORT,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  TX_ACK,
  TX_ECN,
  TX_FLAGS,
  TX_OPTIONS,
  TX_SEQ,
  TX_WINDOW,
} from "../../wasm/layout.ts";
import { clearOptions, writeTcpRst } from "../wire/mptcp.ts";
import { formatAddress } from "../wire/ip.ts";
import { inOnePiece, packetOut } from "../wire/packet.ts";
import { writeKey } from "./flow_key.ts";
import type { Link } from "./link.ts";
import type { Stack } from "./stack.ts";

const KEY = memory_alloc(KEY_SIZE);
/** An echo that goes back: it leaves from where it came in. */
const ECHO = packetOut();
const ICMP_ECHO = 8;
const ICMP_ECHO_REPLY = 0;
const ICMPV6_ECHO = 128;
const ICMPV6_ECHO_REPLY = 129;
const ICMPV6 = 58;
const TTL = 64;

/** Sends a RST for the segment in RX_*; `reason` 0 and above adds MP_TCPRST. */
export function refuse(stack: Stack, reason: number): void {
  if (!stack.replies.take(stack.now)) {
    stack.count("TcpOutRstsSkipped");
    return;
  }
  const family = u32[RX_FAMILY] === 4 ? 4 : 6;
  const size = family === 4 ? 4 : 16;
  const ours = { family, bytes: u8.slice(RX_DEST << 2, (RX_DEST << 2) + size) } as const;
  const theirs = { family, bytes: u8.slice(RX_SOURCE << 2, (RX_SOURCE << 2) + size) } as const;
  const local = stack.routes.find(formatAddress(ours.bytes));
  if (local === undefined) return;
  writeKey(ours, u32[RX_DEST_PORT]!, theirs, u32[RX_SOURCE_PORT]!, 0, KEY);
  const flags = u32[RX_FLAGS]!;
  const acked = (flags & TCP_ACK) !== 0;
  const taken = u32[RX_LENGTH]! + (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);
  u32[TX_SEQ] = acked ? u32[RX_ACK]! : 0;
  u32[TX_ACK] = acked ? 0 : u32[RX_SEQ]! + taken;
  u32[TX_FLAGS] = acked ? TCP_RST : TCP_RST | TCP_ACK;
  u32[TX_WINDOW] = 0;
  u32[TX_ECN] = 0;
  clearOptions();
  u32[TX_OPTIONS] = 0;
  if (reason >= 0) {
    writeTcpRst(reason, false);
    u32[TX_OPTIONS] = OPTION_MPTCP;
    stack.count("MPRstTx");
  }
  stack.count("TcpOutRsts");
  const { out } = stack;
  inOnePiece(out, header_build(KEY, out.header, 0, 0, 0, 0, local.outlet.checksumMode));
  local.outlet.send(out);
}

/** Answers an echo request in RX_* by turning it round where it lies. */
export function answerIcmp(stack: Stack, link: Link): void {
  const v6 = u32[RX_PROTOCOL] === ICMPV6;
  const icmp = u32[RX_TRANSPORT]!;
  const total = u32[RX_TOTAL]!;
  const ip = u32[RX_IP]!;
  if (ip + total - icmp < 8 || u8[icmp] !== (v6 ? ICMPV6_ECHO : ICMP_ECHO)) {
    stack.count("IcmpInMsgs");
    return;
  }
  // A super-sized echo could not leave again.
  if (total > link.mtu || !stack.replies.take(stack.now)) {
    stack.count("IcmpOutRateLimitHost");
    return;
  }
  stack.count("IcmpInEchos");
  const size = v6 ? 16 : 4;
  const source = ip + (v6 ? 8 : 12);
  const theirs = u8.slice(source, source + size);
  u8.copyWithin(source, source + size, source + 2 * size);
  u8.set(theirs, source + size);
  u8[icmp] = v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY;
  u8[icmp + 2] = 0;
  u8[icmp + 3] = 0;
  const length = ip + total - icmp;
  let check = sum(icmp, length);
  if (v6) {
    // The pseudo-header (RFC 8200 §8.1): both addresses, length, next header.
    check += sum(source, 2 * size) + length + ICMPV6;
    check = (check & 0xffff) + (check >>> 16);
    check = (check & 0xffff) + (check >>> 16);
  }
  check = ~check & 0xffff;
  u8[icmp + 2] = check >> 8;
  u8[icmp + 3] = check;
  // A packet of our own has a life of its own (RFC 1122 §3.2.1.7).
  u8[ip + (v6 ? 7 : 8)] = TTL;
  if (!v6) {
    u8[ip + 10] = 0;
    u8[ip + 11] = 0;
    const header = ~sum(ip, (u8[ip]! & 15) << 2) & 0xffff;
    u8[ip + 10] = header >> 8;
    u8[ip + 11] = header;
  }
  ECHO.header = ip;
  inOnePiece(ECHO, total);
  if (link.send(ECHO)) stack.count("IcmpOutEchoReps");
}
