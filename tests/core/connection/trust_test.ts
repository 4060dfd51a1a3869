/** What a subflow that MPTCP was proved on may still do wrong, and what the connection makes of it (RFC 8684 §3.3.1, §3.3.6, §3.7). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { joined, joining } from "../../support/joins.ts";
import { type Got, type Offer, type Peer, withData } from "../../support/scripted_peer.ts";
import { stream } from "../../support/segment_codec.ts";

const WITHOUT = "<!map, !map8, !dack, !dack8>";

/** A connection on which both directions have carried data, mapped and DATA_ACKed. */
function proved(d: Dialogue, offer: Offer = {}) {
  const { peer, app } = d.opened(offer);
  app.write(100);
  peer.gets("P. 1:101");
  peer.sends("P. 1:101 ack 101 <dack8 101, map8 1 1 100>");
  assertEquals(app.read(), 100);
  d.pass(50e3);
  peer.takeAll();
  return { peer, app };
}

/** The same with a second subflow, over which the first data went as well. */
function provedTwice(d: Dialogue, offer: Offer = {}) {
  const { first, second, app } = joined(d, { rtt: 10e3, ...offer }, { rtt: 50e3 });
  app.write(100);
  first.gets("P. 1:101");
  first.sends("P. 1:101 ack 101 <dack8 101, map8 1 1 100>");
  second.sends("P. 1:101 <dack8 101, map8 101 1 100>");
  assertEquals(app.read(), 200);
  d.pass(100e3);
  for (const peer of [first, second]) peer.takeAll();
  return { first, second, app };
}

function ended(app: { code: unknown; socket: { reason: unknown } }): unknown[] {
  return [app.code, app.socket.reason];
}

describe("bytes in order without a mapping, after MPTCP was proved", () => {
  // RFC 8684 §3.7: "This RST SHOULD include the MP_TCPRST option (Section 3.6) with a 'Middlebox interference' reason code."
  // RFC 8684 §3.3.1: "If a mapping for that subflow-level sequence space does not arrive within a receive window of data, that subflow SHOULD be
  // treated as broken, closed with a RST"
  // RFC 8684 §3.7: "the subflow SHOULD be treated as broken and closed with a RST, since no data can be delivered to the application layer"
  it("on a join cost it after a while; the others go on", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    second.sends("P. 101:201 <noTS>");
    d.pass(400e3);
    second.gets(". 1 ack 201");
    d.pass(100e3);
    second.gets("R. <tcprst 6>");
    first.sends("P. 101:201 ack 101 <dack8 101, map8 201 101 100>");
    assertEquals(app.read(), 100);
    assertEquals([app.socket.subflows.length, app.socket.fallback], [1, false]);
  });

  it("on the first cost it as well where another lives", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    app.write(1000);
    first.takeAll();
    first.sends("P. 101:201 ack 101");
    d.pass(600e3);
    assert(first.takeAll().some(({ options }) => options.includes("tcprst 6")));
    // What it carried goes elsewhere at once.
    assertEquals(withData(second.takeAll()).length > 0, true);
    assertEquals(app.socket.subflows.length, 1);
  });

  it("on the only subflow there ever was are plain TCP's, and so is all that follows", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("P. 101:201 ack 101");
    assertEquals(app.read(), 0);
    d.pass(500e3);
    assertEquals(app.read(), 100);
    assertEquals([app.socket.fallback, d.counter("DssFallback")], [true, 1]);
    d.pass(50e3);
    peer.takeAll();
    app.write(100);
    peer.gets(`P. 101:201 ack 201 ${WITHOUT}`);
  });

  it("are no reason when the mapping comes with what follows", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    for (let i = 0; i < 20; i++) {
      const from = 101 + 200 * i;
      peer.sends(`. ${from}:${from + 100} ack 101`);
      d.pass(100e3);
      peer.sends(`. ${from + 100}:${from + 200} ack 101 <dack8 101, map8 ${from} ${from} 200>`);
      assertEquals(app.read(), 200);
    }
    d.pass(1e6);
    assertEquals(app.socket.fallback, false);
  });

  it("on the last of two subflows end the connection at once, and say why", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    second.sends("R 101");
    first.sends("P. 101:201 ack 101");
    d.pass(500e3);
    assert(first.takeAll().some(({ options }) => options.includes("tcprst 6")));
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
    assertEquals(app.read(), 0);
  });

  it("in front of a FIN get none any more", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("F. 101:201 ack 101");
    assertEquals(app.read(), 100);
    assertEquals([app.socket.atEnd, app.socket.fallback], [true, true]);
  });

  it("in front of a FIN with options, of a peer that speaks MPTCP, are lost: it is not the end of the data", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("F. 101:201 ack 101 <dack8 101>");
    assertEquals([app.read(), app.socket.atEnd], [0, false]);
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
  });

  it("are not guessed about where a mapping has put bytes elsewhere before", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    // The peer has repeated at the data level: its spaces differ.
    peer.sends("P. 101:201 ack 101 <dack8 101, map8 1 101 100>");
    peer.sends("P. 201:301 ack 101");
    d.pass(600e3);
    assertEquals(app.read(), 0);
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
  });
});

