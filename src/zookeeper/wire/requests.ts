import { ZooKeeperError, type ZooKeeperErrorCode } from "../errors.ts";
import type { SessionWatches, Watch } from "../watches/session-watches.ts";
import { isNoNode, isSessionExpired, serverError } from "./error-codes.ts";
import { type JuteReader, ProtocolError } from "./jute.ts";
import type { Operation } from "./operation.ts";
import { type ReplyHeader, requestWriter } from "./protocol.ts";

/** Servers break the connection at a larger request, unless their jute.maxbuffer is raised. */
const REQUEST_BYTES_MAX = 1024 * 1024 - 1;
const XID_MAX = 2 ** 31 - 1;

/** A request that was sent. */
export interface Request<T> {
  readonly answer: Promise<T>;
  /** Rejects `answer`, unless it is settled. A reply that comes later changes nothing here, and sets no watch. */
  abandon(code: ZooKeeperErrorCode, problem: string, cause?: unknown): void;
}

interface Waiting {
  /** Returns whether the answer says that the session has expired. */
  settle(error: number, body: JuteReader): boolean;
  readonly abandon: Request<unknown>["abandon"];
}

/** The requests of one connection that wait for their replies. */
export class Requests {
  readonly #watches: SessionWatches;
  readonly #waiting = new Map<number, Waiting>();
  #xid = 0;

  /** The watches of all requests are set in `watches`. */
  constructor(watches: SessionWatches) {
    this.#watches = watches;
  }

  /** Sends a request through `send`. Errors: BAD_ARGUMENTS, when it is too long. */
  start<T>(operation: Operation<T>, send: (packet: Uint8Array) => void): Request<T> {
    const { name, path, effect, watch } = operation;
    const xid = this.#xid === XID_MAX ? 1 : this.#xid + 1;
    const writer = requestWriter(xid, operation.type);
    operation.write(writer, watch !== undefined && this.#watches.needServer(watch));
    const packet = writer.packet();
    if (packet.length > REQUEST_BYTES_MAX) {
      const message = `${name} ${path}: a request of ${packet.length} bytes; allowed: ${REQUEST_BYTES_MAX} at most`;
      throw new ZooKeeperError("BAD_ARGUMENTS", message, { path });
    }
    const { promise: answer, resolve, reject } = Promise.withResolvers<T>();
    let isOver = false;
    const answered = watch === undefined ? () => {} : this.#watches.ask(watch);
    const waiting: Waiting = {
      settle: (error, body) => {
        if (isOver) return isSessionExpired(error);
        const meaning = meaningOf(operation, error, body);
        isOver = true;
        answered();
        const set = watchSet(operation, error);
        if (set !== undefined) this.#watches.add(set);
        if ("value" in meaning) resolve(meaning.value);
        else reject(meaning.refusal);
        // Of a multi, it is among the results, and the header says that all is well.
        return "refusal" in meaning && meaning.refusal.code === "SESSION_EXPIRED";
      },
      abandon: (code, problem, cause) => {
        if (isOver) return;
        isOver = true;
        answered();
        const maybeApplied = effect !== "read";
        const message = `${name} ${path}: ${problem}${maybeApplied ? "; it may have been carried out" : ""}`;
        reject(new ZooKeeperError(code, message, { path, cause, maybeApplied }));
      },
    };
    this.#xid = xid;
    this.#waiting.set(xid, waiting);
    send(packet);
    return { answer, abandon: waiting.abandon };
  }

  /**
   * Takes a reply, and returns whether it says that the session has expired. Servers answer in the order of the requests, so
   * one that is passed over will never be answered. Errors: ProtocolError when it is not for the request that waits longest,
   * or is malformed.
   */
  settle(header: ReplyHeader, body: JuteReader): boolean {
    const [next] = this.#waiting.keys();
    const waiting = header.xid === next ? this.#waiting.get(next) : undefined;
    if (waiting === undefined) {
      const expected = next === undefined ? "no request waits" : `request ${next} waits`;
      throw new ProtocolError(`a reply to request ${header.xid}, while ${expected}`);
    }
    // A malformed reply leaves it waiting, until the end of the connection that it causes.
    const isExpired = waiting.settle(header.error, body);
    this.#waiting.delete(header.xid);
    return isExpired;
  }

  /** Abandons all. Their replies may still come. */
  abandonAll(code: ZooKeeperErrorCode, problem: string): void {
    for (const waiting of [...this.#waiting.values()]) waiting.abandon(code, problem);
  }

  /** The connection has ended: no more replies come to those that were abandoned. */
  forget(): void {
    this.#waiting.clear();
  }
}

/** What an answer says to whoever waits for it. */
type Meaning<T> = { readonly value: T } | { readonly refusal: ZooKeeperError };

function meaningOf<T>(operation: Operation<T>, error: number, body: JuteReader): Meaning<T> {
  try {
    return { value: read(operation, error, body) };
  } catch (refusal) {
    if (!ZooKeeperError.is(refusal)) throw refusal;
    return { refusal };
  }
}

function read<T>(operation: Operation<T>, error: number, body: JuteReader): T {
  if (error === 0) return operation.read(body);
  if (isNoNode(error) && operation.whenMissing !== undefined) return operation.whenMissing();
  const refusal = serverError(error, operation.name, operation.path);
  // The server itself does not know what became of it.
  const isLost = refusal.code === "CONNECTION_LOSS" && operation.effect !== "read";
  throw isLost ? serverError(error, operation.name, operation.path, { maybeApplied: true }) : refusal;
}

/** The watch that a server has set when it answered `error`. */
function watchSet({ watch, whenMissing }: Operation<unknown>, error: number): Watch | undefined {
  if (watch === undefined || error === 0) return watch;
  return isNoNode(error) && whenMissing !== undefined ? { ...watch, kind: "exists" } : undefined;
}
