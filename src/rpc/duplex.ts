/**
 * Bidirectional methods as calls that are told of each message in the turn in which it is there. Async iterables, the
 * form that Connect knows, cost several promises a message.
 */

import type { HandlerContext } from "@connectrpc/connect";

/** A call of a bidirectional method, as its service carries it out. */
export interface DuplexCall<Input, Output> {
  /** Takes a message. Returns false when the next one is to be held back until `onRoom`. */
  accept(message: Input): boolean;
  /** Nothing more comes: the caller has ended its side, or has gone; with a reason, because of an error. */
  close(reason?: unknown): void;
  /** Takes the next message for the caller. Undefined: there is none now. */
  take(): Output | undefined;
  /** Set when there will be no other message. With an error, the call ends with it. */
  readonly end: { readonly reason: unknown } | undefined;
}

/** What a service tells of a call. Each may come in the middle of `accept` or `close`. */
export interface DuplexEvents {
  /** There is a message to take, or the end. */
  onOutput(): void;
  /** The next message may come. */
  onRoom(): void;
}

export type OpenDuplex<Input, Output> = (events: DuplexEvents) => DuplexCall<Input, Output>;

/** The handler of a method for Connect, with the function that it is made of. */
export type DuplexHandler<Input, Output> = {
  (messages: AsyncIterable<Input>, context: HandlerContext): AsyncIterable<Output>;
  readonly open: OpenDuplex<Input, Output>;
};

export function duplexHandler<Input, Output>(open: OpenDuplex<Input, Output>): DuplexHandler<Input, Output> {
  const handler = (messages: AsyncIterable<Input>, { signal }: HandlerContext) => run(open, messages, signal);
  return Object.assign(handler, { open });
}

async function* run<Input, Output>(
  open: OpenDuplex<Input, Output>,
  messages: AsyncIterable<Input>,
  signal: AbortSignal,
): AsyncGenerator<Output, void, void> {
  let wakeReader = () => {};
  let wakeWriter = () => {};
  const call = open({ onOutput: () => wakeWriter(), onRoom: () => wakeReader() });
  const stop = () => {
    call.close();
    wakeReader();
  };
  const room = () =>
    new Promise<void>((resolve) => {
      wakeReader = resolve;
    });
  void readAll({ call, messages, signal, room, stop });
  try {
    for (;;) {
      const output = call.take();
      if (output !== undefined) {
        yield output;
      } else if (call.end !== undefined) {
        if (call.end.reason !== undefined) throw call.end.reason;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve;
        });
      }
    }
  } finally {
    stop();
  }
}

interface Reading<Input> {
  readonly call: DuplexCall<Input, unknown>;
  readonly messages: AsyncIterable<Input>;
  readonly signal: AbortSignal;
  /** Resolves when the next message may come, or the call has ended. */
  room(): Promise<void>;
  stop(): void;
}

/** Hands the messages on, until the caller or the server ends the call. Never rejects. */
async function readAll<Input>({ call, messages, signal, room, stop }: Reading<Input>): Promise<void> {
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const message of messages) {
      if (call.end !== undefined) return;
      if (!call.accept(message)) await room();
    }
    stop();
  } catch (reason) {
    call.close(reason);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
