import {
  type Access,
  type Coordination,
  CoordinationError,
  type CreateMode,
  type SessionState,
  type Stat,
  type Watcher,
} from "../coordination.ts";
import { addChroot, checkPath, stripChroot } from "../paths.ts";
import type { WatchKind } from "../watches.ts";
import type { JuteReader, JuteWriter } from "./jute.ts";
import { type MultiOperation, type MultiResult, readMulti, writeMulti } from "./multi.ts";
import { OP, readStat, writeCreate } from "./protocol.ts";
import type { Operation } from "./requests.ts";
import type { Session } from "./session.ts";

/** The operations of a session, on paths below its chroot. */
export class WireCoordination implements Coordination {
  readonly #session: Session;
  readonly #chroot: string;

  constructor(session: Session, chroot: string) {
    this.#session = session;
    this.#chroot = chroot;
  }

  get state(): SessionState {
    return this.#session.client.state;
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#session.client.onState(listener);
  }

  create(path: string, data: Uint8Array, mode: CreateMode, access: Access = "open"): Promise<string> {
    const create: Operation<string> = {
      type: OP.create,
      name: "create",
      path,
      write: (writer) => writeCreate(writer, { path: addChroot(this.#chroot, path), data, mode, access }),
      read: (reader) => stripChroot(this.#chroot, reader.string()),
    };
    return this.#session.perform(create, { sequential: isSequential(mode) });
  }

  get(path: string, watcher?: Watcher): Promise<{ data: Uint8Array; stat: Stat }> {
    return this.#session.perform({
      type: OP.get,
      name: "get",
      path,
      write: (writer) => this.#writeWatchable(writer, path, watcher),
      read: (reader) => {
        const found = { data: reader.bytes(), stat: this.#readStat(reader) };
        this.#watch("data", path, watcher);
        return found;
      },
    });
  }

  exists(path: string, watcher?: Watcher): Promise<Stat | undefined> {
    return this.#session.perform<Stat | undefined>({
      type: OP.exists,
      name: "exists",
      path,
      write: (writer) => this.#writeWatchable(writer, path, watcher),
      read: (reader) => {
        const stat = this.#readStat(reader);
        this.#watch("data", path, watcher);
        return stat;
      },
      whenMissing: () => {
        this.#watch("exists", path, watcher);
        return undefined;
      },
    });
  }

  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#session.perform({
      type: OP.children,
      name: "children",
      path,
      write: (writer) => this.#writeWatchable(writer, path, watcher),
      read: (reader) => {
        const names = reader.list(() => reader.string());
        this.#watch("children", path, watcher);
        return names;
      },
    });
  }

  set(path: string, data: Uint8Array, version: number): Promise<Stat> {
    return this.#session.perform({
      type: OP.set,
      name: "set",
      path,
      write: (writer) => writer.string(addChroot(this.#chroot, path)).bytes(data).int(version),
      read: (reader) => this.#readStat(reader),
    });
  }

  delete(path: string, version: number): Promise<void> {
    if (path === "/") return Promise.reject(rootError());
    return this.#session.perform({
      type: OP.delete,
      name: "delete",
      path,
      write: (writer) => writer.string(addChroot(this.#chroot, path)).int(version),
      read: () => {},
    });
  }

  sync(path: string): Promise<void> {
    return this.#session.perform({
      type: OP.sync,
      name: "sync",
      path,
      write: (writer) => writer.string(addChroot(this.#chroot, path)),
      read: () => {},
    });
  }

  /**
   * Carries out all of the operations or none. Errors: that of the first one that fails, with its path. Only this
   * driver has it, so that code for all drivers must not need it.
   */
  async multi(operations: readonly MultiOperation[]): Promise<MultiResult[]> {
    for (const operation of operations) {
      checkPath(operation.path, operation.type === "create" && isSequential(operation.mode));
      if (operation.type === "delete" && operation.path === "/") throw rootError();
    }
    return this.#session.perform({
      type: OP.multi,
      name: "multi",
      path: "/",
      write: (writer) => writeMulti(writer, operations, this.#chroot),
      read: (reader) => readMulti(reader, operations, this.#chroot, this.#session.id),
    });
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #writeWatchable(writer: JuteWriter, path: string, watcher: Watcher | undefined): void {
    writer.string(addChroot(this.#chroot, path)).bool(watcher !== undefined);
  }

  #watch(kind: WatchKind, path: string, watcher: Watcher | undefined): void {
    // A reply that comes while the session is being closed sets no watch: its caller has already got an error.
    if (watcher !== undefined && this.state === "connected") {
      this.#session.client.watches.add(kind, path, watcher);
    }
  }

  #readStat(reader: JuteReader): Stat {
    return readStat(reader, this.#session.id);
  }
}

function isSequential(mode: CreateMode): boolean {
  return mode.endsWith("sequential");
}

/** With a chroot, this would delete the chroot. */
function rootError(): CoordinationError {
  return new CoordinationError("BAD_ARGUMENTS", "delete /: the root cannot be deleted", { path: "/" });
}
