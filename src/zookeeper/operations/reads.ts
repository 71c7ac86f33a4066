import type { Acl } from "../acl.ts";
import { addChroot, stripChroot } from "../paths.ts";
import type { WatchListener } from "../watch-event.ts";
import type { JuteReader, JuteWriter } from "../wire/jute.ts";
import type { Operation } from "../wire/operation.ts";
import { OP } from "../wire/protocol.ts";
import { readAcl, readStat } from "../wire/records.ts";
import type { Stat } from "../znode.ts";

/** Requests that change nothing. Paths are below `chroot`. */

/** The data of a znode. */
export interface DataAndStat {
  readonly data: Uint8Array;
  readonly stat: Stat;
}

/** The names (not paths) of a znode's children, in no order. */
export interface ChildrenAndStat {
  readonly children: string[];
  readonly stat: Stat;
}

export function getOperation(chroot: string, path: string, listener?: WatchListener): Operation<DataAndStat> {
  return watchable({
    type: OP.get,
    name: "get",
    chroot,
    path,
    kind: "data",
    listener,
    read: readDataAndStat,
  });
}

export function existsOperation(
  chroot: string,
  path: string,
  listener?: WatchListener,
): Operation<Stat | undefined> {
  return {
    ...watchable({ type: OP.exists, name: "exists", chroot, path, kind: "data", listener, read: readStat }),
    whenMissing: () => undefined,
  };
}

export function childrenOperation(
  chroot: string,
  path: string,
  listener?: WatchListener,
): Operation<ChildrenAndStat> {
  const read = (reader: JuteReader) => ({ children: readNames(reader), stat: readStat(reader) });
  return watchable({ type: OP.children2, name: "children", chroot, path, kind: "children", listener, read });
}

export function getAclOperation(chroot: string, path: string): Operation<{ acl: Acl[]; stat: Stat }> {
  return {
    type: OP.getAcl,
    name: "getAcl",
    path,
    effect: "read",
    write: (writer) => writer.string(addChroot(chroot, path)),
    read: (reader) => ({ acl: readAcl(reader), stat: readStat(reader) }),
  };
}

export function syncOperation(chroot: string, path: string): Operation<void> {
  return {
    type: OP.sync,
    name: "sync",
    path,
    effect: "read",
    write: (writer) => writer.string(addChroot(chroot, path)),
    read() {},
  };
}

export function allChildrenCountOperation(chroot: string, path: string): Operation<number> {
  return {
    type: OP.allChildrenCount,
    name: "allChildrenCount",
    path,
    effect: "read",
    write: (writer) => writer.string(addChroot(chroot, path)),
    read: (reader) => reader.int(),
  };
}

export function ephemeralsOperation(chroot: string, prefix: string): Operation<string[]> {
  return {
    type: OP.ephemerals,
    name: "ephemerals",
    path: prefix,
    effect: "read",
    write: (writer) => writer.string(addChroot(chroot, prefix)),
    read: (reader) => {
      const paths = reader.list(() => reader.string());
      // A session that was resumed may have made others below another chroot.
      return paths.filter((path) => path.startsWith(`${chroot}/`)).map((path) => stripChroot(chroot, path));
    },
  };
}

/** An identity that a server knows a session by. */
export interface Identity {
  readonly scheme: string;
  readonly id: string;
}

export function whoAmIOperation(): Operation<Identity[]> {
  return {
    type: OP.whoAmI,
    name: "whoAmI",
    path: "/",
    effect: "read",
    write() {},
    read: (reader) => reader.list(() => ({ scheme: reader.string(), id: reader.string() })),
  };
}

export function readDataAndStat(reader: JuteReader): DataAndStat {
  return { data: reader.bytes(), stat: readStat(reader) };
}

export function readNames(reader: JuteReader): string[] {
  return reader.list(() => reader.string());
}

interface Watchable<T> {
  readonly type: number;
  readonly name: string;
  readonly chroot: string;
  readonly path: string;
  readonly kind: "data" | "children";
  readonly listener: WatchListener | undefined;
  readonly read: (reader: JuteReader) => T;
}

function watchable<T>({ type, name, chroot, path, kind, listener, read }: Watchable<T>): Operation<T> {
  const serverPath = addChroot(chroot, path);
  return {
    type,
    name,
    path,
    effect: "read",
    watch: listener && { kind, path: serverPath, listener },
    write: (writer: JuteWriter, setsWatch: boolean) => writer.string(serverPath).bool(setsWatch),
    read,
  };
}
