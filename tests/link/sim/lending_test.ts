/** A link on which nothing happens to packets leaves their payload where the sender has it. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { delay } from "../../../core/link/sim/elements/delay.ts";
import type { SimHost } from "../../../core/link/sim/host.ts";
import type { LinkOptions } from "../../../core/link/sim/link.ts";
import { Network } from "../../../core/link/sim/network.ts";
import type { Link } from "../../../core/host/link.ts";
import type { PacketIn } from "../../../core/wire/packet.ts";
import { PAGE } from "../../../wasm/layout.ts";
import {
  host_free,
  host_new,
  memory_alloc,
  memory_free,
  stream_append,
  stream_free,
  stream_new,
  u8,
} from "../../../wasm/mod.ts";
import { cutPacket } from "../../support/packets.ts";
import { ipPacket, RecordingStack } from "../../support/sim.ts";

const HEADERS = 40;
const PAYLOAD = 1460;

/** A stack that takes payload wherever it is. */
class TakingStack extends RecordingStack {
  readonly takesLanded: boolean;
  /** How many packets had theirs apart. */
  apart = 0;
  /** The payload of each. */
  readonly payloads: Uint8Array[] = [];

  constructor(takesLanded = true) {
    super();
    this.takesLanded = takesLanded;
  }

  override handlePacket(_now: number, _link: Link, packet: Readonly<PacketIn>): void {
    const { address, length, payload = 0 } = packet;
    if (payload !== 0) this.apart++;
    const at = payload === 0 ? address + HEADERS : payload;
    this.payloads.push(u8.slice(at, at + length - HEADERS));
  }
}

/** Bytes of a stream, in pages of their own, and packets with parts of them. */
class Sender implements Disposable {
  readonly #host = host_new(1, 2);
  readonly #header = memory_alloc(256) + 16;
  #stream = 0;
  page = 0;

