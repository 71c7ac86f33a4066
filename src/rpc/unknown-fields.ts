/**
 * Refuses fields that this server does not know, instead of ignoring them: one may be a condition, or how long a key is
 * to last. For JSON the parser does this; this file does it for the binary format, where an unknown field has only a
 * number. A caller whose schema is newer than the servers' gets an error that says so.
 *
 * Only requests of the public services are checked. Nodes of two versions must understand each other during an upgrade,
 * and the newer one may send more fields. What an older node must not ignore is sent so that it refuses it in another way:
 * see CHANGE_KIND_MARK in proto/kvlab/internal/v1/replication.proto.
 */

import type { DescService, Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { OperationSchema } from "../../gen/kvlab/v1/data_pb.ts";

const publicServices = /^kvlab\.v1\./;

export const refusingUnknownFields: Interceptor = (next) => (request) => {
  if (!request.stream) checkRequest(request.service, request.message);
  else if (isPublic(request.service)) return next({ ...request, message: checkedOnes(request.message) });
  return next(request);
};

/** Checks the message of a unary call. Errors: ConnectError INVALID_ARGUMENT. */
export function checkRequest(service: DescService, message: Message): void {
  if (isPublic(service)) checkFields(message);
}

function isPublic({ typeName }: DescService): boolean {
  return publicServices.test(typeName);
}

async function* checkedOnes<T extends Message>(messages: AsyncIterable<T>): AsyncIterable<T> {
  for await (const message of messages) {
    checkFields(message);
    yield message;
  }
}

/**
 * Refuses a message with an unknown field at any depth. Operations of a pipe are exempt: each is refused alone. Errors:
 * ConnectError INVALID_ARGUMENT.
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
