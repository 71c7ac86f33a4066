import { randomUUID } from "node:crypto";
import { systemClock, timerMsMax } from "../../../common/clock.ts";
import {
  abortSignal,
  anObject,
  callback,
  type Kinds,
  numberFrom,
  wholeNumber,
} from "../../../common/option-kinds.ts";
import { checkArgument, checkOptions } from "../../check.ts";
import { checkPath, childOf } from "../../paths.ts";
import { checkName } from "../check-name.ts";
import { childrenOf } from "../missing.ts";
import type { ChoiceStrategy } from "./choice.ts";
import { CHECK_INTERVAL_MS, checkHealth, type HealthCheck } from "./health-check.ts";
import { ServiceRegistration } from "./registration.ts";
import { ServiceView } from "./service-view.ts";
import type { SessionSource } from "./sessions.ts";

/** What is registered. */
export interface Service {
  /** The name of a znode, without a slash. */
  readonly name: string;
  /** As the name. One that a process keeps takes the place of its earlier life at once. Default: a random UUID. */
  readonly id?: string | undefined;
  /** A host name or IP address at which others reach it, without brackets. */
  readonly address: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Anything else that its users need, as JSON. Default: null. */
  readonly metadata?: unknown;
  /** Without one it is healthy as long as its session lives. With one it is not before the first check. */
  readonly health?: HealthCheck | undefined;
}

export interface RegisterOptions {
  /** Gives up registering, with ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

export interface WatchServiceOptions {
  /** How `choose` chooses. Default: `roundRobin()`. */
  readonly strategy?: ChoiceStrategy | undefined;
  /** Gives up waiting for the instances, with ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

const registerKinds: Kinds<RegisterOptions> = { signal: abortSignal };
const watchKinds: Kinds<WatchServiceOptions> = { ...registerKinds, strategy: anObject };

/**
 * A registry of services and their instances. An instance is an ephemeral znode `[path]/[name]/[id]` with the JSON of
 * Curator's service discovery, so that its programs see ours and the other way round.
 *
 * Registrations and views outlive sessions: when one has expired, `source` gives the next one.
 */
export class Services {
  readonly #source: SessionSource;
  readonly #path: string;

  /** Errors: BAD_ARGUMENTS, for the path. */
  constructor(source: SessionSource, path: string) {
    checkPath(path);
    this.#source = source;
    this.#path = path;
  }

  /**
   * Registers an instance, and keeps it registered until it is unregistered. Errors: BAD_ARGUMENTS; those of `source` and
   * `create`; ABORTED.
   */
  async register(service: Service, options: RegisterOptions = {}): Promise<ServiceRegistration> {
    checkService(service);
    checkOptions("register", options, registerKinds);
    const { signal = new AbortController().signal } = options;
    const { name, id = randomUUID(), address, port, metadata = null, health } = service;
    const isHealthy = health === undefined;
    const registeredMs = systemClock.wallMs();
    const instance = { name, id, address, port, metadata, isHealthy, registeredMs };
    const registration = new ServiceRegistration(this.#source, childOf(this.#path, name), instance);
    await registration.start(signal);
    if (health) {
      void checkHealth(health, registration.ended, (isHealthy) => registration.update({ isHealthy }));
    }
    return registration;
  }

  /** Follows the instances of a service, which need not exist. Errors: those of `source` and `ZnodeCache.start`; ABORTED. */
  async watch(name: string, options: WatchServiceOptions = {}): Promise<ServiceView> {
    checkName("name of the service", name);
    checkOptions("watch", options, watchKinds);
    const { strategy, signal } = options;
    const view = new ServiceView(this.#source, childOf(this.#path, name), strategy);
    await view.start(signal ?? new AbortController().signal);
    return view;
  }

  /** Names of all services that have or had an instance. */
  async names(options: RegisterOptions = {}): Promise<string[]> {
    checkOptions("names", options, registerKinds);
    return childrenOf(await this.#source(), this.#path, options);
  }
}

/** Errors: BAD_ARGUMENTS. */
function checkService(service: Service): void {
  checkArgument("the service", service, anObject);
  const { name, id = "", address, port, health } = service;
  checkName("name of the service", name);
  if (id !== "") checkName("id of the instance", id);
  checkArgument("address", address, { allowed: "a host name or IP address", accepts: isFilled });
  checkArgument("port", port, wholeNumber(1, 65535));
  if (health === undefined) return;
  checkArgument("health", health, anObject);
  checkArgument("check", health.check, callback);
  checkArgument("intervalMs", health.intervalMs ?? CHECK_INTERVAL_MS, numberFrom(10, timerMsMax));
}

function isFilled(given: unknown): boolean {
  return typeof given === "string" && given !== "";
}
