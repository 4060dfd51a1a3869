import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import * as layout from "../../wasm/layout.ts";
import {
  flow_insert,
  flow_remove,
  header_build,
  header_next,
  host_free,
  host_new,
  memory_alloc,
  memory_free,
  packet_parse,
  u16,
  u32,
  u8,
} from "../../wasm/mod.ts";
import {
  build,
  type Dss,
  parse,
  type Parsed,
  type Segment,
  type Tcp,
} from "../reference/header.ts";
import * as fc from "../support/property.ts";
import { Scratch } from "./support.ts";

const scratch = new Scratch(70_000);
const key = memory_alloc(layout.KEY_SIZE);
const raw = memory_alloc(40);

/** What RX_* holds, in the reference's form; members that did not come are left out. */
function described(packet: number): Parsed {
  const family = u32[layout.RX_FAMILY]!;
  const address = (index: number) => u8.slice(index * 4, index * 4 + (family === 4 ? 4 : 16));
  const ip = {
    family,
    protocol: u32[layout.RX_PROTOCOL]!,
    ecn: u32[layout.RX_ECN]!,
    source: address(layout.RX_SOURCE),
    dest: address(layout.RX_DEST),
    transport: u32[layout.RX_TRANSPORT]! - packet,
    total: u32[layout.RX_TOTAL]!,
    payload: u32[layout.RX_PAYLOAD]! - packet,
  };
  assertEquals(u32[layout.RX_IP]!, packet);
  assertEquals(u32[layout.RX_LENGTH]!, ip.total - ip.payload);
  if (family === 4) {
    for (const index of [layout.RX_SOURCE, layout.RX_DEST]) {
      assertEquals([...u32.subarray(index + 1, index + 4)], [0, 0, 0]);
    }
  }
  if (ip.protocol !== 6) return ip;
  const options = u32[layout.RX_OPTIONS]!;
  const has = (option: number) => (options & option) !== 0;
  const flags = u32[layout.RX_DSS_FLAGS]!;
  const pair = (index: number, present: number): [number, number] =>
    (flags & present) === 0 ? [0, 0] : [u32[index]!, u32[index + 1]!];
  const mapped = (flags & layout.DSS_MAPPING) !== 0;
  const tcp: Tcp = {
    sourcePort: u32[layout.RX_SOURCE_PORT]!,
    destPort: u32[layout.RX_DEST_PORT]!,
    seq: u32[layout.RX_SEQ]!,
    ack: u32[layout.RX_ACK]!,
    flags: u32[layout.RX_FLAGS]!,
    window: u32[layout.RX_WINDOW]!,
    options,
    sack: Array.from({ length: u32[layout.RX_SACK_COUNT]! }, (_, i) => {
      const at = layout.RX_SACK + 2 * i;
      return [u32[at]!, u32[at + 1]!] as const;
    }),
    mptcp: Array.from(u32.subarray(layout.RX_MPTCP, layout.RX_MPTCP + 9))
      .map((at) => at === 0 ? undefined : at - packet),
    ...(has(layout.OPTION_MSS) && { mss: u32[layout.RX_MSS]! }),
    ...(has(layout.OPTION_WINDOW_SCALE) && { windowScale: u32[layout.RX_WINDOW_SCALE]! }),
    ...(has(layout.OPTION_TIMESTAMPS) &&
      { timestamps: [u32[layout.RX_TSVAL]!, u32[layout.RX_TSECR]!] as const }),
    ...(has(layout.OPTION_DSS) && {
      dss: {
        flags,
        dataAck: pair(layout.RX_DATA_ACK_HIGH, layout.DSS_DATA_ACK),
        dsn: pair(layout.RX_DSN_HIGH, layout.DSS_MAPPING),
        ssn: mapped ? u32[layout.RX_SSN]! : 0,
        length: mapped ? u32[layout.RX_DATA_LENGTH]! : 0,
        checksum: u32[layout.RX_DSS_CHECKSUM]! | 0,
      },
    }),
  };
  return { ...ip, tcp };
}

function parsed(bytes: Uint8Array, verified: boolean): number | Parsed {
  const at = scratch.put(bytes, 64);
  const verdict = packet_parse(0, at, bytes.length, verified ? 1 : 0);
  return verdict === layout.PARSE_OK ? described(at) : verdict;
}

