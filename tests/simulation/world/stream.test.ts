import assert from "node:assert/strict";
import { test } from "node:test";
import { LinkError, type LinkRule, Network } from "./network.ts";
import { SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";
import { openStream, type StreamEnd } from "./stream.ts";
import { Trace } from "./trace.ts";

const everywhere = (effect: LinkRule["effect"]): LinkRule => ({ applies: () => true, effect });

// The ends of a stream look every eight seconds whether the other is there, each from when it began.
test("when only the server has noticed a cut, the client learns of a break, not of an end", async () => {
  const trace = new Trace(false);
  const scheduler = new Scheduler(1, trace);
  const network = new Network<StreamEnd[]>(1, scheduler, {
    latencyMs: 1,
    loss: 0,
    duplication: 0,
    breaks: 0,
  });
  const client = new SimProcess("client", 1, 1, scheduler, trace);
  const server = new SimProcess("server", 1, 1, scheduler, trace);
  const served: StreamEnd[] = [];
  network.listen(server, served);
  const slow = everywhere(3000);
  network.rules.add(slow);
  const stream = openStream(network, {
    from: client,
    to: "server",
    what: "scan",
    window: 1,
    serve: (ends, end) => void ends.push(end),
  });
  void stream.send(new Uint8Array(1));
  await scheduler.runUntil(5_000, () => false);
  network.rules.delete(slow);
  const cut = everywhere("cut");
  await scheduler.runUntil(8_500, () => false);
  network.rules.add(cut);
  await scheduler.runUntil(13_500, () => false);
  const [end] = served;
  assert.equal(end?.gone.aborted, true);
  assert.equal(stream.gone.aborted, false);
  end?.end();
  network.rules.delete(cut);
  const isTold = assert.rejects(stream.next(), (error) => error instanceof LinkError && !error.unseen);
  await scheduler.runUntil(14_500, () => false);
  await isTold;
});
