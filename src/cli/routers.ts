import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import { DataService } from "../../gen/kvlab/v1/data_pb.ts";
import { RouterService } from "../../gen/kvlab/v1/router_pb.ts";
import { isNotApplied } from "../client/error-classification.ts";
import { createTransports } from "../client/transport/http2.ts";
import { messageBytesLimit } from "../common/key-limits.ts";
import { callFailure, type Failure } from "./call-failure.ts";

interface RouterClients {
  readonly admin: Client<typeof AdminService>;
  readonly data: Client<typeof DataService>;
  readonly router: Client<typeof RouterService>;
}

/** A call to a router. */
interface Question<T> {
  /** For errors, e.g. `put "a"`. */
  readonly what: string;
  readonly kind: "read" | "write";
  readonly call: (clients: RouterClients, options: { timeoutMs: number; signal?: AbortSignal }) => Promise<T>;
}

export interface Routers {
  /**
   * Asks the router that answered last. If it cannot be reached, asks the next one, within one time-out for all of
   * them. A write is sent to the next router only if it has certainly not been applied. Errors: ExitError, see
   * `callFailure`.
   */
  ask<T>(question: Question<T>, signal?: AbortSignal): Promise<T>;
}

/** Routers at one or more URLs. They know the same and can replace each other. */
export function connectRouters(urls: readonly string[], timeoutMs: number): Routers {
  // The largest allowed value still fits, in JSON.
  const transports = createTransports({ messageBytesMax: messageBytesLimit });
  const clients = new Map<string, RouterClients>();
  const clientsOf = (url: string): RouterClients => {
    const known = clients.get(url);
    if (known) return known;
    const transport = transports.transportTo(url);
    const made = {
      admin: createClient(AdminService, transport),
      data: createClient(DataService, transport),
      router: createClient(RouterService, transport),
    };
    clients.set(url, made);
    return made;
  };

  let preferred = 0;
  return {
    async ask({ what, kind, call }, signal) {
      const endMs = performance.now() + timeoutMs;
      const unreached: Failure[] = [];
      for (let tried = 0; ; tried++) {
        const index = (preferred + tried) % urls.length;
        const url = urls[index] ?? "";
        // A silent router must leave time for the others.
        const shareMs = Math.max(1, Math.ceil((endMs - performance.now()) / (urls.length - tried)));
        try {
          const answer = await call(clientsOf(url), { timeoutMs: shareMs, ...(signal && { signal }) });
          preferred = index;
          return answer;
        } catch (reason) {
          const failure = { url, error: ConnectError.from(reason) };
          const isLast = tried + 1 === urls.length || signal?.aborted || !mayAskAnother(failure.error, kind);
          if (isLast) throw callFailure(what, kind, failure, unreached);
          unreached.push(failure);
        }
      }
    },
  };
}

function mayAskAnother(error: ConnectError, kind: "read" | "write"): boolean {
  if (isNotApplied(error)) return true;
  return kind === "read" && (error.code === Code.Unavailable || error.code === Code.DeadlineExceeded);
}
