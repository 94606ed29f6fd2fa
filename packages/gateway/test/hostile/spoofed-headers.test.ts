import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { routeOf } from "../fixtures/settings.js";
import { type HostileStage, openGateway, signedRequest, trustedDevices } from "./hostile-stage.js";
import { RawClient } from "./raw-client.js";

/** A service of the standard library that tells its environment: WSGI reads dashes and underscores alike, and joins duplicates. */
const service = `
import json
from wsgiref.simple_server import WSGIRequestHandler, make_server
class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
def tell(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"].read(length)
    body = json.dumps({k: v for k, v in environ.items() if k.startswith("HTTP_") or k == "PATH_INFO"}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
server = make_server("127.0.0.1", 0, tell, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
`;

let python: ChildProcess;
let devices: Awaited<ReturnType<typeof trustedDevices>>;
let stage: HostileStage;

beforeAll(async () => {
  devices = await trustedDevices();
  python = spawn("python3", ["-c", service], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(
    createInterface(python.stdout as NonNullable<typeof python.stdout>),
    "line",
  )) as [string];
  const routes = [routeOf(), routeOf({ name: "open", path: "/open", public: true })];
  stage = await openGateway(new URL(`http://127.0.0.1:${port}`), routes, {
    verification: devices.verification,
    context: {
      prefixes: ["X-AuthMesh-", "X-OathMesh-"],
      token: { issuer: "urn:authmesh:gateway", audience: undefined, keyFile: undefined },
    },
  });
});
afterAll(async () => {
  await stage.gateway.close();
  const ended = once(python, "exit");
  python.kill();
  await ended;
  devices.close();
});

/** What the service knows of a request. */
async function environOf(bytes: string): Promise<Readonly<Record<string, string>>> {
  const client = await RawClient.open(stage.port);
  const { status, body } = await (await client.send(bytes)).answer();
  client.destroy();
  expect(status, body).toBe(200);
  return JSON.parse(body) as Record<string, string>;
}

const spellings = [
  "X-AuthMesh-Subject: root",
  "x-authmesh-subject: root",
  "X-AUTHMESH-SUBJECT: root",
  "X_AuthMesh_Subject: root",
  "X-AuthMesh_Subject: root",
  "x_authmesh-subject: root",
  "X.AuthMesh.Subject: root",
  "X-AuthMesh.Subject: root",
  "X~AuthMesh~Subject: root",
  "X!AuthMesh!Subject: root",
  "X'AuthMesh'Subject: root",
  "X-AuthMesh-Subject:root",
  "X-AuthMesh-Subject: \t root \t",
  "X-AuthMesh-Subject: root\r\nX-AuthMesh-Subject: admin",
  "X-AuthMesh-Subject:\r\nX-AuthMesh-Subject: root",
  "X-OathMesh-Subject: root",
  "X_OathMesh_Subject: root",
  "X-AuthMesh-Scope: admin:rw",
  "X_AuthMesh_Scope: admin:rw",
  "X-AuthMesh-Context: root",
  "X-AuthMesh-: root",
  "X-AuthMesh-Anything: root",
  "X-Authmesh-Token-Id: root",
] as const;

describe("what a caller says of itself", () => {
  it.each(spellings)("never arrives with what the gateway says: %s", async (lines) => {
    const environ = await environOf(await signedRequest(devices.till, "/a", `${lines}\r\n`));
    const ours = Object.entries(environ).filter(([name]) => /MESH/.test(name));
    const id = devices.till.publicKey.deviceId;
    expect(Object.fromEntries(ours)).toEqual({
      ...mesh("AUTHMESH", id, environ["HTTP_X_AUTHMESH_DECISION_ID"]),
      ...mesh("OATHMESH", id, environ["HTTP_X_AUTHMESH_DECISION_ID"]),
    });
  });

  it.each(spellings)("never arrives where nobody was verified: %s", async (lines) => {
    const environ = await environOf(`GET /open HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n\r\n`);
    expect(Object.keys(environ).filter((name) => /MESH/i.test(name))).toEqual([]);
    expect(JSON.stringify(environ)).not.toMatch(/root|admin/);
  });

  const mesh = (prefix: string, id: string, decision = "") => ({
    [`HTTP_X_${prefix}_SUBJECT`]: id,
    [`HTTP_X_${prefix}_DEVICE`]: id,
    [`HTTP_X_${prefix}_KIND`]: "device",
    [`HTTP_X_${prefix}_NAME`]: "till",
    [`HTTP_X_${prefix}_SCOPE`]: "orders:r",
    [`HTTP_X_${prefix}_DECISION_ID`]: decision,
  });
});

describe("where a caller says that it comes from", () => {
  it.each([
    "X-Forwarded-For: 10.0.0.1",
    "X_Forwarded_For: 10.0.0.1",
    "X.Forwarded.For: 10.0.0.1",
    "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.1",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded_Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Server: evil.example",
    "X-Forwarded-User: evil",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: https",
    "Forwarded: for=10.0.0.1;host=evil.example;proto=https",
    "FORWARDED: for=10.0.0.1",
    "X-Real-IP: 10.0.0.1",
    "X_Real_IP: 10.0.0.1",
    "X-Original-URL: /evil",
    "X-Original-Host: evil.example",
    "X-Original-Method: DELETE",
    "X-Original-Forwarded-For: 10.0.0.1",
    "Proxy: http://evil.example",
    "X-Rewrite-URL: /evil",
    "X-HTTP-Method: DELETE",
    "X-HTTP-Method-Override: DELETE",
    "X_HTTP_Method_Override: DELETE",
    "X-Method-Override: DELETE",
  ])("never arrives: %s", async (lines) => {
    const environ = await environOf(`GET /open HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n\r\n`);
    expect(environ).toEqual({
      PATH_INFO: "/open",
      HTTP_CONNECTION: "keep-alive", // the gateway's own
      HTTP_HOST: "a.example",
      HTTP_X_FORWARDED_FOR: "127.0.0.1",
      HTTP_X_FORWARDED_HOST: "a.example",
      HTTP_X_FORWARDED_PROTO: "http",
    });
  });

  it("nor do its proofs, and all else does", async () => {
    const more = "Signature: a\r\nSignature-Input: b\r\nAuthMesh-Delegation: c\r\nX-Under_Score: d\r\n";
    const environ = await environOf(
      `GET /open HTTP/1.1\r\nHost: a.example\r\nAuthorization: Basic e\r\n${more}X-Own: f\r\nX-Own: g\r\n\r\n`,
    );
    expect(environ).toMatchObject({ HTTP_X_OWN: "f,g" });
    expect(
      Object.keys(environ).filter((name) => /SIGNATURE|AUTHORIZATION|DELEGATION|UNDER/.test(name)),
    ).toEqual([]);
  });

  it("nor does what stands in trailers", async () => {
    const head = "POST /open HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n";
    const chunked =
      "POST /open HTTP/1.1\r\nHost: a.example\r\nTrailer: X-AuthMesh-Subject\r\nTransfer-Encoding: chunked\r\n\r\n";
    const plain = await environOf(head);
    expect(await environOf(`${chunked}0\r\nX-AuthMesh-Subject: root\r\n\r\n`)).toEqual(
      expect.objectContaining({ HTTP_X_FORWARDED_FOR: plain["HTTP_X_FORWARDED_FOR"] }),
    );
  });
});
