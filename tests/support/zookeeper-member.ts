import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { until } from "./until.ts";

export interface MemberPorts {
  readonly client: number;
  readonly secure: number;
  readonly quorum: number;
  readonly election: number;
}

interface MemberLayout {
  readonly index: number;
  /** Of all members, spare ones last. */
  readonly ports: readonly MemberPorts[];
  /** How many of them are spare. When some are, the configuration says where clients reach each member. */
  readonly spare: number;
  /** Shared by all members; each has a folder of its own in it. */
  readonly folder: string;
  readonly tickTimeMs: number;
  readonly tls: boolean | "mutual";
  readonly heapMb: number;
  readonly config: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, string>>;
}

/** One ZooKeeper server. */
export interface ZooKeeperMember {
  /** `host:port` for clients. */
  readonly address: string;
  readonly port: number;
  /** Its line in the configuration of an ensemble: `server.<number>=...`, with where clients reach it. */
  readonly definition: string;
  /** `host:port` for clients that speak TLS, and the certificate in PEM that they have to trust, with its key. */
  readonly tls: { readonly address: string; readonly certificate: string; readonly key: string } | undefined;
  /** Starts it if it does not run, and waits until it serves clients. */
  start(): Promise<void>;
  /** Starts it without waiting: a member of an ensemble serves only when a majority is there. */
  launch(): void;
  /** Asks it to end (SIGTERM), and waits until it has. */
  stop(): Promise<void>;
  /** Ends it without warning (SIGKILL), and waits until it has. */
  kill(): Promise<void>;
  /** Stops its clock (SIGSTOP): its connections stay open and nothing answers on them, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Waits until it serves clients. */
  serving(): Promise<void>;
  /** `standalone`, `leader` or `follower`; undefined when it serves nobody. */
  mode(): Promise<string | undefined>;
  /** What it answers to a four-letter word, such as `dump` or `cons`. Empty when it does not. */
  ask(word: string): Promise<string>;
}

const HOST = "127.0.0.1";
const JARS = "/usr/share/java";
/** The manifest of ZooKeeper's jar names the rest, but for logging and what Netty needs for TLS. */
const CLASS_PATH = ["zookeeper", "slf4j-simple", "netty-codec", "netty-resolver"]
  .map((name) => `${JARS}/${name}.jar`)
  .join(":");
const NETTY = "org.apache.zookeeper.server.NettyServerCnxnFactory";

export function makeMember(layout: MemberLayout): ZooKeeperMember {
  if (!existsSync(`${JARS}/zookeeper.jar`)) {
    throw new Error(`${JARS}/zookeeper.jar is not there; install it with: apt-get install zookeeper`);
  }
  const folder = join(layout.folder, `${layout.index + 1}`);
  mkdirSync(folder);
  const tls = layout.tls
    ? { address: `${HOST}:${ownPorts(layout).secure}`, ...makeCertificate(folder) }
    : undefined;
  writeConfig(layout, folder);
  const port = ownPorts(layout).client;
  const log = join(folder, "log");
  let java: ChildProcess | undefined;

  // Not `java.kill`: on Deno it takes every signal for the end of the child.
  const signal = (name: NodeJS.Signals) => {
    if (java?.pid !== undefined) process.kill(java.pid, name);
  };
  const end = async (name: NodeJS.Signals) => {
    if (java === undefined) return;
    const ended = once(java, "exit");
    java.ref();
    signal(name);
    await ended;
  };
  const launch = () => {
    if (java !== undefined) return;
    const child = runJava(folder, log, layout);
    const stopGuarding = guard(child, layout.folder);
    child.once("exit", () => {
      stopGuarding();
      java = undefined;
    });
    java = child;
  };
  const ask = (word: string) => fourLetterWord(port, word);
  const mode = async () => /^Mode: (\w+)$/m.exec(await ask("srvr"))?.[1];
  const serving = async () => {
    await until(`ZooKeeper serves at ${HOST}:${port}`, 60_000, async () => {
      if (java === undefined) throw new Error(`ZooKeeper ended: ${readFileSync(log, "utf8").slice(-4000)}`);
      return (await mode()) !== undefined;
    });
  };
  return {
    address: `${HOST}:${port}`,
    port,
    definition: `server.${layout.index + 1}=${definitionOf(ownPorts(layout))}`,
    tls,
    async start() {
      launch();
      await serving();
    },
    launch,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    serving,
    mode,
    ask,
  };
}

function ownPorts({ ports, index }: MemberLayout): MemberPorts {
  const own = ports[index];
  if (own === undefined) throw new Error(`no ports for member ${index}`);
  return own;
}

/** See "Dynamic Reconfiguration" in ZooKeeper's guide. */
function definitionOf({ quorum, election, client }: MemberPorts): string {
  return `${HOST}:${quorum}:${election}:participant;${HOST}:${client}`;
}

