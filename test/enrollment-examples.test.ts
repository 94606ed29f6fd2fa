import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FollowedPage } from "./fixtures/followed-page.js";

describe.each(["examples/onboarding", "examples/enrollment"])("%s/README.md", (example) => {
  let page: FollowedPage;

  beforeAll(async () => {
    page = await FollowedPage.open(`${example}/README.md`, {
      examples: [example],
      ports: [4000, 8082],
      services: /^(amesh authority serve|node server\.js)/,
    });
  });

  afterAll(() => page.close());

  test("nothing that its commands make would be committed", () => {
    const made = ["secret", "recovery-codes", "new-codes", "laptop/identity.json", "authority/authority.db"]
      .concat("laptop.backup", "backup-passphrase", "api.invitation", "replicas.secret")
      .map((name) => `${example}/${name}`);
    const ignored = execFileSync("git", ["check-ignore", ...made], { encoding: "utf8" });
    expect(ignored.trimEnd().split("\n")).toEqual(made);
  });

  test.each(FollowedPage.sections(`${example}/README.md`))(
    "%s: each command shows what the page says",
    async (_title, section) => {
      await page.follow(section);
    },
  );
});
