import { AmeshError } from "./errors.js";

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file may not grow so large",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ENOENT: "it does not exist",
  ENOTDIR: "a part of its path is not a folder",
  EISDIR: "it is a folder",
  ELOOP: "its path is a circle of links",
  EIO: "the disk reports an error",
};

export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException)?.code;

/** Why a call to the file system failed, in plain words. */
export function storageReason(error: unknown): string {
  const code = errorCode(error) ?? "it failed";
  return reasons[code] ?? code;
}

/** What a call to the file system failed with, in plain words; any other error stays what it is. */
export function storageFailed(path: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new AmeshError("storage_failed", `${path}: ${storageReason(error)}.`, { cause: error });
}
