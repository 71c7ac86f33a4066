import { type Clock, sleep } from "../../common/clock.ts";
import { type Coordination, CoordinationError, type Watcher } from "../../coordination/coordination.ts";
import { CachedRead, childrenOrAwait, getOrAwait } from "./cached-read.ts";
import {
  ForeignContentError,
  parseAddressData,
  parseClusterId,
  parseGroupState,
  parseRingState,
} from "./codec.ts";
import { explain, withoutRepetition } from "./diagnostics.ts";
import type { GroupView, NodeView, RingState, Topology, Versioned } from "./model.ts";
import {
  clusterPath,
  dataPath,
  groupPath,
  groupStatePath,
  isGroupName,
  parseNumber,
  ringPath,
  serverPath,
} from "./paths.ts";
import { Refresher } from "./refresher.ts";

/** Pause before a failed read is retried, because no watch tells when it would succeed. */
const unreadableRetryMs = 10_000;

interface ReaderOptions {
  readonly session: Coordination;
  readonly clock: Clock;
  /** Aborted when the session is over, if not before. */
  readonly signal: AbortSignal;
  readonly onDiagnostic: (message: string) => void;
  /** Called after every read, once everything has been read since the session last connected. */
  readonly onRead: (topology: Topology) => void;
}

type Touch = () => void;
type Found = Awaited<ReturnType<Coordination["get"]>>;

/**
 * Reads the cluster's znodes under one session: all of them at first and after each reconnect, and otherwise those whose
 * watches fire. A znode that cannot be read or is not ours counts as absent, and is reported once.
 */
