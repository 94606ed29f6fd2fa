import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { readConfigFile, settingsOfFile } from "../../src/config/read-config.js";
import type { GatewaySettings } from "../../src/config/settings.js";
import type { Surroundings } from "../../src/config/settings-of.js";

/** A folder that is gone after the test, with these files in it. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-gateway-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

export interface Given {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Surroundings["env"];
  readonly role?: Surroundings["role"];
  readonly name?: string;
}

/** What a configuration of this text comes to; `folder` is where it stands. */
export async function settingsOfText(
  text: string,
  { files = {}, env = {}, role = "proxy", name = "gateway.yaml" }: Given = {},
): Promise<GatewaySettings & { readonly folder: string }> {
  const folder = folderOf({ ...files, [name]: text });
  const file = await readConfigFile(join(folder, name));
  return { ...(await settingsOfFile(file, { env, role })), folder };
}

/** What is wrong with it, a line each, without the folder; empty for nothing. */
export async function problemsOfText(text: string, given: Given = {}): Promise<readonly string[]> {
  try {
    await settingsOfText(text, given);
    return [];
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    if (code !== "gateway_config_invalid") throw error;
    return message.split("\n").map((line) => line.replaceAll(/\/[^ :]*\/amesh-gateway-[^/]+\//g, ""));
  }
}

export const smallest = `version: 1
routes:
  - path: /*
    upstream: http://127.0.0.1:8080
`;
/** The smallest configuration with more members at its top. */
export const having = (members: string) => `${smallest}${members}\n`;
/** One with these routes. */
export const routing = (routes: string, more = "") => `version: 1\nroutes:\n${routes}${more}`;
export const tokens = "tokens: { issuers: https://issuer.example.com, audience: orders, policy: none }\n";

/** PKCS#8 PEM of a new key. */
export function keyOf(namedCurve: string): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve });
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}
