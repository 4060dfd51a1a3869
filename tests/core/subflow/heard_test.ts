import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Heard } from "../../../core/subflow/heard.ts";
import { Chunk, Part } from "../../../core/subflow/pieces.ts";

/** A piece of bytes [seq, end) that was sent last at `time`. */
function piece(seq: number, end: number, time: number, more: Partial<Part> = {}): Part {
  return Object.assign(new Part(new Chunk()), { seq, end, time, sends: 1 }, more);
}

/** An ACK before which nothing above `highest` was reported, and what it reports at 1,000. */
function hears(pieces: readonly Part[], highest = 0, minRtt = 0): Heard {
  const heard = new Heard();
  heard.begin(minRtt);
  for (const each of pieces) heard.deliver(each, each.end, highest, 1000);
  return heard;
}

describe("what an ACK tells", () => {
  it("is nothing before it reports something", () => {
    const { delivered, rtt, priorDelivered, sentTime, reordered } = hears([]);
    assertEquals([delivered, rtt, priorDelivered, sentTime, reordered], [0, -1, -1, -1, 0]);
  });

  it("is forgotten when the next one comes", () => {
    const heard = hears([piece(1, 11, 900, { priorDelivered: 5, appLimited: true })], 100);
    heard.begin(7);
    assertEquals(heard, Object.assign(new Heard(), { minRtt: 7 }));
  });

  it("counts the bytes up to where they are reported", () => {
    const heard = new Heard();
    heard.begin(0);
    heard.deliver(piece(1, 101, 0), 41, 0, 1000);
    heard.deliver(piece(201, 211, 0), 211, 0, 1000);
    assertEquals(heard.delivered, 50);
  });

  it("has the round trip of what was sent once: which sending of a repeat is meant nobody knows (Karn, RFC 6298 §3)", () => {
    assertEquals(hears([piece(1, 11, 900, { sends: 2 })]).rtt, -1);
    assertEquals(hears([piece(1, 11, 400), piece(11, 21, 700)]).rtt, 300);
    assertEquals(hears([piece(1, 11, 400), piece(11, 21, 700, { sends: 2 })]).rtt, 600);
  });

  it("has the rate's figures of what was sent latest", () => {
    const heard = hears([
      piece(1, 11, 500, { priorDelivered: 10, priorTime: 450, appLimited: true }),
      piece(11, 21, 600, { priorDelivered: 40, priorTime: 590 }),
      piece(21, 31, 550, { priorDelivered: 20, priorTime: 500, appLimited: true }),
    ]);
    assertEquals([heard.priorDelivered, heard.priorTime, heard.appLimited], [40, 590, false]);
  });

  it("names the segment sent last, of those sent at once the one with the higher end (RFC 8985 §6.2 step 2)", () => {
    const { sentTime, sentEnd, sentRtt } = hears([
      piece(11, 21, 600),
      piece(1, 11, 600),
      piece(21, 31, 500),
    ]);
    assertEquals([sentTime, sentEnd, sentRtt], [600, 21, 400]);
  });

  it("takes a repeat that is reported sooner than any round trip for its original, which tells no time of sending (RFC 8985 §6.2 step 2)", () => {
    const soon = hears([piece(1, 11, 951, { sends: 2 })], 0, 50);
    assertEquals([soon.sentTime, soon.delivered], [-1, 10]);
    assertEquals(hears([piece(1, 11, 950, { sends: 2 })], 0, 50).sentTime, 950);
    assertEquals(hears([piece(1, 11, 951)], 0, 50).sentTime, 951);
  });

  it("counts as reordered what was sent once and comes after something above it (RFC 8985 §6.2 step 4)", () => {
    assertEquals(hears([piece(1, 11, 0), piece(11, 21, 0)], 20).reordered, 1);
    assertEquals(hears([piece(1, 11, 0), piece(11, 20, 0)], 20).reordered, 2);
    assertEquals(hears([piece(1, 11, 0, { sends: 2 })], 20).reordered, 0);
  });
});
