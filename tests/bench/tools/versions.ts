import { spawnSync } from "node:child_process";
import redisPackage from "redis/package.json" with { type: "json" };

/** Of the tools that put load on the systems; those that are not there are left out. */
export function toolVersions(): Record<string, string> {
  const versions: Record<string, string> = { "npm redis": redisPackage.version };
  for (const tool of ["h2load", "redis-benchmark"]) {
    const { status, stdout } = spawnSync(tool, ["--version"], { encoding: "utf8" });
    if (status === 0) versions[tool] = stdout.trim().split(" ").at(-1) ?? "";
  }
  return versions;
}
