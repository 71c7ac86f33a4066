import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  KeyValueSchema,
  ScanRequest,
  ScanResponseSchema,
  WatchRequest,
} from "../../gen/kvlab/v1/data_pb.ts";
import type { Clock } from "../cluster/clock.ts";
import { KvError } from "../cluster/errors.ts";
import type { KeyCalls } from "../cluster/key-calls.ts";
import type { ScannedKey } from "../cluster/log-store.ts";
import { deadlineOf } from "./deadline.ts";
import { toConnectError } from "./errors.ts";
import { fromScan, fromWatch, toTtlLeft, toValue, toWatchResponse } from "./key-messages.ts";

/** Bytes of keys and values in one answer, about. */
const answerBytesMax = 256 * 1024;

/** A scan keeps the old values of what is written meanwhile: a caller that has not read for so long loses it. */
const idleMs = 60_000;

/** Keys taken from the index in one turn. */
const keysAtOnce = 256;

/** Scan and Watch of a data node: streams over the keys of its group. */
export function groupStreamHandlers(calls: KeyCalls, group: string, clock: Clock) {
  const checkGroup = (asked: string) => {
    if (asked === "" || asked === group) return;
    throw new KvError("not-found", `this node belongs to group "${group}", not to "${asked}"`);
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
  calls: KeyCalls,
  request: ScanRequest,
  context: HandlerContext,
  clock: Clock,
): AsyncGenerator<MessageInitShape<typeof ScanResponseSchema>, void, void> {
  const reader = await calls.scan(fromScan(request), deadlineOf(context));
  const at = { revision: BigInt(reader.at.seq), epoch: BigInt(reader.at.epoch) };
  let left = request.limit === 0n ? Number.POSITIVE_INFINITY : Number(request.limit);
  let isFirst = true;
  /** Hands an answer over. Whoever does not take it for long loses the scan. */
  function* awaited<T>(answer: T): Generator<T, void, void> {
    const cancel = clock.timer(idleMs, () => void reader.close());
    yield answer;
    cancel();
  }
  try {
    while (left > 0 || isFirst) {
      const keys = left > 0 ? reader.next(Math.min(left, keysAtOnce)) : [];
      left -= keys.length;
      let items: MessageInitShape<typeof KeyValueSchema>[] = [];
      let bytes = 0;
      for (const key of keys) {
        const item = await itemOf(key, request.keysOnly, clock.wallMs());
        items.push(item);
        bytes += key.key.length + (item.value?.value?.length ?? 0);
        if (bytes < answerBytesMax) continue;
        yield* awaited({ ...at, items });
        isFirst = false;
        items = [];
        bytes = 0;
      }
      // The first answer comes in any case: it says which moment the scan shows.
      if (items.length > 0 || isFirst) yield* awaited({ ...at, items });
      isFirst = false;
      if (keys.length === 0) return;
    }
  } finally {
    await reader.close();
  }
}

async function itemOf(
  scanned: ScannedKey,
  keysOnly: boolean,
  wallMs: number,
): Promise<MessageInitShape<typeof KeyValueSchema>> {
  const { key, revision, expiresMs } = scanned;
  const item = { key, revision: BigInt(revision), ...toTtlLeft(expiresMs, wallMs) };
  return keysOnly ? item : { ...item, value: toValue(await scanned.value()) };
}

/** A stream with the errors of the core turned into those of the protocol. */
async function* failing<T>(group: string, stream: () => AsyncGenerator<T, void, void>): AsyncGenerator<T> {
  try {
    yield* stream();
  } catch (error) {
    throw toConnectError(error, group);
  }
}
