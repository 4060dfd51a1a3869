// What JavaScript may call; ../mod.ts says what each function does.

import { handleFree, Host, hostCreate, hostOf } from "./host";
import { freeBlock } from "./memory";
import { flowsFree } from "./flow_table";
import { Receiver, receiverDestroy } from "./receiver";
import { Stream, streamDestroy } from "./stream";

export {
  memory_alloc,
  memory_fix,
  memory_free,
  memory_reserve,
  packet_alloc,
  packet_free,
  packet_gather,
  packet_lend,
  packet_return,
} from "./memory";
export { host_left, host_limit, host_usage } from "./host";
export { copy, copy_sum, dss_checksum, dss_expected_sum, sum, sum_join } from "./checksum";
export { packet_parse } from "./parse";
export { packet_expect, packet_landed, packet_settle, packet_unexpect } from "./landing";
export { header_build, header_next } from "./header";
export { flow_hash, flow_insert, flow_remove, flow_secret, flow_value } from "./flow_table";
export {
  stream_append,
  stream_at,
  stream_lend,
  stream_limit,
  stream_new,
  stream_pin,
  stream_place,
  stream_record,
  stream_release,
  stream_unpin,
} from "./stream";
export { receiver_free, receiver_new, receiver_record, stream_free } from "./receiver";
export { receiver_forget, receiver_map } from "./learn";
export { receiver_sack, receiver_segment, receiver_skip } from "./reassembly";
export { hmac_sha256, sha256 } from "./sha256";
export { train_couple, train_headers } from "./trains";

export function host_new(secret0: i32, secret1: i32): i32 {
  const host = hostCreate();
  if (host == null) return 0;
  host.secret0 = <u64> <u32> secret0 | <u64> <u32> secret1 << 32;
  // SipHash wants 128 bits: the other half is the first one, mixed (splitmix64's finalizer).
  let mixed = host.secret0 + 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  host.secret1 = mixed ^ mixed >> 31;
  return host.handle;
}

/** The key of `flow_secret` and `flow_hash`, another one than that of the flow table. */
export function host_secret(handle: i32, a: i32, b: i32, c: i32, d: i32): void {
  const host = hostOf(handle);
  if (host == null) return;
  host.secret2 = <u64> <u32> a | <u64> <u32> b << 32;
  host.secret3 = <u64> <u32> c | <u64> <u32> d << 32;
}

export function host_free(handle: i32): void {
  const host = hostOf(handle);
  if (host == null) return;
  while (host.receivers != 0) receiverDestroy(changetype<Receiver>(host.receivers));
  while (host.streams != 0) streamDestroy(changetype<Stream>(host.streams));
  flowsFree(host);
  handleFree(handle);
  freeBlock(changetype<usize>(host));
}
