/** Servers inside a program, for its tests or to run them in its own way: `import { startCluster } from "kvlab/server"`. */

export { type RunningAgent, type StartAgentOptions, startAgent } from "../agent/start-agent.ts";
export { type ClusterOptions, startCluster } from "./start-cluster.ts";
export {
  type DataNodeSettings,
  type RouterSettings,
  type RunningServer,
  type StartOptions,
  startDataNode,
  startRouter,
} from "./start-server.ts";
