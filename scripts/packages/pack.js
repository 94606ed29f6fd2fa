/** Packs what was built, as it is published. The same sources give the same bytes, on any machine and at any time. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output } from "./program.js";
import { packagesOf, readJson } from "./workspace.js";

/**
 * @typedef {{
 *   name: string, manifest: import("./workspace.js").Manifest, tarball: string, size: number, unpackedSize: number, sha256: string,
 *   files: { path: string, size: number, mode: number }[],
 * }} Packed `manifest` is the published one; sizes are in bytes, `sha256` in hex
 */

/** @param {string} repository @param {string} out a folder, made when it is missing @returns {Promise<Packed[]>} */
export async function pack(repository, out) {
  mkdirSync(out, { recursive: true });
  const staging = mkdtempSync(join(tmpdir(), "amesh-pack-"));
  try {
    const staged = packagesOf(repository).map(({ folder }) =>
      stage(join(repository, folder), join(staging, folder)),
    );
    const told = JSON.parse(await output("npm", ["pack", "--json", "--pack-destination", out, ...staged]));
    return staged.map((folder) => {
      const manifest = readJson(join(folder, "package.json"));
      const { filename, size, unpackedSize, files } = /** @type {any[]} */ (Object.values(told)).find(
        ({ name }) => name === manifest.name,
      );
      const tarball = join(out, filename);
      const sha256 = createHash("sha256").update(readFileSync(tarball)).digest("hex");
      return { name: manifest.name, manifest, tarball, size, unpackedSize, sha256, files };
    });
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** A copy with the manifest and the README that users get, and modes that are nobody's own. @param {string} from @param {string} to */
function stage(from, to) {
  const manifest = readJson(join(from, "package.json"));
  cpSync(from, to, { recursive: true, filter: (path) => !/[/\\](?:node_modules|src|test)$/.test(path) });
  writeFileSync(join(to, "package.json"), `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`);
  const readme = join(to, "README.md");
  writeFileSync(readme, absoluteLinks(readFileSync(readme, "utf8"), manifest));
  for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    chmodSync(path, entry.isDirectory() || readFileSync(path, "latin1").startsWith("#!") ? 0o755 : 0o644);
  }
  return to;
}

/**
 * Without what only this repository has: its scripts, and the condition under which tests import the sources.
 *
 * @param {import("./workspace.js").Manifest} manifest
 */
function publishedManifest({ scripts: _, ...manifest }) {
  return JSON.parse(
    JSON.stringify(manifest, (key, value) => (key === "@authmesh/source" ? undefined : value)),
  );
}

/**
 * A relative link leads nowhere outside of the repository.
 *
 * @param {string} text @param {import("./workspace.js").Manifest} manifest
 */
function absoluteLinks(text, { repository, version }) {
  const base = `${repository?.url.replace(/^git\+|\.git$/g, "")}/blob/v${version}/`;
  return text.replace(/\]\((?![a-z]+:|#)([^)\s]+)\)/g, (_, link) => {
    const { pathname, hash } = new URL(link, `file:///${repository?.directory}/`);
    return `](${base}${pathname.slice(1)}${hash})`;
  });
}
