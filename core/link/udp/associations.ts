/**
 * The associations of one link (docs/udp.md): who is at the other end of its datagrams, how that is begun, proved, moved and ended. Neither a clock nor a
 * socket: time is an argument, and what is to be sent goes to `AssociationsHost`.
 */

import type { Micros } from "../../plugin.ts";
import { u8 } from "../../../wasm/mod.ts";
import {
  BYE,
  BYE_MAC,
  CHALLENGE,
  COOKIE,
  COOKIE_SIZE,
  DATA,
  datagram,
  HEADER,
  HELLO,
  HELLO_COOKIE,
  HELLO_COOKIE_LENGTH,
  HELLO_NONCE,
  MAC_SIZE,
  NONCE_SIZE,
  PING,
  RESPONSE,
  RESPONSE_MAC,
  RETRY,
  rightSize,
  SIZES,
  TAG,
  TAG_SIZE,
  TRAFFIC_CLASS,
  UNKNOWN,
  VERSION,
  WELCOME,
  WELCOME_MAC,
  WELCOME_NONCE,
  WELCOME_TAG,
} from "./datagram.ts";
import { Peer } from "./peer.ts";
import { PeerAddresses } from "./peer_addresses.ts";
import { COOKIE_LIFE, Cookies, isMac, mac } from "./secrets.ts";
import { sameSocketAddress, type SocketAddress } from "./socket_address.ts";
import { Allowance, PeerTable } from "./peer_table.ts";

/** Associations that one address may have begun, however few a link may have. */
const LEAST_OF_ONE = 16;
/** Accepted associations whose address is not validated, above which further ones need a cookie (RFC 9000 §8.1.2). */
const UNVALIDATED = 64;
/** How long such a one is kept. */
const UNVALIDATED_LIFE: Micros = 60e6;
/** Microseconds between two challenges of one association. */
const CHALLENGE_PAUSE: Micros = 5e3;
/** Answers to what belongs to no association a second, and as many challenges: who knows no tag takes nothing from those who know one. */
const ANSWERS = 1000;
/**
 * Silence after which who began an association says where it is: a translator that has forgotten it lets nothing come, and only what leaves can tell the peer.
 * Twice as long each time, up to the pause of what is kept awake.
 */
const LULL: Micros = 250e3;
/** An association that nothing uses is kept awake no longer than a NAT would keep a TCP connection (RFC 5382 REQ-5). */
const AWAKE: Micros = 7440e6;

/** What associations are lent. */
export interface AssociationsHost {
  /** [0, 1). */
  random(): number;
  /** Sends one datagram that is no DATA. */
  transmit(bytes: Uint8Array, to: SocketAddress, now: Micros): void;
  /** Counts. */
  count(name: string, by?: number): void;
  /** A peer is elsewhere, or has lost all: what was sent to it may have gone nowhere. */
  moved(peer: Peer): void;
}

/** How they are made. */
export interface AssociationsOptions {
  readonly family: 4 | 6;
  /** Our own address, which no peer may have. */
  readonly own: Uint8Array;
  /** Peers may begin them. */
  readonly accept: boolean;
  /** What both ends know; empty: nothing. */
  readonly key: Uint8Array;
  /** Microseconds of silence after which those that we have begun are kept awake; Infinity: never. */
  readonly keepAlive: Micros;
  /** Most of them. */
  readonly most: number;
}

function octets(random: () => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random() * 256);
}

/** The associations of one link. */
export class Associations {
  readonly #host: AssociationsHost;
  readonly #options: AssociationsOptions;
  readonly #cookies: Cookies;
  readonly #addresses: PeerAddresses;
  readonly #peers = new PeerTable();
  readonly #answers = new Allowance(ANSWERS);
  readonly #challenges = new Allowance(ANSWERS);
  #unvalidated = 0;
  #due: Micros = Infinity;
  /** Of the datagram that has just arrived: where its segment begins, 0: it has none. */
  #segment = 0;

