/** Headers and flows: WebAssembly against the plain reference (`deno bench bench/header_bench.ts`). */

import * as layout from "../wasm/layout.ts";
import {
  flow_insert,
  header_build,
  host_new,
  memory_alloc,
  packet_alloc,
  packet_parse,
  u16,
  u32,
  u8,
} from "../wasm/mod.ts";
import { FlowTable } from "../tests/reference/flow_table.ts";
import { build, parse, type Segment } from "../tests/reference/header.ts";

const FLOWS = 10_000;
const key = memory_alloc(layout.KEY_SIZE);
const out = packet_alloc(66_048);
const body = packet_alloc(66_048);

/** A data segment as this stack sends it: timestamps, DATA_ACK and mapping. */
const segment: Segment = {
  family: 4,
  source: Uint8Array.of(10, 0, 0, 1),
  dest: Uint8Array.of(10, 0, 0, 2),
  id: 1,
  dscp: 0,
  ecn: 0,
  sourcePort: 4000,
  destPort: 80,
  seq: 1_000_000,
  ack: 2_000_000,
  flags: layout.TCP_ACK,
  window: 500,
  options: layout.OPTION_TIMESTAMPS | layout.OPTION_DSS,
  timestamps: [111, 222],
  sack: [],
  dss: {
    flags: layout.DSS_DATA_ACK | layout.DSS_DATA_ACK_8 | layout.DSS_MAPPING | layout.DSS_DSN_8,
    dataAck: [1, 2],
    dsn: [3, 4],
    ssn: 5,
    length: 1400,
    checksum: -1,
  },
  raw: new Uint8Array(),
};

u32[(key + layout.KEY_FAMILY) >> 2] = 4;
u16[(key + layout.KEY_LOCAL_PORT) >> 1] = segment.sourcePort;
u16[(key + layout.KEY_REMOTE_PORT) >> 1] = segment.destPort;
u8.set(segment.source, key + layout.KEY_LOCAL);
u8.set(segment.dest, key + layout.KEY_REMOTE);

function fill(): void {
  const dss = segment.dss!;
  u32[layout.TX_SEQ] = segment.seq;
  u32[layout.TX_ACK] = segment.ack;
  u32[layout.TX_FLAGS] = segment.flags;
  u32[layout.TX_WINDOW] = segment.window;
  u32[layout.TX_OPTIONS] = segment.options;
  u32[layout.TX_TSVAL] = 111;
  u32[layout.TX_TSECR] = 222;
  u32[layout.TX_DSS_FLAGS] = dss.flags;
  u32[layout.TX_DATA_ACK_HIGH] = 1;
  u32[layout.TX_DATA_ACK_LOW] = 2;
  u32[layout.TX_DSN_HIGH] = 3;
  u32[layout.TX_DSN_LOW] = 4;
  u32[layout.TX_SSN] = dss.ssn;
  u32[layout.TX_DATA_LENGTH] = dss.length;
  u32[layout.TX_DSS_CHECKSUM] = dss.checksum;
}

for (const [name, length] of [["1400 B", 1400], ["64 KB", 64_000]] as const) {
  const payload = new Uint8Array(length);
  u8.set(payload, body);
  for (
    const [how, mode] of [
      ["partial", layout.CHECKSUM_PARTIAL],
      ["full", layout.CHECKSUM_FULL],
    ] as const
  ) {
    const group = `build, ${name}, ${how} checksum`;
    Deno.bench({
      name: "reference",
      group,
      baseline: true,
      fn: () => void build(segment, payload, mode),
    });
    Deno.bench({
      name: "WASM",
      group,
      fn() {
        fill();
        header_build(key, out, body, length, 0, 0, mode);
      },
    });
  }

  const packet = Uint8Array.from([...build(segment, payload, layout.CHECKSUM_FULL), ...payload]);
  const address = packet_alloc(66_048);
  u8.set(packet, address);
  for (const [how, verified] of [["verified by the link", true], ["checksum", false]] as const) {
    const group = `parse, ${name}, ${how}`;
    const flag = verified ? 1 : 0;
    let seen = 0;
    Deno.bench({
      name: "reference",
      group,
      baseline: true,
      fn: () => void parse(packet, verified),
    });
    Deno.bench({
      name: "WASM",
      group,
      fn() {
        packet_parse(0, address, packet.length, flag);
        seen += u32[layout.RX_SEQ]! + u32[layout.RX_ACK]! + u32[layout.RX_FLAGS]! +
          u32[layout.RX_LENGTH]!;
      },
    });
  }
}

const host = host_new(1, 2);
const table = new FlowTable();
const keys = Array.from({ length: FLOWS }, (_, i) => ({
  family: 4,
  local: segment.source,
  remote: Uint8Array.of(10, 1, i >> 8, i & 255),
  localPort: 80,
  remotePort: 1024 + i,
}));
keys.forEach((flow, i) => {
  table.insert(flow, i + 1);
  u16[(key + layout.KEY_LOCAL_PORT) >> 1] = flow.localPort;
  u16[(key + layout.KEY_REMOTE_PORT) >> 1] = flow.remotePort;
  u8.set(flow.remote, key + layout.KEY_REMOTE);
  flow_insert(host, key, i + 1);
});

// An acknowledgement, as from the peer of one flow after another.
const bare: Segment = { ...segment, source: keys[0]!.remote, dest: segment.source, destPort: 80 };
const ack = Uint8Array.from(build(bare, new Uint8Array(), layout.CHECKSUM_FULL));
const ackAt = packet_alloc(ack.length);
u8.set(ack, ackAt);

/** Makes it one of the flow `index`. */
function readdress(bytes: Uint8Array, at: number, index: number): void {
  bytes[at + 14] = index >> 8;
  bytes[at + 15] = index & 255;
  bytes[at + 20] = (1024 + index) >> 8;
  bytes[at + 21] = (1024 + index) & 255;
}

let turn = 0;
let found = 0;
for (
  const [name, step] of [["the same flow again", 0], ["another flow each time", 7919]] as const
) {
  const group = `parse and find a flow of ${FLOWS}: ${name}`;
  Deno.bench({
    name: "reference",
    group,
    baseline: true,
    fn() {
      turn = (turn + step) % FLOWS;
      readdress(ack, 0, turn);
      parse(ack, true);
      found += table.find(keys[turn]!);
    },
  });
  Deno.bench({
    name: "WASM",
    group,
    fn() {
      turn = (turn + step) % FLOWS;
      readdress(u8, ackAt, turn);
      packet_parse(host, ackAt, ack.length, 1);
      found += u32[layout.RX_FLOW]!;
    },
  });
}
