import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { readToken } from "@authmesh/oath";
import { recover } from "@authmesh/sdk/enroll";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { codeIn, MailServer } from "../../authority/test/accounts/mail-server.js";
import { emptyMachine, machineWithKey, TestAuthority } from "./fixtures/account.js";
import type { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.serve();
});
afterAll(() => authority.stop());

const codeOf = async (machine: TestMachine, args: readonly string[], env = {}) => {
  const result = await machine.run([...args, "--json"], { env });
  return [result.status, documentOf(result).error?.code];
};

describe("a machine's enrollment", () => {
  it("goes from an account's secret to a narrowed approval, a revocation, and its end", async () => {
    const secret = await authority.createAccount("@acme");
    const laptop = emptyMachine();
    const onboard = ["onboard", "@acme", "--authority", authority.url, "--backend", "encrypted-file"];
    const { status, screen } = await laptop.runInTerminal(
      [...onboard, "--device", "laptop"],
      [
        ["Secret of the account: ", `${secret}\r`],
        ["Are they written down, apart from this machine? [y/N] ", "y\r"],
        ["Back up this machine's key to a file? [y/N] ", "n\r"],
      ],
    );
    expect(screen).toMatch(/✔ This machine is a root of @acme: amesh\/laptop \(en_[\w-]{16}\)\./);
    expect(status).toBe(0);
    expect(screen).not.toContain(secret);
    expect(screen.match(/^ {2}([A-Z2-7]{4}-){6}[A-Z2-7]{2}$/gm)).toHaveLength(8);

    const passcode = (await laptop.succeed(["enroll", "passcode"])).stdout.trim();
    expect(passcode).toMatch(/^[A-HJKMNP-TV-Z2-9]{6}$/);
    const box = await machineWithKey();
    const asking = box.start([
      ...authority.request("@acme", "orders", { orders: "rw", profile: "r" }),
      ...["--lifetime", "90d", "--passcode-file", "-", "--json"],
    ]);
    onTestFinished(() => asking.stop());
    asking.write(passcode);
    asking.end();
    const { id, comparisonCode } = await asking.event("requested");
    expect(comparisonCode).toMatch(/^\d{6}$/);
    expect(await codeOf(box, ["login"])).toEqual([4, "enrollment_pending"]);

    const shown = await laptop.succeed(["enroll", "list", "--status", "pending"]);
    expect(shown.stdout).toContain(`${id}  orders/box-1  [pending]   orders:rw,profile:r  code `);
    expect(shown.stderr).toBe(`Next: amesh enroll approve ${id}\n`);
    const { deviceId } = (await box.open()).identity;
    const approval = await laptop.runInTerminal(
      ["enroll", "approve", id, "--scope", "orders:r", "--lifetime", "30d"],
      [["Approve it? [y/N] ", "y\r"]],
    );
    expect(approval.status).toBe(0);
    for (const [label, value] of [
      ["App", "orders"],
      ["Device", "box-1"],
      ["Asked for", "orders:rw,profile:r"],
      ["Asked to last", "90 d from its approval"],
      ["From", "127.0.0.1"],
      ["Fingerprint", deviceId],
      ["Key", "no statement of a TPM"],
      ["Code", comparisonCode.replace(/^.../, "$& ")],
    ])
      expect(approval.screen).toMatch(new RegExp(`^ +${label} +: ${value}`, "m"));
    expect(approval.screen).toMatch(/What becomes of it:\n.*\[approved\] +orders:r +until /);
    expect(approval.screen).toContain(`✔ orders/box-1 (${id}) approved.`);

    expect(await asking.event("decided")).toMatchObject({ id, status: "approved", scopes: { orders: "r" } });
    expect(await asking.ended).toBe(0);

    const standing = documentOf(await box.succeed(["status", "--json"]));
    expect(standing.enrollment).toMatchObject({ account: "@acme", status: "approved", id });
    expect(standing.enrollment.expiresAt * 1000).toBeGreaterThan(Date.now());
    const login = await box.succeed(["login", "--aud", "api.example.com", "--act", "orders.read"]);
    expect(readToken(login.stdout.trim()).claims).toMatchObject({
      sub: "svc://acme/orders/box-1",
      tenant: "@acme",
    });
    const wider = await box.run(["login", "--aud", "api.example.com", "--act", "orders.write"]);
    expect(wider).toMatchObject({ status: 3, stdout: "" });
    expect(await box.run(["enroll", "list"])).toMatchObject({ status: 3, stdout: "" });
    expect((await box.run(["enroll", "needs-renewal"])).status).toBe(0);
    const soon = await box.run(["enroll", "needs-renewal", "--within", "60d"]);
    expect(soon).toMatchObject({ status: 1, stderr: expect.stringContaining(`amesh enroll extend ${id}`) });

    const dry = await laptop.succeed(["enroll", "revoke", id, "--dry-run"]);
    expect(dry.stdout).toMatch(new RegExp(`^ {2}${id} +orders/box-1 +\\[revoked\\]`));
    expect((await box.run(["login"])).status).toBe(0);
    await laptop.succeed(["enroll", "revoke", id, "--reason", "laptop lost", "--yes"]);
    expect(await codeOf(box, ["login"])).toEqual([3, "enrollment_revoked"]);
    await laptop.succeed(["enroll", "unrevoke", id, "--yes"]);
    expect((await box.run(["login"])).status).toBe(0);
    const revoked = await laptop.succeed(["enroll", "revoke", id, "--yes"]);
    expect(revoked.stderr).toContain(`Next: amesh enroll unrevoke ${id} takes it back`);
    const leaked = await laptop.succeed(["enroll", "revoke", id, "--reason", "Compromise", "--yes"]);
    expect(leaked.stderr).toBe(`Next: amesh enroll delete ${id} takes it off the list\n`);
    expect(await codeOf(laptop, ["enroll", "unrevoke", id, "--yes"])).toEqual([1, "enrollment_state"]);
    const refused = await box.run(["login"]);
    expect(refused.stderr).toContain("(enrollment_revoked)\n");
    expect(refused.stderr).not.toContain("unrevoke");
    const deleted = documentOf(await laptop.succeed(["enroll", "delete", id, "--yes", "--json"]));
    expect(deleted).toEqual({ schema: 1, id, decision: "deleted", enrollments: [] });
    expect(await box.run(["login"])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("amesh enroll request"),
    });
    const gone = await box.succeed(["status"]);
    expect(gone.stdout).toMatch(/Enrollment +: orders\/box-1 .*: not known there any more; revoked before/);
    expect(gone.stdout).toContain("another folder (AUTH_MESH_DIR)");
    const { enrollments } = documentOf(await laptop.succeed(["enroll", "list", "--json"]));
    expect(enrollments.map(({ appName }: { appName: string }) => appName)).toEqual(["amesh"]);
  }, 60_000);

  it("is revoked together with what it approved, shown beforehand as a tree", async () => {
    const laptop = await authority.root("@cascade");
    const root = { "*": "rw", __manage: "rw" } as const;
    const second = await authority.enrolled(laptop, "@cascade", "second", root);
    const third = await authority.enrolled(second.machine, "@cascade", "third", { a: "r" });
    const { stdout } = await laptop.succeed(["enroll", "revoke", second.id, "--cascade", "--dry-run"]);
    expect(stdout.trimEnd().split("\n")).toEqual([
      expect.stringMatching(`^  ${second.id}  second/box-1  \\[revoked\\]`),
      expect.stringMatching(`^   └─  ${third.id}  third/box-1  \\[revoked\\]`),
    ]);
    expect((await third.machine.run(["login"])).status).toBe(0);
    const revoke = ["enroll", "revoke", second.id, "--cascade", "--yes"];
    expect((await laptop.succeed(revoke)).stdout).toContain(`└─  ${third.id}`);
    expect(await codeOf(third.machine, ["login"])).toEqual([3, "enrollment_revoked"]);
  }, 60_000);
});

