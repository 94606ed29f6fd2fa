/**
 * What the tests need beside Node.js. On Debian, as root, a missing one is installed; elsewhere the run says what is
 * missing and how to get it, and the tests that need it fail.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./run.js";
import { npm } from "./setup.js";

const runs = (program, ...args) => spawnSync(program, args, { cwd: root }).status === 0;

/** Where Debian has it, whatever the processor; undefined where it is not. */
export const faketimeLibrary = () =>
  readdirSync("/usr/lib")
    .map((name) => join("/usr/lib", name, "faketime", "libfaketime.so.1"))
    .find((path) => existsSync(path));

const components = [
  {
    name: "Python with the module cryptography (an independent implementation of the protocol)",
    packages: ["python3", "python3-cryptography"],
    present: () => spawnSync("/usr/bin/python3", ["-c", "import cryptography"]).status === 0,
  },
  {
    name: "Go (a caller in another language)",
    packages: ["golang"],
    present: () => runs("go", "version"),
  },
  {
    name: "PyJWT, go-jose and a JDK (verifiers of tokens in other languages)",
    packages: ["python3-jwt", "golang-gopkg-square-go-jose.v2-dev", "openjdk-17-jdk-headless"],
    present: () =>
      spawnSync("/usr/bin/python3", ["-c", "import jwt"]).status === 0 &&
      existsSync("/usr/share/gocode/src/gopkg.in/square/go-jose.v2") &&
      runs("javac", "-version"),
  },
  {
    name: "swtpm and tpm2-tools (a software TPM 2.0, and a second opinion on what it is told)",
    packages: ["swtpm", "swtpm-tools", "tpm2-tools", "libtss2-tcti-swtpm0"],
    present: () => ["swtpm", "tpm2_load"].every((name) => spawnSync(name, ["--version"]).status === 0),
  },
  {
    name: "gnome-keyring, D-Bus and secret-tool (a Secret Service, and a second opinion on what it keeps)",
    packages: ["gnome-keyring", "libsecret-tools", "dbus-daemon", "dbus-bin"],
    present: () =>
      ["gnome-keyring-daemon", "dbus-daemon", "dbus-send", "secret-tool"].every(
        (name) => spawnSync(name, ["--version"]).error === undefined,
      ),
  },
  {
    name: "certtool (the authority that certifies software TPMs)",
    packages: ["gnutls-bin"],
    present: () => spawnSync("certtool", ["--version"]).status === 0,
  },
  {
    name: "SoftHSM and pkcs11-tool (a software PKCS#11 token, and a second opinion on what it holds)",
    packages: ["softhsm2", "opensc"],
    present: () =>
      ["/usr/lib/softhsm/libsofthsm2.so", "/usr/bin/softhsm2-util", "/usr/bin/pkcs11-tool"].every((path) =>
        existsSync(path),
      ),
  },
  {
    name: "curl and jq (what the quick start is typed with)",
    packages: ["curl", "jq"],
    present: () => runs("curl", "--version") && runs("jq", "--version"),
  },
  {
    name: "redis-server (the store that several instances share)",
    packages: ["redis-server"],
    present: () => runs("redis-server", "--version"),
  },
  {
    name: "PostgreSQL (the state that replicas of an authority share)",
    packages: ["postgresql"],
    present: () => existsSync("/usr/lib/postgresql"),
  },
  {
    name: "nginx and Caddy (reverse proxies, with services behind them)",
    packages: ["nginx-light", "caddy"],
    present: () => runs("nginx", "-v") && runs("caddy", "version"),
  },
  {
    name: "systemd-analyze (what reads the units)",
    packages: ["systemd"],
    present: () => runs("systemd-analyze", "--version"),
  },
  {
    name: "wrk (load for servers)",
    packages: ["wrk"],
    present: () => spawnSync("wrk", ["-v"]).error === undefined,
  },
  {
    name: "ip, nft and libfaketime (networks that part, and clocks that are wrong)",
    packages: ["iproute2", "nftables", "libfaketime"],
    present: () =>
      ["ip", "nft"].every((name) => spawnSync(name, ["-V"]).error === undefined) &&
      faketimeLibrary() !== undefined,
  },
  {
    name: "pkcs11js, compiled, and what compiles it",
    packages: ["python3", "make", "g++"],
    present: () => runs("g++", "--version") && runs(process.execPath, "-e", "require('pkcs11js')"),
    // npm goes on without an optional package that it cannot compile. By now it can.
    async complete() {
      if (!runs("g++", "--version")) return;
      rmSync(join(root, "node_modules", "pkcs11js"), { recursive: true, force: true });
      await npm("install", "--no-save");
    },
  },
];

export async function provideComponents() {
  const missing = components.filter((component) => !component.present());
  if (missing.length === 0) return;
  const packages = missing.flatMap((component) => component.packages);
  if (existsSync("/etc/debian_version") && process.getuid?.() === 0) {
    console.error(`amesh: installing what the tests need: ${packages.join(" ")}`);
    const quiet = {
      stdio: ["ignore", "ignore", 2],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    };
    await run("apt-get", ["update", "-qq"], quiet);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], quiet);
  }
  for (const { complete } of missing) await complete?.();
  if (reportMissing() && process.env.CI) process.exit(1);
}

/** Says what is missing and how to get it; returns whether anything is. Asks for the components of `packages`, or all. */
export function reportMissing(packages) {
  const wanted = components.filter((each) => packages?.some((name) => each.packages.includes(name)) ?? true);
  const missing = wanted.filter((component) => !component.present());
  for (const { name, packages } of missing) {
    console.error(`amesh: missing: ${name}`);
    console.error(`amesh: hint: apt-get install ${packages.join(" ")}`);
  }
  return missing.length > 0;
}
