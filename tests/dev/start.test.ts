import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { KvClient } from "kvlab";
import { AdminService } from "../../gen/kvlab/v1/admin_pb.ts";
import { createTransports } from "../../src/client/transport/http2.ts";
import { freePorts, freeRange } from "../support/free-ports.ts";
import { runProgram } from "../support/run-program.ts";
import { ServerProcess } from "../support/server-process.ts";
import { until } from "../support/until.ts";

const program = new URL("../../src/dev.ts", import.meta.url);
const timeout = 120_000;

async function withFolder(run: (datadir: string) => Promise<void>): Promise<void> {
  const datadir = await mkdtemp(join(tmpdir(), "kvlab-dev-"));
  try {
    await run(datadir);
  } finally {
    await rm(datadir, { recursive: true, force: true });
  }
}

describe("a whole cluster in one process", () => {
  it("finds its keys again on other ports, also after kill -9", { timeout }, () =>
    withFolder(async (datadir) => {
      for (const [round, end] of (["kill", "stop", "stop"] as const).entries()) {
        const [dataport, routerport] = [await freeRange(4), await freeRange(3)];
        const settings = { datadir, dataport: String(dataport), routerport: String(routerport) };
        const cluster = new ServerProcess(`round ${round}`, program, routerport, settings);
        const kv = new KvClient({ routers: [cluster.address], deadlineMs: 30_000 });
        try {
          cluster.launch();
          await cluster.says("kvlab is running.", 60_000);
          for (let before = 0; before < round; before++) {
            assert.equal((await kv.get(`round ${before}`))?.text(), "kept");
          }
          await kv.put(`round ${round}`, "kept");
        } finally {
          kv.close();
          await cluster[end]();
        }
      }
    }),
  );

  it("has an agent for each server", { timeout }, () =>
    withFolder(async (datadir) => {
      const [dataport, routerport] = [await freeRange(4), await freeRange(3)];
      const settings = { datadir, dataport: String(dataport), routerport: String(routerport) };
      const cluster = new ServerProcess("cluster", program, routerport, settings);
      const transports = createTransports();
      const admin = createClient(AdminService, transports.transportTo(cluster.address));
      try {
        // Those that a killed process has left go with its sessions.
        for (const end of ["kill", "stop"] as const) {
          cluster.launch();
          await cluster.says("kvlab is running.", 60_000);
          await until("each server has one agent, of this process", 30_000, async () => {
            const { agents } = await admin.listAgents({});
            const addresses = new Set(agents.map(({ address }) => address));
            const isOurs = agents.every(({ pid }) => pid === BigInt(cluster.pid));
            return isOurs && agents.length === 7 && addresses.size === 7;
          });
          await cluster[end]();
        }
      } finally {
        await cluster.kill();
        transports.close();
      }
    }),
  );

  it("names the setting of a port that is in use, and the port", { timeout }, () =>
    withFolder(async (datadir) => {
      const [dataport, routerport] = [await freeRange(4), await freeRange(3)];
      for (const [setting, first, index] of [
        ["dataport", dataport, 0],
        ["dataport", dataport, 3],
        ["routerport", routerport, 1],
      ] as const) {
        const taken = createServer();
        await new Promise<void>((resolve) => taken.listen(first + index, "127.0.0.1", resolve));
        const args = ["--datadir", datadir, `--dataport=${dataport}`, `--routerport=${routerport}`];
        const { exitCode, stderr } = await runProgram(program, args);
        await new Promise((resolve) => taken.close(resolve));
        const what = index === 0 ? `${setting} ${first}` : `${setting} ${first}, port ${first + index}`;
        const line = `kvlab: ${what}: taken on 127.0.0.1; allowed is any free port, 1 to 65535\n`;
        assert.deepEqual({ exitCode, line: stderr.slice(-line.length) }, { exitCode: 2, line });
      }
    }),
  );

  it("does not start with an address that cannot be announced, or with ports that overlap", { timeout }, () =>
    withFolder(async (datadir) => {
      const [port = 0] = await freePorts(1);
      for (const [args, problem] of [
        [
          ["--serverip=fe80::1%eth0"],
          /^kvlab: serverip is "fe80::1%eth0": it means something on this machine only/,
        ],
        [[`--dataport=${port}`, `--routerport=${port + 3}`], /^kvlab: dataport \d+: the ports .* overlap/],
      ] as const) {
        const { exitCode, stdout, stderr } = await runProgram(program, ["--datadir", datadir, ...args]);
        assert.equal(exitCode, 2);
        assert.match(stderr, problem);
        assert.equal(stdout, "");
      }
    }),
  );
});