describe("amesh enroll approve --code", () => {
  it("approves without asking where the code is that of the request, and refuses where it is not", async () => {
    const laptop = await authority.root("@comparing");
    const input = (await laptop.succeed(["enroll", "passcode"])).stdout;
    const box = await machineWithKey();
    const request = [...authority.request("@comparing", "orders", { orders: "r" }), "--passcode-file", "-"];
    const asked = await box.succeed([...request, "--no-wait"], { input });
    const [, shown = ""] = /Comparison code: (\d{3} \d{3})/.exec(asked.stdout) ?? [];
    const code = shown.replace(" ", "");
    const { enrollments } = documentOf(
      await laptop.succeed(["enroll", "list", "--status", "pending", "--json"]),
    );
    const approve = (...more: string[]) => ["enroll", "approve", enrollments[0].id, ...more];
    const other = code.replace(/.$/, (digit) => `${(Number(digit) + 1) % 10}`);
    for (const more of [[], ["--yes"], ["--dry-run"]])
      expect(await codeOf(laptop, approve("--code", other, ...more))).toEqual([
        3,
        "enrollment_code_mismatch",
      ]);
    for (const none of ["", "12345", `${code}0`, "١٢٣٤٥٦", " 12345"])
      expect(await codeOf(laptop, approve("--code", none))).toEqual([2, "invalid_option"]);
    expect(await codeOf(box, ["login"])).toEqual([4, "enrollment_pending"]);
    const refusal = await laptop.run(approve("--code", other));
    expect(refusal.stdout + refusal.stderr).not.toMatch(new RegExp(`${code}|${shown}`));
    await laptop.succeed(approve("--code", shown, "--dry-run"));
    expect((await laptop.succeed(approve("--code", code))).stdout).toContain("approved.");
    expect((await box.run(["login"])).status).toBe(0);
    expect(await codeOf(laptop, approve("--code", code))).toEqual([1, "enrollment_state"]);
  }, 60_000);
});

