import type { Server } from "node:net";

/** The address cannot be listened on. The message names the setting, its value and what is allowed. */
export class ListenError extends Error {
  override name = "ListenError";
}

/** Where to listen. `label` is what an error calls the port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly label: string;
}

/** Resolves when the server listens. Rejects with a ListenError. */
export function startListening(server: Server, { host, port, label }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new ListenError(`${label}: no port; allowed is 1 to 65535, or 0 for any that is free`);
    }
    server.once("error", (error) => reject(listenError(error, host, label)));
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, label: string): ListenError {
  const cause = { cause: error };
  switch (error.code) {
    case "EADDRINUSE":
      return new ListenError(`${label}: taken on ${host}; allowed is any free port, 1 to 65535`, cause);
    case "EACCES":
      return new ListenError(`${label}: not permitted to this user; allowed are 1024 to 65535`, cause);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EINVAL":
      return new ListenError(
        `serverip ${host}: no address of this machine; allowed is one of its own, or 0.0.0.0 or :: for all`,
        cause,
      );
    default:
      return new ListenError(`serverip ${host}, ${label}: cannot listen: ${error.message}`, cause);
  }
}
