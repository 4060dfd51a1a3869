/** Header prediction beside scripted peers, which say what no stack of ours would: the same effect, byte for byte, as if each segment were looked at as a whole. */

import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { followNothing } from "../../../core/connection/settle.ts";
import { Stack } from "../../../core/host/stack.ts";
import { Subflow } from "../../../core/subflow/subflow.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import * as fc from "../../support/property.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** What a segment has that the one before on its subflow did not have; null: the same. */
interface Change {
  readonly flags?: string;
  readonly ecn?: string;
  /** Bytes that it acknowledges, on either level, of those that were written. */
  readonly ack?: number;
  readonly dataAck?: number | null;
  readonly longAck?: boolean;
  readonly window?: number;
  /** A new mapping of so many bytes, which begins so far from where the one before ended; 0: none. */
  readonly mapping?: readonly [length: number, skip: number, form: string, more: string] | null;
  /** Ticks that its clock is ahead. */
  readonly tsval?: number;
  readonly tsecr?: number;
  readonly rare?: string;
}

/** One step. */
interface Step {
  readonly second: boolean;
  readonly length: number;
  /** Where it begins, from where the one before ended. */
  readonly skip: number;
  readonly change: Change;
  /** What happens behind it: the batch goes on, or ends, or something is called for. */
  readonly then: string;
}

const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 24, arbitrary: fc.constant({}) },
  {
    weight: 6,
    arbitrary: fc.oneof(
      fc.record({
        flags: fc.constantFrom(
          ...Array(8).fill("."),
          ...Array(8).fill("P."),
          ".E",
          ".W",
          "U.",
          "P.U",
          "F.",
          "R.",
          "S.",
        ),
      }),
      fc.record({ ecn: fc.constantFrom("", "[ect0] ", "[ect1] ", "[ce] ") }),
      fc.record({ ack: fc.integer({ min: -200, max: 4500 }) }),
      fc.record({ dataAck: fc.option(fc.integer({ min: -200, max: 4500 })) }),
      fc.record({ longAck: fc.boolean() }),
      fc.record({ window: fc.constantFrom(0, 1, 10, 500, 60_000) }),
      fc.record({
        mapping: fc.oneof(
          fc.constant(null),
          fc.tuple(
            fc.constantFrom(100, 700, 3000, 9000),
            fc.constantFrom(0, 0, 0, 0, 100, -100),
            fc.constantFrom("map", "map8"),
            fc.constantFrom("", "", "", "", "", "", "", "", "", " fin", " bad", " nosum", " zero"),
          ),
        ),
      }),
      fc.record({ tsval: fc.constantFrom(-5, 1, 3) }),
      fc.record({ tsecr: fc.constantFrom(-5, 0, 1) }),
      fc.record({
        rare: fc.constantFrom(
          ...Array(8).fill(""),
          "prio backup",
          "prio",
          "fastclose",
          "add 3 10.0.3.2",
          "rm 1",
          "sack 500:600",
        ),
      }),
    ),
  },
);

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    second: fc.nat(9).map((draw) => draw === 0),
    length: fc.constantFrom(100, 100, 100, 1, 700, 1400),
    skip: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 100),
    change: changes,
    then: fc.constantFrom(
      ...Array(80).fill("more"),
      ...Array(4).fill("flush"),
      ...Array(4).fill("pass"),
      ...Array(4).fill("read"),
      ...Array(4).fill("write"),
      "close",
      "abort",
      "finish",
      "backup",
    ),
  }),
  { minLength: 3, maxLength: 60, size: "max" },
);

/** What was agreed on. */
interface Kind {
  readonly family?: 4 | 6;
  readonly mptcp?: boolean;
  readonly checksum?: boolean;
  readonly ecn?: boolean;
  readonly timestamps?: boolean;
  readonly buffer?: number;
}

