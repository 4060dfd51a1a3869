/**
 * TCP Fast Open (RFC 7413) of a connection, with MPTCP by RFC 8684 appendix B: what travels in a SYN lies before the data sequence space, so that a subflow
 * counts its offsets from behind it. What of it was not acknowledged is sent after the handshake, as data like any other.
 */

import type { Micros } from "../plugin.ts";
import { FastOpen } from "../subflow/fast_open.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { OPTION_SPACE } from "../wire/option_space.ts";
import { rx } from "../wire/segment.ts";
import type { FastOpenOffer } from "./host.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Most of a client's first data that are kept until its SYN is answered. */
const MOST_HELD = 65536;

/** Opens the first subflow of a client that begins with `data`. */
export function openFirst(
  meta: MetaSocket,
  subflow: Subflow,
  data: Uint8Array,
  now: Micros,
): void {
  const { mtu } = subflow;
  const offer = fastOpenOffer(meta, subflow, now);
  if (
    offer === null || offer.cookie.length === 0 || data.length === 0 || mayRace(meta, subflow, now)
  ) {
    openAnother(meta, subflow, now);
    if (data.length > 0) meta.beginWith(meta.write(now, data, 0));
    return;
  }
  const held = data.slice(0, Math.min(MOST_HELD, meta.writeRoom));
  const inSyn = Math.max(0, Math.min(held.length, mtu.inSyn(offer.mss, now) - OPTION_SPACE));
  subflow.open(now, new FastOpen(offer.cookie, held, inSyn));
  meta.beginWith(held.length);
  meta.awaitSyn();
}

/** Whether it has the first data of its connection, of which nobody else knows until its SYN is answered: some may be with the peer already. */
export function holdsData({ fastOpen }: Subflow): boolean {
  return fastOpen !== null && fastOpen.cookie.length > 0;
}

/** Opens a first subflow whose SYN has no data: at most it asks for a cookie, for the next time. */
export function openAnother(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const offer = fastOpenOffer(meta, subflow, now);
  const asks = offer !== null && offer.cookie.length === 0;
  subflow.open(now, asks ? new FastOpen(offer.cookie) : null);
}

function fastOpenOffer(
  { host, tcp }: MetaSocket,
  { local, remote }: Subflow,
  now: Micros,
): FastOpenOffer | null {
  return tcp.fastOpen ? host.fastOpens.offer(local, remote, now) : null;
}

/**
 * Whether another way may have to be tried beside `subflow`: then its SYN has no data, as a server gives those to its application before the third ACK, and
 * would do so again by the other way. Where the peer has answered it of late it has them, and nothing is tried beside it.
 */
function mayRace({ race, host }: MetaSocket, subflow: Subflow, now: Micros): boolean {
  return race !== null && race.open && !host.firstPaths.answers(subflow, now);
}

/** The SYN of a client is answered by the segment in `rx`: what that tells of its Fast Open (RFC 7413 §4.2.2, "Client: Receiving SYN-ACK"). */
export function fastOpenAnswered(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { fastOpen, local, remote } = subflow;
  if (fastOpen === null) return;
  const { inSyn, acked } = fastOpen;
  const { host } = meta;
  const cookie = rx.fastOpen;
  if (inSyn > 0) host.count(acked === inSyn ? "TCPFastOpenActive" : "TCPFastOpenActiveFail");
  if (cookie !== null && cookie.length > 0) {
    host.fastOpens.learned(local, remote, cookie, rx.hasMss ? rx.mss : 0);
  } else if (acked > 0) {
    host.fastOpens.worked(local, remote);
  } else {
    // Presumably it answers a repeated, plain SYN: the path swallows the others (§4.2.2). Or the server does not do it.
    if (inSyn > 0 && subflow.handshakeRepeated) host.count("TCPFastOpenBlackhole");
    host.fastOpens.failed(local, remote, now);
  }
  // What was held waits for this, even where nothing of it fitted into the SYN.
  if (fastOpen.cookie.length > 0) meta.writeFirst(fastOpen.rest, now);
}

/** A subflow has ended whose SYN nobody answered, though it was repeated, or a router did (RFC 7413 §4.1.3.1: negative responses). */
export function fastOpenUnanswered(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { fastOpen, ended, handshakeRepeated, local, remote } = subflow;
  if (fastOpen === null || fastOpen.acked >= 0 || ended === "refused") return;
  if (!handshakeRepeated && ended !== "unreachable") return;
  if (fastOpen.inSyn > 0) meta.host.count("TCPFastOpenActiveFail");
  meta.host.fastOpens.failed(local, remote, now);
}

/**
 * A server has a SYN in `rx` whose cookie is good, and has answered it: the application gets its data, and may send, before the third ACK (RFC 7413 §4.2.2,
 * "Buffer the data and notify the application"). With MPTCP its data have mappings, but no DATA_ACK: the client's key is still to come.
 */
export function openEarly(meta: MetaSocket, subflow: Subflow): void {
  meta.takeEarly(rx.bytes(subflow.receiver.early));
  subflow.sender.resize();
  meta.joined(subflow);
}
