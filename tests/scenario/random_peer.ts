/** The peer of a random dialogue: what it knows of each flow, and the segments that it makes up: right, nearly right, old, doubled, overlapping, far away. */

import {
  addAddrHmac,
  joinHmac,
  type KeyMaterial,
  keyMaterial,
} from "../../core/connection/keys.ts";
import type { Micros } from "../../core/plugin.ts";
import {
  type Key,
  MP_CAPABLE,
  MP_JOIN,
  optionAt,
  readMpCapable,
  readMpJoin,
} from "../../core/wire/mptcp.ts";
import { i32, u32 } from "../../wasm/mod.ts";
import * as L from "../../wasm/layout.ts";
import { type Draws, type Ends, four, rawPacket, seal, two } from "../support/raw_packets.ts";
import { stream } from "../support/segment_codec.ts";

/** Bytes of either stream, from offset 0. */
export const STREAMS = { stack: stream("stack", 0, 2 ** 20), peer: stream("peer", 0, 2 ** 20) };

/** Offsets beyond which nothing is noted: a segment there is far from every window. */
const FAR = 2 ** 20;
/** Bytes of a block: where two flows carry the data in turns, each has every other one. */
const BLOCK = 3000;

/** A set of numbers, as ranges. */
export class Ranges {
  readonly #edges: number[] = [];

  /** Adds [from, to). */
  add(from: number, to: number): void {
    if (from >= to) return;
    const edges = this.#edges;
    let first = 0;
    while (first < edges.length && edges[first + 1]! < from) first += 2;
    let last = first;
    while (last < edges.length && edges[last]! <= to) {
      from = Math.min(from, edges[last]!);
      to = Math.max(to, edges[last + 1]!);
      last += 2;
    }
    edges.splice(first, last - first, from, to);
  }

  /** Whether all of [from, to) is in it. */
  has(from: number, to: number): boolean {
    return this.end(from) >= to;
  }

  /** The first number from `from` on that is not in it. */
  end(from: number): number {
    const edges = this.#edges;
    for (let i = 0; i < edges.length; i += 2) {
      if (edges[i]! <= from && from < edges[i + 1]!) return edges[i + 1]!;
    }
    return from;
  }

  /** Ranges of it above `from`. */
  above(from: number): (readonly [number, number])[] {
    const found: (readonly [number, number])[] = [];
    for (let i = 0; i < this.#edges.length; i += 2) {
      if (this.#edges[i]! > from) found.push([this.#edges[i]!, this.#edges[i + 1]!]);
    }
    return found;
  }
}

/** What the peer knows of an MPTCP connection. */
export class Session {
  readonly ourKey: Key = { high: 0x11121314, low: 0x15161718 };
  readonly ours: KeyMaterial = keyMaterial(this.ourKey);
  /** The stack's, once it was told. */
  theirKey: Key | null = null;
  theirs: KeyMaterial | null = null;
  /** Asked for. */
  checksum = false;
  /** Data offsets that the peer has sent, and those that came from the stack. */
  readonly came = new Ranges();
  readonly got = new Ranges();
  /** Where its DATA_FIN is; 0: none yet. */
  fin = 0;
  /** Bytes went after it: nobody can tell where the end will be. */
  past = false;
  readonly nonce = 0x0a0b0c0d;
  /** Highest DATA_ACK that came, and right edge of the window that came with one. */
  acked = 0;
  edge = 0;