function writeConfig(layout: MemberLayout, folder: string): void {
  const { client, secure } = ownPorts(layout);
  const settings: Record<string, string | number> = {
    ...layout.config,
    dataDir: folder,
    tickTime: layout.tickTimeMs,
    // In ticks. Generous for the start, as machines that run tests are busy.
    initLimit: Math.ceil(20_000 / layout.tickTimeMs),
    syncLimit: 10,
    // With spare members, it is in the definition of each.
    ...(layout.spare === 0 && { clientPort: client, clientPortAddress: HOST }),
    maxClientCnxns: 0,
    maxSessionTimeout: 60_000,
    "admin.enableServer": "false",
    "4lw.commands.whitelist": "*",
  };
  if (layout.ports.length > 1) {
    const isSpare = (index: number) => index >= layout.ports.length - layout.spare;
    for (const [index, ports] of layout.ports.entries()) {
      // Spare members that knew each other could make an ensemble of their own.
      if (isSpare(index) && index !== layout.index) continue;
      const { quorum, election } = ports;
      settings[`server.${index + 1}`] =
        layout.spare > 0 ? definitionOf(ports) : `${HOST}:${quorum}:${election}`;
    }
  }
  if (layout.tls) {
    settings.secureClientPort = secure;
    settings.secureClientPortAddress = HOST;
    settings["ssl.keyStore.location"] = join(folder, "tls.pem");
    settings["ssl.clientAuth"] = layout.tls === "mutual" ? "need" : "none";
    // ZooKeeper wants one even when it asks clients for no certificate.
    settings["ssl.trustStore.location"] = join(folder, "tls.pem");
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, "zoo.cfg"), lines.join(""));
  writeFileSync(join(folder, "myid"), `${layout.index + 1}\n`);
}

/** A self-signed certificate for 127.0.0.1 and its key, in one file as ZooKeeper takes them. */
function makeCertificate(folder: string): { certificate: string; key: string } {
  const [keyFile, certificateFile] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  execFileSync(
    "openssl",
    [
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", keyFile, "-out", certificateFile],
    ].flat(),
    { stdio: "ignore" },
  );
  const [certificate, key] = [readFileSync(certificateFile, "utf8"), readFileSync(keyFile, "utf8")];
  writeFileSync(join(folder, "tls.pem"), key + certificate);
  return { certificate, key };
}

/**
 * Shell commands that close what a process has inherited beside its standard streams: sockets of the native client,
 * which marks none as not to be inherited, would stay open for as long as a server that was started after them.
 */
const closeInherited =
  'for fd in $(ls /proc/self/fd); do if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi; done';

function runJava(folder: string, log: string, { tls, heapMb, properties }: MemberLayout): ChildProcess {
  const output = openSync(log, "a");
  try {
    return spawn(
      "bash",
      [
        ["-c", `${closeInherited}; exec "$@"`, "bash", "java"],
        // One small quick-starting process of a moment, not a server of years.
        [`-Xmx${heapMb}m`, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"],
        // Nothing here outlives a crash of the machine, so nothing needs to wait for the disk.
        ["-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=1024"],
        // Elections repeat what was not heard of after this time, doubled up to a minute by default.
        ["-Dzookeeper.fastleader.maxNotificationInterval=400"],
        ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"],
        tls ? [`-Dzookeeper.serverCnxnFactory=${NETTY}`] : [],
        Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
        ["-cp", CLASS_PATH, "org.apache.zookeeper.server.quorum.QuorumPeerMain", join(folder, "zoo.cfg")],
      ].flat(),
      { stdio: ["ignore", output, output] },
    );
  } finally {
    closeSync(output);
  }
}

/**
 * Kills `child` and removes `folder` when this process goes without having done so, however it goes: a shell waits for
 * the end of a pipe that only we hold. Neither keeps this process alive.
 */
function guard(child: ChildProcess, folder: string): () => void {
  const script = `${closeInherited}; trap "" INT TERM HUP; read -r _; kill -9 "$1"; rm -rf "$2"`;
  const shell = spawn("bash", ["-c", script, "guard", `${child.pid}`, folder], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.unref();
  shell.unref();
  if (shell.stdin !== null && "unref" in shell.stdin && typeof shell.stdin.unref === "function") {
    shell.stdin.unref();
  }
  return () => {
    // Not `shell.kill`: on Deno it ends the pipe first, which sets the guard off.
    if (shell.pid !== undefined) process.kill(shell.pid, "SIGKILL");
  };
}

/** See ZooKeeper's administrator's guide, "The Four Letter Words". Empty when the server does not answer. */
export function fourLetterWord(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host: HOST, port });
    // A frozen server takes the connection and never answers.
    socket.setTimeout(1000, () => socket.destroy());
    socket.on("connect", () => socket.write(word));
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}
