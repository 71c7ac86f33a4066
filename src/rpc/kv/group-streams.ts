import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  KeyValueSchema,
  ScanRequest,
  ScanResponseSchema,
  WatchRequest,
} from "../../../gen/kvlab/v1/data_pb.ts";
import type { GroupScan } from "../../cluster/kv/served-scan.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import type { KeyService } from "../../cluster/node/key-service.ts";
import type { ScannedEntry } from "../../cluster/storage/key-view.ts";
import type { Clock } from "../../common/clock.ts";
import { withinDeadline } from "../deadline.ts";
import { toConnectError } from "../errors.ts";
import { fromScan, fromWatch, toTtlLeftMs, toValue, toWatchResponse } from "./key-messages.ts";

/** Keys of one answer, and bytes of their entries in the log, unless a single one is longer. */
export const scanAnswerMax = { keysMax: 256, bytesMax: 256 * 1024 } as const;

/** A scan ends when its caller has not read for this time, because it keeps old values from being compacted. */
const idleMs = 60_000;

type KeyValueInit = MessageInitShape<typeof KeyValueSchema>;

/** Scan and Watch of a data node: streams over the keys of its group. */
export function groupStreamHandlers(calls: KeyService, group: string, clock: Clock) {
  const checkGroup = (asked: string) => {
    if (asked === group) return;
    if (asked === "") {
      throw new OperationError(
        "invalid",
        `this node has only keys of group "${group}": set group to "${group}", or ask a router, which answers for all groups`,
      );
    }
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
        checkToken(request);
        for await (const step of calls.watch(fromWatch(request), signal)) yield toWatchResponse(step);
        // It lasts until the caller ends it: any other end is an error.
        signal.throwIfAborted();
      }),
  };
}

async function* scan(
  calls: KeyService,
  request: ScanRequest,
  context: HandlerContext,
  clock: Clock,
): AsyncGenerator<MessageInitShape<typeof ScanResponseSchema>, void, void> {
  const reader = await withinDeadline(context, clock, (signal) => calls.scan(fromScan(request), signal));
  const at = {
    revision: BigInt(reader.revision),
    epoch: BigInt(reader.at.epoch),
    ringVersion: BigInt(reader.ringVersion),
  };
  let left = request.limit === 0n ? Number.POSITIVE_INFINITY : Number(request.limit);
  try {
    // There is always a first answer, because it has the revision of the snapshot.
    for (let isFirst = true; ; isFirst = false) {
      const items = await nextItems(reader, Math.min(left, scanAnswerMax.keysMax), request.keysOnly, clock);
      if (items.length === 0 && !isFirst) return;
      left -= items.length;
      if (items.length === 0 || left === 0) {
        // Nothing is left to be read, however late this is taken.
        await reader.close();
        yield { ...at, items };
        return;
      }
      yield* awaited({ ...at, items }, reader, clock);
    }
  } finally {
    await reader.close();
  }
}

async function nextItems(
  reader: GroupScan,
  keysMax: number,
  keysOnly: boolean,
  clock: Clock,
): Promise<KeyValueInit[]> {
  const wallMs = clock.wallMs();
  if (keysOnly) return (await reader.nextKeys(keysMax)).map((key) => itemOf(key, wallMs));
  const entries = await reader.nextEntries({ ...scanAnswerMax, keysMax });
  return entries.map((entry) => ({ ...itemOf(entry, wallMs), value: toValue(entry) }));
}

function itemOf(
  { key, revision, expiresMs }: Omit<ScannedEntry, "value" | "text">,
  wallMs: number,
): KeyValueInit {
  const ttlLeft = expiresMs === undefined ? {} : { ttlLeftMs: toTtlLeftMs(expiresMs, wallMs) };
  return { key, revision: BigInt(revision), ...ttlLeft };
}

/** Yields an answer. If the caller does not take it in time, the scan ends. The caller can continue with another. */
function* awaited<T>(answer: T, reader: GroupScan, clock: Clock): Generator<T, void, void> {
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

/** Errors: OperationError `invalid`. */
function checkToken({ group, afterToken }: WatchRequest): void {
  if (afterToken === undefined) return;
  throw new OperationError(
    "invalid",
    `after_token is of a watch of all groups, and group is "${group}": leave out group, or give after_revision`,
  );
}

/** Turns errors of the core into errors of the protocol. */
async function* failing<T>(group: string, stream: () => AsyncGenerator<T, void, void>): AsyncGenerator<T> {
  try {
    yield* stream();
  } catch (error) {
    throw toConnectError(error, group);
  }
}
