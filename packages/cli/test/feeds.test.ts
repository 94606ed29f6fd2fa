import { randomBytes } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createEd25519Signer } from "@authmesh/oath";
import { FeedState } from "@authmesh/oath/feed";
import { verify } from "@authmesh/sdk";
import { closeFeeds, FeedFiles, feedStatuses } from "@authmesh/sdk/feed";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { machineWithKey, TestAuthority } from "./fixtures/account.js";
import type { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.serve();
});
afterAll(() => authority.stop());
afterEach(() => vi.unstubAllEnvs());

const url = "https://auth.example.com";
const other = "https://other.example.com";
const { publicJwk } = createEd25519Signer(randomBytes(32));
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const status = async (machine: TestMachine) => documentOf(await machine.run(["status", "--json"]));
const warningsAbout = (words: string, warnings: readonly { detail: string; fix?: string }[]) =>
  warnings.filter(({ detail }) => detail.includes(words));

/** A machine that keeps a feed key of `url`, and copies whose last heads were signed so many seconds ago. */
async function keeper(ages: Readonly<Record<string, number | undefined>> = {}) {
  const machine = await machineWithKey();
  const files = await FeedFiles.of(await machine.open());
  await files.writePin({ url, from: "", key: publicJwk, seq: 2, through: [] });
  const mark = { epoch: 3, number: 14, digest: new Uint8Array(32) };
  for (const [feed, age] of Object.entries(ages)) {
    const headAt = age === undefined ? undefined : Math.floor(Date.now() / 1000) - age;
    await files.writeCopy({ iss: url, feed }, { state: new FeedState(), mark, headAt, key: "k".repeat(43) });
  }
  const damage = (ending: string) => {
    const folder = join(machine.dir, "feeds");
    for (const name of readdirSync(folder))
      if (name.endsWith(ending)) writeFileSync(join(folder, name), `{}\n${"A".repeat(43)}\n`);
  };
  return { machine, files, damage };
}

describe("amesh status", () => {
  it("shows the feed that a service of this machine follows, and the key that it pinned", async () => {
    const root = await authority.root("@acme");
    const { machine } = await authority.enrolled(root, "@acme", "api", { feed: "r" });
    expect(await status(machine)).toMatchObject({ feeds: [], feedKeys: [], fleet: null });
    vi.stubEnv("AUTH_MESH_PASSPHRASE", machine.env["AUTH_MESH_PASSPHRASE"] ?? "");
    verify({ allowList: machine.dir, authority: authority.url, account: "@acme", logger: silent });
    await expect.poll(() => feedStatuses()[0]?.stale, { timeout: 5000 }).toBe(false);
    const [followed] = feedStatuses();
    await closeFeeds();
    const { feeds, feedKeys, warnings } = await status(machine);
    expect(feeds).toEqual([
      {
        authority: authority.url,
        feed: "@acme",
        ...followed?.position,
        headAt: expect.any(Number),
        ageSeconds: expect.any(Number),
      },
    ]);
    expect(feeds[0].ageSeconds).toBeLessThan(60);
    const { kid } = (await (await fetch(`${authority.url}/v1/feeds/key`)).json()).key;
    expect(feedKeys).toEqual([{ authority: authority.url, key: kid, configured: null, rotations: 0 }]);
    expect(warningsAbout("copy", warnings)).toEqual([]);
  }, 30_000);

  it("tells people of each copy, and warns of those that are older than an hour or were never confirmed", async () => {
    const { machine } = await keeper({ "@acme": 43, "@old": 7300, tokens: undefined });
    const { status, stdout } = await machine.run(["status"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^ {2}Trust feed +: @acme at https:\/\/auth.example.com: 3\.14, confirmed \d\d s ago$/m,
    );
    expect(stdout).toMatch(/^ {2}Trust feed +: tokens at .*: 3\.14, never confirmed$/m);
    expect(stdout).toMatch(new RegExp(`^ {2}Feed key +: ${publicJwk.kid} of ${url}$`, "m"));
    expect(stdout).toMatch(
      /^WARN {2}The copy of @old at https:\/\/auth.example.com is 2 h old\.\n {6}.*amesh authority forget https:\/\/auth.example.com$/m,
    );
    expect(stdout).toMatch(/^WARN {2}The copy of tokens at \S+ was never confirmed\.$/m);
    expect(stdout).not.toContain("The copy of @acme");
  });

  it("warns of a pin that was changed, and shows what is whole beside it", async () => {
    const { machine, damage } = await keeper({ "@acme": 1 });
    damage(".pin");
    const { feeds, feedKeys, warnings } = await status(machine);
    expect(feeds).toMatchObject([{ feed: "@acme" }]);
    expect(feedKeys).toEqual([]);
    expect(warningsAbout("-key.pin", warnings)).toMatchObject([
      { verdict: "WARN", fix: expect.stringContaining("amesh authority forget URL") },
    ]);
  });
});

describe("amesh authority forget", () => {
  it("unpins an authority once somebody says yes, and leaves others alone", async () => {
    const { machine, files } = await keeper({ "@acme": 1, tokens: 1 });
    await files.writePin({ url: other, from: "", key: publicJwk, seq: 0, through: [] });
    const unasked = await machine.run(["authority", "forget", url]);
    expect(unasked).toEqual({ status: 2, ...failed("input_required", "--yes") });
    const question = `Forget the feed key ${publicJwk.kid} of ${url}?`;
    const no = await machine.runInTerminal(["authority", "forget", url], [[question, "n\r"]]);
    expect([no.status, files.list().pins.length]).toEqual([1, 2]);
    const yes = await machine.runInTerminal(["authority", "forget", url], [[question, "y\r"]]);
    expect(yes.status).toBe(0);
    expect(yes.screen).toContain(`✔ The feed key ${publicJwk.kid} of ${url} is not pinned any more.\n`);
    expect(yes.screen).toMatch(/✔ Copies forgotten: (@acme, tokens|tokens, @acme)\.\n/);
    expect(yes.screen).toContain("Next: restart the services");
    expect(files.list()).toMatchObject({ copies: [], pins: [{ url: other }], problems: [] });
  });

  it("forgets what was damaged, too", async () => {
    const { machine, files, damage } = await keeper({ "@acme": 1 });
    damage("");
    expect(files.list().problems).toHaveLength(2);
    const forgotten = await machine.succeed(["authority", "forget", url, "--yes", "--json"]);
    expect(documentOf(forgotten)).toEqual({ schema: 1, authority: url, key: null, feeds: [] });
    expect(files.keeps(url)).toBe(false);
  });

  it("says where nothing is kept, so that a URL with a typo is none that is forgotten", async () => {
    const { machine } = await keeper();
    const result = await machine.run(["authority", "forget", `${url}/`, "--yes"]);
    expect(result).toEqual({ status: 2, ...failed("invalid_option", "amesh status") });
  });
});
