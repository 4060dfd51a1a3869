/** Dialogues with more than one subflow. */

import type { App, Dialogue } from "./dialogue.ts";
import type { Offer, Peer } from "./scripted_peer.ts";

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
