import * as http2 from "node:http2";

/** One call of plain gRPC. */
export interface GrpcCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly message: Uint8Array;
}

/** A message as gRPC sends it: not compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Makes one call. Resolves with the answer's frames; rejects unless the status of gRPC is 0. */
export function callGrpc(
  session: http2.ClientHttp2Session,
  { path, message }: GrpcCall,
  timeoutMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      "grpc-timeout": `${timeoutMs}m`,
      te: "trailers",
    });
    let status: unknown;
    let explanation: unknown = "";
    const chunks: Buffer[] = [];
    const take = (headers: http2.IncomingHttpHeaders) => {
      status = headers["grpc-status"] ?? status;
      explanation = headers["grpc-message"] ?? explanation;
    };
    const timer = setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), timeoutMs);
    stream.on("response", take);
    stream.on("trailers", take);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      clearTimeout(timer);
      if (status === "0") resolve(Buffer.concat(chunks));
      else reject(new Error(`${path} was answered with gRPC status ${status} ${explanation}`.trim()));
    });
    stream.end(framed(message));
  });
}

/** Makes calls, one after another, over a connection of their own. Resolves with the bytes of each answer. */
export async function callOnce(address: string, calls: readonly GrpcCall[]): Promise<Buffer[]> {
  const session = http2.connect(`http://${address}`);
  try {
    const answers = [];
    for (const call of calls) answers.push(await callGrpc(session, call, 10_000));
    return answers;
  } finally {
    session.destroy();
  }
}
