/**
 * The message of a gRPC status, in which only what a header field cannot hold is percent-encoded
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses). Connect encodes all that a URL cannot hold;
 * clients such as grpc-js show their users the rest as it came: `no such key%3A a`.
 */
export function encodeGrpcMessage(message: string): string {
  return message.replace(/[^ -$&-~]+/gu, encodeURIComponent);
}

/** Connect's trailers, with the message encoded this way. */
export function trailerFields(trailer: Headers): Record<string, string> {
  const fields = Object.fromEntries(trailer);
  const { "grpc-message": message } = fields;
  if (message !== undefined) fields["grpc-message"] = encodeGrpcMessage(decodeURIComponent(message));
  return fields;
}
