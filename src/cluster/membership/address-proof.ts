import type { Address } from "../../common/address.ts";
import type { Task } from "../metadata/retry-on-connection-loss.ts";
import type { AskWhoAnswers } from "./registration.ts";
import { clearOthers } from "./znodes.ts";

/** Another process answers at the address that this one announces. */
class AddressTaken extends Error {
  override readonly name = "AddressTaken";

  constructor(address: Address) {
    super(
      `another process answers at ${address}, which this one announces too (announce); it is left alone, and this one ` +
        "waits until the address leads here; give each process an address of its own",
    );
  }
}

/**
 * Proves before each registration that the address leads to this process, and not to another that has been given the same
 * one to announce: that one is left alone.
 */
export class AddressProof {
  readonly #address: Address;
  readonly #whoAnswers: AskWhoAnswers;
  #isCleared = false;
  /** From here one can see where the address leads, and it has led to another. */
  #wasTaken = false;

  constructor(address: Address, whoAnswers: AskWhoAnswers) {
    this.#address = address;
    this.#whoAnswers = whoAnswers;
  }

  /**
   * Returns how to clear away, while the lock is held, what an earlier process at the address has left, so that a restart
   * need not wait for its session to end. That is done once. Later, whoever registers with the address is another
   * process: two machines may have the same private address, and each of them reach itself at it.
   * Rejects when another process answers at the address.
   */
  async prove(task: Task): Promise<(parent: string) => Promise<void>> {
    const address = this.#address;
    const answerer = await this.#whoAnswers(address, task.signal);
    this.#wasTaken = answerer === "other" || (this.#wasTaken && answerer === "nobody");
    if (this.#wasTaken) throw new AddressTaken(address);
    if (answerer === "nobody") {
      task.onDiagnostic(
        `nobody answers at ${address}, which this process announces, as far as can be seen from here`,
      );
    }
    return async (parent) => {
      if (answerer !== "self" || this.#isCleared) return;
      await clearOthers(task, parent, address);
      this.#isCleared = true;
    };
  }
}
