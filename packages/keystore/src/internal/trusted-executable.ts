import { realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute } from "node:path";
import { errorCode, storageReason } from "@authmesh/core/storage-error";
import { Trouble } from "./trouble.js";

const writableByOthers = 0o022;
const sticky = 0o1000;

/**
 * Insists that nobody but root and whoever runs this process can change a file whose code is about to run, or put
 * another into its place: the file and every folder above it belong to one of the two, and neither group nor
 * others may write there. A sticky folder further up may be shared, since what is in it is safe from others. Windows does not
 * show Node.js who may write; there only the kind of the file is looked at.
 *
 * @param checkPath what to do where no file can be read there
 * @returns the path with every link followed, which is what was looked at and what is to be run
 * @throws Trouble `key_store_unavailable`
 */
export function assertTrustedFile(path: string, checkPath: string): string {
  if (!isAbsolute(path)) throw distrusted(`${path} is not an absolute path`);
  try {
    const real = realpathSync(path);
    if (!statSync(real).isFile()) throw distrusted(`${real} is not a regular file`);
    const uid = process.getuid?.();
    if (uid !== undefined) assertOwnPath(real, uid);
    return real;
  } catch (cause) {
    if (cause instanceof Trouble) throw cause;
    const reason = errorCode(cause) === "ENOENT" ? `no ${path}` : `${path}: ${storageReason(cause)}`;
    throw new Trouble("key_store_unavailable", reason, { fix: checkPath, cause });
  }
}

function assertOwnPath(file: string, uid: number): void {
  const folder = dirname(file);
  assertOwn(file, uid);
  assertOwn(folder, uid);
  for (let above = dirname(folder); ; above = dirname(above)) {
    assertOwn(above, uid, sticky);
    if (above === dirname(above)) return;
  }
}

/** @param excuse a bit of the mode with which others may write all the same */
function assertOwn(path: string, uid: number, excuse = 0): void {
  const { mode, uid: owner } = statSync(path);
  if ((mode & writableByOthers) !== 0 && (mode & excuse) === 0)
    throw distrusted(`others may write to ${path}`, `Run \`chmod go-w ${path}\`, or`);
  if (owner !== 0 && owner !== uid) throw distrusted(`${path} belongs to another user (${owner})`);
}

const distrusted = (problem: string, mend = "") =>
  new Trouble("key_store_unavailable", `its code is not safe to run: ${problem}`, {
    fix: `${mend} keep it where only root or you can write.`.trimStart(),
  });
