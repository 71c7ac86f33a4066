/** Scan and Watch of a router without a group: one stream over all groups, merged as the client library does. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type {
  KeyValue,
  ScanRequest,
  ScanResponseSchema,
  WatchRequest,
  WatchResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import { HistoryLostSchema } from "../../../gen/kvlab/v1/errors_pb.ts";
import { Deadline } from "../../client/deadline.ts";
import { KvError } from "../../client/errors.ts";
import { MergedScan } from "../../client/merged-scan.ts";
import { MergedWatch } from "../../client/merged-watch.ts";
import { type Positions, positionsOf, tokenOf } from "../../client/positions.ts";
import { someGroups } from "../../client/stream-cluster.ts";
import { isOtherCluster } from "../../client/topology.ts";
import { OperationError } from "../../cluster/metadata/operation-error.ts";
import { checkKey } from "../../cluster/node/limits.ts";
import { defaultDeadlineMs } from "../deadline.ts";
import { scanAnswerMax } from "../kv/group-streams.ts";
import type { RouterCluster } from "./router-cluster.ts";
import { toStreamError } from "./stream-error.ts";

/**
 * Each idle group tells its progress every ten seconds. Answers of different groups that come closer together than this
 * are told as one.
 */
const progressMsMin = 5_000;

/** `DataService.Scan` over all groups. */
export async function* scanAllGroups(
  cluster: RouterCluster,
  request: ScanRequest,
  context: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof ScanResponseSchema>, void, void> {
  const lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY, context.signal);
  try {
    for (const key of [request.prefix, request.start, request.end, request.after]) checkKey(key ?? "");
    const deadlineMs = context.timeoutMs() ?? defaultDeadlineMs;
    const scan = new MergedScan(cluster, { request, deadlineMs, lifetime });
    let isFirst = true;
    for await (const run of scan.runs()) {
      for (const items of messagesOf(run)) {
        yield isFirst ? { ...beginningOf(scan), items } : { ...scan.onlyMoment, items };
        isFirst = false;
      }
    }
    if (isFirst) yield beginningOf(scan);
  } catch (error) {
    throw toStreamError(error, context.signal);
  } finally {
    lifetime.end(new KvError("aborted", "the scan is over"));
  }
}

function beginningOf(scan: MergedScan) {
  return { ...scan.onlyMoment, watchToken: scan.token ?? "" };
}

/** Divides keys among messages as data nodes do, so that any client can read them. */
function* messagesOf(run: readonly KeyValue[]): Generator<KeyValue[]> {
  const { keysMax, bytesMax } = scanAnswerMax;
  let items: KeyValue[] = [];
  let bytes = 0;
  for (const item of run) {
    const more = bytesOf(item);
    if (items.length === keysMax || (items.length > 0 && bytes + more > bytesMax)) {
      yield items;
      items = [];
      bytes = 0;
    }
    items.push(item);
    bytes += more;
  }
  yield items;
}

function bytesOf({ key, value: { value } }: KeyValue): number {
  const valueBytes = typeof value === "string" ? Buffer.byteLength(value) : (value?.length ?? 0);
  return Buffer.byteLength(key) + valueBytes;
}

/** `DataService.Watch` over all groups. */
export async function* watchAllGroups(
  cluster: RouterCluster,
  request: WatchRequest,
  context: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof WatchResponseSchema>, void, void> {
  const { scope, previous, afterToken } = request;
  const { clock } = cluster;
  const lifetime = new Deadline(cluster.deadlines, Number.POSITIVE_INFINITY, context.signal);
  try {
    if (request.afterEpoch > 0n) {
      throw new OperationError("invalid", "after_epoch is given without group and after_revision");
    }
    if (request.afterRingChange !== undefined || request.fromNow) {
      throw new OperationError("invalid", "after_ring_change and from_now are given without group");
    }
    if (scope.case !== undefined) checkKey(scope.value);
    const from = afterToken === undefined ? undefined : placeOf(afterToken);
    const firstAnswerMs = context.timeoutMs() ?? defaultDeadlineMs;
    if (from !== undefined) await checkCluster(cluster, from, firstAnswerMs, lifetime);
    const outageMs = defaultDeadlineMs;
    const watch = new MergedWatch(cluster, { scope, from, previous, firstAnswerMs, outageMs, lifetime });
    let isCompleteTold = false;
    let toldMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const { group, answer, positions } = await watch.take();
      const complete = watch.isComplete;
      const isDue = complete && (!isCompleteTold || clock.monotonicMs() - toldMs >= progressMsMin);
      // The next token tells this progress, too.
      if (answer.events.length === 0 && !isDue) continue;
      const { events, revision, epoch } = answer;
      isCompleteTold ||= complete;
      toldMs = clock.monotonicMs();
      yield { group, events, revision, epoch, token: tokenOf(positions), complete };
    }
  } catch (error) {
    throw toStreamError(error, context.signal);
  } finally {
    lifetime.end(new KvError("aborted", "the watch is over"));
  }
}

function placeOf(token: string): Positions {
  try {
    return positionsOf(token);
  } catch (error) {
    throw new OperationError("invalid", `after_token: ${KvError.from(error).message}`, { cause: error });
  }
}

/** Refuses a token of another cluster. Its positions may exist here, too, but they are of another history. */
async function checkCluster(
  cluster: RouterCluster,
  { cluster: named }: Positions,
  limitMs: number,
  lifetime: Deadline,
): Promise<void> {
  const first = new Deadline(cluster.deadlines, limitMs);
  const known = cluster.find({ look: someGroups, missing: ({ empty }) => empty, deadline: first });
  await lifetime.race(known).finally(() => first.end(new KvError("aborted", "the cluster is known")));
  const { clusterId = "" } = cluster.view ?? {};
  if (!isOtherCluster({ clusterId }, named)) return;
  throw new ConnectError(
    `after_token is of cluster ${named}, and this is cluster ${clusterId}`,
    Code.InvalidArgument,
    undefined,
    [{ desc: HistoryLostSchema, value: {} }],
  );
}