  /** None yet. */
  constructor(host: AssociationsHost, options: AssociationsOptions) {
    this.#host = host;
    this.#options = options;
    const random = (): number => host.random();
    this.#cookies = new Cookies(octets(random, 32));
    this.#addresses = new PeerAddresses(options.family, random);
  }

  /** How many there are. */
  get size(): number {
    return this.#peers.size;
  }

  /** All of them. */
  all(): Iterable<Peer> {
    return this.#peers.all();
  }

  /** When `tick()` has something to do at the earliest; Infinity: never. What comes makes it earlier only where it begins an association. */
  get due(): Micros {
    return this.#due;
  }

  /** How long after the use of an association of ours it has something to do; Infinity: it has not. */
  get lull(): Micros {
    const { keepAlive } = this.#options;
    return keepAlive < Infinity ? Math.min(LULL, keepAlive) : Infinity;
  }

  /** Where the segment of what arrived last begins, in octets behind its start. */
  get segment(): number {
    return this.#segment;
  }

  /** The one whose peer the stack sees at the address of `size` octets at `at`. */
  find(at: number, size: number): Peer | null {
    return this.#peers.at(at, size);
  }

  /** The one whose tag of ours lies at `at`. */
  findOurs(at: number): Peer | null {
    return this.#peers.tagged(at);
  }

