/** Which subflow, connection or listener a packet belongs to, in the order that the draft demands (EST-5, EST-6). */

import { memory_free, packet_parse, u32, u8 } from "../../wasm/mod.ts";
import {
  OPTION_TIMESTAMPS,
  PARSE_CHECKSUM,
  PARSE_FRAGMENT,
  PARSE_HEADER,
  PARSE_IP_CHECKSUM,
  PARSE_OPTION,
  PARSE_PROTOCOL,
  PARSE_SHORT,
  PARSE_VERSION,
  RX_DEST,
  RX_DEST_PORT,
  RX_FAMILY,
  RX_FLAGS,
  RX_FLOW,
  RX_OPTIONS,
  RX_PROTOCOL,
  RX_SEQ,
  RX_SOURCE,
  RX_SOURCE_PORT,
  RX_TSVAL,
  TCP_ACK,
  TCP_RST,
  TCP_SYN,
} from "../../wasm/layout.ts";
import { judgeSyn } from "../connection/establish.ts";
import { startFallback } from "../connection/fallback.ts";
import type { FlowPlan } from "../connection/host.ts";
import { leave } from "../subflow/close.ts";
import { arrive } from "../subflow/arrives.ts";
import { accept } from "../subflow/handshake.ts";
import { type Subflow, TIME_WAIT } from "../subflow/subflow.ts";
import { formatAddress, type IpAddress, isHostAddress } from "../wire/ip.ts";
import { MP_JOIN, optionAt, readMpJoin, RST_MPTCP } from "../wire/mptcp.ts";
import type { PacketIn } from "../wire/packet.ts";
import { distance32, fromWire } from "../wire/seq.ts";
import { writeKey } from "./flow_key.ts";
import type { Link } from "./link.ts";
import { answerIcmp, refuse } from "./replies.ts";
import type { LocalAddress } from "./routes.ts";
import type { Stack } from "./stack.ts";

const TCP = 6;

/** MIB names of packets that are dropped before they reach anything. */
const DROPS: Readonly<Record<number, string>> = {
  [PARSE_SHORT]: "IpInTruncatedPkts",
  [PARSE_VERSION]: "IpInHdrErrors",
  [PARSE_HEADER]: "IpInHdrErrors",
  [PARSE_IP_CHECKSUM]: "IpInHdrErrors",
  [PARSE_FRAGMENT]: "IpReasmFails",
  [PARSE_PROTOCOL]: "IpInUnknownProtos",
  [PARSE_CHECKSUM]: "TcpInCsumErrors",
  [PARSE_OPTION]: "TcpInErrs",
};

/** Hands one packet to where it belongs. */
export function demultiplex(stack: Stack, link: Link, packet: Readonly<PacketIn>): void {
  const verdict = packet_parse(
    stack.wasm,
    packet.address,
    packet.length,
    packet.verified ? 1 : 0,
  );
  if (verdict !== 0) {
    stack.count(DROPS[verdict] ?? "IpInDiscards");
    return;
  }
  if (u32[RX_PROTOCOL] !== TCP) {
    if (destination(stack) !== undefined) answerIcmp(stack, link);
    return;
  }
  const flags = u32[RX_FLAGS]!;
  if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN) {
    arriveSyn(stack);
    return;
  }
  const subflow = existing(stack);
  if (subflow !== null) {
    arrive(subflow, stack.now);
    return;
  }
  if (destination(stack) !== undefined && (flags & TCP_RST) === 0) refuse(stack, -1);
}

/** An address of the packet in RX_*. */
function addressAt(word: number): IpAddress {
  const family = u32[RX_FAMILY] === 4 ? 4 : 6;
  return { family, bytes: u8.slice(word << 2, (word << 2) + (family === 4 ? 4 : 16)) };
}

/** Our address that the packet is for; undefined when it is for somebody else, or from an address that can be nobody's: both are counted. */
function destination(stack: Stack): LocalAddress | undefined {
  const local = stack.routes.find(formatAddress(addressAt(RX_DEST).bytes));
  if (local === undefined || !sourceMayBe(stack)) {
    stack.count("IpInAddrErrors");
    return undefined;
  }
  return local;
}

