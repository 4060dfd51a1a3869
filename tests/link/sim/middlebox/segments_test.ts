/** Middleboxes that cut, join, repeat, renumber and forge segments, and change payload. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../../../core/link/sim/elements/element.ts";
import {
  acknowledgeAndDrop,
  coalesceSegments,
  injectReset,
  renumber,
  repeatSegments,
  rewritePayload,
  rewriteRepeats,
  splitSegments,
} from "../../../../mod.ts";
import {
  ACK,
  type Arrival,
  Boxed,
  FAMILIES,
  FIN,
  mptcp,
  packetOf,
  PSH,
  readPacket,
  RST,
  SYN,
  type Tcp,
} from "../../../support/boxed.ts";

const DSS = mptcp(2, 8);
const WIPED = new Array<number>(8).fill(1);
const read = (arrivals: readonly Arrival[]): Tcp[] =>
  arrivals.map(({ bytes }) => readPacket(bytes));

for (const { family, client, server } of FAMILIES) {
  const ends = { from: client, to: server };
  const back = { from: server, to: client };
  const data = (seq: number, payload: number[], more: Partial<Tcp> = {}): Uint8Array =>
    packetOf({ ...ends, seq, ack: 7, options: DSS, payload, ...more });

  describe(`segments, IPv${family}:`, () => {
    for (const options of ["first", "second", "both"] as const) {
      it(`splitSegments() makes two of one, with options on ${options}`, () => {
        const box = new Boxed([splitSegments({ options })]);
        box.up(data(2 ** 32 - 2, [1, 2, 3, 4, 5], { flags: ACK | PSH | FIN }));
        const [first, second, ...others] = read(box.run());
        assertEquals([first!.payload, second!.payload, others], [[1, 2], [3, 4, 5], []]);
        assertEquals([first!.seq, second!.seq], [2 ** 32 - 2, 0]);
        assertEquals([first!.flags, second!.flags], [ACK, ACK | PSH | FIN]);
        assertEquals(first!.options, options === "second" ? WIPED : DSS);
        assertEquals(second!.options, options === "first" ? WIPED : DSS);
      });
    }

    it("splitSegments() leaves alone what has nothing to cut", () => {
      const box = new Boxed([splitSegments()]);
      box.up(data(1, [1]));
      box.up(data(2, []));
      box.up(data(2, [1, 2, 3], { flags: SYN }));
      assertEquals(read(box.run()).map(({ payload }) => payload.length), [1, 0, 3]);
    });

    for (const options of ["first", "second"] as const) {
      it(`coalesceSegments() makes one of two, with the options of the ${options}`, () => {
        const box = new Boxed([coalesceSegments({ options })]);
        const other = mptcp(3, 8);
        box.up(data(100, [1, 2], { window: 5 }));
        box.up(data(102, [3, 4, 5], { ack: 9, window: 6, flags: ACK | PSH, options: other }));
        const [whole, ...others] = read(box.run());
        assertEquals([whole!.payload, others], [[1, 2, 3, 4, 5], []]);
        assertEquals([whole!.seq, whole!.ack, whole!.window], [100, 9, 6]);
        assertEquals([whole!.flags, whole!.options], [
          ACK | PSH,
          options === "first" ? DSS : other,
        ]);
      });
    }

    it("coalesceSegments() keeps what does not fit in its place", () => {
      const cases: [string, Uint8Array][] = [
        ["a gap", data(103, [3])],
        ["another connection", data(102, [3], { from: client.replace("5000", "5001") })],
        ["no payload", data(102, [])],
        ["headers of other length", data(102, [3], { options: [] })],
        ["a SYN", data(102, [3], { flags: SYN })],
        ["a large one", data(102, new Array<number>(701).fill(3))],
      ];
      for (const [name, next] of cases) {
        const box = new Boxed([coalesceSegments()]);
        const first = data(100, [1, 2]);
        box.up(first);
        box.up(next);
        assertEquals(box.run().map(({ bytes }) => bytes), [first, next], name);
      }
    });

    it("coalesceSegments() waits no longer than it says", () => {
      const box = new Boxed([coalesceSegments({ wait: "2 ms" })]);
      box.up(data(100, [1, 2]));
      assertEquals(box.run().map(({ at }) => at), [2000]);
      box.up(data(102, [3]));
      box.clear();
      assertEquals(box.run(), []);
    });

    it("repeatSegments() sends one of so many again, at once or later", () => {
      const box = new Boxed([repeatSegments({ every: 2 })]);
      for (const seq of [1, 2, 3, 4]) box.up(data(seq, [seq]));
      assertEquals(read(box.run()).map(({ seq }) => seq), [1, 2, 2, 3, 4, 4]);
      const later = new Boxed([repeatSegments({ every: 2, later: "3 ms", on: "data" })]);
      for (const seq of [1, 2, 3, 4]) later.up(data(seq, seq === 3 ? [] : [seq]));
      assertEquals(
        later.run().map(({ at, bytes }) => [at, readPacket(bytes).seq]),
        [[0, 1], [0, 2], [0, 3], [0, 4], [3000, 2]],
      );
    });

    it("rewritePayload() changes one bit, or what a function changes", () => {
      const one = (element: ElementFactory, payload: number[]): Tcp =>
        new Boxed([element]).one(data(1, payload));
      assertEquals(one(rewritePayload(), [1, 2, 3]).payload, [1, 2, 7]);
      assertEquals(one(rewritePayload(), []).payload, []);
      const change = (payload: Uint8Array): void => void payload.reverse();
      assertEquals(one(rewritePayload({ change }), [1, 2, 3]).payload, [3, 2, 1]);
      const never = rewritePayload({ on: () => false });
      assertEquals(one(never, [1, 2, 3]).payload, [1, 2, 3]);
    });

    it("rewriteRepeats() changes what was sent before, of each connection", () => {
      const box = new Boxed([rewriteRepeats()]);
      box.up(data(2 ** 32 - 1, [1, 2]));
      box.up(data(1, [3]));
      box.up(data(1, [3]));
      box.up(data(0, [2, 3]));
      box.up(data(1, [3, 4]));
      box.up(data(1, [3], { from: client.replace("5000", "5001") }));
      assertEquals(read(box.run()).map(({ payload }) => payload), [
        [1, 2],
        [3],
        [2],
        [2, 1],
        [3, 4],
        [3],
      ]);
      // A SYN begins another connection of those addresses and ports.
      box.up(data(0, [], { flags: SYN }));
      box.up(data(1, [9]));
      assertEquals(read(box.run()).map(({ payload }) => payload), [[], [9]]);
    });

    it("rewriteRepeats() leaves alone what was lost before, and changes it the second time", () => {
      const box = new Boxed([rewriteRepeats()]);
      // 2 comes late, 3 to 4 in the other order, and in part again.
      for (const [seq, payload] of [[1, [1]], [3, [3]], [2, [2]], [2, [2]], [3, [3, 4]]] as const) {
        box.up(data(seq, [...payload]));
      }
      box.up(data(7, [7]));
      box.up(data(4, [4, 5]));
      box.up(data(4, [4, 5, 6]));
      box.up(data(4, [4, 5, 6]));
      assertEquals(read(box.run()).map(({ payload }) => payload), [
        [1],
        [3],
        [2],
        [2 ^ 1],
        [3, 4],
        [7],
        [4, 5],
        [4, 5, 6],
        [4, 5, 6 ^ 2],
      ]);
    });

    // RFC 1071: what one byte has more and another less is no change of their sum.
    it("rewriteRepeats() changes one bit, each time another: no eight of one mapping cancel out in its checksum", () => {
      const box = new Boxed([rewriteRepeats()]);
      for (let seq = 1; seq < 9; seq++) box.up(data(seq, [0]));
      for (let seq = 1; seq < 9; seq++) box.up(data(seq, [0]));
      const bits = read(box.run()).slice(8).map(({ payload }) => payload[0]!);
      assertEquals(bits.sort((a, b) => a - b), [1, 2, 4, 8, 16, 32, 64, 128]);
    });

    it("injectReset() sends one RST as from the sender, in front of the segment", () => {
      const box = new Boxed([injectReset({ before: 2, offset: 5 })]);
      for (const seq of [1, 2, 3]) box.up(data(seq, [seq]));
      const out = read(box.run());
      assertEquals(out.map(({ seq, flags }) => [seq, flags]), [
        [1, ACK],
        [7, RST],
        [2, ACK],
        [3, ACK],
      ]);
      assertEquals([out[1]!.from, out[1]!.to, out[1]!.options], [client, server, []]);
    });

    it("renumber() changes numbers both ways, SACK blocks as well", () => {
      const { up, down } = renumber({ up: 100, down: 2 ** 32 - 1000 });
      const box = new Boxed([up], [down]);
      assertEquals(box.one(data(2 ** 32 - 50, [1])).seq, 50);
      box.down(packetOf({
        ...back,
        seq: 5,
        ack: 150,
        options: [1, 1, 5, 10, 0, 0, 0, 200, 0, 0, 1, 44],
      }));
      const [answer] = read(box.run());
      assertEquals([answer!.seq, answer!.ack], [2 ** 32 - 995, 50]);
      assertEquals(answer!.options, [1, 1, 5, 10, 0, 0, 0, 100, 0, 0, 0, 200]);
      assertEquals(box.one(data(0, [], { ack: 2 ** 32 - 995 })).ack, 5);
      // Where no ACK is said, the number means nothing.
      assertEquals(box.one(data(0, [], { ack: 0, flags: SYN })).ack, 0);
    });

    it("renumber() without SACK leaves the blocks as they are", () => {
      const { up, down } = renumber({ up: 100, sack: false });
      const box = new Boxed([up], [down]);
      const options = [1, 1, 5, 10, 0, 0, 0, 200, 0, 0, 1, 44];
      box.down(packetOf({ ...back, ack: 150, options }));
      const [answer] = read(box.run());
      assertEquals([answer!.ack, answer!.options], [50, options]);
    });

    it("acknowledgeAndDrop() answers as the receiver would, and drops", () => {
      const { up, down } = acknowledgeAndDrop({ every: 2, after: 2 });
      const box = new Boxed([up], [down]);
      for (const seq of [1, 2, 3, 4, 5, 6]) box.up(data(seq, [seq]));
      box.up(data(7, []));
      const out = box.run();
      const seqs = (side: "client" | "server") =>
        out.filter((each) => each.side === side).map(({ bytes }) => readPacket(bytes));
      assertEquals(seqs("server").map(({ seq }) => seq), [1, 2, 3, 5, 7]);
      assertEquals(
        seqs("client").map(({ from, to, seq, ack, flags }) => [from, to, seq, ack, flags]),
        [
          [server, client, 7, 5, ACK],
          [server, client, 7, 7, ACK],
        ],
      );
      assertEquals(box.dropped, 2);
    });
  });
}

describe("middleboxes", () => {
  it("refuse wrong options by what is right", () => {
    const cases: [() => unknown, string][] = [
      [() => splitSegments({ options: "none" as "both" }), `one of "first", "second", "both"`],
      [() => coalesceSegments({ wait: "1 h" as "1 ms" }), "the duration 'wait'"],
      [() => coalesceSegments({ most: 0 }), "'most' must be an integer from 1 to 32767"],
      [() => repeatSegments({ every: 0.5 }), "'every' must be an integer from 1 to 1000000000"],
      [() => rewritePayload({ change: 3 as unknown as () => void }), "'change' must be a function"],
      [() => injectReset({ before: 0 }), "'before' must be an integer from 1"],
      [() => injectReset({ nth: 3 } as object), "there is no option 'nth'"],
      [() => renumber({ up: -1 }), "'up' must be an integer from 0 to 4294967295"],
      [() => renumber({ sack: 0 as unknown as boolean }), "'sack' must be true or false"],
      [() => acknowledgeAndDrop({ after: -1 }), "'after' must be an integer from 0"],
    ];
    for (const [make, text] of cases) assertThrows(make, Error, text);
  });

  it("of two sides stand in one place", () => {
    const { up } = renumber();
    new Boxed([up]);
    assertThrows(() => new Boxed([up]), Error, "in two places");
  });
});
