/* The Internet checksum (RFC 1071) in plain C, for bench/checksum_native.ts: what a compiler makes of the two usual loops. Not part of the product. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sums of 32 bits take so many words of 16 before one may overflow. */
#define BLOCK 65536

static uint16_t fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

/* Words of 16 bits into sums of 32. */
static uint16_t sum16(const uint8_t *bytes, size_t length) {
  uint64_t total = 0;
  const uint8_t *at = bytes;
  for (size_t words = length / 2; words > 0;) {
    size_t block = words < BLOCK ? words : BLOCK;
    uint32_t sum = 0;
    for (size_t i = 0; i < block; i++) {
      uint16_t word;
      memcpy(&word, at + 2 * i, 2);
      sum += word;
    }
    total += sum;
    at += 2 * block;
    words -= block;
  }
  if (length & 1) total += *at;
  return fold(total);
}

/* Words of 32 bits into sums of 64. */
static uint16_t sum32(const uint8_t *bytes, size_t length) {
  uint64_t total = 0;
  size_t words = length / 4;
  for (size_t i = 0; i < words; i++) {
    uint32_t word;
    memcpy(&word, bytes + 4 * i, 4);
    total += word;
  }
  const uint8_t *at = bytes + 4 * words;
  if (length & 2) {
    uint16_t word;
    memcpy(&word, at, 2);
    total += word;
    at += 2;
  }
  if (length & 1) total += *at;
  return fold(total);
}

/* Adds the sums of `times` passes, so that none can be left out. */
uint32_t repeat16(const uint8_t *bytes, uint32_t length, uint32_t times) {
  uint32_t all = 0;
  for (uint32_t i = 0; i < times; i++) {
    all += sum16(bytes, length);
    __asm__ volatile("" ::: "memory");
  }
  return all;
}

uint32_t repeat32(const uint8_t *bytes, uint32_t length, uint32_t times) {
  uint32_t all = 0;
  for (uint32_t i = 0; i < times; i++) {
    all += sum32(bytes, length);
    __asm__ volatile("" ::: "memory");
  }
  return all;
}
