import type { ConnectionOptions } from "node:tls";
import { checkArgument } from "../../zookeeper/check.ts";
import { followEnsemble } from "../../zookeeper/follow-ensemble.ts";
import { credentialsOf } from "../../zookeeper/open-session.ts";
import { checkFollowing, checkTls, clientKinds } from "../../zookeeper/options.ts";
import { parseConnectString } from "../../zookeeper/wire/connect-string.ts";
import { systemNames } from "../../zookeeper/wire/endpoints.ts";
import { Session } from "../../zookeeper/wire/session.ts";
import { CoordinationError, type OpenSession } from "../coordination.ts";
import { makePath } from "../make-path.ts";
import { translated } from "../zookeeper-errors.ts";
import { WireCoordination } from "./wire-coordination.ts";

export interface WireSettings {
  /** `host[:port][,host[:port]...][/chroot]`. The chroot is created if it is missing. */
  readonly connectString: string;
  /**
   * How long a session lives without a packet from its client. Servers grant 2 to 20 of their ticks: 4 to 40 s by
   * default.
   */
  readonly sessionTimeoutMs: number;
  /** Whether to go where changes of the ensemble's members lead, see `ZooKeeperOptions`. Default: false. */
  readonly followEnsemble?: boolean;
  /** Digest credentials `user:password`. */
  readonly auth?: string;
  /** TLS options. ZooKeeper has a separate port for TLS (secureClientPort). */
  readonly tls?: ConnectionOptions;
}

/** Opens sessions with kvlab's own client for ZooKeeper 3.5 and later. */
export function openWire(settings: WireSettings): OpenSession {
  return async ({ signal, onDiagnostic = () => {} } = {}) => {
    const { chroot, hasCredentials, begin } = await prepared(settings);
    for (;;) {
      signal?.throwIfAborted();
      const session = begin(onDiagnostic);
      try {
        await orAborted(makeReady(session, chroot, hasCredentials), signal);
        return new WireCoordination(session, chroot);
      } catch (error) {
        session.close();
        if (!CoordinationError.is(error, "SESSION_EXPIRED")) throw error;
      }
    }
  };
}

/** Checks the settings. Errors: BAD_ARGUMENTS. */
async function prepared({
  connectString,
  sessionTimeoutMs,
  followEnsemble: follows = false,
  auth,
  tls,
}: WireSettings) {
  return translated(async () => {
    const { servers, chroot } = parseConnectString(connectString);
    checkArgument("the session time-out", sessionTimeoutMs, clientKinds.sessionTimeoutMs);
    checkTls(tls);
    checkFollowing(follows, tls);
    const credentials = auth === undefined ? [] : [credentialsOf({ scheme: "digest", auth })];
    const never = { readOnly: false, resume: undefined };
    const common = { source: { servers }, chroot, sessionTimeoutMs, credentials, tls, names: systemNames };
    const begin = (onDiagnostic: (message: string) => void) => {
      const session = new Session({ ...common, ...never, onDiagnostic });
      if (follows) followEnsemble(session);
      return session;
    };
    return { chroot, hasCredentials: auth !== undefined, begin };
  });
}

async function makeReady(session: Session, chroot: string, hasCredentials: boolean): Promise<void> {
  await translated(() => session.opened);
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
  if (session.states.now !== "disconnected") return Promise.resolve();
  return new Promise((resolve) => {
    const stop = session.states.listen(() => {
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
