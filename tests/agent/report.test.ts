import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Load } from "../../src/agent/load.ts";
import { parseReport } from "../../src/agent/parse-report.ts";
import { formatReport, isNews } from "../../src/agent/report.ts";
import { identity, load } from "./sample-agent.ts";

const mib = 1024 ** 2;
const encode = (text: string) => new TextEncoder().encode(text);

describe("what an agent reports", () => {
  it("is JSON with the five fields of the original agent first, and the memory in bytes", () => {
    const text = new TextDecoder().decode(formatReport(identity, load, "2026-01-02T03:04:05.678Z"));
    assert.equal(
      text,
      '{"serverIp":"10.0.0.1","totalCpu":1.5,"totalMemory":23400000000,"totalMemoryDesc":"23.4 GB",' +
        '"memoryUsage":5000000000,"cpuUsage":33,"loadAverages":[0.33,0.5,1],"processMemory":104857600,' +
        '"diskTotal":100000000,"diskUsed":50000000,"id":"0123456789ab","role":"data","name":"zdata1",' +
        '"address":"10.0.0.1:1927","host":"vm","pid":7,"runtime":"bun","runtimeVersion":"1.0.0",' +
        '"version":"0.1.0","startedAt":"2026-01-01T00:00:00.000Z","writtenAt":"2026-01-02T03:04:05.678Z"}',
    );
  });

  it("can be read again", () => {
    const { report, problem } = parseReport(formatReport(identity, load, "now"));
    assert.equal(problem, undefined);
    const { cpuUsage, totalCpu, loadAverages, ...rest } = load;
    assert.deepEqual(report, {
      ...rest,
      ...identity,
      cpuUsage: 33,
      totalCpu: 1.5,
      loadAverages: [0.33, 0.5, 1],
      totalMemoryDesc: "23.4 GB",
      writtenAt: "now",
    });
  });

  it("is news when a number is a step away from what was reported, and not when it only wavers", () => {
    const news = (change: Partial<Load>) => isNews({ ...load, ...change }, load);
    assert.equal(news({}), false);
    const wavering: Partial<Load> = {
      cpuUsage: 42,
      memoryUsage: load.memoryUsage + load.totalMemory / 101,
      processMemory: load.processMemory - 31 * mib,
      loadAverages: [0.8, 0.1, 1.4],
      diskUsed: 50_999_999,
    };
    assert.equal(news(wavering), false);
    assert.equal(news({ cpuUsage: 43.3 }), true);
    assert.equal(news({ cpuUsage: undefined }), true);
    assert.equal(news({ memoryUsage: load.memoryUsage - load.totalMemory / 100 }), true);
    assert.equal(news({ processMemory: load.processMemory + 32 * mib }), true);
    assert.equal(news({ loadAverages: [0.33, 0.5, 1.5] }), true);
    assert.equal(news({ diskUsed: 51_000_000 }), true);
    assert.equal(news({ totalMemory: load.totalMemory + 1 }), true);
    assert.equal(news({ totalCpu: 2 }), true);
  });

  it("takes larger steps of the load where there are many CPUs", () => {
    const large = { ...load, totalCpu: 64 };
    assert.equal(isNews({ ...large, loadAverages: [3.4, 0.5, 1] }, large), false);
    assert.equal(isNews({ ...large, loadAverages: [3.6, 0.5, 1] }, large), true);
  });
});

describe("what others left in an agent's place", () => {
  it("is read as far as it goes: the original agent has five fields", () => {
    const original =
      '{"serverIp":"10.0.0.9","totalCpu":4,"totalMemory":16,"totalMemoryDesc":"16 GB","memoryUsage":42.5}';
    const { report, problem } = parseReport(encode(original));
    assert.equal(problem, undefined);
    const { serverIp, totalCpu, totalMemory, totalMemoryDesc, memoryUsage, id, loadAverages } = report;
    assert.deepEqual(
      { serverIp, totalCpu, totalMemory, totalMemoryDesc, memoryUsage, id, loadAverages },
      {
        serverIp: "10.0.0.9",
        totalCpu: 4,
        totalMemory: 16,
        totalMemoryDesc: "16 GB",
        memoryUsage: 43,
        id: "",
        loadAverages: [],
      },
    );
  });

  it("loses the fields of another kind, and texts that are too long", () => {
    const odd = {
      serverIp: 7,
      totalCpu: "4",
      totalMemory: -1,
      memoryUsage: 1e300,
      loadAverages: [1, "2", null, 4, 5],
      // The cut is in the middle of a surrogate pair.
      name: `${"x".repeat(99)}😀`,
      pid: {},
      __proto__: { host: "inherited" },
    };
    const { report, problem } = parseReport(encode(JSON.stringify(odd)));
    assert.equal(problem, undefined);
    assert.equal(report.serverIp, "");
    assert.equal(report.totalCpu, undefined);
    assert.equal(report.totalMemory, undefined);
    assert.equal(report.memoryUsage, undefined);
    assert.deepEqual(report.loadAverages, [1]);
    assert.equal(report.name, `${"x".repeat(99)}\ufffd`);
    assert.equal(report.pid, undefined);
    assert.equal(report.host, "");
    assert.equal(parseReport(encode('{"__proto__":{"host":"x"},"totalCpu":1e999}')).report.host, "");
  });

  it("is a problem, and no failure, when it is no JSON object of a sensible size", () => {
    for (const text of ["", "null", "7", "[]", "{", "\ufeff{", `${"[".repeat(10_000)}`]) {
      assert.equal(parseReport(encode(text)).problem, "its data is not a JSON object", text.slice(0, 10));
    }
    assert.equal(parseReport(Uint8Array.of(0xff, 0xfe)).problem, "its data is not a JSON object");
    assert.match(
      parseReport(new Uint8Array(20_000)).problem ?? "",
      /has 20000 bytes; at most 16384 are read/,
    );
  });
});
