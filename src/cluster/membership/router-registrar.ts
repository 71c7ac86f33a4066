import type { Address } from "../../common/address.ts";
import { masterNumber, routerPath, serverLockPath, serverPath, serverTopPath } from "../metadata/paths.ts";
import type { Task } from "../metadata/retry-on-connection-loss.ts";
import { AddressProof } from "./address-proof.ts";
import { type AskWhoAnswers, placeOf, type Registered, squatted } from "./registration.ts";
import { withLock } from "./zk-lock.ts";
import { ensureParents, occupy, ownNumbers, takeNumber, vacate } from "./znodes.ts";

/** Registers a router. It becomes master (number 0) if there is none; else it gets the next number and covets that place. */
export class RouterRegistrar {
  readonly #address: Address;
  readonly #proof: AddressProof;

  constructor(address: Address, whoAnswers: AskWhoAnswers) {
    this.#address = address;
    this.#proof = new AddressProof(address, whoAnswers);
  }

  /** As `Register`. */
  async register(task: Task): Promise<Registered> {
    const address = this.#address;
    const clear = await this.#proof.prove(task);
    await ensureParents(task, [serverPath, serverLockPath]);
    return withLock(task, serverLockPath, address, async () => {
      await clear(serverPath);
      const others = (await ownNumbers(task, serverPath)).filter((number) => number !== masterNumber);
      const master = await occupy(task, routerPath(masterNumber), address);
      if (!master.own) {
        if (!master.ephemeral) task.onDiagnostic(squatted(master, "no router can become master"));
        return { ...(await this.#registerNumber(task, others[0])), coveted: master };
      }
      for (const number of others) await vacate(task, routerPath(number));
      return placeOf(masterNumber, master);
    });
  }

  /** `own`: the number that the router has in this session already. */
  async #registerNumber(task: Task, own: number | undefined): Promise<Registered> {
    for (let number = own; ; number = undefined) {
      number ??= await takeNumber(task, serverTopPath);
      const holder = await occupy(task, routerPath(number), this.#address);
      if (holder.own) return placeOf(number, holder);
    }
  }
}
