import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { writeKey } from "../../../core/host/flow_key.ts";
import { seededRandom } from "../../../core/host/random.ts";
import { Stack } from "../../../core/host/stack.ts";
import { parseAddress } from "../../../core/wire/ip.ts";
import { memory_free } from "../../../wasm/mod.ts";
import { reno } from "../../../cc/mod.ts";
import { passive } from "../../../pm/mod.ts";
import { minRtt } from "../../../sched/mod.ts";

const policies = { scheduler: minRtt(), pathManager: passive(), congestionControl: reno() };

function numbers(
  seed: number,
  now: number,
  [local, localPort, remote, remotePort]: readonly [string, number, string, number],
): readonly [number, number] {
  const stack = new Stack({ policies, fallbacks: policies, random: seededRandom(seed) });
  stack.now = now;
  const key = writeKey(parseAddress(local)!, localPort, parseAddress(remote)!, remotePort, 0);
  const { iss, timestampOffset } = stack.flowNumbers(key);
  memory_free(key);
  stack.free();
  return [iss, timestampOffset];
}

describe("the numbers that a flow begins with", () => {
  const FLOW = ["10.0.0.1", 5000, "10.0.0.2", 80] as const;
  const [iss, offset] = numbers(1, 0, FLOW);

  it("are the same for the same ends, but that the clock of 4 us goes on (RFC 6528 §3)", () => {
    assertEquals(numbers(1, 0, FLOW), [iss, offset]);
    assertEquals(numbers(1, 4e6, FLOW), [(iss + 1e6) % 2 ** 32, offset]);
    // Half round, and more than all round.
    assertEquals(numbers(1, 4 * 2 ** 31, FLOW)[0], (iss + 2 ** 31) % 2 ** 32);
    assertEquals(numbers(1, 4 * (2 ** 40 + 7), FLOW)[0], (iss + 7) % 2 ** 32);
  });

  it("tell nothing of those of any other ends, nor of the host's secret", () => {
    const others = [
      numbers(2, 0, FLOW),
      numbers(1, 0, ["10.0.0.3", 5000, "10.0.0.2", 80]),
      numbers(1, 0, ["10.0.0.1", 5001, "10.0.0.2", 80]),
      numbers(1, 0, ["10.0.0.1", 5000, "10.0.0.3", 80]),
      numbers(1, 0, ["10.0.0.1", 5000, "10.0.0.2", 81]),
      numbers(1, 0, ["fd00::1", 5000, "fd00::2", 80]),
    ];
    for (const [i, [otherIss, otherOffset]] of others.entries()) {
      assertNotEquals([otherIss, otherOffset], [iss, offset], `${i}`);
      // Not even most bits of one.
      assert(bits(otherIss ^ iss) > 5 && bits(otherOffset ^ offset) > 5, `${i}`);
    }
    assert(bits(iss ^ offset) > 5);
  });
});

function bits(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest &= rest - 1) count++;
  return count;
}
