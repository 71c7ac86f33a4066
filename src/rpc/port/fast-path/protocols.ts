/** How the two protocols of the fast path write messages, answers and errors. */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Compression, mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { timerMsMax } from "../../../common/clock.ts";
import { envelopeBytes, enveloped } from "../../../common/envelopes.ts";
import { compressMinBytes } from "../compression.ts";
import { trailerFields } from "../grpc-message.ts";

/** All that is sent for one call. */
export interface WireAnswer {
  readonly headers: OutgoingHttpHeaders;
  /** Undefined: there is none, not even an empty one. */
  readonly body: Uint8Array | undefined;
  /** Undefined: the body ends the answer. */
  readonly trailers: OutgoingHttpHeaders | undefined;
}

/** The header fields of a protocol, for requests without compression in the binary format. */
export interface FastFields {
  readonly name: "grpc" | "connect";
  /** With the compression of the request, and with those that an answer may have. */
  readonly encodingField: string;
  readonly acceptField: string;
  readonly timeoutField: string;
  /** Time that the client gives the call in that field; undefined if it is to be looked at more closely. */
  timeoutMs(given: string): number | undefined;
}

/** Unary calls in a protocol. */
export interface UnaryProtocol extends FastFields {
  /** Before a message. */
  readonly envelopeBytes: number;
  /** The bytes of the only message in a body; undefined if the body is to be looked at more closely. */
  messageIn(body: Uint8Array, headers: IncomingHttpHeaders): Uint8Array | undefined;
  answer(message: Uint8Array, compression: Compression | undefined): WireAnswer | Promise<WireAnswer>;
  failure(error: ConnectError, compression: Compression | undefined): WireAnswer | Promise<WireAnswer>;
}

export const grpcFields: FastFields = {
  name: "grpc",
  encodingField: "grpc-encoding",
  acceptField: "grpc-accept-encoding",
  timeoutField: "grpc-timeout",

  timeoutMs(given) {
    const [, digits = "", unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(given) ?? [];
    return Math.min(Number(digits) * (unitMs[unit] ?? Number.NaN), timerMsMax) || undefined;
  },
};

export const grpc: UnaryProtocol = {
  ...grpcFields,
  envelopeBytes,

  messageIn(body) {
    if (body.length < envelopeBytes) return undefined;
    const envelope = new DataView(body.buffer, body.byteOffset, envelopeBytes);
    const isWhole = envelope.getUint32(1) === body.length - envelopeBytes;
    return isWhole && envelope.getUint8(0) === 0 ? body.subarray(envelopeBytes) : undefined;
  },

  answer(message, compression) {
    if (compression === undefined) return grpcAnswer(enveloped(0, message), undefined, { ...grpcOk });
    if (message.length < compressMinBytes)
      return grpcAnswer(enveloped(0, message), compression, { ...grpcOk });
    return compression
      .compress(message)
      .then((bytes) => grpcAnswer(enveloped(1, bytes), compression, { ...grpcOk }));
  },

  failure: (error, compression) => grpcAnswer(undefined, compression, grpcStatusOf(error)),
};

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
export const grpcOk = { "grpc-status": "0" };

/** The trailers of a call that has failed. */
export function grpcStatusOf(error: ConnectError): OutgoingHttpHeaders {
  return trailerFields(setTrailerStatus(new Headers(), error));
}

function grpcAnswer(
  body: Uint8Array | undefined,
  compression: Compression | undefined,
  trailers: OutgoingHttpHeaders,
): WireAnswer {
  const headers: OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc+proto" };
  if (compression !== undefined) headers["grpc-encoding"] = compression.name;
  return { headers, body, trailers };
}

export const connectFields: FastFields = {
  name: "connect",
  encodingField: "content-encoding",
  acceptField: "accept-encoding",
  timeoutField: "connect-timeout-ms",

  timeoutMs(given) {
    const isNumber = /^\d{1,10}$/.test(given);
    return isNumber ? Math.min(Number(given), timerMsMax) || undefined : undefined;
  },
};

export const connect: UnaryProtocol = {
  ...connectFields,
  envelopeBytes: 0,

  messageIn(body, { "content-length": length }) {
    return length === undefined || Number(length) === body.length ? body : undefined;
  },

  answer: (message, compression) => connectAnswer(200, "application/proto", message, compression),

  failure(error, compression) {
    const fields = new Headers();
    if (!error.isWireError) mergeNonProtocolHeaders(fields, error.metadata);
    const status = codeToHttpStatus(error.code);
    const answer = connectAnswer(status, "application/json", errorToJsonBytes(error, undefined), compression);
    const extended = ({ headers, ...rest }: WireAnswer) => ({
      ...rest,
      headers: { ...Object.fromEntries(fields), ...headers },
    });
    return answer instanceof Promise ? answer.then(extended) : extended(answer);
  },
};

function connectAnswer(
  status: number,
  type: string,
  body: Uint8Array,
  compression: Compression | undefined,
): WireAnswer | Promise<WireAnswer> {
  const headers: OutgoingHttpHeaders = { ":status": status, "content-type": type };
  if (compression === undefined || body.length < compressMinBytes) {
    headers["content-length"] = body.length;
    return { headers, body, trailers: undefined };
  }
  return compression.compress(body).then((bytes) => ({
    headers: { ...headers, "content-encoding": compression.name, "content-length": bytes.length },
    body: bytes,
    trailers: undefined,
  }));
}

/** What a call ends with when its service has thrown something. */
export function toError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, thrown);
}