  learn(key: Key): void {
    if (this.theirKey?.high === key.high && this.theirKey.low === key.low) return;
    this.theirKey = key;
    this.theirs = keyMaterial(key);
  }
}

/** How a peer behaves in a whole dialogue. */
export interface Manners {
  /** Share of fields that are right. */
  readonly honest: number;
  /** Windows: the most that it offers, unscaled. */
  readonly window: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  /** Window scale; -1: none. */
  readonly scale: number;
  /** What it offers or answers. */
  readonly mptcp: boolean;
  /** Two flows carry the data in turns. */
  readonly turns: boolean;
  /** Its mappings may be wrong: nobody can tell what the reader will get. */
  readonly lies: boolean;
  readonly checksum: boolean;
  readonly mss: number;
}

/** One flow, as the peer sees it. Numbers are offsets from the initial ones: 0 is the SYN. */
export class Flow {
  readonly ends: Ends;
  readonly link: number;
  readonly session: Session;
  /** Its place among the flows of the session. */
  readonly place: number;
  /** Which end opens it. */
  readonly opener: "stack" | "peer";
  readonly join: boolean;
  iss: number;
  irs = 0;
  /** A SYN, or SYN/ACK, of the stack has come. */
  known = false;
  /** The stack speaks MPTCP on it. */
  mptcp = false;
  theirNonce = 0;
  /** Sent by the peer, and how far; the FINs among it. */
  came = new Ranges();
  top = 0;
  fins = new Set<number>();
  /** FINs of connections before this one that had its ports: an application may read the end of one later. */
  readonly before = new Set<number>();
  /** Where its SYNs were. */
  syns = new Set<number>();
  /** Sent by the stack, and how far. */
  got = new Ranges();
  gotTop = 0;
  /** Highest acknowledgement that came, right edge of the window that came with one; right edge of what the peer offered. */
  acked = 0;
  edge = 0;
  offered = 0;
  theirScale = 0;
  scaled = false;
  theirStamp = 0;
  stamp = 0;
  /** What the peer sent last. */
  last: Uint8Array | null = null;
  readonly #shift: number;
  readonly #turns: number;

  constructor(options: {
    readonly ends: Ends;
    readonly link: number;
    readonly session: Session;
    readonly place: number;
    readonly opener: "stack" | "peer";
    readonly join: boolean;
    readonly iss: number;
    readonly shift: number;
    readonly turns: boolean;
  }) {
    const { ends, link, session, place, opener, join, iss, shift, turns } = options;
    this.ends = ends;
    this.link = link;
    this.session = session;
    this.place = place;
    this.opener = opener;
    this.join = join;
    this.iss = iss;
    this.#shift = shift;
    this.#turns = turns ? 2 : 0;
  }

  /** It is begun anew with other numbers. */
  restart(iss: number, irs: number): void {
    this.iss = iss;
    this.irs = irs;
    this.came = new Ranges();
    this.came.add(0, 1);
    this.top = 1;
    for (const fin of this.fins) this.before.add(fin);
    this.fins = new Set();
    this.syns = new Set([0]);
    this.got = new Ranges();
    this.gotTop = this.acked = this.edge = 0;
  }

  /** Takes in a SYN or SYN/ACK of the stack that was parsed. */
  shakes(manners: Manners): void {
    const irs = i32[L.RX_SEQ]!;
    const iss = u32[L.RX_FLAGS]! & L.TCP_ACK ? i32[L.RX_ACK]! - 1 | 0 : this.iss;
    // Another SYN than the first was taken, or it was given up and begun anew.
    if (!this.known || this.irs !== irs || this.iss !== iss || this.acked > 1) {
      if (this.iss !== iss || this.known) this.restart(iss, irs);
      this.irs = irs;
      this.known = true;
    }
    const scaled = (u32[L.RX_OPTIONS]! & L.OPTION_WINDOW_SCALE) !== 0;
    this.theirScale = scaled ? u32[L.RX_WINDOW_SCALE]! : 0;
    this.scaled = scaled && manners.scale >= 0;
    const join = optionAt(MP_JOIN);
    this.mptcp = optionAt(MP_CAPABLE) !== 0 || join !== 0;
    if (join !== 0) this.theirNonce = readMpJoin(join).nonce;
  }

  /** Takes in a segment of the stack that was parsed, and is no RST. */
  hears(): void {
    const flags = u32[L.RX_FLAGS]!;
    if (u32[L.RX_OPTIONS]! & L.OPTION_TIMESTAMPS) this.theirStamp = i32[L.RX_TSVAL]!;
    const seq = i32[L.RX_SEQ]! - this.irs | 0;
    const end = seq + u32[L.RX_LENGTH]! + Number((flags & L.TCP_SYN) !== 0) +
      Number((flags & L.TCP_FIN) !== 0);
    if (seq >= 0 && end < FAR) this.got.add(seq, end);
    if (end > this.gotTop && end < FAR) this.gotTop = end;
    const capable = optionAt(MP_CAPABLE);
    if (capable === 0) return;
    const { senderKey, flags: bits } = readMpCapable(capable);
    if (senderKey !== undefined) this.session.learn(senderKey);
    if (flags & L.TCP_SYN) this.session.checksum ||= (bits & 0x80) !== 0;
  }

