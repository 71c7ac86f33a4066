import type { KeyValue, ScanResponse } from "../../gen/kvlab/v1/data_pb.ts";
import type { Deadline } from "./deadline.ts";
import { KvError, ofGroup } from "./errors.ts";

/** The part of one group in a scan of several: the rest of its last answer, and the answers to come. */
export class ScanPart {
  readonly group: string;
  readonly #answers: AsyncGenerator<ScanResponse>;
  readonly #inRing: Deadline;
  #items: readonly KeyValue[] = [];
  #index = 0;
  #ringVersion = 0n;
  #hasLeft = false;

  /** `inRing`: for so long there are answers, however often their stream breaks. */
  constructor(group: string, answers: AsyncGenerator<ScanResponse>, inRing: Deadline) {
    this.group = group;
    this.#answers = answers;
    this.#inRing = inRing;
  }

  /** Whether its stream has broken when its group had left the ring: other groups have the rest of its keys. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Version of the ring that its keys are of. 0 when the server does not say it. */
  get ringVersion(): bigint {
    return this.#ringVersion;
  }

  /** The next key. Undefined when another answer is needed, or after the last key. */
  get next(): KeyValue | undefined {
    return this.#items[this.#index];
  }

  /** Leaves the next key behind. */
  advance(): void {
    this.#index++;
  }

  /** Waits until there is a next key, or until the end. Errors: KvError, which names the group. */
  async fill(): Promise<void> {
    try {
      while (this.next === undefined) {
        const { done, value } = await this.#answers.next();
        if (done) return;
        this.#items = value.items;
        this.#index = 0;
        this.#ringVersion = value.ringVersion;
      }
    } catch (reason) {
      this.#hasLeft = reason === this.#inRing.ended;
      if (!this.#hasLeft) throw ofGroup(this.group, reason);
    }
  }

  /** Notes that its group has left the ring. If its stream breaks, there may be nobody any more who answers. */
  leave(): void {
    this.#inRing.end(new KvError("aborted", "the group has left the ring"));
  }

  /** Must not be called while it is being filled. */
  async close(): Promise<void> {
    await this.#answers.return(undefined);
  }
}