describe("amesh enroll request", () => {
  it("leaves the request standing when it is interrupted, goes on with it, and withdraws it", async () => {
    const laptop = await authority.root("@waiting");
    const input = (await laptop.succeed(["enroll", "passcode"])).stdout;
    const box = await machineWithKey();
    const args = authority.request("@waiting", "orders", { orders: "r" });
    const asked = await box.succeed([...args, "--passcode-file", "-", "--no-wait"], { input });
    const [, code] = /Comparison code: (\d{3} \d{3})/.exec(asked.stdout) ?? [];
    expect(asked.stderr).toContain("Next: amesh enroll request --resume\n");

    const waiting = box.startInTerminal(["enroll", "request", "--resume"]);
    await waiting.shows(`Comparison code: ${code}`);
    await waiting.shows("Waiting until it is decided");
    waiting.type("\u0003");
    expect(await waiting.ended).toBe(4);
    expect(waiting.screen).toContain("(enrollment_pending)");
    expect(waiting.screen).toContain("`amesh enroll request --cancel` withdraws it.");

    await box.succeed(["enroll", "request", "--cancel"]);
    const { enrollments } = documentOf(
      await laptop.succeed(["enroll", "list", "--status", "pending", "--json"]),
    );
    expect(enrollments).toEqual([]);
  }, 60_000);

  it("ends with the reason when it is denied", async () => {
    const laptop = await authority.root("@denying");
    const watching = laptop.start(["enroll", "watch", "--json"]);
    onTestFinished(() => watching.stop());
    await watching.line((line) => (line.startsWith("Watching") ? line : undefined), watching.errors);
    const input = (await laptop.succeed(["enroll", "passcode"])).stdout;
    const box = await machineWithKey();
    const asking = box.run(
      [...authority.request("@denying", "orders", { orders: "r" }), "--passcode-file", "-"],
      { input },
    );
    const { id, code } = await watching.line((line) => {
      const enrollment = line.startsWith("{") ? JSON.parse(line) : {};
      return enrollment.status === "pending" ? enrollment : undefined;
    });
    await laptop.succeed(["enroll", "deny", id, "--reason", "not ours", "--yes"]);
    const { status, stdout, stderr } = await asking;
    expect(status).toBe(3);
    expect(stdout).toContain(code.replace(/^.../, "$& "));
    expect(stderr).toMatch(/error: en_\S+ is denied: "not ours"\. \(enrollment_denied\)/);
    expect(await codeOf(box, ["login"])).toEqual([3, "enrollment_denied"]);
  }, 60_000);

  it("is refused for a passcode that is wrong, and shows none that stands in its file's place", async () => {
    await authority.root("@guessing");
    const box = await machineWithKey();
    const args = authority.request("@guessing", "orders", { orders: "r" });
    const wrong = await box.run([...args, "--passcode-file", "-"], { input: "AAAAAA\n" });
    expect(wrong).toMatchObject({ status: 3, stderr: expect.stringContaining("(passcode_refused)") });
    const argument = await box.run([...args, "--passcode-file", "K7M2PQ"]);
    expect(argument).toEqual({ status: 1, ...failed("storage_failed", "Check the path") });
    expect(argument.stderr).not.toContain("K7M2PQ");
    expect(await box.run(args)).toEqual({ status: 2, ...failed("input_required", "--passcode-file -") });
    expect((await box.run([...args, "--resume"])).status).toBe(2);
    expect(await box.run(["enroll", "request", "--resume"])).toMatchObject({ status: 1 });
  }, 60_000);
});

