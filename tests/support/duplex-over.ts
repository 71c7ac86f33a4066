import type { DescMessage, DescMethodBiDiStreaming, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import type { Duplex, DuplexEvents, OpenDuplex } from "../../src/client/transport/duplex.ts";

/** Opens bidirectional calls over any transport of Connect, whose form of them is async iterables. */
export function duplexOver(transport: Transport): OpenDuplex {
  return (method, events) => new DuplexOver(transport, method, events);
}

class DuplexOver<Input extends DescMessage, Output extends DescMessage>
  implements Duplex<MessageShape<Input>>
{
  hasRoom = false;
  readonly #events: DuplexEvents<MessageShape<Output>>;
  readonly #cancelled = new AbortController();
  #next: MessageShape<Input> | undefined;
  #isEnding = false;
  #wake = () => {};

  constructor(
    transport: Transport,
    method: DescMethodBiDiStreaming<Input, Output>,
    events: DuplexEvents<MessageShape<Output>>,
  ) {
    this.#events = events;
    void this.#run(transport, method);
  }

  send(message: MessageShape<Input>): void {
    this.hasRoom = false;
    this.#next = message;
    this.#wake();
  }

  end(): void {
    this.#isEnding = true;
    this.#wake();
  }

  cancel(): void {
    this.hasRoom = false;
    this.#isEnding = true;
    this.#cancelled.abort();
    this.#wake();
  }

  async #run(transport: Transport, method: DescMethodBiDiStreaming<Input, Output>): Promise<void> {
    const { signal } = this.#cancelled;
    let error: ConnectError | undefined;
    try {
      // Nothing comes before the call that has opened it has returned.
      await Promise.resolve();
      const { message } = await transport.stream(method, signal, undefined, undefined, this.#messages());
      for await (const each of message) if (!signal.aborted) this.#events.onMessage(each);
    } catch (reason) {
      error = ConnectError.from(reason);
    }
    this.hasRoom = false;
    this.#isEnding = true;
    this.#wake();
    if (!signal.aborted) this.#events.onEnd(error);
  }

  async *#messages(): AsyncGenerator<MessageShape<Input>, void, void> {
    for (;;) {
      if (this.#next === undefined && !this.#isEnding) {
        this.hasRoom = true;
        this.#events.onRoom();
      }
      const next = this.#next;
      this.#next = undefined;
      if (next !== undefined) {
        yield next;
      } else if (this.#isEnding) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
