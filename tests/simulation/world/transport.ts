import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { MoveService } from "../../../gen/kvlab/internal/v1/move_pb.ts";
import { DataService, ExchangeRequestSchema, ExchangeResponseSchema } from "../../../gen/kvlab/v1/data_pb.ts";
import type { Network } from "./network.ts";
import type { SimProcess } from "./process.ts";
import { serialised } from "./routes.ts";
import type { Services } from "./services.ts";
import { openStream, type StreamEnd } from "./stream.ts";
import { toTransportError } from "./wire-error.ts";

/** Messages under way of a stream in both directions. */
const pipeWindow = 16;

const noHeaders = new Headers();

/** Is told of each message that a stream has brought, with what was asked for; and of each end. */
export interface StreamTap {
  opened(request: unknown): { message(answer: unknown): void; ended(): void } | undefined;
}

export interface TransportOptions {
  readonly process: SimProcess;
  readonly network: Network<Services>;
  /** `host:port`, or a URL of that. */
  readonly address: string;
  readonly tap?: StreamTap | undefined;
  /** See `Network.breaks`: of streams. */
  readonly breaks?: number | undefined;
}

/** What a process calls another with, over the simulated network: messages cross it as bytes. */
export function transportTo(options: TransportOptions): Transport {
  const { process, network, address } = options;
  const to = hostOf(address);
  return {
    async unary<Input extends DescMessage, Output extends DescMessage>(
      method: DescMethodUnary<Input, Output>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      _header: HeadersInit | undefined,
      input: MessageInitShape<Input>,
    ) {
      const bytes = serialised(method.input, input);
      const limit = limited(process, signal, timeoutMs);
      try {
        const answer = await network.call({
          from: process,
          to,
          what: method.localName,
          signal: limit.signal,
          repeatable: (answered: Uint8Array) => isRepeatable(method, bytes, answered),
          handle: ({ routes }, given) => routes.unary(method, bytes, timeoutMs, given),
        });
        if (network.breaks(options.breaks)) throw new ConnectError("the connection broke", Code.Unavailable);
        const message = fromBinary(method.output, answer);
        return {
          stream: false,
          service: method.parent,
          method,
          header: noHeaders,
          trailer: noHeaders,
          message,
        };
      } catch (error) {
        throw toTransportError(error);
      } finally {
        limit.release();
      }
    },
    async stream<Input extends DescMessage, Output extends DescMessage>(
      method: DescMethodStreaming<Input, Output>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      _header: HeadersInit | undefined,
      input: AsyncIterable<MessageInitShape<Input>>,
    ) {
      const end = openStream(network, {
        from: process,
        to,
        what: method.localName,
        breaks: options.breaks,
        window: method.methodKind === "server_streaming" ? 1 : pipeWindow,
        serve: ({ routes }, given) => void routes.stream(method, timeoutMs, given),
      });
      const message = start({ method, end, input, signal, tap: options.tap });
      return { stream: true, service: method.parent, method, header: noHeaders, trailer: noHeaders, message };
    },
  };
}

/** Whether every write in a message has a name by which it is known when it arrives again, and has been carried out. */
function isRepeatable(method: DescMethod, request: Uint8Array, answer: Uint8Array): boolean {
  // Each names its attempt, and its place in it.
  if (method === MoveService.method.moveOut) return true;
  if (method !== DataService.method.exchange) return isNamed(fromBinary(method.input, request));
  const { operations } = fromBinary(ExchangeRequestSchema, request);
  const { answers } = fromBinary(ExchangeResponseSchema, answer);
  return (
    operations.every(
      ({ call: { case: kind, value } }) => kind === "get" || (value !== undefined && isNamed(value)),
    ) && answers.every(({ answer: { case: kind } }) => kind !== "failure")
  );
}

function isNamed(call: object): boolean {
  return "requestId" in call && call.requestId !== undefined;
}

interface Answering<Input extends DescMessage, Output extends DescMessage> {
  readonly method: DescMethodStreaming<Input, Output>;
  readonly end: StreamEnd;
  readonly input: AsyncIterable<MessageInitShape<Input>>;
  readonly signal: AbortSignal | undefined;
  readonly tap: StreamTap | undefined;
}

/** Sends what there is to send, and returns what comes back. */
function start<Input extends DescMessage, Output extends DescMessage>({
  method,
  end,
  input,
  signal,
  tap,
}: Answering<Input, Output>): AsyncIterable<MessageShape<Output>> {
  const onAbort = () => end.cancel();
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  let tapped: ReturnType<StreamTap["opened"]>;
  const sendAll = async () => {
    for await (const request of input) {
      tapped ??= tap?.opened(request);
      if (end.gone.aborted) return;
      await end.send(serialised(method.input, request));
      if (end.gone.aborted) return;
    }
    end.end();
  };
  sendAll().catch(() => end.cancel());
  async function* answers(): AsyncGenerator<MessageShape<Output>, void, void> {
    try {
      for (;;) {
        const bytes = await end.next();
        if (signal?.aborted) throw signal.reason;
        if (bytes === undefined) return;
        const answer = fromBinary(method.output, bytes);
        tapped?.message(answer);
        yield answer;
      }
    } catch (error) {
      throw toTransportError(error);
    } finally {
      tapped?.ended();
      signal?.removeEventListener("abort", onAbort);
      end.cancel();
    }
  }
  return answers();
}

/** The caller's signal, and the end of the time that the call may take. */
function limited(process: SimProcess, signal: AbortSignal | undefined, timeoutMs: number | undefined) {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  const cancel =
    timeoutMs === undefined
      ? () => {}
      : process.clock.timer(timeoutMs, () =>
          controller.abort(new ConnectError("the time of the call is over", Code.DeadlineExceeded)),
        );
  const release = () => {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  };
  return { signal: controller.signal, release };
}

function hostOf(address: string): string {
  return address.replace(/^http:\/\//, "").replace(/:\d+\/?$/, "");
}
