import { CoordinationError } from "../coordination/coordination.ts";
import { encodeText, parseClusterId } from "./codec.ts";
import { clusterPath } from "./paths.ts";
import { getIfThere, settle, type Task } from "./settle.ts";

/** A log or a process of one cluster has met the znodes or a node of another. */
export class ForeignCluster extends Error {
  override readonly name = "ForeignCluster";
}

/**
 * The id of the cluster that these znodes are of; the first process of all makes it. It is random, so that files and
 * processes of two clusters are never taken for one another, be all their names the same.
 * Errors: ForeignContentError.
 */
export async function settleClusterId(task: Task): Promise<string> {
  const { session, access, clock } = task;
  return settle(task, async () => {
    for (;;) {
      const found = await getIfThere(session, clusterPath);
      if (found !== undefined) return parseClusterId(clusterPath, found.data);
      const id = Array.from({ length: 4 }, () => randomWord(clock.random())).join("");
      try {
        await session.create(clusterPath, encodeText(id), "persistent", access);
      } catch (error) {
        if (!CoordinationError.is(error, "NODE_EXISTS")) throw error;
      }
    }
  });
}

function randomWord(random: number): string {
  return Math.floor(random * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
}

/**
 * Refuses a call of another cluster's node: an address may have been given to a node of ours that was one of theirs.
 * Nodes of earlier versions name none. Errors: ForeignCluster.
 */
export function checkCaller(own: string | undefined, caller: string | undefined): void {
  if (caller === undefined || caller === "" || caller === own) return;
  throw new ForeignCluster(
    own === undefined
      ? "this node has not found its cluster yet"
      : `the call is of cluster ${caller}; this node is of cluster ${own}`,
  );
}
