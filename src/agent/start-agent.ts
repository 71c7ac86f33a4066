import { SessionKeeper } from "../cluster/metadata/session-keeper.ts";
import { checkOptions } from "../common/check-options.ts";
import { systemClock, timerMsMax } from "../common/clock.ts";
import { callback, type Kinds, numberFrom, oneOf, text, wholeNumber } from "../common/option-kinds.ts";
import { openCoordination } from "../coordination/open.ts";
import { runAgent } from "./agent.ts";
import { identityOf } from "./identity.ts";
import { defaultIntervalMs, intervalMsMin } from "./interval.ts";
import { loadReader } from "./load.ts";

export interface StartAgentOptions {
  /** ZooKeeper servers, `host[:port][,host[:port]...][/path]`. The path is that of the cluster whose `kvlab agents` lists it. */
  readonly zooaddr: string;
  /** Digest credentials `user:password`. Default: none. */
  readonly zooauth?: string | undefined;
  /** ZooKeeper client. Default `wire`, kvlab's own. */
  readonly zkdriver?: "wire" | "native";
  /** How long after it was killed it is still listed. Default 10,000. ZooKeeper may raise or lower it. */
  readonly sessiontimeoutms?: number;
  /** Host by which others reach this machine. */
  readonly serverIp: string;
  /** A name for people. Default: none. */
  readonly name?: string | undefined;
  /** The file system with this folder is reported. Default: none. */
  readonly folder?: string | undefined;
  /** Least time between two writes, from 1,000 on. Default 5,000. */
  readonly intervalMs?: number;
  /** Called when the agent has a znode, with its path. */
  readonly onRegistered?: (path: string) => void;
  /** Called with each failure: one line. The agent tries again. */
  readonly onDiagnostic?: (message: string) => void;
}

const agentKinds: Kinds<StartAgentOptions> = {
  zooaddr: text,
  zooauth: { ...text, isSecret: true },
  zkdriver: oneOf(["wire", "native"]),
  sessiontimeoutms: wholeNumber(1, timerMsMax),
  serverIp: text,
  name: text,
  folder: text,
  intervalMs: numberFrom(intervalMsMin, timerMsMax),
  onRegistered: callback,
  onDiagnostic: callback,
};

export interface RunningAgent {
  /** Rejects with a CoordinationError that no retry can fix: BAD_ARGUMENTS, AUTH_FAILED. Resolves after `stop`. */
  readonly done: Promise<void>;
  /** Removes the agent's znode at once. Never fails. */
  stop(): Promise<void>;
}

/**
 * Starts an agent in this program, with a session of its own: see `runAgent`. Errors: RangeError (an option is not
 * allowed).
 */
export function startAgent(options: StartAgentOptions): RunningAgent {
  checkOptions("the agent", options, agentKinds);
  const { zooaddr, zooauth, zkdriver = "wire", sessiontimeoutms = 10_000 } = options;
  const { serverIp, name, folder, intervalMs = defaultIntervalMs, onDiagnostic = () => {} } = options;
  const clock = systemClock;
  const open = openCoordination({ zooaddr, zooauth, zkdriver, sessiontimeoutms });
  const sessions = new SessionKeeper({ open, clock, onDiagnostic });
  sessions.done.catch(() => {}); // Whoever runs the agent may await it later.
  runAgent({
    ...options,
    sessions,
    clock,
    access: zooauth === undefined ? "open" : "creator-writes",
    identity: identityOf({ role: "agent", serverIp, ...(name !== undefined && { name }) }, clock.wallMs()),
    readLoad: loadReader(clock, folder),
    intervalMs,
    onDiagnostic,
  });
  return { done: sessions.done, stop: () => sessions.stop() };
}