describe("data acknowledged without a DATA_ACK", () => {
  // RFC 8684 §3.7: "the host MUST close the subflow with a RST, which SHOULD contain an MP_TCPRST option"
  it("on a join that has not proved itself reset it at once (RFC 8684 §3.7)", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(1000);
    second.gets("P. 1:1001");
    second.sends(". ack 1001");
    second.gets("R. <tcprst 6>");
    first.gets("P. 1:1001 <map 1 1 1000>");
    assertEquals([app.socket.subflows.length, app.socket.fallback], [1, false]);
  });

  it("make us ask; a peer that answers without options has fallen back, or lost them: so do we", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    app.write(1000);
    peer.gets("P. 101:1101");
    peer.sends(". ack 1101");
    assertEquals(app.socket.fallback, false);
    d.untilSent();
    // Nothing is repeated: the peer would take it for more, did it go on without mappings.
    peer.gets(". 100");
    peer.sends(". ack 1101");
    d.pass(1e6);
    assertEquals(app.socket.fallback, true);
    assertEquals([app.socket.unacked, app.socket.repeated], [0, 0]);
    app.write(10);
    peer.gets(`P. 1101:1111 ${WITHOUT}`);
  });

  it("after a timeout of the subflow do not go again on it either", () => {
    using d = new Dialogue({ tcp: { tlp: false, frto: false } });
    const { peer, app } = proved(d);
    app.write(1000);
    peer.gets("P. 101:1101");
    d.untilSent();
    peer.gets("P. 101:1101 <map 101 101 1000>");
    peer.sends(". ack 1101");
    d.silent();
    assertEquals(app.socket.repeated, 0);
  });

  it("after many timeouts of the only subflow, which is never stale, do not go again on it either", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    app.write(1000);
    for (let times = 0; times < 6; times++) {
      peer.lose();
      d.untilSent();
    }
    assertEquals(app.socket.subflows.some(({ stale }) => stale), false);
    peer.takeAll();
    peer.sends(". ack 1101 <dack8 101>");
    d.silent();
    assertEquals(app.socket.repeated, 0);
  });

  it("make us ask until there is an answer", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    app.write(1000);
    peer.gets("P. 101:1101");
    peer.sends(". ack 1101");
    for (let i = 0; i < 5; i++) {
      d.untilSent();
      peer.gets(". 100");
    }
    // It was reordering, or loss.
    peer.sends(". ack 1101 <dack8 1101>");
    assertEquals([app.socket.unacked, app.socket.fallback, app.code], [0, false, undefined]);
  });

  it("go elsewhere at once where they can, and the subflow that stays mute is reset", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    app.write(1000);
    first.gets("P. 101:1101");
    first.sends(". ack 1101");
    d.untilSent();
    first.gets(". 100");
    const [again] = withData(second.takeAll());
    assertEquals(again!.end - again!.seq, 1000);
    // Neither does what the second brings advance the DATA_ACK.
    second.sends(`. ack ${again!.end} <dack8 101>`);
    first.sends(". ack 1101");
    d.untilSent();
    assert(first.takeAll().some(({ options }) => options.includes("tcprst 6")));
    assertEquals(app.socket.subflows.length, 1);
  });

  it("but with others that advance it are no fault: a DATA_ACK may be on any subflow (RFC 8684 §3.3.2)", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    for (let i = 0; i < 10; i++) {
      app.write(100);
      const from = 101 + 100 * i;
      first.gets(`P. ${from}:${from + 100}`);
      first.sends(`. ack ${from + 100}`);
      second.sends(`. <dack8 ${from + 100}>`);
      d.pass(300e3);
    }
    d.silent();
    assertEquals(app.socket.subflows.length, 2);
  });

  describe("by a peer whose mapping, told on its first segment alone, goes on", () => {
    /** Passes time until `peer` is asked what it has got. */
    function asked(d: Dialogue, peer: Peer): void {
      for (let i = 0; i < 1000; i++) {
        d.pass(20e3);
        if (peer.takeAll().some(({ seq, end }) => seq === 100 && end === 100)) return;
      }
      throw new Error("it was not asked within 20 s");
    }

    // RFC 8684 §3.7, "may choose to send fewer DSS options than once per segment"
    for (const first of ["comes", "is lost"]) {
      it(`are no reason to fall back, as data without options answer no question, where the first ${first}`, () => {
        using d = new Dialogue();
        const { peer, app } = proved(d);
        const mapped = ". 101:201 ack 101 <dack8 101, map8 101 101 500>";
        if (first === "comes") peer.sends(mapped);
        app.write(1000);
        peer.sends(". 201:301 ack 1101");
        for (let from = 301; from < 601; from += 100) {
          asked(d, peer);
          // What answers is lost.
          peer.sends(`. ${from}:${from + 100} ack 1101`);
        }
        asked(d, peer);
        assertEquals(app.socket.fallback, false);
        if (first === "is lost") peer.sends(mapped);
        peer.sends(". 601 ack 1101 <dack8 1101>");
        assertEquals([app.socket.unacked, app.read(), app.code], [0, 500, undefined]);
      });
    }

    it("do not cost a subflow beside which another lives", () => {
      using d = new Dialogue();
      const { first, second, app } = provedTwice(d);
      first.sends(". 101:201 ack 101 <dack8 201, map8 201 101 500>");
      app.write(1000);
      first.sends(". 201:301 ack 1101");
      asked(d, first);
      const [again] = withData(second.takeAll());
      second.sends(`. ack ${again!.end} <dack8 101>`);
      first.sends(". 301:401 ack 1101");
      for (let i = 0; i < 10; i++) {
        d.pass(1e6);
        second.sends(`. ack ${again!.end} <dack8 101>`);
      }
      assertEquals(app.socket.subflows.length, 2);
      second.sends(`. ack ${again!.end} <dack8 1101>`);
      assertEquals([app.socket.unacked, app.code], [0, undefined]);
    });
  });

  describe("by a peer that goes on with MPTCP", () => {
    /** A peer that keeps what came below the data level, as Linux does where its program does not read; how often it was asked within 20 s. */
    function kept(d: Dialogue, peer: Peer, first: number, answer: string): number {
      let asked = 0;
      for (let i = 0; i < 100; i++) {
        d.pass(200e3);
        for (const { seq, end } of peer.takeAll()) {
          assertEquals([seq, end], [first - 1, first - 1]);
          asked++;
          peer.sends(answer);
        }
      }
      return asked;
    }

    it("are waited for: its reader may be slow, whatever its window says", () => {
      for (const window of ["", " win 0"]) {
        using d = new Dialogue();
        const { peer, app } = proved(d);
        app.write(1000);
        peer.gets("P. 101:1101");
        const answer = `. ack 1101${window} <dack8 101>`;
        peer.sends(answer);
        assert(kept(d, peer, 1101, answer) > 3);
        assertEquals([app.socket.fallback, app.socket.repeated, app.code], [false, 0, undefined]);
        peer.sends(". ack 1101 <dack8 1101>");
        assertEquals(app.socket.unacked, 0);
        app.write(10);
        peer.gets("P. 1101:1111 <map 1101 1101 10>");
      }
    });

    it("but not for ever while its window is open: it may have dropped them for want of memory (RFC 8684 §3.3.2)", () => {
      for (const window of [5000, 0]) {
        using d = new Dialogue();
        const { peer, app } = proved(d);
        app.write(1000);
        peer.gets("P. 101:1101");
        const answer = `. ack 1101 win ${window} <dack8 101>`;
        peer.sends(answer);
        let asked = 0;
        while (app.socket.repeated === 0 && asked < 20) {
          d.untilSent();
          for (const { seq, end } of peer.takeAll()) {
            if (seq === end) asked++;
            else assertEquals([seq, end], [1101, 2101]);
            if (seq === end) peer.sends(answer);
          }
        }
        if (window === 0) {
          assertEquals([asked, app.socket.repeated], [20, 0]);
          continue;
        }
        assertEquals([app.socket.repeated, app.socket.fallback], [1000, false]);
        peer.sends(". ack 2101 <dack8 1101>");
        assertEquals([app.socket.unacked, app.code], [0, undefined]);
      }
    });

    it("so is a DATA_FIN behind them", () => {
      using d = new Dialogue();
      const { peer, app } = proved(d);
      app.write(1000);
      app.finish();
      peer.gets("P. 101:1101");
      if (peer.pending) peer.take();
      const answer = ". ack 1101 <dack8 101>";
      peer.sends(answer);
      assert(kept(d, peer, 1101, answer) > 3);
      assertEquals([app.socket.fallback, app.code], [false, undefined]);
      peer.sends(". ack 1101 <dack8 1102>");
      assertEquals([app.socket.fallback, app.socket.finAcked], [false, true]);
    });

    it("and then without lead to plain TCP: it had no mapping for them", () => {
      using d = new Dialogue();
      const { peer, app } = proved(d);
      app.write(1000);
      peer.gets("P. 101:1101");
      peer.sends(". ack 1101 <dack8 101>");
      assert(kept(d, peer, 1101, ". ack 1101") > 0);
      assertEquals([app.socket.fallback, app.socket.repeated, app.socket.unacked], [true, 0, 0]);
    });
  });

  it("a DATA_FIN that is answered without options makes room for a FIN", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    app.finish();
    peer.gets(". 101 <map 101 0 1 fin>");
    peer.sends(". ack 101");
    d.untilSent();
    peer.gets(". 101 <map 101 0 1 fin>");
    peer.sends(". ack 101");
    d.untilSent();
    peer.gets(`F. 101 ${WITHOUT}`);
    peer.sends("F. 101 ack 102");
    assertEquals(app.code, null);
  });

  it("a DATA_FIN that is not seen, as pure ACKs lose their options, makes room for a FIN, too", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    app.finish();
    for (let i = 0; i < 20; i++) {
      d.pass(200e3);
      for (const { seq, flags } of peer.takeAll()) {
        if (seq === 100) peer.sends(". ack 101 <dack8 101>");
        else if (flags.includes("F")) peer.sends("F. 101 ack 102");
      }
    }
    assertEquals([app.code, app.socket.fallback], [null, true]);
  });

  it("so does one of which no timestamp can tell whether it has arrived, after more questions", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d, { timestamps: false });
    app.finish();
    let asked = 0;
    for (let i = 0; i < 60; i++) {
      d.pass(200e3);
      for (const { seq, flags } of peer.takeAll()) {
        if (seq === 100) {
          asked++;
          peer.sends(". ack 101 <dack8 101>");
        } else if (flags.includes("F")) peer.sends("F. 101 ack 102");
      }
    }
    assertEquals([app.code, app.socket.fallback, asked], [null, true, 4]);
  });

  it("a DATA_FIN that is lost where the question beside it is not, after a silence, is lost alone", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    app.finish();
    d.pass(2e6);
    assert(peer.lose() > 3);
    peer.sends(". ack 101 <dack8 101>");
    // What went into the silence tells nothing of a peer that hears: only this is answered.
    d.untilSent();
    // On both sides of the question, so that the loss of one is no loss of both.
    assertEquals(d.sent.length, 3);
    assertEquals(peer.lose(), 3);
    // It echoes what it has got before.
    peer.sends(". ack 101 <dack8 101>");
    d.untilSent();
    peer.gets(". 101 <map 101 0 1 fin>");
    peer.sends(". ack 101 <dack8 102>");
    assertEquals([app.socket.fallback, app.socket.finAcked], [false, true]);
  });
});

