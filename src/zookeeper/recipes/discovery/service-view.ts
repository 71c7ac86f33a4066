import { Listeners } from "../../../common/listeners.ts";
import { parentOf } from "../../paths.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { unlessAborted } from "../bounded.ts";
import { ZnodeCache } from "../cache/znode-cache.ts";
import { type ChoiceStrategy, roundRobin } from "./choice.ts";
import { decodeInstance, type ServiceInstance } from "./service-instance.ts";
import { inEachSession, type SessionSource } from "./sessions.ts";

/**
 * The instances of a service, in memory. Without a connection, or between two sessions, it goes on with what it has known
 * last: a registry that cannot be reached is no reason not to call the services.
 */
export class ServiceView {
  readonly #source: SessionSource;
  readonly #path: string;
  readonly #strategy: ChoiceStrategy;
  readonly #closed = new AbortController();
  readonly #initialized = Promise.withResolvers<void>();
  readonly #listeners = new Listeners<readonly ServiceInstance[]>();
  #instances: readonly ServiceInstance[] = [];

  /** `path` is that of the service. */
  constructor(source: SessionSource, path: string, strategy: ChoiceStrategy = roundRobin()) {
    this.#source = source;
    this.#path = path;
    this.#strategy = strategy;
  }

  /** All that are registered, also those that are not healthy, in the order of their ids. */
  get instances(): readonly ServiceInstance[] {
    return this.#instances;
  }

  /** Calls `listener` with all instances after each change. Returns a function that stops it. */
  listen(listener: (instances: readonly ServiceInstance[]) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** One of those that are healthy, as the strategy has it. Undefined when there is none. */
  choose(): ServiceInstance | undefined {
    const [first, ...rest] = this.#instances.filter(({ isHealthy }) => isHealthy);
    return first && this.#strategy.choose([first, ...rest]);
  }

  /** Tells the strategy that a call to an instance has failed. */
  failed(instance: ServiceInstance): void {
    this.#strategy.failed?.(instance);
  }

  /** Waits until all instances are known. Errors: those of `source` and of `ZnodeCache.start`; ABORTED. */
  async start(signal: AbortSignal): Promise<void> {
    void inEachSession(
      this.#source,
      this.#closed.signal,
      (client, isWell) => this.#follow(client, isWell),
      // Only the first one is told: after that, it is tried until it succeeds.
      (error) => this.#initialized.reject(error),
    );
    try {
      await unlessAborted(this.#path, signal, this.#initialized.promise);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Follows the service no more, and keeps what it knows. */
  close(): void {
    this.#closed.abort();
  }

  /** Until the session is over. */
  async #follow(client: ZooKeeper, isWell: () => void): Promise<void> {
    const cache = new ZnodeCache(client, this.#path);
    const ended = Promise.withResolvers<void>();
    const end = () => cache.close();
    /** Of this session. What an earlier one has found stays until all is read again. */
    const found = new Map<string, ServiceInstance>();
    let isInitialized = false;
    cache.listen((event) => {
      if (event.type === "ended") return ended.resolve();
      if (event.type === "initialized") isInitialized = true;
      else if (parentOf(event.path) === this.#path && event.path !== this.#path) {
        const instance = event.type === "removed" ? undefined : decodeInstance(event.data);
        if (instance === undefined) found.delete(event.path);
        else found.set(event.path, instance);
      }
      if (isInitialized) this.#tell([...found.values()]);
    });
    this.#closed.signal.addEventListener("abort", end, { once: true });
    try {
      await cache.start({ signal: this.#closed.signal });
      isWell();
      this.#initialized.resolve();
      await ended.promise;
    } finally {
      this.#closed.signal.removeEventListener("abort", end);
    }
  }

  #tell(instances: ServiceInstance[]): void {
    this.#instances = instances.sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#listeners.tell(this.#instances);
  }
}
