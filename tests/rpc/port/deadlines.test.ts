import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { withinDeadline } from "../../../src/rpc/deadline.ts";
import { type Listener, listen } from "../../../src/rpc/port/listener.ts";
import { startToyNode, type ToyNode, transportNames, transportsTo } from "../../support/toy-node.ts";

const timeout = 60_000;
const value = { case: "text", value: "a" } as const;

/** What the protocols call the header of the time-out. */
function headerOf(name: string): "grpc-timeout" | "connect-timeout-ms" {
  return name.startsWith("gRPC") ? "grpc-timeout" : "connect-timeout-ms";
}

describe("the time-out of a call", () => {
  let node: ToyNode;
  let slowNode: ToyNode;
  before(async () => {
    node = await startToyNode();
    slowNode = await startToyNode({
      async onPut(_request, { signal }) {
        // Longer than a timer that has overflowed takes.
        await new Promise((resolve) => setTimeout(resolve, 50));
        signal.throwIfAborted();
      },
    });
  });
  after(() => Promise.all([node.close(), slowNode.close()]));

  const cases = {
    "grpc-timeout": {
      long: ["597H", "99999999H", "35792M", "2147484S", "99999999S", "99999999m"],
      over: ["0S", "0n"],
      none: ["5", "5X", "-5S", "1.5S", "123456789S", "S"],
    },
    "connect-timeout-ms": {
      long: ["2147483647", "2147483648", "4294967297", "9999999999"],
      over: ["0"],
      none: ["-1", "1.5", "abc", "12345678901", "1e3"],
    },
  };

  for (const name of transportNames) {
    const header = headerOf(name);
    const { long, over, none } = cases[header];
    it(`may be as long as a caller likes in ${name}`, { timeout }, async () => {
      const data = createClient(DataService, transportsTo(slowNode.baseUrl)[name]);
      await Promise.all(
        long.map((given) => data.put({ key: given, value }, { headers: { [header]: given } })),
      );
      assert.ok(long.every((key) => slowNode.values.has(key)));
    });

    it(`is over at once when it is nothing, and refused when it is no time, in ${name}`, {
      timeout,
    }, async () => {
      const data = createClient(DataService, transportsTo(slowNode.baseUrl)[name]);
      for (const [givens, code] of [
        [over, Code.DeadlineExceeded],
        [none, Code.InvalidArgument],
      ] as const) {
        for (const given of givens) {
          const error = await data
            .put({ key: given, value }, { headers: { [header]: given } })
            .catch(ConnectError.from);
          assert.ok(error instanceof ConnectError, given);
          assert.equal(error.code, code, `${given}: ${error.message}`);
        }
      }
    });
  }
});

describe("a call that sets no deadline, and has no answer in time", () => {
  let primary: Listener;
  let router: Listener;
  const transports = createTransports();
  before(async () => {
    primary = await listen({
      host: "127.0.0.1",
      port: 0,
      routes: (routes) => serve(routes, (signal) => new Promise((_, reject) => onAbort(signal, reject))),
    });
    router = await listen({
      host: "127.0.0.1",
      port: 0,
      routes(routes) {
        const data = createClient(DataService, transports.transportTo(`127.0.0.1:${primary.port}`));
        serve(routes, (signal) => data.get({ key: "a" }, { signal }));
      },
    });
  });
  after(async () => {
    transports.close();
    await Promise.all([router.close(), primary.close()]);
  });

  function serve(routes: ConnectRouter, wait: (signal: AbortSignal) => Promise<unknown>): void {
    routes.service(DataService, {
      async get(_request, context) {
        await withinDeadline(context, systemClock, wait);
        return {};
      },
      async *scan(_request, context) {
        await withinDeadline(context, systemClock, wait);
        yield {};
      },
    });
  }

  it("is told so in every protocol, unary or a stream, directly and through a router", {
    timeout,
  }, async () => {
    const codes = await Promise.all(
      [primary, router].flatMap(({ port }) =>
        Object.values(transportsTo(`http://127.0.0.1:${port}`)).flatMap((transport) => {
          const data = createClient(DataService, transport);
          return [data.get({ key: "a" }), data.scan({})[Symbol.asyncIterator]().next()].map((call) =>
            call.then(() => undefined, ConnectError.from),
          );
        }),
      ),
    );
    assert.deepEqual(
      codes.map((error) => error?.code),
      codes.map(() => Code.DeadlineExceeded),
    );
  });
});

function onAbort(signal: AbortSignal, then: (reason: unknown) => void): void {
  signal.addEventListener("abort", () => then(signal.reason), { once: true });
}
