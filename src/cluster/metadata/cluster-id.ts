import { CoordinationError } from "../../coordination/coordination.ts";
import { encodeText, parseClusterId } from "./codec.ts";
import { refused } from "./operation-error.ts";
import { clusterPath } from "./paths.ts";
import { getIfThere, retryOnConnectionLoss, type Task } from "./retry-on-connection-loss.ts";

/** A log or process of one cluster has connected to the znodes or a node of another. */
export class ForeignCluster extends Error {
  override readonly name = "ForeignCluster";
}

/** Something that enters a cluster, and the cluster that it belongs to. */
export interface Entering {
  /** Undefined when it belongs to none yet. */
  readonly own: string | undefined;
  /** In words: "the log", "this router". */
  readonly who: string;
}

/**
 * The id of the cluster of these znodes, which must be `own`. It is random, so that files and processes of two clusters
 * are never confused, even if all their names are the same. The very first process creates it.
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
 * Refuses a call from a node of another cluster, which may have had this address before. Nodes of earlier versions send no
 * id. Errors: OperationError `refused`.
 */
export function checkCaller(own: string | undefined, caller: string | undefined): void {
  if (caller === undefined || caller === "" || caller === own) return;
  throw refused(
    own === undefined
      ? "this node has not found its cluster yet"
      : `the call is of cluster ${caller}; this node is of cluster ${own}`,
  );
}
