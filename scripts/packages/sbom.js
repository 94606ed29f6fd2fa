/**
 * The bill of materials of a package: CycloneDX 1.5, all that is installed with it on any processor. npm's own names only what
 * the machine at hand installed, with the time and a number that is new each time; this one is the same wherever it is made.
 */
import { installedWith } from "./workspace.js";

/** @typedef {{ name: string, version: string, license?: string, integrity?: string, optional?: boolean }} Part */

/**
 * @param {import("./workspace.js").Package} of
 * @param {Record<string, import("./workspace.js").Locked>} lock the `packages` of package-lock.json
 * @param {Record<string, string>} ours SHA-256 of our own tarballs, in hex, by name
 */
export function billOfMaterials(of, lock, ours) {
  const { direct, all } = installedWith(of, lock);
  const refs = (/** @type {string[]} */ places) =>
    [...new Set(places.map((place) => purl(/** @type {Part} */ (all.get(place)))))].sort();
  const subject = component(of.manifest, ours);
  const byRef = new Map([...all.values()].map((part) => [purl(part), part]));
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: subject },
    components: [...byRef.values()].map((part) => component(part, ours)),
    dependencies: [
      { ref: subject.purl, dependsOn: refs(direct) },
      ...[...byRef].map(([ref, { needs }]) => ({ ref, dependsOn: refs(needs) })),
    ],
  };
}

/** @param {Part} part @param {Record<string, string>} ours */
function component(part, ours) {
  const { name, version, license, integrity, optional } = part;
  const own = ours[name];
  const hash = own === undefined ? sha512(`${integrity}`) : { alg: "SHA-256", content: own };
  return {
    type: "library",
    "bom-ref": purl(part),
    name,
    version,
    scope: optional ? "optional" : "required",
    hashes: [hash],
    licenses: [{ license: { id: license } }],
    purl: purl(part),
  };
}

const purl = (/** @type {Part} */ { name, version }) => `pkg:npm/${name.replace("@", "%40")}@${version}`;

const sha512 = (/** @type {string} */ integrity) => ({
  alg: "SHA-512",
  content: Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex"),
});
