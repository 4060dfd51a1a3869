/**
 * The stack's hot path in WebAssembly, core.wasm. Packets and stream bytes live in its memory and JavaScript passes addresses:
 * numbers in, a number out. Descriptors, records and result bits are named in layout.ts. One instance serves all hosts of an isolate.
 *
 * Stream and subflow offsets are plain numbers, exact to 2^53. A handle is never 0 and goes stale when it is freed: every call with a stale one
 * returns 0 (`stream_place`: -1) and changes nothing. 0 for an address or a handle means that there is no memory.
 *
 * The functions are those of the module itself, with no wrapper between:
 *
 * - `memory_alloc(bytes)`, `memory_free(address)`: blocks of up to 2,048 bytes on 16-byte boundaries, counted to no host.
 * - `packet_alloc(bytes)`, `packet_free(address)`: packet buffers of 2,048 or 66,048 bytes, the last one freed first.
 *   `packet_gather(headroom, a, aLength, b, bLength, c, cLength)`: a new one with the bytes of up to three pieces in a row, from `headroom` bytes on.
 *   `packet_lend(headroom, header, headerLength, payload)`: a block with `headroom` bytes and a copy of headers, of a packet whose payload stays at `payload`, on a
 *   page of a stream. Until `packet_return(block, payload)` nobody else gets that page, though the stream give it back. 0 where a copy has to do.
 * - `memory_reserve(bytes)`: grows the memory now by at least so much; 1 when it did.
 * - `host_new(secret0, secret1)`, `host_free(host)`, `host_usage(host, USAGE_*)`: what everything below hangs from; its secret keys the flow hash.
 *   `host_secret(host, a, b, c, d)`: the 128 bits that key `flow_secret` and `flow_hash`.
 *   `host_limit(host, bytes)`: most bytes that it takes. All hosts with a limit share one of the process, 1,792 MB. Where half is in use a
 *   stream with its receivers holds no more than is left for others, nor than a little and twice what it has released. Without a limit of its own a
 *   host is bounded by the memory alone. `host_left(host)`: what it may still take.
 * - `packet_parse(host, address, length, verified)`: fills RX_* and returns PARSE_*; `verified` other than 0 leaves the checksums out. RX_FLOW is the
 *   value of the flow of `host` that a TCP packet belongs to, 0 for none, and where `host` is 0 or stale. RX_AGAIN is 1 where the packet before was of the same
 *   flow, had payload too, and said the same but for sequence number, length and PSH, as its bytes show: then it costs little.
 * - `packet_expect()`: bytes of headers that the next packet probably has, 0 where nothing can be said; then the payload behind them is to be read to
 *   OUT_0 (OUT_1 bytes) and OUT_2 (OUT_3 bytes), 64 KB in all, where its stream goes on. `packet_landed(ip, bytes, verified)`: so many bytes of payload have been
 *   read there, behind headers at `ip`. They stay where the guess was right and `receiver_segment` finds it so; else they are brought together behind
 *   their headers, for which there is to be room: at once where the headers are others, checksums have to be looked at, or their pages are given back.
 *   `packet_settle()`: brings them together, for who reads them. `packet_unexpect()`: gives back the pages that were made ready.
 * - `flow_insert(host, key, value)`: 1, or 0 when the key is there or memory is not; value 0 is not allowed. `flow_remove(host, key)`: 1 when it was there.
 *   `flow_value(host, key)`: 0 when it is not. `flow_secret(host, key)`: 32 bits that follow from key and secret; 32 others in OUT_0.
 *   `flow_hash(host, key, purpose, high, low)`: 64 such bits that follow from 64 more, too, others for each purpose from 1 to 15.
 * - `header_build(key, out, a, aLength, b, bLength, CHECKSUM_*)`: writes IP and TCP headers from TX_*, returns their length, 0 when options exceed 40
 *   bytes. The payload pieces are only summed, and that for CHECKSUM_FULL alone. `header_next`, with the same arguments: the headers at `out`, which were
 *   built last for that flow, become those of a packet that has another TX_SEQ, TX_FLAGS and payload, and all else alike.
 * - `sum(address, length)`: one's-complement sum of big-endian words, not inverted. `copy_sum(to, from, length)`: the same while copying.
 *   `sum_join(sumA, sumB, lengthA)`: sum of A followed by B. `copy(to, from, length)`.
 * - `dss_checksum(dsnHigh, dsnLow, ssn, length, payloadSum)`: checksum field of a DSS (RFC 8684 §3.3.1).
 *   `dss_expected_sum(dsnHigh, dsnLow, ssn, wireLength, checksumField)`: the sum that a received mapping's payload must have.
 * - `sha256(address, length, to)`, `hmac_sha256(key, keyLength, address, length, to)`: write the 32 bytes of the hash (FIPS 180-4, RFC 2104) to `to`.
 * - `stream_new(host, first)`, `stream_free`, `stream_record(stream)`: a paged byte stream and the address of its STREAM_* record.
 *   `stream_limit(stream, bytes)`: most bytes that it and its receivers take, pages, lists and records included.
 *   `stream_place(stream, offset, from, length)`: stores what is not held yet, returns how many bytes that was, -1 without memory.
 *   `stream_append(stream, most)`: lengthens the stream by up to `most` bytes, as many as the page has room for, says in OUT_0 how many, and returns
 *   where they go. They count as appended at once, so they are copied there in the same synchronous step, before any other call. 0, and nothing
 *   changed, without memory.
 *   `stream_lend(stream)`: where the next byte goes, to the end of its page; the page is pinned there. 0, and nothing changed, without memory.
 *   `stream_at(stream, offset)`: address of a byte, contiguous to the end of its page. `stream_release(stream, offset)`: everything below may go.
 *   `stream_pin(stream, offset, length)`, `stream_unpin`: keeps the pages of a range although released.
 * - `receiver_new(host, stream)`, `receiver_free`, `receiver_record(receiver)`: a subflow's receiver that fills the stream, and its RECEIVER_* record.
 *   `receiver_map(receiver, dsn, ssn, length, expectedSum, limit)`: learns a mapping; `expectedSum` is -1 without checksum, else of `dss_expected_sum`.
 *   `receiver_segment(receiver, seq, from, length, limit)`: takes payload. Both return SEGMENT_* and MAPPING_* bits; data offsets from `limit` on
 *   are not kept. A mapping with a checksum is staged whole, placed when its sum is right, and only then cut at `limit`. Where it is wrong, the bytes
 *   stay staged, without a mapping. `receiver_forget(receiver, ssn)`: forgets the mappings that end above `ssn`.
 *   Where a limit would be passed, both drop what lies farthest above a hole of the stream, and is farther than the segment, and go on; on plain TCP the
 *   subflow forgets it too.
 *   `receiver_skip(receiver)`: RCV.NXT moves over a FIN. `receiver_sack(receiver, initial, most, from, to)`: writes SACK blocks to TX_SACK,
 *   that of the duplicate bytes [from, to) first where there are any, and returns their number.
 * - `train_couple(first, header, payload, stop, next, end, size)`: of datagrams of `size` octets from `next` to `end`, each `header` octets of a link's and a
 *   TCP segment, puts the payload of those that go on with the one at `first`, as the segments of one super-segment do, behind its own, which lies from
 *   `payload` to `stop`. Returns where that ends then; OUT_0: the first datagram that does not go on.
 *   `train_headers(to, ours, header, tcp, length, from, end, whole, size)`: writes to `to`, one behind the other, the headers of the datagrams that
 *   carry bytes `from` to `end` of a super-segment's `whole`, each but the last `size`: `header` octets at `ours`, and those of TCP, `length` octets at `tcp`,
 *   made those of its segment. Returns how many.
 *
 * @module
 */

import { core } from "./core.ts";

export { f64, i32, u16, u32, u8 } from "./memory.ts";
export const {
  copy,
  copy_sum,
  dss_checksum,
  dss_expected_sum,
  flow_hash,
  flow_insert,
  flow_remove,
  flow_secret,
  flow_value,
  header_build,
  header_next,
  hmac_sha256,
  host_free,
  host_left,
  host_limit,
  host_new,
  host_secret,
  host_usage,
  memory_alloc,
  memory_free,
  memory_reserve,
  packet_alloc,
  packet_expect,
  packet_free,
  packet_gather,
  packet_landed,
  packet_lend,
  packet_parse,
  packet_return,
  packet_settle,
  packet_unexpect,
  receiver_forget,
  receiver_free,
  receiver_map,
  receiver_new,
  receiver_record,
  receiver_sack,
  receiver_segment,
  receiver_skip,
  sha256,
  stream_append,
  stream_at,
  stream_free,
  stream_lend,
  stream_limit,
  stream_new,
  stream_pin,
  stream_place,
  stream_record,
  stream_release,
  stream_unpin,
  sum,
  sum_join,
  train_couple,
  train_headers,
} = core;
