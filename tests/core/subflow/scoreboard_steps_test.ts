import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { InFlightList } from "../../reference/in_flight_list.ts";
import { patterns, record, recordHostile, replay } from "../../support/sack_patterns.ts";

/** Mappings in flight: 35 MB of segments of 1460 bytes, 280 ms at 1 Gbit/s. */
const CHUNKS = 12_000;

describe("steps of the scoreboard for an ACK, 12,000 mappings in flight", () => {
  for (const [name, pattern] of Object.entries(patterns(CHUNKS))) {
    it(`are at most 16 on average: ${name}`, () => {
      const { board, acks } = replay(record(pattern), new Scoreboard(0));
      assert(board.steps <= 16 * acks, `${board.steps / acks}`);
      assert(board.empty);
    });
  }

  for (const [name, byte] of [["a segment", false], ["a byte", true]] as const) {
    it(`are at most 100 for a block of a hostile peer: 10,000 of ${name}`, () => {
      const { worstBlock } = replay(recordHostile(CHUNKS, 2, byte), new Scoreboard(0));
      assert(worstBlock <= 100, `${worstBlock}`);
    });
  }
});

describe("the patterns that are counted", () => {
  const recorded = Object.entries(patterns(300)).map(([name, pattern]) =>
    [name, record(pattern)] as const
  );
  recorded.push(["hostile", recordHostile(300, 2, false)]);
  recorded.push(["hostile bytes", recordHostile(300, 2, true)]);
  for (const [name, operations] of recorded) {
    it(`end the same on a list that is walked from its head: ${name}`, () => {
      const fast = replay(operations, new Scoreboard(0));
      const slow = replay(operations, new InFlightList(0));
      assertEquals([fast.digest, fast.delivered], [slow.digest, slow.delivered]);
    });
  }
});
