/** Loss recovery of a peer without SACK: by duplicates (RFC 6582), and what may leave meanwhile (RFC 3042, RFC 5681 §3.2). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;

/** Start of the segment `n` of those sent. */
const at = (n: number): number => 1 + n * MSS;

/** Ten segments of 20 in flight, the first of them lost. */
function flight(options: DialogueOptions = {}): { d: Dialogue; peer: Peer; app: App } {
  const d = new Dialogue({ ...options, tcp: { pacing: false, ...options.tcp } });
  const { peer, app } = d.opened({ mptcp: false, sack: options.tcp?.lossDetection !== undefined });
  app.write(30 * MSS);
  assertEquals(peer.takeAll().length, 10);
  d.pass(20e3);
  return { d, peer, app };
}

for (const lossDetection of [undefined, "reno-nosack"] as const) {
  const tcp = lossDetection === undefined ? {} : { lossDetection };
  describe(`without SACK (${lossDetection ?? "a peer that has none"})`, () => {
    it("RFC 3042 §2: the first two duplicates let a new segment go each", () => {
      const { d, peer } = flight({ tcp });
      using _d = d;
      peer.sends(". ack 1");
      peer.gets(`. ${at(10)}:${at(11)}`);
      d.silent();
      peer.sends(". ack 1");
      peer.gets(`. ${at(11)}:${at(12)}`);
      d.silent();
    });

    it("RFC 5681 §3.2: the third sends the first segment again, and each further one inflates the window", () => {
      const { d, peer, app } = flight({ tcp });
      using _d = d;
      for (let i = 0; i < 2; i++) peer.sends(". ack 1");
      peer.takeAll();
      // The window in flight, without those that two duplicates let go: half of that and three segments are eight, below twelve.
      peer.sends(". ack 1");
      peer.gets(`. 1:${at(1)}`);
      d.silent();
      assertEquals(app.socket.subflows[0]!.ssthresh, 14600 / 2);
      for (let i = 0; i < 4; i++) {
        peer.sends(". ack 1");
        d.silent();
      }
      peer.sends(". ack 1");
      peer.gets(`. ${at(12)}:${at(13)}`);
      peer.sends(". ack 1");
      peer.gets(`. ${at(13)}:${at(14)}`);
      d.silent();
    });

    it("RFC 6582 §3.2: a partial acknowledgement sends the next hole again, and takes back what the window was inflated by", () => {
      const { d, peer } = flight({ tcp });
      using _d = d;
      for (let i = 0; i < 9; i++) peer.sends(". ack 1");
      peer.takeAll();
      d.pass(20e3);
      // Five, inflated by nine, less three that were acknowledged, and one more for the one that has left: one more than is in flight.
      peer.sends(`. ack ${at(3)}`);
      peer.gets(`. ${at(3)}:${at(4)}`);
      peer.gets(`. ${at(14)}:${at(15)}`);
      d.silent();
      d.pass(20e3);
      // A full one deflates it to half of what was in flight, and one that nine acknowledged segments make it grow by.
      peer.sends(`. ack ${at(12)}`);
      assertEquals(peer.takeAll().map(({ seq }) => (seq - 1) / MSS), [15, 16, 17]);
      assertEquals(d.counter("TCPRenoRecovery"), 1);
    });

    it("RFC 5681 §3.1: a timeout halves the window of the recovery, not what duplicates have inflated it to, and RFC 3465 §2.3: the ACK that follows counts as one segment", () => {
      const { d, peer, app } = flight({ tcp: { ...tcp, frto: false } });
      using _d = d;
      const [subflow] = app.socket.subflows;
      // What the third sends again is lost, too: each new segment is answered by one more duplicate.
      for (let i = 0; i < 25; i++) peer.sends(". ack 1");
      const sent = peer.takeAll().length;
      assertEquals(10 + sent - 1, 30);
      assertEquals(subflow!.ssthresh, 14600 / 2);
      d.untilSent();
      peer.gets(`. 1:${at(1)}`);
      assertEquals([subflow!.ssthresh, subflow!.cwnd], [14600 / 4, MSS]);
      d.pass(20e3);
      peer.sends(`. ack ${at(30)}`);
      assertEquals(subflow!.cwnd, 2 * MSS);
    });

    it("RFC 6582 §3.2: duplicates after a timeout are of the flight before it, and begin no fast recovery", () => {
      const { d, peer } = flight({ tcp: { ...tcp, frto: false } });
      using _d = d;
      d.untilSent();
      peer.gets(`. 1:${at(1)}`);
      for (let i = 0; i < 5; i++) peer.sends(". ack 1");
      d.silent();
      assertEquals(d.counter("TCPRenoRecovery"), 0);
    });
  });
}

describe("the profile of published results", () => {
  it("RFC 2018 §2: 'reno-nosack' neither offers nor accepts SACK", () => {
    using d = new Dialogue({ tcp: { lossDetection: "reno-nosack" } });
    d.connect();
    d.called().gets("S 0 <mss 1460, !sackOK>");
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1 <!sackOK>");
    void listener;
  });
});
