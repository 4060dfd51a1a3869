import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { InFlightList } from "../../reference/in_flight_list.ts";
import {
  type Pattern,
  patterns,
  record,
  recordHostile,
  replay,
  Sender,
} from "../../support/sack_patterns.ts";

/** Mappings in flight: 35 MB in segments of 1460 bytes, 280 ms at 1 Gbit/s. */
const CHUNKS = 12_000;

describe("steps of the scoreboard for an ACK, 12,000 mappings in flight", () => {
  for (const [name, pattern] of Object.entries(patterns(CHUNKS))) {
    it(`are at most 16 on average: ${name}`, () => {
      const { board, acks } = replay(record(pattern), new Scoreboard(0));
      assert(board.steps <= 16 * acks, `${board.steps / acks}`);
      assert(board.empty);
    });
  }

  for (
    const [name, chunk, byte] of [
      ["segments", 2, false],
      ["bytes", 2, true],
      ["bytes in super-segments", 44, true],
    ] as const
  ) {
    it(`are at most 100 for a block of a hostile peer: 10,000 ${name}`, () => {
      const operations = recordHostile(Math.floor(2 * CHUNKS / chunk), chunk, byte);
      const { worstBlock } = replay(operations, new Scoreboard(0));
      assert(worstBlock <= 100, `${worstBlock}`);
    });
  }
});

describe("what an honest peer reports", () => {
  const worst: Pattern = {
    window: 600,
    chunk: 44,
    total: 4000,
    lost: (index, random) => index % 2 === 0 || random() < 0.1,
  };
  for (
    const [name, pattern] of Object.entries({ ...patterns(CHUNKS), "every second lost": worst })
  ) {
    it(`is SACKed to the byte: ${name}`, () => {
      const sender = new Sender(new Scoreboard(0));
      for (const operation of record(pattern)) {
        sender.play(operation);
        if (operation.kind === "ack") assert(sender.board.sacked === operation.held);
      }
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
