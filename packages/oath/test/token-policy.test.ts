import { AmeshError } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import type {
  PolicyDecision,
  PolicyEngine,
  PolicyInput,
  ShadowDecision,
  TokenVerifierOptions,
} from "../src/index.js";
import { createTokenVerifier } from "../src/index.js";
import {
  audience,
  claims,
  issuer,
  keys,
  mint,
  noon,
  outcome,
  requestWith,
  verifierWith,
} from "./token-fixture.js";

const engine = (decide: (input: PolicyInput) => PolicyDecision): PolicyEngine => ({
  decide,
  explain: (input) => ({ decision: decide(input), rules: [] }),
  digest: "sha256:00",
});
const allowing = engine(() => ({ allowed: true, rule: "all", reason: "Everything is allowed." }));
const denying = engine(() => ({ allowed: false, rule: "nobody", reason: "Nobody may do that." }));

describe("a policy", () => {
  it("that is not given denies everything, with 403", async () => {
    const decision = await verifierWith({ policy: undefined }).verify(await mint());
    expect(outcome(decision)).toBe("14 policy_denied");
    expect(!decision.allowed && [decision.failure.status, decision.failure.detail]).toEqual([
      403,
      "No policy was given, so nothing is allowed.",
    ]);
  });

  it("decides, and its rule is named to the handler, its reason to the operator", async () => {
    const allowed = await verifierWith({ policy: allowing }).verify(await mint());
    expect(allowed.allowed && allowed.caller.rule).toBe("all");
    const denied = await verifierWith({ policy: denying }).verify(await mint());
    expect(!denied.allowed && denied.failure.detail).toBe("Nobody may do that.");
  });

  it("sees what the token says and what the request asks for, the query left out", async () => {
    const inputs: PolicyInput[] = [];
    const policy = engine((input) => {
      inputs.push(input);
      return { allowed: true, reason: "Seen." };
    });
    const src = {
      type: "github-actions",
      repo: "a/b",
      ref: "refs/heads/main",
      workflow: "w",
      environment: "production",
      sha: "x",
    };
    const token = await mint({ scope: ["orders:rw"], src, env: "prod", tenant: "@acme" });
    const request = requestWith({ authorization: [`OathMesh ${token}`] }, "/orders?x=1");
    await verifierWith({ policy, pathPrefix: "/v1" }).verify(undefined, request);
    await verifierWith({ policy }).verify(await mint());
    const always = { subject: claims.sub, action: claims.act, issuer, audience, time: noon };
    expect(inputs).toEqual([
      {
        ...always,
        scopes: ["orders:rw"],
        source: {
          type: "github-actions",
          repository: "a/b",
          ref: "refs/heads/main",
          workflow: "w",
          environment: "production",
        },
        env: "prod",
        tenant: "@acme",
        method: "GET",
        path: "/v1/orders",
      },
      { ...always, scopes: [] },
    ]);
  });

  it("on trial is told of and decides nothing, whatever becomes of it", async () => {
    const told: ShadowDecision[] = [];
    const onShadow = (decision: ShadowDecision) => void told.push(decision);
    const verify = async (options: Partial<TokenVerifierOptions>) =>
      outcome(await verifierWith(options).verify(await mint()));
    expect(await verify({ policy: allowing, shadowPolicy: denying, onShadow })).toBe("allowed");
    expect(await verify({ policy: "none", shadowPolicy: denying, onShadow })).toBe("allowed");
    expect(await verify({ policy: undefined, shadowPolicy: allowing, onShadow })).toBe("14 policy_denied");
    expect(told.map(({ decision, shadow }) => [decision.allowed, shadow.allowed])).toEqual([
      [true, false],
      [true, false],
      [false, true],
    ]);
    const broken = engine(() => {
      throw new Error("on trial");
    });
    expect(await verify({ shadowPolicy: broken, onShadow })).toBe("allowed");
    const loud = () => {
      throw new Error("told");
    };
    expect(await verify({ shadowPolicy: denying, onShadow: loud })).toBe("allowed");
  });
});

describe("what a refusal tells", () => {
  it("holds the claims as far as they can be read, and whether anybody vouched for them", async () => {
    const good = await mint();
    const [head, body] = good.split(".");
    const forged = await verifierWith().verify(`${head}.${body}.${"A".repeat(86)}`);
    expect(!forged.allowed && forged.claimed).toMatchObject({ verified: false, claims: { sub: claims.sub } });
    const denied = await verifierWith({ policy: denying }).verify(good);
    expect(!denied.allowed && denied.claimed).toMatchObject({ verified: true, claims: { sub: claims.sub } });
    const nothing = await verifierWith().verify("x");
    expect(!nothing.allowed && nothing.claimed).toBeUndefined();
  });

  it("names the decision, each by an id of its own, and the target", async () => {
    const decide = () =>
      verifierWith().verify(undefined, requestWith({ authorization: ["Bearer x"] }, "/a?b"));
    const [one, two] = [await decide(), await decide()];
    expect(one.id).toMatch(/^[\w-]{16}$/);
    expect(one.id).not.toBe(two.id);
    expect([one.target, outcome(one)]).toEqual(["/a?b", "1 claim_missing:token"]);
  });

  it("of a server that cannot decide is not the caller's fault", async () => {
    const find = () => {
      throw new AmeshError("invalid_public_key");
    };
    const decision = await verifierWith({ keys: { find } }).verify(await mint());
    expect(!decision.allowed && [decision.failure.status, decision.failure.step]).toEqual([500, 7]);
    const broken = { find: () => Promise.reject(new Error("a programmer's mistake")) };
    await expect(verifierWith({ keys: broken }).verify(await mint())).rejects.toThrow("mistake");
  });
});

