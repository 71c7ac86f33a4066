import { Code, ConnectError } from "@connectrpc/connect";
import type { GetResponse } from "../../gen/kvlab/v1/data_pb.ts";
import { type Backoff, createBackoff } from "../common/backoff.ts";
import { type Attempt, type Outcome, toConnectError } from "./channel/channel.ts";
import type { Cluster } from "./cluster.ts";
import { type Deadline, signalOf } from "./deadline.ts";
import { classify, type ErrorClass, lateBecause } from "./error-classification.ts";
import { KvError } from "./errors.ts";
import { type Call, named, type Write } from "./requests.ts";
import { ServerLink } from "./servers.ts";

/** Pauses between attempts. */
const firstPauseMs = 20;
const longestPauseMs = 500;

/** The end of a call: a server's answer, or that there is no such key. */
type Ended = Exclude<Outcome, { case: "failure" }> | "not-found";

/** A call of the client, whatever number of attempts it takes. */
interface KeyCall<C extends Call> {
  /** It is sent to the group of this key. */
  readonly key: string;
  readonly call: C;
  readonly deadline: Deadline;
}

/** Reads a key, which is always safe to retry. Undefined when there is none. Errors: KvError. */
export async function read(
  cluster: Cluster,
  { key, call, deadline }: KeyCall<Call>,
): Promise<GetResponse | undefined> {
  const subject = { isWrite: false, at: () => call, renew: () => {} };
  const ended = await attempt(cluster, key, subject, deadline);
  if (ended === "not-found") return undefined;
  if (ended.case === "get") return ended.value;
  throw new KvError("internal", `the server has answered a get with a ${ended.case}`);
}

/**
 * Writes with a request id, so that the write is applied only once, however often it is sent. Resolves with its revision,
 * or with undefined when the server answers that there is no such key. `requestId` is a new one by default.
 * Errors: KvError.
 */
export async function write(
  cluster: Cluster,
  { key, call, deadline, requestId }: KeyCall<Write> & { readonly requestId?: string | undefined },
): Promise<bigint | undefined> {
  const id = requestId ?? cluster.names.next();
  let sent: Call | undefined;
  let toldRevision: bigint | undefined;
  const ended = await attempt(
    cluster,
    key,
    {
      isWrite: true,
      // The first attempt that a server may have seen fixes the `after_revision` of all later ones.
      at(group) {
        sent ??= named(call, cluster.names.requestId(id, group, toldRevision));
        return sent;
      },
      renew(revision) {
        sent = undefined;
        toldRevision = revision;
      },
    },
    deadline,
  );
  return ended === "not-found" ? undefined : ended.value.revision;
}

/** What to send. */
interface Subject {
  readonly isWrite: boolean;
  /** The call for a group. */
  at(group: string): Call;
  /** Notes that no server has seen the call. `revision`: of the group that is to get it, as that has just told. */
  renew(revision?: bigint): void;
}

/** What the attempts so far have shown. */
interface Course {
  /** Whether a server may have applied the write. */
  maybeApplied: boolean;
  /** Why the last attempt failed. */
  last: ConnectError | undefined;
  /** The address of the last redirect. */
  redirected: string | undefined;
}

/** Sends a call until its deadline, as long as that is safe and may help. Errors: KvError. */
async function attempt(cluster: Cluster, key: string, subject: Subject, deadline: Deadline): Promise<Ended> {
  let backoff: Backoff | undefined;
  const course: Course = { maybeApplied: false, last: undefined, redirected: undefined };
  for (;;) {
    let group: string;
    let server: ServerLink;
    const isRedirected = course.redirected !== undefined;
    try {
      // Nearly always known. Then there is no turn to wait for.
      const owner = cluster.groupOf(key, deadline);
      group = typeof owner === "string" ? owner : await owner;
      const link = cluster.serverOf(group, deadline, course.redirected);
      server = link instanceof ServerLink ? link : await link;
    } catch (reason) {
      throw endOf(KvError.from(reason), course);
    }
    const sending: Attempt = { call: subject.at(group), timeoutMs: deadline.remainingMs(), sent: false };
    const ended = await send(server, sending, deadline);
    if (!("error" in ended)) {
      const { outcome } = ended;
      if (outcome === "not-found") {
        // As with a condition that does not hold: see `proceed`.
        if (course.maybeApplied) throw outcomeUnknown(course.last ?? new Error("there is no such key now"));
      } else {
        // A redirect may have led to another group. A write that names a revision of another group cannot be told from one
        // that was seen before the end of the log was lost.
        const answering = outcome.value.group || (isRedirected ? undefined : group);
        if (answering !== undefined) cluster.names.saw(answering, outcome.value.revision);
      }
      return outcome;
    }
    const failure = { ...ended, server: server.address, mayBeSeen: subject.isWrite && sending.sent };
    // Who gives a call up says nothing of the server. A deadline that passes does.
    const isLeft = deadline.ended !== undefined && deadline.ended.code !== "deadline";
    if (!ended.byServer && sending.sent && !isLeft) cluster.failed(server);
    const errorClass = classify(ended.error, cluster.view?.ringVersion);
    const wait = proceed(course, failure, errorClass);
    if (deadline.ended !== undefined) throw endOf(deadline.ended, course);
    const told = errorClass.next === "forgotten" ? errorClass : undefined;
    if (told !== undefined) cluster.names.is(told.group || group, told.revision);
    if (!course.maybeApplied) subject.renew(told?.revision);
    backoff ??= createBackoff(cluster.clock, firstPauseMs, longestPauseMs);
    if (wait) await pause(backoff, deadline);
  }
}

