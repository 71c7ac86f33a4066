import type { Watch } from "../watches/session-watches.ts";
import type { JuteReader, JuteWriter } from "./jute.ts";

/** A request, and how to read its reply. */
export interface Operation<T> {
  /** See OP. */
  readonly type: number;
  /** For error messages, with the path as the caller knows it. */
  readonly name: string;
  readonly path: string;
  /**
   * `read` changes nothing. A `conditional` write says what must be there before it, so that a second one is refused
   * and does no harm. Any other `write` may be done twice when it is sent twice.
   */
  readonly effect: "read" | "conditional" | "write";
  /** Set at the reply. Of an `exists` that finds nothing, the kind becomes `exists`. */
  readonly watch?: Watch | undefined;
  /** `setsWatch`: whether the server has to set the watch. */
  write(writer: JuteWriter, setsWatch: boolean): void;
  /** Errors: ProtocolError; a ZooKeeperError is the answer to the caller. */
  read(reader: JuteReader): T;
  /** The result when the znode does not exist. Without it, that is an error. */
  whenMissing?(): T;
}
