import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  KeyValueSchema,
  ScanRequest,
  ScanResponseSchema,
  WatchRequest,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { KeyService } from "../../cluster/node/key-service.ts";
import type { ScannedKey, StoredValue } from "../../cluster/storage/key-view.ts";
import type { Clock } from "../../common/clock.ts";
import { deadlineOf } from "../deadline.ts";
import { toConnectError } from "../errors.ts";
import { fromScan, fromWatch, toTtlLeft, toValue, toWatchResponse } from "./key-messages.ts";

/** Bytes of keys and values in one answer, unless a single value is longer. */
const answerBytesMax = 256 * 1024;

/** Overhead of a key in an answer, in bytes. */
const itemOverheadBytes = 64;

/** A scan ends when its caller has not read for this time, because it keeps old values from being compacted. */
const idleMs = 60_000;

/** Keys to take from the index at once. */
const keysAtOnce = 256;

/** Scan and Watch of a data node: streams over the keys of its group. */
export function groupStreamHandlers(calls: KeyService, group: string, clock: Clock) {
  const checkGroup = (asked: string) => {
    if (asked === "" || asked === group) return;
    throw new OperationError("not-found", `this node belongs to group "${group}", not to "${asked}"`);
  };
  return {
    scan: (request: ScanRequest, context: HandlerContext) =>
      failing(group, async function* () {
        checkGroup(request.group);
        yield* scan(calls, request, context, clock);
      }),
    watch: (request: WatchRequest, { signal }: HandlerContext) =>
      failing(group, async function* () {
        checkGroup(request.group);
        for await (const step of calls.watch(fromWatch(request), signal)) yield toWatchResponse(step);
      }),
  };
}

async function* scan(
  calls: KeyService,
  request: ScanRequest,
  context: HandlerContext,
  clock: Clock,
): AsyncGenerator<MessageInitShape<typeof ScanResponseSchema>, void, void> {
  const reader = await calls.scan(fromScan(request), deadlineOf(context, clock));
  const at = { revision: BigInt(reader.at.seq), epoch: BigInt(reader.at.epoch) };
  let left = request.limit === 0n ? Number.POSITIVE_INFINITY : Number(request.limit);
  let isFirst = true;
  /** Yields an answer. If the caller does not take it in time, the scan ends. The caller can continue with another. */
  function* awaited<T>(answer: T): Generator<T, void, void> {
    let isLost = false;
    const cancel = clock.timer(idleMs, () => {
      isLost = true;
      void reader.close();
    });
    try {
      yield answer;
    } finally {
      cancel();
    }
    if (!isLost) return;
    const message = `nothing was read of the scan for ${idleMs} ms; another can go on after its last key`;
    throw new OperationError("scan-overrun", message);
  }
  try {
    while (left > 0 || isFirst) {
      const keys = left > 0 ? reader.next(Math.min(left, keysAtOnce)) : [];
      left -= keys.length;
      let items: MessageInitShape<typeof KeyValueSchema>[] = [];
      let bytes = 0;
      for (const key of keys) {
        const stored = request.keysOnly ? undefined : await key.value();
        const itemBytes = itemOverheadBytes + Buffer.byteLength(key.key) + (stored?.value.length ?? 0);
        if (items.length > 0 && bytes + itemBytes > answerBytesMax) {
          yield* awaited({ ...at, items });
          isFirst = false;
          items = [];
          bytes = 0;
        }
        items.push(itemOf(key, stored, clock.wallMs()));
        bytes += itemBytes;
      }
      // There is always a first answer, because it has the revision of the snapshot.
      if (items.length > 0 || isFirst) yield* awaited({ ...at, items });
      isFirst = false;
      if (keys.length === 0) return;
    }
  } finally {
    await reader.close();
  }
}

function itemOf(
  { key, revision, expiresMs }: ScannedKey,
  stored: StoredValue | undefined,
  wallMs: number,
): MessageInitShape<typeof KeyValueSchema> {
  const item = { key, revision: BigInt(revision), ...toTtlLeft(expiresMs, wallMs) };
  return stored === undefined ? item : { ...item, value: toValue(stored) };
}

/** Turns errors of the core into errors of the protocol. */
async function* failing<T>(group: string, stream: () => AsyncGenerator<T, void, void>): AsyncGenerator<T> {
  try {
    yield* stream();
  } catch (error) {
    throw toConnectError(error, group);
  }
}
