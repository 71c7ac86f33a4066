import type { CasRegister } from "../../src/cluster/metadata/cas-register.ts";
import type { Versioned } from "../../src/cluster/metadata/model.ts";

/** What happens to a write of a register. */
export type RegisterFault = "none" | "lose-answer" | "lose-request";

export interface MemoryRegisterOptions<T> {
  get(): Versioned<T> | undefined;
  set(value: Versioned<T>): void;
  /** Whether its user cannot reach it now. */
  isAway(): boolean;
  /** The fault of the next write, which is then used up. */
  nextFault(): RegisterFault;
}

/** A register in memory that can be unreachable or lose requests and answers. */
export function memoryRegister<T>({ get, set, isAway, nextFault }: MemoryRegisterOptions<T>): CasRegister<T> {
  return {
    get connected() {
      return !isAway();
    },
    async read() {
      if (isAway()) throw new Error("ZooKeeper is away");
      return get();
    },
    async create(value) {
      if (get() !== undefined) throw new Error("exists");
      const first = { value, version: 0 };
      set(first);
      return first;
    },
    async compareAndSet(value, version) {
      const next = { value, version: version + 1 };
      if (isAway()) throw new Error("ZooKeeper is away");
      if (get()?.version !== version) throw new Error("bad version");
      const fault = nextFault();
      if (fault !== "lose-request") set(next);
      if (fault !== "none") throw new Error("connection lost");
      return next;
    },
  };
}
