import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { diskSpaceReader } from "../../src/agent/disk-space.ts";
import { machineReader } from "../../src/agent/machine.ts";

const folders: string[] = [];

describe("the load of a machine", () => {
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  const gib = 1024 ** 3;

  /** A Linux machine with 8 CPUs and 16 GiB of memory, of which 4 GiB are in use, and with these files besides. */
  function machine(files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(join(tmpdir(), "kvlab-machine-"));
    folders.push(root);
    const all = {
      "proc/meminfo": `MemTotal:       ${16 * 1024 ** 2} kB\nMemFree:     1 kB\nMemAvailable:   ${12 * 1024 ** 2} kB\n`,
      "proc/self/status": "Name:\tbun\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n",
      "proc/stat": "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n",
      "proc/self/cgroup": "0::/\n",
      ...files,
    };
    for (const [path, text] of Object.entries(all)) write(root, path, text);
    return root;
  }

  function write(root: string, path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }

  const cgroup = (path: string) => `sys/fs/cgroup/${path}`;

  /** What the reader says of the memory and CPUs there are. */
  function totals(files: Readonly<Record<string, string>>) {
    const { totalCpu, totalMemory, memoryUsage } = machineReader(machine(files))();
    return { totalCpu, totalMemory, memoryUsage };
  }

  it("is that of the machine without a container, and without what the system would give back", () => {
    assert.deepEqual(totals({}), { totalCpu: 8, totalMemory: 16 * gib, memoryUsage: 4 * gib });
  });

  it("is bound by the limits of cgroups of version 2, without the file contents that can be taken back", () => {
    const files = {
      [cgroup("memory.max")]: `${2 * gib}\n`,
      [cgroup("memory.current")]: `${gib}\n`,
      [cgroup("memory.stat")]: `anon 5\nfile 7\ninactive_file ${gib / 4}\nactive_file 1\n`,
      [cgroup("cpu.max")]: "150000 100000\n",
      [cgroup("cpu.stat")]: "usage_usec 1000\nuser_usec 500\n",
    };
    assert.deepEqual(totals(files), { totalCpu: 1.5, totalMemory: 2 * gib, memoryUsage: 0.75 * gib });
  });

  it("is bound by the least limit of nested cgroups, with the use of the one that has it", () => {
    const files = {
      "proc/self/cgroup": "0::/pod/app/worker\n",
      [cgroup("pod/memory.max")]: `${gib}\n`,
      [cgroup("pod/memory.current")]: `${gib / 2}\n`,
      [cgroup("pod/app/memory.max")]: "max\n",
      [cgroup("pod/app/memory.current")]: "5\n",
      [cgroup("pod/app/worker/memory.max")]: `${3 * gib}\n`,
      [cgroup("pod/app/worker/memory.current")]: "7\n",
      [cgroup("pod/cpu.max")]: "400000 100000\n",
      [cgroup("pod/cpu.stat")]: "usage_usec 1\n",
      [cgroup("pod/app/cpu.max")]: "100000 50000\n",
      [cgroup("pod/app/cpu.stat")]: "usage_usec 1\n",
      [cgroup("pod/app/worker/cpu.max")]: "max 100000\n",
    };
    assert.deepEqual(totals(files), { totalCpu: 2, totalMemory: gib, memoryUsage: gib / 2 });
  });

  it("is bound by the limits of cgroups of version 1, as of a container that sees only its own folder", () => {
    const files = {
      // Docker without a cgroup namespace: the paths are those of the host, and are not there.
      "proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
      [cgroup("memory/memory.limit_in_bytes")]: `${4 * gib}\n`,
      [cgroup("memory/memory.usage_in_bytes")]: `${3 * gib}\n`,
      [cgroup("memory/memory.stat")]: `inactive_file 1\ntotal_inactive_file ${gib}\n`,
      [cgroup("cpu/cpu.cfs_quota_us")]: "50000\n",
      [cgroup("cpu/cpu.cfs_period_us")]: "100000\n",
      [cgroup("cpu/cpuacct.usage")]: "1000000\n",
    };
    assert.deepEqual(totals(files), { totalCpu: 0.5, totalMemory: 4 * gib, memoryUsage: 2 * gib });
  });

  it("is that of the machine where a cgroup has no limit, or one beyond the machine", () => {
    const unlimited = { totalCpu: 8, totalMemory: 16 * gib, memoryUsage: 4 * gib };
    const version1 = {
      "proc/self/cgroup": "4:memory:/\n2:cpu:/\n0::/\n",
      [cgroup("memory/memory.limit_in_bytes")]: "9223372036854771712\n",
      [cgroup("memory/memory.usage_in_bytes")]: "1\n",
      [cgroup("cpu/cpu.cfs_quota_us")]: "-1\n",
      [cgroup("cpu/cpu.cfs_period_us")]: "100000\n",
    };
    assert.deepEqual(totals(version1), unlimited);
    const version2 = {
      [cgroup("memory.max")]: "max\n",
      [cgroup("memory.current")]: "1\n",
      [cgroup("cpu.max")]: "max 100000\n",
    };
    assert.deepEqual(totals(version2), unlimited);
    const beyond = { [cgroup("cpu.max")]: "1600000 100000\n", [cgroup("cpu.stat")]: "usage_usec 1\n" };
    assert.deepEqual(totals(beyond), unlimited);
  });

  it("counts only the CPUs on which the process may run", () => {
    assert.equal(totals({ "proc/self/status": "Cpus_allowed_list:\t0-1,4\n" }).totalCpu, 3);
  });

  it("survives a path that leads out of the container, and files with anything in them", () => {
    const odd = {
      "proc/self/cgroup": "nonsense\n0::/../../../etc\n",
      "proc/meminfo": `MemTotal: ${16 * 1024 ** 2} kB\nMemAvailable: none\n`,
      [cgroup("memory.max")]: "-1\n",
      [cgroup("cpu.max")]: "0 0\n",
    };
    const { totalCpu, totalMemory, memoryUsage } = totals(odd);
    assert.deepEqual({ totalCpu, totalMemory }, { totalCpu: 8, totalMemory: 16 * gib });
    assert.ok(memoryUsage >= 0);
  });

  it("has the use of the CPUs since the last reading: of the machine without a limit", () => {
    const root = machine({});
    const read = machineReader(root);
    assert.equal(read().cpuUsage, undefined);
    // In all 100 ticks, of which 60 are idle or wait for a disk. The ticks of guests are among the first number.
    write(root, "proc/stat", "cpu  130 0 110 750 110 0 0 0 80 0\n");
    assert.equal(read().cpuUsage, 40);
    // Nothing can be said when no time has passed.
    assert.equal(read().cpuUsage, undefined);
  });

  it("has the use of the container's CPUs where it has a limit, and nothing when the limit has just come", () => {
    const root = machine({});
    let nowMs = 0;
    const read = machineReader(root, () => nowMs);
    read();
    write(root, cgroup("cpu.max"), "200000 100000\n");
    write(root, cgroup("cpu.stat"), "usage_usec 5000000\n");
    assert.equal(read().cpuUsage, undefined);
    nowMs += 1000;
    write(root, cgroup("cpu.stat"), "usage_usec 6000000\n");
    // One second of CPU time in a second with two CPUs.
    assert.equal(read().cpuUsage, 50);
    nowMs += 1000;
    write(root, cgroup("cpu.stat"), "usage_usec 1\n");
    assert.equal(read().cpuUsage, 0);
  });

  it("is plausible on this machine", () => {
    const load = machineReader()();
    assert.ok(load.totalCpu > 0 && load.totalMemory > 0 && load.processMemory > 0);
    assert.ok(load.memoryUsage > 0 && load.memoryUsage <= load.totalMemory);
    assert.equal(load.loadAverages.length, 3);
  });
});

describe("the space of a disk", () => {
  it("is told once it has been read, and a disk that hangs is asked once", async () => {
    const answers: ((space: { diskTotal: number; diskUsed: number }) => void)[] = [];
    const read = diskSpaceReader("/data", () => new Promise((resolve) => answers.push(resolve)));
    assert.equal(read(), undefined);
    assert.equal(read(), undefined);
    assert.equal(answers.length, 1);
    answers[0]?.({ diskTotal: 10, diskUsed: 5 });
    await new Promise(setImmediate);
    assert.deepEqual(read(), { diskTotal: 10, diskUsed: 5 });
    assert.equal(answers.length, 2);
  });

  it("is unknown while the folder cannot be read", async () => {
    let fails = false;
    const space = { diskTotal: 10, diskUsed: 5 };
    const read = diskSpaceReader("/data", () =>
      fails ? Promise.reject(new Error("gone")) : Promise.resolve(space),
    );
    read();
    await new Promise(setImmediate);
    fails = true;
    assert.deepEqual(read(), space);
    await new Promise(setImmediate);
    assert.equal(read(), undefined);
  });
});
