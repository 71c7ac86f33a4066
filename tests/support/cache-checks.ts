import assert from "node:assert/strict";
import { type ZooKeeper, ZooKeeperError } from "../../src/zookeeper/index.ts";
import { type CacheEvent, ZnodeCache, type ZnodeCacheOptions } from "../../src/zookeeper/recipes/index.ts";
import { until } from "./until.ts";

/** What a tree of znodes has: the data of each, by its path. */
type Contents = Map<string, string>;

/** Reads the whole tree from ZooKeeper, at rest. */
async function contentsOf(client: ZooKeeper, path: string): Promise<Contents> {
  await client.sync(path);
  const contents: Contents = new Map();
  const visit = async (at: string): Promise<void> => {
    try {
      contents.set(at, Buffer.from((await client.get(at)).data).toString());
      const { children } = await client.children(at);
      for (const name of children) await visit(at === "/" ? `/${name}` : `${at}/${name}`);
    } catch (error) {
      if (!ZooKeeperError.is(error, "NO_NODE")) throw error;
      contents.delete(at);
    }
  };
  await visit(path);
  return contents;
}

/** A cache that follows its own events, and checks each against those before it. */
export class CheckedCache {
  readonly cache: ZnodeCache;
  readonly events: CacheEvent[] = [];
  /** What was broken first. */
  violation: unknown;
  readonly #path: string;
  readonly #told = new Map<string, { czxid: bigint; mzxid: bigint; data: string }>();

  constructor(client: ZooKeeper, path: string, options?: ZnodeCacheOptions) {
    this.#path = path;
    this.cache = new ZnodeCache(client, path, options);
    this.cache.listen((event) => {
      this.events.push(event);
      try {
        this.#check(event);
      } catch (error) {
        this.violation ??= error;
      }
    });
  }

  /** What its events have told, as texts such as `added /a`. */
  get story(): string[] {
    return this.events.map((event) => ("path" in event ? `${event.type} ${event.path}` : event.type));
  }

  /** Waits until it equals the tree, and checks that its events tell the same. */
  async equals(client: ZooKeeper): Promise<void> {
    const expected = [...(await contentsOf(client, this.#path))].sort();
    const cached = () => [...this.#told.keys()].map((path) => [path, this.#cachedText(path)]).sort();
    await until("the cache equals the tree", 20_000, () => {
      return JSON.stringify(cached()) === JSON.stringify(expected);
    }).catch(() => assert.deepEqual(cached(), expected));
    assert.equal(this.cache.size, expected.length);
    if (this.violation !== undefined) throw this.violation;
  }

  #cachedText(path: string): string | undefined {
    const znode = this.cache.get(path);
    return znode && Buffer.from(znode.data).toString();
  }

  #check(event: CacheEvent): void {
    if (event.type === "initialized" || event.type === "ended") return;
    const { path } = event;
    const known = this.#told.get(path);
    if (event.type === "removed") {
      assert.ok(known, `${path} is removed, which was not there`);
      const below = [...this.#told.keys()].filter((other) => other.startsWith(`${path}/`));
      assert.deepEqual(below, [], `${path} is removed before what is below it`);
      this.#told.delete(path);
      return;
    }
    const { czxid, mzxid } = event.stat;
    if (event.type === "added") {
      assert.equal(known, undefined, `${path} is added, which was there`);
      const parent = path.slice(0, path.lastIndexOf("/"));
      assert.ok(path === this.#path || this.#told.has(parent), `${path} is added before what is above it`);
    } else {
      assert.ok(known, `${path} is changed, which was not there`);
      assert.ok(czxid === known.czxid && mzxid > known.mzxid, `${path} goes back`);
    }
    this.#told.set(path, { czxid, mzxid, data: Buffer.from(event.data).toString() });
  }
}
