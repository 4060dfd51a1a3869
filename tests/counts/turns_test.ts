/** What an emulated packet sets in motion, counted: events of the clock, turns of stacks, passes of connections. */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DUMBBELL } from "../../bench/emulator.ts";
import { reno } from "../../cc/mod.ts";
import { MetaSocket } from "../../core/connection/meta_socket.ts";
import { Stack } from "../../core/host/stack.ts";
import { Clock } from "../../core/link/clock.ts";
import { measure } from "../../sim/mod.ts";

/** Each is called once for what it stands for. */
const COUNTED = {
  event: [Clock.prototype, "step"],
  packet: [Stack.prototype, "handlePacket"],
  timeout: [Stack.prototype, "handleTimeout"],
  flush: [Stack.prototype, "flush"],
  pass: [MetaSocket.prototype, "passing"],
} as const;

type Counts = Readonly<Record<keyof typeof COUNTED, number>>;

/** How often each is called while `work` runs. */
function counted(work: () => void): Counts {
  const counts: Record<string, number> = {};
  const before = Object.entries(COUNTED).map(([name, [owner, method]]) => {
    const methods = owner as unknown as Record<string, (...values: unknown[]) => unknown>;
    const original = methods[method]!;
    counts[name] = 0;
    methods[method] = function (this: unknown, ...values: unknown[]): unknown {
      counts[name]!++;
      return original.apply(this, values);
    };
    return () => methods[method] = original;
  });
  try {
    work();
  } finally {
    for (const restore of before) restore();
  }
  return counts as Counts;
}

describe("ten flows over one bottleneck", () => {
  let packets = 0;
  const { event, packet, timeout, flush, pass } = counted(() => {
    const { links } = measure({ ...DUMBBELL, duration: "5 s" }, { congestionControl: reno() });
    packets = links.bottleneck!.forward.delivered;
  });

  it("have two events of the clock for each packet, its acknowledgements and timers beside", () => {
    assert(event >= 2 * packets && event <= 3.5 * packets, `${event / packets}`);
  });

  it("have one flush for each packet and timer, and none besides", () => {
    assert(packet >= packets && flush >= packets, `${packet / packets} ${flush / packets}`);
    assert(flush <= 1.01 * (packet + timeout), `${flush / packets}`);
  });

  it("have one pass for each flush", () => {
    assert(pass >= packets && pass <= 1.05 * flush, `${pass / flush}`);
  });
});