describe("the token of a request", () => {
  it.each<[string, readonly string[], string]>([
    ["is wanted", [], "1 claim_missing:token"],
    ["is of the scheme OathMesh, in any case", ["OATHMESH $"], "allowed"],
    ["may have several spaces before it", ["OathMesh   $"], "allowed"],
    ["is no Bearer token", ["Bearer $"], "1 claim_missing:token"],
    ["is none without a scheme", ["$"], "1 claim_missing:token"],
    ["is none when nothing follows", ["OathMesh"], "1 claim_missing:token"],
    ["is none with more behind it", ["OathMesh $ $"], "1 claim_missing:token"],
    ["is one", ["OathMesh $", "OathMesh $"], "1 token_malformed"],
    ["is one, also where a comma joins two headers", ["OathMesh $, OathMesh $"], "1 token_malformed"],
    ["is one, also where the other is empty", ["OathMesh $, "], "1 token_malformed"],
    ["stands alone", ["OathMesh $", "Basic eA=="], "1 token_malformed"],
  ])("%s", async (_, values, expected) => {
    const token = await mint();
    const authorization = values.map((value) => value.replaceAll("$", token));
    expect(outcome(await verifierWith().verify(undefined, requestWith({ authorization })))).toBe(expected);
  });

  it("is wanted also where there is no request", async () => {
    expect(outcome(await verifierWith().verify(undefined))).toBe("1 claim_missing:token");
  });
});

describe("an option", () => {
  it.each<[string, object]>([
    ["there is not", { audiance: "x" }],
    ["audience that is missing", { audience: undefined }],
    ["audience that is empty", { audience: "" }],
    ["audience of nobody", { audience: [] }],
    ["trustedIssuers that is missing", { trustedIssuers: undefined }],
    ["trustedIssuers that is one text", { trustedIssuers: issuer }],
    ["trustedIssuers of nobody", { trustedIssuers: [] }],
    ["trustedIssuers over http", { trustedIssuers: ["http://issuer.example.com"] }],
    ["keys that find nothing", { keys: {} }],
    ["replay that records nothing", { replay: {} }],
    ["replayScope that is no text", { replayScope: 1 }],
    ["tokenUse of another kind", { tokenUse: "always" }],
    ["requireRequestBinding that is text", { requireRequestBinding: "false" }],
    ["policy of another kind", { policy: "allow" }],
    ["revocations that find nothing", { revocations: {} }],
    ["algorithms without any", { algorithms: [] }],
    ["algorithms with HS256", { algorithms: ["EdDSA", "HS256"] }],
    ["leewaySeconds beyond a minute", { leewaySeconds: 61 }],
    ["leewaySeconds that is a fraction", { leewaySeconds: 0.5 }],
    ["maxTokenBytes without end", { maxTokenBytes: Number.POSITIVE_INFINITY }],
    ["maxVerifiedTokens below nothing", { maxVerifiedTokens: -1 }],
    ["policy that is null", { policy: null }],
    ["shadowPolicy that is null", { shadowPolicy: null }],
    ["revocations that are null", { revocations: null }],
    ["now that is a number", { now: 5 }],
    ["hosts that are none", { hosts: "a b" }],
    ["hosts without any", { hosts: [] }],
    ["hosts that are null", { hosts: null }],
    ["pathPrefix with a slash at its end", { pathPrefix: "/api/" }],
    ["maxBodyBytes below nothing", { maxBodyBytes: -1 }],
  ])("%s is a mistake of the programmer", (_, wrong) => {
    expect(() => verifierWith(wrong)).toThrow(TypeError);
  });

  it("that is not given has a default", async () => {
    const options = {
      audience,
      trustedIssuers: [issuer],
      keys,
      replay: { checkAndRecord: async () => true },
    };
    const { token } = { token: await mint({}, { now: Date.now }) };
    expect(outcome(await createTokenVerifier(options).verify(token))).toBe("14 policy_denied");
    expect(
      outcome(
        await createTokenVerifier({ ...options, policy: "none", audience: ["b", audience] }).verify(token),
      ),
    ).toBe("allowed");
  });
});