/** Whether an answer to the packet's source could reach anybody else. */
function sourceMayBe(stack: Stack): boolean {
  const { bytes } = addressAt(RX_SOURCE);
  return isHostAddress(bytes) && stack.routes.find(formatAddress(bytes)) === undefined;
}

/** A SYN: tokens before flows, flows before listeners. */
function arriveSyn(stack: Stack): void {
  const { now } = stack;
  const at = optionAt(MP_JOIN);
  const join = at === 0 ? null : readMpJoin(at);
  const connection = join === null || join.length !== 12
    ? undefined
    : stack.tokens.find(join.token);
  const known = join !== null && connection === undefined ? null : existing(stack);
  if (known !== null && !replaces(known, stack, join !== null)) {
    arrive(known, now);
    return;
  }
  const local = destination(stack);
  if (local === undefined || !local.outlet.up) return;
  if (join !== null) {
    // EST-6: a join never falls through to a listener. RFC 8684 §3.2 answers a token that nobody has with a RST, where the draft drops.
    if (connection === undefined || connection.closed) {
      stack.count("MPJoinNoTokenFound");
      refuse(stack, RST_MPTCP);
      return;
    }
    stack.count("MPJoinSynRx");
    if (join.backup) stack.count("MPJoinSynBackupRx");
    // Its third ACK, with the key that a join is judged by, is still to come: the SYN will be sent again.
    if (!connection.established) return;
    const plan = planReply(local);
    const reason = plan.key === 0 ? RST_MPTCP : connection.paths.joinArrived(join, plan, now);
    if (reason !== null) {
      stack.count("MPJoinRejected");
      memory_free(plan.key);
      refuse(stack, reason);
    }
    return;
  }
  const listener = stack.listeners.find(local.view.address, u32[RX_DEST_PORT]!);
  if (listener === undefined) {
    refuse(stack, -1);
    return;
  }
  if (listener.full && !listener.evict(now)) {
    stack.count("ListenOverflows");
    return;
  }
  const plan = planReply(local);
  const opened = plan.key === 0 ? null : stack.halfOpen(listener, plan);
  if (opened === null) {
    if (plan.key !== 0) memory_free(plan.key);
    stack.count("ListenDrops");
    return;
  }
  if (!opened.connection.capable || !judgeSyn(opened.connection)) {
    startFallback(opened.connection, opened.subflow);
  }
  accept(opened.subflow, now);
}

/** The subflow of the packet in RX_*. */
function existing(stack: Stack): Subflow | null {
  const value = u32[RX_FLOW]!;
  return value === 0 ? null : stack.flows.of(value);
}

/**
 * A newer SYN that somebody waits for takes over a connection in TIME-WAIT: newer by its timestamp, without one by its sequence number
 * (RFC 9293 §3.10.7.4, fourth; RFC 6191 §2).
 */
function replaces(subflow: Subflow, stack: Stack, join: boolean): boolean {
  if (subflow.state !== TIME_WAIT) return false;
  if (!join && stack.listeners.find(subflow.local.address, subflow.local.port) === undefined) {
    return false;
  }
  const age = subflow.timestamps && (u32[RX_OPTIONS]! & OPTION_TIMESTAMPS) !== 0
    ? distance32(u32[RX_TSVAL]!, subflow.tsRecent)
    : fromWire(u32[RX_SEQ]!, subflow.irs, subflow.rcvNxt) - subflow.rcvNxt;
  if (age <= 0) return false;
  leave(subflow, "closed", stack.now);
  return true;
}

/** The way back to the sender of the packet in RX_*. */
function planReply(local: LocalAddress): FlowPlan {
  const remote = addressAt(RX_SOURCE);
  const localPort = u32[RX_DEST_PORT]!;
  const remotePort = u32[RX_SOURCE_PORT]!;
  return {
    outlet: local.outlet,
    local: { address: local.view.address, port: localPort },
    remote: { address: formatAddress(remote.bytes), port: remotePort },
    family: remote.family,
    key: writeKey(local.prefix.address, localPort, remote, remotePort, 0),
  };
}
