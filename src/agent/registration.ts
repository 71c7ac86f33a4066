import { agentPath } from "../cluster/metadata/paths.ts";
import { retryOnConnectionLoss, type Task } from "../cluster/metadata/retry-on-connection-loss.ts";
import { CoordinationError } from "../coordination/coordination.ts";

/**
 * Gives an agent its ephemeral znode with this data, and returns the path. A znode that the agent has in this session
 * already is used again: the answer to its creation may have been lost, or somebody has stopped and begun anew. Its name
 * has the agent's id, so that one list of children is enough to find it, however many agents there are.
 */
export async function registerAgent(task: Task, id: string, data: Uint8Array): Promise<string> {
  const { session, access } = task;
  return await retryOnConnectionLoss(task, async () => {
    const own = await ownZnode(task, id);
    if (own !== undefined && (await writeReport(task, own, data))) return own;
    return await session.create(`${agentPath}/agent-${id}-`, data, "ephemeral-sequential", access);
  });
}

/** Replaces the data of the agent's znode. False when the znode has gone, or is another session's. */
export async function writeReport(task: Task, path: string, data: Uint8Array): Promise<boolean> {
  const { session } = task;
  return await retryOnConnectionLoss(task, async () => {
    const stat = await session.exists(path);
    if (stat?.own !== true) return false;
    try {
      await session.set(path, data, stat.version);
      return true;
    } catch (error) {
      if (CoordinationError.is(error, "NO_NODE")) return false;
      throw error;
    }
  });
}

/** The znode of this agent and session. An earlier session may have left one, which goes with that session. */
async function ownZnode({ session, access }: Task, id: string): Promise<string | undefined> {
  if ((await session.exists(agentPath)) === undefined) {
    await session.create(agentPath, new Uint8Array(), "persistent", access).catch((error) => {
      if (!CoordinationError.is(error, "NODE_EXISTS")) throw error;
    });
  }
  for (const name of await session.children(agentPath)) {
    if (!name.startsWith(`agent-${id}-`)) continue;
    const path = `${agentPath}/${name}`;
    if ((await session.exists(path))?.own) return path;
  }
  return undefined;
}