  /** Data offset of the byte at `seq`. */
  data(seq: number): number {
    if (this.#turns === 0) return seq + this.#shift;
    const block = Math.floor((seq - 1) / BLOCK);
    return seq + (block * (this.#turns - 1) + this.place % 2) * BLOCK;
  }

  /** One past the last byte from `seq` on whose data offsets have no gap. */
  run(seq: number): number {
    return this.#turns === 0 ? Infinity : (Math.floor((seq - 1) / BLOCK) + 1) * BLOCK + 1;
  }

  /** Writes the bytes [seq, seq + length) to `bytes` from `at` on. */
  fill(bytes: Uint8Array, at: number, seq: number, length: number): void {
    for (let done = Math.max(0, 1 - seq); done < length;) {
      const from = this.data(seq + done);
      const some = Math.min(length - done, this.run(seq + done) - seq - done);
      if (some <= 0 || from + some > FAR) return;
      bytes.set(STREAMS.peer.subarray(from, from + some), at + done);
      done += some;
    }
  }
}

/** A segment in offsets, and where it goes. */
export interface Made {
  readonly flow: Flow;
  readonly bytes: Uint8Array;
  readonly seq: number;
  readonly length: number;
  readonly flags: number;
  readonly text: string;
}

/** Makes up segments. */
export class RandomPeer {
  readonly #draws: Draws;
  readonly #manners: Manners;
  /** What was said may not fit what was said before: no check of what the reader gets. */
  lied = false;

  constructor(draws: Draws, manners: Manners) {
    this.#draws = draws;
    this.#manners = manners;
  }

  #honest(): boolean {
    return this.#draws.chance(this.#manners.honest);
  }

  /** The next segment of a flow. */
  next(flow: Flow, now: Micros): Made {
    const draws = this.#draws;
    if (flow.opener === "peer" && !flow.known) return this.#syn(flow, L.TCP_SYN, now);
    if (flow.opener === "stack" && (flow.acked === 0 || draws.chance(0.01))) {
      if (draws.chance(0.9)) return this.#syn(flow, L.TCP_SYN | L.TCP_ACK, now);
    }
    return this.#segment(flow, now);
  }

  #offsetNear(right: number): number {
    const draws = this.#draws;
    if (this.#honest()) return right;
    const kind = draws.below(8);
    if (kind < 3) return right + draws.below(5) - 2;
    if (kind < 6) return Math.max(-5, right + draws.below(12000) - 6000);
    return right + draws.of([65535, -65535, 200000, 2 ** 30, -(2 ** 31), draws.word() | 0]);
  }

  #window(): number {
    const { window } = this.#manners;
    return this.#draws.chance(0.1) ? this.#draws.below(3) : this.#draws.below(window + 1);
  }

  #stamps(flow: Flow, now: Micros, answers: boolean): number[] {
    const draws = this.#draws;
    flow.stamp = 1000 + Math.floor(now / 1000);
    let value = flow.stamp;
    let echo = answers ? flow.theirStamp : 0;
    if (!this.#honest()) {
      const kind = draws.below(8);
      if (kind === 0) return [];
      if (kind < 4) value -= draws.of([1, 100, 5000, 2 ** 31]);
      else if (kind === 4) echo = draws.of([0, echo - 1, echo + 1000, draws.word()]);
    }
    return [8, 10, ...four(value), ...four(echo)];
  }

