import { join } from "node:path";
import { readFeedRotation } from "@authmesh/oath/feed";
import { expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const env = { AMESH_TPM: undefined, NO_COLOR: "1", AUTH_MESH_PASSPHRASE: "correct horse battery staple 9" };

it("shows the feed key wherever an authority is looked at, rotates it, and begins epochs", async () => {
  const host = new TestMachine();
  onTestFinished(() => host.remove());
  const dir = join(host.folder, "authority");
  const of = async (...verb: readonly string[]) =>
    documentOf(await host.run(["authority", ...verb, "--dir", dir, "--json"], { env }));

  const { feedKey } = await of("init", "--backend", "encrypted-file");
  expect(feedKey).toMatch(/^[\w-]{43}$/);
  const early = await host.run(["authority", "feed-key", "rotate", "--dir", dir], { env });
  expect(early).toMatchObject({ status: 4, ...failed("authority_not_found", "amesh authority serve") });

  const port = String(await freePort());
  const url = `http://localhost:${port}`;
  const serve = ["authority", "serve", "--dir", dir, "--port", port, "--public-tokens-feed", "--json"];
  const program = host.start(serve, env);
  onTestFinished(() => program.stop());
  expect(await program.event("listening")).toMatchObject({ issuer: url, feedKey });
  expect(await of("status", "--url", url)).toMatchObject({ feedKey });

  const { feedKey: next } = await of("feed-key", "rotate");
  expect(next).not.toBe(feedKey);
  const published = async () => (await fetch(`${url}/v1/feeds/key`)).json();
  await expect.poll(async () => (await published()).key.kid, { timeout: 3000 }).toBe(next);
  const [rotation] = (await published()).rotations;
  expect(readFeedRotation(rotation)).toMatchObject({ iss: url, old: feedKey, seq: 1 });

  expect(await of("new-epoch")).toMatchObject({ feeds: ["tokens"] });
  const epoch = async () => {
    const { head } = await (await fetch(`${url}/v1/feeds/tokens/head`)).json();
    return JSON.parse(Buffer.from(head.split(".")[1], "base64url").toString()).epoch;
  };
  await expect.poll(epoch, { timeout: 3000 }).toBeGreaterThan(1_700_000_000);
});
