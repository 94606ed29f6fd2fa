import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject, type JsonValue } from "@authmesh/core";
import { accountText, enrollmentId, labelText, readEnrollmentRequest } from "@authmesh/core/enrollment";
import {
  integer,
  Misfit,
  oneOf,
  optional,
  type Reader,
  type RecordOf,
  readDocument,
  record,
  text,
  time,
} from "@authmesh/core/records";
import { readBounded } from "@authmesh/core/server-program";
import { storageFailed } from "@authmesh/core/storage-error";
import { replaceFile } from "./internal/durable-file.js";
import { type HeldLock, withLock } from "./internal/folder-lock.js";

const authority = text(/^https?:\/\/[\x21-\x7e]{1,512}$/, "the URL of an authority");

const shape = {
  version: oneOf(1),
  /** The highest that an answer to a challenge carried, or was about to. Never lower than it was. */
  counter: integer(0, Number.MAX_SAFE_INTEGER),
  /** Signed, and perhaps sent; until the authority answered. */
  asking: optional(readEnrollmentRequest),
  /** Where this machine was known without this folder: of a key that came back from a backup. */
  authority: optional(authority),
  enrollment: optional(
    record({
      authority,
      account: accountText,
      id: enrollmentId,
      appName: labelText,
      deviceName: labelText,
      /** When the authority was last asked. */
      status: oneOf("pending", "approved", "denied", "revoked", "expired"),
      /** The authority accepted no answer when it was last asked: it knows the enrollment no more, or not by this URL. */
      refused: optional(oneOf(true)),
      /** When it ends, Unix seconds, as the authority said last. */
      expiresAt: optional(time),
      /** What was asked for, and the comparison code; of one that was asked for. */
      request: optional(readEnrollmentRequest),
      code: optional(text(/^\d{6}$/, "six digits")),
    }),
  ),
};

/** What a machine keeps of its enrollment (docs/protocol.md, section 11.16). */
export type EnrollmentRecord = Readonly<RecordOf<typeof shape>>;

const readRecord = record(shape);

/** A request that nobody can send is forgotten: the counter beside it cannot be had again. */
const readForgiving: Reader<EnrollmentRecord> = (value, at) => {
  if (!isJsonObject(value) || isReadable(value["asking"])) return readRecord(value, at);
  const { asking: _, ...others } = value;
  return readRecord(others, at);
};

function isReadable(asking: JsonValue | undefined): boolean {
  try {
    if (asking !== undefined) readEnrollmentRequest(asking, "asking");
    return true;
  } catch (error) {
    if (error instanceof Misfit) return false;
    throw error;
  }
}

const maxBytes = 128 << 10;
const limits = { maxLength: maxBytes };

/** A folder of its own, with a lock of its own: an answer holds that while the network is asked. */
const folderOf = (dir: string): string => join(dir, "enrollment");
const fileName = "enrollment.json";

/** An empty one where there is none. @throws AmeshError `storage_failed`, also for a damaged file */
export function readEnrollment(dir: string): EnrollmentRecord {
  const path = join(folderOf(dir), fileName);
  const bytes = readBounded(path, maxBytes);
  return bytes === undefined ? { version: 1, counter: 0 } : parseEnrollment(bytes, path);
}

/** @throws AmeshError `storage_failed` */
export const parseEnrollment = (bytes: Uint8Array, path: string): EnrollmentRecord =>
  readDocument(bytes, readForgiving, "storage_failed", path, limits, lost);

const lost =
  "Mend it, and keep its counter or write a higher one: an authority takes a lower one for a copy of the key, and locks the enrollment.";

const unkept = "The file is as it was. Give values that docs/protocol.md, section 11.16, allows.";

/** The record, held for a while. */
export interface HeldEnrollment {
  /** As it was when the lock was taken. */
  readonly record: EnrollmentRecord;
  /** Durable once it resolves. @throws AmeshError `storage_failed`, also for what could not be read again, `allow_list_locked` as `assertHeld` */
  save(next: EnrollmentRecord): Promise<void>;
  /** To be called before what must not be done by two at once. @throws AmeshError `allow_list_locked` */
  assertHeld(): void;
}

/** Answers wait for each other's network. */
const waitMs = 60_000;

/**
 * Works with the record of a folder, one at a time over all processes of this machine.
 *
 * @throws AmeshError `allow_list_locked`, `storage_failed`, and what `work` throws
 */
export async function withEnrollment<T>(dir: string, work: (held: HeldEnrollment) => Promise<T>): Promise<T> {
  const folder = folderOf(dir);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageFailed(folder, error);
  }
  const hold = async ({ assertHeld }: HeldLock): Promise<T> => {
    const save = async (next: EnrollmentRecord) => {
      const path = join(folder, fileName);
      const content = `${JSON.stringify(next, null, 2)}\n`;
      readDocument(content, readRecord, "storage_failed", `What was to be kept in ${path}`, limits, unkept);
      await replaceFile(path, content, assertHeld);
    };
    return work({ record: readEnrollment(dir), save, assertHeld });
  };
  return withLock(join(folder, "lock"), hold, { waitMs });
}
