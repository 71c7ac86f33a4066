/**
 * What a request says and this server does not understand is refused, not passed over: it may be a condition, or how long
 * a key is to last. In JSON the parser sees to that; this is for the binary form, where a field that is not known has
 * only a number. Whoever calls with a newer schema than the servers' is told so.
 *
 * Only requests of the public services: nodes of two versions have to understand each other while one is replaced by
 * the other, and say more to each other in a newer one.
 */

import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { OperationSchema } from "../../gen/kvlab/v1/data_pb.ts";

const publicServices = /^kvlab\.v1\./;

export const refusingUnknownFields: Interceptor = (next) => (request) => {
  if (!publicServices.test(request.service.typeName)) return next(request);
  if (request.stream) return next({ ...request, message: checkedOnes(request.message) });
  checkFields(request.message);
  return next(request);
};

async function* checkedOnes<T extends Message>(messages: AsyncIterable<T>): AsyncIterable<T> {
  for await (const message of messages) {
    checkFields(message);
    yield message;
  }
}

/**
 * Refuses a message in which, at whatever depth, there is a field that is not known; but for the operations of a pipe,
 * which are each to be refused alone. Errors: ConnectError INVALID_ARGUMENT.
 */
export function checkFields(message: Message): void {
  const [unknown] = message.$unknown ?? [];
  if (unknown !== undefined) {
    throw new ConnectError(
      `${message.$typeName} has the field ${unknown.no}, which this server does not know`,
      Code.InvalidArgument,
    );
  }
  for (const value of Object.values(message)) checkValue(value);
}

function checkValue(value: unknown): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    for (const item of value) checkValue(item);
  } else if (isMessage(value)) {
    if (value.$typeName !== OperationSchema.typeName) checkFields(value);
  } else if ("case" in value && "value" in value) {
    checkValue(value.value);
  }
}

function isMessage(value: object): value is Message {
  return "$typeName" in value;
}
