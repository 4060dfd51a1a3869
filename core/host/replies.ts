/** Answers to what belongs to no connection: RST (RFC 9293 §3.10.7.1), ICMP echo (RFC 792, RFC 4443 §4.2). Limited in rate. */

import { memory_alloc, sum, u8 } from "../../wasm/mod.ts";
import { KEY_SIZE, TCP_ACK, TCP_RST } from "../../wasm/layout.ts";
import type { FlowPlan } from "../connection/host.ts";
import type { Outlet } from "../subflow/shared.ts";
import { formatAddress } from "../wire/ip.ts";
import { isTransient } from "../wire/mptcp.ts";
import { inOnePiece, packetOut } from "../wire/packet.ts";
import { rx, tx } from "../wire/segment.ts";
import { endpoint, writeKey } from "./flow_key.ts";
import type { Link } from "./link.ts";
import type { LocalAddress } from "./routes.ts";
import type { Stack } from "./stack.ts";

const KEY = memory_alloc(KEY_SIZE);
/** An echo that goes back: it leaves from where it came in. */
const ECHO = packetOut();
const ICMP_ECHO_REPLY = 0;
const ICMPV6_ECHO_REPLY = 129;
const ICMPV6 = 58;
const TTL = 64;

/** Sends a RST for the segment in `rx`; `reason` 0 and above adds MP_TCPRST. `dscp`: of the flow that it is for, where there is one. */
export function refuse(stack: Stack, reason: number, dscp = 0): void {
  if (!stack.replies.take(stack.now)) {
    stack.count("TcpOutRstsSkipped");
    return;
  }
  const ours = rx.destination;
  const local = stack.routes.destination(stack.arrival, ours);
  if (local === undefined) return;
  writeKey(ours, rx.destinationPort, rx.source, rx.sourcePort, dscp, KEY);
  const acked = (rx.flags & TCP_ACK) !== 0;
  const draft = tx.begin();
  if (reason >= 0) {
    draft.tcpRst(reason, isTransient(reason));
    stack.count("MPRstTx");
  }
  if (acked) tx.header(rx.ack, 0, TCP_RST, 0);
  else tx.header(0, rx.seq + rx.taken, TCP_RST | TCP_ACK, 0);
  stack.count("TcpOutRsts");
  const { out } = stack;
  const outlet = stack.routes.back(stack.arrival, local);
  inOnePiece(out, 0);
  tx.build(KEY, out, outlet.checksumMode);
  outlet.send(out);
}

/** Answers the echo request in `rx` by turning it round where it lies. */
export function answerEcho(stack: Stack, link: Link): void {
  const v6 = rx.protocol === ICMPV6;
  const icmp = rx.transport;
  const { ip, total } = rx;
  // A super-sized echo could not leave again.
  if (total > link.mtu || !stack.replies.take(stack.now)) {
    stack.count("IcmpOutRateLimitHost");
    return;
  }
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
  if (link.send(ECHO)) stack.count(v6 ? "Icmp6OutEchoReplies" : "IcmpOutEchoReps");
}

/**
 * The way back to the sender of the packet in `rx`: by the link it came by, whichever owns the address that it is for. A peer may have bound its end to
 * that path, and would hear no answer from another; only what we open leaves by its source address (draft §4.1). Its key is a new one, or written
 * to `into`.
 */
export function planReply(
  local: LocalAddress,
  outlet: Outlet,
  dscp: number,
  into?: number,
): FlowPlan {
  const remote = rx.source;
  const localPort = rx.destinationPort;
  const remotePort = rx.sourcePort;
  return {
    outlet,
    local: endpoint(0, local.view.address, localPort),
    remote: endpoint(1, formatAddress(remote.bytes), remotePort),
    family: remote.family,
    key: writeKey(local.prefix.address, localPort, remote, remotePort, dscp, into),
  };
}
