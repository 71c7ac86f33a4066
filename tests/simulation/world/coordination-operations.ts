import type { Access, CreateMode, Stat } from "../../../src/coordination/coordination.ts";
import { statOf } from "../../../src/coordination/embedded/tree.ts";
import type { WatchKind } from "../../../src/coordination/watches.ts";
import type { Operation, Outcome } from "./coordination-connection.ts";

export function createOf(path: string, data: Uint8Array, mode: CreateMode, access: Access): Operation {
  return {
    name: "create",
    path,
    data,
    perform(tree, caller) {
      const change = tree.create(path, { data: Uint8Array.from(data), mode, access }, caller);
      return { value: change.path, change };
    },
  };
}

export function setOf(path: string, data: Uint8Array, version: number): Operation {
  return {
    name: "set",
    path,
    data,
    perform(tree, caller) {
      const change = tree.set(path, Uint8Array.from(data), version, caller);
      return { value: statOf(tree.need(path), caller.session), change };
    },
  };
}

export function deleteOf(path: string, version: number): Operation {
  return {
    name: "delete",
    path,
    perform: (tree, caller) => ({ value: undefined, change: tree.delete(path, version, caller) }),
  };
}

export function getOf(path: string, isWatched: boolean): Operation {
  return {
    name: "get",
    path,
    perform(tree, { session }) {
      const znode = tree.need(path);
      const value = { data: znode.data.slice(), stat: statOf(znode, session) };
      return { value, ...(isWatched && { watch: "data" }) };
    },
  };
}

export function existsOf(path: string, isWatched: boolean): Operation {
  return {
    name: "exists",
    path,
    perform(tree, { session }) {
      const znode = tree.find(path);
      const value = znode && statOf(znode, session);
      return { value, ...(isWatched && { watch: watchOf(value) }) };
    },
  };
}

export function childrenOf(path: string, isWatched: boolean): Operation {
  return {
    name: "children",
    path,
    perform: (tree) => ({ value: [...tree.need(path).children], ...(isWatched && { watch: "children" }) }),
  };
}

/** How `exists` watches what it has found. */
export function watchOf(stat: Stat | undefined): WatchKind {
  return stat === undefined ? "exists" : "data";
}

/** Whether a member can answer it alone. */
export function isRead({ name }: Operation): boolean {
  return name === "get" || name === "exists" || name === "children";
}

export function attempt(action: () => unknown): Outcome {
  try {
    return { value: action() };
  } catch (error) {
    return { error };
  }
}
