/**
 * Server reflection, in both of its versions: lets `buf curl`, grpcurl and the like call without a schema.
 * https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 */

import type { DescExtension, DescFile } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { ServerReflection as ServerReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { unlessAborted } from "../common/unless-aborted.ts";

/** The request's question. The two versions differ only in the names of their types. */
type Question =
  | { case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType"; value: string }
  | { case: "listServices"; value: string }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined; value?: undefined };

type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Registers reflection for all services of the router, including itself and those registered later. */
export function addReflection(router: ConnectRouter): void {
  let index: Index | undefined;
  const respond = (question: Question, sent: Set<DescFile>): Answer => {
    index ??= indexServices(router);
    return answer(index, question, sent);
  };
  router.service(ServerReflectionV1, {
    async *serverReflectionInfo(requests, { signal }) {
      const sent = new Set<DescFile>();
      for await (const request of untilAborted(requests, signal)) {
        const messageResponse = respond(request.messageRequest, sent);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  });
  router.service(ServerReflectionV1Alpha, {
    async *serverReflectionInfo(requests, { signal }) {
      const sent = new Set<DescFile>();
      for await (const request of untilAborted(requests, signal)) {
        const messageResponse = respond(request.messageRequest, sent);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  });
}

/** What comes until the signal is aborted: then rejects with its reason. */
async function* untilAborted<T>(requests: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  const coming = requests[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await unlessAborted(coming.next(), signal);
    if (done) return;
    yield value;
  }
}

interface Index {
  readonly services: readonly string[];
  readonly fileByName: ReadonlyMap<string, DescFile>;
  /** By full name, without a leading dot: services, methods, messages, fields, oneofs, enums, values, extensions. */
  readonly fileBySymbol: ReadonlyMap<string, DescFile>;
  readonly extensions: readonly DescExtension[];
}

function indexServices(router: ConnectRouter): Index {
  const services = new Set(router.handlers.map(({ service }) => service));
  const files = withDependencies(Array.from(services, ({ file }) => file));
  const fileBySymbol = new Map<string, DescFile>();
  const extensions: DescExtension[] = [];
  for (const file of files) {
    for (const symbol of symbolsOf(file)) fileBySymbol.set(symbol, file);
    for (const type of nestedTypes(file)) if (type.kind === "extension") extensions.push(type);
  }
  return {
    services: Array.from(services, ({ typeName }) => typeName).sort(),
    fileByName: new Map(Array.from(files, (file) => [file.proto.name, file])),
    fileBySymbol,
    extensions,
  };
}

/** The files and everything that they import, directly or not. */
function withDependencies(files: readonly DescFile[], known = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    if (known.has(file)) continue;
    known.add(file);
    withDependencies(file.dependencies, known);
  }
  return known;
}

function* symbolsOf(file: DescFile): Iterable<string> {
  for (const type of nestedTypes(file)) {
    yield type.typeName;
    if (type.kind === "service") {
      for (const method of type.methods) yield `${type.typeName}.${method.name}`;
    } else if (type.kind === "message") {
      for (const member of [...type.fields, ...type.oneofs]) yield `${type.typeName}.${member.name}`;
    } else if (type.kind === "enum") {
      // Enum values belong to the scope around the enum, as in C++.
      const scope = type.typeName.slice(0, type.typeName.lastIndexOf(".") + 1);
      for (const value of type.values) yield `${scope}${value.name}`;
    }
  }
}

function answer(index: Index, question: Question, sent: Set<DescFile>): Answer {
  switch (question.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    case "fileByFilename":
      return fileAnswer(index.fileByName.get(question.value), sent, `file ${question.value}`);
    case "fileContainingSymbol":
      return fileAnswer(index.fileBySymbol.get(question.value), sent, `symbol ${question.value}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const found = index.extensions.find(
        ({ extendee, number }) => extendee.typeName === containingType && number === extensionNumber,
      );
      return fileAnswer(found?.file, sent, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = question.value;
      if (!index.fileBySymbol.has(baseTypeName)) return notFound(`message ${baseTypeName}`);
      const ofType = index.extensions.filter(({ extendee }) => extendee.typeName === baseTypeName);
      const extensionNumber = ofType.map(({ number }) => number);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
    }
    case undefined:
      return errorAnswer(Code.InvalidArgument, "the request asks nothing");
  }
}

/** The requested file, and the imported files that this stream has not sent yet. */
function fileAnswer(file: DescFile | undefined, sent: Set<DescFile>, what: string): Answer {
  if (file === undefined) return notFound(what);
  sent.delete(file);
  const files = [...withDependencies([file])].filter((needed) => !sent.has(needed));
  for (const each of files) sent.add(each);
  const fileDescriptorProto = files.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return errorAnswer(Code.NotFound, `${what} is not known`);
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
