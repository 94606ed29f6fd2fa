/** A registry on the loopback with the packed packages alone, so that npm installs them as it will for users. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename } from "node:path";

/**
 * @param {import("./pack.js").Packed[]} packed
 * @returns {Promise<{ setting: string, close(): Promise<void> }>} `setting` is an argument of npm
 */
export async function openRegistry(packed) {
  /** @type {Map<string, Buffer | string>} */
  const answers = new Map();
  const server = createServer((request, response) => {
    const answer = answers.get(decodeURIComponent(`${request.url}`));
    // Another run may have the same port.
    response.writeHead(answer === undefined ? 404 : 200, { "cache-control": "no-store" }).end(answer ?? "{}");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const origin = `http://127.0.0.1:${port}`;
  for (const { name, manifest, tarball } of packed) {
    const bytes = readFileSync(tarball);
    const place = `/${basename(tarball)}`;
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    const version = { ...manifest, dist: { tarball: `${origin}${place}`, integrity } };
    const { version: latest } = manifest;
    answers.set(place, bytes);
    answers.set(
      `/${name}`,
      JSON.stringify({ name, "dist-tags": { latest }, versions: { [latest]: version } }),
    );
  }
  return {
    setting: `--@authmesh:registry=${origin}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
