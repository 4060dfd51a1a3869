/**
 * Segments that left before the peer's sequence numbers had eight octets: their DATA_ACK had four, it has eight from then on, and a full segment that goes
 * again leaves it out (RFC 8684 §3.3.2) rather than in two, the second of four bytes.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue } from "../../support/dialogue.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

const BEFORE = 1428;
const AFTER = 1424;
/** What a segment has more room without them. */
const TIMESTAMPS = 12;

/** `count` full segments are in flight, from 101 on; then eight octets are needed. */
function inFlight(d: Dialogue, count: number): { peer: Peer; app: App } {
  const { peer, app } = d.opened();
  app.write(100);
  peer.gets("P. 1:101");
  peer.sends(". ack 101 <dack8 101>");
  app.write(count * BEFORE);
  const sent = peer.takeAll();
  assertEquals(sent.map(({ seq, end }) => end - seq), Array(count).fill(BEFORE));
  peer.sends("P. 1:11 ack 101 <map8 1 1 10, dack8 101>");
  assertEquals(app.socket.subflows[0]!.mss, AFTER);
  peer.takeAll();
  return { peer, app };
}

/** Lengths of the next segments with data. */
function next(d: Dialogue, peer: Peer): number[] {
  for (let i = 0; i < 3; i++) {
    d.untilSent();
    const sizes = peer.takeAll().map(({ seq, end }) => end - seq).filter((size) => size > 0);
    if (sizes.length > 0) return sizes;
  }
  return [];
}

describe("a segment that had room for a shorter DATA_ACK goes again whole", () => {
  for (const count of [1, 2]) {
    it(`as a loss probe, the last of ${count} (RFC 8985 §7.3)`, () => {
      using d = new Dialogue();
      const { peer } = inFlight(d, count);
      assertEquals(next(d, peer), [BEFORE]);
      assertEquals(d.counter("TCPLossProbes"), 1);
    });
  }

  for (const holes of [1, 3]) {
    it(`beside holes in what has come, ${holes}, without timestamps: neither SACK blocks nor the DATA_ACK cut it`, () => {
      using d = new Dialogue({ tcp: { tlp: false } });
      const { peer, app } = d.opened({ timestamps: false });
      app.write(100);
      peer.takeAll();
      peer.sends(". ack 101 <dack8 101>");
      app.write(BEFORE + TIMESTAMPS);
      assertEquals(peer.takeAll().map(({ seq, end }) => end - seq), [BEFORE + TIMESTAMPS]);
      for (let i = 0; i <= holes; i++) {
        const at = 1 + 20 * i;
        peer.sends(`P. ${at}:${at + 10} ack 101 <map8 ${at} ${at} 10, dack8 101>`);
      }
      peer.takeAll();
      assertEquals(next(d, peer), [BEFORE + TIMESTAMPS]);
    });
  }

  it("after a timeout", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer } = inFlight(d, 3);
    assertEquals(next(d, peer), [BEFORE]);
    peer.sends(`. ack ${101 + BEFORE} <dack8 ${101 + BEFORE}>`);
    const sizes = peer.takeAll().map(({ seq, end }) => end - seq);
    assert(sizes.length > 0 && sizes.every((size) => size === BEFORE), `${sizes}`);
  });

  it("in fast recovery, whatever room that leaves, and counts as one each (RFC 6937)", () => {
    using d = new Dialogue();
    const { peer } = inFlight(d, 8);
    const at = (i: number): number => 101 + i * BEFORE;
    const sizes: number[] = [];
    // The first two are lost.
    for (let i = 3; i <= 8; i++) {
      d.pass(1e3);
      peer.sends(`. ack 101 <dack8 101, sack ${at(2)}:${at(i)}>`);
      for (const { seq, end } of peer.takeAll()) if (end > seq) sizes.push(end - seq);
    }
    assertEquals(sizes, [BEFORE, BEFORE]);
    assertEquals(d.counter("TcpRetransSegs"), 2);
  });
});

describe("the first bytes of a subflow", () => {
  it("go again with the DATA_ACK, which the peer may still wait for, though that takes a segment more", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer, app } = d.opened();
    app.write(3 * BEFORE);
    assertEquals(peer.takeAll().map(({ seq, end }) => [seq, end]), [
      [1, 1 + BEFORE],
      [1 + BEFORE, 1 + 2 * BEFORE],
      [1 + 2 * BEFORE, 1 + 3 * BEFORE],
    ]);
    // None of them has come.
    peer.sends("P. 1:11 ack 1 <map8 1 1 10, dack8 1>");
    const again: Got[] = [];
    while (again.length === 0) {
      d.untilSent();
      again.push(...peer.takeAll().filter(({ seq, end }) => seq === 1 && end > seq));
    }
    assert(again[0]!.options.includes("dack8 11"), again[0]!.options.join(", "));
  });
});
