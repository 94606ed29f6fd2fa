import { expect, it } from "vitest";
import { failure, foreignSentence, problemDocument } from "../src/index.js";

it("is told what is wrong with the caller's own request, and how to mend it", () => {
  const refused = failure("mint_denied", "No rule grants it.", "Add a rule.");
  expect(problemDocument(refused, { step: "mint", decision: "d1" })).toEqual({
    title: failure("mint_denied").detail,
    status: 403,
    detail: "No rule grants it.",
    error: "mint_denied",
    step: "mint",
    fix: "Add a rule.",
    decision: "d1",
  });
});

it("tells nothing of what is wrong with the server itself", () => {
  const down = failure("database_unavailable", "postgres://user:password@db is away.", "Look at db.");
  expect(JSON.stringify(problemDocument(down))).not.toMatch(/postgres|Look at db/);
  expect(problemDocument(down)).not.toHaveProperty("step");
});

it.each([
  ["No rule lets it.\u001b[2J\r\nAdd one.", "No rule lets it. [2J Add one."],
  ["left\u202eright", "left right"],
  ["x".repeat(2000), "x".repeat(1000)],
  [7, undefined],
  [undefined, undefined],
])("shows %j of another machine on one line, with nothing that moves the cursor", (text, shown) =>
  expect(foreignSentence(text)).toBe(shown),
);
