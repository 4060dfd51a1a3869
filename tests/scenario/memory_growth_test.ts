/** WebAssembly memory that grows in the middle of things: views and addresses stay good. */

import "../support/growing_memory.ts";
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory_reserve, u8 } from "../../wasm/mod.ts";
import { filter } from "../../core/link/sim/elements/filter.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { Topology } from "../support/topology.ts";

/** Grows the memory by one page at least, as an allocation in the middle of a call would. */
function grow(): void {
  const before = u8.length;
  memory_reserve(65536);
  assert(u8.length > before, "the memory has not grown");
}

describe("memory that grows", () => {
  it("inside a packet's way, a read and a write changes nothing", () => {
    let events = 0;
    const growing = filter(() => {
      // Within a send, with the header and the payload's addresses in hand.
      if (++events % 400 === 0) grow();
      return true;
    });
    const path = { rate: "50 Mbit/s", delay: "5 ms", elements: [growing] } as const;
    using t = new Topology({ paths: { a: { ...path, loss: 0.01 }, b: path } });
    const pair = t.connect({
      bytes: 1e6,
      writes: () => {
        if (++events % 50 === 0) grow();
        return 30000;
      },
      reads: () => {
        if (++events % 50 === 0) grow();
        return 20000;
      },
    }, { bytes: 1e6 });
    const original = pair.client.socket.write;
    let calls = 0;
    pair.client.socket.write = function (this: MetaSocket, now, source, from) {
      if (++calls % 3 === 0) grow();
      return original.call(this, now, source, from);
    };
    t.complete(pair, 10);
    assert(calls > 10);
  });

  it("as the packet that is handled lies in it", () => {
    using t = new Topology({ paths: { a: { rate: "50 Mbit/s", delay: "5 ms" } } });
    const handle = t.server.handlePacket;
    let packets = 0;
    t.server.handlePacket = function (...args) {
      if (++packets % 50 === 0) grow();
      handle.apply(this, args);
    };
    t.complete(t.connect({ bytes: 3e5 }, { bytes: 3e5 }), 5);
    assertEquals(packets > 200, true);
  });
});
