import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { RevocationSource } from "@authmesh/oath";
import { protectToken } from "@authmesh/sdk/node";
import { onTestFinished } from "vitest";
import { silent } from "./running-authority.js";

/** A service that takes an issuer's tokens, as often as one likes. @returns what it says of a token: "ok", or why not */
export async function receiver(
  issuer: string,
  revocations: RevocationSource,
): Promise<(token: string) => Promise<string>> {
  const audience = "api.example.com";
  const trust = { audience, trustedIssuers: [issuer], policy: "none", tokenUse: "until-expiry" } as const;
  const server = createServer(
    protectToken((_, response) => response.end('{"error":"ok"}'), { ...trust, revocations, logger: silent }),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return async (token) => {
    const headers = { Authorization: `OathMesh ${token}` };
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers });
    return (await answer.json()).error;
  };
}
