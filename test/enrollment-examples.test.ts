import { afterAll, beforeAll, describe, test } from "vitest";
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

  test.each(FollowedPage.sections(`${example}/README.md`))(
    "%s: each command shows what the page says",
    async (_title, section) => {
      await page.follow(section);
    },
  );
});
