import type { Clock } from "../../common/clock.ts";
import { contentBytesOf } from "../storage/format/record.ts";
import type { AppendRequest, AppendResponse, Peer, ReplicationStream } from "./peer.ts";
import { flightBytesMax, flightMessagesMax, peerTimeoutMs } from "./settings.ts";

interface Message {
  readonly sentMs: number;
  readonly bytes: number;
}

/** A stream of messages to a standby, and those of them that are not answered yet. */
export class InFlight {
  readonly #stream: ReplicationStream;
  readonly #clock: Clock;
  readonly #onMove: () => void;
  readonly #openedMs: number;
  /** In the order in which they were sent. */
  readonly #messages = new Set<Message>();
  #bytes = 0;
  #end: { readonly reason: unknown } | undefined;

  /** `onMove` is called when the stream ends, and when an answer makes room for another message. */
  constructor(peer: Peer, clock: Clock, onMove: () => void) {
    this.#clock = clock;
    this.#onMove = onMove;
    this.#openedMs = clock.monotonicMs();
    this.#stream = peer.replicate((reason) => this.#ended(reason));
  }

  get isEmpty(): boolean {
    return this.#messages.size === 0;
  }

  /** Whether no message may be sent before another one is answered. */
  get isFull(): boolean {
    return this.#messages.size >= flightMessagesMax || this.#bytes >= flightBytesMax;
  }

  get ageMs(): number {
    return this.#clock.monotonicMs() - this.#openedMs;
  }

  /** Throws when the stream has ended, or the standby has not answered a message in time. */
  check(): void {
    if (this.#end !== undefined) throw this.#end.reason;
    const [oldest] = this.#messages;
    if (oldest === undefined || this.#clock.monotonicMs() - oldest.sentMs < peerTimeoutMs) return;
    throw new Error(`no answer within ${peerTimeoutMs} ms`);
  }

  /** As `ReplicationStream.append`. */
  async append(request: AppendRequest): Promise<AppendResponse> {
    const bytes = contentBytesOf(request.records);
    const message = { sentMs: this.#clock.monotonicMs(), bytes };
    this.#messages.add(message);
    this.#bytes += bytes;
    try {
      return await this.#stream.append(request);
    } catch (error) {
      this.#ended(error);
      throw error;
    } finally {
      const wasFull = this.isFull;
      this.#messages.delete(message);
      this.#bytes -= bytes;
      if (wasFull) this.#onMove();
    }
  }

  close(): void {
    this.#stream.close();
  }

  #ended(reason: unknown): void {
    this.#end ??= { reason };
    this.#onMove();
  }
}
