import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** What the tests need of the system, and the Debian package that brings it. */
const needed = [
  { what: "make", package: "make", present: () => onPath("make") },
  { what: "a C++ compiler", package: "g++", present: () => onPath("g++") || onPath("c++") },
  { what: "Python 3", package: "python3", present: () => onPath("python3") },
  { what: "ZooKeeper", package: "zookeeper", present: () => existsSync("/usr/share/java/zookeeper.jar") },
  { what: "Java", package: "default-jre-headless", present: () => onPath("java") },
  { what: "OpenSSL", package: "openssl", present: () => onPath("openssl") },
  { what: "Chromium", package: "chromium", present: () => existsSync("/usr/bin/chromium") },
  {
    what: "gRPC for Python",
    package: "python3-grpcio",
    present: () => existsSync("/usr/lib/python3/dist-packages/grpc"),
  },
  {
    what: "kazoo",
    package: "python3-kazoo",
    present: () => existsSync("/usr/lib/python3/dist-packages/kazoo"),
  },
  { what: "zsh", package: "zsh", present: () => onPath("zsh") },
  { what: "fish", package: "fish", present: () => onPath("fish") },
];

/** Installs with apt-get what is missing, if we are root. Returns what is still missing after that, in words. */
export function installSystemPackages() {
  const missing = needed.filter(({ present }) => !present());
  if (missing.length === 0) return [];
  const names = missing.map((each) => each.package);
  if (process.getuid?.() === 0 && onPath("apt-get")) {
    console.log(`Installing Debian packages: ${names.join(", ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = (...args) => spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
    apt("update", "-qq");
    apt("install", "-y", "-qq", "--no-install-recommends", ...names);
  }
  return missing
    .filter(({ present }) => !present())
    .map((each) => `${each.what} (Debian package ${each.package})`);
}

function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
