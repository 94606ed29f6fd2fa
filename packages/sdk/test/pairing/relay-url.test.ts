import { AmeshError } from "@authmesh/core";
import { defaultRelay, relayUrl } from "@authmesh/sdk/pairing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const codeOf = (text: string): string => {
  try {
    relayUrl(text, {});
    return "no error";
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
};

describe("the URL of the relay", () => {
  const env = { AMESH_RELAY_URL: "wss://relay.example.com/ws" };

  it("is what is given, else AMESH_RELAY_URL, else the default", () => {
    expect(relayUrl("ws://127.0.0.1:3001/ws", env)).toBe("ws://127.0.0.1:3001/ws");
    expect(relayUrl(undefined, env)).toBe("wss://relay.example.com/ws");
    expect(relayUrl(undefined, {})).toBe(defaultRelay);
    expect(defaultRelay).toBe("wss://relay.authmesh.dev/ws");
  });

  it("counts as not given when it is empty", () => {
    expect(relayUrl("", env)).toBe("wss://relay.example.com/ws");
    expect(relayUrl("", { AMESH_RELAY_URL: "" })).toBe(defaultRelay);
  });

  it("may have a path before /ws, where a proxy stands in front", () => {
    expect(relayUrl("wss://example.com/pairing/ws", {})).toBe("wss://example.com/pairing/ws");
  });

  it.each([
    "relay.example.com",
    "http://relay.example.com/ws",
    "ws://relay.example.com",
    "ws://relay.example.com/wss",
    "ws://relay.example.com/ws?room=1",
    "ws://relay.example.com/ws?",
    "ws://relay.example.com/ws#top",
    "ws:///ws",
    "file:///ws",
    "ws+unix:///tmp/socket:/ws",
  ])("is not %s", (text) => {
    expect(codeOf(text)).toBe("invalid_option");
  });

  it("holds no password, and an error does not repeat one", () => {
    expect(() => relayUrl("wss://someone:hunter2@example.com/ws", {})).toThrow(
      expect.objectContaining({ code: "invalid_option", message: expect.not.stringContaining("hunter2") }),
    );
  });

  it("is a URL or an error of the catalogue, whatever is given", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.constant("ws://[/ws")), (text) => {
        expect(["no error", "invalid_option"]).toContain(codeOf(text));
      }),
    );
  });
});
