import type { Address } from "../../common/address.ts";
import { parseGroupState } from "../metadata/codec.ts";
import {
  dataLockPath,
  dataPath,
  groupPath,
  groupStatePath,
  groupTopPath,
  nodePath,
} from "../metadata/paths.ts";
import {
  getIfThere,
  retryOnConnectionLoss,
  type Task,
  untilTouched,
} from "../metadata/retry-on-connection-loss.ts";
import { AddressProof } from "./address-proof.ts";
import { type AskWhoAnswers, placeOf, type Registered, squatted } from "./registration.ts";
import { withLock } from "./zk-lock.ts";
import { ensureParents, type Holder, occupy, raiseTop, takeNumber } from "./znodes.ts";

export interface DataNodeRegistrarOptions {
  readonly group: string;
  readonly address: Address;
  /** The number that the log's header names, if it names one. */
  readonly number: number | undefined;
  readonly whoAnswers: AskWhoAnswers;
}

/**
 * Registers a data node. It gets the number that its log's header names, else the next one, which it keeps from then on:
 * the number stands for the replica.
 */
export class DataNodeRegistrar {
  readonly #options: DataNodeRegistrarOptions;
  readonly #proof: AddressProof;
  #number: number | undefined;

  constructor(options: DataNodeRegistrarOptions) {
    this.#options = options;
    this.#proof = new AddressProof(options.address, options.whoAnswers);
    this.#number = options.number;
  }

  /** As `Register`. Waits, and says so, while another session holds the number. */
  async register(task: Task): Promise<Registered> {
    const { group, address } = this.#options;
    for (;;) {
      const clear = await this.#proof.prove(task);
      await ensureParents(task, [dataPath, dataLockPath, groupPath(group)]);
      const [number, holder] = await withLock(task, dataLockPath, address, async () => {
        await clear(groupPath(group));
        return await this.#occupyNumber(task);
      });
      if (holder.own) return placeOf(number, holder);
      task.onDiagnostic(
        holder.ephemeral ? heldBy(holder, number) : squatted(holder, "this node cannot register"),
      );
      await untilTouched(task, holder);
    }
  }

  async #occupyNumber(task: Task): Promise<[number, Holder]> {
    const { group, address } = this.#options;
    const topPath = groupTopPath(group);
    if (this.#number !== undefined) {
      // The top may be missing or behind, if ZooKeeper was emptied.
      await raiseTop(task, topPath, this.#number + 1);
      return [this.#number, await occupy(task, nodePath(group, this.#number), address)];
    }
    await raiseTop(task, topPath, (await highestInSync(task, group)) + 1);
    for (;;) {
      const number = await takeNumber(task, topPath);
      this.#number = number;
      const holder = await occupy(task, nodePath(group, number), address);
      if (holder.own) return [number, holder];
      this.#number = undefined;
    }
  }
}

/**
 * Highest number in a group's in-sync set, 0 when there is none. A new node must never get one of these, not even when
 * the top was deleted: with an empty log it would pass for a replica that has everything.
 */
async function highestInSync(task: Task, group: string): Promise<number> {
  const path = groupStatePath(group);
  const found = await retryOnConnectionLoss(task, () => getIfThere(task.session, path));
  if (found === undefined) return 0;
  return Math.max(0, ...parseGroupState(path, found.data).inSync.map((member) => member.number));
}

function heldBy({ path, address }: Holder, number: number): string {
  return (
    `${path} is held by ${JSON.stringify(address.slice(0, 60))}, and ${number} is the number in our own log; waiting ` +
    "until that process or its session has ended; should it run on a copy of our log, stop one of the two"
  );
}
