import type { Calls } from "./calls.ts";
import { ZooKeeperError } from "./errors.ts";
import { addWatchOperation, removeWatchesOperation } from "./operations/watches.ts";
import type { AddWatchOptions, CallOptions, RemoveWatchesOptions } from "./options.ts";
import { addChroot } from "./paths.ts";
import type { WatchListener } from "./watch-event.ts";
import type { Session } from "./wire/session.ts";

/** A watch that was set by `addWatch`. */
export interface PersistentWatch {
  /** Its listener is not called any more. Other watches of the path stay. Errors: those of all calls. */
  remove(options?: CallOptions): Promise<void>;
}

/** Sets and removes watches that belong to no read. */
export class PersistentWatches {
  readonly #session: Session;
  readonly #calls: Calls;
  readonly #chroot: string;

  constructor(session: Session, calls: Calls, chroot: string) {
    this.#session = session;
    this.#calls = calls;
    this.#chroot = chroot;
  }

  async add(
    path: string,
    { mode, ...options }: AddWatchOptions,
    listener: WatchListener,
  ): Promise<PersistentWatch> {
    const watch = { kind: mode, path: addChroot(this.#chroot, path), listener };
    const { watches, states } = this.#session;
    if (watches.needServer(watch)) {
      try {
        await this.#calls.perform(addWatchOperation(this.#chroot, path, mode, watch), options);
      } catch (error) {
        // The server may have set it, for nobody; or has not, and other watches of the path count on it.
        if (ZooKeeperError.is(error, "ABORTED", "DEADLINE_EXCEEDED", "THROTTLED")) {
          this.#release(path).catch(() => {});
        }
        throw error;
      }
    } else if (states.isOver) throw states.refusal("addWatch", path);
    else watches.add(watch);
    return {
      remove: async (removal) => {
        watches.removeListener(mode, watch.path, listener);
        await this.#release(path, removal);
      },
    };
  }

  /** Errors: NO_WATCHER. */
  async remove(path: string, { type = "any", ...options }: RemoveWatchesOptions): Promise<void> {
    const serverPath = addChroot(this.#chroot, path);
    const { watches } = this.#session;
    if (!watches.remove(serverPath, type)) {
      throw new ZooKeeperError("NO_WATCHER", `removeWatches ${path}: it has no such watch`, { path });
    }
    // Servers before 3.9 would remove the persistent ones too (ZOOKEEPER-4472), which tell the same.
    if (!watches.hasPersistent(serverPath) && !watches.isAsked(serverPath))
      await this.#removeAtServer(path, type, options);
  }

  /** Takes back from the server what nobody here watches any more. */
  async #release(path: string, options: CallOptions = {}): Promise<void> {
    const serverPath = addChroot(this.#chroot, path);
    const { watches } = this.#session;
    if (watches.hasPersistent(serverPath, "persistent-recursive")) return;
    // The server hears of that one last.
    if (watches.isAsked(serverPath)) return;
    if (watches.hasPersistent(serverPath, "persistent")) {
      // The recursive one has taken its place at servers before 3.9.
      await this.#calls.perform(addWatchOperation(this.#chroot, path, "persistent"), options);
      return;
    }
    await this.#removeAtServer(path, "any", options);
    // The server has removed the one-shot watches with the persistent one, or had none as that told the same.
    this.#session.renewWatches(serverPath);
  }

  async #removeAtServer(
    path: string,
    type: NonNullable<RemoveWatchesOptions["type"]>,
    options: CallOptions,
  ): Promise<void> {
    // Servers keep watches for a connection only, and the next one gets those that are left.
    if (!this.#session.states.isAttached) return;
    try {
      await this.#calls.perform(removeWatchesOperation(this.#chroot, path, type), options);
    } catch (error) {
      if (!ZooKeeperError.is(error, "NO_WATCHER")) throw error;
    }
  }
}
