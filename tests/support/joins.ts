/** Dialogues with more than one subflow. */

import type { App, Dialogue } from "./dialogue.ts";
import type { Got, Offer, Peer } from "./scripted_peer.ts";

/** Has the peer join `app`'s connection from its end of `link`; leaves nothing to take out. */
export function join(d: Dialogue, to: Peer, link: number, offer: Offer = {}, id = link): Peer {
  const peer = d.peer({ link, session: to.session, port: offer.port ?? 80 });
  peer.offers(offer, offer.ecn ? "SEW" : "S", [`join syn id ${id}`]);
  peer.gets(`S.${offer.ecn ? "E" : ""} 0 ack 1 <join synack>`);
  d.pass(offer.rtt ?? 20e3);
  peer.sends(". 1 ack 1 <join ack>");
  peer.gets(". 1 ack 1"); // the fourth ACK
  return peer;
}

/** A connection that a peer opened over link 0 and joined over link 1; `other` is what is different there. */
export function joined(
  d: Dialogue,
  offer: Offer = {},
  other: Offer = {},
): { first: Peer; second: Peer; app: App } {
  const { peer: first, app } = d.opened(offer);
  const second = join(d, first, 1, { ...offer, ...other });
  d.settle();
  return { first, second, app };
}

/** A connection of ours over the first path; what a path manager sends next, such as the SYN of a join, waits to be taken. */
export function dialled(d: Dialogue, port = 80, offer: Offer = {}): { first: Peer; app: App } {
  const app = d.connect(port);
  const first = d.called();
  first.gets("S 0 <mpc>");
  d.pass(20e3);
  first.offers(offer, "S.", [`mpc key${offer.checksum ? " A" : ""}`]);
  first.gets(". 1 ack 1 <mpc keys>");
  first.sends(". 1 ack 1 <dack8 1>");
  return { first, app };
}

/** The same where the SYN of a join of ours has come to `second`. */
export function joining(d: Dialogue): { first: Peer; second: Peer; app: App; syn: Got } {
  const { first, app } = dialled(d);
  const second = d.called(first.session);
  const syn = second.gets("S 0 <join syn>");
  return { first, second, app, syn };
}

/** Has `second` answer the SYN of a join, and the connection use it. */
export function answersJoin(d: Dialogue, second: Peer): void {
  d.pass(20e3);
  second.offers({}, "S.", ["join synack id 0"]);
  second.gets(". 1 ack 1 <join ack>");
  second.sends(". 1 ack 1 <dack8 1>");
}
