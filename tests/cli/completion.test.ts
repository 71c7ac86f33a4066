import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runKvlab } from "./run-kvlab.ts";

const timeout = 60_000;
const shells = ["bash", "zsh", "fish"] as const;

let folder: string;
const files = new Map<string, string>();

before(
  async () => {
    folder = await mkdtemp(join(tmpdir(), "kvlab-completion-"));
    for (const shell of shells) {
      const { exitCode, stdout } = await runKvlab(["completion", shell]);
      assert.equal(exitCode, 0);
      const file = join(folder, `kvlab.${shell}`);
      await writeFile(file, stdout);
      files.set(shell, file);
    }
    await writeFile(join(folder, "keys of mine.jsonl"), "");
  },
  { timeout },
);

after(() => rm(folder, { recursive: true }));

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const script = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kvlab; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync(
    "bash",
    ["-c", script, "bash", files.get("bash") ?? "", "kvlab", ...words],
    { encoding: "utf8", cwd: folder },
  );
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  return stdout.split("\n").filter((line) => line !== "");
}

describe("kvlab completion", () => {
  it("makes bash offer commands, their flags and what they take", { timeout }, () => {
    const all = offered("");
    for (const name of ["put", "scan", "import", "log", "completion", "help"])
      assert.ok(all.includes(name), name);
    assert.deepEqual(offered("lo"), ["locate", "log"]);
    assert.deepEqual(offered("log", ""), ["verify", "dump", "repair"]);
    assert.deepEqual(offered("ring", "re"), ["remove", "resume"]);
    assert.deepEqual(offered("ring", "add", "zdata3", "--d"), ["--dry-run"]);
    assert.deepEqual(offered("ring", "--w"), ["--watch"]);
    assert.deepEqual(offered("put", "a", "1", "--if"), ["--if-revision", "--if-present", "--if-absent"]);
    assert.deepEqual(offered("log", "verify", "--"), ["--json", "--help"]);
    assert.deepEqual(offered("get", "--timeout", ""), []);
    assert.deepEqual(offered("completion", "f"), ["fish"]);
    assert.deepEqual(offered("help", "sc"), ["scan"]);
    assert.deepEqual(offered("import", "key"), ["keys of mine.jsonl"]);
    assert.deepEqual(offered("import", "--skip-bad", "key"), ["keys of mine.jsonl"]);
    assert.deepEqual(offered("data", "--dbfile", "key"), ["keys of mine.jsonl"]);
    assert.deepEqual(offered("data", "--rbfile", "key"), ["keys of mine.jsonl"]);
    assert.deepEqual(offered("dev", "--datadir", "key"), ["keys of mine.jsonl"]);
    assert.deepEqual(offered("get", "key"), []);
  });

  it("makes fish offer the same", { timeout }, () => {
    const fish = (line: string) => {
      const script = 'source $argv[1]; complete -C"$argv[2]"';
      const args = ["--no-config", "-c", script, files.get("fish") ?? "", line];
      const { stdout } = spawnSync("fish", args, { encoding: "utf8", cwd: folder });
      return stdout.split("\n").flatMap((offer) => (offer === "" ? [] : [offer.split("\t")[0]]));
    };
    assert.deepEqual(fish("kvlab lo"), ["locate", "log"]);
    assert.deepEqual(fish("kvlab log "), ["dump", "repair", "verify"]);
    assert.deepEqual(fish("kvlab put a 1 --if"), ["--if-absent", "--if-present", "--if-revision"]);
    assert.deepEqual(fish("kvlab completion f"), ["fish"]);
    assert.deepEqual(fish("kvlab import key"), ["keys of mine.jsonl"]);
    assert.deepEqual(fish("kvlab get key"), []);
  });

  for (const shell of shells) {
    it(`makes a script that ${shell} can read`, { timeout }, () => {
      const { status, stderr } = spawnSync(shell, ["-n", files.get(shell) ?? ""], { encoding: "utf8" });
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    });
  }

  it("has every flag of every command in each script", { timeout }, async () => {
    const { stdout } = await runKvlab(["help"]);
    const names = [...stdout.matchAll(/^ {2}kvlab ([a-z]+(?: [a-z]+)?) /gm)].map(([, name = ""]) => name);
    assert.ok(names.length > 10);
    for (const shell of shells) {
      const script = (await runKvlab(["completion", shell])).stdout;
      for (const name of names) assert.ok(script.includes(name), `${name} in ${shell}`);
      for (const flag of ["if-revision", "keys-only", "skip-bad", "accept-data-loss", "previous"]) {
        assert.ok(script.includes(flag), `${flag} in ${shell}`);
      }
    }
  });
});