describe("amesh register", () => {
  it("gets an account's secret for the code of a mail", async () => {
    const mail = await MailServer.start();
    const flags = ["--registration", "open", "--mail-from", "amesh@example.com"];
    const open = await TestAuthority.serve(flags, { AMESH_SMTP_URL: mail.url });
    onTestFinished(() => open.stop());
    const laptop = emptyMachine();
    const register = ["register", "@mailed", "--authority", open.url];
    expect(await laptop.run(register)).toEqual({ status: 2, ...failed("input_required", "register --help") });
    const asked = await laptop.succeed([...register, "--email", "ops@acme.example"]);
    expect(asked.stderr).toMatch(new RegExp(`--authority ${open.url}$`, "m"));
    expect(asked).toEqual({ stdout: "", status: 0, stderr: expect.stringContaining("--code-file FILE") });
    const code = codeIn(await mail.after(0));
    const wrong = await laptop.run([...register, "--code-file", "-"], { input: "AAAA-AAAA" });
    expect(wrong).toMatchObject({ status: 3, stderr: expect.stringContaining("(activation_refused)") });
    const { stdout } = await laptop.succeed([...register, "--code-file", "-"], { input: code });
    expect(stdout).toMatch(/^amesh_once_[\w-]{43}\n$/);
    expect(mail.mails).toHaveLength(1);
  }, 60_000);
});

describe("an account's first secret", () => {
  it("works once, and a recovery code brings the account back", async () => {
    const secret = await authority.createAccount("@once");
    const onboard = ["onboard", "@once", "--authority", authority.url];
    const laptop = await machineWithKey();
    const codes = join(laptop.folder, "codes");
    const file = ["--recovery-codes-file", codes, "--secret-file", "-"];
    expect(await laptop.run([...onboard, "--secret-file", "-"], { input: secret })).toEqual({
      status: 2,
      ...failed("input_required", "--recovery-codes-file FILE"),
    });
    await laptop.succeed([...onboard, ...file], { input: secret });
    expect(statSync(codes).mode & 0o777).toBe(0o600);
    expect(await laptop.run([...onboard, ...file], { input: secret })).toEqual({
      status: 1,
      ...failed("storage_failed", "not there yet"),
    });

    const thief = await machineWithKey();
    const theirs = ["--recovery-codes-file", join(thief.folder, "codes"), "--secret-file", "-"];
    expect(await thief.run([...onboard, ...theirs], { input: secret })).toEqual({
      status: 3,
      ...failed("onboarding_refused", "amesh recover"),
    });

    const [first = ""] = readFileSync(codes, "utf8").split("\n");
    const replacement = await machineWithKey();
    const recover = ["recover", "@once", "--authority", authority.url];
    const more = ["--device", "new", "--code-file", "-", "--recovery-codes-file", "/dev/null"];
    expect((await replacement.run([...recover, ...more], { input: first })).status).toBe(1);
    const kept = [...more.slice(0, -1), join(replacement.folder, "codes")];
    await replacement.succeed([...recover, ...kept], { input: first.toLowerCase() });
    await replacement.succeed(["enroll", "list"]);
    const again = await machineWithKey();
    const last = [...more.slice(0, -1), join(again.folder, "codes")];
    expect(await again.run([...recover, ...last], { input: first })).toMatchObject({ status: 3 });
  }, 60_000);
});