  #syn(flow: Flow, flags: number, now: Micros): Made {
    const draws = this.#draws;
    const { timestamps, sack, scale, mptcp, checksum, mss } = this.#manners;
    const { session } = flow;
    const options = [2, 4, ...two(mss)];
    if (sack) options.push(4, 2);
    if (timestamps) options.push(...this.#stamps(flow, now, flags !== L.TCP_SYN));
    if (scale >= 0) options.push(3, 3, scale);
    const bits = 1 | (checksum ? 0x80 : 0);
    session.checksum ||= checksum;
    // Without its option the SYN of a join would begin a connection of its own.
    if (mptcp && (flow.join && flags === L.TCP_SYN || this.#honest())) {
      const key = [...four(session.ourKey.high), ...four(session.ourKey.low)];
      if (flags === L.TCP_SYN) {
        const token = (session.theirs?.token ?? 0) ^ (this.#honest() ? 0 : 1);
        if (!flow.join) options.push(30, 4, 1, bits);
        else options.push(30, 12, 0x10, flow.place, ...four(token), ...four(session.nonce));
      } else if (!flow.join) options.push(30, 12, 1, bits, ...key);
      else if (session.theirKey !== null) {
        const mac = joinHmac(session.ourKey, session.theirKey, session.nonce, flow.theirNonce);
        const some = mac.subarray(0, 8);
        options.push(30, 16, 0x10, flow.place, ...some, ...four(session.nonce));
      }
    }
    const length = draws.chance(0.03) ? draws.below(300) : 0;
    return this.#made(flow, {
      seq: 0,
      ack: flags === L.TCP_SYN ? 0 : this.#offsetNear(1),
      flags,
      window: this.#window(),
      options,
      length,
    });
  }