/** What a subflow of the peer said last. */
class Said {
  next = 1;
  flags = ".";
  ecn = "";
  ack = 1;
  dataAck: number | null = 1;
  longAck = true;
  window = 60_000;
  map: string | null = null;
  maps = true;
  /** Of all that the mapping covers; -1: none. */
  sum = -1;
  mapEnd = 1;
  ts = 0;
  echo = 0;
  rare = "";
  readonly peer: Peer;
  constructor(peer: Peer) {
    this.peer = peer;
  }
}

/** The checksum of a mapping at `at`, of all that it covers. */
function checksumOf(peer: Peer, mapping: string, at: number, bytes: number): number {
  const packet = peer.packet(`. ${at}:${at + bytes} <noTS, dack8 1, ${mapping} csum>`);
  const header = packet.length - bytes;
  return packet[header - 2]! << 8 | packet[header - 1]!;
}

/** Carries out the steps between a stack and peers; all that was sent, read and counted. */
function all(kind: Kind, list: readonly Step[]): string[] {
  using d = new Dialogue({
    verified: true,
    family: kind.family ?? 4,
    ...(kind.buffer !== undefined && { experiments: { receiveBuffer: kind.buffer } }),
  });
  const offer = {
    mptcp: kind.mptcp ?? true,
    checksum: kind.checksum ?? false,
    ecn: kind.ecn ?? false,
    timestamps: kind.timestamps ?? true,
  };
  const { app, peers } = (() => {
    if (!offer.mptcp) {
      const { peer, app } = d.opened(offer);
      return { app, peers: [peer] };
    }
    const { first, second, app } = joined(d, offer);
    return { app, peers: [first, second] };
  })();
  const socket = app.socket;
  socket.write(d.now, new Uint8Array(3000).fill(7), 0);
  d.stack.flush(d.now);
  const log: string[] = [];
  const took = (): void => {
    for (const { link, bytes } of d.sent) log.push(`${link} ${bytes.toHex()}`);
    d.sent.length = 0;
  };
  const senders = peers.map((peer) => new Said(peer));
  let dataNext = 1;
  const base = Math.floor(d.now / 1000) + 1000;
  for (const { second, length, skip, change, then } of list) {
    const s = senders[second ? 1 : 0] ?? senders[0]!;
    const { flags, ecn, ack, dataAck, longAck, window, mapping, tsval, tsecr, rare } = change;
    if (flags !== undefined) s.flags = flags;
    if (ecn !== undefined) s.ecn = ecn;
    if (ack !== undefined) s.ack += ack;
    if (dataAck !== undefined) s.dataAck = dataAck === null ? null : (s.dataAck ?? 1) + dataAck;
    if (longAck !== undefined) s.longAck = longAck;
    if (window !== undefined) s.window = window;
    if (tsval !== undefined) s.ts += tsval;
    if (tsecr !== undefined) s.echo = tsecr;
    if (rare !== undefined) s.rare = rare;
    const at = s.next + skip;
    if (mapping === null) s.map = null;
    if (mapping !== undefined) s.maps = mapping !== null;
    if (offer.mptcp && (mapping || (s.maps && at >= s.mapEnd))) {
      const [bytes, off, form, more] = mapping ?? [3000, 0, "map8", ""];
      const first = Math.max(1, dataNext + off);
      const unlike = ["nosum", "zero"].includes(more.trim()) || !offer.checksum;
      s.map = `${form} ${first} ${at} ${bytes}${more}${unlike ? "" : " csum"}`;
      s.sum = unlike ? -1 : checksumOf(s.peer, `${form} ${first} ${at} ${bytes}`, at, bytes);
      if (more === " bad") s.sum ^= 0x101;
      s.mapEnd = at + bytes;
      dataNext += off + bytes;
    }
    const options: string[] = [];
    if (offer.timestamps) {
      options.push(`TS ${base + s.ts} ${s.echo === 0 ? base - 1000 : base - 1000 + s.echo}`);
    }
    if (offer.mptcp) {
      if (s.dataAck !== null) options.push(`${s.longAck ? "dack8" : "dack"} ${s.dataAck}`);
      if (s.map !== null && s.rare === "") options.push(s.map);
    }
    if (s.rare !== "" && (offer.mptcp || s.rare.startsWith("sack"))) options.push(s.rare);
    const line = `${s.ecn}${s.flags} ${at}:${at + length} ack ${s.ack} win ${s.window} <${
      options.join(", ")
    }>`;
    let packet: Uint8Array;
    try {
      packet = s.peer.packet(options.length > 0 ? line : line.slice(0, -3));
    } catch {
      continue;
    }
    if (s.sum >= 0 && packet.length > length && options.includes(s.map ?? "")) {
      // What was written is that of this part alone.
      packet[packet.length - length - 2] = s.sum >> 8;
      packet[packet.length - length - 1] = s.sum & 255;
    }
    // Those do not stay.
    if (/[FRSW]/.test(s.flags)) s.flags = ".";
    s.rare = "";
    // What lies above a hole is reached again.
    if (skip <= 0) s.next = Math.max(s.next, at + length);
    d.inject(packet, s.peer.link, 0, false);
    const { now } = d;
    if (then === "more") continue;
    // Nobody would acknowledge for ever what was never sent.
    s.ack = Math.min(Math.max(s.ack, 1), 3001);
    if (s.dataAck !== null) s.dataAck = Math.min(Math.max(s.dataAck, 1), 3001);
    if (then === "read") {
      d.stack.now = now;
      const target = new Uint8Array(5000);
      const bytes = socket.read(now, target);
      log.push(`read ${target.subarray(0, bytes).toHex()}`);
      continue;
    }
    d.stack.now = now;
    if (then === "write") socket.write(now, new Uint8Array(500).fill(7), 0);
    if (then === "close") socket.close(now);
    if (then === "abort") socket.abort(now);
    if (then === "finish") socket.finish(now);
    if (then === "backup" && senders.length > 1) socket.subflows[0]?.setBackup("peer", true);
    if (then === "pass" || then === "flush") {
      d.stack.flush(now);
      if (then === "pass") d.pass(5e3);
    }
    took();
  }
  d.stack.flush(d.now);
  took();
  const target = new Uint8Array(1e5);
  const bytes = app.code === undefined ? socket.read(d.now, target) : 0;
  log.push(`read ${target.subarray(0, bytes).toHex()}`);
  d.stack.flush(d.now);
  took();
  d.pass(3e6);
  took();
  log.push(app.log.join(), JSON.stringify(d.stack.counters.all()));
  return log;
}

