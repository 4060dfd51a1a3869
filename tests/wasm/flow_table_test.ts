import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import * as layout from "../../wasm/layout.ts";
import {
  flow_hash,
  flow_insert,
  flow_remove,
  flow_secret,
  host_free,
  host_new,
  host_secret,
  host_usage,
  memory_alloc,
  packet_parse,
  u16,
  u32,
  u8,
} from "../../wasm/mod.ts";
import { type FlowKey, FlowTable } from "../reference/flow_table.ts";
import { sipHash } from "../reference/sip_hash.ts";
import * as fc from "../support/property.ts";

const record = memory_alloc(layout.KEY_SIZE);

function write(key: FlowKey): number {
  // Only what belongs to the key counts: not the template's other fields, nor what follows an IPv4 address.
  u8.fill(key.localPort & 255, record, record + layout.KEY_SIZE);
  u32[(record + layout.KEY_FAMILY) >> 2] = key.family;
  u16[(record + layout.KEY_LOCAL_PORT) >> 1] = key.localPort;
  u16[(record + layout.KEY_REMOTE_PORT) >> 1] = key.remotePort;
  u8.set(key.local, record + layout.KEY_LOCAL);
  u8.set(key.remote, record + layout.KEY_REMOTE);
  return record;
}

const packet = memory_alloc(60);

/** Has `host` parse a packet of the flow, by default a bare TCP segment; what stands in RX_FLOW then. */
function arrive(host: number, key: FlowKey, protocol = 6): number {
  const four = key.family === 4;
  const tcp = packet + (four ? 20 : 40);
  const size = tcp + 20 - packet;
  u8.fill(0, packet, packet + size);
  u8[packet] = four ? 0x45 : 0x60;
  u8[packet + (four ? 3 : 5)] = four ? size : 20;
  u8[packet + (four ? 9 : 6)] = protocol;
  u8.set(key.remote, packet + (four ? 12 : 8));
  u8.set(key.local, packet + (four ? 16 : 24));
  u8.set([key.remotePort >> 8, key.remotePort, key.localPort >> 8, key.localPort], tcp);
  u8[tcp + 12] = 0x50;
  assertEquals(packet_parse(host, packet, size, 1), layout.PARSE_OK);
  return u32[layout.RX_FLOW]!;
}

function flow(number: number, family = 4): FlowKey {
  const local = new Uint8Array(family === 4 ? 4 : 16).fill(10);
  const remote = local.slice();
  remote[remote.length - 1] = number >> 16;
  return { family, local, remote, localPort: 80, remotePort: number & 0xffff };
}

// Few values, so that keys differ in one member only and come again.
const address = (family: number) =>
  fc.nat(2).map((last) => {
    const bytes = new Uint8Array(family === 4 ? 4 : 16);
    bytes[bytes.length - 1] = last;
    return bytes;
  });
const keys: fc.Arbitrary<FlowKey> = fc.constantFrom(4, 6).chain((family) =>
  fc.record({
    family: fc.constant(family),
    local: address(family),
    remote: address(family),
    localPort: fc.constantFrom(1, 0x100, 0xffff),
    remotePort: fc.nat(5),
  })
);
const moves = fc.array(
  fc.tuple(
    fc.constantFrom("insert", "insert", "remove", "find"),
    keys,
    fc.integer({ min: 1, max: 99 }),
  ),
  { maxLength: 300 },
);

describe("flow table", () => {
  it("does what a map does", () => {
    fc.assert(fc.property(fc.nat(), moves, (secret, list) => {
      const host = host_new(secret, 7);
      const model = new FlowTable();
      for (const [what, key, value] of list) {
        if (what === "insert") {
          assertEquals(flow_insert(host, write(key), value), model.insert(key, value));
        } else if (what === "remove") {
          assertEquals(flow_remove(host, write(key)), model.remove(key));
        }
        assertEquals(arrive(host, key), model.find(key));
        assertEquals(host_usage(host, layout.USAGE_FLOWS), model.size);
      }
      host_free(host);
    }));
  });

  it("grows to many flows and shrinks to nothing", () => {
    const host = host_new(1, 2);
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      assertEquals(flow_insert(host, write(flow(i, 4 + i % 2 * 2)), i + 1), 1);
    }
    for (let i = 0; i < count; i++) {
      assertEquals(arrive(host, flow(i, 4 + i % 2 * 2)), i + 1);
      assertEquals(arrive(host, flow(i, 6 - i % 2 * 2)), 0);
    }
    const full = host_usage(host, layout.USAGE_BYTES);
    for (let i = 0; i < count; i++) {
      assertEquals(flow_remove(host, write(flow(i, 4 + i % 2 * 2))), 1);
      if (i === 19_500) assertEquals(host_usage(host, layout.USAGE_BYTES) < full / 4, true);
    }
    assertEquals(host_usage(host, layout.USAGE_BYTES), 0);
    host_free(host);
  });

  it("keeps hosts apart", () => {
    const [a, b] = [host_new(1, 2), host_new(1, 2)];
    flow_insert(a, write(flow(5)), 11);
    assertEquals([a, b, 0].map((host) => arrive(host, flow(5))), [11, 0, 0]);
    arrive(a, flow(5));
    host_free(a);
    assertEquals(arrive(a, flow(5)), 0);
    assertEquals(flow_insert(a, write(flow(5)), 1), 0);
    host_free(b);
  });

  it("has no flow for ICMP, whatever was parsed before", () => {
    const host = host_new(1, 2);
    for (const [family, icmp] of [[4, 1], [6, 58]] as const) {
      flow_insert(host, write(flow(5, family)), 11);
      assertEquals(arrive(host, flow(5, family)), 11);
      assertEquals(arrive(host, flow(5, family), icmp), 0);
    }
    host_free(host);
  });

  it("refuses value 0, which is the answer for none", () => {
    const host = host_new(1, 2);
    assertEquals(flow_insert(host, write(flow(5)), 0), 0);
    assertEquals(host_usage(host, layout.USAGE_FLOWS), 0);
    host_free(host);
  });
});

describe("what follows from a flow and a secret", () => {
  /** The words of a key: ports and family, then the addresses, of IPv4 both in one. */
  function words(key: FlowKey, purpose: number): bigint[] {
    const first = BigInt(purpose) << 60n | BigInt(key.family) << 32n |
      BigInt(key.remotePort) << 16n | BigInt(key.localPort);
    const [local, remote] = [key.local, key.remote].map((bytes) => new DataView(bytes.buffer));
    if (key.family === 4) {
      return [first, BigInt(remote!.getUint32(0, true)) << 32n | BigInt(local!.getUint32(0, true))];
    }
    return [first, ...[local!, remote!].flatMap((v) => [0, 8].map((i) => v.getBigUint64(i, true)))];
  }

  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

  it("is SipHash-1-3 of it, and of a word more for each purpose", () => {
    fc.assert(fc.property(
      keys,
      fc.tuple(word, word, word, word),
      fc.nat(15),
      word,
      word,
      (key, [a, b, c, d], purpose, high, low) => {
        const host = host_new(1, 2);
        host_secret(host, a, b, c, d);
        const two = (high: number, low: number): bigint =>
          BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
        const list = words(key, purpose);
        if (purpose > 0) list.push(two(high, low));
        const lower = purpose === 0
          ? flow_secret(host, write(key))
          : flow_hash(host, write(key), purpose, high, low);
        const secrets = [two(b, a), two(d, c)] as const;
        assertEquals(two(u32[layout.OUT_0]!, lower), sipHash(1, 3, ...secrets, list));
        host_free(host);
      },
    ));
  });
});
