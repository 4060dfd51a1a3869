/** Quotients of integers whose products are larger than 2^53, without bigint: that would leave garbage behind at every acknowledgement. */

const DIGIT = 2 ** 16;
const LIMB = 2 ** 24;

/** ⌊a·b / c⌋ of integers, whose product may be larger than a number holds without loss. Exact if `a` and `c` are below 2^35 and `b` below 2^48. */
export function floorOfRatio(a: number, b: number, c: number): number {
  if (a * b <= Number.MAX_SAFE_INTEGER) return Math.floor(a * b / c);
  const whole = Math.floor(a / c);
  const part = a - whole * c;
  // Long division of part·b, a digit of `b` at a time: what is left is less than 2^17·c.
  const middle = Math.floor(b / DIGIT);
  const top = Math.floor(middle / DIGIT);
  let left = part * top;
  const first = Math.floor(left / c);
  left = (left - first * c) * DIGIT + part * (middle - top * DIGIT);
  const second = Math.floor(left / c);
  left = (left - second * c) * DIGIT + part * (b - middle * DIGIT);
  return whole * b + (first * DIGIT + second) * DIGIT + Math.floor(left / c);
}

/** A product of 120 bits, the lowest first. */
const limbs = new Float64Array(5);

/** ⌊a·b·2^20 / c²⌋ of integers; exact if `a` and `c` are below 2^48 and `b` below 2^49. */
export function floorOverSquare(a: number, b: number, c: number): number {
  const near = a / c * (b / c) * 2 ** 20;
  const floor = Math.floor(near);
  // Three roundings are less than 2^-50 of it: only beside a whole number do they matter.
  const error = near * 2 ** -50;
  if (near - floor > error && floor + 1 - near > error) return floor;
  if (a >= 2 ** 48 || b >= 2 ** 49 || c >= 2 ** 48) return floor;
  const a1 = Math.floor(a / LIMB);
  const a0 = a - a1 * LIMB;
  const b1 = Math.floor(b / LIMB);
  const b0 = b - b1 * LIMB;
  const low = a0 * b0;
  const middle = a1 * b0 + a0 * b1 + Math.floor(low / LIMB);
  const high = a1 * b1 + Math.floor(middle / LIMB);
  limbs[0] = low % LIMB;
  limbs[1] = middle % LIMB;
  limbs[2] = high % LIMB;
  limbs[3] = Math.floor(high / LIMB) % LIMB;
  limbs[4] = Math.floor(high / LIMB / LIMB);
  // ⌊⌊n / c⌋ / c⌋ = ⌊n / c²⌋: two long divisions at once, four bits at a time, so that nothing exceeds 16·c.
  let left = 0;
  let second = 0;
  let result = 0;
  for (let i = 4; i >= -1; i--) {
    const limb = i < 0 ? 0 : limbs[i]!;
    // The last of them are the 20 bits of the scale.
    for (let shift = i < 0 ? 16 : 20; shift >= 0; shift -= 4) {
      left = left * 16 + (limb >> shift & 15);
      const digit = Math.floor(left / c);
      left -= digit * c;
      second = second * 16 + digit;
      const next = Math.floor(second / c);
      second -= next * c;
      result = result * 16 + next;
    }
  }
  return result;
}
