// The Internet checksum (RFC 1071): the one's-complement sum of 16-bit words. The sum of words read in the other byte order is the same sum with
// its bytes swapped (RFC 1071 §2 (B)), so all loops add little-endian words and the result is swapped once.

/** Lanes of 32 bits take 2 x 65,535 for every 16 bytes: half a megabyte before one may overflow. */
const BLOCK: i32 = 262144;

/** Folds to 16 bits with end-around carry. */
// @ts-ignore: decorator
@inline
export function fold(value: u64): u32 {
  value = (value & 0xffffffff) + (value >> 32);
  value = (value & 0xffff) + (value >> 16);
  value = (value & 0xffff) + (value >> 16);
  return <u32> ((value & 0xffff) + (value >> 16));
}

// @ts-ignore: decorator
@inline
export function swap16(value: u32): u32 {
  return (value >> 8 | value << 8) & 0xffff;
}

// @ts-ignore: decorator
@inline
function lanes(sums: v128): u64 {
  const wide = i64x2.add(i64x2.extend_low_i32x4_u(sums), i64x2.extend_high_i32x4_u(sums));
  return i64x2.extract_lane(wide, 0) + i64x2.extract_lane(wide, 1);
}

// @ts-ignore: decorator
@inline
function pairs(words: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_u(words);
}

/** What is left of a sum below 16 bytes; an odd last byte is padded with zero (RFC 1071 §1). */
// @ts-ignore: decorator
@inline
function tail(at: usize, length: i32): u64 {
  let total: u64 = 0;
  if (length & 8) {
    const eight = load<u64>(at);
    total += (eight & 0xffffffff) + (eight >> 32);
    at += 8;
  }
  if (length & 4) {
    total += load<u32>(at);
    at += 4;
  }
  if (length & 2) {
    total += load<u16>(at);
    at += 2;
  }
  if (length & 1) total += load<u8>(at);
  return total;
}

/** Sum of little-endian words, not folded; `length` any. */
export function rawSum(at: usize, length: i32): u64 {
  let total: u64 = 0;
  while (length >= 16) {
    const block = min(length, BLOCK);
    length -= block & ~15;
    let end = at + (block & ~63);
    // Two chains of additions, as one alone would wait for itself.
    let first = i32x4.splat(0);
    let second = i32x4.splat(0);
    while (at < end) {
      first = i32x4.add(first, pairs(v128.load(at)));
      second = i32x4.add(second, pairs(v128.load(at, 16)));
      first = i32x4.add(first, pairs(v128.load(at, 32)));
      second = i32x4.add(second, pairs(v128.load(at, 48)));
      at += 64;
    }
    end = at + (block & 48);
    while (at < end) {
      first = i32x4.add(first, pairs(v128.load(at)));
      at += 16;
    }
    total += lanes(first) + lanes(second);
  }
  return total + tail(at, length);
}

/** Copies and sums in one pass; the ranges must not overlap. */
export function rawCopySum(to: usize, from: usize, length: i32): u64 {
  let total: u64 = 0;
  while (length >= 16) {
    const block = min(length, BLOCK);
    length -= block & ~15;
    let end = from + (block & ~63);
    let first = i32x4.splat(0);
    let second = i32x4.splat(0);
    while (from < end) {
      const a = v128.load(from);
      const b = v128.load(from, 16);
      const c = v128.load(from, 32);
      const d = v128.load(from, 48);
      v128.store(to, a);
      v128.store(to, b, 16);
      v128.store(to, c, 32);
      v128.store(to, d, 48);
      first = i32x4.add(i32x4.add(first, pairs(a)), pairs(c));
      second = i32x4.add(i32x4.add(second, pairs(b)), pairs(d));
      from += 64;
      to += 64;
    }
    end = from + (block & 48);
    while (from < end) {
      const a = v128.load(from);
      v128.store(to, a);
      first = i32x4.add(first, pairs(a));
      from += 16;
      to += 16;
    }
    total += lanes(first) + lanes(second);
  }
  for (let i = 0; i < length; i++) store<u8>(to + i, load<u8>(from + i));
  return total + tail(from, length);
}

/** Folded sum of big-endian words. */
// @ts-ignore: decorator
@inline
export function sumOf(at: usize, length: i32): u32 {
  return swap16(fold(rawSum(at, length)));
}

export function sum(address: i32, length: i32): i32 {
  return length <= 0 ? 0 : sumOf(<usize> address, length);
}

export function copy_sum(to: i32, from: i32, length: i32): i32 {
  return length <= 0 ? 0 : swap16(fold(rawCopySum(<usize> to, <usize> from, length)));
}

/** Sum of A followed by B. Behind an odd number of bytes each byte of B is in the other half of its word. */
export function sum_join(sumA: i32, sumB: i32, lengthA: i32): i32 {
  const b: u32 = lengthA & 1 ? swap16(sumB) : sumB;
  return fold(<u64> <u32> sumA + b);
}

/** Sum of the pseudo-header of a DSS checksum (RFC 8684 §3.3.1, figure 10): DSN, SSN, length, two zero octets. */
// @ts-ignore: decorator
@inline
function dssPseudo(dsnHigh: i32, dsnLow: i32, ssn: i32, length: i32): u64 {
  return <u64> <u32> dsnHigh + <u32> dsnLow + <u32> ssn + <u32> (length & 0xffff);
}

export function dss_checksum(
  dsnHigh: i32,
  dsnLow: i32,
  ssn: i32,
  length: i32,
  payloadSum: i32,
): i32 {
  return ~fold(dssPseudo(dsnHigh, dsnLow, ssn, length) + <u32> payloadSum) & 0xffff;
}

/** The sum that the payload of a mapping must have for its checksum field to be right; 0 and 0xffff are the same sum. */
export function dss_expected_sum(
  dsnHigh: i32,
  dsnLow: i32,
  ssn: i32,
  wireLength: i32,
  checksumField: i32,
): i32 {
  return ~fold(dssPseudo(dsnHigh, dsnLow, ssn, wireLength) + <u32> checksumField) & 0xffff;
}

export function copy(to: i32, from: i32, length: i32): void {
  if (length > 0) memory.copy(<usize> to, <usize> from, length);
}
