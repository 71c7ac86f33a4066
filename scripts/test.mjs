// npm test: installs what is missing and runs everything. Needs nothing but Node.js 18 and npm.
import { parseArgs } from "node:util";
import { checks } from "./checks.mjs";
import { buildAddon, installPackages, missingPackages } from "./packages.mjs";
import { installSystemPackages } from "./system-packages.mjs";
import { runTestFiles, runtimeNames, testFiles } from "./test-files.mjs";

const HELP = `Runs all checks, then the test files on Bun, Node.js and Deno.

Usage: npm test -- [--only PART]... [--runtime NAME]...

  --only PART     Only checks and test files whose name contains PART, e.g. lint or tests/cluster.
  --runtime NAME  Test files only, and only on ${runtimeNames.join(", ")}.
  --help

The last line counts: N passed, N failed. A check counts as one test, a test once for each runtime.
With CI=true a skipped test counts as failed.
`;

// One more than the smallest machine that we care for has cores: many files wait for other processes, or for time-outs,
// for half of their time. More would disturb them.
const WORKERS = 3;

const options = readOptions();
prepare();

const total = { passed: 0, failed: 0, skipped: 0 };
const startedMs = Date.now();
const jobs = selectJobs();
await runAll(jobs.filter((job) => !job.alone));
for (const job of jobs.filter((each) => each.alone)) await runAll([job]);
finish();

function readOptions() {
  const names = { only: { type: "string", multiple: true }, runtime: { type: "string", multiple: true } };
  try {
    const { values } = parseArgs({ options: { ...names, help: { type: "boolean", short: "h" } } });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const unknown = values.runtime?.find((name) => !runtimeNames.includes(name));
    if (unknown !== undefined)
      throw new Error(`--runtime is ${unknown}; allowed: ${runtimeNames.join(", ")}`);
    return values;
  } catch (error) {
    console.error(`npm test: ${error.message}`);
    process.exit(2);
  }
}

function prepare() {
  const missing = missingPackages({ development: true });
  if (missing.length > 0) {
    console.log(`Installing npm packages: ${missing.length} are missing`);
    if (!installPackages({ development: true }))
      fail("npm could not install the packages; see its message above");
  }
  const stillMissing = installSystemPackages();
  if (stillMissing.length > 0) fail(`install first: ${stillMissing.join(", ")}`);
  if (!buildAddon())
    fail("the package zookeeper could not be built; it needs make, a C++ compiler and python3");
}

function fail(message) {
  console.error(`npm test: ${message}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

function selectJobs() {
  const chosen = (name) => options.only?.some((part) => name.includes(part)) ?? true;
  const files = testFiles().filter(({ file }) => chosen(file));
  const checkJobs = checks
    .filter(({ name }) => chosen(name) && !options.runtime)
    .map(({ name, run }) => ({
      label: `check  ${name}`,
      run: async () => asCounts(await run()),
      alone: false,
      computes: true,
    }));
  const testJobs = (options.runtime ?? runtimeNames).flatMap((runtime) => {
    const ofRuntime = files.filter(({ runtimes }) => runtimes.includes(runtime));
    const groups = new Set(ofRuntime.map(({ group }) => group));
    return [...groups].map((group) => testJob(runtime, group, ofRuntime));
  });
  if (checkJobs.length + testJobs.length === 0) fail("nothing is selected");
  // What takes long must not begin last.
  testJobs.sort((a, b) => b.files - a.files);
  return [...checkJobs, ...testJobs];
}

function testJob(runtime, group, ofRuntime) {
  const members = ofRuntime.filter((each) => each.group === group);
  const files = members.map(({ file }) => file);
  const what = files.length === 1 ? files[0] : `${group} (${files.length} files)`;
  return {
    label: `${runtime.padEnd(5)}  ${what}`,
    run: () => runTestFiles(runtime, files),
    alone: members[0].alone,
    computes: members[0].computes,
    files: files.length,
  };
}

function asCounts({ ok, ...rest }) {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, ...rest };
}

/**
 * One worker begins with what computes, and the others with what waits: then no core is idle, and what waits is not kept
 * from the other one.
 */
async function runAll(selected) {
  const computing = selected.filter((job) => job.computes);
  const waiting = selected.filter((job) => !job.computes);
  const work = async (first, then) => {
    const take = () => first.shift() ?? then.shift();
    for (let job = take(); job; job = take()) report(job.label, await job.run());
  };
  const others = Array.from({ length: WORKERS - 1 }, () => work(waiting, computing));
  await Promise.all([work(computing, waiting), ...others]);
}

function report(label, { passed, failed, skipped, output, seconds }) {
  const skippedFails = process.env.CI === "true" ? skipped : 0;
  total.passed += passed;
  total.failed += failed + skippedFails;
  total.skipped += skipped - skippedFails;
  const bad = failed + skippedFails > 0;
  const notes = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`];
  console.log(
    `${bad ? "FAIL" : "ok  "}  ${label}  ${notes.filter(Boolean).join(", ")}  ${seconds.toFixed(1)} s`,
  );
  if (bad) console.log(output.trimEnd().replace(/^/gm, "      "));
}

function finish() {
  console.log(`\n${((Date.now() - startedMs) / 1000).toFixed(0)} s in all`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exit(total.failed > 0 ? 1 : 0);
}
