import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HelpRequested, readSettings, SettingError } from "../../src/settings/read-settings.ts";
import { choice, number, optional, text, toggle, withDefault } from "../../src/settings/setting.ts";

const program = {
  command: "sample",
  summary: "Does something.",
  settings: {
    key: text({ meaning: "What it is about.", placeholder: "KEY", source: "operand", allowed: "a text" }),
    port: withDefault(number({ meaning: "Port.", placeholder: "PORT", min: 1, max: 65_535 }), 1926),
    seconds: withDefault(
      number({
        meaning: "Wait.",
        placeholder: "SECONDS",
        min: 0.5,
        max: 10,
        fraction: true,
        source: "flag",
      }),
      5,
    ),
    driver: withDefault(
      choice({ meaning: "Driver.", placeholder: "DRIVER", words: ["wire", "native"] }),
      "wire",
    ),
    hosts: optional({
      ...text({ meaning: "Hosts.", placeholder: "HOST", allowed: "names" }),
      repeatable: true,
    }),
    auth: optional(
      text({
        meaning: "Credentials.",
        placeholder: "USER:PASSWORD",
        allowed: "user:password",
        accepts: (given) => given.includes(":"),
        secret: true,
      }),
    ),
    json: toggle("Machine-readable output."),
  },
  examples: ["sample a --json"],
};

function read(args: string, env: Record<string, string> = {}) {
  return readSettings(program, { args: args.split(" ").filter((arg) => arg !== ""), env });
}

function refused(args: string, env: Record<string, string> = {}): string {
  try {
    read(args, env);
  } catch (error) {
    assert.ok(error instanceof SettingError, String(error));
    assert.ok(!error.message.includes("\n"), "one line");
    return error.message;
  }
  throw new assert.AssertionError({ message: `${args} was accepted` });
}

describe("reading settings", () => {
  it("uses defaults for settings that are not given", () => {
    assert.deepEqual(read("k"), {
      key: "k",
      port: 1926,
      seconds: 5,
      driver: "wire",
      hosts: undefined,
      auth: undefined,
      json: false,
    });
  });

  it("accepts --name value and --name=value", () => {
    assert.equal(read("--port 7 k").port, 7);
    assert.equal(read("--port=7 k").port, 7);
    assert.equal(read("k --auth=a:b=c").auth, "a:b=c");
    assert.equal(read("k --json").json, true);
  });

  it("lets a flag win over the environment, and the last flag over an earlier one", () => {
    assert.equal(read("k", { port: "8" }).port, 8);
    assert.equal(read("k --port 9", { port: "8" }).port, 9);
    assert.equal(read("k --port 9 --port 10").port, 10);
  });

  it("treats an empty variable as unset", () => {
    assert.equal(read("k", { port: "" }).port, 1926);
  });

  it("ignores variables named like an operand or a flag-only setting", () => {
    assert.equal(read("k", { key: "other", seconds: "soon" }).key, "k");
  });

  it("joins a flag that may be repeated into one list", () => {
    assert.equal(read("--hosts a --hosts=b,c k").hosts, "a,b,c");
  });

  it("treats everything after -- as arguments, and a lone - as an argument", () => {
    assert.equal(read("-- --port").key, "--port");
    assert.equal(read("-").key, "-");
  });

  it("names the setting, its value and what is allowed", () => {
    assert.equal(refused("k --port 0"), 'port is "0"; allowed: a whole number from 1 to 65535');
    assert.equal(refused("k --port=-5"), 'port is "-5"; allowed: a whole number from 1 to 65535');
    assert.equal(refused("k --port 1e3"), 'port is "1e3"; allowed: a whole number from 1 to 65535');
    assert.equal(refused("k --seconds .1"), 'seconds is ".1"; allowed: a number from 0.5 to 10');
    assert.equal(refused("k --driver=x"), 'driver is "x"; allowed: wire or native');
    assert.equal(refused("k --json=yes"), '--json is "yes"; allowed: no value');
    assert.equal(
      refused("k", { port: "http" }),
      'port is "http" in the environment; allowed: a whole number from 1 to 65535',
    );
  });

  it("names a flag whose value is missing", () => {
    assert.equal(refused("k --port"), "--port has no value; allowed: a whole number from 1 to 65535");
    assert.equal(
      refused("--port --json k"),
      '--port has no value (a value that begins with "-" is written --port=VALUE); allowed: a whole number from 1 to 65535',
    );
  });

  it("refuses unknown flags and arguments", () => {
    const known = "--port --seconds --driver --hosts --auth --json --help";
    assert.equal(
      refused("k --prot 1"),
      `--prot is not a known flag (after --, a dash begins no flag); allowed: ${known}`,
    );
    assert.equal(
      refused("k --key=1"),
      `--key is not a known flag (after --, a dash begins no flag); allowed: ${known}`,
    );
    assert.equal(
      refused("k -p 1"),
      `-p is not a known flag (after --, a dash begins no flag); allowed: ${known}`,
    );
    for (const argument of ["-hello", "-hh"]) {
      assert.equal(
        refused(`k ${argument}`),
        `${argument} is not a known flag (after --, a dash begins no flag); allowed: ${known}`,
      );
    }
    assert.equal(refused("k more"), '"more" is one argument too many; allowed: KEY and flags');
  });

  it("requires settings without a default", () => {
    assert.equal(refused(""), "KEY must be given; allowed: a text");
    const needsName = {
      ...program,
      settings: { name: text({ meaning: "Name.", placeholder: "NAME", allowed: "a text" }) },
    };
    assert.throws(() => readSettings(needsName, { args: [], env: {} }), {
      message: "name must be given (as --name or as the environment variable name); allowed: a text",
    });
  });

  it("never shows a secret", () => {
    assert.ok(!refused("k --auth hunter2").includes("hunter2"));
    assert.ok(!refused("k --auth -hunter2").includes("hunter2"));
    assert.ok(!refused("k", { auth: "hunter2" }).includes("hunter2"));
  });
});

describe("help", () => {
  function helpFor(args: string): string {
    try {
      read(args, { auth: "me:hunter2" });
    } catch (error) {
      if (error instanceof HelpRequested) return error.help;
      throw error;
    }
    throw new assert.AssertionError({ message: "no help was given" });
  }

  it("shows every setting with what is allowed and its default, and no secret", () => {
    const help = helpFor("--help");
    for (const shown of ["sample KEY [SETTING]...", "--port PORT *", "1 to 65535; default: 1926", "--json"]) {
      assert.ok(help.includes(shown), `${shown} in:\n${help}`);
    }
    assert.ok(!help.includes("hunter2"));
  });

  it("shows no settings where there are none", () => {
    const shell = choice({
      meaning: "The shell.",
      placeholder: "SHELL",
      source: "operand",
      words: ["a", "b"],
    });
    const bare = { command: "sample", summary: "Does something.", settings: { shell } };
    const help = "Does something.\n\nUsage: sample SHELL\n\n  SHELL\n      The shell.\n";
    assert.throws(() => readSettings(bare, { args: ["--help"], env: {} }), { help });
  });

  it("is also shown when other settings are wrong", () => {
    assert.equal(helpFor("--port=x -h"), helpFor("--help"));
  });
});