describe("a claim of an account", () => {
  const claim = (verb: string, account: string, url: string, ...more: string[]) => [
    ...[verb, account, "--authority", url, "--recovery-codes-file"],
    ...more,
  ];

  it("sends nothing before the new codes are kept: a code is good still after a no", async () => {
    const secret = await authority.createAccount("@kept");
    const laptop = await machineWithKey();
    const codes = join(laptop.folder, "codes");
    const onboard = claim("onboard", "@kept", authority.url, codes, "--secret-file", "-");
    await laptop.succeed(onboard, { input: secret });
    const [code = ""] = readFileSync(codes, "utf8").split("\n");
    const other = await machineWithKey();
    const declined = await other.runInTerminal(
      ["recover", "@kept", "--authority", authority.url],
      [
        ["Recovery code: ", `${code}\r`],
        ["Are they written down, apart from this machine? [y/N] ", "n\r"],
      ],
    );
    expect(declined.status).toBe(1);
    expect(declined.screen).toContain("Nothing was sent");
    const file = join(other.folder, "codes");
    const recover = claim("recover", "@kept", authority.url, file, "--code-file", "-");
    expect((await other.run(recover, { input: "A".repeat(26) })).status).toBe(3);
    expect(existsSync(file)).toBe(false);
    await other.succeed(recover, { input: code });
    expect(readFileSync(file, "utf8")).toMatch(/^([\w-]+\n){8}$/);
  }, 60_000);

  it("is a root's all the same where the answer was lost, and on the same host takes a name that is free", async () => {
    const secret = await authority.createAccount("@lost");
    const laptop = await machineWithKey();
    const codes = join(laptop.folder, "codes");
    const onboard = claim("onboard", "@lost", authority.url, codes, "--secret-file", "-");
    await laptop.succeed(onboard, { input: secret });
    const [code = ""] = readFileSync(codes, "utf8").split("\n");
    const other = await machineWithKey();
    let lost = 0;
    const losing: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      const isFirst = String(input).endsWith("/v1/recovery") && lost++ === 0;
      return isFirst ? new Response(null, { status: 502 }) : answer;
    };
    const { dir, env } = other;
    const names = { authority: authority.url, account: "@lost", appName: "amesh", deviceName: "other" };
    const { enrollment, recoveryCodes } = await recover({ ...names, code, dir, env, fetch: losing });
    expect([lost, enrollment.deviceName, enrollment.status]).toEqual([2, "other", "approved"]);
    await other.succeed(["enroll", "list"]);
    const byDate = await machineWithKey();
    const file = join(byDate.folder, "codes");
    const second = claim("recover", "@lost", authority.url, file, "--code-file", "-");
    const { stdout } = await byDate.succeed(second, { input: recoveryCodes[0] ?? "" });
    expect(stdout).toContain(`: amesh/${hostname()}-20`);
    const again = await machineWithKey();
    const [next = ""] = readFileSync(file, "utf8").split("\n");
    const third = claim("recover", "@lost", authority.url, join(again.folder, "codes"), "--code-file", "-");
    const taken = await again.run(third, { input: next });
    expect(taken).toEqual({ status: 1, ...failed("enrollment_name_taken", "--device NAME") });
    await again.succeed([...third, "--device", "third"], { input: next });
  }, 60_000);
});

