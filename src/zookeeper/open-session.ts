import { systemClock, withTimeout } from "../common/clock.ts";
import { text } from "../common/option-kinds.ts";
import { Calls } from "./calls.ts";
import { checkArgument, checkOptions } from "./check.ts";
import { ZooKeeperError } from "./errors.ts";
import { followEnsemble } from "./follow-ensemble.ts";
import {
  type Auth,
  type CallOptions,
  callKinds,
  checkFollowing,
  checkTls,
  clientKinds,
  type ZooKeeperOptions,
} from "./options.ts";
import { parseServers } from "./wire/connect-string.ts";
import { systemNames } from "./wire/endpoints.ts";
import type { Credentials } from "./wire/protocol.ts";
import { Session } from "./wire/session.ts";

const COLON = 58;

/** A session that a server has accepted. */
export interface OpenSession {
  readonly session: Session;
  readonly chroot: string;
  readonly calls: Calls;
}

/** Opens the session of a client. Errors: BAD_ARGUMENTS, AUTH_FAILED, SESSION_EXPIRED, DEADLINE_EXCEEDED, ABORTED. */
export async function openSession(options: ZooKeeperOptions, call: CallOptions): Promise<OpenSession> {
  checkOptions("the client", options, clientKinds);
  checkOptions("connect", call, callKinds);
  // Also for those who leave it out.
  checkArgument("servers", options.servers, text);
  const { signal, deadlineMs } = call;
  const { source, chroot } = parseServers(options.servers);
  const { sessionTimeoutMs = 10_000, auth = [], tls, readOnly = false, resume } = options;
  const { followEnsemble: follows = false, onDiagnostic = () => {} } = options;
  const { deadlineMs: callMs = 30_000, retry = "reads" } = options;
  checkTls(tls);
  checkFollowing(follows, tls);
  const credentials = auth.map(credentialsOf);
  let problem = "no server has been tried";
  const session = new Session({
    source,
    chroot,
    sessionTimeoutMs,
    credentials,
    tls,
    readOnly,
    resume,
    names: systemNames,
    onDiagnostic(message) {
      problem = message;
      onDiagnostic(message);
    },
  });
  if (follows) followEnsemble(session);
  const limitMs = deadlineMs ?? callMs;
  const given = signal ?? new AbortController().signal;
  try {
    await withTimeout(systemClock, limitMs, given, () => session.opened);
    return { session, chroot, calls: new Calls(session, callMs, retry) };
  } catch (error) {
    session.close();
    if (given.aborted) throw new ZooKeeperError("ABORTED", "connect was aborted", { cause: given.reason });
    if (ZooKeeperError.is(error)) throw error;
    throw new ZooKeeperError("DEADLINE_EXCEEDED", `connect: no session within ${limitMs} ms; ${problem}`);
  }
}

/** Errors: BAD_ARGUMENTS, for `digest` without a user. */
export function credentialsOf({ scheme, auth }: Auth): Credentials {
  const bytes = typeof auth === "string" ? Buffer.from(auth) : auth;
  if (scheme === "digest" && bytes.indexOf(COLON) < 1) {
    // Not shown: it may be a password.
    throw new ZooKeeperError("BAD_ARGUMENTS", "the ZooKeeper credentials are not of the form user:password");
  }
  return { scheme, auth: bytes };
}