  /** The one that the tag at `at` of a datagram of ours was meant for. */
  findTheirs(at: number): Peer | null {
    for (const peer of this.#peers.all()) if (holds(at, peer.theirs)) return peer;
    return null;
  }

  /** Begins one with who is to be at `endpoint`; null: there are too many. */
  begin(address: Uint8Array, endpoint: SocketAddress, now: Micros): Peer | null {
    if (!this.#makeRoom(now)) return null;
    const nonce = this.#octets(NONCE_SIZE);
    const opening = {
      kind: "opening",
      nonce,
      cookie: new Uint8Array(0),
      first: new Uint8Array(0),
      trafficClass: 0,
    } as const;
    const peer = new Peer(address, endpoint, this.#freeTag(), { ...opening }, now, null);
    this.#peers.add(peer);
    return peer;
  }

  /** HELLO of an association that we have begun, up to its segment. It is kept with the segment, in case that we are to send it again. */
  hello(peer: Peer, trafficClass: number, segment: Uint8Array, now: Micros): Uint8Array {
    peer.forgetCookie(now - COOKIE_LIFE);
    const { state, own } = peer;
    if (state.kind !== "opening") throw new Error("Cannot greet a peer that is known");
    const { nonce, cookie } = state;
    const head = datagram(HELLO, own, HELLO_COOKIE + cookie.length + MAC_SIZE + segment.length);
    head[TRAFFIC_CLASS] = trafficClass;
    head.set(nonce, HELLO_NONCE);
    head[HELLO_COOKIE_LENGTH] = cookie.length;
    head.set(cookie, HELLO_COOKIE);
    const at = HELLO_COOKIE + cookie.length;
    head.set(mac(this.#options.key, "hello", own, nonce, segment).subarray(0, MAC_SIZE), at);
    head.set(segment, at + MAC_SIZE);
    peer.greeted(segment, trafficClass);
    return head;
  }

  /**
   * Takes the datagram of `length` octets at `at`. The peer whose segment it carries, which begins at `segment`; null: it carries none, or it was dropped, and
   * counted.
   */
  arrive(at: number, length: number, from: SocketAddress, now: Micros): Peer | null {
    const version = length > 0 ? u8[at]! >> 4 : VERSION;
    if (version !== VERSION) return this.#drop("InVersions");
    const type = length > 0 ? u8[at]! & 15 : -1;
    if (!rightSize(type, length)) return this.#drop(type > BYE ? "InTypes" : "InTruncated");
    this.#segment = 0;
    if (type === DATA) return this.#data(at, length, from, now);
    const bytes = u8.slice(at, at + length);
    if (type === HELLO) return this.#hello(bytes, from, now);
    if (type === UNKNOWN) return this.#unknown(bytes, from);
    const peer = this.#peers.tagged(at + TAG);
    if (peer === null) return this.#stranger(at + TAG, type, from, now);
    switch (type) {
      case WELCOME:
        return this.#welcome(peer, bytes, from, now);
      case RETRY:
        return this.#retry(peer, bytes, from, now);
      case CHALLENGE:
        return this.#challenged(peer, bytes, from, now);
      case RESPONSE:
        return this.#answered(peer, bytes, from, now);
      case PING:
        return this.#heard(peer, length, from, now);
      default:
        return this.#bye(peer, bytes);
    }
  }

  /** Does what is due: keeps those awake that we have begun, forgets accepted ones that never proved their address. Looks at each: nothing for every datagram. When to look again; Infinity: never. */
  tick(now: Micros): Micros {
    let next = Infinity;
    for (const peer of this.#peers.all()) {
      if (peer.initiated && !peer.fresh && now - peer.usedAt < AWAKE) {
        if (this.#awakeUntil(peer) <= now) this.#say(peer, this.#sign(peer, now), now);
        next = Math.min(next, this.#awakeUntil(peer));
      } else if (!peer.validated) {
        const end = peer.heardAt + UNVALIDATED_LIFE;
        if (end <= now) this.#forget(peer);
        else next = Math.min(next, end);
      }
    }
    return this.#due = next;
  }

  /** What says to the peer where we are: one that has lost the association is greeted once more, as nobody else may do so again. */
  #sign(peer: Peer, now: Micros): Uint8Array {
    const { state } = peer;
    if (state.kind === "open") return datagram(PING, peer.theirs);
    return this.hello(peer, state.trafficClass, state.first, now);
  }

  /** When a sign leaves to one of ours, if nothing else does. */
  #awakeUntil({ sentAt, usedAt }: Peer): Micros {
    const { keepAlive } = this.#options;
    const { lull } = this;
    return Math.max(sentAt, usedAt) + Math.min(keepAlive, Math.max(lull, sentAt - usedAt));
  }

  /** Says goodbye to all, and forgets them. */
  close(now: Micros): void {
    for (const peer of this.#peers.all()) {
      if (peer.state.kind === "open") {
        const bye = datagram(BYE, peer.theirs);
        bye.set(mac(peer.state.secret, "bye", peer.theirs).subarray(0, MAC_SIZE), BYE_MAC);
        this.#say(peer, bye, now);
      }
    }
    this.#peers.clear();
    this.#unvalidated = 0;
  }

  #octets(length: number): Uint8Array {
    return octets(() => this.#host.random(), length);
  }

  #drop(name: string): null {
    this.#host.count(name);
    return null;
  }

  #say(peer: Peer, bytes: Uint8Array, now: Micros): void {
    if (peer.maySend(bytes.length, now)) this.#host.transmit(bytes, peer.endpoint, now);
    else this.#host.count("OutHeldBack");
  }

  #data(at: number, length: number, from: SocketAddress, now: Micros): Peer | null {
    const peer = this.#peers.tagged(at + TAG);
    if (peer === null) return this.#stranger(at + TAG, DATA, from, now);
    this.#heard(peer, length, from, now);
    if (peer.state.kind === "opening") return null;
    if (!peer.validated && this.#keyed()) return this.#drop("InUnproved");
    peer.use(now);
    this.#segment = HEADER;
    return peer;
  }

  /** Something under a tag of ours has come. What says so from elsewhere than before is asked whether it is there (RFC 9000 §9.3). */
  #heard(peer: Peer, length: number, from: SocketAddress, now: Micros): null {
    if (peer.state.kind === "opening") return this.#drop("InUnexpected");
    const here = sameSocketAddress(from, peer.endpoint);
    if (here && (peer.validated || !this.#keyed())) {
      peer.heard(length, now);
      // Nobody else has been told the tag.
      if (!peer.validated) this.#validate(peer);
      return null;
    }
    // 30 octets for a datagram that had no less than 10: no more than it may be.
    if (peer.mayChallenge(CHALLENGE_PAUSE, now) && this.#challenges.take(now)) {
      this.#ask(peer, from, now);
    }
    return null;
  }

  /** There is a key: what was recorded of who has it proves nothing, but the answer to a question that is new does. */
  #keyed(): boolean {
    return this.#options.key.length > 0;
  }

  /** Asks who is at `to` for a sign of the association's secret. */
  #ask(peer: Peer, to: SocketAddress, now: Micros): void {
    this.#host.count("Challenges");
    const challenge = datagram(CHALLENGE, peer.theirs);
    challenge.set(this.#cookies.make("move", to, peer.own, now), COOKIE);
    this.#host.transmit(challenge, to, now);
  }

  #validate(peer: Peer): void {
    if (!peer.validated) this.#unvalidated--;
    peer.validate();
  }

  /** A tag that is nobody's: who uses it may have outlived us. */
  #stranger(at: number, type: number, from: SocketAddress, now: Micros): null {
    this.#host.count("InUnknownTags");
    // What asks for nothing gets no answer: there would be no end.
    if ((type === DATA || type === PING) && this.#answers.take(now)) {
      this.#host.transmit(datagram(UNKNOWN, u8.slice(at, at + TAG_SIZE)), from, now);
    }
    return null;
  }