  /** Fills a page. */
  fill(mark: number): number {
    this.#stream = stream_new(this.#host, 0);
    this.page = stream_append(this.#stream, PAGE);
    u8.fill(mark, this.page, this.page + PAGE);
    return this.page;
  }

  /** Gives the page back. */
  free(): void {
    stream_free(this.#stream);
  }

  /** Sends a packet with the bytes of the page from `at` on; the last `apart` of them in a second piece. */
  send(link: Link, at: number, paged = true, apart = 0): void {
    u8.set(ipPacket("10.0.0.1", "10.0.0.2", HEADERS + PAYLOAD).subarray(0, HEADERS), this.#header);
    // A TCP header without options.
    u8[this.#header + 32] = 5 << 4;
    const a = this.page + at;
    const packet = cutPacket(this.#header, HEADERS, []);
    const aLength = PAYLOAD - apart;
    link.send({ ...packet, a, aLength, b: a + aLength, bLength: apart, paged });
  }

  [Symbol.dispose](): void {
    host_free(this.#host);
    memory_free(this.#header - 16);
  }
}

/** Two hosts and a link between them. */
function meet(
  options: LinkOptions = {},
  stack = new TakingStack(),
  traced = false,
): {
  network: Network;
  link: Link;
  end: Link;
  b: SimHost;
  stack: TakingStack;
  cut: () => void;
} {
  const network = new Network(traced ? { trace: () => {} } : {});
  const [a, b] = [network.host("a"), network.host("b")];
  const link = network.link("link", a, b, options);
  link.end(a).attach(a);
  link.end(b).attach(b);
  a.start(new RecordingStack());
  b.start(stack);
  return { network, link: link.end(a), end: link.end(b), b, stack, cut: () => link.cut() };
}

describe("a link on which nothing happens", () => {
  for (const takes of [true, false]) {
    it(`gives payload back where a stack throws that takes it ${takes ? "there" : "behind headers"}`, () => {
      using sender = new Sender();
      const { network, link, b } = meet();
      const page = sender.fill(1);
      sender.send(link, 100);
      sender.free();
      class Broken extends RecordingStack {
        readonly takesLanded = takes;
        override handlePacket(): void {
          throw new Error("broken");
        }
      }
      b.start(new Broken());
      assertThrows(
        () => {
          while (network.step());
        },
        Error,
        "broken",
      );
      using other = new Sender();
      assertEquals(other.fill(2), page);
    });
  }

  it("leaves payload on its page, which nobody else gets before it has come", () => {
    using sender = new Sender();
    const { network, link, stack } = meet();
    const page = sender.fill(1);
    sender.send(link, 100);
    sender.send(link, 100 + PAYLOAD);
    // As when a connection ends at once.
    sender.free();
    using other = new Sender();
    for (let i = 0; i < 4; i++) {
      other.fill(2);
      assertEquals(other.page === page, false);
    }
    while (network.step());
    assertEquals(stack.apart, 2);
    assertEquals(stack.payloads, [
      new Uint8Array(PAYLOAD).fill(1),
      new Uint8Array(PAYLOAD).fill(1),
    ]);
    // It is the one that was freed last.
    assertEquals(other.fill(3), page);
  });

  it("gives the page back of what is lost in a cut, or never comes as the network ends", () => {
    using sender = new Sender();
    for (const end of ["cut", "close"]) {
      const { network, link, stack, cut } = meet();
      const page = sender.fill(1);
      if (end === "cut") cut();
      sender.send(link, 0);
      sender.free();
      if (end === "close") network.close();
      while (network.step());
      assertEquals(stack.payloads, []);
      assertEquals(sender.fill(2), page, end);
      sender.free();
    }
  });

  for (
    const [who, change] of [
      ["another stack", ({ b }, stack) => {
        b.stop();
        b.start(stack);
      }],
      ["another host", ({ network, end }, stack) => {
        const other = network.host("other");
        other.start(stack);
        end.attach(other);
      }],
    ] satisfies readonly (readonly [
      string,
      (at: ReturnType<typeof meet>, stack: TakingStack) => void,
    ])[]
  ) {
    it(`hands payload behind its headers to ${who} that has come meanwhile and looks for it there`, () => {
      using sender = new Sender();
      const at = meet();
      const page = sender.fill(1);
      sender.send(at.link, 10);
      const stack = new TakingStack(false);
      change(at, stack);
      sender.free();
      while (at.network.step());
      assertEquals(stack.apart, 0);
      assertEquals(stack.payloads, [new Uint8Array(PAYLOAD).fill(1)]);
      assertEquals(at.stack.payloads, []);
      assertEquals(sender.fill(2), page);
      sender.free();
    });
  }

  it("gives the page back where its host drives no stack any more, or its stack is another that takes it", () => {
    using sender = new Sender();
    for (const next of [null, new TakingStack()]) {
      const { network, link, stack, b } = meet();
      const page = sender.fill(1);
      sender.send(link, 10);
      b.stop();
      if (next !== null) b.start(next);
      sender.free();
      while (network.step());
      assertEquals([stack.payloads.length, next?.apart ?? 0], [0, next === null ? 0 : 1]);
      if (next !== null) assertEquals(next.payloads, [new Uint8Array(PAYLOAD).fill(1)]);
      assertEquals(sender.fill(2), page);
      sender.free();
    }
  });

  for (
    const [why, make, paged, apart] of [
      ["something happens to it on its way", () => meet({ elements: [delay("1 ms")] }), true, 0],
      ["somebody watches packets", () => meet({}, new TakingStack(), true), true, 0],
      ["checksums are looked at", () => meet({ checksums: true }), true, 0],
      ["the host does not take it", () => meet({}, new TakingStack(false)), true, 0],
      ["it is on no page", () => meet(), false, 0],
      ["it is in two pieces", () => meet(), true, 500],
    ] as const
  ) {
    it(`copies payload where ${why}`, () => {
      using sender = new Sender();
      const { network, link, stack } = make();
      const page = sender.fill(1);
      sender.send(link, 10, paged, apart);
      sender.free();
      using other = new Sender();
      assertEquals(other.fill(2), page);
      while (network.step());
      assertEquals(stack.apart, 0);
      assertEquals(stack.payloads, [new Uint8Array(PAYLOAD).fill(1)]);
    });
  }
});
