import { type Access, CoordinationError, type CreateMode, type Stat } from "../coordination.ts";
import { checkData } from "../data-limit.ts";

/** One step of the tree's history. Applying the same changes in the same order gives the same tree. */
export type Change = { readonly zxid: number; readonly path: string } & (
  | {
      readonly kind: "create";
      readonly data: Uint8Array;
      /** The session that an ephemeral znode belongs to. */
      readonly owner: string | undefined;
      /** The identity that alone may write. Undefined if everybody may. */
      readonly writer: string | undefined;
    }
  | { readonly kind: "set"; readonly data: Uint8Array }
  | { readonly kind: "delete" }
);

export interface Znode {
  data: Uint8Array;
  readonly owner: string | undefined;
  readonly writer: string | undefined;
  readonly czxid: number;
  /** Transaction that last replaced the data. */
  mzxid: number;
  /** Transaction that last added or removed a child. */
  pzxid: number;
  version: number;
  /** Names of the children. */
  readonly children: Set<string>;
  /** Number of children ever created: the number of the next sequential child. */
  childrenMade: number;
}

export interface NewZnode {
  readonly data: Uint8Array;
  readonly mode: CreateMode;
  readonly access: Access;
}

/** The session that asks. */
export interface Caller {
  readonly session: string;
  /** The identity of its digest credentials, if it has any. */
  readonly identity: string | undefined;
}

/**
 * The znodes, with ZooKeeper's rules (PrepRequestProcessor.java, DataTree.java), without watches, time or files.
 * `create`, `set`, `delete` and `endSession` change the tree at once and return the change. All given paths are valid.
 */
export class Tree {
  readonly #znodes = new Map<string, Znode>([["/", newZnode(0)]]);
  /** Paths of the ephemeral znodes, by session. */
  readonly #ephemerals = new Map<string, Set<string>>();
  #zxid = 0;

  /** The last transaction. */
  get zxid(): number {
    return this.#zxid;
  }

  find(path: string): Znode | undefined {
    return this.#znodes.get(path);
  }

  /** Errors: NO_NODE. */
  need(path: string): Znode {
    const znode = this.#znodes.get(path);
    if (znode === undefined) throw new CoordinationError("NO_NODE", `there is no znode ${path}`, { path });
    return znode;
  }

  /** Errors: NO_NODE, NO_AUTH, NODE_EXISTS, NO_CHILDREN_FOR_EPHEMERALS, BAD_ARGUMENTS. */
  create(path: string, { data, mode, access }: NewZnode, caller: Caller): Change {
    checkData(path, data);
    if (access === "creator-writes" && caller.identity === undefined) {
      const message = `only a session with digest credentials can make ${path} for its creator alone to write`;
      throw new CoordinationError("BAD_ARGUMENTS", message, { path });
    }
    const parent = this.need(parentOf(path));
    checkWriter(parent, parentOf(path), caller);
    const sequential = mode.endsWith("sequential");
    const name = sequential ? path + String(parent.childrenMade).padStart(10, "0") : path;
    if (this.#znodes.has(name)) {
      throw new CoordinationError("NODE_EXISTS", `there is already a znode ${name}`, { path: name });
    }
    if (parent.owner !== undefined) {
      const message = `${parentOf(path)} is ephemeral and can have no children such as ${name}`;
      throw new CoordinationError("NO_CHILDREN_FOR_EPHEMERALS", message, { path: name });
    }
    const owner = mode.startsWith("ephemeral") ? caller.session : undefined;
    const writer = access === "creator-writes" ? caller.identity : undefined;
    return this.#change({ kind: "create", zxid: this.#zxid + 1, path: name, data, owner, writer });
  }

  /** `version` -1 matches any. Errors: NO_NODE, NO_AUTH, BAD_VERSION, BAD_ARGUMENTS. */
  set(path: string, data: Uint8Array, version: number, caller: Caller): Change {
    checkData(path, data);
    const znode = this.need(path);
    checkWriter(znode, path, caller);
    checkVersion(znode, path, version);
    return this.#change({ kind: "set", zxid: this.#zxid + 1, path, data });
  }

