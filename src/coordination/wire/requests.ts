import { CoordinationError } from "../coordination.ts";
import { type JuteReader, type JuteWriter, ProtocolError } from "./jute.ts";
import { errorOf, isNoNode, type ReplyHeader, requestWriter } from "./protocol.ts";

/** More is refused by servers, unless their jute.maxbuffer is raised, by breaking the connection. */
const REQUEST_BYTES_MAX = 1024 * 1024 - 1;
const XID_MAX = 2 ** 31 - 1;

/** A request and what its reply means. */
export interface Operation<T> {
  readonly type: number;
  /** For error messages, with the path as the caller knows it. */
  readonly name: string;
  readonly path: string;
  write(writer: JuteWriter): void;
  /** Errors: ProtocolError; a CoordinationError is the answer to the caller. */
  read(reader: JuteReader): T;
  /** What it means that there is no such znode; an error if absent. */
  whenMissing?(): T;
}

/** Requests that have been sent on one connection, and wait for their replies. */
export class Requests {
  readonly #waiting = new Map<number, (header: ReplyHeader, body: JuteReader) => void>();
  #xid = 0;

  /**
   * Sends a request by `send`; `end` is called when the reply comes, and given how to have its meaning: a value or a
   * CoordinationError thrown.
   */
  perform<T>(
    operation: Operation<T>,
    send: (packet: Uint8Array) => void,
    end: (answer: () => T) => void,
  ): void {
    const { name, path } = operation;
    const xid = this.#xid === XID_MAX ? 1 : this.#xid + 1;
    this.#xid = xid;
    const writer = requestWriter(xid, operation.type);
    operation.write(writer);
    const packet = writer.packet();
    if (packet.length > REQUEST_BYTES_MAX) {
      const message = `${name} ${path}: a request of ${packet.length} bytes; allowed: ${REQUEST_BYTES_MAX} at most`;
      end(() => {
        throw new CoordinationError("BAD_ARGUMENTS", message, { path });
      });
      return;
    }
    this.#waiting.set(xid, ({ error }, body) => end(meaningOf(operation, error, body)));
    send(packet);
  }

  /** A reply has come. Errors: ProtocolError when it is none to us, or not as it should be. */
  settle(header: ReplyHeader, body: JuteReader): void {
    const settle = this.#waiting.get(header.xid);
    if (settle === undefined) throw new ProtocolError(`a reply to request ${header.xid}, which was not sent`);
    this.#waiting.delete(header.xid);
    settle(header, body);
  }

  /** The connection is over: no more replies come. */
  forget(): void {
    this.#waiting.clear();
  }
}

function meaningOf<T>(operation: Operation<T>, error: number, body: JuteReader): () => T {
  try {
    const value = read(operation, error, body);
    return () => value;
  } catch (refusal) {
    if (!CoordinationError.is(refusal)) throw refusal;
    return () => {
      throw refusal;
    };
  }
}

function read<T>(operation: Operation<T>, error: number, body: JuteReader): T {
  if (error === 0) return operation.read(body);
  if (isNoNode(error) && operation.whenMissing !== undefined) return operation.whenMissing();
  throw errorOf(error, operation.name, operation.path);
}
