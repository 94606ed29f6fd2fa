import { fromBase64Url } from "@authmesh/core";
import { comparisonCode } from "@authmesh/core/enrollment";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Device, RunningAuthority } from "../running-authority.js";
import { Account, post, refusal } from "./account.js";

let running: RunningAuthority;
let acme: Account;
beforeAll(async () => {
  running = await RunningAuthority.start({}, afterAll);
  acme = await Account.open(running);
});

describe("a request", () => {
  it("waits with its comparison code, is approved narrower, and lets the device in", async () => {
    const device = new Device();
    const request = acme.request(device, { scopes: { orders: "rw", profile: "r" }, lifetime: 3600 });
    const answer = await acme.send(device, request, await acme.passcode());
    expect(answer.status).toBe(202);
    const { id, status, s } = await answer.json();
    expect(status).toBe("pending");
    const code = comparisonCode(request, fromBase64Url(s) ?? new Uint8Array());
    expect(await acme.show(id)).toMatchObject({
      id,
      account: acme.name,
      deviceId: device.id,
      status: "pending",
      code,
      conflicts: [],
      address: "127.0.0.1",
      attestation: "none",
      requested: { scopes: { orders: "rw", profile: "r" }, lifetime: 3600 },
    });
    expect((await device.fetch(`${acme.url}/self`)).status).toBe(401);

    const decided = await acme.decide(id, "approve", { scopes: { orders: "r" } });
    expect(decided.status).toBe(200);
    const { enrollments } = await decided.json();
    expect(enrollments).toMatchObject([{ id, status: "approved", scopes: { orders: "r" } }]);
    for (const hidden of ["code", "conflicts", "s", "counter", "requestDigest"])
      expect(enrollments[0]).not.toHaveProperty(hidden);
    const own = await (await device.fetch(`${acme.url}/self`)).json();
    expect(own).toMatchObject({ id, status: "approved", scopes: { orders: "r" } });
    const types = running.events.filter(({ subject }) => subject === device.id).map(({ type }) => type);
    expect(types).toContain("dev.authmesh.enrollment.requested");
    expect(types).toContain("dev.authmesh.enrollment.approved");
  });

  it("gets the same answer when it is sent again, and uses no second passcode", async () => {
    const device = new Device();
    const request = acme.request(device);
    const passcode = await acme.passcode();
    const first = await (await acme.send(device, request, passcode)).json();
    expect(await (await acme.send(device, request, passcode)).json()).toEqual(first);
  });

  it("is refused alike with a passcode that is wrong, used, or of an account that there is not", async () => {
    const passcode = await acme.passcode();
    const first = new Device();
    expect((await acme.send(first, acme.request(first), passcode)).status).toBe(202);
    const refusals = [];
    for (const [account, code] of [
      [acme.name, passcode],
      [acme.name, "WRONG2"],
      ["@nobody-here", passcode],
    ] as const) {
      const device = new Device();
      const answer = await acme.send(device, { ...acme.request(device), account }, code);
      refusals.push([answer.status, await answer.text()]);
    }
    expect(new Set(refusals.map(String)).size).toBe(1);
    expect(refusals[0]?.[0]).toBe(401);
    expect(refusals[0]?.[1]).toContain("passcode_refused");
  });

  it.each([
    ["another origin", { origin: "https://elsewhere.example.com" }],
    ["an old time", { issuedAt: Math.floor(Date.now() / 1000) - 301 }],
    ["a time to come", { issuedAt: Math.floor(Date.now() / 1000) + 320 }],
    ["no scope", { scopes: {} }],
    ["a scope that nobody can grant", { scopes: { __billing: "r" as const } }],
    ["a scope that is none", { scopes: { Orders: "rw" } as never }],
    ["a name that is none", { appName: ".." }],
    ["a key that is none", { publicKey: "A".repeat(44) }],
  ])("is refused with %s, and uses nothing up", async (_, wrong) => {
    const passcode = await acme.passcode();
    const device = new Device();
    const request = acme.request(device);
    const bad = await acme.send(device, { ...request, ...wrong }, passcode);
    expect([bad.status, (await bad.json()).error]).toEqual([400, "authority_request_invalid"]);
    expect((await acme.send(device, request, passcode)).status).toBe(202);
  });

  it("is refused when another key signed it", async () => {
    const [device, other] = [new Device(), new Device()];
    const request = { ...acme.request(other), publicKey: device.key.publicKey.base64 };
    const answer = await acme.send(other, request, await acme.passcode());
    expect([answer.status, (await answer.json()).detail]).toEqual([
      400,
      expect.stringContaining("not that of its key"),
    ]);
  });

  it("is told to the key's holder when the key is enrolled already", async () => {
    const { device } = await acme.enrolled();
    const other = await Account.open(running);
    expect(await refusal(other.send(device, other.request(device), await other.passcode()))).toEqual([
      409,
      "enrollment_key_in_use",
    ]);
  });

  it("shows a conflict of names, and the second one cannot be approved", async () => {
    const names = { appName: "orders", deviceName: "the-one" };
    const first = await acme.enrolled(names);
    const second = await acme.pending(names);
    expect((await acme.show(second.id)).conflicts).toEqual([first.id]);
    expect(await refusal(acme.decide(second.id, "approve"))).toEqual([409, "enrollment_name_taken"]);
  });
});