  /** `path` is not the root; `version` -1 matches any. Errors: NO_NODE, NO_AUTH, BAD_VERSION, NOT_EMPTY. */
  delete(path: string, version: number, caller: Caller): Change {
    const znode = this.need(path);
    checkWriter(this.need(parentOf(path)), parentOf(path), caller);
    checkVersion(znode, path, version);
    if (znode.children.size > 0) {
      throw new CoordinationError("NOT_EMPTY", `${path} has ${znode.children.size} children`, { path });
    }
    return this.#change({ kind: "delete", zxid: this.#zxid + 1, path });
  }

  /** Deletes the ephemeral znodes of a session. */
  endSession(session: string): Change[] {
    const paths = [...(this.#ephemerals.get(session) ?? [])];
    return paths.map((path) => this.#change({ kind: "delete", zxid: this.#zxid + 1, path }));
  }

  /**
   * Repeats a change of another tree. This tree has the other's history before the change. Errors: NO_NODE if it has
   * not.
   */
  apply(change: Change): void {
    const { path, zxid } = change;
    if (change.kind === "set") {
      const znode = this.need(path);
      znode.data = change.data;
      znode.mzxid = zxid;
      znode.version++;
    } else {
      const parent = this.need(parentOf(path));
      parent.pzxid = zxid;
      if (change.kind === "create") this.#add(parent, path, newZnode(zxid, change));
      else this.#remove(parent, path);
    }
    this.#zxid = zxid;
  }

  /** Persistent znodes, parents before their children. */
  *persistent(path = "/"): Generator<[path: string, znode: Znode]> {
    const znode = this.need(path);
    if (znode.owner !== undefined) return;
    yield [path, znode];
    for (const name of znode.children) yield* this.persistent(childOf(path, name));
  }

  /** Restores a znode from `persistent`. Errors: NO_NODE (no parent). */
  restore(path: string, znode: Znode): void {
    this.#znodes.set(path, znode);
    if (path !== "/") this.need(parentOf(path)).children.add(nameOf(path));
  }

  /** Continues after `zxid`. */
  skipTo(zxid: number): void {
    this.#zxid = zxid;
  }

  #change(change: Change): Change {
    this.apply(change);
    return change;
  }

  #add(parent: Znode, path: string, znode: Znode): void {
    this.#znodes.set(path, znode);
    parent.children.add(nameOf(path));
    parent.childrenMade++;
    if (znode.owner === undefined) return;
    const owned = this.#ephemerals.get(znode.owner);
    if (owned === undefined) this.#ephemerals.set(znode.owner, new Set([path]));
    else owned.add(path);
  }

  #remove(parent: Znode, path: string): void {
    const { owner } = this.need(path);
    this.#znodes.delete(path);
    parent.children.delete(nameOf(path));
    if (owner === undefined) return;
    const owned = this.#ephemerals.get(owner);
    owned?.delete(path);
    if (owned?.size === 0) this.#ephemerals.delete(owner);
  }
}

/** The stat of a znode, as `session` sees it. */
export function statOf(znode: Znode, session: string): Stat {
  return {
    czxid: String(znode.czxid),
    version: znode.version,
    ephemeral: znode.owner !== undefined,
    own: znode.owner === session,
    childCount: znode.children.size,
  };
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function childOf(path: string, name: string): string {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}

function newZnode(
  zxid: number,
  made?: { data: Uint8Array; owner: string | undefined; writer: string | undefined },
): Znode {
  return {
    data: made?.data ?? new Uint8Array(),
    owner: made?.owner,
    writer: made?.writer,
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    version: 0,
    children: new Set(),
    childrenMade: 0,
  };
}

function checkWriter(znode: Znode, path: string, caller: Caller): void {
  if (znode.writer === undefined || znode.writer === caller.identity) return;
  const message = `only the holder of the credentials that made ${path} may write there`;
  throw new CoordinationError("NO_AUTH", message, { path });
}

function checkVersion(znode: Znode, path: string, version: number): void {
  if (version === -1 || version === znode.version) return;
  const message = `${path} has version ${znode.version}, not ${version}`;
  throw new CoordinationError("BAD_VERSION", message, { path });
}
