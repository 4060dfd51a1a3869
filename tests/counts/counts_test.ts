/** What a packet costs, counted rather than timed: the same on every machine. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { core } from "../../wasm/core.ts";
import {
  countAcknowledgements,
  countCrossings,
  countGarbage,
  countIdle,
  COUNTING_MODULE,
  countScavenges,
  type IdleFigures,
  type Load,
  table,
  total,
} from "./count.ts";
import { ACKNOWLEDGEMENT_LIMIT, IDLE_LIMITS, LIMITS } from "./limits.ts";

describe("garbage", () => {
  const counted = new Map<Load, number>();
  for (const [load, limit] of LIMITS.garbage) {
    it(`is at most ${limit} bytes per packet: ${load}`, async () => {
      const bytes = await countGarbage(load);
      counted.set(load, bytes);
      assert(bytes <= limit, `${bytes.toFixed(1)} bytes per packet, ${load}`);
      assert(bytes >= 0, `${bytes.toFixed(1)} bytes per packet: something was collected`);
    });
  }

  it("that somebody makes for each packet is counted", async () => {
    // An array of eight: 4 + 2 + 8 words of 8 bytes.
    const usual = counted.get("bulk") ?? await countGarbage("bulk");
    const more = await countGarbage("control") - usual;
    assert(more > 100 && more < 130, `${more.toFixed(1)} bytes per packet more`);
  });
});

describe("the young generation", () => {
  it("is collected at most once for 100,000 packets, both ways", async () => {
    const scavenges = await countScavenges("bulk");
    assert(scavenges <= 1, `${scavenges.toFixed(2)} scavenges per 100,000 packets`);
    assert(await countScavenges("control") > 1);
  });
});

describe("the garbage of a congestion control", () => {
  it(`is at most ${ACKNOWLEDGEMENT_LIMIT} bytes per acknowledgement in each of them`, async () => {
    const figures = await countAcknowledgements();
    assert(figures.size >= 14, `${[...figures.keys()]}`);
    for (const [name, bytes] of figures) {
      const text = `${bytes.toFixed(1)} bytes per acknowledgement, ${name}`;
      // It makes an array of eight places: 4 + 2 + 8 words of 8 bytes.
      if (name === "control") assert(bytes > 100 && bytes < 140, text);
      else assert(bytes >= 0 && bytes <= ACKNOWLEDGEMENT_LIMIT, text);
    }
  });
});

describe("an idle connection with two subflows", () => {
  let idle: IdleFigures | null = null;

  for (const what of ["idle", "used"] as const) {
    const limit = IDLE_LIMITS[what];
    it(`holds at most ${limit} bytes an end${what === "used" ? " that has carried data" : ""}, and leaves nothing`, async () => {
      const figures = await countIdle(what);
      if (what === "idle") idle = figures;
      const { held, heldWasm, left } = figures;
      assert(held <= limit, `${held.toFixed(0)} bytes an end`);
      // Two streams and two keys of flows at least.
      assert(heldWasm > 300 && held > heldWasm + 1000, JSON.stringify(figures));
      assert(left <= IDLE_LIMITS.left, `${left.toFixed(0)} bytes an end are left`);
    });
  }

  it("is weighed with all that it has", async () => {
    // An array of eight, and a place to stand in: 4 + 2 + 8 + 1 words of 8 bytes.
    const more = (await countIdle("control")).held - (idle ?? await countIdle("idle")).held;
    assert(more > 100 && more < 150, `${more.toFixed(0)} bytes an end more`);
  });
});

describe("calls into WebAssembly", () => {
  for (const [load, limit] of LIMITS.crossings) {
    it(`are at most ${limit} per packet: ${load}`, async () => {
      const calls = await countCrossings(load);
      const sum = total(calls);
      assert(sum <= limit, `${sum.toFixed(2)} calls per packet, ${load}:\n${table(calls)}`);
      // What cannot be less: a packet is built and parsed.
      assert(sum >= 2, `${sum.toFixed(2)} calls per packet:\n${table(calls)}`);
    });
  }

  it("are counted for every function that the module has", async () => {
    const { core: counting } = await import(
      `data:text/javascript,${encodeURIComponent(COUNTING_MODULE)}`
    );
    const { wasmCalls: calls } = globalThis as { wasmCalls?: Record<string, number> };
    const functions = Object.keys(core).filter((name) => name !== "memory");
    assertEquals(Object.keys(counting).sort(), Object.keys(core).sort());
    assertEquals(Object.keys(calls ?? {}).sort(), functions.sort());
    counting.sum(0, 0);
    assertEquals(calls?.sum, 1);
  });
});
