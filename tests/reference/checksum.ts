/** The Internet checksum, word by word: the oracle of the WebAssembly one and, in `fastSum`, the best that plain JavaScript does. */

/** 16-bit one's-complement sum of big-endian words; an odd last byte is padded with zero (RFC 1071 §1). */
export function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i++) {
    total += i % 2 === 0 ? bytes[i]! * 256 : bytes[i]!;
    if (total > 0xffff) total -= 0xffff;
  }
  return total;
}

/** The same for the baseline of benches: 32-bit words, halves added apart, four a turn. `words` must cover an even number of bytes. */
export function fastSum(words: Uint32Array, tail: Uint8Array): number {
  let low = 0;
  let high = 0;
  let i = 0;
  for (; i + 4 <= words.length; i += 4) {
    const a = words[i]!;
    const b = words[i + 1]!;
    const c = words[i + 2]!;
    const d = words[i + 3]!;
    low += (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff);
    high += (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16);
  }
  for (; i < words.length; i++) {
    low += words[i]! & 0xffff;
    high += words[i]! >>> 16;
  }
  let total = fold(low + high);
  total = (total >>> 8 | total << 8) & 0xffff;
  return fold(total + sum(tail));
}

/** Folds to 16 bits with end-around carry. */
export function fold(value: number): number {
  while (value > 0xffff) value = (value & 0xffff) + Math.floor(value / 65536);
  return value;
}

/** Sum of A followed by B. */
export function sumJoin(sumA: number, sumB: number, lengthA: number): number {
  return fold(sumA + (lengthA % 2 === 0 ? sumB : (sumB >>> 8 | sumB << 8) & 0xffff));
}

/** The pseudo-header of a DSS checksum as bytes (RFC 8684 §3.3.1, figure 10). */
export function dssPseudoHeader(
  dsnHigh: number,
  dsnLow: number,
  ssn: number,
  length: number,
): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, dsnHigh);
  view.setUint32(4, dsnLow);
  view.setUint32(8, ssn);
  view.setUint16(12, length);
  return bytes;
}

/** Checksum field of a DSS over `payload`. */
export function dssChecksum(
  dsnHigh: number,
  dsnLow: number,
  ssn: number,
  length: number,
  payload: Uint8Array,
): number {
  return ~fold(sum(dssPseudoHeader(dsnHigh, dsnLow, ssn, length)) + sum(payload)) & 0xffff;
}
