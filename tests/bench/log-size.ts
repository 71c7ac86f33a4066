import { createClient } from "@connectrpc/connect";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import type { LoadClient } from "./clients/load-client.ts";
import type { FillOrder } from "./clients/messages.ts";

/** What a put of a short value adds to a log, at most. */
const recordBytesMax = 500;

/** Of the node at `address`. */
export async function sizeOfLog(address: string): Promise<{ logBytes: number; garbageBytes: number }> {
  const transports = createTransports();
  try {
    const data = createClient(DataService, transports.transportTo(address));
    const { logBytes, garbageBytes } = await data.status({});
    return { logBytes: Number(logBytes), garbageBytes: Number(garbageBytes) };
  } finally {
    transports.close();
  }
}

export interface OverwriteOptions {
  readonly client: LoadClient;
  /** The keys, which are there. */
  readonly fill: FillOrder;
  /** Of the primary. */
  readonly address: string;
  /** How much garbage may still be missing at the end, in a log of that size. */
  readonly leftBytesOf: (logBytes: number) => number;
}

/** Overwrites until a little more garbage makes compaction begin: it does when half of the log is garbage. */
export async function overwrite({ client, fill, address, leftBytesOf }: OverwriteOptions): Promise<void> {
  for (;;) {
    const { logBytes, garbageBytes } = await sizeOfLog(address);
    const missingBytes = 0.5 * logBytes - garbageBytes - leftBytesOf(logBytes);
    if (missingBytes < 0) return;
    const puts = Math.ceil(missingBytes / recordBytesMax);
    await client.fill({ ...fill, keys: Math.min(fill.keys, Math.max(200, puts)) });
  }
}
