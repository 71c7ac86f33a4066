import { CoordinationError } from "../../coordination/coordination.ts";
import { encodeText, parseClusterId } from "./codec.ts";
import { OperationError } from "./operation-error.ts";
import { clusterPath } from "./paths.ts";
import { getIfThere, retryOnConnectionLoss, type Task } from "./retry-on-connection-loss.ts";

/** A log or a process of one cluster has met the znodes or a node of another. */
export class ForeignCluster extends Error {
  override readonly name = "ForeignCluster";
}

/** Who enters a cluster, and of which it knows to be. */
export interface Entering {
  /** Undefined when it may be of any. */
  readonly own: string | undefined;
  /** In words: "the log", "this router". */
  readonly who: string;
}

/**
 * The id of the cluster that these znodes are of, which must be `own`. It is random, so that files and processes of two
 * clusters are never taken for one another, be all their names the same. The first process of all makes it.
 * Errors: ForeignCluster, ForeignContentError.
 */
export async function enterCluster(task: Task, { own, who }: Entering): Promise<string> {
  const { session } = task;
  return retryOnConnectionLoss(task, async () => {
    for (;;) {
      const found = await getIfThere(session, clusterPath);
      if (found === undefined && own === undefined) {
        await makeClusterId(task);
        continue;
      }
      const id = found && parseClusterId(clusterPath, found.data);
      if (id !== undefined && (own === undefined || own === id)) return id;
      throw new ForeignCluster(
        id === undefined
          ? `${who} is of cluster ${own}, and ZooKeeper holds none: is zooaddr another's? If nothing but ${clusterPath} ` +
              "was lost, create it again with this id"
          : `${who} is of cluster ${own}, and ZooKeeper holds cluster ${id}: is zooaddr, or dbfile, another's?`,
      );
    }
  });
}

async function makeClusterId({ session, access, clock }: Task): Promise<void> {
  const id = Array.from({ length: 4 }, () => randomWord(clock.random())).join("");
  try {
    await session.create(clusterPath, encodeText(id), "persistent", access);
  } catch (error) {
    if (!CoordinationError.is(error, "NODE_EXISTS")) throw error;
  }
}

function randomWord(random: number): string {
  return Math.floor(random * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
}

/**
 * Refuses a call of another cluster's node: an address may have been given to a node of ours that was one of theirs.
 * Nodes of earlier versions name none. Errors: OperationError `refused`.
 */
export function checkCaller(own: string | undefined, caller: string | undefined): void {
  if (caller === undefined || caller === "" || caller === own) return;
  throw new OperationError(
    "refused",
    own === undefined
      ? "this node has not found its cluster yet"
      : `the call is of cluster ${caller}; this node is of cluster ${own}`,
  );
}
