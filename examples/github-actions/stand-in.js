// Stands in for GitHub on this machine, for trying things out: it gives ID tokens to whoever asks as a job does, with the claims
// that GitHub documents, and publishes the key that signs them. Whoever trusts it trusts everybody on this machine.
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";

const port = 4100;
const issuer = `http://localhost:${port}`;
const secretOfJob = "stand-in";
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...publicKey.export({ format: "jwk" }), kid: randomUUID(), alg: "RS256", use: "sig" };

const claims = (audience, now) => ({
  iss: issuer,
  sub: "repo:octo-org/octo-repo:environment:prod",
  aud: audience,
  jti: randomUUID(),
  iat: now,
  nbf: now,
  exp: now + 300,
  repository: "octo-org/octo-repo",
  repository_id: "74",
  repository_owner: "octo-org",
  repository_owner_id: "65",
  repository_visibility: "private",
  ref: "refs/heads/main",
  ref_type: "branch",
  ref_protected: "true",
  base_ref: "",
  head_ref: "",
  sha: "d6fd1c7b3b1a0e6b3f3a3f1f2e6c3b0a9d8e7f60",
  environment: "prod",
  event_name: "push",
  workflow: "deploy",
  workflow_ref: "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
  workflow_sha: "d6fd1c7b3b1a0e6b3f3a3f1f2e6c3b0a9d8e7f60",
  job_workflow_ref: "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
  job_workflow_sha: "d6fd1c7b3b1a0e6b3f3a3f1f2e6c3b0a9d8e7f60",
  runner_environment: "github-hosted",
  actor: "octocat",
  actor_id: "12",
  run_id: "30433642",
  run_number: "10",
  run_attempt: "1",
});

function idToken(audience) {
  const parts = [{ typ: "JWT", alg: key.alg, kid: key.kid }, claims(audience, Math.floor(Date.now() / 1000))];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${input}.${sign("RSA-SHA256", Buffer.from(input), privateKey).toString("base64url")}`;
}

function tokenOfJob({ headers }, query) {
  if (headers.authorization !== `Bearer ${secretOfJob}`) return undefined;
  return { value: idToken(query.get("audience") ?? "https://github.com/octo-org") };
}

const answers = {
  "/.well-known/openid-configuration": () => ({ issuer, jwks_uri: `${issuer}/.well-known/jwks` }),
  "/.well-known/jwks": () => ({ keys: [key] }),
  "/token": tokenOfJob,
};

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  const answer = answers[pathname]?.(request, searchParams);
  response.writeHead(answer === undefined ? 404 : 200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer ?? {}));
});

server.listen(port, "localhost", () => console.log(`listening as ${issuer}`));
