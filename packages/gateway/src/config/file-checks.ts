import { createPrivateKey } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { createSecureContext } from "node:tls";
import { AmeshError } from "@authmesh/core";
import type { Place } from "@authmesh/oath/document";
import { loadPolicy, readCertificate, readPemFile } from "@authmesh/oath/node";
import type { GatewaySettings } from "./settings.js";
import type { Report } from "./settings-of.js";

interface FileCheck {
  readonly at: Place;
  readonly paths: readonly string[];
  /** Throws for what cannot be used. */
  use(...contents: Buffer[]): unknown;
}

/** Reads every file that a configuration names, as the gateway will, and reports what it could not use. */
export async function checkFiles(settings: GatewaySettings, report: Report): Promise<void> {
  const attempt = async (at: Place, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      report(at, `cannot be used: ${reasonOf(error)}`);
    }
  };
  for (const { at, paths, use } of checksOf(settings))
    await attempt(at, async () => use(...paths.map(readPemFile)));
  const { audit } = settings.verification;
  if (audit !== undefined && audit !== "-")
    await attempt(["audit"], async () => {
      if (!(await stat(dirname(audit))).isDirectory()) throw new Error(`${dirname(audit)} is no folder`);
    });
  for (const [path, at] of policiesOf(settings)) await attempt(at, () => loadPolicy(path));
}

function checksOf({ listen: { tls }, context, upstreams }: GatewaySettings): FileCheck[] {
  const checks: FileCheck[] = [];
  if (tls !== undefined)
    checks.push({
      at: ["listen", "tls"],
      paths: [],
      use: () => createSecureContext(readCertificate({ cert: tls.cert, key: tls.key })),
    });
  if (tls?.clientCa !== undefined)
    checks.push({ at: ["listen", "tls", "clientCa"], paths: [tls.clientCa], use: asAuthority });
  if (context.token.keyFile !== undefined)
    checks.push({ at: ["context", "token", "keyFile"], paths: [context.token.keyFile], use: asP256Key });
  for (const { name, ca } of upstreams)
    if (ca !== undefined) checks.push({ at: ["upstreams", name, "ca"], paths: [ca], use: asAuthority });
  return checks;
}

/** Each once, where it is named first. */
function policiesOf({ verification: { tokens }, routes }: GatewaySettings): Map<string, Place> {
  const named: [string | undefined, Place][] = [
    [tokens?.policy, ["tokens", "policy"]],
    ...routes.map(({ policy }, index): [string | undefined, Place] => [policy, ["routes", index, "policy"]]),
  ];
  const policies = new Map<string, Place>();
  for (const [path, at] of named)
    if (path !== undefined && path !== "none" && !policies.has(path)) policies.set(path, at);
  return policies;
}

function asAuthority(pem: Buffer): void {
  // Node.js passes over what is no certificate.
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) throw new Error("there is no certificate in it");
  createSecureContext({ ca: pem });
}

function asP256Key(pem: Buffer): void {
  const { asymmetricKeyDetails } = createPrivateKey(pem);
  if (asymmetricKeyDetails?.namedCurve !== "prime256v1") throw new Error("it is no P-256 key");
}

/** A sentence. */
function reasonOf(error: unknown): string {
  if (error instanceof AmeshError) return error.message;
  const { code = "", syscall, path, message } = error as NodeJS.ErrnoException;
  const reason = syscall === undefined ? message : `${path ?? "the file"} cannot be read (${code})`;
  return `${reason.replace(/\.$/, "")}.`;
}
