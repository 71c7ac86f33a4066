import { ZooKeeperError } from "../errors.ts";
import type { Created } from "../operations/writes.ts";
import { type CallOptions, callKinds } from "../options.ts";
import type { ZooKeeper } from "../zookeeper.ts";
import { bounded, unlessAborted } from "./bounded.ts";
import { deleteSurely } from "./delete-surely.ts";
import { waitUntil } from "./wait-until.ts";

/** A lost connection may not come back for long. */
const RELEASE_MS = 30_000;

/** What a client holds by an ephemeral znode: a lock, a lease of a semaphore, or leadership. */
export interface Held extends AsyncDisposable {
  /** The znode. */
  readonly path: string;
  /**
   * The transaction that created the znode. It is greater than that of every holder before: send it along with what you
   * write elsewhere, and have refused there what comes with a smaller one than the last. That alone is certain: a
   * process that is paused learns of its loss too late.
   */
  readonly fencingToken: bigint;
  /**
   * Aborted when it may be lost: the session is disconnected, if only for a moment, or over; the znode was deleted; or
   * it was released. Then stop, release it, and acquire it anew. The reason is a ZooKeeperError.
   */
  readonly signal: AbortSignal;
  /**
   * Gives it back, and resolves when the znode is gone; also when it is lost already, and when called again. Default
   * deadline: 30,000 ms. Errors: DEADLINE_EXCEEDED and ABORTED, after which the znode is still deleted as soon as there
   * is a connection; NO_AUTH.
   */
  release(options?: CallOptions): Promise<void>;
}

/**
 * Makes a holder of a client that has learned, since it took `connected` from its session, that its znode is there and
 * that it is its turn. Undefined when that may have changed, as the connection was lost since.
 */
export function hold(client: ZooKeeper, { path, stat }: Created, connected: AbortSignal): Held | undefined {
  return connected.aborted ? undefined : new HeldZnode(client, path, stat.czxid, connected);
}

/** As `hold`, for one whose signal tells only what is certain: that the znode or the session has gone. */
export function holdUntilGone(client: ZooKeeper, { path, stat }: Created): Held {
  return new HeldZnode(client, path, stat.czxid, new AbortController().signal);
}

class HeldZnode implements Held {
  readonly path: string;
  readonly fencingToken: bigint;
  readonly #client: ZooKeeper;
  readonly #lost = new AbortController();
  #deletion: Promise<void> | undefined;

  constructor(client: ZooKeeper, path: string, fencingToken: bigint, connected: AbortSignal) {
    this.#client = client;
    this.path = path;
    this.fencingToken = fencingToken;
    const disconnect = () => this.#lost.abort(connected.reason);
    connected.addEventListener("abort", disconnect, { once: true });
    this.signal.addEventListener("abort", () => connected.removeEventListener("abort", disconnect), {
      once: true,
    });
    this.#watch();
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  release({ signal, deadlineMs = RELEASE_MS }: CallOptions = {}): Promise<void> {
    const { path } = this;
    this.#lost.abort(new ZooKeeperError("ABORTED", `${path} was released`, { path }));
    this.#deletion ??= deleteSurely(this.#client, path);
    const deletion = this.#deletion;
    // It goes on when the caller does not wait for it any more.
    deletion.catch(() => {});
    return bounded("release", path, { signal, deadlineMs }, callKinds, (call) =>
      unlessAborted(path, call.signal, deletion),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #watch(): Promise<void> {
    const call = { signal: this.signal, deadlineMs: Number.POSITIVE_INFINITY };
    const { path } = this;
    try {
      await waitUntil(this.#client, path, call, async (look) => ((await look.get(path)) ? undefined : true));
      this.#lost.abort(new ZooKeeperError("NO_NODE", `${path} was deleted`, { path }));
    } catch (error) {
      this.#lost.abort(error);
    }
  }
}
