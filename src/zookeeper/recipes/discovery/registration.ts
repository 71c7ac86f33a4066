import { ZooKeeperError } from "../../errors.ts";
import type { CallOptions } from "../../options.ts";
import { childOf, parentOf } from "../../paths.ts";
import type { Stat } from "../../znode.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { unlessAborted } from "../bounded.ts";
import { untilAnswered } from "../lost-answers.ts";
import { unlessMissing } from "../missing.ts";
import { encodeInstance, type ServiceFields } from "./service-instance.ts";
import { inEachSession, isOver, type SessionSource } from "./sessions.ts";

/** Errors after which the znode is looked at again: somebody has changed it, or it is not known who has. */
const LOOK_AGAIN = ["NO_NODE", "NODE_EXISTS", "BAD_VERSION", "CONNECTION_LOSS"] as const;

/** Keeps an instance in the registry, as an ephemeral znode, until it is unregistered: also in later sessions. */
export class ServiceRegistration {
  readonly #source: SessionSource;
  readonly #path: string;
  readonly #ended = new AbortController();
  readonly #registered = Promise.withResolvers<void>();
  #instance: ServiceFields;
  /** What the znode has to be. */
  #data: Uint8Array;
  /** The last session in which it was worked on. */
  #client: ZooKeeper | undefined;
  /** Whether it has been registered, and the sessions that may have the znode since: answers may have been lost. */
  #wasOwner = false;
  readonly #sessions = new Set<bigint>();
  #running: Promise<void> = Promise.resolve();
  /** Ends the wait for something to do. */
  #wake = () => {};

  /** `path` is that of the service. Errors: BAD_ARGUMENTS, for the metadata. */
  constructor(source: SessionSource, path: string, instance: ServiceFields) {
    this.#source = source;
    this.#path = childOf(path, instance.id);
    this.#instance = instance;
    this.#data = encodeInstance(instance);
  }

  get id(): string {
    return this.#instance.id;
  }

  /**
   * Aborted when the instance is registered no more: it was unregistered, or another process has registered the same id,
   * which is then the reason (NODE_EXISTS).
   */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Registers it, in place of an earlier process of the same id. Errors: those of `source` and `create`; ABORTED. */
  async start(signal: AbortSignal): Promise<void> {
    this.#running = inEachSession(
      this.#source,
      this.#ended.signal,
      (client, isWell) => this.#keep(client, isWell),
      // Only the first one is told: after that, it is tried until it succeeds.
      (error) => this.#registered.reject(error),
    );
    try {
      await unlessAborted(this.#path, signal, this.#registered.promise);
    } catch (error) {
      this.unregister().catch(() => {});
      throw error;
    }
  }

  /** Changes what others see of it, as soon as there is a connection. Errors: BAD_ARGUMENTS, for the metadata. */
  update(change: { readonly metadata?: unknown; readonly isHealthy?: boolean }): void {
    const instance = { ...this.#instance, ...change };
    // Here, as nobody could be told later.
    this.#data = encodeInstance(instance);
    this.#instance = instance;
    this.#wake();
  }

  /** Removes it from the registry. Whatever happens, it goes with its session. Errors: those of all calls. */
  async unregister(options?: CallOptions): Promise<void> {
    this.#end("CLOSED", "it was unregistered");
    await this.#running;
    const client = this.#client;
    if (client === undefined || isOver(client)) return;
    try {
      await untilAnswered(async () => {
        // The server of a new connection may be behind the one that has registered it.
        await client.sync(this.#path, options);
        const stat = await client.exists(this.#path, options);
        if (stat?.ephemeralOwner === client.sessionId) await client.delete(this.#path, options);
      });
    } catch (error) {
      // Then it is gone as well.
      if (!ZooKeeperError.is(error, "NO_NODE", "SESSION_EXPIRED", "CLOSED")) throw error;
    }
  }

  /** Until the session is over. */
  async #keep(client: ZooKeeper, isWell: () => void): Promise<void> {
    this.#client = client;
    const stopListening = client.onState(() => this.#wake());
    try {
      while (!this.#ended.signal.aborted && !isOver(client)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        if (!(await this.#reconcile(client))) continue;
        isWell();
        this.#registered.resolve();
        await promise;
      }
    } finally {
      stopListening();
    }
  }

  /** Makes one step to what the znode has to be. True when there is nothing to do before the next event. */
  async #reconcile(client: ZooKeeper): Promise<boolean> {
    const options = { signal: this.#ended.signal, deadlineMs: Number.POSITIVE_INFINITY };
    const data = this.#data;
    try {
      const found = await unlessMissing(client.get(this.#path, { ...options, watch: this.#onChange }));
      if (found === undefined) {
        await client.createAll(parentOf(this.#path), options);
        this.#sessions.add(client.sessionId);
        await client.create(this.#path, data, { ...options, mode: "ephemeral" });
      } else if (found.stat.ephemeralOwner !== client.sessionId) {
        await this.#replace(client, found.stat, data, options);
      } else {
        this.#wasOwner = true;
        this.#sessions.clear();
        this.#sessions.add(client.sessionId);
        if (Buffer.compare(found.data, data) === 0) return true;
        await client.set(this.#path, data, { ...options, version: found.stat.version });
      }
    } catch (error) {
      if (!ZooKeeperError.is(error, ...LOOK_AGAIN)) throw error;
    }
    return false;
  }

  /** One function for all watches, of which the client keeps one for a path. */
  readonly #onChange = (): void => this.#wake();

  /**
   * Takes the place of a znode of another session: it goes with that one, so that changing it would not do. At first that is
   * an earlier process, later a session of our own; anything else has come after us, and two would take turns for ever.
   */
  async #replace(client: ZooKeeper, stat: Stat, data: Uint8Array, options: CallOptions): Promise<void> {
    if (this.#wasOwner && !this.#sessions.has(stat.ephemeralOwner)) {
      this.#end("NODE_EXISTS", "another process has registered the same id");
      return;
    }
    const path = this.#path;
    this.#sessions.add(client.sessionId);
    await client.multi(
      [
        { type: "delete", path, version: stat.version },
        { type: "create", path, data, mode: "ephemeral" },
      ],
      options,
    );
  }

  #end(code: "CLOSED" | "NODE_EXISTS", problem: string): void {
    this.#ended.abort(new ZooKeeperError(code, `service ${this.#path}: ${problem}`, { path: this.#path }));
    this.#wake();
  }
}
