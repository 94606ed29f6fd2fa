import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BootstrapToken,
  type BootstrapTokenOptions,
  bootstrapMeetingCode,
  checkBootstrapToken,
  createBootstrapToken,
  type Failure,
  isOneTimeCode,
  readBootstrapToken,
} from "../src/index.js";
import { anyText } from "./any-text.js";
import { changed, decode } from "./delegation-fixture.js";
import { laptop, noon, stranger } from "./verification-fixture.js";

const provision = (more: Partial<BootstrapTokenOptions> = {}): Promise<string> =>
  createBootstrapToken({
    controller: { publicKey: laptop.publicKey, sign: laptop.sign, friendlyName: "Dev Laptop" },
    name: "prod-server",
    relay: "wss://relay.example/ws",
    now: () => noon * 1000,
    ...more,
  });

const codeOf = (read: BootstrapToken | Failure | undefined) =>
  read !== undefined && "code" in read ? read.code : "good";

function readGood(text: string): BootstrapToken {
  const read = readBootstrapToken(text);
  if ("code" in read) throw new Error(read.detail);
  return read;
}

describe("a bootstrap token", () => {
  it("says who signed it, how the new machine is called, where the two meet and until when", async () => {
    const token = readGood(await provision({ host: "Api-1.", lifetimeSeconds: 60 }));
    expect(token).toMatchObject({
      controller: { friendlyName: "Dev Laptop" },
      name: "prod-server",
      relay: "wss://relay.example/ws",
      host: "api-1",
      issuedAt: noon,
      expiresAt: noon + 60,
    });
    expect(token.controller.publicKey.base64).toBe(laptop.publicKey.base64);
    expect(token.jti).toMatch(/^[\w-]{22}$/);
  });

  it("is another one each time, and lives an hour unless it is told otherwise", async () => {
    const [one, other] = [readGood(await provision()), readGood(await provision())];
    expect(one.jti).not.toBe(other.jti);
    expect(one.expiresAt - one.issuedAt).toBe(3600);
  });

  it.each([0, 86_401, 1.5, Number.NaN])("of %d seconds is a mistake of the programmer", async (seconds) => {
    await expect(provision({ lifetimeSeconds: seconds })).rejects.toThrow(TypeError);
  });

  it.each([
    ["a relay that is no URL of one", { relay: "https://relay.example" }, "invalid_option"],
    ["a host with a port", { host: "api:3000" }, "invalid_option"],
    ["a name of nothing", { name: " \u200b" }, "invalid_name"],
  ])("is not made with %s", async (_, more, code) => {
    await expect(provision(more)).rejects.toMatchObject({ code });
  });

  it.each<[string, (payload: Record<string, never>) => object]>([
    ["a member more", (p) => ({ ...p, scopes: "*:rw" })],
    ["no name", ({ name, ...p }) => p],
    ["another key than its signer's", (p) => ({ ...p, public_key: stranger.publicKey.base64 })],
    [
      "another device's key and id",
      (p) => ({ ...p, iss: stranger.publicKey.deviceId, public_key: stranger.publicKey.base64 }),
    ],
    ["a key that is none", (p) => ({ ...p, public_key: "A".repeat(44) })],
    ["another scope", (p) => ({ ...p, scope: "peer:remove" })],
    ["many uses", (p) => ({ ...p, single_use: false })],
    ["a short jti", (p) => ({ ...p, jti: "AAAA" })],
    ["a jti that is not base64url", (p) => ({ ...p, jti: `${"A".repeat(21)}B` })],
    ["a life of a day and a second", (p) => ({ ...p, exp: Number(p["iat"]) + 86_401 })],
    ["no life", (p) => ({ ...p, exp: p["iat"] })],
    ["times in text", (p) => ({ ...p, iat: "1" })],
    ["a relay of another scheme", (p) => ({ ...p, relay: "http://relay.example/ws" })],
    ["a host in capitals", (p) => ({ ...p, host: "API" })],
    ["a name without a visible character", (p) => ({ ...p, name: "\u200b" })],
    ["a name of its controller that is none", (p) => ({ ...p, controller: 1 })],
  ])("with %s is refused", async (_, payload) => {
    const text = await changed(await provision(), { payload: payload as never });
    expect(codeOf(readBootstrapToken(text))).toBe("bootstrap_token_invalid");
  });

  it.each<[string, (text: string) => string | Promise<string>]>([
    ["signed by another key", (text) => changed(text, { by: stranger })],
    ["of another typ", (text) => changed(text, { header: (h) => ({ ...h, typ: "amesh-delegation+jwt" }) })],
    ["of no algorithm", (text) => changed(text, { header: (h) => ({ ...h, alg: "none" }) })],
    [
      "with another kid",
      (text) => changed(text, { header: (h) => ({ ...h, kid: stranger.publicKey.deviceId }) }),
    ],
    ["longer than any", (text) => text.padEnd(2049, "A")],
    ["with a line end", (text) => `${text}\n`],
    ["empty", () => ""],
  ])("%s is refused", async (_, change) => {
    expect(codeOf(readBootstrapToken(await change(await provision())))).toBe("bootstrap_token_invalid");
  });

  it("is never repeated in why it is refused", async () => {
    const text = await changed(await provision(), { header: (h) => ({ ...h, alg: "a-part-of-the-token" }) });
    const read = readBootstrapToken(text);
    expect(JSON.stringify(read)).not.toContain("a-part-of-the-token");
  });

  it("is read, or refused by the catalogue, whatever the text", async () => {
    const good = await provision();
    const cut = fc.tuple(fc.nat(good.length), anyText()).map(([at, text]) => good.slice(0, at) + text);
    fc.assert(
      fc.property(fc.oneof(anyText(200), cut), (text) => {
        expect(codeOf(readBootstrapToken(text))).toBe(text === good ? "good" : "bootstrap_token_invalid");
      }),
    );
  });
});

describe("whether a bootstrap token is good here and now", () => {
  const check = async (now: number, hosts: string[], more = {}) =>
    codeOf(checkBootstrapToken(readGood(await provision(more)), { now: noon + now, hosts }));

  it.each([
    [-31, "bootstrap_token_expired"],
    [-30, "good"],
    [0, "good"],
    [3599, "good"],
    [3600, "bootstrap_token_expired"],
  ])("%d seconds after it was made: %s", async (seconds, code) => {
    expect(await check(seconds, ["any"])).toBe(code);
  });

  it("is a matter of the host's name, however that is written", async () => {
    expect(await check(0, ["API-1."], { host: "api-1" })).toBe("good");
    expect(await check(0, ["other", "api-1"], { host: "api-1" })).toBe("good");
    expect(await check(0, ["api-10", "api"], { host: "api-1" })).toBe("bootstrap_host_mismatch");
    expect(await check(0, [], { host: "api-1" })).toBe("bootstrap_host_mismatch");
  });
});

it("the two meet under a code that a relay takes and that does not show the jti", async () => {
  const { jti } = readGood(await provision());
  const code = bootstrapMeetingCode(jti);
  expect(isOneTimeCode(code)).toBe(true);
  expect(code).not.toBe(jti);
  expect(bootstrapMeetingCode(jti)).toBe(code);
});

it("a token's header and payload hold what docs/protocol.md lists, and nothing else", async () => {
  const [header = "", payload = ""] = (await provision()).split(".");
  expect(decode(header)).toEqual({
    typ: "amesh-bootstrap+jwt",
    alg: "ES256",
    kid: laptop.publicKey.deviceId,
  });
  expect(decode(payload)).toMatchObject({ single_use: true, scope: "peer:add" });
});
