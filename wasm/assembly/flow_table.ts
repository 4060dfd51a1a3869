// Who a packet belongs to: an open-addressing table of flow keys, keyed with the host's secret so that no peer can choose colliding ports.

import {
  KEY_FAMILY,
  KEY_LOCAL,
  KEY_LOCAL_PORT,
  KEY_REMOTE,
  KEY_REMOTE_PORT,
  OUT_0,
  RX_DEST,
  RX_DEST_PORT,
  RX_FAMILY,
  RX_SOURCE,
  RX_SOURCE_PORT,
} from "../layout";
import { FLOW_KEY } from "./memory";
import { Host, hostAllocate, hostOf, hostRelease } from "./host";

const FIRST_SLOTS: u32 = 16;

/** Counts up when a flow comes or goes: what was found before may be another one's. */
export let flowChanges: u32 = 0;

/** One cache line a slot, so that a look-up mostly touches one. From `ports` on as in FLOW_KEY. */
@unmanaged
class Slot {
  hash: u32;
  value: i32; // 0: empty
  ports: u64; // family << 32 | remote << 16 | local
  local0: u64;
  local1: u64;
  remote0: u64;
  remote1: u64;
  reserved0: u64;
  reserved1: u64;
}

/** The slot whose key part lies on FLOW_KEY. */
// @ts-ignore: decorator
@inline
function wanted(): Slot {
  return changetype<Slot>(FLOW_KEY - 8);
}

function loadKey(key: usize): void {
  const four = load<u32>(key + KEY_FAMILY) == 4;
  const slot = wanted();
  slot.ports = <u64> load<u32>(key + KEY_FAMILY) << 32 |
    <u64> load<u16>(key + KEY_REMOTE_PORT) << 16 | load<u16>(key + KEY_LOCAL_PORT);
  // Only four bytes of an IPv4 address count.
  slot.local0 = four ? <u64> load<u32>(key + KEY_LOCAL) : load<u64>(key + KEY_LOCAL);
  slot.local1 = four ? 0 : load<u64>(key + KEY_LOCAL + 8);
  slot.remote0 = four ? <u64> load<u32>(key + KEY_REMOTE) : load<u64>(key + KEY_REMOTE);
  slot.remote1 = four ? 0 : load<u64>(key + KEY_REMOTE + 8);
}

/** Family and ports of the packet in RX_*, as in a slot. */
// @ts-ignore: decorator
@inline
function packetPorts(): u64 {
  return <u64> load<u32>(RX_FAMILY << 2) << 32 |
    (load<u32>(RX_SOURCE_PORT << 2) << 16 | load<u32>(RX_DEST_PORT << 2));
}

function loadPacket(): void {
  const slot = wanted();
  slot.ports = packetPorts();
  slot.local0 = load<u64>(RX_DEST << 2);
  slot.local1 = load<u64>((RX_DEST << 2) + 8);
  slot.remote0 = load<u64>(RX_SOURCE << 2);
  slot.remote1 = load<u64>((RX_SOURCE << 2) + 8);
}

/** The hash that the table is filed by. */
function hashKey(host: Host): u32 {
  const hash = sipHash(host.secret0, host.secret1, 0, 0);
  return <u32> (hash ^ hash >> 32);
}

/**
 * SipHash-1-3 (Aumasson and Bernstein) of FLOW_KEY; of an IPv4 key both addresses are one word. For a `purpose` from 1 to 15 a word stands behind it: the
 * first one, whose upper bits are free, says which, so that no key is another one and its word, nor one of another purpose.
 */
