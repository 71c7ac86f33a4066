import { ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { InstanceService } from "../../../gen/kvlab/internal/v1/instance_pb.ts";
import { createTransports } from "../../client/transport/http2.ts";
import type { AskWhoAnswers } from "../../cluster/membership/registration.ts";

/** Longest wait for an answer. Even a busy server reaches itself sooner. */
const askTimeoutMs = 5000;

export function instanceRoutes(router: ConnectRouter, instance: string): void {
  router.service(InstanceService, { getInstance: () => ({ instance }) });
}

/** Makes a function that checks whether an address leads to this instance. */
export function askingFor(instance: string): AskWhoAnswers {
  return async (address, signal) => {
    // Transports of its own, to be closed at once: a connection to this server itself would delay its stop.
    const transports = createTransports({ connectTimeoutMs: askTimeoutMs });
    try {
      const client = createClient(InstanceService, transports.transportTo(address));
      const answer = await client.getInstance({}, { signal, timeoutMs: askTimeoutMs });
      return answer.instance === instance ? "self" : "other";
    } catch (error) {
      signal.throwIfAborted();
      // An error that was sent is an answer too. The server is of an earlier version, or it is stopping.
      return ConnectError.from(error).isWireError ? "other" : "nobody";
    } finally {
      transports.close();
    }
  };
}
