import { lookup, resolveSrv } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../../common/message-of.ts";
import { formatServer, type ServerAddress, type ServerSource } from "./connect-string.ts";
import type { Failure, FailureKind, Failures } from "./diagnostics.ts";

/** An address of a server, as its name was resolved. */
export interface Endpoint extends ServerAddress {
  /** IP address of `host`. */
  readonly address: string;
}

/** What names mean now. */
export interface NameService {
  addressesOf(host: string): Promise<readonly string[]>;
  /** SRV records (RFC 2782). Those of the least priority number are to be tried first. */
  serversOf(service: string): Promise<readonly { name: string; port: number; priority: number }[]>;
}

export const systemNames: NameService = {
  addressesOf: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  serversOf: (service) => resolveSrv(service),
};

/** Less than that of any SRV record, so that members of the ensemble come first. */
const MEMBER_PRIORITY = -1;

/** Longest wait for an answer about a name. */
const RESOLVE_MS_MAX = 5000;

/** Endpoints in an order that differs between clients, and the servers whose names cannot be resolved. */
export interface Resolved {
  readonly endpoints: readonly Endpoint[];
  readonly failures: Failures;
}

/**
 * Finds the servers by their names, anew each time. While the name service does not answer, what it said before stays.
 */
export class EndpointResolver {
  readonly #source: ServerSource;
  readonly #names: NameService;
  /** The last addresses of each host. Those that are not asked for any more are forgotten. */
  #known = new Map<string, readonly string[]>();
  #lastServers: readonly (ServerAddress & { readonly priority: number })[] = [];
  #members: readonly ServerAddress[] = [];

  constructor(source: ServerSource, names: NameService) {
    this.#source = source;
    this.#names = names;
  }

  /**
   * From now on these members of the ensemble come before the servers of the source, which stay for when none of them can
   * be reached. None at all changes nothing. A loopback address is meant for the member's own machine: unless the source
   * has one too, it would lead to whatever ZooKeeper runs here.
   */
  prefer(members: readonly ServerAddress[]): void {
    const isHere = "servers" in this.#source && this.#source.servers.some(({ host }) => isLoopback(host));
    const reachable = isHere ? members : members.filter(({ host }) => !isLoopback(host));
    if (reachable.length > 0) this.#members = reachable;
  }

  /** Takes at most five seconds, or `timeoutMs` if that is less, for each kind of record. */
  async resolve(timeoutMs: number): Promise<Resolved> {
    const limitMs = Math.min(timeoutMs, RESOLVE_MS_MAX);
    const failures = new Map<string, Failure>();
    const members = this.#members.map((member) => ({ ...member, priority: MEMBER_PRIORITY }));
    const servers = shuffled([...members, ...(await this.#servers(limitMs, failures))]);
    const known = new Map<string, readonly string[]>();
    const found = await Promise.all(
      servers.map(async (server) => {
        const addresses = await this.#addresses(server, limitMs, failures);
        known.set(server.host, addresses);
        return addresses.map((address) => ({ ...server, address }));
      }),
    );
    this.#known = known;
    const endpoints = found.flat().sort((a, b) => a.priority - b.priority);
    return { endpoints: [...new Map(endpoints.map((each) => [keyOf(each), each])).values()], failures };
  }

  async #servers(limitMs: number, failures: Map<string, Failure>) {
    if ("servers" in this.#source) return this.#source.servers.map((server) => ({ ...server, priority: 0 }));
    const { service } = this.#source;
    try {
      const records = await within(limitMs, this.#names.serversOf(service));
      this.#lastServers = records
        .filter(({ name }) => !isNowhere(name))
        .map(({ name, port, priority }) => ({ host: name, port, priority }));
      const nowhere = { kind: "unlisted", detail: "the service is not offered there" } as const;
      if (this.#lastServers.length === 0) failures.set(service, nowhere);
    } catch (error) {
      if (this.#lastServers.length === 0) failures.set(service, failureOf("unlisted", error));
    }
    return this.#lastServers;
  }

  async #addresses(
    server: ServerAddress,
    limitMs: number,
    failures: Map<string, Failure>,
  ): Promise<readonly string[]> {
    if (isIP(server.host) !== 0) return [server.host];
    try {
      return await within(limitMs, this.#names.addressesOf(server.host));
    } catch (error) {
      const before = this.#known.get(server.host) ?? [];
      if (before.length === 0) failures.set(formatServer(server), failureOf("unreachable", error));
      return before;
    }
  }
}

function keyOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.[\d.]+$/.test(host);
}

/** A record with this target says that there is no such service (RFC 2782). Resolvers leave the last dot out. */
function isNowhere(target: string): boolean {
  return target === "" || target === ".";
}

function failureOf(kind: FailureKind, error: unknown): Failure {
  return { kind, detail: messageOf(error) };
}

async function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ value }) => value);
}
