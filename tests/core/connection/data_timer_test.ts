import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  CONNECTION_TIMERS,
  DataTimer,
  TIMER_CLOSE,
  TIMER_DATA,
  TIMER_PERSIST,
  TIMER_UNMAPPED,
  TIMER_WAKE,
} from "../../../core/connection/data_timer.ts";

const WAIT = 300e3;

describe("the waits of the data level", () => {
  it("are the longest timeout among the subflows, or a second where none has told one", () => {
    const timer = new DataTimer();
    assertEquals([timer.retransmission(WAIT), timer.probe(WAIT)], [WAIT, WAIT]);
    assertEquals([timer.retransmission(0), timer.probe(0)], [1e6, 1e6]);
  });

  it("double each time, up to 60 s", () => {
    const timer = new DataTimer();
    const waits = Array.from({ length: 9 }, () => {
      const wait = timer.retransmission(WAIT);
      timer.repeated();
      return wait / WAIT;
    });
    assertEquals(waits, [1, 2, 4, 8, 16, 32, 64, 128, 200]);
  });

  it("double each for itself: a DATA_ACK ends one, a window that opens the other", () => {
    const timer = new DataTimer();
    const waits = (): number[] => [timer.retransmission(WAIT) / WAIT, timer.probe(WAIT) / WAIT];
    timer.repeated();
    timer.probed();
    timer.probed();
    assertEquals(waits(), [2, 4]);
    timer.acknowledged();
    assertEquals(waits(), [1, 4]);
    timer.repeated();
    timer.opened();
    assertEquals(waits(), [2, 1]);
  });
});

describe("the deadlines of a connection", () => {
  it("have a name each, in the order in which those due at once are handled", () => {
    const names = [TIMER_CLOSE, TIMER_WAKE, TIMER_UNMAPPED, TIMER_PERSIST, TIMER_DATA];
    assertEquals(names, Array.from({ length: CONNECTION_TIMERS }, (_, i) => i));
  });
});
