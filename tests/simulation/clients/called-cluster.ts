import type { HistoryRecorder } from "../../checker/history.ts";
import type { StoreOperation } from "../../checker/store-model.ts";
import type { World } from "../world/world.ts";

/** What a client needs of the cluster that it calls. */
export interface CalledCluster {
  readonly world: World;
  readonly routers: readonly { readonly name: string }[];
  readonly history: HistoryRecorder<StoreOperation>;
  /** The groups that are in the ring. */
  readonly ringGroups: readonly string[];
  /** The group of the ring that a key belongs to. */
  groupOf(key: string): string | undefined;
}
