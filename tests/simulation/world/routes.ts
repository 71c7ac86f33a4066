import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { Deadlines } from "../../../src/common/deadlines.ts";
import { defaultDeadlineMs, startDeadline } from "../../../src/rpc/deadline.ts";
import type { SimProcess } from "./process.ts";
import type { StreamEnd } from "./stream.ts";
import { toWireError } from "./wire-error.ts";

type Unary = (request: unknown, context: HandlerContext) => unknown;
type Streaming = (request: unknown, context: HandlerContext) => AsyncIterable<unknown>;

const noHeaders = new Headers();

/** The services of one process: what `ConnectRouter` is to a port. */
export class Routes implements ConnectRouter {
  readonly handlers = [];
  readonly #process: SimProcess;
  readonly #deadlines: Deadlines;
  readonly #methods = new Map<DescMethod, Unary | Streaming>();

  constructor(process: SimProcess) {
    this.#process = process;
    this.#deadlines = new Deadlines(process.clock);
  }

  service<Service extends DescService>(
    service: Service,
    implementation: Partial<ServiceImpl<Service>>,
  ): this {
    for (const method of service.methods) {
      const handler: unknown = Reflect.get(implementation, method.localName);
      if (isHandler(handler)) this.#methods.set(method, handler);
    }
    return this;
  }

  rpc(): this {
    throw new TypeError("services are routed as a whole");
  }

  /** Answers one message with another. Errors: WireError. */
  async unary(
    method: DescMethod,
    bytes: Uint8Array,
    timeoutMs = defaultDeadlineMs,
    caller: AbortSignal,
  ): Promise<Uint8Array> {
    const { context, release } = this.#contextOf(method, timeoutMs, caller);
    try {
      const answer = await this.#handlerOf(method)(fromBinary(method.input, bytes), context);
      return serialised(method.output, answer);
    } catch (error) {
      throw toWireError(error);
    } finally {
      release();
    }
  }

  /** Answers a stream. */
  async stream(method: DescMethod, timeoutMs: number | undefined, end: StreamEnd): Promise<void> {
    const { context, release } = this.#contextOf(method, timeoutMs, end.gone);
    try {
      const requests = messagesOf(method.input, end);
      const { value: first } = method.methodKind === "server_streaming" ? await requests.next() : {};
      const request = method.methodKind === "server_streaming" ? first : requests;
      const answers = this.#handlerOf(method)(request, context);
      for await (const answer of answers as AsyncIterable<unknown>) {
        if (end.gone.aborted) break;
        await end.send(serialised(method.output, answer));
        if (end.gone.aborted) break;
      }
      end.end();
    } catch (error) {
      end.end(toWireError(error));
    } finally {
      release();
      end.close();
    }
  }

  #handlerOf(method: DescMethod): Unary | Streaming {
    const handler = this.#methods.get(method);
    if (handler === undefined) throw new ConnectError(`${method.name} is not there`, Code.Unimplemented);
    return handler;
  }

  #contextOf(method: DescMethod, timeoutMs: number | undefined, caller: AbortSignal) {
    const { clock } = this.#process;
    const endMs = clock.monotonicMs() + (timeoutMs ?? 0);
    const deadline =
      timeoutMs === undefined
        ? { signal: caller, release: () => {} }
        : startDeadline(this.#deadlines, timeoutMs, caller);
    const context: HandlerContext = {
      method,
      service: method.parent,
      signal: deadline.signal,
      timeoutMs: () => (timeoutMs === undefined ? undefined : endMs - clock.monotonicMs()),
      protocolName: "connect",
      requestMethod: "POST",
      url: "",
      requestHeader: noHeaders,
      responseHeader: noHeaders,
      responseTrailer: noHeaders,
      values: createContextValues(),
    };
    return { context, release: deadline.release };
  }
}

async function* messagesOf<Desc extends DescMessage>(
  schema: Desc,
  end: StreamEnd,
): AsyncGenerator<MessageShape<Desc>, undefined> {
  for (;;) {
    const bytes = await end.next();
    if (bytes === undefined) return undefined;
    yield fromBinary(schema, bytes);
  }
}

export function serialised<Desc extends DescMessage>(schema: Desc, message: unknown): Uint8Array {
  return toBinary(schema, create(schema, message as MessageInitShape<Desc>));
}

function isHandler(value: unknown): value is Unary | Streaming {
  return typeof value === "function";
}