// RFC 8684 §3.3.1, "The receive window is relative to the DATA_ACK": one that comes without allows nothing.
describe("a closed window of which nothing can be heard any more, as options are lost", () => {
  const SMALL = { scale: 0, win: 1100 };

  /** All that the window allowed is there, and the peer has closed it by that; its answers to questions have no options from now on. */
  function shut(d: Dialogue, peer: Peer, app: App): void {
    app.write(1100);
    const [sent] = withData(peer.takeAll());
    peer.sends(`. ack ${sent!.end} win 0 <dack8 1201>`);
    app.write(500);
    d.silent();
    d.untilSent();
    peer.gets(`. ${sent!.end - 1}`);
    peer.sends(`. ack ${sent!.end} win 1100`);
    assertEquals(app.socket.window, 0);
    d.sent.length = 0;
    d.untilSent();
  }

  it("leads to plain TCP on the only subflow there ever was", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d, SMALL);
    shut(d, peer, app);
    assertEquals(app.socket.fallback, true);
    assertEquals(withData(peer.takeAll()).map(({ seq, end }) => [seq, end]), [[1201, 1701]]);
  });

  it("ends the last of two subflows, and the connection with it", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d, SMALL);
    second.sends("R 101");
    shut(d, first, app);
    assert(first.takeAll().some(({ options }) => options.includes("tcprst 6")));
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
  });

  it("costs a subflow beside which another lives", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d, SMALL);
    shut(d, first, app);
    assert(first.takeAll().some(({ options }) => options.includes("tcprst 6")));
    assertEquals([app.socket.subflows.length, app.code], [1, undefined]);
    second.takeAll();
    second.sends(". 101 win 1100 <dack8 1201>");
    assertEquals(withData(second.takeAll()).map(({ seq, end }) => end - seq), [500]);
  });

  it("is no fault of a peer that answers with a DATA_ACK, however long it reads nothing", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d, SMALL);
    app.write(1100);
    peer.gets("P. 101:1201");
    const answer = ". ack 1201 win 0 <dack8 1201>";
    peer.sends(answer);
    app.write(500);
    for (let i = 0; i < 20; i++) {
      d.untilSent();
      peer.gets(". 1200");
      peer.sends(answer);
    }
    assertEquals([app.socket.fallback, app.code], [false, undefined]);
  });
});

