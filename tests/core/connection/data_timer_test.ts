import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  CONNECTION_TIMERS,
  type ConnectionTimer,
  DataTimer,
  TIMER_ASK,
  TIMER_CLOSE,
  TIMER_DATA,
  TIMER_FAIL,
  TIMER_HOLD,
  TIMER_PERSIST,
  TIMER_PROGRESS,
  TIMER_RACE,
  TIMER_RELIEF,
  TIMER_UNMAPPED,
  TIMER_USER,
  TIMER_WAKE,
} from "../../../core/connection/data_timer.ts";
import { Deadlines } from "../../../core/subflow/deadlines.ts";
import { established } from "../../support/parts.ts";

/** The waits that `timer` sets, in timeouts of a subflow; `none`: there is no subflow, in seconds. */
function waits(timer: DataTimer, none = false): [data: number, window: number] {
  const { subflow } = established();
  const deadlines = new Deadlines<ConnectionTimer>(CONNECTION_TIMERS);
  const subflows = none ? [] : [subflow];
  const unit = none ? 1e6 : subflow.sender.rtt.base;
  timer.awaitDataAck(deadlines, subflows, 5);
  timer.awaitWindow(deadlines, subflows, 5);
  return [(deadlines.at(TIMER_DATA) - 5) / unit, (deadlines.at(TIMER_PERSIST) - 5) / unit];
}

describe("the waits of the data level", () => {
  it("are the longest timeout among the subflows, or a second where there is none", () => {
    const timer = new DataTimer();
    assertEquals(waits(timer), [1, 1]);
    assertEquals(waits(timer, true), [1, 1]);
  });

  it("double each time, up to 60 s", () => {
    const timer = new DataTimer();
    const seconds = Array.from({ length: 8 }, () => {
      const [wait] = waits(timer, true);
      timer.repeated();
      return wait;
    });
    assertEquals(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it("begin for a DATA_FIN when it leaves, and leave a round trip at least for its DATA_ACK (RFC 8684 §3.3.3)", () => {
    const { subflow } = established();
    const { estimate, srtt } = subflow.sender.rtt;
    const deadlines = new Deadlines<ConnectionTimer>(CONNECTION_TIMERS);
    const timer = new DataTimer();
    timer.finSent(5);
    const due = (now: number): number => {
      timer.awaitFinAck(deadlines, [subflow], now);
      return deadlines.at(TIMER_DATA);
    };
    assertEquals([due(5), due(15), due(5 + estimate)], [
      5 + estimate,
      5 + estimate,
      5 + estimate + srtt,
    ]);
    timer.repeated();
    assertEquals(due(5), 5 + 2 * estimate);
    timer.awaitFinAck(deadlines, [], 5);
    assertEquals(deadlines.at(TIMER_DATA), 5 + 2e6);
  });

  it("double each for itself: a DATA_ACK ends one, a window that opens the other", () => {
    const timer = new DataTimer();
    timer.repeated();
    timer.probed();
    timer.probed();
    assertEquals(waits(timer), [2, 4]);
    timer.acknowledged();
    assertEquals(waits(timer), [1, 4]);
    timer.repeated();
    timer.opened();
    assertEquals(waits(timer), [2, 1]);
  });
});

describe("the deadlines of a connection", () => {
  it("have a name each, in the order in which those due at once are handled", () => {
    const names = [
      TIMER_CLOSE,
      TIMER_WAKE,
      TIMER_UNMAPPED,
      TIMER_PERSIST,
      TIMER_DATA,
      TIMER_PROGRESS,
      TIMER_USER,
      TIMER_HOLD,
      TIMER_FAIL,
      TIMER_RACE,
      TIMER_RELIEF,
      TIMER_ASK,
    ];
    assertEquals(names, Array.from({ length: CONNECTION_TIMERS }, (_, i) => i));
  });
});
