import type { AppendRequest, AppendResponse, IncomingStream } from "../../../src/cluster/replication/peer.ts";
import type { SimProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { World } from "./world.ts";

/** Part of the messages that are held up, so that later ones overtake them, for each one that comes twice. */
const latePerTwice = 0.3;

/**
 * Hands the messages of replication over twice, late, and so in another order than they came. A stream does none of that.
 * The protocol stands it all the same, so it does not depend on how messages are carried.
 */
export class Disorder {
  readonly #process: SimProcess;
  readonly #random: Random;
  readonly #duplication: number;

  constructor({ seed, profile }: World, process: SimProcess) {
    this.#process = process;
    this.#random = new Random(`${seed} ${process.name} ${process.clock.wallMs()} disorder`);
    this.#duplication = profile.network.duplication;
  }

  /** `open` begins a stream. */
  of(open: () => IncomingStream): IncomingStream {
    const stream = open();
    return {
      append: (request) => {
        if (this.#random.chance(this.#duplication)) this.#again(open, request);
        const isLate = this.#random.chance(this.#duplication * latePerTwice);
        return isLate ? this.#late(stream, request) : stream.append(request);
      },
      ended: () => stream.ended(),
    };
  }

  #again(open: () => IncomingStream, request: AppendRequest): void {
    const copy = structuredClone(request);
    this.#process.deliver(this.#random.between(0, 2000), "message again", () => {
      const stray = open();
      stray.append(copy).then(
        () => stray.ended(),
        () => stray.ended(),
      );
    });
  }

  #late(stream: IncomingStream, request: AppendRequest): Promise<AppendResponse> {
    return new Promise((resolve) => {
      this.#process.deliver(this.#random.between(0, 20), "message late", () =>
        resolve(stream.append(request)),
      );
    });
  }
}
