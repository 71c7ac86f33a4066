import type { Coordination } from "../../src/coordination/coordination.ts";

export interface Call {
  readonly name: "create" | "get" | "exists" | "children" | "set" | "delete" | "sync";
  readonly path: string;
  readonly setsWatch: boolean;
}

/** Stands between a session and its user: sees each call, and performs it or not. */
export type Intercept = <T>(call: Call, perform: () => Promise<T>) => Promise<T>;

export function interceptedSession(session: Coordination, intercept: Intercept): Coordination {
  const watching = (name: Call["name"], path: string, watcher: unknown): Call => ({
    name,
    path,
    setsWatch: watcher !== undefined,
  });
  return {
    get state() {
      return session.state;
    },
    onState: (listener) => session.onState(listener),
    get: (path, watcher) => intercept(watching("get", path, watcher), () => session.get(path, watcher)),
    exists: (path, watcher) =>
      intercept(watching("exists", path, watcher), () => session.exists(path, watcher)),
    children: (path, watcher) =>
      intercept(watching("children", path, watcher), () => session.children(path, watcher)),
    create: (path, ...rest) =>
      intercept({ name: "create", path, setsWatch: false }, () => session.create(path, ...rest)),
    set: (path, ...rest) =>
      intercept({ name: "set", path, setsWatch: false }, () => session.set(path, ...rest)),
    delete: (path, version) =>
      intercept({ name: "delete", path, setsWatch: false }, () => session.delete(path, version)),
    sync: (path) => intercept({ name: "sync", path, setsWatch: false }, () => session.sync(path)),
    close: () => session.close(),
  };
}
