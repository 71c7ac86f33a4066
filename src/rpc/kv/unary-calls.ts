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
import type { StoredValue } from "../../cluster/storage/key-view.ts";
import type { Clock } from "../../common/clock.ts";
import { toConnectError } from "../errors.ts";
import {
  fromBatch,
  fromCondition,
  fromRequestId,
  fromTtl,
  fromValue,
  toTtlLeftMs,
  toValue,
} from "./key-messages.ts";

/** The end of a call. Its signal may be made when somebody asks for it, as who has to wait does. */
export interface CallEnd {
  readonly signal: AbortSignal;
  /** Milliseconds that are left until then. */
  timeoutMs(): number | undefined;
}

/** The calls of `DataService` that come alone or through a pipe, on a data node and on a router. Errors: ConnectError. */
export interface UnaryCalls {
  /** Answers at once if there is nothing to wait for. */
  get(request: GetRequest, end: CallEnd): GetAnswer | Promise<GetAnswer>;
  put(request: PutRequest, end: CallEnd): Promise<MessageInitShape<typeof PutResponseSchema>>;
  delete(request: DeleteRequest, end: CallEnd): Promise<MessageInitShape<typeof DeleteResponseSchema>>;
  batch(request: BatchRequest, end: CallEnd): Promise<MessageInitShape<typeof BatchResponseSchema>>;
}

type GetAnswer = MessageInitShape<typeof GetResponseSchema>;

/** The calls of a data node: each reads its message, calls the node, and writes the answer or the error. */
export function callsOfNode(service: KeyService, group: string, clock: Clock): UnaryCalls {
  const answerOf = (found: StoredValue): GetAnswer => {
    const answer = { value: toValue(found), revision: BigInt(found.revision) };
    if (found.expiresMs === undefined) return answer;
    return { ...answer, ttlLeftMs: toTtlLeftMs(found.expiresMs, clock.wallMs()) };
  };
  const getLater = async (key: string, { signal }: CallEnd): Promise<GetAnswer> => {
    try {
      return answerOf(await service.get(key, signal));
    } catch (error) {
      throw toConnectError(error, group);
    }
  };
  return {
    get({ key }, end) {
      let found: StoredValue | undefined;
      try {
        found = service.getNow(key);
      } catch (error) {
        throw toConnectError(error, group);
      }
      return found === undefined ? getLater(key, end) : answerOf(found);
    },

    async put({ key, value, condition, requestId, ttlMs }, { signal }) {
      try {
        const put = {
          key,
          value: fromValue(value),
          text: value.case === "text",
          condition: fromCondition(condition),
          requestId: fromRequestId(requestId),
          ttlMs: fromTtl(ttlMs),
        };
        const revision = await service.put(put, signal);
        return { revision: BigInt(revision) };
      } catch (error) {
        throw toConnectError(error, group);
      }
    },

    async delete({ key, condition, requestId }, { signal }) {
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

    async batch(request, { signal }) {
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
    get: (request: GetRequest, context: HandlerContext) => calls.get(request, context),
    put: (request: PutRequest, context: HandlerContext) => calls.put(request, context),
    delete: (request: DeleteRequest, context: HandlerContext) => calls.delete(request, context),
    batch: (request: BatchRequest, context: HandlerContext) => calls.batch(request, context),
  };
}
