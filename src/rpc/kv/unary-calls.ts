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
import { toConnectError } from "../errors.ts";
import { fromBatch, fromCondition, fromRequestId, fromValue, toTtlLeft, toValue } from "./key-messages.ts";

/** The calls of `DataService` that come alone or through a pipe, on a data node and on a router. Errors: ConnectError. */
export interface UnaryCalls {
  get(request: GetRequest, signal: AbortSignal): Promise<MessageInitShape<typeof GetResponseSchema>>;
  put(request: PutRequest, signal: AbortSignal): Promise<MessageInitShape<typeof PutResponseSchema>>;
  delete(request: DeleteRequest, signal: AbortSignal): Promise<MessageInitShape<typeof DeleteResponseSchema>>;
  batch(request: BatchRequest, signal: AbortSignal): Promise<MessageInitShape<typeof BatchResponseSchema>>;
}

/** The calls of a data node: each reads its message, calls the node, and writes the answer or the error. */
export function callsOfNode(service: KeyService, group: string, clock: Clock): UnaryCalls {
  return {
    async get({ key }, signal) {
      try {
        const found = await service.get(key, signal);
        const ttlLeft = toTtlLeft(found.expiresMs, clock.wallMs());
        return { value: toValue(found), revision: BigInt(found.revision), ...ttlLeft };
      } catch (error) {
        throw toConnectError(error, group);
      }
    },

    async put({ key, value, condition, requestId, ttlMs }, signal) {
      try {
        const put = {
          key,
          value: fromValue(value),
          text: value.case === "text",
          condition: fromCondition(condition),
          requestId: fromRequestId(requestId),
          ttlMs: ttlMs === undefined ? undefined : Number(ttlMs),
        };
        const revision = await service.put(put, signal);
        return { revision: BigInt(revision) };
      } catch (error) {
        throw toConnectError(error, group);
      }
    },

    async delete({ key, condition, requestId }, signal) {
      try {
        const revision = await service.delete(key, signal, {
          condition: fromCondition(condition),
          requestId: fromRequestId(requestId),
        });
        return { revision: BigInt(revision) };
      } catch (error) {
        throw toConnectError(error, group);
      }
    },

    async batch(request, signal) {
      try {
        return { revision: BigInt(await service.write(fromBatch(request), signal)) };
      } catch (error) {
        throw toConnectError(error, group);
      }
    },
  };
}

/** The calls as they come alone, each with the deadline of its caller. */
export function unaryHandlers(calls: UnaryCalls) {
  return {
    get: (request: GetRequest, { signal }: HandlerContext) => calls.get(request, signal),
    put: (request: PutRequest, { signal }: HandlerContext) => calls.put(request, signal),
    delete: (request: DeleteRequest, { signal }: HandlerContext) => calls.delete(request, signal),
    batch: (request: BatchRequest, { signal }: HandlerContext) => calls.batch(request, signal),
  };
}