/** All that is seen of it, with prediction or without; and how many segments were taken by it. */
function seen(
  kind: Kind,
  list: readonly Step[],
  whole: boolean,
): { log: string[]; followed: number } {
  const { follows } = Subflow.prototype;
  const { handlePacket } = Stack.prototype;
  let followed = 0;
  Subflow.prototype.follows = function (): boolean {
    const takes = follows.call(this);
    if (takes) followed++;
    return takes;
  };
  if (whole) {
    Stack.prototype.handlePacket = function (...args): void {
      followNothing();
      handlePacket.apply(this, args);
    };
  }
  try {
    return { log: all(kind, list), followed };
  } finally {
    Subflow.prototype.follows = follows;
    Stack.prototype.handlePacket = handlePacket;
  }
}

const KINDS: Readonly<Record<string, Kind>> = {
  "MPTCP": {},
  "MPTCP with checksums": { checksum: true },
  "MPTCP over IPv6 with a small buffer": { family: 6, buffer: 8000 },
  "MPTCP without timestamps": { timestamps: false },
  "MPTCP with ECN": { ecn: true },
  "TCP": { mptcp: false },
  "TCP with ECN, without timestamps": { mptcp: false, ecn: true, timestamps: false },
};

describe("segments of a peer that says anything", () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    it(`have the effect that each has alone: ${name}`, () => {
      let total = 0;
      fc.assert(
        fc.property(steps, (list) => {
          const { log, followed } = seen(kind, list, false);
          total += followed;
          assertEquals(log, seen(kind, list, true).log);
        }),
        { numRuns: 300 },
      );
      // What is staged until its mapping is whole is looked at each time.
      if (kind.checksum !== true) assertGreater(total, 100);
    });
  }
});
