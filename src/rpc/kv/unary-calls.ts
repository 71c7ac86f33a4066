import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  BatchRequest,
  BatchResponseSchema,
  DeleteRequest,
  DeleteResponseSchema,
  GetRequest,
  GetResponseSchema,
  PutRequest,
  PutResponseSchema,
} from "../../../gen/kvlab/v1/data_pb.ts";
import type { KeyService } from "../../cluster/node/key-service.ts";
import type { Clock } from "../../common/clock.ts";
import { deadlineOf } from "../deadline.ts";
import { answering } from "../errors.ts";
import { fromBatch, fromCondition, fromRequestId, fromValue, toTtlLeft, toValue } from "./key-messages.ts";

/** The calls of `DataService` that can come alone or through a pipe. */
export interface UnaryCalls {
  get(request: GetRequest, signal: AbortSignal): Promise<MessageInitShape<typeof GetResponseSchema>>;
  put(request: PutRequest, signal: AbortSignal): Promise<MessageInitShape<typeof PutResponseSchema>>;
  delete(request: DeleteRequest, signal: AbortSignal): Promise<MessageInitShape<typeof DeleteResponseSchema>>;
  batch(request: BatchRequest, signal: AbortSignal): Promise<MessageInitShape<typeof BatchResponseSchema>>;
}

/** Those of a data node. Errors: ConnectError. */
export function callsOfNode(calls: KeyService, group: string, clock: Clock): UnaryCalls {
  const answer = <T>(call: () => Promise<T>) => answering(call, group);
  const revised = (call: () => Promise<number>) => answer(async () => ({ revision: BigInt(await call()) }));
  return {
    get: ({ key }, signal) =>
      answer(async () => {
        const found = await calls.get(key, signal);
        return {
          value: toValue(found),
          revision: BigInt(found.revision),
          ...toTtlLeft(found.expiresMs, clock.wallMs()),
        };
      }),
    put: ({ key, value, condition, requestId, ttlMs }, signal) =>
      revised(() =>
        calls.put(key, fromValue(value), value.case === "text", signal, {
          condition: fromCondition(condition),
          requestId: fromRequestId(requestId),
          ttlMs: ttlMs === undefined ? undefined : Number(ttlMs),
        }),
      ),
    delete: ({ key, condition, requestId }, signal) =>
      revised(() =>
        calls.delete(key, signal, {
          condition: fromCondition(condition),
          requestId: fromRequestId(requestId),
        }),
      ),
    batch: (request, signal) => revised(async () => await calls.write(fromBatch(request), signal)),
  };
}

/** The calls as they come alone. */
export function unaryHandlers(calls: UnaryCalls, clock: Clock) {
  return {
    get: (request: GetRequest, context: HandlerContext) => calls.get(request, deadlineOf(context, clock)),
    put: (request: PutRequest, context: HandlerContext) => calls.put(request, deadlineOf(context, clock)),
    delete: (request: DeleteRequest, context: HandlerContext) =>
      calls.delete(request, deadlineOf(context, clock)),
    batch: (request: BatchRequest, context: HandlerContext) =>
      calls.batch(request, deadlineOf(context, clock)),
  };
}
