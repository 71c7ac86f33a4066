// A lock that one program at a time holds, with a fencing token for what it guards.
//
//   npm start                                   (in another terminal)
//   node examples/lock.ts alice
//   node examples/lock.ts bob                   (in yet another terminal)
//
// Bob waits until alice ends. Or pause alice with Ctrl-Z, and he takes over when her time is over; and let her go on
// with `fg`: what she still wants to write is refused. Bun and Deno run it as well.
//
// A lock alone cannot guard anything that is elsewhere: a holder may be paused, by its garbage collector or its machine,
// for longer than its time, and go on without knowing. So each holder has a token, greater than those of all before it,
// which goes along with every write; and whoever stores these refuses a token that is less than one that it has seen.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { KvClient, KvError } from "kvlab";

export interface Lock {
  /** The fencing token. */
  readonly token: number;
  /** Aborted when the lock is lost, as far as a program can know: it may be told late, which is what tokens are for. */
  readonly lost: AbortSignal;
  /** Gives the lock back, if it is still ours. */
  release(): Promise<void>;
}

export interface LockOptions {
  /** Who takes it; for people that look at the key. */
  readonly holder: string;
  /** Milliseconds for which it stays taken when its holder dies. */
  readonly ttlMs: number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** Waits until nobody has the lock, and takes it. Of several that wait, any may be the next. */
export async function acquireLock(client: KvClient, key: string, options: LockOptions): Promise<Lock> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, ...(options.signal ? [options.signal] : [])]);
  try {
    for await (const _chance of chances(client, key, signal)) {
      const sentMs = performance.now();
      const { holder, ttlMs } = options;
      const written = await unlessRefused(client.put(key, holder, { ifAbsent: true, ttlMs, signal }));
      if (written !== undefined) return keepLock(client, key, options, written.revision, sentMs);
    }
    throw new Error(`nobody says any more when ${key} is free`);
  } finally {
    done.abort();
  }
}

/** Yields whenever the key may be free. */
async function* chances(client: KvClient, key: string, signal: AbortSignal): AsyncGenerator<void> {
  yield;
  const watch = client.watch({ key, signal });
  await watch.ready();
  // It may have been given back before the watch saw anything.
  yield;
  for await (const { type } of watch) if (type !== "put") yield;
}

/** Prolongs the lock until it is released or lost. */
function keepLock(
  client: KvClient,
  key: string,
  { holder, ttlMs }: LockOptions,
  token: number,
  takenMs: number,
): Lock {
  const lost = new AbortController();
  const released = new AbortController();
  let revision = token;
  // The servers count from when they have written it: later than we have sent it, so that we stop first.
  let endMs = takenMs + ttlMs;

  async function prolong(): Promise<void> {
    while (!released.signal.aborted) {
      await sleep(ttlMs / 3, undefined, { signal: released.signal });
      const sentMs = performance.now();
      if (sentMs >= endMs) throw new Error(`${key} was not prolonged in time`);
      const options = { ifRevision: revision, ttlMs, deadlineMs: endMs - sentMs };
      revision = (await client.put(key, holder, options)).revision;
      endMs = sentMs + ttlMs;
    }
  }

  const prolonging = prolong().catch((reason) => {
    if (!released.signal.aborted) lost.abort(reason);
  });
  return {
    token,
    lost: lost.signal,
    async release() {
      released.abort();
      await prolonging;
      await unlessRefused(client.delete(key, { ifRevision: revision }));
    },
  };
}

/** A write to storage that knows tokens, here a key of kvlab: refused when a later holder has written to it. */
export async function putFenced(client: KvClient, key: string, text: string, token: number): Promise<void> {
  for (;;) {
    const before = await client.get(key);
    const last: number = before === undefined ? 0 : JSON.parse(before.text()).token;
    if (token < last) throw new Error(`token ${token} is too old: ${key} was written with token ${last}`);
    const condition = before === undefined ? { ifAbsent: true } : { ifRevision: before.revision };
    if (await unlessRefused(client.put(key, JSON.stringify({ token, text }), condition))) return;
    // Somebody has written in between: look again.
  }
}

/** What was written; undefined when a condition has refused it. */
async function unlessRefused<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof KvError && error.code === "condition-failed") return undefined;
    throw error;
  }
}

async function main(name: string): Promise<void> {
  const client = new KvClient({ routers: (process.env.KVLAB_ROUTERS ?? "127.0.0.1:1926").split(",") });
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
  try {
    console.log(`${name} waits for the lock`);
    const lock = await acquireLock(client, "lock/demo", {
      holder: name,
      ttlMs: 3_000,
      signal: stopping.signal,
    });
    console.log(`${name} has the lock, with token ${lock.token}`);
    const ending = AbortSignal.any([stopping.signal, lock.lost]);
    for (let count = 1; !ending.aborted; count++) {
      await putFenced(client, "guarded/demo", `${name} ${count}`, lock.token);
      console.log(`${name} has written ${count}`);
      await sleep(500, undefined, { signal: ending }).catch(() => {});
    }
    if (lock.lost.aborted) {
      console.log(`${name} has lost the lock, and tries to write all the same`);
      await putFenced(client, "guarded/demo", `${name} too late`, lock.token);
    }
    await lock.release();
    console.log(`${name} has given the lock back`);
  } finally {
    client.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  await main(process.argv[2] ?? "somebody").catch((error) => {
    console.error(`${process.argv[2]}: ${error.message}`);
    process.exitCode = 1;
  });
}
