import { CoordinationError } from "./coordination.ts";

/** ZooKeeper's limit of a whole request (jute.maxbuffer, 1 MiB), minus what surrounds the data. */
const DATA_BYTES_MAX = 1_000_000;

/** Refuses data that is too long for a znode. Errors: BAD_ARGUMENTS. */
export function checkData(path: string, data: Uint8Array): void {
  if (data.length <= DATA_BYTES_MAX) return;
  const message = `the data for ${path} has ${data.length} bytes; at most ${DATA_BYTES_MAX} are allowed`;
  throw new CoordinationError("BAD_ARGUMENTS", message, { path });
}
