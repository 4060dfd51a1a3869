/** Middleboxes that change TCP options: octet by octet, IPv4 and IPv6, with checksums made right. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../../../core/link/sim/elements/element.ts";
import {
  bleachEcn,
  dropSegments,
  reorderOptions,
  rewriteMss,
  rewriteOptions,
  rewriteWindowScale,
  type SegmentSelection,
  stripOptions,
} from "../../../../mod.ts";
import {
  ACK,
  Boxed,
  CWR,
  ECE,
  FAMILIES,
  FIN,
  mptcp,
  packetOf,
  RST,
  SYN,
  type Tcp,
} from "../../../support/boxed.ts";

const MSS = [2, 4, 5, 180];
const SACK_OK = [4, 2];
const STAMPS = [8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
const SCALE = [3, 3, 7];
const NOPS = (count: number): number[] => new Array<number>(count).fill(1);

for (const { family, client, server } of FAMILIES) {
  const ends = { from: client, to: server };
  const through = (element: ElementFactory, tcp: Partial<Tcp>): Tcp =>
    new Boxed([element]).one(packetOf({ ...ends, ...tcp }));

  describe(`options of segments, IPv${family}:`, () => {
    it("stripOptions() puts no-operations in place of those of MPTCP", () => {
      const options = [...MSS, ...SACK_OK, ...STAMPS, 1, ...SCALE, ...mptcp(0, 12)];
      const out = through(stripOptions(), { flags: SYN, options });
      assertEquals(out.options, [...MSS, ...SACK_OK, ...STAMPS, 1, ...SCALE, ...NOPS(12)]);
    });

    it("stripOptions() knows subtypes and kinds", () => {
      const options = [1, 1, ...STAMPS, ...mptcp(2, 8), ...mptcp(5, 3), 1];
      const out = (which: readonly ("DSS" | "MP_PRIO" | number)[]) =>
        through(stripOptions({ options: which }), { options }).options;
      assertEquals(out(["MP_PRIO"]), [1, 1, ...STAMPS, ...mptcp(2, 8), ...NOPS(4)]);
      assertEquals(out([8, "DSS"]), [...NOPS(20), ...mptcp(5, 3), 1]);
    });

    it("stripOptions() makes headers shorter, and leaves the payload where it ends", () => {
      const element = stripOptions({ options: "all", by: "removal" });
      const payload = [1, 2, 3, 4, 5];
      assertEquals(through(element, { options: [1, 1, ...STAMPS], payload }).options, []);
      assertEquals(through(element, { options: [1, 1, ...STAMPS], payload }).payload, payload);
      const some = stripOptions({ by: "removal" });
      const out = through(some, {
        options: [...mptcp(2, 8), 1, 1, ...STAMPS, ...SACK_OK],
        payload,
      });
      assertEquals([out.options, out.payload], [[...STAMPS, ...SACK_OK], payload]);
    });

    it("segments are told apart by kind, and by what a function says", () => {
      const kinds: Record<string, Partial<Tcp>> = {
        "syn": { flags: SYN },
        "syn-ack": { flags: SYN | ACK },
        "data": { flags: ACK, payload: [1] },
        "ack": { flags: ACK },
        "fin": { flags: FIN | ACK },
        "rst": { flags: RST },
      };
      const chosen = (on: SegmentSelection): string[] =>
        Object.keys(kinds).filter((kind) => {
          const out = through(stripOptions({ on }), { ...kinds[kind], options: mptcp(1, 4) });
          return out.options[0] === 1;
        });
      assertEquals(chosen("syn"), ["syn"]);
      assertEquals(chosen(["syn-ack", "data"]), ["syn-ack", "data"]);
      assertEquals(chosen("ack"), ["ack", "fin", "rst"]);
      assertEquals(chosen("all"), Object.keys(kinds));
      assertEquals(chosen(({ fin, rst }) => fin || rst), ["fin", "rst"]);
    });

    it("options that are not well-formed end the list, and nothing is read beyond", () => {
      for (const options of [[30, 0, 0, 0], [30, 1, 0, 0], [30, 200, 0, 0], [1, 1, 1, 30]]) {
        assertEquals(through(stripOptions(), { options }).options, options);
        assertEquals(through(reorderOptions(), { options }).options, options);
        assertEquals(through(dropSegments(), { options }).options, options);
      }
    });

    it("dropSegments() drops what has them, and that alone", () => {
      const box = new Boxed([dropSegments({ on: "syn" })]);
      box.up(packetOf({ ...ends, flags: SYN, options: mptcp(0, 4) }));
      box.up(packetOf({ ...ends, flags: SYN, options: MSS }));
      box.up(packetOf({ ...ends, flags: SYN | ACK, options: mptcp(0, 4) }));
      assertEquals([box.run().length, box.dropped], [2, 1]);
    });

    it("reorderOptions() writes the last one first", () => {
      const options = [...MSS, ...SACK_OK, ...STAMPS, 1, ...SCALE, ...mptcp(0, 4)];
      const out = through(reorderOptions(), { flags: SYN, options });
      assertEquals(out.options, [
        ...mptcp(0, 4),
        ...SCALE,
        ...STAMPS,
        ...SACK_OK,
        ...MSS,
        1,
      ]);
      assertEquals(through(reorderOptions(), { options: [1, 1, ...STAMPS] }).options, [
        1,
        1,
        ...STAMPS,
      ]);
    });

    it("rewriteMss() lowers it, on SYNs", () => {
      const mss = (flags: number, limit: number) =>
        through(rewriteMss(limit), { flags, options: MSS }).options;
      assertEquals(mss(SYN, 1000), [2, 4, 3, 232]);
      assertEquals(mss(SYN | ACK, 1000), [2, 4, 3, 232]);
      assertEquals([mss(SYN, 9000), mss(ACK, 1000)], [MSS, MSS]);
    });

    it("rewriteOptions() has a function change those that are chosen, and no others", () => {
      const options = [...STAMPS, 1, 1, ...mptcp(2, 8), ...mptcp(5, 4)];
      const seen: number[][] = [];
      const element = rewriteOptions({
        options: ["MP_PRIO", 8],
        on: "data",
        change(option, { length }) {
          seen.push([...option.subarray(0, 2), length]);
          option[option.length - 1] = 99;
        },
      });
      const payload = [1, 2, 3];
      const out = through(element, { options, payload });
      assertEquals(seen, [[8, 10, 3], [30, 4, 3]]);
      const expected = [...options];
      expected[9] = expected[23] = 99;
      assertEquals([out.options, out.payload], [expected, payload]);
      // No data: left alone.
      assertEquals(through(element, { options }).options, options);
    });

    it("rewriteOptions() goes on where the next option was, whatever is made of one", () => {
      const element = rewriteOptions({ change: (option) => void option.fill(0) });
      const options = [...mptcp(2, 8), ...mptcp(5, 4)];
      assertEquals(through(element, { options }).options, new Array<number>(12).fill(0));
    });

    it("rewriteWindowScale() writes it, or takes it away", () => {
      const options = [1, ...SCALE];
      const out = (shift: number | null) =>
        through(rewriteWindowScale(shift), { flags: SYN, options }).options;
      assertEquals([out(14), out(0), out(null)], [[1, 3, 3, 14], [1, 3, 3, 0], NOPS(4)]);
    });

    it("bleachEcn() clears the IP header's bits, or those of TCP", () => {
      for (const ecn of [1, 2, 3]) {
        assertEquals(through(bleachEcn(), { ecn, flags: ECE | ACK }).ecn, 0);
        assertEquals(through(bleachEcn(), { ecn, flags: ECE | ACK }).flags, ECE | ACK);
      }
      const out = through(bleachEcn({ ip: false, tcp: true }), { ecn: 3, flags: SYN | ECE | CWR });
      assertEquals([out.ecn, out.flags], [3, SYN]);
    });

    it("what was damaged before stays as damaged as it was", () => {
      const change = (option: Uint8Array) => void option.fill(1);
      const elements = [
        stripOptions(),
        rewriteMss(1000),
        rewriteOptions({ change }),
        reorderOptions(),
        dropSegments(),
      ];
      for (const element of elements) {
        const bytes = packetOf({ ...ends, flags: SYN, options: [...MSS, ...mptcp(0, 4)] });
        bytes[bytes.length - 1]! ^= 1;
        const box = new Boxed([element]);
        box.damaged = true;
        box.up(bytes);
        assertEquals(box.run()[0]?.bytes, bytes, element.name);
      }
    });
  });
}

describe("options of middleboxes", () => {
  it("that are wrong are refused by what is right", () => {
    const cases: [() => unknown, string][] = [
      [() => stripOptions({ on: "synack" as "syn" }), `'on' must be "all", one or a list of "syn"`],
      [() => stripOptions({ on: [] }), "current value is []"],
      [() => stripOptions({ options: ["MP_JION" as "MP_JOIN"] }), `one of "MP_CAPABLE"`],
      [() => stripOptions({ options: "mptcp" as "MPTCP" }), `current value is "mptcp"`],
      [() => stripOptions({ options: [] }), `a list such as ["MP_JOIN"] or [8]`],
      [() => stripOptions({ options: [1] }), "an integer from 2 to 255: current value is 1"],
      [() => stripOptions({ by: "magic" as "nops" }), `one of "nops", "removal"`],
      [() => stripOptions({ kinds: [8] } as object), "there is no option 'kinds'"],
      [() => dropSegments([] as object), "its options must be an object: current value is []"],
      [() => dropSegments({ by: "nops" } as object), "there is no option 'by'"],
      [() => reorderOptions({ on: 3 as unknown as "all" }), "current value is 3"],
      [() => rewriteMss(10), "an integer from 88 to 65535: current value is 10"],
      [() => rewriteMss("1400" as unknown as number), `current value is "1400"`],
      [() => rewriteOptions({} as { change: () => void }), "'change' must be a function"],
      [() => rewriteWindowScale(15), "an integer from 0 to 14: current value is 15"],
      [() => bleachEcn({ ip: 1 as unknown as boolean }), "'ip' must be true or false"],
    ];
    for (const [make, text] of cases) assertThrows(make, Error, text);
  });
});