  #hello(bytes: Uint8Array, from: SocketAddress, now: Micros): Peer | null {
    const { length } = bytes;
    const { accept, key } = this.#options;
    if (!accept) return this.#drop("InStrangers");
    const tag = bytes.slice(TAG, TAG + TAG_SIZE);
    const nonce = bytes.slice(HELLO_NONCE, HELLO_NONCE + NONCE_SIZE);
    const size = bytes[HELLO_COOKIE_LENGTH]!;
    const at = HELLO_COOKIE + size;
    if ((size !== 0 && size !== COOKIE_SIZE) || length < at + MAC_SIZE) {
      return this.#drop("InTruncated");
    }
    const code = bytes.subarray(at, at + MAC_SIZE);
    const segment = bytes.subarray(at + MAC_SIZE);
    if (!isMac(code, key, "hello", tag, nonce, segment)) return this.#drop("InBadMacs");
    const name = `${from.text} ${tag.join()} ${nonce.join()}`;
    let peer = this.#peers.greeted(name);
    if (peer === null) {
      const cookie = bytes.subarray(HELLO_COOKIE, at);
      const proved = size > 0;
      if (proved && this.#cookies.made(cookie, "hello", from, tag, now) < 0) {
        return this.#drop("InBadCookies");
      }
      if (!proved && this.#unvalidated >= UNVALIDATED) {
        this.#host.count("Retries");
        const retry = datagram(RETRY, tag);
        retry.set(this.#cookies.make("hello", from, tag, now), COOKIE);
        this.#host.transmit(retry, from, now);
        return null;
      }
      peer = this.#accept(tag, nonce, name, from, now);
      if (peer === null) return null;
      if (proved && !this.#keyed()) this.#validate(peer);
    }
    peer.heard(length, now);
    this.#answerHello(peer, tag, nonce, now);
    if (segment.length < 20) return null;
    peer.use(now);
    this.#segment = at + MAC_SIZE;
    return peer;
  }

  #accept(
    tag: Uint8Array,
    nonce: Uint8Array,
    name: string,
    from: SocketAddress,
    now: Micros,
  ): Peer | null {
    const { own, key } = this.#options;
    if (!this.#keyed()) {
      const here = this.#peers.begunAt(from);
      if (here.size >= this.#mostOfOne() && !this.#giveWay(now, here)) {
        return this.#drop("AddressFull");
      }
    }
    if (!this.#makeRoom(now)) return this.#drop("PeersFull");
    const address = this.#addresses.choose(
      from.address,
      (one) => this.#peers.has(one) || one.every((octet, i) => octet === own[i]),
    );
    const ours = this.#freeTag();
    const secret = mac(key, "secret", tag, nonce, ours, this.#cookies.nonce(ours));
    const peer = new Peer(address, from, ours, { kind: "open", secret }, now, name);
    peer.open(tag, secret);
    this.#peers.add(peer);
    this.#unvalidated++;
    this.#due = Math.min(this.#due, now + UNVALIDATED_LIFE);
    this.#host.count("Accepted");
    return peer;
  }

  #answerHello(peer: Peer, tag: Uint8Array, nonce: Uint8Array, now: Micros): void {
    const ours = this.#cookies.nonce(peer.own);
    const welcome = datagram(WELCOME, tag);
    welcome.set(peer.own, WELCOME_TAG);
    welcome.set(ours, WELCOME_NONCE);
    const code = mac(this.#options.key, "welcome", tag, nonce, peer.own, ours);
    welcome.set(code.subarray(0, MAC_SIZE), WELCOME_MAC);
    this.#say(peer, welcome, now);
    if (this.#keyed() && !peer.validated && peer.maySend(SIZES[CHALLENGE]!, now)) {
      this.#ask(peer, peer.endpoint, now);
    }
  }

  #welcome(peer: Peer, bytes: Uint8Array, from: SocketAddress, now: Micros): null {
    const { state, own } = peer;
    if (!sameSocketAddress(from, peer.endpoint)) return this.#drop("InUnexpected");
    if (state.kind !== "opening") {
      // Each HELLO has an answer: one that comes again says nothing new.
      const known = peer.theirs.every((octet, i) => octet === bytes[WELCOME_TAG + i]);
      return known ? null : this.#drop("InUnexpected");
    }
    const { key } = this.#options;
    const theirs = bytes.slice(WELCOME_TAG, WELCOME_TAG + TAG_SIZE);
    const nonce = bytes.slice(WELCOME_NONCE, WELCOME_NONCE + NONCE_SIZE);
    const code = bytes.subarray(WELCOME_MAC);
    if (!isMac(code, key, "welcome", own, state.nonce, theirs, nonce)) {
      return this.#drop("InBadMacs");
    }
    const again = !peer.fresh;
    peer.open(theirs, mac(key, "secret", own, state.nonce, theirs, nonce));
    peer.heard(bytes.length, now);
    this.#due = Math.min(this.#due, now + this.lull);
    this.#host.count("Opened");
    // What answers now has the segment of one HELLO: those of other subflows may be lost, or a cookie was asked for in their place.
    if (again) this.#host.moved(peer);
    return null;
  }