describe("passcodes guessed at speed", () => {
  it("are not looked at after five wrong ones for an account, however many come at once", async () => {
    const victim = await Account.open(running);
    const passcode = await victim.passcode();
    const guesses = await Promise.all(
      Array.from({ length: 12 }, (_, i) => {
        const device = new Device();
        return victim.send(device, victim.request(device), `GXESS${i}`.slice(0, 6).replace(/\d/, "A"));
      }),
    );
    const counts = guesses.map(({ status }) => status).sort();
    expect(counts).toEqual([...Array(5).fill(401), ...Array(7).fill(429)]);
    expect(Number(guesses.find(({ status }) => status === 429)?.headers.get("retry-after"))).toBeGreaterThan(
      50,
    );
    const device = new Device();
    expect((await victim.send(device, victim.request(device), passcode)).status).toBe(429);
    const terms = { scopes: { orders: "rw" } };
    const { invitation } = await (
      await post(victim.master.fetch, `${running.url}/v1/invitations`, terms)
    ).json();
    expect((await victim.send(device, victim.request(device), invitation)).status).toBe(202);
  });

  it("are not looked at after twenty of one address, whatever the account", async () => {
    const guessed = await RunningAuthority.start({ trustProxy: true });
    const statuses: number[] = [];
    for (let i = 0; i < 22; i++) {
      const device = new Device();
      const body = { ...acme.request(device), account: `@account-${i}`, origin: guessed.url };
      const account = { ...acme, url: `${guessed.url}/v1/enrollments` };
      statuses.push((await Account.prototype.send.call(account, device, body, "AAAAAA")).status);
    }
    expect(statuses).toEqual([...Array(20).fill(401), 429, 429]);
  });
});

