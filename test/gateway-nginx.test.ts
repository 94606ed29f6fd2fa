import { afterAll, beforeAll, describe, test } from "vitest";
import { FollowedPage } from "./fixtures/followed-page.js";

const readme = "examples/nginx-auth-request/README.md";
let page: FollowedPage;

beforeAll(async () => {
  page = await FollowedPage.open(readme, {
    examples: ["examples/nginx-auth-request"],
    ports: [3000, 8080, 8089],
    services: /^(amesh gateway authz|python3 service\.py|nginx )/,
  });
});

afterAll(() => page.close());

describe(readme, () => {
  test.each(FollowedPage.sections(readme))(
    "%s: each command shows what the page says",
    async (_, section) => {
      await page.follow(section);
    },
  );
});
