/** Which subflow, connection or listener a packet belongs to, in the order that the draft demands (EST-5, EST-6). */

import { memory_free, packet_parse, u8 } from "../../wasm/mod.ts";
import {
  PARSE_CHECKSUM,
  PARSE_FRAGMENT,
  PARSE_HEADER,
  PARSE_IP_CHECKSUM,
  PARSE_OPTION,
  PARSE_PROTOCOL,
  PARSE_SHORT,
  PARSE_VERSION,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../../wasm/layout.ts";
import { judgeSyn, takesJoinsAt } from "../connection/establish.ts";
import { openEarly } from "../connection/fast_open.ts";
import { segmentArrived } from "../connection/settle.ts";
import type { Micros } from "../plugin.ts";
import type { TimeWait } from "../subflow/time_wait.ts";
import { formatAddress, isHostAddress } from "../wire/ip.ts";
import {
  mentions,
  MP_JOIN,
  readMpJoin,
  RST_MPTCP,
  RST_PROHIBITED,
  RST_RESOURCE,
} from "../wire/mptcp.ts";
import type { PacketIn } from "../wire/packet.ts";
import { rx } from "../wire/segment.ts";
import { judgeFastOpen } from "./fast_open.ts";
import type { Link } from "./link.ts";
import { icmpArrived } from "./icmp.ts";
import { planReply, refuse } from "./replies.ts";
import type { LocalAddress } from "./routes.ts";
import type { Stack } from "./stack.ts";
import {
  answeredBefore,
  answerJoin,
  answerSyn,
  cookieReturned,
  joinAnsweredBefore,
  joinWantsCookie,
  wantsCookie,
} from "./stateless.ts";

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

/** Names of the kernel's IpExt by the ECN bits of the IP header. */
const ECN_COUNTERS = ["InNoECTPkts", "InECT1Pkts", "InECT0Pkts", "InCEPkts"] as const;

/** Hands one packet to where it belongs. */
export function demultiplex(
  stack: Stack,
  now: Micros,
  link: Link,
  packet: Readonly<PacketIn>,
): void {
  const verdict = packet_parse(
    stack.wasm,
    packet.address,
    packet.length,
    packet.verified ? 1 : 0,
  );
  if (verdict !== 0) {
    if (verdict === PARSE_CHECKSUM && rx.protocol !== TCP) {
      const mib = rx.family === 6 ? "Icmp6" : "Icmp";
      stack.count(`${mib}InMsgs`);
      stack.count(`${mib}InErrors`);
      stack.count(`${mib}InCsumErrors`);
      return;
    }
    stack.count(DROPS[verdict] ?? "IpInDiscards");
    return;
  }
  if (packet.payload !== undefined && packet.payload !== 0) rx.lies(packet.payload);
  if (rx.ecn !== 0) stack.count(ECN_COUNTERS[rx.ecn]!, segmentsOf(packet));
  if (rx.protocol !== TCP) {
    const local = destination(stack, link);
    if (local !== undefined) icmpArrived(stack, link, now, local);
    return;
  }
  const { flags } = rx;
  if ((flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) === TCP_SYN) {
    arriveSyn(stack, link, dscpOf(packet.address), now);
  } else if (!arriveKnown(stack, now)) {
    const local = destination(stack, link);
    if (local === undefined || (flags & TCP_RST) !== 0) return;
    if ((flags & TCP_ACK) === 0 && isListening(stack, local)) {
      // What is no SYN has nothing to say to a listener (RFC 9293 §3.10.7.2, fourth), nor has one that ends at once: no program sends that.
      stack.count("TcpInErrs");
      return;
    }
    if (cookieReturned(stack, link, local, dscpOf(packet.address), now)) return;
    refuse(stack, -1);
    if (stack.strays.awaited) stack.strays.came(formatAddress(rx.source.bytes));
  }
}

/** How many segments were merged into a packet. */
function segmentsOf({ gsoSize }: PacketIn): number {
  return gsoSize === 0 ? 1 : Math.max(1, Math.ceil(rx.length / gsoSize));
}

/** Whether somebody listens where the segment in `rx` goes. */
function isListening(stack: Stack, local: LocalAddress): boolean {
  return stack.listeners.find(local.view.address, rx.destinationPort) !== undefined;
}

/** Hands the segment in `rx` to the flow that it belongs to; false when there is none. */
function arriveKnown(stack: Stack, now: Micros): boolean {
  const { flow } = rx;
  if (flow === 0) return false;
  const { flows } = stack;
  const subflow = flows.subflow(flow);
  const connection = flows.connection(flow);
  if (subflow !== null && connection !== null) {
    segmentArrived(connection, subflow, now);
    return true;
  }
  const timeWait = flows.resting(flow);
  if (timeWait === undefined) return false;
  const state = timeWait.arrive(now);
  if (state === "again") stack.rest(timeWait, now);
  else if (state === "over") stack.forget(flow);
  return true;
}

/** Our address that the packet is for; undefined when it is for somebody else, or from an address that can be nobody's: both are counted. */
function destination(stack: Stack, link: Link): LocalAddress | undefined {
  const local = stack.routes.destination(link, rx.destination);
  if (local === undefined || !sourceMayBe(stack)) {
    stack.count("IpInAddrErrors");
    return undefined;
  }
  return local;
}

/** Whether an answer to the packet's source could reach anybody else. */
function sourceMayBe(stack: Stack): boolean {
  const { bytes } = rx.source;
  return isHostAddress(bytes) && stack.routes.find(formatAddress(bytes)) === undefined;
}

/** The codepoint of an IP header (RFC 2474). */
function dscpOf(ip: number): number {
  return u8[ip]! >> 4 === 4 ? u8[ip + 1]! >> 2 : (u8[ip]! << 2 | u8[ip + 1]! >> 6) & 63;
}

/** A SYN: tokens before flows, flows before listeners. */
function arriveSyn(stack: Stack, link: Link, dscp: number, now: Micros): void {
  const at = rx.option(MP_JOIN);
  const join = at === 0 ? null : readMpJoin(at);
  const connection = join === null || join.length !== 12
    ? undefined
    : stack.tokens.find(join.token);
  let renewed = false;
  if (join === null || connection !== undefined) {
    const timeWait = stack.flows.resting(rx.flow);
    renewed = timeWait !== undefined && replaces(timeWait, stack, join !== null);
    if (renewed) stack.forget(rx.flow);
    else if (arriveKnown(stack, now)) return;
  }
  const local = destination(stack, link);
  if (local === undefined || !local.outlet.up) return;
  if (join === null && rx.malformed && mentions(rx.transport, MP_JOIN)) {
    // EST-6 holds for one of no known form, too: a plain connection is not what its sender wants.
    stack.count("MPTCPMalformed");
    refuse(stack, RST_MPTCP);
    return;
  }
  if (join !== null) {
    stack.count("MPJoinSynRx");
    if (join.backup) stack.count("MPJoinSynBackupRx");
    // RFC 8684 §3.2: "If the token received at Host B is unknown or local policy prohibits the acceptance of the new subflow, the
    // recipient MUST respond with a TCP RST for the subflow"
    // RFC 8684 §3.2: "Demultiplexing subflow SYNs MUST be done using the token; this is unlike traditional TCP, where the destination
    // port is used for demultiplexing SYN packets."
    // EST-6: a join never falls through to a listener. RFC 8684 §3.2 answers a token that nobody has with a RST, where the draft drops.
    if (connection === undefined || connection.over) {
      stack.count("MPJoinNoTokenFound");
      refuse(stack, RST_MPTCP);
      return;
    }
    const { address } = local.view;
    if (!takesJoinsAt(connection, { address, port: rx.destinationPort })) {
      stack.count("MismatchPortSynRx");
      refuse(stack, RST_PROHIBITED);
      return;
    }
    if (rx.destinationPort !== connection.localEndpoint.port) stack.count("MPJoinPortSynRx");
    // Its third ACK, with the key that a join is judged by, is still to come: the SYN will be sent again.
    if (!connection.joinable) return;
    const again = !renewed && joinAnsweredBefore(stack, local, connection, join, now);
    if (again || (!renewed && joinWantsCookie(connection))) {
      answerJoin(stack, link, local, connection, join, now);
      return;
    }
    // A label is part of a path's name (draft A.2): the way back has it, too.
    const label = dscp === 0 ? connection.tcp.dscp : dscp;
    const plan = planReply(local, stack.routes.back(link, local), label);
    const reason = plan.key === 0 ? RST_RESOURCE : connection.paths.joinArrived(join, plan, now);
    if (reason !== null) {
      stack.count("MPJoinRejected");
      memory_free(plan.key);
      refuse(stack, reason);
    }
    return;
  }
  const listener = stack.listeners.find(local.view.address, rx.destinationPort);
  if (listener === undefined) {
    // Connections are begun where an application listens. Linux tells why it refuses others, too.
    const joinsOnly = stack.joinPorts.has(local.view.address, rx.destinationPort);
    if (joinsOnly) stack.count("MPCapableEndpAttempt");
    refuse(stack, joinsOnly ? RST_PROHIBITED : -1);
    return;
  }
  if (listener.full) {
    stack.overflow();
    return;
  }
  // The numbers of a flow that was in TIME-WAIT must go on above it (RFC 6191 §2): a cookie's do not.
  if (!renewed && wantsCookie(listener)) {
    answerSyn(stack, link, local, listener, now);
    return;
  }
  if (listener.crowded && !renewed && !listener.evict(now)) {
    stack.count("TCPReqQFullDrop");
    stack.count("ListenDrops");
    return;
  }
  // Who stands in for another answers with the codepoint that the question had.
  const label = listener.transparent && dscp !== 0 ? dscp : listener.tcp.dscp;
  const plan = planReply(local, stack.routes.back(link, local), label);
  const { iss, key } = renewed ? {} : answeredBefore(stack, local, listener, now);
  const opened = plan.key === 0 ? null : stack.halfOpen(listener, plan, iss, key);
  if (opened === null) {
    if (plan.key !== 0) memory_free(plan.key);
    stack.count("ListenDrops");
    return;
  }
  const { connection: begun, subflow } = opened;
  judgeSyn(begun, subflow, now);
  const { reply, accepted } = judgeFastOpen(stack, listener, local.prefix.address, now);
  subflow.accept(now, reply, accepted);
  if (accepted) {
    stack.listeners.begunEarly(listener, begun);
    openEarly(begun, subflow);
  }
  begun.dirty();
}

/** Whether the SYN in `rx`, which somebody waits for, takes over a flow in TIME-WAIT. */
function replaces(timeWait: TimeWait, stack: Stack, join: boolean): boolean {
  const { address, port } = timeWait.local;
  return (join || stack.listeners.find(address, port) !== undefined) && timeWait.outdated;
}