describe("an approver", () => {
  it("needs __manage to read, and more of it to decide", async () => {
    const { id } = await acme.pending();
    const [none, reader] = [
      await acme.enrolled({ scopes: { "*": "rw" } }),
      await acme.enrolled({ scopes: { "*": "rw", __manage: "r" } }),
    ];
    expect(await refusal(none.device.fetch(acme.url))).toEqual([403, "scope_missing"]);
    expect((await reader.device.fetch(`${acme.url}/${id}`)).status).toBe(200);
    for (const { device } of [none, reader])
      expect(await refusal(acme.decide(id, "approve", {}, device))).toEqual([403, "scope_missing"]);
    expect((await acme.show(id)).status).toBe("pending");
  });

  it.each([
    ["more than was asked for", "pending", "approve", { scopes: { users: "r" } }, "did not ask"],
    ["a longer life than was asked for", "pending", "approve", { lifetime: 7200 }, "a shorter life"],
    ["what narrowing would add", "enrolled", "narrow", { scopes: { users: "r" } }, "narrow takes away"],
  ] as const)("is told that %s is too much, and not that it lacks it", async (_, state, type, more, told) => {
    const { id } = await acme[state]({ scopes: { orders: "rw" }, lifetime: 3600 });
    const answer = await acme.decide(id, type, more);
    expect(answer.status).toBe(403);
    const said = await answer.text();
    expect(JSON.parse(said)).toMatchObject({
      error: "approval_exceeds",
      detail: expect.stringContaining(told),
    });
    expect(said).not.toContain("approver does not hold");
  });

  it("cannot grant what it does not hold", async () => {
    const approver = await acme.enrolled({ scopes: { orders: "r", __manage: "rw" } });
    const { id } = await acme.pending({ scopes: { orders: "rw" } });
    const wide = acme.decide(id, "approve", {}, approver.device);
    expect(await refusal(wide)).toEqual([403, "approval_exceeds"]);
    const narrow = await acme.decide(id, "approve", { scopes: { orders: "r" } }, approver.device);
    expect(narrow.status).toBe(200);
  });

  it("cannot revoke itself, nor the last root", async () => {
    const { id } = await (await acme.master.fetch(`${acme.url}/self`)).json();
    expect(await refusal(acme.decide(id, "revoke"))).toEqual([409, "enrollment_self"]);
    const other = await acme.enrolled({ scopes: { "*": "r", __manage: "rw" } });
    const [status] = await refusal(acme.decide(id, "revoke", {}, other.device));
    expect(status).toBeGreaterThanOrEqual(403);
    expect((await acme.show(id)).status).toBe("approved");
  });

  it("learns nothing of another account: the same 404 as of what there is not", async () => {
    const other = await Account.open(running);
    const { id } = await other.pending();
    const nothing = "en_AAAAAAAAAAAAAAAA";
    const told = [];
    for (const each of [id, nothing, "en_short", "../../health"]) {
      const path = encodeURIComponent(each);
      for (const answer of [
        await acme.master.fetch(`${acme.url}/${path}`),
        await acme.decide(path, "approve"),
        await acme.master.fetch(`${acme.url}/${path}`, { method: "DELETE" }),
      ])
        told.push(`${answer.status} ${(await answer.text()).replaceAll(each, "")}`);
    }
    expect(new Set(told).size).toBe(1);
    expect(told[0]).toMatch(/^404 .*enrollment_not_found/);
    const { enrollments } = await (await acme.master.fetch(acme.url)).json();
    expect(enrollments.every(({ account }: { account: string }) => account === acme.name)).toBe(true);
  });

  it("sees a cascade before it happens, and then it happens", async () => {
    const middle = await acme.enrolled({ scopes: { orders: "rw", __manage: "rw" } });
    const leaf = await acme.pending();
    await acme.decide(leaf.id, "approve", {}, middle.device);
    const body = { reason: "sold", cascade: true };
    const planned = await (await acme.decide(middle.id, "revoke", { ...body, dryRun: true })).json();
    const ids = planned.enrollments.map(({ id }: { id: string }) => id);
    expect(ids).toEqual([middle.id, leaf.id]);
    expect((await leaf.device.fetch(`${acme.url}/self`)).status).toBe(200);
    await acme.decide(middle.id, "revoke", body);
    for (const { device } of [middle, leaf])
      expect((await device.fetch(`${acme.url}/self`)).status).toBe(401);
    expect(await acme.show(middle.id)).toMatchObject({ status: "revoked", reason: "sold" });
    expect((await acme.decide(middle.id, "unrevoke")).status).toBe(200);
    expect((await middle.device.fetch(`${acme.url}/self`)).status).toBe(200);
  });

  it("gives any reason but the authority's own, also to one that is revoked already", async () => {
    const { id } = await acme.enrolled();
    const revoke = (reason: string) => acme.decide(id, "revoke", { reason });
    expect(await refusal(revoke("suspected-clone"))).toEqual([400, "authority_request_invalid"]);
    for (const hidden of ["\u202e", "\u2066", "\u2028", "\u2029", "\n", "\u0085"])
      expect(await refusal(revoke(`sold${hidden}dlos`))).toEqual([400, "authority_request_invalid"]);
    expect((await acme.show(id)).status).toBe("approved");
    expect((await revoke("suspected-clones")).status).toBe(200);
    expect(await refusal(revoke("lost"))).toEqual([409, "enrollment_state"]);
    expect((await revoke("compromise")).status).toBe(200);
    expect(await refusal(acme.decide(id, "unrevoke"))).toEqual([409, "enrollment_state"]);
  });

  it("denies, extends, narrows and deletes", async () => {
    const denied = await acme.pending();
    await acme.decide(denied.id, "deny", { reason: "who is this?" });
    expect(await refusal(acme.decide(denied.id, "approve"))).toEqual([409, "enrollment_state"]);
    const { device, id } = await acme.enrolled({ lifetime: 60 });
    const extended = await (await acme.decide(id, "extend", { lifetime: 7200 })).json();
    expect(extended.enrollments[0].expiresAt).toBeGreaterThan(Date.now() / 1000 + 7000);
    await acme.decide(id, "narrow", { scopes: { orders: "r" } });
    expect(await (await device.fetch(`${acme.url}/self`)).json()).toMatchObject({ scopes: { orders: "r" } });
    const remove = (of: string, query = "") =>
      acme.master.fetch(`${acme.url}/${of}${query}`, { method: "DELETE" });
    expect(await refusal(remove(id))).toEqual([409, "enrollment_state"]);
    expect((await remove(denied.id, "?dryRun=true")).status).toBe(200);
    expect((await acme.show(denied.id)).status).toBe("denied");
    expect(await refusal(remove(denied.id, "?dryrun=true"))).toEqual([400, "authority_request_invalid"]);
    expect(await (await remove(denied.id)).json()).toEqual({ enrollments: [] });
    expect(await refusal(remove(denied.id))).toEqual([404, "enrollment_not_found"]);
  });

  it("lists by filters, a page at a time", async () => {
    const account = await Account.open(running);
    const ids = [];
    for (const deviceName of ["one", "two", "three"]) ids.push((await account.pending({ deviceName })).id);
    const list = async (query: string) => (await account.master.fetch(`${account.url}?${query}`)).json();
    const first = await list("status=pending&limit=2");
    const second = await list(`status=pending&limit=2&after=${first.next}`);
    const found = [...first.enrollments, ...second.enrollments].map(({ id }) => id);
    expect(found.sort()).toEqual(ids.sort());
    expect(second.next).toBeUndefined();
    expect((await list("app=orders&device=two")).enrollments).toMatchObject([{ deviceName: "two" }]);
    expect((await list("expiring=60")).enrollments).toEqual([]);
    for (const bad of ["status=gone", "limit=0", "limit=1e2", "stale=-1", "state=pending", "app=a&app=b"])
      expect((await account.master.fetch(`${account.url}?${bad}`)).status).toBe(400);
  });
});

