import { ZooKeeper, ZooKeeperError } from "../../../src/zookeeper/index.ts";
import { type ProxyMode, startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

/** Six ticks of the members: short, so that sessions expire while others wait. */
const SESSION_TIMEOUT_MS = 1500;

/** A client under the nemesis: it reaches each member through a proxy of its own, and opens a session when one is over. */
export class NemesisClient {
  readonly name: string;
  readonly #proxies: readonly TcpProxy[];
  #session: Promise<ZooKeeper> | undefined;

  private constructor(name: string, proxies: readonly TcpProxy[]) {
    this.name = name;
    this.#proxies = proxies;
  }

  /** `members` are their addresses. */
  static async start(name: string, members: readonly string[]): Promise<NemesisClient> {
    return new NemesisClient(name, await Promise.all(members.map(startTcpProxy)));
  }

  /** The session that it has now, or the next one. */
  async session(): Promise<ZooKeeper> {
    this.#session ??= this.#connect();
    const current = this.#session;
    const session = await current;
    if (session.state !== "expired" && session.state !== "closed") return session;
    // The next one may be there already: others wait for a session too.
    if (this.#session === current) this.#session = undefined;
    return this.session();
  }

  /** Runs `work` with a session, and again with the next one each time that a session is over before it has ended. */
  async perform<T>(work: (session: ZooKeeper) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work(await this.session());
      } catch (error) {
        if (!ZooKeeperError.is(error, "SESSION_EXPIRED", "CLOSED")) throw error;
      }
    }
  }

  /** What becomes of all its connections. */
  setMode(mode: ProxyMode): void {
    for (const proxy of this.#proxies) proxy.setMode(mode);
  }

  async close(): Promise<void> {
    this.setMode("pass");
    await (await this.#session)?.close();
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }

  #connect(): Promise<ZooKeeper> {
    const servers = this.#proxies.map(({ address }) => address).join(",");
    return ZooKeeper.connect({ servers, sessionTimeoutMs: SESSION_TIMEOUT_MS }, { deadlineMs: 60_000 });
  }
}