function sipHash(secret0: u64, secret1: u64, purpose: i32, last: u64): u64 {
  const key = wanted();
  const four = key.ports >> 32 == 4;
  const words = four ? 2 : 5;
  let v0 = secret0 ^ 0x736f6d6570736575;
  let v1 = secret1 ^ 0x646f72616e646f6d;
  let v2 = secret0 ^ 0x6c7967656e657261;
  let v3 = secret1 ^ 0x7465646279746573;
  const more = purpose == 0 ? 0 : 1;
  for (let i = 0; i < words + more + 3; i++) {
    let word: u64 = 0;
    if (i < words) {
      word = four && i == 1
        ? key.remote0 << 32 | key.local0
        : load<u64>(FLOW_KEY + (<usize> i << 3)) | (i == 0 ? <u64> purpose << 60 : 0);
    } else if (i < words + more) word = last;
    else if (i == words + more) v2 ^= 0xff;
    v3 ^= word;
    v0 += v1;
    v2 += v3;
    v1 = rotl(v1, 13) ^ v0;
    v3 = rotl(v3, 16) ^ v2;
    v0 = rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = rotl(v1, 17) ^ v2;
    v3 = rotl(v3, 21) ^ v0;
    v2 = rotl(v2, 32);
    v0 ^= word;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/** What F of RFC 6528 §3 gives for a key: its lower half; the upper half, which is as good as independent, goes to OUT_0. */
export function flow_secret(handle: i32, key: i32): i32 {
  const host = hostOf(handle);
  if (host == null) return 0;
  loadKey(key);
  const hash = sipHash(host.secret2, host.secret3, 0, 0);
  store<u32>(OUT_0 << 2, <u32> (hash >> 32));
  return <i32> hash;
}

/** The same of a key, a purpose from 1 to 15 and 64 bits more. */
export function flow_hash(handle: i32, key: i32, purpose: i32, high: i32, low: i32): i32 {
  const host = hostOf(handle);
  if (host == null) return 0;
  loadKey(key);
  const hash = sipHash(
    host.secret2,
    host.secret3,
    purpose & 15,
    <u64> <u32> high << 32 | <u64> <u32> low,
  );
  store<u32>(OUT_0 << 2, <u32> (hash >> 32));
  return <i32> hash;
}

/** The value of a key; 0 when it is not there. */
export function flow_value(handle: i32, key: i32): i32 {
  const host = hostOf(handle);
  if (host == null || host.flowCount == 0) return 0;
  loadKey(key);
  return slotAt(host, seek(host, hashKey(host))).value;
}

// @ts-ignore: decorator
@inline
function slotAt(host: Host, index: u32): Slot {
  return changetype<Slot>(host.flows + (<usize> index << 6));
}

// @ts-ignore: decorator
@inline
function matches(slot: Slot): bool {
  const key = wanted();
  return ((slot.ports ^ key.ports) | (slot.remote0 ^ key.remote0) | (slot.local0 ^ key.local0) |
    (slot.remote1 ^ key.remote1) | (slot.local1 ^ key.local1)) == 0;
}

/** The same for the packet in RX_*. */
// @ts-ignore: decorator
@inline
function matchesPacket(slot: Slot): bool {
  return ((slot.ports ^ packetPorts()) |
    (slot.remote0 ^ load<u64>(RX_SOURCE << 2)) | (slot.local0 ^ load<u64>(RX_DEST << 2)) |
    (slot.remote1 ^ load<u64>((RX_SOURCE << 2) + 8)) |
    (slot.local1 ^ load<u64>((RX_DEST << 2) + 8))) == 0;
}

/** Index of the slot of the key, or of the empty one where it would go. The table is never full. */
function seek(host: Host, hash: u32): u32 {
  const mask = host.flowSlots - 1;
  let index = hash & mask;
  while (true) {
    const slot = slotAt(host, index);
    if (slot.value == 0 || (slot.hash == hash && matches(slot))) return index;
    index = (index + 1) & mask;
  }
}

function resize(host: Host, slots: u32): bool {
  if (slots > 1 << 22) return false;
  const table = hostAllocate(host, <i32> (slots << 6));
  if (table == 0) return false;
  memory.fill(table, 0, <usize> slots << 6);
  const old = host.flows;
  for (let i: u32 = 0; i < host.flowSlots; i++) {
    const from = old + (<usize> i << 6);
    if (changetype<Slot>(from).value == 0) continue;
    let index = changetype<Slot>(from).hash & (slots - 1);
    while (changetype<Slot>(table + (<usize> index << 6)).value != 0) {
      index = (index + 1) & (slots - 1);
    }
    memory.copy(table + (<usize> index << 6), from, 64);
  }
  hostRelease(host, old);
  host.flows = table;
  host.flowSlots = slots;
  host.lastFlow = 0;
  return true;
}

export function flow_insert(handle: i32, key: i32, value: i32): i32 {
  const host = hostOf(handle);
  if (host == null || value == 0) return 0;
  flowChanges++;
  // At most three quarters full, so that runs stay short.
  if ((host.flowCount + 1) * 4 > host.flowSlots * 3) {
    if (!resize(host, max(FIRST_SLOTS, host.flowSlots << 1))) return 0;
  }
  loadKey(key);
  const hash = hashKey(host);
  const slot = slotAt(host, seek(host, hash));
  if (slot.value != 0) return 0;
  slot.hash = hash;
  slot.value = value;
  memory.copy(changetype<usize>(slot) + offsetof<Slot>("ports"), FLOW_KEY, 40);
  host.flowCount++;
  return 1;
}

export function flow_remove(handle: i32, key: i32): i32 {
  const host = hostOf(handle);
  if (host == null || host.flowCount == 0) return 0;
  flowChanges++;
  loadKey(key);
  let hole = seek(host, hashKey(host));
  if (slotAt(host, hole).value == 0) return 0;
  host.lastFlow = 0;
  if (--host.flowCount == 0) {
    flowsFree(host);
    return 1;
  }
  // Later slots of the run move up where they may, so that no mark of a removed key is needed and runs stay short.
  const mask = host.flowSlots - 1;
  let index = hole;
  while (true) {
    index = (index + 1) & mask;
    const slot = slotAt(host, index);
    if (slot.value == 0) break;
    if ((index - slot.hash & mask) >= (index - hole & mask)) {
      memory.copy(changetype<usize>(slotAt(host, hole)), changetype<usize>(slot), 64);
      hole = index;
    }
  }
  slotAt(host, hole).value = 0;
  // A smaller table is only a saving: without memory for it the larger one stays.
  if (host.flowSlots > FIRST_SLOTS && host.flowCount * 8 < host.flowSlots) {
    resize(host, host.flowSlots >> 1);
  }
  return 1;
}

/** The value of the flow that the packet in RX_* belongs to; 0 for none, or no host. */
export function flowFind(handle: i32): i32 {
  const host = hostOf(handle);
  if (host == null || host.flowCount == 0) return 0;
  // Packets come in trains: mostly it is the flow of the packet before.
  const last = host.lastFlow;
  if (last != 0 && matchesPacket(changetype<Slot>(last))) return changetype<Slot>(last).value;
  loadPacket();
  const slot = slotAt(host, seek(host, hashKey(host)));
  if (slot.value != 0) host.lastFlow = changetype<usize>(slot);
  return slot.value;
}

export function flowsFree(host: Host): void {
  flowChanges++;
  hostRelease(host, host.flows);
  host.flows = 0;
  host.flowSlots = 0;
  host.flowCount = 0;
  host.lastFlow = 0;
}
