import type { Bytes } from "./key-bytes.ts";

/** Two random numbers. */
export type HashSeed = readonly [number, number];

/**
 * HalfSipHash-1-3 (J.-P. Aumasson, https://github.com/veorq/SipHash), as Linux takes it for its hash tables: who does
 * not know the seed cannot make keys that all have the same hash.
 */
export function hashKey({ from, start, length }: Bytes, [low, high]: HashSeed): number {
  let v0 = low;
  let v1 = high;
  let v2 = 0x6c796765 ^ low;
  let v3 = 0x74656462 ^ high;
  const end = start + length;
  const lastWord = start + (length & ~3);
  const rounds = 3 * 4;
  for (let at = start; at <= lastWord + rounds; at += 4) {
    let word = 0;
    if (at < lastWord) {
      word =
        byte(from, at) | (byte(from, at + 1) << 8) | (byte(from, at + 2) << 16) | (byte(from, at + 3) << 24);
    } else if (at === lastWord) {
      word = length << 24;
      for (let rest = at; rest < end; rest++) word |= byte(from, rest) << (8 * (rest - at));
    } else if (at === lastWord + 4) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