function fill(segment: Segment): void {
  u32[(key + layout.KEY_FAMILY) >> 2] = segment.family;
  u16[(key + layout.KEY_LOCAL_PORT) >> 1] = segment.sourcePort;
  u16[(key + layout.KEY_REMOTE_PORT) >> 1] = segment.destPort;
  u16[(key + layout.KEY_IP_ID) >> 1] = segment.id;
  u8[key + layout.KEY_DSCP] = segment.dscp;
  u8.set(segment.source, key + layout.KEY_LOCAL);
  u8.set(segment.dest, key + layout.KEY_REMOTE);
  u8.set(segment.raw, raw);
  u32[layout.TX_SEQ] = segment.seq;
  u32[layout.TX_ACK] = segment.ack;
  u32[layout.TX_FLAGS] = segment.flags;
  u32[layout.TX_WINDOW] = segment.window;
  u32[layout.TX_ECN] = segment.ecn;
  u32[layout.TX_OPTIONS] = segment.options;
  u32[layout.TX_MSS] = segment.mss!;
  u32[layout.TX_WINDOW_SCALE] = segment.windowScale!;
  u32.set(segment.timestamps!, layout.TX_TSVAL);
  u32[layout.TX_SACK_COUNT] = segment.sack.length;
  u32.set(segment.sack.flat(), layout.TX_SACK);
  const dss = segment.dss!;
  u32[layout.TX_DSS_FLAGS] = dss.flags;
  u32.set(dss.dataAck, layout.TX_DATA_ACK_HIGH);
  u32.set(dss.dsn, layout.TX_DSN_HIGH);
  u32[layout.TX_SSN] = dss.ssn;
  u32[layout.TX_DATA_LENGTH] = dss.length;
  u32[layout.TX_DSS_CHECKSUM] = dss.checksum;
  u32[layout.TX_RAW] = raw;
  u32[layout.TX_RAW_LENGTH] = segment.raw.length;
}

const word = fc.nat(0xffffffff);
const half = fc.nat(0xffff);
const pair = fc.tuple(word, word);

const dssOption: fc.Arbitrary<Dss> = fc.record({
  flags: fc.nat(31),
  dataAck: pair,
  dsn: pair,
  ssn: word,
  length: half,
  checksum: fc.oneof(fc.constant(-1), half),
});

const OPTIONS = layout.OPTION_MSS | layout.OPTION_WINDOW_SCALE | layout.OPTION_SACK_PERMITTED |
  layout.OPTION_TIMESTAMPS | layout.OPTION_SACK | layout.OPTION_MPTCP | layout.OPTION_DSS;

const segments: fc.Arbitrary<Segment> = fc.constantFrom(4 as const, 6 as const).chain((family) => {
  const address = fc.uint8Array({
    minLength: family === 4 ? 4 : 16,
    maxLength: family === 4 ? 4 : 16,
  });
  return fc.record({
    family: fc.constant(family),
    source: address,
    dest: address,
    id: half,
    dscp: fc.nat(63),
    ecn: fc.nat(3),
    sourcePort: half,
    destPort: half,
    seq: word,
    ack: word,
    flags: fc.nat(255),
    window: half,
    options: fc.nat(OPTIONS).map((bits) => bits & OPTIONS),
    mss: half,
    windowScale: fc.nat(255),
    timestamps: pair,
    sack: fc.array(pair, { minLength: 1, maxLength: 4 }),
    dss: dssOption,
    raw: fc.uint8Array({ maxLength: 24 }),
  });
});

const payloads = fc.tuple(fc.uint8Array({ maxLength: 50 }), fc.uint8Array({ maxLength: 50 }));
const modes = fc.constantFrom(
  layout.CHECKSUM_NONE,
  layout.CHECKSUM_PARTIAL,
  layout.CHECKSUM_FULL,
);

/** Builds with the module: the whole packet. */
function built(segment: Segment, a: Uint8Array, b: Uint8Array, mode: number): Uint8Array {
  fill(segment);
  const out = scratch.address;
  const first = scratch.put(a, 1001);
  const second = scratch.put(b, 2002);
  const length = header_build(key, out, first, a.length, second, b.length, mode);
  return Uint8Array.from([...u8.subarray(out, out + length), ...(length > 0 ? [...a, ...b] : [])]);
}

