/** What a connection waits for, as passes leave it. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  TIMER_CLOSE,
  TIMER_DATA,
  TIMER_HOLD,
  TIMER_PERSIST,
  TIMER_USER,
} from "../../../core/connection/data_timer.ts";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import { HOLD_LENGTH } from "../../../core/connection/holding.ts";
import { CLOSED_PATIENCE, USER_TIMEOUT } from "../../../core/connection/patience.ts";
import { armClose, armDataTimer, armWaits, givenUpAt } from "../../../core/connection/waits.ts";
import { connection, joinedBy } from "../../support/connections.ts";

const PIECE = new Uint8Array(100);

/** Which of the waits of a pass there are. */
function waits({ deadlines }: MetaSocket): string[] {
  const all = [
    ["persist", TIMER_PERSIST],
    ["hold", TIMER_HOLD],
    ["user", TIMER_USER],
    ["data", TIMER_DATA],
  ] as const;
  return all.filter(([, timer]) => deadlines.has(timer)).map(([name]) => name);
}

describe("a connection waits", () => {
  it("for a window, and the peer, where the peer takes nothing; for neither once it does", () => {
    const { meta } = joinedBy();
    armWaits(meta, 0);
    assertEquals(waits(meta), []);
    meta.write(0, PIECE, 0);
    armWaits(meta, 10);
    assertEquals([waits(meta), givenUpAt(meta)], [["persist", "user"], 10 + USER_TIMEOUT]);
    const asked = meta.deadlines.at(TIMER_PERSIST);
    armWaits(meta, 20);
    assertEquals(meta.deadlines.at(TIMER_PERSIST), asked);
    meta.dataAcknowledged(1, 1001, 30);
    armWaits(meta, 30);
    assertEquals(waits(meta), []);
  });

  it("for nothing of the peer's before it is established", () => {
    const { meta } = connection();
    meta.write(0, PIECE, 0);
    armWaits(meta, 0);
    assertEquals(waits(meta), []);
  });

  it("with what is corked, so long and no longer, unless the cork is pulled", () => {
    const { meta } = joinedBy();
    meta.dataAcknowledged(1, 1001, 0);
    meta.write(0, PIECE, 0, true);
    armWaits(meta, 5);
    assertEquals([waits(meta), meta.deadlines.at(TIMER_HOLD)], [["hold"], 5 + HOLD_LENGTH]);
    meta.write(6, PIECE, 0);
    armWaits(meta, 6);
    assertEquals(waits(meta), []);
  });

  it("for a DATA_ACK of nothing that has not left", () => {
    const { meta } = joinedBy();
    meta.write(0, PIECE, 0);
    armDataTimer(meta, 0);
    assertEquals(waits(meta), []);
  });

  it("for its end once the application has closed it, as long as it is asked to, or a peer may take what was written", () => {
    const lone = connection();
    armClose(lone.meta, 0);
    assertEquals(lone.meta.deadlines.has(TIMER_CLOSE), false);
    const { meta } = joinedBy({ closeTimeout: 5e6 });
    assertEquals(meta.deadlines.at(TIMER_CLOSE), Infinity);
    meta.close(7);
    assertEquals(meta.deadlines.at(TIMER_CLOSE), 7 + CLOSED_PATIENCE);
  });
});
