import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../scripts/run.js";
import { FollowedPage } from "./fixtures/followed-page.js";

const guide = "docs/guide/tokens-quickstart.md";
let page: FollowedPage;

beforeAll(async () => {
  page = await FollowedPage.open(guide, {
    examples: ["examples/token-api", "examples/github-actions"],
    ports: [4000, 4100, 8081],
    services: /^(amesh authority serve|node server\.js|node stand-in\.js)/,
  });
});

afterAll(() => page.close());

describe(guide, () => {
  test.each(FollowedPage.sections(guide))(
    "%s: each command shows what the page says",
    async (_title, section) => {
      await page.follow(section);
    },
  );

  test.each(["token-api/authority.yaml", "github-actions/order.sh", "github-actions/deploy.yml"])(
    "shows %s as it is",
    (file) => expect(page.text).toContain(`\n${readFileSync(join(root, "examples", file), "utf8")}\`\`\``),
  );
});