describe("a proxy that acknowledges and drops (RFC 8684 §3.3.6)", () => {
  /** The peer lacks the first of ten segments; `proxy` acknowledges it. */
  function dropped(d: Dialogue, peer: Peer, write: (length: number) => void): Got[] {
    write(10 * 1420);
    const sent = withData(peer.takeAll());
    assert(sent.length > 3);
    peer.sends(`. ack ${sent.at(-1)!.end} <noTS>`);
    for (const { end } of sent.slice(1)) {
      // What is of one millisecond may have been overtaken.
      d.pass(1e3);
      peer.sends(`. ack 101 <dack8 101, sack ${sent[0]!.end}:${end}>`);
    }
    d.silent();
    return sent;
  }

  it("one timeout repairs all that is missing, on the same subflow", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    const sent = dropped(d, peer, (length) => app.write(length));
    d.untilSent();
    const again = withData(peer.takeAll());
    const repeated = again.reduce((sum, { seq, end }) => sum + end - seq, 0);
    assertEquals(repeated, sent.at(-1)!.end - 101);
    assertEquals(again[0]!.options.some((option) => option.startsWith("map 101 ")), true);
    peer.sends(`. ack 101 <dack8 ${sent.at(-1)!.end}>`);
    assertEquals([app.socket.unacked, app.socket.fallback], [0, false]);
  });

  /** Five segments that are all acknowledged, and then told of less by three that were overtaken, while something of the peer's is missing. */
  function overtaken(d: Dialogue, timestamps: boolean): { peer: Peer; app: App; ends: number[] } {
    const { peer, app } = proved(d, { timestamps });
    app.write(5 * 1420);
    const ends = withData(peer.takeAll()).map(({ end }) => end);
    const at = peer.tsval;
    const ts = (n: number): string => timestamps ? `TS ${at + n} 0` : "noTS";
    d.pass(20e3);
    peer.sends(`P. 301:401 ack 101 <${ts(1)}>`);
    peer.sends(`. 401 ack ${ends.at(-1)} <${ts(20)}>`);
    for (const i of [0, 1, 2]) peer.sends(`. 401 ack ${ends[i]} <${ts(5 + i)}>`);
    return { peer, app, ends };
  }

  for (const timestamps of [true, false]) {
    it(`is none where ACKs were overtaken, though TS.Recent stands still (${timestamps ? "" : "no "}timestamps): a peer that had fallen back would get bytes twice`, () => {
      using d = new Dialogue();
      const { peer, app, ends } = overtaken(d, timestamps);
      const { trust } = app.socket.subflows[0]!;
      assertEquals(trust.belied, false);
      // Nothing that comes so late was overtaken.
      d.pass(1e6);
      for (let i = 0; i < 3; i++) {
        d.pass(1e3);
        peer.sends(`. 401 ack ${ends[0]} <dack8 101>`);
      }
      assertEquals([trust.belied, app.socket.fallback], [true, false]);
    });
  }

  it("what is still in flight is not repeated", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    // Three mappings.
    for (let i = 0; i < 3; i++) app.write(1420);
    const [one, , three] = withData(peer.takeAll());
    peer.sends(`. ack ${one!.end} <noTS>`);
    // The fourth answers what a timeout has sent again below the data level.
    for (let i = 0; i < 4; i++) {
      d.pass(i === 3 ? 300e3 : 1e3);
      peer.sends(`. ack 101 <dack8 101, sack ${one!.end}:${three!.end}>`);
    }
    const again = withData(peer.takeAll()).filter(({ seq }) => seq >= three!.end);
    assertEquals(again.reduce((sum, { seq, end }) => sum + end - seq, 0), one!.end - one!.seq);
  });

  it("the back-off falls with each DATA_ACK", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    let longest = 0;
    for (let round = 0, acked = 101; round < 6; round++) {
      app.write(1420);
      const [sent] = withData(peer.takeAll());
      peer.sends(`. ack ${sent!.end} <noTS>`);
      for (let i = 0; i < 3; i++) {
        d.pass(1e3);
        peer.sends(`. ack 101 <dack8 ${acked}>`);
      }
      d.sent.length = 0;
      longest = Math.max(longest, d.untilSent());
      const again = withData(peer.takeAll());
      acked += 1420;
      peer.sends(`. ack ${again.at(-1)!.end} <dack8 ${acked}>`);
    }
    assert(longest < 1e6, `${longest}`);
  });
});

