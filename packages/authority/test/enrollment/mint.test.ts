import { jwkOf } from "@authmesh/core";
import { readToken, thumbprint } from "@authmesh/oath";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Device, RunningAuthority } from "../running-authority.js";
import { Account, post, refusal } from "./account.js";

let running: RunningAuthority;
let acme: Account;
beforeAll(async () => {
  // The policy grants everything, and is not asked.
  running = await RunningAuthority.start({}, afterAll);
  acme = await Account.open(running, "@acme");
});

const wish = { aud: "api.example.com", act: "orders.write" };

describe("a token of an enrolled device", () => {
  it.each([
    ["authmesh", false],
    ["http-signature", false],
    ["http-signature", true],
  ] as const)("is of its own subject and its account (%s, session %s)", async (scheme, session) => {
    const names = { appName: "orders", deviceName: `box-${scheme}-${session}` };
    const { device, id } = await acme.enrolled({ ...names, scopes: { orders: "rw" } }, { scheme, session });
    const asked = { ...wish, scope: ["orders:rw", "orders.eu:r"], ttl: 60, cnf: "request-key" };
    const answer = await device.mint(running.url, asked);
    expect(answer.status).toBe(200);
    const { token, sub } = await answer.json();
    expect(sub).toBe(`svc://acme/orders/${names.deviceName}`);
    const { claims } = readToken(token);
    expect(claims).toMatchObject({ sub, tenant: "@acme", ...wish, scope: asked.scope });
    const jkt = thumbprint(jwkOf(device.key.publicKey));
    if (session) expect(claims?.cnf?.jkt).not.toBe(jkt);
    else expect(claims?.cnf?.jkt).toBe(jkt);
    expect(running.events.findLast(({ type }) => type.endsWith("token.minted"))).toMatchObject({
      subject: device.id,
      proven: true,
      data: { enrollment: id, token: { sub } },
    });
  });

  it.each([
    ["another subject", { sub: "svc://acme/orders/other" }],
    ["a paired device's subject", { sub: "svc://device/am_AAAAAAAAAAAAAAAA" }],
    ["an action it has no grant for", { act: "billing.read" }],
    ["writing what it may read", { act: "profile.update" }],
    ["a reserved action", { act: "__manage.read" }],
    ["an action that names no verb", { act: "orders" }],
    ["an action of three parts", { act: "orders.eu.write" }],
    ["authenticating elsewhere", { act: "amesh.authenticate" }],
    ["a wider scope", { scope: ["profile:rw"] }],
    ["a wider scope among others", { scope: ["orders:rw", "billing:r"] }],
    ["every scope", { scope: ["*:r"] }],
    ["a scope spelt as a requirement", { scope: ["orders:w"] }],
    ["two scopes in one", { scope: ["orders:r,profile:r"] }],
    ["a scope with a space", { scope: ["orders:r\u00a0"] }],
    ["an environment", { env: "production" }],
  ])("is not given for %s", async (_, more) => {
    const { device } = await acme.enrolled({ scopes: { orders: "rw", profile: "r" } });
    const [status, error] = await refusal(device.mint(running.url, { ...wish, ...more }));
    expect([
      [403, "mint_denied"],
      [400, "authority_request_invalid"],
    ]).toContainEqual([status, error]);
    expect((await device.mint(running.url, wish)).status).toBe(200);
  });

  it("ends with the enrollment at the latest", async () => {
    const { device, id } = await acme.enrolled({ lifetime: 60 });
    const { expiresAt } = await acme.show(id);
    const { token } = await (await device.mint(running.url, { ...wish, ttl: 300 })).json();
    expect(readToken(token).claims?.exp).toBe(expiresAt);
    const own = { aud: running.url, act: "amesh.authenticate" };
    const answer = await acme.answer(device, "authenticate", 1);
    const { token: answered } = await (
      await post(fetch, `${running.url}/v1/authentication`, { answer, token: { ...own, ttl: 300 } })
    ).json();
    expect(readToken(answered).claims?.exp).toBe(expiresAt);
    const brief = await (await device.mint(running.url, { ...wish, ttl: 5 })).json();
    expect(brief.expires_in).toBe(5);
  });

  it("is told of by introspection to devices of its account alone", async () => {
    const { device } = await acme.enrolled();
    const { device: stranger } = await (await Account.open(running)).enrolled();
    const operator = await running.device();
    const { token } = await (await device.mint(running.url, wish)).json();
    const { token: ofNobody } = await (await operator.mint(running.url, wish)).json();
    const isActive = async (by: Device, asked: string) => {
      const init = { method: "POST", body: new URLSearchParams({ token: asked }) };
      return (await (await by.fetch(`${running.url}/v1/introspect`, init)).json()).active;
    };
    expect(await isActive(device, token)).toBe(true);
    expect(await isActive(operator, token)).toBe(true);
    expect(await isActive(stranger, token)).toBe(false);
    expect(await isActive(operator, ofNobody)).toBe(true);
    expect(await isActive(device, ofNobody)).toBe(false);
  });

  it("needs no scope to say to the authority who it is", async () => {
    const { device } = await acme.enrolled({ scopes: { profile: "r" } });
    const answer = await device.mint(running.url, { aud: running.url, act: "amesh.authenticate" });
    expect(answer.status).toBe(200);
  });

  it("is given for what a narrowing left, and not after a revocation of the device or of its account", async () => {
    const { device, id } = await acme.enrolled({ scopes: { orders: "rw" } });
    await acme.decide(id, "narrow", { scopes: { orders: "r" } });
    expect(await refusal(device.mint(running.url, wish))).toEqual([403, "mint_denied"]);
    expect((await device.mint(running.url, { ...wish, act: "orders.list" })).status).toBe(200);
    await acme.decide(id, "revoke");
    expect(await refusal(device.mint(running.url, wish))).toEqual([401, "unauthorized"]);

    const other = await Account.open(running);
    const { device: box } = await other.enrolled();
    const entry = { by: "tenant", value: other.name, reason: "unpaid", actor: "am_x", at: 1 } as const;
    await running.authority.state.store.addRevocation(entry);
    expect(await refusal(box.mint(running.url, wish))).toEqual([403, "revoked"]);
  });

  it("is asked of the policy for a device that is paired, too", async () => {
    const { device } = await acme.enrolled();
    await running.add(device);
    const { sub } = await (await device.mint(running.url, wish)).json();
    expect(sub).toBe(`svc://device/${device.id}`);
  });

  it("is not given where another replica revoked the device a moment ago", async () => {
    const { device, id } = await acme.enrolled();
    const row = await running.authority.state.enrollmentStore.readEnrollment("@acme", id);
    if (row === undefined) throw new Error("it was just enrolled");
    // As another process would: this one is not told before it looks.
    await running.authority.state.enrollmentStore.changeAccount("@acme", (work) =>
      work.write({ before: row, after: { ...row, status: "revoked" } }),
    );
    const [status, error] = await refusal(device.mint(running.url, wish));
    expect([
      [403, "enrollment_revoked"],
      [401, "unauthorized"],
    ]).toContainEqual([status, error]);
  });
});
