import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished, vi } from "vitest";
import { RunningAuthority, secret, silent } from "../running-authority.js";
import { temporaryFolder } from "../stores.js";
import { Account } from "./account.js";

/** A receiver that takes what it gets from the second time on. */
async function receiver() {
  const received: { authorization: string | undefined; events: { type: string; subject: string }[] }[] = [];
  let attempts = 0;
  const server = createServer(async (request: IncomingMessage, response) => {
    const events = JSON.parse(await text(request));
    response.statusCode = attempts++ === 0 ? 503 : 204;
    if (response.statusCode === 204) received.push({ authorization: request.headers.authorization, events });
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return { received, url: `http://127.0.0.1:${port}/hook` };
}

it.each(["option", "environment"])(
  "tells approvers of requests and of nothing else, named by the %s",
  async (by) => {
    const { received, url } = await receiver();
    const secretFile = join(temporaryFolder(), "secret");
    writeFileSync(secretFile, "hook-secret\n");
    const env = { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret };
    const running = await RunningAuthority.start(
      by === "option"
        ? { enrollmentWebhook: { url, secretFile } }
        : {
            env: {
              ...env,
              AMESH_ENROLLMENT_WEBHOOK_URL: url,
              AMESH_ENROLLMENT_WEBHOOK_SECRET_FILE: secretFile,
            },
          },
    );
    const account = await Account.open(running);
    const { device } = await account.enrolled();
    await vi.waitUntil(() => received.length > 0, 10_000);
    expect(received).toEqual([{ authorization: "Bearer hook-secret", events: [expect.anything()] }]);
    expect(received[0]?.events[0]).toMatchObject({
      type: "dev.authmesh.enrollment.requested",
      subject: device.id,
      source: running.authority.issuer,
    });
  },
);

it.each([
  [
    "a secret that is not there",
    { url: "https://hook.example.com", secretFile: "/nowhere" },
    "invalid_option",
  ],
  ["a URL without TLS", { url: "http://hook.example.com" }, undefined],
])("does not start with %s", async (_, enrollmentWebhook, code) => {
  const starting = RunningAuthority.start({ enrollmentWebhook, logger: silent });
  await expect(starting).rejects.toMatchObject(code === undefined ? { name: "TypeError" } : { code });
});

it("does not start with a webhook and without an audit, from which it hears", async () => {
  const starting = RunningAuthority.start({
    audit: undefined,
    enrollmentWebhook: { url: "https://hook.example.com" },
  });
  await expect(starting).rejects.toMatchObject({ code: "invalid_option" });
});
