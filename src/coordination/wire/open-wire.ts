import { type ConnectionOptions, createSecureContext } from "node:tls";
import { CoordinationError, type OpenSession } from "../coordination.ts";
import { makePath } from "../make-path.ts";
import { parseConnectString } from "./connect-string.ts";
import { Session } from "./session.ts";
import { WireCoordination } from "./wire-coordination.ts";

export interface WireSettings {
  /** `host[:port][,host[:port]...][/chroot]`. The chroot is created if it is missing. */
  readonly connectString: string;
  /**
   * How long a session lives without a packet from its client. Servers grant 2 to 20 of their ticks: 4 to 40 s by
   * default.
   */
  readonly sessionTimeoutMs: number;
  /** Digest credentials `user:password`. */
  readonly auth?: string;
  /** TLS options. ZooKeeper has a separate port for TLS (secureClientPort). */
  readonly tls?: ConnectionOptions;
}

/** Opens sessions with kvlab's own client for ZooKeeper 3.5 and later. */
export function openWire(settings: WireSettings): OpenSession {
  return async ({ signal, onDiagnostic = () => {} } = {}) => {
    const { servers, chroot } = parseConnectString(settings.connectString);
    const { sessionTimeoutMs, auth: credentials, tls } = checked(settings);
    for (;;) {
      signal?.throwIfAborted();
      const session = new Session({ servers, chroot, sessionTimeoutMs, credentials, tls, onDiagnostic });
      try {
        await orAborted(makeReady(session, chroot, credentials !== undefined), signal);
        return new WireCoordination(session, chroot);
      } catch (error) {
        session.close();
        if (!CoordinationError.is(error, "SESSION_EXPIRED")) throw error;
      }
    }
  };
}

async function makeReady(session: Session, chroot: string, hasCredentials: boolean): Promise<void> {
  await session.opened;
  if (chroot === "") return;
  const wholeTree = new WireCoordination(session, "");
  for (;;) {
    try {
      await makePath(wholeTree, chroot, { hasCredentials });
      return;
    } catch (error) {
      if (!CoordinationError.is(error, "CONNECTION_LOSS")) throw error;
      await stateChange(session);
    }
  }
}

/** Resolves when a session without a connection has one again, or has ended. */
function stateChange(session: Session): Promise<void> {
  if (session.client.state !== "disconnected") return Promise.resolve();
  return new Promise((resolve) => {
    const stop = session.client.onState(() => {
      stop();
      resolve();
    });
  });
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

function checked(settings: WireSettings): WireSettings {
  const { sessionTimeoutMs, auth, tls } = settings;
  if (!Number.isInteger(sessionTimeoutMs) || sessionTimeoutMs < 1 || sessionTimeoutMs > 2 ** 31 - 1) {
    const allowed = "a whole number of milliseconds from 1 to 2147483647";
    throw new CoordinationError(
      "BAD_ARGUMENTS",
      `the session time-out is ${sessionTimeoutMs}; allowed: ${allowed}`,
    );
  }
  if (auth !== undefined && !/^[^:]+:/.test(auth)) {
    // Not shown: it may be a password.
    throw new CoordinationError(
      "BAD_ARGUMENTS",
      "the ZooKeeper credentials are not of the form user:password",
    );
  }
  try {
    if (tls !== undefined) createSecureContext(tls);
  } catch (cause) {
    const message = "the certificates or the key for TLS with ZooKeeper cannot be used";
    throw new CoordinationError("BAD_ARGUMENTS", message, { cause });
  }
  return settings;
}
