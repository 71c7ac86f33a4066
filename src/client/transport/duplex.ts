import type { DescMessage, DescMethodBiDiStreaming, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";

/** A call of a bidirectional method, in which both sides send messages when they like. */
export interface Duplex<Input> {
  /** Whether a message may be sent now. At first it may not. */
  readonly hasRoom: boolean;
  send(message: Input): void;
  /** Says that no more will be sent. */
  end(): void;
  /** Gives the call up. No event comes any more. */
  cancel(): void;
}

/** What comes of such a call. Nothing comes before the call that has opened it has returned. */
export interface DuplexEvents<Output> {
  onMessage(message: Output): void;
  /** A message may be sent now. */
  onRoom(): void;
  /** The last event. Without an error, the server has ended the call in order. */
  onEnd(error: ConnectError | undefined): void;
}

/** Opens a call to one server. Errors are as `Transports` of http2.ts describes. */
export type OpenDuplex = <Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodBiDiStreaming<Input, Output>,
  events: DuplexEvents<MessageShape<Output>>,
) => Duplex<MessageShape<Input>>;
