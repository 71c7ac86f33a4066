import { type Access, type Coordination, CoordinationError } from "../../coordination/coordination.ts";
import {
  formatGroupLogs,
  formatGroupState,
  formatRingState,
  parseGroupLogs,
  parseGroupState,
  parseRingState,
} from "./codec.ts";
import type { GroupLogs, GroupState, RingState, Versioned } from "./model.ts";
import { groupLogsPath, groupStatePath, ringPath } from "./paths.ts";
import { getIfThere } from "./retry-on-connection-loss.ts";

/** One value that processes agree on by compare-and-set. */
export interface CasRegister<T> {
  /** Whether there is a connection now, so that a call can succeed. */
  readonly connected: boolean;

  /** Reads the value as of this call or later. Undefined when there is none. Rejects when it cannot be read. */
  read(): Promise<Versioned<T> | undefined>;

  /** Sets the first value. Rejects when there already is one, or when the outcome is not known. */
  create(value: T): Promise<Versioned<T>>;

  /**
   * Replaces the value of the given version. Rejects when it has another version, or when the outcome is not known. A
   * later `read` shows the outcome: a change that it does not show was not made, and never will be.
   */
  compareAndSet(next: T, version: number): Promise<Versioned<T>>;
}

export interface RegisterOptions {
  /** The session under which the znode is read and written. Undefined while there is none. */
  readonly session: () => Coordination | undefined;
  /** Access mode for the znode. */
  readonly access: Access;
}

export interface GroupRegisterOptions extends RegisterOptions {
  readonly group: string;
}

/** A register in the data of one znode. */
export function znodeRegister<T>(
  options: RegisterOptions & {
    readonly path: string;
    readonly parse: (path: string, data: Uint8Array) => T;
    readonly format: (value: T) => Uint8Array;
  },
): CasRegister<T> {
  const { path, access, parse, format } = options;
  const session = (): Coordination => {
    const current = options.session();
    if (current !== undefined) return current;
    throw new CoordinationError("CONNECTION_LOSS", "there is no session with ZooKeeper now", { path });
  };
  return {
    get connected() {
      return options.session()?.state === "connected";
    },
    async read() {
      const current = session();
      await current.sync(path);
      const found = await getIfThere(current, path);
      return found && { value: parse(path, found.data), version: found.stat.version };
    },
    async create(value) {
      await session().create(path, format(value), "persistent", access);
      return { value, version: 0 };
    },
    async compareAndSet(next, version) {
      const stat = await session().set(path, format(next), version);
      return { value: next, version: stat.version };
    },
  };
}

/** The register of `/ring`. */
export function ringRegister({ session, access }: RegisterOptions): CasRegister<RingState> {
  return znodeRegister({ session, access, path: ringPath, parse: parseRingState, format: formatRingState });
}

/** The register of `/data/[name]/state`. To change it, take a `GroupRegister`, which knows what is legal. */
export function groupStateRegister({
  session,
  access,
  group,
}: GroupRegisterOptions): CasRegister<GroupState> {
  const path = groupStatePath(group);
  return znodeRegister({ session, access, path, parse: parseGroupState, format: formatGroupState });
}

/** The register of `/data/[name]/logs`. */
export function groupLogsRegister({ session, access, group }: GroupRegisterOptions): CasRegister<GroupLogs> {
  const path = groupLogsPath(group);
  return znodeRegister({ session, access, path, parse: parseGroupLogs, format: formatGroupLogs });
}
