import { unlessAborted } from "../../common/unless-aborted.ts";
import { CoordinationError } from "../../coordination/coordination.ts";
import { encodeText } from "../metadata/codec.ts";
import { getIfThere, retryOnConnectionLoss, type Task } from "../metadata/retry-on-connection-loss.ts";

const prefix = "lock-";
/** Of our nodes. The service adds ten digits, so that the order of the names is that of the numbers. */
const lockName = /^lock-\d{10}$/;

/** Whoever waits for so long says for whom. */
const tellAfterMs = 3000;

/**
 * Runs `work` while holding the lock whose nodes are the children of `path`, a znode that must exist. Those who want it
 * make a sequential ephemeral node there; the lowest number has the lock, and each of the others watches only the one
 * before it, so that a release wakes one of them (the lock recipe of ZooKeeper's documentation). What others have put
 * there, by its name or since it is persistent, counts for nothing.
 *
 * `who` stands in the node, for those who wait. The lock is given back whatever `work` does, and goes with the session.
 * `work` is not stopped then: its calls fail, and its writes must be compare-and-set, since a process that was paused may
 * write after it has lost the lock.
 *
 * The marker in a node's data tells the node of this call from all others, when the answer to its creation was lost.
 */
export async function withLock<T>(task: Task, path: string, who: string, work: () => Promise<T>): Promise<T> {
  const { session, access } = task;
  const marker = `${who} ${task.clock.random()}`;
  const foreign = new Set<string>();
  let mine: string | undefined;
  let mayExist = false;
  try {
    mine = await retryOnConnectionLoss(task, async () => {
      const left = mayExist ? await findOwn(task, path, marker) : undefined;
      if (left !== undefined) return left;
      mayExist = true;
      return session.create(`${path}/${prefix}`, encodeText(marker), "ephemeral-sequential", access);
    });
    for (;;) {
      const ahead = await nextAhead(task, path, mine, foreign);
      if (ahead === undefined) break;
      if (!(await untilGone(task, ahead))) foreign.add(ahead);
    }
    return await work();
  } finally {
    if (mayExist) await release(task, path, mine, marker);
  }
}

/** Path of the lock node with the next lower number; undefined when `mine` has the lowest. */
async function nextAhead(
  task: Task,
  path: string,
  mine: string,
  foreign: ReadonlySet<string>,
): Promise<string | undefined> {
  const names = await retryOnConnectionLoss(task, () => task.session.children(path));
  const queue = names.filter((name) => lockName.test(name) && !foreign.has(`${path}/${name}`)).sort();
  const place = queue.indexOf(mine.slice(path.length + 1));
  if (place < 0) throw new Error(`${mine} was deleted by somebody else while it waited for the lock`);
  const ahead = queue[place - 1];
  return ahead === undefined ? undefined : `${path}/${ahead}`;
}

/** Waits until a lock node goes. False, at once, for one that is persistent: none of ours, and it never goes. */
async function untilGone(task: Task, node: string): Promise<boolean> {
  const { session, clock, signal, onDiagnostic } = task;
  const touched = Promise.withResolvers<void>();
  const found = await retryOnConnectionLoss(task, () => getIfThere(session, node, () => touched.resolve()));
  if (found === undefined) return true;
  if (!found.stat.ephemeral) return false;
  const cancel = clock.timer(tellAfterMs, () => {
    onDiagnostic(
      `waiting for ${holderOf(found.data)} to give the lock ${node} back; it goes with the session of that process, ` +
        "should that hang; if there is no such process, delete the znode",
    );
  });
  try {
    await unlessAborted(touched.promise, signal);
  } finally {
    cancel();
  }
  return true;
}

/** The `who` of a lock node. */
function holderOf(data: Uint8Array): string {
  const [, who] = /^(\S{1,300}) [\d.e-]+$/.exec(new TextDecoder().decode(data)) ?? [];
  return who ?? "another process";
}

/** Deletes the node of this call, if there is one. Without the task's signal: called off or not, it must go. */
async function release(task: Task, path: string, mine: string | undefined, marker: string): Promise<void> {
  const { session, clock } = task;
  try {
    await retryOnConnectionLoss({ session, clock }, async () => {
      if (mine === undefined) await session.sync("/");
      const node = mine ?? (await findOwn(task, path, marker));
      if (node === undefined) return;
      const version = await versionOfOwn(task, node, marker);
      if (version !== undefined) await session.delete(node, version);
    });
  } catch (error) {
    // It is gone, or goes with the session.
    if (!CoordinationError.is(error, "NO_NODE", "SESSION_EXPIRED", "CLOSED")) throw error;
  }
}

async function findOwn(task: Task, path: string, marker: string): Promise<string | undefined> {
  for (const name of await task.session.children(path)) {
    const node = `${path}/${name}`;
    if ((await versionOfOwn(task, node, marker)) !== undefined) return node;
  }
  return undefined;
}

async function versionOfOwn({ session }: Task, node: string, marker: string): Promise<number | undefined> {
  const found = await getIfThere(session, node);
  return found?.stat.own && new TextDecoder().decode(found.data) === marker ? found.stat.version : undefined;
}
