import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "./ratios.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  /** Median of a write of 4 KiB and its fdatasync, where the clusters keep their files. */
  readonly syncMs: number;
  /** Of the minute before: what else the machine does. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    syncMs: measureSync(),
    loadBefore: loadavg()[0] ?? 0,
  };
}

function measureSync(): number {
  const folder = mkdtempSync(join(tmpdir(), "bench-sync-"));
  const file = openSync(join(folder, "file"), "w");
  const block = Buffer.alloc(4096, 1);
  const times = Array.from({ length: 200 }, () => {
    const begunMs = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - begunMs;
  });
  closeSync(file);
  rmSync(folder, { recursive: true });
  return median(times);
}