describe("a DSS after the fallback", () => {
  /** The peer's data were stripped, and we went over to plain TCP. */
  function fallen(d: Dialogue) {
    const { peer, app } = proved(d);
    peer.sends("P. 101:201 ack 101");
    d.pass(500e3);
    assertEquals(app.read(), 100);
    assertEquals(app.socket.fallback, true);
    d.pass(50e3);
    peer.takeAll();
    return { peer, app };
  }

  // RFC 8684 §3.7: "Once MPTCP falls back to regular TCP, it MUST NOT revert to MPTCP later in the connection."
  it("that maps bytes where plain TCP puts them changes nothing", () => {
    using d = new Dialogue();
    const { peer, app } = fallen(d);
    peer.sends("P. 201:301 ack 101 <dack8 101, map8 201 201 100>");
    assertEquals(app.read(), 100);
    assertEquals(app.code, undefined);
  });

  it("that repeats at the data level ends the connection: no byte comes twice", () => {
    using d = new Dialogue();
    const { peer, app } = fallen(d);
    peer.sends("P. 201:301 ack 101 <dack8 101, map8 101 201 100>", stream("peer", 101, 100));
    peer.gets("R.");
    assertEquals(app.read(), 0);
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
    assertEquals(d.counter("DSSNoMatchTCP"), 1);
  });

  it("that ends the data before what has come ends the connection with an error", () => {
    using d = new Dialogue();
    const { peer, app } = fallen(d);
    peer.sends(". ack 101 <dack8 101, map8 150 0 1 fin>");
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
  });

  it("with a DATA_FIN is answered without options, which tells the peer", () => {
    using d = new Dialogue();
    const { peer, app } = fallen(d);
    peer.sends(". ack 101 <dack8 101, map8 201 0 1 fin>");
    peer.gets(`. 101 ack 201 ${WITHOUT}`);
    assertEquals(app.socket.atEnd, false);
    peer.sends("F. 201 ack 101");
    assertEquals(app.socket.atEnd, true);
  });
});

