/**
 * What is used of PKCS#11 2.40 ("Cryptoki"), as the package pkcs11js offers it. The package is optional, so that its
 * types cannot be taken from it.
 */
export interface Cryptoki {
  load(path: string): void;
  C_Initialize(options: { readonly flags: number }): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): readonly Handle[];
  C_GetTokenInfo(slot: Handle): TokenInfo;
  C_GetMechanismInfo(slot: Handle, mechanism: number): unknown;
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, userType: number, pin: string): void;
  C_GenerateKeyPairAsync(
    session: Handle,
    mechanism: Mechanism,
    publicKey: Template,
    privateKey: Template,
  ): Promise<{ readonly publicKey: Handle }>;
  C_CreateObject(session: Handle, template: Template): Handle;
  C_DestroyObject(session: Handle, object: Handle): void;
  C_FindObjectsInit(session: Handle, template: Template): void;
  C_FindObjects(session: Handle, maxCount: number): readonly Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    wanted: readonly { readonly type: number }[],
  ): readonly { readonly value?: Buffer }[];
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  /** Reads `data` and fills `signature` on another thread, without keeping either from being collected. */
  C_SignAsync(session: Handle, data: Buffer, signature: Buffer): Promise<Buffer>;
}

/** A slot, a session or an object, in the bytes of a CK_ULONG. */
export type Handle = Buffer;

export type Template = readonly {
  readonly type: number;
  readonly value: number | boolean | string | Buffer;
}[];

interface Mechanism {
  readonly mechanism: number;
}

/** Texts are filled up with spaces. */
export interface TokenInfo {
  readonly label: string;
  readonly manufacturerID: string;
  readonly model: string;
  readonly serialNumber: string;
  readonly flags: number;
  readonly firmwareVersion: { readonly major: number; readonly minor: number };
}

export const userType = { user: 1 } as const;
export const initializeFlag = { osLockingOk: 0x2 } as const;
export const sessionFlag = { readWrite: 0x2, serial: 0x4 } as const;

export const tokenFlag = {
  loginRequired: 0x4,
  userPinInitialized: 0x8,
  initialized: 0x400,
  userPinCountLow: 0x10000,
  userPinFinalTry: 0x20000,
  userPinLocked: 0x40000,
} as const;

export const mechanism = { ecKeyPairGeneration: 0x1040, ecdsa: 0x1041 } as const;

export const objectClass = { data: 0, publicKey: 2, privateKey: 3 } as const;

export const attribute = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  application: 0x010,
  value: 0x011,
  id: 0x102,
  sensitive: 0x103,
  decrypt: 0x105,
  unwrap: 0x107,
  sign: 0x108,
  verify: 0x10a,
  derive: 0x10c,
  extractable: 0x162,
  local: 0x163,
  neverExtractable: 0x164,
  alwaysSensitive: 0x165,
  modifiable: 0x170,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;
