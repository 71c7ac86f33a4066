import type { ServerAddress } from "../../zookeeper/wire/connect-string.ts";
import { createDiagnostics, type Failure } from "../../zookeeper/wire/diagnostics.ts";
import { type Endpoint, EndpointResolver, systemNames } from "../../zookeeper/wire/endpoints.ts";
import { HostProvider } from "../../zookeeper/wire/host-provider.ts";
import { EXPIRED, type NativeClientClass, STATE } from "./addon.ts";
import { closeSoon, Handle, type SessionIdentity } from "./handle.ts";

/** How often the state of the C client is checked. It does not report that it cannot connect. */
const LOOK_INTERVAL_MS = 20;

export interface ConnectorSettings {
  readonly servers: readonly ServerAddress[];
  readonly sessionTimeoutMs: number;
  readonly onDiagnostic: (message: string) => void;
}

/**
 * Connects to one of the servers, and tries until it succeeds: with a new session, or with an earlier one that has not
 * expired. Errors: the signal's reason when it is aborted.
 */
export type Connect = (signal: AbortSignal, identity?: SessionIdentity) => Promise<Handle | "expired">;

export function makeConnect(
  client: NativeClientClass,
  { servers, sessionTimeoutMs, onDiagnostic }: ConnectorSettings,
): Connect {
  // The C client could look up the names, but it blocks the process meanwhile.
  const resolver = new EndpointResolver({ servers }, systemNames);
  const rounds = new HostProvider(resolver, createDiagnostics(onDiagnostic));
  let connected: { server: Endpoint; sinceMs: number } | undefined;
  return async (signal, identity) => {
    if (connected !== undefined) {
      const failure: Failure = { kind: "closed", detail: "the connection broke" };
      rounds.ended(connected.server, failure, performance.now() - connected.sinceMs);
      connected = undefined;
    }
    for (;;) {
      const next = await rounds.next(sessionTimeoutMs, signal);
      signal.throwIfAborted();
      if (next === undefined) continue;
      const { server, timeoutMs: attemptMs } = next;
      const address = `${server.address}:${server.port}`;
      const result = await attempt(client, { address, attemptMs, sessionTimeoutMs, identity, signal });
      if (signal.aborted && result instanceof Handle) await result.close();
      signal.throwIfAborted();
      if (result === "expired") return result;
      if (result instanceof Handle) {
        connected = { server, sinceMs: performance.now() };
        return result;
      }
      rounds.ended(server, result, 0);
    }
  };
}

type Result = Handle | "expired" | Failure;

interface AttemptSettings {
  /** `address:port`. */
  readonly address: string;
  readonly attemptMs: number;
  readonly sessionTimeoutMs: number;
  readonly identity: SessionIdentity | undefined;
  readonly signal: AbortSignal;
}

function attempt(client: NativeClientClass, settings: AttemptSettings): Promise<Result> {
  const native = new client({
    connect: settings.address,
    timeout: settings.sessionTimeoutMs,
    debug_level: 0,
    // By default it ends the session after ten writes with nothing to read in between.
    response_counter_limit: 100_000,
    ...settings.identity,
  });
  return new Promise((resolve) => {
    const startMs = performance.now();
    let over = false;
    const settle = (result: Result) => {
      if (over) return;
      over = true;
      clearInterval(looking);
      if (result instanceof Handle) resolve(result);
      else void closeSoon(native).then(() => resolve(result));
    };
    native.on("connect", () => {
      if (!over) settle(new Handle(native));
    });
    native.on("close", (_, code) =>
      settle(code === EXPIRED ? "expired" : { kind: "closed", detail: `code ${code}` }),
    );
    const look = () => {
      const trying = native.state === STATE.connecting || native.state === STATE.associating;
      if (!trying) settle({ kind: "unreachable", detail: "the connection was refused or broke at once" });
      else if (settings.signal.aborted || performance.now() - startMs > settings.attemptMs) {
        settle({ kind: "silent", detail: `nothing in ${settings.attemptMs} ms` });
      }
    };
    const looking = setInterval(look, LOOK_INTERVAL_MS);
    native.init({});
  });
}