describe("the end of the only subflow", () => {
  it("by a FIN without options is that of a peer that has fallen back: the end of the data", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("F. 101 ack 101");
    assertEquals([app.socket.atEnd, app.socket.fallback], [true, true]);
  });

  it("by a FIN without options that answers ours, on a path that we have left, is none", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    d.pass(40e3);
    peer.takeAll();
    d.stack.removeAddress(d.now, d.address(0));
    peer.gets(". 1 <rm 0>");
    peer.gets("F. 1");
    peer.sends("F. 101 ack 2");
    assertEquals([app.socket.atEnd, app.socket.fallback, app.code], [false, false, undefined]);
  });

  it("by a FIN with options is the end of the subflow alone", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("F. 101 ack 101 <dack8 101>");
    assertEquals([app.socket.atEnd, app.socket.fallback], [false, false]);
  });

  // RFC 8684 §3.6: "the remaining octet is used to express a reason code for this subflow termination, from which a receiver MAY infer information
  // about the usability of this path"
  it("by a RST that names a middlebox ends the connection at once, and says so", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("R 101 <tcprst 6>");
    assertEquals(ended(app), ["ConnectionReset", "interference-told"]);
  });

  it("by a RST whose reason may pass does not", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("R 101 <tcprst 6 transient>");
    assertEquals(app.code, undefined);
  });

  it("by a RST without a reason, when options were lost before, ends it at once", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends("P. 101:201 ack 101");
    peer.sends("R 201");
    assertEquals(ended(app), ["ConnectionReset", "options-removed"]);
  });

  // RFC 8684 §3.7, "may choose to send fewer DSS options than once per segment"
  it("by a RST without a reason, behind data under a mapping that was told once, does not: no option was lost", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends(". 101:201 ack 101 <dack8 101, map8 101 101 300>");
    peer.sends(". 201:301 ack 101");
    // What is under the next mapping comes before it.
    peer.sends(". 501:601 ack 101");
    peer.sends("R 301");
    assertEquals(app.code, undefined);
  });

  it("by a checksum that fails says so", () => {
    using d = new Dialogue({ experiments: { checksum: true } });
    const { first: peer, second, app } = joined(d, { checksum: true });
    second.sends("R. 1 ack 1");
    peer.sends("P. 1:301 <dack8 1, map8 1 1 300 bad>");
    peer.gets("R. <fail 1, tcprst 6>");
    assertEquals(ended(app), ["ConnectionAborted", "checksum-failed"]);
    assertEquals(app.read(), 0);
  });
});

