import { CachedRead, childrenOrAwait } from "../cluster/metadata/cached-read.ts";
import { explain } from "../cluster/metadata/diagnostics.ts";
import { OperationError } from "../cluster/metadata/operation-error.ts";
import { agentPath } from "../cluster/metadata/paths.ts";
import type { SessionSource } from "../cluster/metadata/session-keeper.ts";
import { type Clock, withTimeout } from "../common/clock.ts";
import { type Coordination, CoordinationError, type Watcher } from "../coordination/coordination.ts";
import { type AgentReport, emptyReport, parseReport } from "./parse-report.ts";

/** An agent that is registered now. */
export interface ListedAgent {
  /** Path of its znode. */
  readonly znode: string;
  readonly report: AgentReport;
  /** Why the report cannot be used, or not be relied on. */
  readonly problem?: string;
}

export interface AgentListing {
  /** In the order in which they registered. */
  readonly agents: readonly ListedAgent[];
  /** How many more there are, which were not read. */
  readonly omitted: number;
}

/** Most agents that are read. Their reports fit in a message. */
const agentsMax = 1000;

/** Longest name of a znode that is read. Ours have 29 characters. */
const nameMax = 100;

/** Reads under way at a time. */
const readsMax = 50;

const readTimeoutMs = 5000;

/**
 * The agents, as ZooKeeper has them. What was read is kept until its watch fires, so asking again and again costs little;
 * while nobody asks, no watch is set again.
 */
export class AgentList {
  readonly #sessions: SessionSource;
  readonly #clock: Clock;
  #reader: AgentReader | undefined;

  constructor({ sessions, clock }: { readonly sessions: SessionSource; readonly clock: Clock }) {
    this.#sessions = sessions;
    this.#clock = clock;
    sessions.use((session) => {
      this.#reader = new AgentReader(session);
    });
  }

  /** Errors: OperationError (unavailable), the signal's reason. */
  async read(signal: AbortSignal): Promise<AgentListing> {
    const reader = this.#reader;
    if (reader === undefined || this.#sessions.current?.state !== "connected") {
      throw new OperationError("unavailable", "this router has no connection to ZooKeeper");
    }
    try {
      return await withTimeout(this.#clock, readTimeoutMs, signal, () => reader.read());
    } catch (error) {
      if (signal.aborted) throw error;
      throw new OperationError("unavailable", `the agents cannot be read: ${explain(error)}`, {
        cause: error,
      });
    }
  }
}

interface AgentRead {
  readonly znode: string;
  readonly read: CachedRead<ListedAgent>;
}

/** Reads the agents under one session. */
class AgentReader {
  readonly #session: Coordination;
  readonly #names: CachedRead<string[]>;
  #reads: ReadonlyMap<string, AgentRead> = new Map();
  /** How often the session has been connected. */
  #connections = 0;

  constructor(session: Coordination) {
    this.#session = session;
    session.onState((state) => {
      if (state === "connected") this.#connections++;
    });
    this.#names = this.#cached((watcher) => childrenOrAwait(session, agentPath, watcher));
  }

  async read(): Promise<AgentListing> {
    const names = await this.#names.read();
    const read = names.filter((name) => name.length <= nameMax).sort(bySequence);
    const before = this.#reads;
    this.#reads = new Map(
      read.slice(0, agentsMax).map((name) => [name, before.get(name) ?? this.#agent(name)]),
    );
    const reads = [...this.#reads.values()];
    const found: (ListedAgent | undefined)[] = [];
    while (found.length < reads.length) {
      const some = reads.slice(found.length, found.length + readsMax);
      found.push(...(await Promise.all(some.map(orProblem))));
    }
    return { agents: newest(found), omitted: names.length - reads.length };
  }

  #agent(name: string): AgentRead {
    const znode = `${agentPath}/${name}`;
    const read = this.#cached(async (watcher) => {
      const { data, stat } = await this.#session.get(znode, watcher);
      const { report, problem } = parseReport(data);
      const lasting = stat.ephemeral ? undefined : "it is not ephemeral, so it stays when its agent has gone";
      const trouble = problem ?? lasting;
      return { znode, report, ...(trouble !== undefined && { problem: trouble }) };
    });
    return { znode, read };
  }

  #cached<T>(fetch: (watcher: Watcher | undefined) => Promise<T>): CachedRead<T> {
    return new CachedRead({ fetch, connections: () => this.#connections, onOutdated: () => {} });
  }
}

/** The agent, unless it has just gone. */
async function orProblem({ znode, read }: AgentRead): Promise<ListedAgent | undefined> {
  try {
    return await read.read();
  } catch (error) {
    if (CoordinationError.is(error, "NO_NODE")) return undefined;
    if (!CoordinationError.is(error, "NO_AUTH")) throw error;
    return { znode, report: emptyReport, problem: explain(error) };
  }
}

/** Without what an agent has left under an earlier session, which goes when that session has expired. */
function newest(found: readonly (ListedAgent | undefined)[]): ListedAgent[] {
  const agents = found.filter((agent) => agent !== undefined);
  const idOf = ({ znode, report }: ListedAgent) => report.id || znode;
  const last = new Map(agents.map((agent) => [idOf(agent), agent]));
  return agents.filter((agent) => last.get(idOf(agent)) === agent);
}

/** By the number that ZooKeeper has appended, if there is one. */
function bySequence(a: string, b: string): number {
  return sequenceOf(a) - sequenceOf(b) || (a < b ? -1 : 1);
}

function sequenceOf(name: string): number {
  return Number(/\d{10}$/.exec(name)?.[0] ?? 0);
}