  #retry(peer: Peer, bytes: Uint8Array, from: SocketAddress, now: Micros): null {
    peer.forgetCookie(now - COOKIE_LIFE);
    const { state } = peer;
    // One cookie is enough while it may be good: a second question is somebody else's (RFC 9000 §17.2.5.2).
    if (
      state.kind !== "opening" || state.cookie.length > 0 ||
      !sameSocketAddress(from, peer.endpoint)
    ) return this.#drop("InUnexpected");
    peer.retry(bytes.slice(COOKIE), now);
    this.#say(peer, this.hello(peer, state.trafficClass, state.first, now), now);
    return null;
  }

  #challenged(peer: Peer, bytes: Uint8Array, from: SocketAddress, now: Micros): null {
    const { state } = peer;
    if (state.kind !== "open" || !sameSocketAddress(from, peer.endpoint)) {
      return this.#drop("InUnexpected");
    }
    const cookie = bytes.slice(COOKIE, COOKIE + COOKIE_SIZE);
    const response = datagram(RESPONSE, peer.theirs);
    response.set(cookie, COOKIE);
    const code = mac(state.secret, "response", peer.theirs, cookie);
    response.set(code.subarray(0, MAC_SIZE), RESPONSE_MAC);
    this.#say(peer, response, now);
    return null;
  }

  #answered(peer: Peer, bytes: Uint8Array, from: SocketAddress, now: Micros): null {
    const { state } = peer;
    if (state.kind !== "open") return this.#drop("InUnexpected");
    const cookie = bytes.slice(COOKIE, COOKIE + COOKIE_SIZE);
    // An answer that was given before it last moved is not given again.
    if (
      this.#cookies.made(cookie, "move", from, peer.own, now) < Math.floor(peer.movedAt / 1e3) * 1e3
    ) {
      return this.#drop("InBadCookies");
    }
    if (!isMac(bytes.subarray(RESPONSE_MAC), state.secret, "response", peer.own, cookie)) {
      return this.#drop("InBadMacs");
    }
    this.#validate(peer);
    peer.heard(RESPONSE_MAC + MAC_SIZE, now);
    if (sameSocketAddress(from, peer.endpoint)) return null;
    this.#peers.move(peer, from, now);
    this.#host.count("Moves");
    this.#host.moved(peer);
    return null;
  }

  /** The peer has lost an association that we have begun: one that has been begun by the peer is its to renew. */
  #unknown(bytes: Uint8Array, from: SocketAddress): null {
    const tag = bytes.subarray(TAG, TAG + TAG_SIZE);
    for (const peer of this.#peers.all()) {
      if (
        !peer.initiated || peer.state.kind !== "open" || !sameSocketAddress(from, peer.endpoint) ||
        peer.theirs.some((octet, i) => octet !== tag[i])
      ) continue;
      this.#host.count("Forgotten");
      // The next segment asks for another: the stack there will say what it thinks of it. Who only receives has none to send by itself.
      this.#peers.retag(peer, () => peer.reopen(this.#freeTag(), this.#octets(NONCE_SIZE)));
      this.#host.moved(peer);
      return null;
    }
    return this.#drop("InUnexpected");
  }

  #bye(peer: Peer, bytes: Uint8Array): null {
    const { state } = peer;
    if (state.kind !== "open") return this.#drop("InUnexpected");
    if (!isMac(bytes.subarray(BYE_MAC), state.secret, "bye", peer.own)) {
      return this.#drop("InBadMacs");
    }
    this.#forget(peer);
    return null;
  }

  #forget(peer: Peer): void {
    if (!peer.validated) this.#unvalidated--;
    this.#peers.remove(peer);
  }

  /** Most that one address may have begun where there is no key: else it would have the link for itself. */
  #mostOfOne(): number {
    return Math.max(LEAST_OF_ONE, Math.ceil(this.#options.most / 4));
  }

  /** Whether there is room for one more, if need be in place of another. */
  #makeRoom(now: Micros): boolean {
    return this.#peers.size < this.#options.most || this.#giveWay(now, this.#peers.all());
  }

  /** Forgets the one of `peers` that has been silent for longest, unless it may be in use; before all others one that has proved nothing. */
  #giveWay(now: Micros, peers: Iterable<Peer>): boolean {
    let oldest: Peer | null = null;
    for (const peer of peers) {
      const goes = oldest === null ||
        (peer.validated === oldest.validated ? peer.heardAt < oldest.heardAt : oldest.validated);
      if (goes) oldest = peer;
    }
    if (oldest === null) return false;
    if (oldest.validated && now - oldest.heardAt < UNVALIDATED_LIFE) return false;
    this.#host.count("Evicted");
    this.#forget(oldest);
    return true;
  }

  #freeTag(): Uint8Array {
    for (;;) {
      const tag = this.#octets(TAG_SIZE);
      if (this.#peers.mayTag(tag)) return tag;
    }
  }
}

function holds(at: number, octets: Uint8Array): boolean {
  for (let i = 0; i < octets.length; i++) if (u8[at + i] !== octets[i]) return false;
  return true;
}