describe("options that are not as agreed", () => {
  it("a mapping of length 0 on a pure ACK maps nothing, and ends nothing", () => {
    using d = new Dialogue();
    const { peer, app } = proved(d);
    peer.sends(". ack 101 <dack8 101, map8 101 101 0>");
    assertEquals([app.socket.fallback, d.counter("InfiniteMapRx")], [false, 0]);
    assertEquals(d.counter("DSSNotMatching"), 1);
  });

  it("one on data, where another subflow lives, costs the subflow that it comes on", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    second.sends("P. 101:201 <dack8 101, map8 201 101 0>");
    second.gets("R. <tcprst 6>");
    assertEquals([app.socket.fallback, app.socket.subflows.length], [false, 1]);
    first.sends("P. 101:201 ack 101 <dack8 101, map8 201 101 100>");
    assertEquals(app.read(), 100);
  });

  // RFC 8684 §3.3: "If a checksum is present but its use had not been negotiated in the MP_CAPABLE handshake, the receiver MUST close
  // the subflow with a RST"
  // RFC 8684 §3.3: "this RST SHOULD be accompanied by an MP_TCPRST option"
  it("a checksum that was not agreed on costs the subflow (RFC 8684 §3.3)", () => {
    using d = new Dialogue();
    const { first, second, app } = provedTwice(d);
    second.sends("P. 101:201 <dack8 101, map8 201 101 100 csum>");
    second.gets("R. <tcprst 1>");
    assertEquals(app.read(), 0);
    first.sends("P. 101:201 ack 101 <dack8 101, map8 201 101 100>");
    assertEquals(app.read(), 100);
  });

  it("so it does on a DATA_FIN, and on the first data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends(". <dack8 1, map8 1 0 1 fin csum>");
    peer.gets("R. <tcprst 1>");
    assertEquals(app.socket.receiveQueue.theirs.kind, "open");
    using other = new Dialogue();
    const listener = other.listen();
    const client = other.peer();
    client.offers({}, "S", ["mpc"]);
    client.gets("S.");
    client.sends(". 1 ack 1 <mpc keys>");
    const accepted = other.accept(listener);
    client.sends("P. 1:101 ack 1 <mpc keys len 100 csum>");
    client.gets("R. <tcprst 1>");
    assertEquals(accepted.read(), 0);
  });

  it("and so does one that is missing on a DATA_FIN", () => {
    using d = new Dialogue({ experiments: { checksum: true } });
    const { first, second, app } = joined(d, { checksum: true });
    second.sends(". <dack8 1, map8 1 0 1 fin>");
    second.gets("R. <tcprst 1>");
    assertEquals(app.socket.receiveQueue.theirs.kind, "open");
    first.sends(". <dack8 1, map8 1 0 1 fin csum>");
    assertEquals(app.socket.atEnd, true);
  });
});