export class TopologyReader {
  readonly #options: ReaderOptions;
  /** How often the session has been connected. */
  #connections = 0;
  readonly #cluster: Refresher<Versioned<string> | undefined>;
  readonly #routers: Refresher<NodeView[]>;
  readonly #ring: Refresher<Versioned<RingState> | undefined>;
  readonly #groupList: Refresher<void>;
  /** By name, in order. */
  #groups = new Map<string, Refresher<GroupView>>();
  /** Not read since the session was last connected. */
  readonly #unread = new Set<Refresher<unknown>>();

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#cluster = this.#refresher((touch) => this.#value(clusterPath, touch, parseClusterId));
    this.#routers = this.#refresher((touch) => this.#nodes(serverPath, touch));
    this.#ring = this.#refresher((touch) => this.#value(ringPath, touch, parseRingState));
    this.#groupList = this.#refresher((touch) => this.#readGroupList(touch));
  }

  /** Call it once. */
  start(): void {
    this.#options.session.onState((state) => {
      if (state === "connected") this.#readAll();
    });
    this.#readAll();
  }

  #readAll(): void {
    this.#connections++;
    const all = [this.#cluster, this.#routers, this.#ring, this.#groupList, ...this.#groups.values()];
    for (const refresher of all) this.#unread.add(refresher);
    for (const refresher of all) refresher.touch();
  }

  /** `prepare` is given how to have the value read again, and returns how to read it. */
  #refresher<T>(prepare: (touch: Touch) => () => Promise<T>): Refresher<T> {
    const refresher: Refresher<T> = new Refresher({
      ...this.#options,
      read: prepare(() => refresher.touch()),
      onRead: () => {
        this.#unread.delete(refresher);
        this.#tell();
      },
    });
    return refresher;
  }

  #tell(): void {
    const { session, onRead } = this.#options;
    if (this.#unread.size > 0 || session.state !== "connected") return;
    const ring = this.#ring.value;
    // The ring may be read before the list of groups: what leaves out a group of it would be taken for another ring.
    const { groups: present = [], change } = ring?.value ?? {};
    const names = new Set([...this.#groups.keys(), ...present, ...(change?.groups ?? [])]);
    const viewOf = (name: string) => this.#groups.get(name)?.value ?? { name, state: undefined, nodes: [] };
    onRead({
      cluster: this.#cluster.value?.value,
      ring,
      groups: new Map([...names].sort().map((name) => [name, viewOf(name)])),
      routers: this.#routers.value ?? [],
      staleSinceMs: undefined,
    });
  }

  #readGroupList(touch: Touch): () => Promise<void> {
    const list = this.#watched(touch, (watcher) => childrenOrAwait(this.#options.session, dataPath, watcher));
    return async () => {
      const names = ((await list()) ?? []).filter(isGroupName).sort();
      const before = this.#groups;
      this.#groups = new Map(names.map((name) => [name, before.get(name) ?? this.#group(name)]));
      for (const [name, group] of this.#groups) {
        if (before.has(name)) continue;
        this.#unread.add(group);
        group.touch();
      }
    };
  }

  #group(name: string): Refresher<GroupView> {
    return this.#refresher((touch) => {
      const readState = this.#value(groupStatePath(name), touch, parseGroupState);
      const readNodes = this.#nodes(groupPath(name), touch);
      return async () => {
        const [state, nodes] = await Promise.all([readState(), readNodes()]);
        return { name, state, nodes };
      };
    });
  }

  /** Reads the ephemeral children that have numbers for names. An address is read once in the life of a znode. */
  #nodes(parent: string, touch: Touch): () => Promise<NodeView[]> {
    const { session } = this.#options;
    const list = this.#watched(touch, (watcher) => childrenOrAwait(session, parent, watcher));
    let reads = new Map<number, () => Promise<NodeView | undefined>>();
    const readOf = (number: number) => {
      const path = `${parent}/${number}`;
      return this.#watched(touch, async (watcher) =>
        parseNode(path, number, await session.get(path, watcher)),
      );
    };
    return async () => {
      const numbers = ((await list()) ?? []).map(parseNumber).filter((number) => number !== undefined);
      numbers.sort((a, b) => a - b);
      reads = new Map(numbers.map((number) => [number, reads.get(number) ?? readOf(number)]));
      const nodes = await Promise.all([...reads.values()].map((read) => read()));
      return nodes.filter((node) => node !== undefined);
    };
  }

  #value<T>(
    path: string,
    touch: Touch,
    parse: (path: string, data: Uint8Array) => T,
  ): () => Promise<Versioned<T> | undefined> {
    return this.#watched(touch, async (watcher) => {
      const found = await getOrAwait(this.#options.session, path, watcher);
      return found && { value: parse(path, found.data), version: found.stat.version };
    });
  }

  /** A read by `fetch` that answers undefined when there is nothing of ours. */
  #watched<T>(
    touch: Touch,
    fetch: (watcher: Watcher | undefined) => Promise<T>,
  ): () => Promise<T | undefined> {
    const { clock, signal, onDiagnostic } = this.#options;
    const tell = withoutRepetition(onDiagnostic);
    const cached = new CachedRead({
      connections: () => this.#connections,
      onOutdated: touch,
      async fetch(watcher) {
        try {
          return await fetch(watcher);
        } catch (error) {
          if (!(error instanceof ForeignContentError)) throw error;
          tell(error.message);
          return undefined;
        }
      },
    });
    let willRetry = false;
    return async () => {
      try {
        return await cached.read();
      } catch (error) {
        if (!CoordinationError.is(error) || isLoss(error)) throw error;
        // What has just gone shows in the list of children, which is watched.
        if (error.code === "NO_NODE") return undefined;
        tell(explain(error));
        if (!willRetry) {
          willRetry = true;
          void sleep(clock, unreadableRetryMs, signal).then(() => {
            willRetry = false;
            touch();
          });
        }
        return undefined;
      }
    };
  }
}

function isLoss(error: CoordinationError): boolean {
  return CoordinationError.is(error, "CONNECTION_LOSS", "SESSION_EXPIRED", "CLOSED");
}

function parseNode(path: string, number: number, { data, stat }: Found): NodeView {
  if (!stat.ephemeral)
    throw new ForeignContentError(path, data, "an ephemeral znode with the address of a node", {
      isMadeAgain: true,
    });
  return { number, incarnation: stat.czxid, address: parseAddressData(path, data) };
}
