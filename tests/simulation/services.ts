import type { Position, StoredValue } from "../../src/cluster/log-store.ts";
import type {
  AppendRequest,
  AppendResponse,
  CountMisplacedRequest,
  SilenceReport,
} from "../../src/cluster/peer.ts";

/** What a process answers over the network. Clients call routers, and routers call data nodes, for the same things. */
export interface Services {
  append(request: AppendRequest): Promise<AppendResponse>;
  countMisplaced(request: CountMisplacedRequest): number;
  handOver(request: { group: string; number: number }, signal: AbortSignal): Promise<number>;
  position(group: string): Position | undefined;
  reportSilence(report: SilenceReport): Promise<boolean>;
  get(key: string, signal: AbortSignal): Promise<StoredValue>;
  /** Returns the revision. */
  put(key: string, value: Uint8Array, signal: AbortSignal): Promise<number>;
  /** Returns the revision. */
  delete(key: string, signal: AbortSignal): Promise<number>;
}
