import assert from "node:assert/strict";
import {
  type Coordination,
  CoordinationError,
  type CoordinationErrorCode,
  type SessionState,
  type WatchEvent,
  type Watcher,
} from "../../../src/coordination/coordination.ts";

export interface SessionSettings {
  /** Path that the session takes for its root; begins with a slash. None if absent. */
  readonly chroot?: string;
  /** Digest credentials `user:password`. */
  readonly auth?: string;
  readonly signal?: AbortSignal;
}

/** One running coordination service, and what the suite does to its sessions. */
export interface ServiceUnderTest {
  /** Opens a session that nothing but the hooks below disturbs. */
  open(settings?: SessionSettings): Promise<Coordination>;
  /** Breaks the session's connection and lets none succeed until `mend`. */
  cut(session: Coordination): Promise<void>;
  mend(session: Coordination): Promise<void>;
  /**
   * From now until `mend` the service still gets and does what the session asks, but the session hears nothing.
   * Absent where no operation can be under way between the two.
   */
  mute?(session: Coordination): Promise<void>;
  /** Makes the service end the session, as when it was not heard of for its time-out. The session learns of it. */
  expire(session: Coordination): Promise<void>;
  /** Stops and starts the service, which keeps its sessions. Absent where a restart ends them all. */
  restart?(): Promise<void>;
  stop(): Promise<void>;
}

/** What a test of the suite gets: sessions that are closed after it, and an empty znode of its own. */
export interface TestBed {
  readonly service: ServiceUnderTest;
  /** Path of a persistent znode that no other test touches. */
  readonly base: string;
  open(settings?: SessionSettings): Promise<Coordination>;
}

let testBeds = 0;

/** Runs `body` with a test bed, and closes the sessions that it opened. */
export async function withTestBed(
  starting: Promise<ServiceUnderTest>,
  body: (bed: TestBed) => Promise<void>,
): Promise<void> {
  const service = await starting;
  const sessions: Coordination[] = [];
  const open = async (settings?: SessionSettings) => {
    const session = await service.open(settings);
    sessions.push(session);
    return session;
  };
  try {
    const base = `/case-${++testBeds}`;
    await (await open()).create(base, new Uint8Array(), "persistent");
    await body({ service, base, open });
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Resolves when the session is in `state`. */
export function reached(session: Coordination, state: SessionState): Promise<void> {
  if (session.state === state) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = session.onState((now) => {
      if (now !== state) return;
      stop();
      resolve();
    });
  });
}

export async function rejectsWith(
  promise: Promise<unknown>,
  ...codes: CoordinationErrorCode[]
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(CoordinationError.is(error), `${error} is no CoordinationError`);
    assert.ok(codes.includes(error.code), `${error.code} (${error.message}), not ${codes.join(" or ")}`);
    return true;
  });
}

/** A watcher that keeps what it is told, each as `event path`. */
export interface RecordingWatcher {
  readonly watcher: Watcher;
  readonly told: string[];
  /** Resolves with the first that it is told. */
  readonly first: Promise<string>;
}

export function recordingWatcher(): RecordingWatcher {
  const told: string[] = [];
  const { promise: first, resolve } = Promise.withResolvers<string>();
  const watcher = (event: WatchEvent, path: string) => {
    told.push(`${event} ${path}`);
    resolve(`${event} ${path}`);
  };
  return { watcher, told, first };
}

/**
 * Resolves when the session has seen everything that was written before: what a watch has to tell comes before the
 * answer to a later read.
 */
export async function caughtUp(session: Coordination): Promise<void> {
  await session.sync("/");
  await session.exists("/");
}

/** Resolves when `path` is gone, as `session` sees it. */
export async function gone(session: Coordination, path: string): Promise<void> {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<void>();
    if ((await session.exists(path, () => resolve())) === undefined) return;
    await promise;
  }
}
