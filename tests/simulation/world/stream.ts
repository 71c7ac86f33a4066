import { LinkError, type Network } from "./network.ts";
import type { Pipe } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import type { WireError } from "./wire-error.ts";

/** What crosses the network in a stream. `reset`: the connection is no more. */
type Frame =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly error: WireError | undefined }
  | { readonly kind: "cancel" }
  | { readonly kind: "reset"; readonly unseen: boolean };

/** A peer that gives no sign of life for so long is taken for dead. */
const brokenAfterMs = 8000;

/** One side of a stream: belongs to one process. */
export class StreamEnd {
  readonly process: SimProcess;
  readonly #window: number;
  readonly #inbox: Frame[] = [];
  readonly #gone = new AbortController();
  readonly #onClose: () => void;
  #transmit: (frame: Frame) => void = () => {};
  #taken: () => void = () => {};
  /** Messages that the other side has not taken. */
  #outstanding = 0;
  #failure: LinkError | undefined;
  #wakeReader = () => {};
  #wakeWriter = () => {};
  /** Whether the other side has said all that it has to say. */
  #isOver = false;
  #isClosed = false;

  /** `window`: messages that may be under way at a time. */
  constructor(process: SimProcess, window: number, onClose: () => void) {
    this.process = process;
    this.#window = window;
    this.#onClose = onClose;
  }

  /** Aborted when the other side has given the stream up, or the connection broke. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  attach(transmit: (frame: Frame) => void, taken: () => void): void {
    this.#transmit = transmit;
    this.#taken = taken;
  }

  /** Sends a message, once there is room for it. */
  async send(bytes: Uint8Array): Promise<void> {
    this.#outstanding++;
    this.#transmit({ kind: "message", bytes });
    while (this.#outstanding >= this.#window && !this.#isClosed && !this.gone.aborted) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  /** Sends the end of what this side has to say. Over a connection that broke nothing can be sent. */
  end(error?: WireError): void {
    if (this.#failure !== undefined) return;
    this.#transmit({ kind: "end", error });
  }

  /** Gives the stream up. */
  cancel(): void {
    if (!this.#isClosed && !this.#isOver) this.#transmit({ kind: "cancel" });
    this.close();
  }

  /** The next message; undefined at the end. Errors: WireError, LinkError. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#inbox.shift();
      if (frame?.kind === "message") {
        this.#taken();
        return frame.bytes;
      }
      if (frame?.kind === "end") {
        this.#isOver = true;
        if (frame.error !== undefined) throw frame.error;
        return undefined;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isClosed || this.gone.aborted) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  /** Something has come. */
  accept(frame: Frame): void {
    if (this.#isClosed) return;
    if (frame.kind === "reset") this.fail(frame.unseen);
    else if (frame.kind === "cancel") this.close();
    else this.#inbox.push(frame);
    this.#wakeReader();
  }

  /** The other side has taken a message. */
  release(): void {
    this.#outstanding--;
    this.#wakeWriter();
  }

  /** The connection broke: what has come before can still be taken. */
  fail(unseen: boolean): void {
    if (this.#isClosed) return;
    this.#failure = new LinkError(unseen ? "it cannot be reached" : "the connection broke", unseen);
    this.close();
  }

  /** Nobody needs the stream any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#gone.abort(new Error("the stream is over"));
    this.#wakeReader();
    this.#wakeWriter();
    this.#onClose();
  }
}

export interface StreamOptions<Service> {
  readonly from: SimProcess;
  /** Name of the process that is called. */
  readonly to: string;
  readonly what: string;
  readonly window: number;
  /** See `Network.breaks`. */
  readonly breaks?: number | undefined;
  /** What the callee does with the stream. */
  readonly serve: (service: Service, end: StreamEnd) => void;
}

/** Opens a stream to another process: messages arrive in their order in each direction, until one side ends it. */
export function openStream<Service>(
  network: Network<Service>,
  { from, to, what, window, breaks, serve }: StreamOptions<Service>,
): StreamEnd {
  let server: StreamEnd | undefined;
  let hasArrived = false;
  /** The client was told that the server has seen nothing: so it never will. */
  let isUnseen = false;
  const isAlive = () => {
    const callee = server?.process;
    if (callee === undefined || network.endpointOf(to)?.process !== callee) return false;
    const isCut = network.isCut(from.name, to) || network.isCut(to, from.name);
    return callee.state === "running" && from.state === "running" && !isCut;
  };
  /** Looks now and then whether the peer is still there, until the end is closed. */
  const guard = (process: SimProcess, fail: () => void): (() => void) => {
    let cancel = () => {};
    const look = () => {
      if (!isAlive()) return fail();
      cancel = process.clock.timer(brokenAfterMs, look);
    };
    cancel = process.clock.timer(brokenAfterMs, look);
    return () => cancel();
  };
  const stopGuard = guard(from, () => {
    isUnseen = !hasArrived;
    client.fail(isUnseen);
  });
  const forget = from.onDeath(() => {
    if (network.resetsAtDeath()) toServer.send({ kind: "reset", unseen: false });
  });
  const client = new StreamEnd(from, window, () => {
    stopGuard();
    forget();
  });
  const toClient: Pipe<Frame> = network.pipe(to, from.name, `${what} answers`, (frame) => {
    if (frame.kind !== "message" || !network.breaks(breaks)) {
      from.receive(`${what} ${frame.kind}`, () => client.accept(frame));
    } else {
      from.receive(`${what} breaks`, () => client.fail(false));
      toServer.send({ kind: "reset", unseen: false });
    }
  });
  const arrive = () => {
    hasArrived = true;
    const endpoint = network.endpointOf(to);
    if (endpoint === undefined) return toClient.send({ kind: "reset", unseen: true });
    const reset = () => toClient.send({ kind: "reset", unseen: false });
    endpoint.resets.add(reset);
    const { process } = endpoint;
    const end = new StreamEnd(process, window, () => {
      endpoint.resets.delete(reset);
      stop();
    });
    const stop = guard(process, () => {
      end.fail(false);
      reset();
    });
    server = end;
    end.attach(
      (frame) => toClient.send(frame),
      () => from.receive(`${what} taken`, () => client.release()),
    );
    process.receive(what, () => serve(endpoint.service, end));
  };
  const toServer: Pipe<Frame> = network.pipe(from.name, to, what, (frame) => {
    if (isUnseen) return;
    if (!hasArrived) arrive();
    const end = server;
    end?.process.receive(`${what} ${frame.kind}`, () => end.accept(frame));
  });
  client.attach(
    (frame) => toServer.send(frame),
    () => {
      const end = server;
      end?.process.receive(`${what} taken`, () => end.release());
    },
  );
  return client;
}
