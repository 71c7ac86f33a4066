import { ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { InstanceService } from "../../../gen/kvlab/internal/v1/instance_pb.ts";
import { createTransports } from "../../client/transport/http2.ts";
import type { AskWhoAnswers } from "../../cluster/membership/registration.ts";

/** Longest wait for an answer from an address that leads nowhere; a busy machine answers itself sooner. */
const askTimeoutMs = 5000;

export function instanceRoutes(router: ConnectRouter, instance: string): void {
  router.service(InstanceService, { getInstance: () => ({ instance }) });
}

/** Asks at an address whether it leads to this instance. */
export function askingFor(instance: string): AskWhoAnswers {
  return async (address, signal) => {
    // Of its own: it is closed before this server stops, to which it may lead.
    const transports = createTransports({ connectTimeoutMs: askTimeoutMs });
    try {
      const client = createClient(InstanceService, transports.transportTo(address));
      const answer = await client.getInstance({}, { signal, timeoutMs: askTimeoutMs });
      return answer.instance === instance ? "self" : "other";
    } catch (error) {
      signal.throwIfAborted();
      // An error that was sent is an answer, too: that of an earlier version, or of one that is stopping.
      return ConnectError.from(error).isWireError ? "other" : "nobody";
    } finally {
      transports.close();
    }
  };
}
