import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import express from "express";
import { freePort } from "../../../../test/fixtures/free-port.js";
import { startNginx } from "../../../../test/fixtures/nginx.js";

/** What a service answers below `/admin` and nowhere else. */
export const secret = "the secret of the administrators";

export type AtEnd = (stop: () => Promise<void>) => void;
export type StartService = (atEnd: AtEnd) => Promise<URL>;

/** Services that each have a way of their own to read paths: more lenient ones than most. */
export const lenientServices: Readonly<Record<string, StartService>> = {
  "Express 5": async (atEnd) => {
    const app = express();
    app.use("/admin", (_, response) => void response.send(secret));
    app.use((_, response) => void response.send("open"));
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    atEnd(async () => {
      server.close();
      server.closeAllConnections();
    });
    return urlOf((server.address() as AddressInfo).port);
  },

  // Decodes twice, takes backslashes and compatible characters for what they look like, and drops parameters.
  "a service that decodes all that it can": (atEnd) =>
    startPython(
      atEnd,
      `
import posixpath, re, unicodedata
from urllib.parse import unquote
from wsgiref.simple_server import WSGIRequestHandler, make_server
class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
def app(environ, start_response):
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    path = unicodedata.normalize("NFKC", unquote(path)).casefold().replace("\\\\", "/")
    path = posixpath.normpath("/" + re.sub(r"[;\\x00].*?(?=/|$)", "", path).strip())
    path = re.sub("/+", "/", path)
    body = b"${secret}" if path == "/admin" or path.startswith("/admin/") else b"open"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
`,
    ),

  "files of Python's http.server": async (atEnd) => {
    const folder = folderOfFiles(atEnd);
    return startPython(
      atEnd,
      `
import os
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
os.chdir(${JSON.stringify(folder)})
class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
`,
    );
  },

  nginx: async (atEnd) => {
    const folder = folderOfFiles(atEnd);
    const port = await freePort();
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path ${name};`,
    );
    const server = `listen 127.0.0.1:${port}; location /admin/ { return 200 "${secret}"; } location / { return 200 open; }`;
    const configuration = `pid pid; events {} http { access_log off; ${paths.join(" ")} server { ${server} } }`;
    await startNginx({ folder, configuration, port }, atEnd);
    return urlOf(port);
  },
};

const urlOf = (port: number | string) => new URL(`http://127.0.0.1:${port}`);

function folderOfFiles(atEnd: AtEnd): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-lenient-"));
  for (const name of ["admin", "public"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "admin", "secret"), secret);
  writeFileSync(join(folder, "public", "index.html"), "open");
  atEnd(async () => rmSync(folder, { recursive: true }));
  return folder;
}

/** @param program makes `server`, which is then served */
async function startPython(atEnd: AtEnd, program: string): Promise<URL> {
  const source = `${program}\nprint(server.server_port, flush=True)\nserver.serve_forever()\n`;
  const python: ChildProcess = spawn("python3", ["-c", source], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "inherit"],
  });
  atEnd(async () => {
    const ended = once(python, "exit");
    python.kill();
    await ended;
  });
  const lines = createInterface(python.stdout as NonNullable<typeof python.stdout>);
  const [port] = (await once(lines, "line")) as [string];
  return urlOf(port);
}
