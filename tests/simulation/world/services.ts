import type { WriteRequest } from "../../../src/cluster/kv/write-plan.ts";
import type { PutOptions, WriteOptions } from "../../../src/cluster/node/key-service.ts";
import type {
  AppendRequest,
  AppendResponse,
  CountMisplacedRequest,
  PositionRequest,
  SilenceReport,
  TransferRequest,
} from "../../../src/cluster/replication/peer.ts";
import type { KeyRange, StoredValue } from "../../../src/cluster/storage/key-view.ts";
import type { Position } from "../../../src/cluster/storage/model.ts";
import type { WatchOptions } from "../../../src/cluster/watch/watcher.ts";
import type { OpenedWatch, ToldStep } from "../clients/open-watches.ts";

/** What a process answers over the network. Clients call routers, and routers call data nodes, for the same things. */
export interface Services extends KeyServices {
  append(request: AppendRequest): Promise<AppendResponse>;
  countMisplaced(request: CountMisplacedRequest): number;
  transferLeadership(request: TransferRequest, signal: AbortSignal): Promise<number>;
  position(request: PositionRequest): Position | undefined;
  reportSilence(report: SilenceReport): Promise<boolean>;
  /** Of data nodes only. */
  readonly group: GroupServices | undefined;
}

export interface KeyServices {
  get(key: string, signal: AbortSignal): Promise<StoredValue>;
  /** Returns the revision. */
  put(key: string, value: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<number>;
  /** Returns the revision. */
  delete(key: string, options: WriteOptions, signal: AbortSignal): Promise<number>;
  /** Returns the revision. */
  write(request: WriteRequest, signal: AbortSignal): Promise<number>;
}

export interface Scanned extends StoredValue {
  readonly key: string;
}

export interface GroupServices {
  scan(range: KeyRange, signal: AbortSignal): Promise<{ readonly at: Position; readonly found: Scanned[] }>;
  watch(options: WatchOptions, signal: AbortSignal): Promise<OpenedWatch>;
  /** What comes next of an open watch; undefined when nothing has come for a while. */
  nextOf(watch: number): Promise<ToldStep | undefined>;
}
