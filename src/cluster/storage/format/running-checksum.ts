import { crc32 } from "node:zlib";

/**
 * The CRC-32 of what was summed up in `checksum` (0: of nothing) with `bytes` behind it. The runtime's own: it goes over
 * a whole log in a fraction of the time that reading takes, unlike that of `crc-32`, which is quicker for short text.
 */
export function extendChecksum(checksum: number, bytes: Uint8Array): number {
  return crc32(bytes, checksum);
}
