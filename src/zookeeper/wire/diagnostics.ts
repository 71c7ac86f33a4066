/** Why a server cannot be used. */
export type FailureKind =
  /** The SRV records of a service name no server. */
  | "unlisted"
  /** No connection. */
  | "unreachable"
  /** A connection, but no TLS on it. */
  | "tls"
  /** A connection, on which nothing is received. */
  | "silent"
  /** A connection, which the server closed. */
  | "closed"
  /** An answer that is not ZooKeeper's. */
  | "foreign"
  /** Credentials that the server refuses. */
  | "auth";

export interface Failure {
  readonly kind: FailureKind;
  readonly detail: string;
}

const WORDS: Readonly<Record<FailureKind, (servers: string, detail: string) => string>> = {
  unlisted: (service, detail) =>
    `no SRV record of ${service} names a server (${detail}): check the name, and the name service`,
  unreachable: (servers, detail) =>
    `cannot reach ZooKeeper at ${servers} (${detail}): check that it runs and that the address is right`,
  tls: (servers, detail) =>
    `no TLS with ZooKeeper at ${servers} (${detail}): check the certificates, and that this is its secure port`,
  silent: (servers) =>
    `${servers} does not answer: check that ZooKeeper runs there, that it is not overloaded, and the network between`,
  closed: (servers, detail) =>
    `${servers} breaks the connection (${detail}): check that this is ZooKeeper's client port, that a majority of ` +
    "its ensemble runs, and that it has not reached its limit of connections (maxClientCnxns)",
  foreign: (servers, detail) =>
    `${servers} does not speak ZooKeeper's protocol (${detail}): check that the address is ZooKeeper's`,
  auth: (servers, detail) => `ZooKeeper at ${servers} refuses the credentials (${detail}): check them`,
};

/** Why each of the servers that were tried cannot be used: by `host:port`, or by the name of the service. */
export type Failures = ReadonlyMap<string, Failure>;

export interface Diagnostics {
  /** Reports that each server was tried and failed, unless it was reported since the last recovery. */
  tell(failures: Failures): void;
  recovered(): void;
}

/** Reports what to check, once for each kind of failure and each outage. */
export function createDiagnostics(onDiagnostic: (message: string) => void): Diagnostics {
  const told = new Set<FailureKind>();
  return {
    tell(failures) {
      const byKind = Map.groupBy(failures, ([, { kind }]) => kind);
      for (const [kind, failed] of byKind) {
        if (told.has(kind)) continue;
        told.add(kind);
        const servers = failed.map(([server]) => server).join(", ");
        onDiagnostic(`${WORDS[kind](servers, failed[0]?.[1].detail ?? "")}; trying again`);
      }
    },
    recovered: () => told.clear(),
  };
}
