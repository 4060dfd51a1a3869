/** One association: a link of ours and one of a peer, over which segments go. */

import type { Micros } from "../../plugin.ts";
import { DATA, HEADER, TAG, TRAFFIC_CLASS, VERSION } from "./datagram.ts";
import type { SocketAddress } from "./socket_address.ts";

/** What may be sent to an address of which it is not known that somebody there wants it, for each octet from there (RFC 9000 §8.1). */
export const AMPLIFICATION = 3;

/** How far an association is. */
export type PeerState =
  /** We have asked for it: segments ride in HELLO. */
  | {
    readonly kind: "opening";
    readonly nonce: Uint8Array;
    /** What RETRY has brought; empty: nothing. */
    readonly cookie: Uint8Array;
    /** The segment of the latest HELLO, and its traffic class. */
    readonly first: Uint8Array;
    readonly trafficClass: number;
  }
  /** Both tags are known. */
  | { readonly kind: "open"; readonly secret: Uint8Array };

/** One association. */
export class Peer {
  /** The peer as the stack sees it: 4 octets, or 16. */
  readonly address: Uint8Array;
  /** We began it. */
  readonly initiated: boolean;
  /** What HELLO is known by, of one that the peer has begun. */
  readonly hello: string;
  #own: Uint8Array;
  #state: PeerState;
  #endpoint: SocketAddress;
  #validated: boolean;
  #fresh = true;
  #movedAt: Micros = 0;
  /** Octets that may be sent before the address is validated. */
  #credit = 0;
  /** The first octets of each DATA: changed in place with the traffic class. */
  readonly #header = new Uint8Array(HEADER);
  #heardAt: Micros;
  #sentAt: Micros;
  #usedAt: Micros;
  #challengedAt: Micros = -Infinity;
  #cookieAt: Micros = -Infinity;

  /** `own`: the tag that names it in what comes to us. `hello`: null where we begin it. */
  constructor(
    address: Uint8Array,
    endpoint: SocketAddress,
    own: Uint8Array,
    state: PeerState,
    now: Micros,
    hello: string | null,
  ) {
    this.address = address;
    this.initiated = hello === null;
    this.hello = hello ?? "";
    this.#endpoint = endpoint;
    this.#own = own;
    this.#state = state;
    // Who we turn to has been chosen by us, as any TCP does.
    this.#validated = this.initiated;
    this.#heardAt = this.#sentAt = this.#usedAt = now;
    this.#header[0] = VERSION << 4 | DATA;
  }

  /** How far it is. */
  get state(): PeerState {
    return this.#state;
  }

  /** It has never been open: whoever greets it repeats that, too. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /** The tag of what comes to us. */
  get own(): Uint8Array {
    return this.#own;
  }

  /** The tag of what goes to the peer; zero while it is not known. */
  get theirs(): Uint8Array {
    return this.#header.subarray(TAG);
  }

  /** Where it is. */
  get endpoint(): SocketAddress {
    return this.#endpoint;
  }

  /** It is known that somebody is there who wants what we send. */
  get validated(): boolean {
    return this.#validated;
  }

  /** When it has last moved. */
  get movedAt(): Micros {
    return this.#movedAt;
  }

  /** When something was last heard of it. */
  get heardAt(): Micros {
    return this.#heardAt;
  }

  /** When something was last sent to it. */
  get sentAt(): Micros {
    return this.#sentAt;
  }

  /** When a segment last went either way. */
  get usedAt(): Micros {
    return this.#usedAt;
  }

  /** A segment of the stack's goes to it, or has come. */
  use(now: Micros): void {
    this.#usedAt = now;
  }

  /** Whether it is to be asked where it is: not again within `pause`. */
  mayChallenge(pause: Micros, now: Micros): boolean {
    if (now - this.#challengedAt < pause) return false;
    this.#challengedAt = now;
    return true;
  }

  /** It is greeted with a segment, and may have to be again. */
  greeted(first: Uint8Array, trafficClass: number): void {
    if (this.#state.kind === "opening") this.#state = { ...this.#state, first, trafficClass };
  }

  /** It wants a cookie to be shown. */
  retry(cookie: Uint8Array, now: Micros): void {
    if (this.#state.kind !== "opening") return;
    this.#state = { ...this.#state, cookie };
    this.#cookieAt = now;
  }

  /** A cookie of before `time` is good no more: with it, every HELLO would be dropped. */
  forgetCookie(time: Micros): void {
    const state = this.#state;
    if (state.kind !== "opening" || state.cookie.length === 0 || this.#cookieAt >= time) return;
    this.#state = { ...state, cookie: new Uint8Array(0) };
  }

  /** The header of DATA with a traffic class. */
  header(trafficClass: number): Uint8Array {
    this.#header[TRAFFIC_CLASS] = trafficClass;
    return this.#header;
  }

  /** The tag of the peer is known: it is open. */
  open(theirs: Uint8Array, secret: Uint8Array): void {
    this.#header.set(theirs, TAG);
    this.#state = { kind: "open", secret };
    this.#fresh = false;
  }

  /** The peer knows nothing of it: it begins again, under another tag. */
  reopen(own: Uint8Array, nonce: Uint8Array): void {
    this.#own = own;
    const nothing = new Uint8Array(0);
    this.#state = { kind: "opening", nonce, cookie: nothing, first: nothing, trafficClass: 0 };
  }

  /** Something has come from its address. */
  heard(octets: number, now: Micros): void {
    this.#heardAt = now;
    if (!this.#validated) this.#credit += AMPLIFICATION * octets;
  }

  /** It answers under the tag that we have sent to its address, or with a cookie from there. */
  validate(): void {
    this.#validated = true;
  }

  /** Whether `octets` may go there; they are taken as sent. */
  maySend(octets: number, now: Micros): boolean {
    if (!this.#validated) {
      if (octets > this.#credit) return false;
      this.#credit -= octets;
    }
    this.#sentAt = now;
    return true;
  }

  /** It has shown to be at another address. */
  move(to: SocketAddress, now: Micros): void {
    this.#endpoint = to;
    this.#validated = true;
    this.#movedAt = now;
  }
}
