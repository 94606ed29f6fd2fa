import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:http";
import { buffer } from "node:stream/consumers";
import { signRequest } from "@authmesh/core";
import { amesh } from "@authmesh/sdk";
import { verify } from "@authmesh/sdk/fastify";
import fastify from "fastify";
import { expect, onTestFinished, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();
const options = { allowList: new MemoryTrust().trust(caller), logger: silent, maxBodyBytes: 1000 };
const large = Buffer.alloc(12 * 1024 * 1024);

const servers: Readonly<Record<string, () => Promise<string>>> = {
  "node:http": async () => {
    const verifier = amesh.verify(options);
    return (await serve((incoming, response) => verifier(incoming, response, () => response.end()))).url;
  },
  async fastify() {
    const app = fastify();
    onTestFinished(() => app.close());
    await app.register(verify, options);
    app.post("/", () => "handled");
    return app.listen();
  },
};

/** Sends all of a body, whatever comes back meanwhile. */
async function upload(url: string, body: Buffer) {
  const { publicKey, sign } = caller;
  const authorization = await signRequest(
    { method: "POST", url: new URL(url), body },
    { key: publicKey.base64, sign },
  );
  const outgoing = request(url, {
    method: "POST",
    headers: { authorization, "content-length": body.length },
  });
  const sent = once(outgoing, "close");
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const answer = (await buffer(response)).toString();
  await sent;
  return { status: response.statusCode, answer, connection: response.headers.connection };
}

test.each(Object.keys(servers))("%s answers a body that is too large, and is still heard", async (name) => {
  const url = (await servers[name]?.()) ?? "";
  for (let i = 0; i < 5; i++)
    expect(await upload(url, large)).toEqual({
      status: 413,
      answer: '{"error":"payload_too_large"}',
      connection: "close",
    });
});
