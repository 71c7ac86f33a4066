import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { Deadlines, Expiring } from "../../common/deadlines.ts";
import { endWith } from "../../common/end-with.ts";
import { joinChunks } from "../../common/join-chunks.ts";
import { brokenOff, tooLong } from "./answers.ts";
import type { Begun, SessionPool } from "./session-pool.ts";

export interface UnaryCallOptions {
  readonly pool: SessionPool;
  readonly deadlines: Deadlines;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  /** The request, in the binary format. */
  readonly body: Uint8Array;
  readonly signal: AbortSignal | undefined;
  /** When the call must have ended, on the monotonic clock; infinite without a deadline. */
  readonly dueMs: number;
  /** Limit of the request and of the answer. */
  readonly messageBytesMax: number;
  readonly onBegin: (begun: Begun) => void;
}

/**
 * One unary call in the Connect protocol, straight on an HTTP/2 stream. The library's way does the same, and costs
 * several times as much.
 */
export class UnaryCall implements Expiring {
  readonly dueMs: number;
  readonly #options: UnaryCallOptions;
  readonly #stopped = new AbortController();

  constructor(options: UnaryCallOptions) {
    this.#options = options;
    this.dueMs = options.dueMs;
  }

  /** Resolves with the answer, in the binary format. Errors: ConnectError. */
  async run(): Promise<Uint8Array> {
    const { pool, deadlines, path, headers, body, signal, messageBytesMax, onBegin } = this.#options;
    if (body.length > messageBytesMax) throw tooLong("request", messageBytesMax);
    if (signal?.aborted) throw ConnectError.from(signal.reason);
    signal?.addEventListener("abort", this.#onAbort);
    if (this.dueMs < Number.POSITIVE_INFINITY) deadlines.add(this);
    try {
      const begun = await pool.request({ method: "POST", path, headers, signal: this.#stopped.signal });
      onBegin(begun);
      return await this.#exchange(begun);
    } catch (error) {
      throw ConnectError.from(error);
    } finally {
      deadlines.delete(this);
      signal?.removeEventListener("abort", this.#onAbort);
    }
  }

  expire(): void {
    this.#stopped.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  readonly #onAbort = (): void => {
    this.#stopped.abort(ConnectError.from(this.#options.signal?.reason));
  };

  #exchange({ stream, session }: Begun): Promise<Uint8Array> {
    const { body, messageBytesMax } = this.#options;
    const { signal } = this.#stopped;
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      let head: IncomingHttpHeaders = {};
      const giveUp = (reason: unknown) => {
        reject(reason);
        stream.close(constants.NGHTTP2_CANCEL);
      };
      stream.on("response", (given) => {
        head = given;
      });
      stream.on("data", (chunk: Uint8Array) => {
        session.heardAt = performance.now();
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > messageBytesMax) giveUp(tooLong("answer", messageBytesMax));
      });
      stream.on("end", () => {
        try {
          if (stream.rstCode !== 0) throw brokenOff(stream);
          resolve(answerIn(head, joinChunks(chunks, bytes)));
        } catch (error) {
          reject(error);
        }
      });
      stream.on("error", (error) => reject(stream.rstCode === 0 ? error : brokenOff(stream)));
      stream.on("close", () => reject(brokenOff(stream)));
      if (signal.aborted) return giveUp(signal.reason);
      signal.addEventListener("abort", () => giveUp(signal.reason));
      endWith(stream, body);
    });
  }
}

/** The message in an answer. Throws the error in it, or what is wrong with the answer. */
function answerIn(head: IncomingHttpHeaders, body: Uint8Array): Uint8Array {
  const { "content-type": type, "content-length": length, "content-encoding": encoding } = head;
  const status = Number(head[":status"] ?? 0);
  if (encoding !== undefined && encoding !== "identity") {
    throw new ConnectError(`unsupported response encoding "${encoding}"`, Code.Internal);
  }
  // Without the length, an answer that breaks off could pass for a whole one.
  if (status !== 0 && length !== undefined && Number(length) !== body.length) {
    throw new ConnectError(`the answer has ${body.length} of ${length} bytes`, Code.Unavailable);
  }
  if (status === 200 && type === "application/proto") return body;
  if (status === 0) throw new ConnectError("the answer broke off", Code.Unavailable);
  if (status === 200) throw new ConnectError(`unsupported content type ${type}`, Code.Internal);
  const error = new ConnectError(`HTTP ${status}`, codeFromHttpStatus(status));
  throw type === "application/json" ? errorFromJsonBytes(body, undefined, error) : error;
}
