import { randomUUID } from "node:crypto";
import { ZooKeeperError } from "../../errors.ts";
import type { CallOptions } from "../../options.ts";
import type { ZooKeeper } from "../../zookeeper.ts";
import { connected } from "../connected.ts";
import { isPassing } from "../ensure.ts";
import { untilAnswered } from "../lost-answers.ts";

/** The claim of one taker to an entry of a queue: an ephemeral znode with data that no other claim has. */
export class Claim {
  readonly #client: ZooKeeper;
  readonly #entryPath: string;
  readonly #path: string;
  readonly #id = Buffer.from(randomUUID());
  /** The end of the last release. */
  #released: Promise<void> = Promise.resolve();

  /** `path` is that of the claim. */
  constructor(client: ZooKeeper, entryPath: string, path: string) {
    this.#client = client;
    this.#entryPath = entryPath;
    this.#path = path;
  }

  /** False when somebody else has claimed the entry, or it is done. Waits for a server that takes writes. */
  async take(options: CallOptions): Promise<boolean> {
    const { signal } = new AbortController();
    for (let isRepeated = false; ; isRepeated = true) {
      try {
        await connected(this.#client, this.#path, signal);
        if (isRepeated && (await this.#isHeld(options))) return true;
        await this.#client.multi(
          [
            // Else whoever has seen the entry in an old list could claim it when it is done.
            { type: "check", path: this.#entryPath },
            { type: "create", path: this.#path, data: this.#id, mode: "ephemeral" },
          ],
          options,
        );
        return true;
      } catch (error) {
        if (ZooKeeperError.is(error, "NO_NODE", "NODE_EXISTS")) return false;
        if (!isPassing(error)) throw error;
      }
    }
  }

  /** Deletes the entry with the claim. Errors: NO_NODE, when an operator has deleted the claim. */
  async complete(options?: CallOptions): Promise<void> {
    const deletions = [this.#entryPath, this.#path].map((path) => ({ type: "delete", path }) as const);
    try {
      await untilAnswered(() => this.#client.multi(deletions, options));
    } catch (error) {
      const isGone = ZooKeeperError.is(error, "NO_NODE") && error.index === 0;
      if (!isGone) throw error;
      // By an attempt of which the answer was lost, or by an operator, who may have left the claim.
      await this.release(options);
    }
  }

  /** Deletes the claim, if it is still there. */
  release(options?: CallOptions): Promise<void> {
    // One after another: of two that have seen it, the second could delete that of the next taker.
    const released = this.#released.then(() => this.#delete(options));
    this.#released = released.catch(() => {});
    return released;
  }

  async #delete(options?: CallOptions): Promise<void> {
    await untilAnswered(async () => {
      // Never that of somebody who has claimed the entry since.
      if (await this.#isHeld(options)) await this.#client.delete(this.#path, options);
    });
  }

  async #isHeld(options?: CallOptions): Promise<boolean> {
    try {
      // The server of a new connection may be behind the one that has carried it out.
      await this.#client.sync(this.#path, options);
      const { data } = await this.#client.get(this.#path, options);
      return this.#id.equals(data);
    } catch (error) {
      if (ZooKeeperError.is(error, "NO_NODE")) return false;
      throw error;
    }
  }
}