/** A failed attempt. */
interface AttemptFailure {
  readonly error: ConnectError;
  /** The address of the server. */
  readonly server: string;
  /** Whether it was a write that the server may have seen. */
  readonly mayBeSeen: boolean;
  /** Whether the client ended it, so that nothing is known to be wrong. */
  readonly givenUp: boolean;
}

/** Notes a failed attempt. Returns whether to pause before the next one. Throws when there must be no other. */
function proceed(course: Course, failure: AttemptFailure, errorClass: ErrorClass): boolean {
  const { error, server, mayBeSeen, givenUp } = failure;
  const earlier = { ...course };
  if (!givenUp) course.last = error;
  course.redirected = undefined;
  switch (errorClass.next) {
    case "give-up":
      // A server does not remember what it refused. So an earlier attempt, still in flight, may be applied after this.
      if (earlier.maybeApplied || (mayBeSeen && errorClass.applied === "maybe")) throw outcomeUnknown(error);
      throw errorClass.error;
    case "forgotten":
      if (earlier.maybeApplied) throw outcomeUnknown(error);
      return isClassBefore(earlier.last, "forgotten");
    case "redirect":
      if (errorClass.address !== server) course.redirected = errorClass.address;
      // One redirect is followed at once. After a second one in a row there is a pause.
      return course.redirected === undefined || earlier.redirected !== undefined;
    case "again":
      course.maybeApplied ||= mayBeSeen && errorClass.applied === "maybe";
      return true;
  }
}

function isClassBefore(error: ConnectError | undefined, next: ErrorClass["next"]): boolean {
  return error !== undefined && classify(error).next === next;
}

/** The end of one attempt. `byServer`: the error is an answer of the server. */
type Sent =
  | { readonly outcome: Ended }
  | { readonly error: ConnectError; readonly byServer: boolean; readonly givenUp: boolean };

async function send(server: ServerLink, attempt: Attempt, deadline: Deadline): Promise<Sent> {
  try {
    const outcome = await server.channel.send(attempt, deadline);
    if (outcome.case !== "failure") return { outcome };
    if (outcome.value.code === Code.NotFound) return { outcome: "not-found" };
    return { error: toConnectError(outcome.value), byServer: true, givenUp: false };
  } catch (reason) {
    const error = ConnectError.from(reason, Code.DeadlineExceeded);
    if (error.code === Code.NotFound) return { outcome: "not-found" };
    return { error, byServer: error.isWireError, givenUp: deadline.ended !== undefined };
  }
}

/** Waits. If the deadline ends meanwhile, the next step notices. */
function pause(backoff: Backoff, deadline: Deadline): Promise<void> {
  return backoff.wait(signalOf(deadline));
}

/** The error of a call whose deadline has passed, or that the caller has cancelled. */
function endOf(reason: KvError, { maybeApplied, last }: Course): KvError {
  const isLate = reason.code === "deadline" || reason.code === "unavailable";
  return isLate && maybeApplied ? outcomeUnknown(last ?? reason) : lateBecause(reason, last);
}

function outcomeUnknown(cause: Error): KvError {
  return new KvError("outcome-unknown", `the write may or may not have been applied: ${cause.message}`, {
    cause,
  });
}
