import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Silence } from "../../../core/subflow/silence.ts";

describe("the silence of a subflow", () => {
  it("begins with a timeout, and is counted in timeouts without back-off", () => {
    const silence = new Silence();
    assertEquals([silence.on, silence.until(4)], [false, Infinity]);
    silence.timedOut(250e3, 1e6);
    silence.timedOut(500e3, 1.5e6);
    assertEquals([silence.on, silence.stale], [true, false]);
    assertEquals([1, 2, 4].map((count) => silence.until(count)), [1e6, 1.25e6, 1.75e6]);
  });

  it("is not counted in timeouts of a few milliseconds", () => {
    const silence = new Silence();
    silence.timedOut(5e3, 1e6);
    assertEquals([1, 4].map((count) => silence.until(count)), [1e6, 1.15e6]);
    silence.answered(true, 5e3, 2e6);
    assertEquals(silence.until(4), 2.2e6);
  });

  it("ends with an answer, also when it was given up", () => {
    const silence = new Silence();
    silence.timedOut(250e3, 1e6);
    silence.answered(false, 250e3, 2e6);
    assertEquals(silence.on, false);
    silence.timedOut(250e3, 3e6);
    silence.giveUp();
    assertEquals([silence.on, silence.stale, silence.until(4)], [true, true, Infinity]);
    silence.answered(false, 250e3, 4e6);
    assertEquals([silence.on, silence.stale], [false, false]);
  });

  it("is looked out for without another timeout while what it lost is repaired, each second at least", () => {
    const silence = new Silence();
    silence.timedOut(5e6, 5e6);
    silence.giveUp();
    silence.answered(true, 5e6, 60e6);
    assertEquals([silence.on, silence.stale], [true, false]);
    assertEquals(silence.until(4), 63.6e6);
    silence.answered(true, 200e3, 61e6);
    assertEquals(silence.until(4), 61.8e6);
  });

  it("has what is given up asked within a second of what left last", () => {
    assertEquals(new Silence().askAt(7e6), 7.9e6);
  });
});