describe("data in the SYN (RFC 8684 appendix B.2)", () => {
  /** A client that has sent 1000 bytes in its SYN, without a cookie; the SYN/ACK does not acknowledge them. */
  function begun(d: Dialogue) {
    const listener = d.listen();
    const peer = d.peer();
    peer.sends("S 0:1000 win 65535 <mss 1460, mpc, sackOK, TS 1000 0, ws 7>");
    peer.scale = 7;
    peer.timestamps = true;
    peer.gets("S. 0 ack 1 <mpc key>");
    return { listener, peer };
  }

  it("are plain TCP's when the third packet brings them without the keys", () => {
    using d = new Dialogue();
    const { listener, peer } = begun(d);
    peer.sends(". 1:1001 ack 1 <dack8 1>");
    const app = d.accept(listener);
    assertEquals([app.socket.fallback, app.read()], [true, 1000]);
    assertEquals(d.counter("MPCapableFallbackACK"), 1);
    peer.sends("P. 1001:5001 ack 1");
    assertEquals(app.read(), 4000);
    peer.sends("F. 5001 ack 1");
    assertEquals(app.socket.atEnd, true);
  });

  it("are when what follows them comes first, with the keys and a length", () => {
    using d = new Dialogue();
    const { listener, peer } = begun(d);
    peer.sends("P. 1001:2001 ack 1 <mpc keys len 1000>", stream("peer", 1001, 1000));
    peer.sends(". 1:1001 ack 1 <dack8 1>");
    const app = d.accept(listener);
    assertEquals([app.socket.fallback, app.read()], [true, 2000]);
    assertEquals(d.counter("MPCapableDataFallback"), 1);
  });

  it("first data that are cut into pieces with the option on each are no such", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S.");
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    peer.sends(". 1001:2001 ack 1 <mpc keys len 2000>", stream("peer", 1001, 1000));
    assertEquals(app.read(), 0);
    peer.sends(". 1:1001 ack 1 <mpc keys len 2000>");
    assertEquals([app.socket.fallback, app.read()], [false, 2000]);
  });
});

describe("a join", () => {
  it("whose SYN/ACK has lost its option, as the last hope, ends the connection with the reason", () => {
    using d = new Dialogue();
    const { app, peer } = d.dialled();
    app.write(100);
    peer.takeAll();
    peer.sends("R 1");
    const { context } = app.socket.paths;
    d.stack.now = d.now;
    context.use([
      context.index({ local: context.locals[0]!, remote: context.remotes[0]!, copy: 1 }),
    ]);
    d.stack.flush(d.now);
    const second = d.called(peer.session);
    second.gets("S <join syn>");
    second.offers({}, "S.", []);
    second.gets("R.");
    assertEquals(ended(app), ["ConnectionAborted", "options-removed"]);
  });

  it("whose SYN/ACK has lost its option is not the last hope while the network of the path before is away (RFC 8684 appendix D, break-before-make)", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { first, second, app } = joining(d);
    app.write(100);
    first.takeAll();
    d.stack.removeAddress(d.now, d.address(0));
    d.stack.flush(d.now);
    first.gets("R.");
    second.offers({}, "S.", []);
    second.gets("R.");
    assertEquals(app.code, undefined);
    d.sent.length = 0;
    d.stack.addAddress(d.now, d.links[0]!, `${d.address(0)}/24`);
    d.pass(100e3);
    const back = d.called(first.session);
    back.gets("S <join syn>");
    back.offers({}, "S.", ["join synack id 0"]);
    back.gets(". 1 ack 1 <join ack>");
    back.sends(". 1 ack 1 <dack8 1>");
    assertEquals(withData(back.takeAll()).map(({ end, seq }) => end - seq), [100]);
  });
});