describe("a key that came back from a backup", () => {
  it("is locked at its first login, and after a root let it go on needs no URL any more", async () => {
    const laptop = await authority.root("@restored");
    const { machine: box, id } = await authority.enrolled(laptop, "@restored", "orders", { orders: "r" });
    await box.succeed(["login"]);
    const file = join(box.folder, "backup");
    const env = { AMESH_EXPORT_PASSPHRASE: "ogre vivid tundra mosaic fable kiln" };
    await box.succeed(["identity", "export", file], { env });
    const restored = emptyMachine();
    await restored.succeed(["identity", "import", file], { env });
    const login = ["login", "--authority", authority.url];
    expect(await codeOf(restored, ["login"])).toEqual([2, "input_required"]);
    expect(await codeOf(restored, login)).toEqual([3, "enrollment_revoked"]);
    await laptop.succeed(["enroll", "unrevoke", id, "--yes"]);
    await restored.succeed(["login"]);
    expect(documentOf(await restored.succeed(["status", "--json"])).enrollment).toEqual({
      authority: authority.url,
      account: "@restored",
      id,
      appName: "orders",
      deviceName: expect.any(String),
      status: "approved",
    });
    expect((await restored.succeed(["enroll", "show"])).stdout).toContain(id);
  }, 60_000);
});

describe("what a root sees to", () => {
  it("extends, narrows, lists what is stale, and rotates its own key", async () => {
    const laptop = await authority.root("@upkeep");
    const scopes = { orders: "rw" } as const;
    const { machine: box, id } = await authority.enrolled(laptop, "@upkeep", "orders", scopes, 864_000);

    const stale = documentOf(await laptop.succeed(["enroll", "stale", "--json"]));
    expect(stale.expiring.map((one: { id: string }) => one.id)).toEqual([id]);
    expect((await laptop.run(["enroll", "extend", id, "--yes"])).status).toBe(2);
    await laptop.succeed(["enroll", "extend", id, "--lifetime", "90d", "--yes"]);
    expect(documentOf(await laptop.succeed(["enroll", "stale", "--json"])).expiring).toEqual([]);
    await laptop.succeed(["enroll", "narrow", id, "--scope", "orders:r", "--yes"]);
    expect(documentOf(await box.succeed(["enroll", "show", "--json"])).enrollment.scopes).toEqual({
      orders: "r",
    });

    const before = (await box.open()).identity.deviceId;
    const { device } = documentOf(await box.succeed(["enroll", "rotate-key", "--json"]));
    expect(device.deviceId).not.toBe(before);
    expect((await box.open()).identity.deviceId).toBe(device.deviceId);
    expect((await box.succeed(["login"])).stdout).toMatch(/^eyJ/);

    const made = documentOf(
      await laptop.succeed(["enroll", "invite", "--scope", "a:r", "--uses", "2", "--json"]),
    );
    const file = join(laptop.folder, "invitation");
    const filed = await laptop.succeed(["enroll", "invite", "--scope", "a:r", "--out", file]);
    expect(filed.stdout + filed.stderr).not.toContain("amesh_inv_");
    expect(readFileSync(file, "utf8")).toMatch(/^amesh_inv_[\w-]{22}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const asker = await machineWithKey();
    const asking = authority.request("@upkeep", "filed", { a: "r" });
    const request = [...asking, "--no-wait", "--passcode-file", file];
    expect((await asker.succeed(request)).stderr).not.toContain("warning: others");
    chmodSync(file, 0o644);
    expect((await (await machineWithKey()).run(request)).stderr).toContain("warning: others on this machine");
    const listed = await laptop.succeed(["enroll", "invite", "--list"]);
    expect(listed.stdout).toContain(`${made.id}  a:r  2 left`);
    expect(listed.stdout).not.toContain(made.invitation);
    await laptop.succeed(["enroll", "invite", "--remove", made.id]);
    expect((await laptop.run(["enroll", "invite", "--remove", made.id])).status).toBe(1);

    expect(await codeOf(laptop, ["enroll", "revoke", "en_0000000000000000", "--yes"])).toEqual([
      1,
      "enrollment_not_found",
    ]);
    const own = documentOf(await laptop.succeed(["enroll", "show", "--json"])).enrollment.id;
    expect((await codeOf(laptop, ["enroll", "revoke", own, "--yes"]))[0]).toBe(3);
    expect((await laptop.run(["enroll", "revoke", id])).status).toBe(2);
  }, 60_000);
});
