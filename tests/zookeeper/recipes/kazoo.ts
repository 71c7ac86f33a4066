import { PythonProgram } from "../../support/python-program.ts";

/** An answer of the program. `id` says to which call. */
interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** An object of one of kazoo's classes. */
export interface KazooObject {
  /** Calls a method, and resolves with its result once that has come. Errors: what Python raises. */
  call(method: string, ...args: unknown[]): Promise<unknown>;
}

/** A client of kazoo with a session of its own, in a process of its own. */
export class Kazoo {
  readonly #program: PythonProgram;
  readonly #calls: PromiseWithResolvers<unknown>[] = [];
  #objects = 0;

  constructor(servers: string) {
    this.#program = new PythonProgram("../zookeeper/recipes/kazoo-recipes.py", [servers]);
    this.#read();
  }

  /** Makes an object of a class, such as `Lock`. `options` are its arguments with names. */
  async make(kind: string, args: readonly unknown[], options: object = {}): Promise<KazooObject> {
    const object = `${++this.#objects}`;
    await this.#call(object, "make", [kind, args, options]);
    return { call: (method, ...rest) => this.#call(object, method, rest) };
  }

  kill(): void {
    this.#program.kill();
  }

  #call(object: string, call: string, args: readonly unknown[]): Promise<unknown> {
    const answered = Promise.withResolvers<unknown>();
    const id = this.#calls.push(answered) - 1;
    this.#program.tell(JSON.stringify({ id, object, call, args }));
    return answered.promise;
  }

  async #read(): Promise<void> {
    for (;;) {
      const answer = await this.#program.next<Answer>();
      if (answer === undefined) return;
      const call = this.#calls[answer.id];
      if (answer.error === undefined) call?.resolve(answer.result);
      else call?.reject(new Error(answer.error));
    }
  }
}
