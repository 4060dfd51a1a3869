/** What needs a DATA_ACK that does not come although all is acknowledged on the subflows: Linux owes one while its application reads. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DEFAULT_SETTINGS, fixedBuffer } from "../../../core/subflow/settings.ts";
import { Dialogue } from "../../support/dialogue.ts";

const RTT = 20e3;
const MSS = 1428;

describe("a DATA_ACK that is owed", () => {
  /** Four segments have left, and are acknowledged by the subflow alone. */
  const owed = (d: Dialogue, win: number) => {
    const { peer, app } = d.opened({ rtt: RTT, scale: 0, win });
    app.write(20_000);
    const { end } = peer.takeAll().at(-1)!;
    assertEquals(end, 1 + 4 * MSS);
    d.pass(RTT);
    peer.sends(`. ack ${end} win ${win} <dack8 1>`);
    assertEquals(peer.takeAll(), []);
    return { peer, app, end };
  };
  const CASES = {
    "a full window": { win: 4 * MSS + 100, tcp: {} },
    "a full send queue": { win: 60_000, tcp: { sendBuffer: fixedBuffer(4 * MSS) } },
  } as const;

  for (const [name, { win, tcp }] of Object.entries(CASES)) {
    it(`is asked for after two round trips where ${name} waits for it, long before the data go again`, () => {
      using d = new Dialogue({ tcp: { ...DEFAULT_SETTINGS, ...tcp } });
      const { peer, app, end } = owed(d, win);
      d.pass(2 * RTT - 1e3);
      assertEquals(peer.takeAll(), []);
      d.pass(2e3);
      const [question, ...more] = peer.takeAll();
      assertEquals([question!.seq, question!.end, more.length], [end - 1, end - 1, 0]);
      app.onWritable = () => void app.write(20_000);
      peer.sends(`. ack ${end} win ${win} <dack8 ${end}>`);
      assertEquals(peer.takeAll()[0]!.seq, end);
      assertEquals(d.counter("MPTCPRetrans"), 0);
    });
  }

  it("is asked for less and less often, and no more once it has come", () => {
    using d = new Dialogue();
    const { peer, end } = owed(d, CASES["a full window"].win);
    const times: number[] = [];
    const start = d.now;
    while (d.now < start + 150e3) {
      d.pass(1e3);
      for (const { seq } of peer.takeAll()) {
        if (seq < end) times.push(Math.round((d.now - start) / 1e3));
      }
    }
    assertEquals(times, [40, 120]);
    peer.sends(`. ack ${end} win ${CASES["a full window"].win} <dack8 ${end}>`);
    peer.takeAll();
    d.pass(30e3);
    assertEquals(peer.takeAll().filter(({ seq }) => seq < end), []);
  });

  it("is asked for anew where one comes that leaves it as blocked: two round trips later, whatever the back-off was", () => {
    using d = new Dialogue();
    const { win } = CASES["a full window"];
    const { peer, end } = owed(d, win);
    d.pass(41e3);
    assertEquals(peer.takeAll().length, 1);
    // The right edge stays where it is.
    peer.sends(`. ack ${end} win ${win - MSS} <dack8 ${1 + MSS}>`);
    assertEquals(peer.takeAll(), []);
    d.pass(2 * RTT - 1e3);
    assertEquals(peer.takeAll(), []);
    d.pass(2e3);
    assertEquals(peer.takeAll().map(({ seq }) => seq), [end - 1]);
  });

  it("is waited for in silence where nothing waits for it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ rtt: RTT, scale: 0, win: 60_000 });
    app.write(3 * MSS);
    peer.takeAll();
    peer.sends(`. ack ${1 + 3 * MSS} win 60000 <dack8 1>`);
    d.pass(100e3);
    // All is sent, the queue takes more: nothing waits.
    assertEquals(peer.takeAll(), []);
    app.write(20_000);
    assertEquals(peer.takeAll()[0]!.seq, 1 + 3 * MSS);
  });
});

describe("a DATA_ACK for which data leave no room", () => {
  const ASKED = {
    "a DATA_FIN that comes again": ". 101 ack 11 <dack8 11, map8 101 0 1 fin>",
    "data that come again under another mapping": ". 101:201 ack 11 <dack8 11, map8 1 101 100>",
    "a question": ". 100 ack 11 <dack8 11>",
  } as const;

  for (const [name, text] of Object.entries(ASKED)) {
    it(`follows them where ${name} would have had it: its sender lacks the one before`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ rtt: RTT });
      // The first bytes of a subflow always have one.
      app.write(10);
      peer.gets("P. 1:11");
      peer.sends(". ack 11 <dack8 11>");
      peer.data(100);
      if (text.includes("fin")) peer.sends(text);
      d.pass(50e3);
      peer.takeAll();
      // With a DATA_ACK it would be two segments.
      const bytes = app.socket.subflows[0]!.mss + 8;
      peer.sendsMore(text);
      app.write(bytes);
      const end = 11 + bytes;
      peer.gets(`P. 11:${end} <map 11 11 ${bytes}, !dack8>`);
      peer.sends(`. ack ${end} <dack8 ${end}>`);
      d.pass(50e3);
      peer.gets(`. ${end} <dack8 ${text.includes("fin") ? 102 : 101}>`);
    });
  }
});
