import { describe, expect, it } from "vitest";
import { newFeedSigner } from "../../../oath/test/fixtures/feed-authority.js";
import { type FeedPin, joinPins, pinOf, pinText } from "../../src/feed/feed-pin.js";

const keys = Object.fromEntries(["A", "B", "C", "T"].map((name) => [name, newFeedSigner().publicJwk]));
const key = (name: string) => keys[name] as FeedPin["key"];
const url = "https://auth.example.com";

/** A pin of a service that was given a key, and the way that was shown to it: "ABC". */
const pin = (given: string, way: string): FeedPin => {
  const through = [...way.slice(0, -1)].map((name) => key(name).kid);
  const from = given === "" ? "" : key(given).kid;
  return { url, from, key: key(way.at(-1) as string), seq: way.charCodeAt(way.length - 1) - 65, through };
};
const wayOf = ({ key: last, through }: FeedPin): string =>
  [...through, last.kid].map((kid) => Object.keys(keys).find((name) => key(name).kid === kid)).join("");

describe("the pins of several services of a machine", () => {
  it.each([
    ["the first one stands", undefined, pin("A", "AB"), "AB"],
    ["one that was led further takes the place of the other", pin("A", "AB"), pin("A", "ABC"), "ABC"],
    ["one that lags behind moves nothing back", pin("A", "ABC"), pin("A", "AB"), "ABC"],
    ["one that was given a later key forgets no earlier one", pin("A", "AB"), pin("B", "B"), "AB"],
    ["nor where it was led further", pin("A", "AB"), pin("B", "BC"), "ABC"],
    ["one that was given an earlier key adds that", pin("B", "BC"), pin("A", "AB"), "ABC"],
    [
      "what a person names takes the place of where a thief of the old key led",
      pin("A", "AT"),
      pin("B", "AB"),
      "AB",
    ],
    ["and of an authority that was set up anew", pin("A", "AB"), pin("T", "T"), "T"],
  ])("%s", (_, stored, next, way) => {
    const joined = joinPins(stored, next);
    expect(wayOf(joined)).toBe(way);
    expect(pinOf(Buffer.from(pinText(joined)), "")).toMatchObject({ ...joined });
  });

  it.each([
    ["where the thief of a key that was rotated out leads", pin("A", "AB"), pin("A", "AT")],
    ["what a service that was given none saw first", pin("A", "AB"), pin("", "T")],
  ])("are not moved to %s", (_, stored, next) => {
    expect(() => joinPins(stored, next)).toThrow(expect.objectContaining({ code: "feed_key_changed" }));
  });
});
