/** The command line as `npm install --global` makes it, in a prefix of its own. */
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { output } from "./program.js";

const largest = 60 * 2 ** 20;

/** What is a package of its own: how it is asked for, and what the command says until it is there. */
const optional = {
  "@authmesh/relay": ["relay", "--limit", "nothing=1"],
  "@authmesh/authority": ["authority", "status", "--dir", "nowhere"],
  "@authmesh/gateway": ["gateway", "check", "nowhere.yaml"],
};

/** @param {string} prefix empty @param {string} registry an argument of npm @returns {Promise<string>} its size */
export async function checkGlobalInstall(prefix, registry) {
  const home = join(prefix, "home");
  mkdirSync(home);
  const install = (/** @type {string[]} */ ...names) =>
    output("npm", ["install", "--global", "--prefer-offline", "--prefix", prefix, registry, ...names]);
  const amesh = join(prefix, process.platform === "win32" ? "amesh.cmd" : "bin/amesh");
  const own = { HOME: home, AUTH_MESH_DIR: undefined, NO_COLOR: "1" };
  const run = (/** @type {string[]} */ args, env = {}) =>
    output(amesh, args, { cwd: home, env: { ...own, ...env } });
  const refusal = (/** @type {string[]} */ args, env = {}) =>
    run(args, env).then(
      () => "",
      (/** @type {Error} */ error) => error.message,
    );

  await install("@authmesh/cli");
  const size = sizeOf(prefix);
  if (size > largest) throw new Error(`${size} bytes are more than ${largest}`);
  for (const args of [["--version"], ["--help"], ["relay", "--help"]])
    if ((await run(args)) === "") throw new Error(`amesh ${args.join(" ")} prints nothing`);
  for (const [name, args] of Object.entries(optional))
    expect(await refusal(args), `hint: npm install --global ${name}`);
  await install(...Object.keys(optional));
  for (const args of Object.values(optional))
    expect(await refusal(args), / \((?!unexpected_error|package_missing)\w+\)/);
  const withRedis = { AMESH_RELAY_REDIS_URL: "redis://127.0.0.1:1" };
  expect(await refusal(["relay", "--port", "0"], withRedis), "hint: npm install ioredis (with --global");
  return `${(size / 2 ** 20).toFixed(1)} MiB; without its peers it names them, with them it runs them`;
}

/** @param {string} printed @param {string | RegExp} wanted */
function expect(printed, wanted) {
  if (typeof wanted === "string" ? printed.includes(wanted) : wanted.test(printed)) return;
  throw new Error(`${wanted} is not in\n${printed}`);
}

/** In bytes. @param {string} folder */
const sizeOf = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((path) => lstatSync(join(folder, `${path}`)).size)
    .reduce((sum, size) => sum + size, 0);
