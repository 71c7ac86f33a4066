// runtimes: bun, node
// Deno closes fewer of the idle connections than it is told to.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { DataService } from "../../../gen/kvlab/v1/data_pb.ts";
import { createTransports } from "../../../src/client/transport/http2.ts";
import { freePorts } from "../../support/free-ports.ts";
import { http2Hello } from "../../support/raw-client.ts";
import { commandFor } from "../../support/run-program.ts";
import { until } from "../../support/until.ts";

test("a server with few file descriptors serves however many idle clients there are", {
  skip: process.platform === "linux" ? false : "only Linux tells how many there are",
  timeout: 60_000,
}, async () => {
  const [port = 0] = await freePorts(1);
  const command = commandFor(new URL("../../support/toy-program.ts", import.meta.url), [String(port)]);
  const child = spawn("sh", ["-c", 'ulimit -n 128; exec "$@"', "sh", ...command.flat()], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const transports = createTransports();
  try {
    await once(child.stdout, "data");
    const clients = Array.from({ length: 200 }, (_, count) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.on("error", () => {});
      if (count % 2 === 0) socket.write(http2Hello);
      return socket;
    });
    const data = createClient(DataService, transports.transportTo(`127.0.0.1:${port}`));
    // While hundreds come at once, a connection may be refused.
    await until("it serves another", 20_000, () =>
      data.put({ key: "a", value: { case: "text", value: "a" } }).then(
        () => true,
        () => false,
      ),
    );
    assert.equal((await data.get({ key: "a" })).value.value, "a");
    assert.equal(child.exitCode, null);
    for (const socket of clients) socket.destroy();
  } finally {
    transports.close();
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
});
