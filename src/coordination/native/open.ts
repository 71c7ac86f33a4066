import { parseConnectString } from "../../zookeeper/wire/connect-string.ts";
import { CoordinationError, type OpenSession } from "../coordination.ts";
import { translated } from "../zookeeper-errors.ts";
import { loadNativeClient } from "./addon.ts";
import { authenticate } from "./attach.ts";
import { type Connect, makeConnect } from "./connector.ts";
import { NativeSession } from "./session.ts";

export interface NativeSettings {
  /** `host:port[,host:port...][/chroot]`. The chroot is created if it is missing. */
  readonly connectString: string;
  /** The session time-out to ask for. Servers have limits of their own. */
  readonly sessionTimeoutMs: number;
  /** Digest credentials `user:password`. */
  readonly auth?: string;
}

/**
 * Sessions through the npm package `zookeeper`, which wraps ZooKeeper's C client. It runs on Node.js only, and is
 * loaded when the first session is opened.
 *
 * Its limits: a znode for its creator alone can be written by everybody between its creation and the change of its ACL;
 * closing a session blocks the process for up to 4.5 s when the server does not answer.
 *
 * Errors of opening: also BAD_ARGUMENTS, where the package cannot be loaded.
 */
export function openNative(settings: NativeSettings): OpenSession {
  const { connectString, sessionTimeoutMs, auth } = settings;
  return async ({ signal = new AbortController().signal, onDiagnostic = () => {} } = {}) => {
    signal.throwIfAborted();
    const { servers, chroot } = await translated(() => parseConnectString(connectString));
    const connect = makeConnect(await loadNativeClient(), { servers, sessionTimeoutMs, onDiagnostic });
    for (;;) {
      const session = await tryOpen(connect, signal, auth, chroot);
      if (signal.aborted) await session?.close();
      signal.throwIfAborted();
      if (session !== undefined) return session;
    }
  };
}

/** Undefined if the connection was lost before the session was ready. */
async function tryOpen(
  connect: Connect,
  signal: AbortSignal,
  auth: string | undefined,
  chroot: string,
): Promise<NativeSession | undefined> {
  const handle = await connect(signal);
  // Only an earlier session can have expired.
  if (handle === "expired") return undefined;
  let session: NativeSession | undefined;
  try {
    if (auth !== undefined) await authenticate(handle, auth);
    session = new NativeSession(connect, handle, auth);
    if (chroot !== "") await session.enter(chroot);
    return session;
  } catch (error) {
    await session?.close();
    if (CoordinationError.is(error, "CONNECTION_LOSS", "SESSION_EXPIRED")) return undefined;
    throw error;
  }
}