  #segment(flow: Flow, now: Micros): Made {
    const draws = this.#draws;
    const { session } = flow;
    let flags = L.TCP_ACK;
    let ack = this.#offsetNear(flow.got.end(0));
    if (draws.chance(0.15)) ack -= draws.below(4000);
    const next = Math.max(1, flow.acked);
    let length = draws.chance(0.5) ? draws.of([1, 100, 536, 1448, draws.below(1400)]) : 0;
    // In order; all of it, again; ahead of a hole; over what is there.
    let seq = next;
    const kind = draws.below(10);
    if (kind === 0) seq = Math.max(1, next - draws.below(3000));
    else if (kind < 3) seq = next + draws.below(6000);
    else if (kind === 3) seq = Math.max(1, next - draws.below(1400));
    else if (kind < 6) seq = Math.max(next, flow.top - (flow.fins.size > 0 ? 1 : 0));
    seq = this.#offsetNear(seq);
    if (draws.chance(0.04)) flags |= L.TCP_FIN;
    if (draws.chance(0.01)) {
      flags = draws.of([L.TCP_RST, L.TCP_RST | L.TCP_ACK]);
      if (draws.chance(0.7)) seq = flow.acked;
      length = 0;
    }
    if (!this.#honest()) {
      if (draws.chance(0.1)) flags |= L.TCP_SYN;
      if (draws.chance(0.05)) flags = draws.below(64);
      if (draws.chance(0.05)) flags |= L.TCP_URG;
    }
    if (length > 0) flags |= L.TCP_PSH;
    const options = this.#manners.timestamps && (flags & L.TCP_RST) === 0
      ? [1, 1, ...this.#stamps(flow, now, true)]
      : [];
    const room = (): number => 40 - options.length;
    const third = flow.opener === "peer" && flow.mptcp && flow.top <= 1;
    if (third && this.#honest()) this.#thirdAck(flow, options);
    else if (this.#manners.mptcp && flow.mptcp && this.#honest()) {
      if (draws.chance(0.9)) length = this.#dss(flow, options, seq, length);
      else this.#rare(session, options);
    }
    if (this.#manners.sack && room() >= 10 && draws.chance(0.5)) {
      options.push(...this.#blocks(flow, Math.floor((room() - 2) / 8)));
    }
    return this.#made(flow, { seq, ack, flags, window: this.#window(), options, length });
  }

  #thirdAck(flow: Flow, options: number[]): void {
    const { session } = flow;
    const { ourKey, theirKey } = session;
    if (theirKey === null) return;
    if (flow.join) {
      const mac = joinHmac(ourKey, theirKey, session.nonce, flow.theirNonce);
      options.push(30, 24, 0x10, 0, ...mac.subarray(0, 20));
      return;
    }
    const bits = 1 | (session.checksum ? 0x80 : 0);
    const ours = [...four(ourKey.high), ...four(ourKey.low)];
    options.push(30, 20, 1, bits, ...ours, ...four(theirKey.high), ...four(theirKey.low));
  }

  /** A DSS; returns how much payload is to go with it. */
  #dss(flow: Flow, options: number[], seq: number, length: number): number {
    const draws = this.#draws;
    const { session } = flow;
    if (session.theirs === null) return length;
    const acked = session.got.end(1);
    const dack = this.#honest() ? acked : acked + draws.of([-1, 1, 100, -4000, 2 ** 31]);
    const short = draws.chance(0.3);
    const { idsn } = session.theirs;
    const body = short
      ? four(idsn.low + dack)
      : [...four(idsn.high + Number(idsn.low + dack > 0xffffffff)), ...four(idsn.low + dack)];
    let bits = 1 | (short ? 0 : 2);
    const ends = session.fin === 0 ? draws.chance(0.03) : draws.chance(0.3);
    if (ends && length === 0) {
      if (session.fin === 0) session.fin = session.came.end(1);
      body.push(...this.#mapping(session, session.fin, 0, 1, 1));
      session.came.add(session.fin, session.fin + 1);
      bits |= 4 | 8 | 16;
    } else if (length > 0 && seq >= 1 && seq + length < FAR / 2) {
      length = Math.min(length, flow.run(seq) - seq);
      const wider = draws.chance(0.3);
      const before = wider ? Math.min(seq - 1, draws.below(500), flow.data(seq) - 1) : 0;
      const from = seq - before;
      const whole = flow.run(from) > seq ? from : seq;
      const to = Math.min(seq + length + (wider ? draws.below(2000) : 0), flow.run(whole));
      let ssn = whole;
      let data = flow.data(whole);
      let size = to - whole;
      if (this.#manners.lies && draws.chance(0.2)) {
        this.lied = true;
        if (draws.chance(0.3)) ssn += draws.below(3000) - 1500;
        else if (draws.chance(0.5)) data += draws.below(3000) - 1500;
        else size = draws.below(65536);
      }
      body.push(...this.#mapping(session, data, ssn, size, size));
      bits |= 4 | 8;
    }
    if (4 + body.length <= 40 - options.length) {
      options.push(30, 4 + body.length, 0x20, bits, ...body);
    }
    return length;
  }

  /** DSN of eight octets, SSN, length, and the checksum where one was agreed. */
  #mapping(session: Session, data: number, ssn: number, length: number, wire: number): number[] {
    const { high, low } = session.ours.idsn;
    const top = high + Math.floor((low + data) / 2 ** 32);
    const body = [...four(top), ...four(low + data), ...four(ssn), ...two(length)];
    if (!session.checksum || this.#draws.chance(0.02)) return body;
    let total = 0;
    const add = (bytes: ArrayLike<number>): void => {
      for (let i = 0; i < bytes.length; i += 2) total += bytes[i]! << 8 | (bytes[i + 1] ?? 0);
    };
    add(body.slice(0, 12));
    add(two(wire));
    if (ssn > 0) add(STREAMS.peer.subarray(data, data + length));
    while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
    if (this.#draws.chance(0.01)) total ^= 1;
    return [...body, ...two(~total)];
  }

  /** Another option of MPTCP. */
  #rare(session: Session, options: number[]): void {
    const draws = this.#draws;
    const kind = draws.below(12);
    const room = 40 - options.length;
    if (kind < 3 && session.theirKey !== null && room >= 16) {
      const address = [10, 0, draws.below(3), 2 + draws.below(2)];
      const id = draws.below(8);
      const mac = addAddrHmac(session.ourKey, session.theirKey, id, new Uint8Array(address), 0);
      if (draws.chance(0.2)) options.push(30, 8, 0x31, id, ...address);
      else options.push(30, 16, 0x30, id, ...address, ...mac);
    } else if (kind < 5) options.push(30, 4 + draws.below(2), 0x40, draws.below(4), draws.below(4));
    else if (kind < 8) options.push(30, 3, 0x50 | draws.below(2));
    else if (kind === 8 && draws.chance(0.3)) {
      options.push(30, 12, 0x60, 0, ...four(draws.word()), ...four(draws.word()));
    } else if (kind === 9 && draws.chance(0.1) && session.theirKey !== null) {
      options.push(30, 12, 0x70, 0, ...four(session.theirKey.high), ...four(session.theirKey.low));
    } else if (kind === 10) options.push(30, 4, 0x80, draws.below(8));
    else for (let i = 0; i < 8; i++) options.push(draws.below(256));
  }

  /** SACK blocks: what is there above a hole, parts of it, or anything. */
  #blocks(flow: Flow, most: number): number[] {
    const draws = this.#draws;
    const there = flow.got.above(flow.got.end(0));
    const blocks: number[] = [];
    for (let i = 1 + draws.below(most); i > 0; i--) {
      let [left, right] = there.length > 0 && draws.chance(0.7)
        ? draws.of(there)
        : [draws.below(flow.gotTop + 1), draws.below(flow.gotTop + 1)];
      if (draws.chance(0.3)) left += draws.below(Math.max(1, right - left));
      if (!this.#honest()) right = this.#offsetNear(right);
      blocks.push(...four(flow.irs + left), ...four(flow.irs + right));
    }
    return [5, 2 + blocks.length, ...blocks];
  }

  #made(flow: Flow, segment: {
    readonly seq: number;
    readonly ack: number;
    readonly flags: number;
    readonly window: number;
    readonly options: readonly number[];
    readonly length: number;
  }): Made {
    const { seq, ack, flags, window, options, length } = segment;
    const payload = Math.min(length, 1460);
    const { bytes, at } = rawPacket(flow.ends, {
      seq: flow.iss + seq,
      ack: flags & L.TCP_ACK ? flow.irs + ack : 0,
      flags,
      window,
      options,
      payload,
    });
    const syn = flags & L.TCP_SYN ? 1 : 0;
    flow.fill(bytes, at, seq + syn, payload);
    seal(bytes, false);
    this.#note(flow, seq, payload, flags);
    const scale = syn !== 0 || !flow.scaled ? 0 : this.#manners.scale;
    if (flags & L.TCP_ACK && ack >= 0 && ack <= flow.gotTop) {
      flow.offered = Math.max(flow.offered, ack + window * 2 ** scale);
    } else if (flags === L.TCP_SYN) flow.offered = Math.max(flow.offered, 1 + window);
    flow.last = bytes;
    const names = ["F", "S", "R", "P", ".", "U"].filter((_, i) => flags >> i & 1).join("");
    const words = options.length > 0 ? ` <${options.join(" ")}>` : "";
    const text = `${flow.ends.sourcePort} > ${names} ${seq}:${
      seq + payload
    } ack ${ack} win ${window}${words}`;
    return { flow, bytes, seq, length: payload, flags, text };
  }

  /** Notes what was sent, as far as anybody could take it. */
  #note(flow: Flow, seq: number, length: number, flags: number): void {
    const syn = flags & L.TCP_SYN ? 1 : 0;
    const fin = flags & L.TCP_FIN ? 1 : 0;
    if (syn) flow.syns.add(seq);
    if (seq + length > 2 ** 30 || seq + syn + length + fin <= 0 || flags & L.TCP_RST) return;
    const from = Math.max(0, seq + (seq === 0 ? 0 : syn));
    const end = seq + syn + length;
    flow.came.add(from, end + fin);
    if (fin) flow.fins.add(end);

    flow.top = Math.max(flow.top, end + fin);
    // A peer whose MPTCP is not heard has its bytes taken for those of plain TCP.
    for (let at = Math.max(1, seq + syn); at < end;) {
      const to = Math.min(end, flow.run(at));
      const { session } = flow;
      session.came.add(flow.data(at), flow.data(at) + to - at);
      if (session.fin > 0 && flow.data(at) + to - at > session.fin) session.past = true;
      at = to;
    }
  }
}
