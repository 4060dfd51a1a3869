// SHA-256 (FIPS 180-4 §6.2) and HMAC over it (RFC 2104), for keys and the options that prove them: short messages, where a call into another library
// would cost more than the hash. Time depends on lengths alone, as nothing is looked up by what is secret.

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4 §4.2.2). */
const CONSTANTS = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** Bytes of a block, and of the digest (FIPS 180-4 §1). */
const BLOCK: i32 = 64;
const DIGEST: i32 = 32;

/** The hash value so far, eight words. */
const STATE = memory.data(DIGEST);
/** The message schedule, 64 words (FIPS 180-4 §6.2.2). */
const SCHEDULE = memory.data(256);
/** The block that the end of a message fills. */
const TAIL = memory.data(BLOCK);
/** The padded key of an HMAC. */
const PAD = memory.data(BLOCK);

function begin(): void {
  store<u32>(STATE, 0x6a09e667);
  store<u32>(STATE, 0xbb67ae85, 4);
  store<u32>(STATE, 0x3c6ef372, 8);
  store<u32>(STATE, 0xa54ff53a, 12);
  store<u32>(STATE, 0x510e527f, 16);
  store<u32>(STATE, 0x9b05688c, 20);
  store<u32>(STATE, 0x1f83d9ab, 24);
  store<u32>(STATE, 0x5be0cd19, 28);
}

/** One block into the hash value (FIPS 180-4 §6.2.2). */
function compress(block: usize): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(SCHEDULE + i, bswap(load<u32>(block + i)));
  for (let at = SCHEDULE + 64, end = SCHEDULE + 256; at < end; at += 4) {
    const fifteenth = load<u32>(at - 60);
    const second = load<u32>(at - 8);
    const s0 = rotr(fifteenth, 7) ^ rotr(fifteenth, 18) ^ fifteenth >> 3;
    const s1 = rotr(second, 17) ^ rotr(second, 19) ^ second >> 10;
    store<u32>(at, load<u32>(at - 64) + s0 + load<u32>(at - 28) + s1);
  }
  let a = load<u32>(STATE);
  let b = load<u32>(STATE, 4);
  let c = load<u32>(STATE, 8);
  let d = load<u32>(STATE, 12);
  let e = load<u32>(STATE, 16);
  let f = load<u32>(STATE, 20);
  let g = load<u32>(STATE, 24);
  let h = load<u32>(STATE, 28);
  for (let i: usize = 0; i < 256; i += 4) {
    const s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    const choice = e & f ^ ~e & g;
    const t1 = h + s1 + choice + load<u32>(CONSTANTS + i) + load<u32>(SCHEDULE + i);
    const s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    const majority = a & b ^ a & c ^ b & c;
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + s0 + majority;
  }
  store<u32>(STATE, load<u32>(STATE) + a);
  store<u32>(STATE, load<u32>(STATE, 4) + b, 4);
  store<u32>(STATE, load<u32>(STATE, 8) + c, 8);
  store<u32>(STATE, load<u32>(STATE, 12) + d, 12);
  store<u32>(STATE, load<u32>(STATE, 16) + e, 16);
  store<u32>(STATE, load<u32>(STATE, 20) + f, 20);
  store<u32>(STATE, load<u32>(STATE, 24) + g, 24);
  store<u32>(STATE, load<u32>(STATE, 28) + h, 28);
}

/** The rest of a message of which `before` bytes, whole blocks, have been taken, and the digest. */
function finish(from: usize, length: i32, before: i32, out: usize): void {
  const bits = <u64> before + <u64> length << 3;
  for (; length >= BLOCK; from += BLOCK, length -= BLOCK) compress(from);
  memory.copy(TAIL, from, length);
  store<u8>(TAIL + length, 0x80);
  memory.fill(TAIL + length + 1, 0, BLOCK - 1 - length);
  if (length >= BLOCK - 8) {
    compress(TAIL);
    memory.fill(TAIL, 0, BLOCK - 8);
  }
  store<u64>(TAIL, bswap(bits), BLOCK - 8);
  compress(TAIL);
  for (let i: usize = 0; i < <usize> DIGEST; i += 4) store<u32>(out + i, bswap(load<u32>(STATE + i)));
}

/** SHA-256 of `length` bytes to the 32 bytes at `out`. */
export function sha256(from: usize, length: i32, out: usize): void {
  begin();
  finish(from, length, 0, out);
}

/** The padded key, each byte of it other by `flip`, as first block. */
function beginPadded(flip: u32): void {
  for (let i: usize = 0; i < <usize> BLOCK; i += 4) {
    store<u32>(PAD + i, load<u32>(PAD + i) ^ flip * 0x01010101);
  }
  begin();
  compress(PAD);
}

/** HMAC-SHA256 (RFC 2104 §2) of `length` bytes to the 32 bytes at `out`. */
export function hmac_sha256(key: usize, keyLength: i32, from: usize, length: i32, out: usize): void {
  memory.fill(PAD, 0, BLOCK);
  // RFC 2104 §2: a key longer than a block is hashed first.
  if (keyLength > BLOCK) sha256(key, keyLength, PAD);
  else memory.copy(PAD, key, keyLength);
  beginPadded(0x36);
  finish(from, length, BLOCK, out);
  beginPadded(0x36 ^ 0x5c);
  finish(out, DIGEST, BLOCK, out);
}
