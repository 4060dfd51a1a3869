/**
 * What an ACK costs the sender's scoreboard with 12,000 mappings in flight, and with 12, while 1 % is lost: the ring of chunks against the list
 * walked from its head (`deno bench bench/scoreboard_bench.ts`). One iteration is 10,000 ACKs and what is sent between them, so the times stand to
 * one another as those of one ACK; 12,000 should cost the ring at most three times what 12 do. No page is pinned: that is the same for all.
 */

import { Scoreboard } from "../core/subflow/scoreboard.ts";
import { type Board, InFlightList } from "../tests/reference/in_flight_list.ts";
import { type Operation, record, replay } from "../tests/support/sack_patterns.ts";

const ACKS = 10_000;

/** What comes until the first ACK, and from there on. */
function transfer(inFlight: number): readonly [Operation[], Operation[]] {
  const operations = record({
    window: 2 * inFlight,
    chunk: 2,
    total: 2 * ACKS + 2 * inFlight,
    lost: (_, random) => random() < 0.01,
  });
  const ack = operations.flatMap(({ kind }, i) => kind === "ack" ? [i] : []);
  return [operations.slice(0, ack[0]), operations.slice(ack[0], ack[ACKS])];
}

function bench(name: string, inFlight: number, make: () => Board, rare: boolean): void {
  const [begin, rest] = transfer(inFlight);
  Deno.bench({
    name: `${name}, ${inFlight} mappings in flight`,
    group: `${ACKS} ACKs, 1 % lost`,
    baseline: name === "ring of chunks" && inFlight === 12,
    ...(rare ? { n: 1, warmup: 0 } : {}),
    fn(context) {
      const sender = replay(begin, make());
      context.start();
      for (const operation of rest) sender.play(operation);
      context.end();
    },
  });
}

const ring = (): Board => new Scoreboard(0);
const list = (): Board => new InFlightList(0);
bench("ring of chunks", 12, ring, false);
bench("ring of chunks", 12_000, ring, false);
bench("list", 12, list, false);
bench("list", 12_000, list, true);
