/** How the two protocols of the fast path write the answers of streams. */

import type { OutgoingHttpHeaders } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { createEndStreamSerialization, endStreamFlag } from "@connectrpc/connect/protocol-connect";
import { enveloped } from "../../../common/envelopes.ts";
import { connectFields, type FastFields, grpcFields, grpcOk, grpcStatusOf } from "./protocols.ts";

export interface DuplexProtocol extends FastFields {
  readonly contentType: string;
  /** Flag of envelopes that are no messages. */
  readonly endFlag: number;
  /** What ends the answer: bytes, trailers. Without an error the call has succeeded. */
  end(error: ConnectError | undefined): {
    readonly bytes: Uint8Array | undefined;
    readonly trailers: OutgoingHttpHeaders | undefined;
  };
}

export const grpcDuplex: DuplexProtocol = {
  ...grpcFields,
  contentType: "application/grpc+proto",
  endFlag: 0,
  end: (error) => ({ bytes: undefined, trailers: error === undefined ? grpcOk : grpcStatusOf(error) }),
};

const endStreams = createEndStreamSerialization(undefined);

export const connectDuplex: DuplexProtocol = {
  ...connectFields,
  encodingField: "connect-content-encoding",
  acceptField: "connect-accept-encoding",
  contentType: "application/connect+proto",
  endFlag: endStreamFlag,
  end: (error) => ({
    bytes: enveloped(
      endStreamFlag,
      endStreams.serialize({ metadata: new Headers(), ...(error && { error }) }),
    ),
    trailers: undefined,
  }),
};
