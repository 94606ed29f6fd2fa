import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, utimesSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { readCertificate, renewCertificate } from "../src/node/index.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-certificates-"));
const kinds = {
  ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  ec2: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  rsa: ["-newkey", "rsa:2048"],
} as const;
type Kind = keyof typeof kinds;
const certOf = (kind: Kind) => join(folder, `${kind}.pem`);
const keyOf = (kind: Kind) => join(folder, `${kind}-key.pem`);

beforeAll(() => {
  for (const kind of Object.keys(kinds) as Kind[]) {
    const files = ["-nodes", "-keyout", keyOf(kind), "-out", certOf(kind)];
    execFileSync("openssl", ["req", "-x509", ...kinds[kind], "-subj", "/CN=x", ...files], {
      stdio: "ignore",
    });
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each<[Kind, Kind]>([
  ["rsa", "ec"],
  ["ec", "rsa"],
  ["ec", "ec2"],
])("a certificate of %s with the key of %s is refused", (cert, key) => {
  expect(() => readCertificate({ cert: certOf(cert), key: keyOf(key) })).toThrow(
    "the key is not that of the certificate",
  );
});

it.each<Kind>(["rsa", "ec"])("a certificate of %s with its own key is taken", (kind) => {
  expect(Object.keys(readCertificate({ cert: certOf(kind), key: keyOf(kind) }))).toEqual(["cert", "key"]);
});

it("a renewed pair that does not fit is told of, and so is the end of that", async () => {
  const files = { cert: join(folder, "used.pem"), key: join(folder, "used-key.pem") };
  let second = 1;
  const place = (cert: Kind, key: Kind) => {
    copyFileSync(certOf(cert), files.cert);
    copyFileSync(keyOf(key), files.key);
    for (const file of Object.values(files)) utimesSync(file, second, second);
    second += 1;
  };
  place("ec", "ec");
  const server = createServer(readCertificate(files));
  let told = "";
  let recoveries = 0;
  const stop = renewCertificate(server, files, {
    failed: (reason) => new AmeshError("gateway_cannot_listen", reason),
    tell: ({ message }) => {
      told = message;
    },
    recovered: () => {
      recoveries += 1;
    },
    everyMs: 5,
  });
  onTestFinished(stop);
  place("rsa", "ec");
  await vi.waitFor(() => expect(told).toBe("KEY_MISMATCH"));
  expect(recoveries).toBe(0);
  place("rsa", "rsa");
  await vi.waitFor(() => expect(recoveries).toBe(1));
});
