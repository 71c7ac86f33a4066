import { type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { type CallRoom, callRoom } from "../../call-room.ts";
import type { UnaryMethod } from "./methods.ts";

export interface CallContextOptions {
  readonly method: UnaryMethod;
  readonly protocolName: string;
  /** Of the request, in the spelling of `node:http2`. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly room: CallRoom;
  readonly timeLeftMs: () => number;
}

/** What a service sees of a call on the fast path. What few services ask for is made when one asks. */
export class CallContext implements HandlerContext {
  readonly requestMethod = "POST";
  readonly protocolName: string;
  readonly timeoutMs: () => number;
  readonly #method: UnaryMethod;
  readonly #headers: CallContextOptions["headers"];
  readonly #room: CallRoom;
  #controller: AbortController | undefined;
  #end: { readonly reason: unknown } | undefined;
  #values: ContextValues | undefined;

  constructor({ method, protocolName, headers, room, timeLeftMs }: CallContextOptions) {
    this.protocolName = protocolName;
    this.timeoutMs = timeLeftMs;
    this.#method = method;
    this.#headers = headers;
    this.#room = room;
  }

  get method(): HandlerContext["method"] {
    return this.#method.method;
  }

  get service(): HandlerContext["service"] {
    return this.#method.service;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#end !== undefined) this.#controller.abort(this.#end.reason);
    }
    return this.#controller.signal;
  }

  get url(): string {
    return `http://localhost${this.#headers[":path"]}`;
  }

  get requestHeader(): Headers {
    const given = Object.entries(this.#headers).filter(([name]) => !name.startsWith(":"));
    return new Headers(given.map(([name, value]): [string, string] => [name, String(value)]));
  }

  get values(): ContextValues {
    this.#values ??= createContextValues().set(callRoom, this.#room);
    return this.#values;
  }

  // The services of this project set no fields of answers.

  get responseHeader(): Headers {
    throw new TypeError("fields of an answer cannot be set");
  }

  get responseTrailer(): Headers {
    throw new TypeError("fields of an answer cannot be set");
  }

  /** Aborts the signal, now or when somebody asks for it. */
  abort(reason: unknown): void {
    this.#end ??= { reason };
    this.#controller?.abort(reason);
  }
}