describe("header_build", () => {
  it("writes what the reference writes", () => {
    fc.assert(
      fc.property(segments, payloads, modes, (segment, [a, b], mode) => {
        const payload = Uint8Array.from([...a, ...b]);
        const expected = build(segment, payload, mode);
        assertEquals(
          built(segment, a, b, mode),
          Uint8Array.from([...expected, ...(expected.length > 0 ? payload : [])]),
        );
        if (segment.family === 4 && expected.length > 0) {
          assertEquals(u16[(key + layout.KEY_IP_ID) >> 1], (segment.id + 1) & 0xffff);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("makes packets that packet_parse takes back", () => {
    fc.assert(
      fc.property(segments, payloads, ({ ...segment }, [a, b]) => {
        // Encoded options of the caller are read back one by one elsewhere.
        const sent = { ...segment, options: segment.options & ~layout.OPTION_MPTCP };
        const packet = built(sent, a, b, layout.CHECKSUM_FULL);
        fc.pre(packet.length > 0);
        const result = parsed(packet, false) as Parsed;
        assertEquals(result, parse(packet, false));
        assertEquals(result.tcp!.seq, sent.seq);
        assertEquals(result.tcp!.window, sent.window);
        assertEquals(packet.subarray(result.payload), Uint8Array.from([...a, ...b]));
        const dss = (sent.options & layout.OPTION_DSS) === 0 ? undefined : sent.dss!;
        assertEquals(result.tcp!.dss?.flags, dss?.flags);
      }),
      { numRuns: 500 },
    );
  });
});

describe("header_next", () => {
  it("writes what header_build writes of another sequence number, other flags and payload", () => {
    const other = fc.record({ seq: word, flags: fc.nat(255) });
    fc.assert(
      fc.property(
        segments,
        payloads,
        other,
        payloads,
        modes,
        (segment, [a, b], { seq, flags }, [c, d], mode) => {
          const before = built(segment, a, b, mode);
          fc.pre(before.length > 0);
          u32[layout.TX_SEQ] = seq;
          u32[layout.TX_FLAGS] = flags;
          const out = scratch.address;
          const first = scratch.put(c, 1001);
          const second = scratch.put(d, 2002);
          const length = header_next(key, out, first, c.length, second, d.length, mode);
          const id = u16[(key + layout.KEY_IP_ID) >> 1]!;
          const next = { ...segment, seq, flags, id: (segment.id + 1) & 0xffff };
          const payload = Uint8Array.from([...c, ...d]);
          assertEquals(u8.slice(out, out + length), build(next, payload, mode));
          assertEquals(id, (segment.id + (segment.family === 4 ? 2 : 0)) & 0xffff);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

/** One TCP option, right or wrong. */
const option: fc.Arbitrary<number[]> = fc.oneof(
  fc.constantFrom<number[]>([0], [1], [4, 2], [2, 4, 5, 180], [3, 3, 7], [2, 3, 9], [
    8,
    10,
    ...new Array(8).fill(3),
  ]),
  fc.tuple(fc.constantFrom(5, 8, 30, 30, 30, 99), fc.uint8Array({ maxLength: 30 }))
    .map(([kind, body]) => [kind, body.length + 2, ...body]),
  fc.tuple(
    fc.nat(8),
    fc.nat(1),
    fc.constantFrom(3, 4, 8, 10, 12, 16, 18, 20, 22, 24, 26, 28, 30),
    fc.nat(31),
  )
    .map(([subtype, low, length, flags]) => [
      30,
      length,
      subtype << 4 | low,
      ...[flags, ...new Array(40).fill(7)].slice(0, length - 3),
    ]),
  fc.array(fc.nat(255), { maxLength: 4 }),
);

/** An IPv6 extension header. */
const extension = fc.tuple(fc.constantFrom(0, 43, 44, 51, 60), fc.nat(2), fc.nat(40))
  .map(([kind, units, third]) => {
    const size = kind === 44 ? 8 : kind === 51 ? (units + 2) * 4 : (units + 1) * 8;
    const body = new Uint8Array(size);
    body[1] = kind === 44 ? 0 : units;
    body[3] = third > 3 ? 0 : third;
    return { kind, body };
  });

/** Puts options (padded), extension headers or IP options into a packet and completes lengths and checksums. */
function dressed(
  segment: Segment,
  options: number[][],
  extensions: { kind: number; body: Uint8Array }[],
  payload: Uint8Array,
): Uint8Array {
  let bytes = options.flat().slice(0, 40);
  bytes = [...bytes, ...new Array(-bytes.length & 3).fill(0)];
  const plain = build({ ...segment, options: 0 }, new Uint8Array(), layout.CHECKSUM_NONE);
  const ipLength = segment.family === 4 ? 20 : 40;
  const tcp = Uint8Array.from([...plain.subarray(ipLength), ...bytes, ...payload]);
  tcp[12] = (20 + bytes.length) << 2;
  const pseudo = [
    ...segment.source,
    ...segment.dest,
    0,
    0,
    tcp.length >> 8,
    tcp.length & 255,
    0,
    0,
    0,
    6,
  ];
  const ip = [...plain.subarray(0, ipLength)];
  const put = (to: Uint8Array | number[], at: number, over: ArrayLike<number>) => {
    let total = 0;
    for (let i = 0; i < over.length; i++) total += i % 2 === 0 ? over[i]! * 256 : over[i]!;
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
    to[at] = ~total >> 8 & 255;
    to[at + 1] = ~total & 255;
  };
  put(tcp, 16, [...pseudo, ...tcp]);
  if (segment.family === 4) {
    const extra = new Array(4 * Math.min(extensions.length, 10)).fill(1);
    ip.push(...extra);
    ip[0] = 0x40 | ip.length / 4;
    const total = ip.length + tcp.length;
    [ip[2], ip[3], ip[10], ip[11]] = [total >> 8, total & 255, 0, 0];
    put(ip, 10, ip);
  } else {
    const kinds = [...extensions.map(({ kind }) => kind), 6];
    ip[6] = kinds[0]!;
    extensions.forEach(({ body }, i) => {
      body[0] = kinds[i + 1]!;
      ip.push(...body);
    });
    const length = ip.length - 40 + tcp.length;
    [ip[4], ip[5]] = [length >> 8, length & 255];
  }
  return Uint8Array.from([...ip, ...tcp]);
}

const packets = fc.tuple(
  segments,
  fc.array(option, { maxLength: 5 }),
  fc.array(extension, { maxLength: 3 }),
  fc.uint8Array({ maxLength: 30 }),
).map((args) => dressed(...args));

describe("packet_parse", () => {
  it("finds what the reference finds", () => {
    let good = 0;
    fc.assert(
      fc.property(packets, fc.boolean(), fc.nat(9), (packet, verified, trailing) => {
        const bytes = Uint8Array.from([...packet, ...new Array(trailing).fill(9)]);
        const result = parsed(bytes, verified);
        if (typeof result !== "number") good++;
        assertEquals(result, parse(bytes, verified));
      }),
      { numRuns: 3000 },
    );
    assertEquals(good > 1000, true);
  });

  it("never takes a packet with one bit changed for sound, beside what no checksum covers", () => {
    fc.assert(
      fc.property(packets, fc.nat(), (packet, bit) => {
        const sound = parsed(packet, false);
        fc.pre(typeof sound !== "number");
        const broken = packet.slice();
        const at = bit % (packet.length * 8);
        broken[at >> 3] = broken[at >> 3]! ^ (1 << (at & 7));
        const result = parsed(broken, false);
        assertEquals(result, parse(broken, false));
        if (broken[0]! >> 4 === 4) assertEquals(typeof result, "number");
      }),
      { numRuns: 1500 },
    );
  });

  it("survives cut and damaged packets", () => {
    fc.assert(
      fc.property(
        packets,
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
        fc.nat(200),
        (packet, damage, length) => {
          const bytes = packet.slice(0, length);
          for (const [at, value] of damage) if (at < bytes.length) bytes[at] = value;
          assertEquals(parsed(bytes, true), parse(bytes, true));
          assertEquals(parsed(bytes, false), parse(bytes, false));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("survives noise", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.constantFrom(0x45, 0x46, 0x60, -1),
        (noise, first) => {
          if (first >= 0 && noise.length > 0) noise[0] = first;
          assertEquals(parsed(noise, true), parse(noise, true));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("verifies ICMP and ICMPv6", () => {
    const echo4 = Uint8Array.from(
      [
        0x45,
        0,
        0,
        32,
        0,
        0,
        0,
        0,
        64,
        1,
        0,
        0,
        10,
        0,
        0,
        1,
        10,
        0,
        0,
        2,
        8,
        0,
        0,
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
      ],
    );
    [echo4[10], echo4[11]] = [0x66, 0xdb];
    [echo4[22], echo4[23]] = [0xe7, 0xeb];
    const result = parsed(echo4, false);
    assertEquals(result, parse(echo4, false));
    assertEquals((result as Parsed).protocol, 1);
    echo4[31] = 9;
    assertEquals(parsed(echo4, false), layout.PARSE_CHECKSUM);
    assertEquals(typeof parsed(echo4, true), "object");
  });
});

/** All that was found, wherever the packet lies. */
function found(packet: number): unknown {
  return [described(packet), u32[layout.RX_FLOW], u32[layout.RX_DSN_HIGH]];
}

describe("packet_parse of packets of one flow that follow each other", () => {
  /** Which byte differs from the packet before, counted from the end of the headers where negative, and how. */
  const change = fc.tuple(fc.integer({ min: -45, max: 70 }), fc.integer({ min: 1, max: 255 }));
  const later = fc.record({
    seq: word,
    push: fc.boolean(),
    length: fc.nat(60),
    id: half,
    changes: fc.oneof(fc.constant([]), fc.array(change, { minLength: 1, maxLength: 2 })),
    verified: fc.nat(5).map((draw) => draw > 0),
    short: fc.nat(5).map((draw) => draw === 0 ? 1 : 0),
    gone: fc.nat(5).map((draw) => draw === 0),
  });
  const flags = fc.constantFrom(layout.TCP_ACK, layout.TCP_ACK, layout.TCP_ACK | layout.TCP_ECE);
  const options = fc.oneof(
    fc.constantFrom(layout.OPTION_TIMESTAMPS, layout.OPTION_TIMESTAMPS | layout.OPTION_DSS),
    fc.nat(OPTIONS).map((bits) => bits & OPTIONS),
  );

  it("finds of each what it finds of it alone, also where it knows it again", () => {
    let [again, not] = [0, 0];
    const host = host_new(1, 2);
    const flow = memory_alloc(layout.KEY_SIZE);
    const junk = scratch.put(new Uint8Array(40), 60_000);
    fc.assert(
      fc.property(
        segments,
        flags,
        options,
        fc.array(later, { maxLength: 5 }),
        (segment, flags, options, packets) => {
          const one: Segment = { ...segment, flags, options, id: 7 };
          u32[(flow + layout.KEY_FAMILY) >> 2] = one.family;
          u16[(flow + layout.KEY_LOCAL_PORT) >> 1] = one.destPort;
          u16[(flow + layout.KEY_REMOTE_PORT) >> 1] = one.sourcePort;
          u8.set(one.dest, flow + layout.KEY_LOCAL);
          u8.set(one.source, flow + layout.KEY_REMOTE);
          let value = 1;
          flow_insert(host, flow, value);
          const payload = new Uint8Array(20).fill(3);
          const headers = build(one, payload, layout.CHECKSUM_FULL);
          fc.pre(headers.length > 0);
          const whole = Uint8Array.from([...headers, ...payload]);
          packet_parse(host, scratch.put(whole, 64), whole.length, 1);
          packets.forEach(({ seq, push, length, id, changes, verified, short, gone }, i) => {
            const bits = push ? flags | layout.TCP_PSH : flags;
            const body = new Uint8Array(length);
            const next = build({ ...one, seq, id, flags: bits }, body, layout.CHECKSUM_FULL);
            const bytes = Uint8Array.from([...next, ...body]);
            for (const [at, mask] of changes) {
              const place = at < 0 ? headers.length + at : at;
              if (place >= 0 && place < headers.length) bytes[place]! ^= mask;
            }
            if (gone) {
              flow_remove(host, flow);
              flow_insert(host, flow, ++value);
            }
            const at = scratch.put(bytes, 1024 + 256 * i);
            const parse = (): number =>
              packet_parse(host, at, bytes.length - short, verified ? 1 : 0);
            const verdict = parse();
            const all = verdict === 0 ? found(at) : null;
            if (u32[layout.RX_AGAIN] === 1) {
              again++;
              assertEquals([verified, flags, gone], [true, layout.TCP_ACK, false]);
            } else not++;
            // What comes behind something else is not known again.
            packet_parse(host, junk, 40, 1);
            assertEquals([parse(), u32[layout.RX_AGAIN]], [verdict, 0]);
            assertEquals(verdict === 0 ? found(at) : null, all);
            packet_parse(host, scratch.put(whole, 64), whole.length, 1);
          });
          flow_remove(host, flow);
        },
      ),
      { numRuns: 2000 },
    );
    assertEquals([again > 300, not > 300], [true, true]);
    memory_free(flow);
    host_free(host);
  });
});
