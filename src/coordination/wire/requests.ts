import { CoordinationError } from "../coordination.ts";
import { type JuteReader, type JuteWriter, ProtocolError } from "./jute.ts";
import { errorOf, isNoNode, type ReplyHeader, requestWriter } from "./protocol.ts";

/** Servers break the connection at a larger request, unless their jute.maxbuffer is raised. */
const REQUEST_BYTES_MAX = 1024 * 1024 - 1;
const XID_MAX = 2 ** 31 - 1;

/** A request, and how to read its reply. */
export interface Operation<T> {
  readonly type: number;
  /** For error messages, with the path as the caller knows it. */
  readonly name: string;
  readonly path: string;
  write(writer: JuteWriter): void;
  /** Errors: ProtocolError; a CoordinationError is the answer to the caller. */
  read(reader: JuteReader): T;
  /** The result when the znode does not exist. Without it, that is an error. */
  whenMissing?(): T;
}

/** The requests of one connection that wait for their replies. */
export class Requests {
  readonly #waiting = new Map<number, (header: ReplyHeader, body: JuteReader) => void>();
  #xid = 0;

  /**
   * Sends a request through `send`. `end` is called with the reply: a function that returns the result, or throws a
   * CoordinationError.
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

  /** Takes a reply. Errors: ProtocolError when it belongs to no request or is malformed. */
  settle(header: ReplyHeader, body: JuteReader): void {
    const settle = this.#waiting.get(header.xid);
    if (settle === undefined) throw new ProtocolError(`a reply to request ${header.xid}, which was not sent`);
    this.#waiting.delete(header.xid);
    settle(header, body);
  }

  /** The connection has ended: no more replies come. */
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