describe("who is not enrolled", () => {
  it("learns nothing and does nothing: nobody, strangers, the revoked, and devices that are paired", async () => {
    const { id } = await acme.pending();
    const revoked = await acme.enrolled();
    await acme.decide(revoked.id, "revoke");
    const paired = await running.device({ "*": "rw", __manage: "rw" });
    const paths: [string, string][] = [
      ["GET", ""],
      ["GET", "/events"],
      ["GET", "/self"],
      ["GET", `/${id}`],
      ["POST", `/${id}/approve`],
      ["DELETE", `/${id}`],
    ];
    for (const { fetch: call } of [new Device(), revoked.device, paired])
      for (const [method, path] of paths) {
        const init = { method, ...(method === "POST" && { body: "{}" }) };
        expect(await refusal(call(acme.url + path, init))).toEqual([401, "unauthorized"]);
      }
    for (const [method, path] of paths) expect((await fetch(acme.url + path, { method })).status).toBe(400);
    expect((await fetch(`${running.url}/v1/passcodes`, { method: "POST" })).status).toBe(400);
  });

  it("an enrolled device neither reads nor writes the revocation list, whatever it holds", async () => {
    const { device } = await acme.enrolled({ scopes: { "*": "rw", revocations: "rw" } });
    const revocations = `${running.url}/v1/revocations`;
    const entry = { by: "sub", value: "svc://other/app/box", reason: "spite" };
    expect(await refusal(post(device.fetch, revocations, entry))).toEqual([401, "unauthorized"]);
    const operator = await running.device({ revocations: "rw" });
    expect((await post(operator.fetch, revocations, entry)).status).toBe(201);
    const { revocations: list } = await (await operator.fetch(revocations)).json();
    expect(list.at(-1)).toMatchObject({ value: entry.value, reason: "spite", actor: operator.id });
    expect(await refusal(device.fetch(revocations))).toEqual([401, "unauthorized"]);
  });
});

describe("invitations", () => {
  it("admit as often as they say, are listed without their secret, and can be taken back", async () => {
    const invitations = `${running.url}/v1/invitations`;
    const body = { scopes: { orders: "rw" }, uses: 2, autoApprove: true };
    const made = await (await post(acme.master.fetch, invitations, body)).json();
    expect(made.invitation).toMatch(/^amesh_inv_[\w-]{22}$/);
    const listed = await (await acme.master.fetch(invitations)).text();
    expect(listed).toContain(made.id);
    expect(listed).not.toContain(made.invitation);
    expect(JSON.parse(listed).invitations.at(-1)).not.toHaveProperty("digest");
    const device = new Device();
    const answer = await acme.send(device, acme.request(device), made.invitation);
    expect((await answer.json()).status).toBe("approved");
    expect((await device.fetch(`${acme.url}/self`)).status).toBe(200);
    const remove = () => acme.master.fetch(`${invitations}/${made.id}`, { method: "DELETE" });
    expect((await remove()).status).toBe(200);
    expect((await remove()).status).toBe(404);
    const late = new Device();
    expect((await acme.send(late, acme.request(late), made.invitation)).status).toBe(401);
  });

  it.each([
    ["no scopes", { scopes: {} }],
    ["no uses", { scopes: { orders: "r" }, uses: 0 }],
    ["a misspelt member", { scopes: { orders: "r" }, autoaprove: true }],
  ])("cannot be made with %s", async (_, body) => {
    const answer = post(acme.master.fetch, `${running.url}/v1/invitations`, body);
    expect(await refusal(answer)).toEqual([400, "authority_request_invalid"]);
  });
});

it("notes when an enrollment was last used, and has written it when the authority was stopped", async () => {
  const running = await RunningAuthority.start();
  const account = await Account.open(running);
  const { device, id } = await account.enrolled();
  await device.fetch(`${account.url}/self`);
  await running.authority.close();
  const again = await running.restart();
  const row = await again.authority.state.enrollmentStore.readEnrollment(account.name, id);
  expect(Math.abs((row?.lastUsedAt ?? 0) - Date.now() / 1000)).toBeLessThan(60);
});
