import type { ChildrenAndStat, DataAndStat } from "../../operations/reads.ts";
import { childOf, parentOf } from "../../paths.ts";

/** A znode as it was when it was last read. */
export interface CachedZnode extends DataAndStat {
  readonly path: string;
}

/** How the cached tree has changed. `before` is what it was. */
export type ZnodeChange =
  | ({ readonly type: "added" } & CachedZnode)
  | ({ readonly type: "changed"; readonly before: CachedZnode } & CachedZnode)
  | { readonly type: "removed"; readonly path: string; readonly before: CachedZnode };

interface Node {
  readonly znode: CachedZnode;
  readonly children: Set<string>;
}

/**
 * A copy of a tree of znodes, made of what was read of it: results in, changes out. Every znode but the root has its
 * parent in it. A result that is older than what is known changes nothing.
 */
export class CachedTree {
  readonly #root: string;
  readonly #nodes = new Map<string, Node>();

  constructor(root: string) {
    this.#root = root;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(path: string): CachedZnode | undefined {
    return this.#nodes.get(path)?.znode;
  }

  /** Names of the children that are known. */
  children(path: string): string[] {
    return [...(this.#nodes.get(path)?.children ?? [])];
  }

  /** Takes what a `get` has found. */
  found(path: string, { data, stat }: DataAndStat): ZnodeChange[] {
    const znode = { path, data, stat };
    const known = this.#nodes.get(path);
    if (known === undefined) return this.#add(znode);
    const before = known.znode;
    // Another znode of the same path, be it an older or a newer one.
    if (stat.czxid > before.stat.czxid) return [...this.missing(path), ...this.#add(znode)];
    if (stat.czxid < before.stat.czxid || stat.mzxid < before.stat.mzxid) return [];
    this.#nodes.set(path, { znode, children: known.children });
    return stat.mzxid > before.stat.mzxid ? [{ type: "changed", ...znode, before }] : [];
  }

  /** Takes that a znode does not exist: children go before their parents. */
  missing(path: string): ZnodeChange[] {
    const known = this.#nodes.get(path);
    if (known === undefined) return [];
    const changes = [...known.children].flatMap((name) => this.missing(childOf(path, name)));
    this.#nodes.delete(path);
    if (path !== this.#root) this.#nodes.get(parentOf(path))?.children.delete(nameOf(path));
    return [...changes, { type: "removed", path, before: known.znode }];
  }

  /** Takes the names of all children: others do not exist, unless they are newer than the list. */
  listed(path: string, { children, stat }: ChildrenAndStat): ZnodeChange[] {
    const names = new Set(children);
    return this.children(path).flatMap((name) => {
      const child = childOf(path, name);
      const known = this.get(child);
      const isGone = !names.has(name) && known !== undefined && known.stat.czxid <= stat.pzxid;
      return isGone ? this.missing(child) : [];
    });
  }

  #add(znode: CachedZnode): ZnodeChange[] {
    const { path } = znode;
    if (path !== this.#root) {
      const parent = this.#nodes.get(parentOf(path));
      // It was deleted meanwhile. If it is there again, it will be listed.
      if (parent === undefined) return [];
      parent.children.add(nameOf(path));
    }
    this.#nodes.set(path, { znode, children: new Set() });
    return [{ type: "added", ...znode }];
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
