import { isNoNode } from "../../zookeeper/wire/error-codes.ts";
import { CoordinationError } from "../coordination.ts";
import type { MissedEvent, WatchKind } from "../watches.ts";
import type { NativeStat } from "./addon.ts";
import type { Handle } from "./handle.ts";

/** Sends a session's digest credentials. Errors: AUTH_FAILED, CONNECTION_LOSS. */
export function authenticate(handle: Handle, credentials: string): Promise<void> {
  const authenticated = new Promise<void>((resolve, reject) => {
    handle.ask<[]>(
      (native, answer) => native.add_auth("digest", credentials, answer),
      (code) => {
        if (code === 0) resolve();
        else reject(new CoordinationError("AUTH_FAILED", "ZooKeeper refuses the digest credentials"));
      },
    );
  });
  return unlessLost(handle, authenticated);
}

/**
 * Sets watches again on a new connection, by their paths on the server. Returns the events that they missed: changes
 * after the transaction `seenZxid`. Errors: CONNECTION_LOSS.
 */
export function restoreWatches(
  handle: Handle,
  pathsOf: (kind: WatchKind) => readonly string[],
  seenZxid: number,
): Promise<MissedEvent[]> {
  const restore = async () => {
    await sync(handle);
    const found = await Promise.all([
      ...pathsOf("data").map((path) => restoreData(handle, path, seenZxid)),
      ...pathsOf("exists").map((path) => restoreExists(handle, path)),
      ...pathsOf("children").map((path) => restoreChildren(handle, path, seenZxid)),
    ]);
    return found.filter((missed) => missed !== undefined);
  };
  return unlessLost(handle, restore());
}

/** The new server may be behind the last one, and a later read must not show older data. */
function sync(handle: Handle): Promise<void> {
  return new Promise((resolve) => {
    handle.ask<[string]>(
      (native, answer) => native.a_sync("/", answer),
      () => resolve(),
    );
  });
}

function restoreData(handle: Handle, path: string, seenZxid: number): Promise<MissedEvent | undefined> {
  return new Promise((resolve) => {
    handle.ask<[NativeStat | null]>(
      (native, answer) => native.a_exists(path, true, answer),
      (code, stat) => {
        if (isNoNode(code)) resolve(["deleted", path]);
        // Of any other error the watcher learns when it reads again.
        else resolve(stat === null || stat.mzxid > seenZxid ? ["changed", path] : undefined);
      },
    );
  });
}

function restoreExists(handle: Handle, path: string): Promise<MissedEvent | undefined> {
  return new Promise((resolve) => {
    handle.ask<[NativeStat | null]>(
      (native, answer) => native.a_exists(path, true, answer),
      (code) => resolve(isNoNode(code) ? undefined : ["created", path]),
    );
  });
}

function restoreChildren(handle: Handle, path: string, seenZxid: number): Promise<MissedEvent | undefined> {
  return new Promise((resolve) => {
    handle.ask<[string[] | null, NativeStat | null]>(
      (native, answer) => native.a_get_children2(path, true, answer),
      (code, _, stat) => {
        if (isNoNode(code)) resolve(["deleted", path]);
        else resolve(stat === null || stat.pzxid > seenZxid ? ["children", path] : undefined);
      },
    );
  });
}

async function unlessLost<T>(handle: Handle, result: Promise<T>): Promise<T> {
  const lost = handle.whenLost.then(() => {
    throw new CoordinationError("CONNECTION_LOSS", "the connection was lost while the session was attached");
  });
  return Promise.race([result, lost]);
}
