import { AmeshError } from "@authmesh/core";

/** The issuer is a package of its own. @throws AmeshError `package_missing` */
export const loadAuthority = () => installed(() => import("@authmesh/authority"));

/** Its state alone, which starts in half the time. @throws AmeshError `package_missing` */
export const loadAuthorityState = () => installed(() => import("@authmesh/authority/state"));

async function installed<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new AmeshError(
      "package_missing",
      "The authority is a package of its own, and it is not installed.",
      {
        fix: "npm install --global @authmesh/authority",
        cause,
      },
    );
  }
}
