import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** A cluster under measurement, of processes of their own on 127.0.0.1. */
export interface Peer {
  /** As the report names it. */
  readonly name: string;
  readonly version: string;
  /** Those whose CPU time and memory count, by what they are now: who leads comes first. */
  members(): Promise<readonly Member[]>;
  /** Resolves when somebody leads and all replicas take part: before that, something else would be measured. */
  whole(): Promise<void>;
  /** Ends all of it and removes its files. */
  close(): Promise<void>;
}

/** A process of a cluster. */
export interface Member {
  readonly role: string;
  readonly pid: number;
  /** `host:port` for clients. */
  readonly address: string;
}

/** A program that a measurement needs, and the Debian package that brings it. */
interface Needed {
  readonly what: string;
  readonly package: string;
  present(): boolean;
}

export const programs = {
  zookeeper: {
    what: "ZooKeeper",
    package: "zookeeper",
    present: () => existsSync("/usr/share/java/zookeeper.jar"),
  },
  kazoo: {
    what: "kazoo",
    package: "python3-kazoo",
    present: () => existsSync("/usr/lib/python3/dist-packages/kazoo"),
  },
  etcd: { what: "etcd", package: "etcd-server", present: () => onPath("etcd") },
  redis: { what: "Redis", package: "redis-server", present: () => onPath("redis-server") },
  redisBenchmark: {
    what: "redis-benchmark",
    package: "redis-tools",
    present: () => onPath("redis-benchmark"),
  },
  h2load: { what: "h2load", package: "nghttp2-client", present: () => onPath("h2load") },
} as const satisfies Record<string, Needed>;

export type ProgramName = keyof typeof programs;

/** Says of each of these programs that is missing how to install it. */
export function missingPrograms(names: readonly ProgramName[]): string[] {
  return names
    .map((name) => programs[name])
    .filter((program) => !program.present())
    .map((program) => `${program.what} is not there; install it with: apt-get install ${program.package}`);
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
