import { ZooKeeperError } from "../errors.ts";
import type { Attachment } from "./attachment.ts";
import { serverError } from "./error-codes.ts";
import type { Credentials } from "./protocol.ts";
import type { Request } from "./requests.ts";

/** The identities of a session, which every connection has to be given anew. */
export class Authentications {
  #accepted: readonly Credentials[];
  readonly #waiting = new Set<Request<void>>();

  constructor(credentials: readonly Credentials[]) {
    this.#accepted = credentials;
  }

  /** Those that a new connection gets. */
  get credentials(): readonly Credentials[] {
    return this.#accepted;
  }

  /** Sends another one, which is kept once it is accepted. The server breaks the connection when it refuses it. */
  start(credentials: Credentials, attachment: Attachment): Request<void> {
    const { promise: answer, resolve, reject } = Promise.withResolvers<void>();
    const path = credentials.scheme;
    const request: Request<void> = {
      answer,
      abandon(code, problem, cause) {
        reject(new ZooKeeperError(code, `addAuth ${path}: ${problem}`, { cause }));
      },
    };
    this.#waiting.add(request);
    attachment.authenticate(credentials, (error) => {
      if (!this.#waiting.delete(request)) return;
      if (error !== 0) return reject(serverError(error, "addAuth", path));
      this.#accepted = [...this.#accepted, credentials];
      resolve();
    });
    return request;
  }

  /** The connection or the session has ended before the answer. */
  abandonAll(...why: Parameters<Request<void>["abandon"]>): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const request of waiting) request.abandon(...why);
  }
}
