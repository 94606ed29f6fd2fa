// A PKCS#11 module in front of SoftHSM, for what SoftHSM never does: it locks tokens, takes them away, forgets who is
// logged in, hangs. Files in the folder TROUBLE say what; a number in one is a return code or a flag, in hex:
//   flags                   those of every token that are the other way round
//   mechanism, login, sign  C_GetMechanismInfo, C_Login, C_SignInit fail so; "once" behind it: the next call alone
//   hang                    C_Sign waits for as long as this file is there
// Each call of C_Initialize, C_Login and C_SignInit that comes in is a line of the file "calls".
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pkcs11/pkcs11.h>

static CK_FUNCTION_LIST functions;
static CK_FUNCTION_LIST_PTR softhsm;

static const char *place(const char *name) {
  static _Thread_local char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("TROUBLE"), name);
  return path;
}

static unsigned long trouble(const char *name) {
  unsigned long number = 0;
  char rest[8] = "";
  FILE *file = fopen(place(name), "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%lx %7s", &number, rest) < 1) number = 0;
  fclose(file);
  if (strcmp(rest, "once") == 0) unlink(place(name));
  return number;
}

static void record(const char *call) {
  FILE *file = fopen(place("calls"), "a");
  if (file == NULL) return;
  fprintf(file, "%s\n", call);
  fclose(file);
}

static CK_RV initialize(CK_VOID_PTR arguments) {
  record("C_Initialize");
  return softhsm->C_Initialize(arguments);
}

static CK_RV getTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info) {
  CK_RV rv = softhsm->C_GetTokenInfo(slot, info);
  info->flags ^= trouble("flags");
  return rv;
}

static CK_RV getMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info) {
  unsigned long rv = trouble("mechanism");
  return rv != 0 ? rv : softhsm->C_GetMechanismInfo(slot, type, info);
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  record("C_Login");
  unsigned long rv = trouble("login");
  return rv != 0 ? rv : softhsm->C_Login(session, user, pin, length);
}

static CK_RV signInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  record("C_SignInit");
  unsigned long rv = trouble("sign");
  return rv != 0 ? rv : softhsm->C_SignInit(session, mechanism, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature,
                  CK_ULONG_PTR signatureLength) {
  while (access(place("hang"), F_OK) == 0) usleep(1000);
  return softhsm->C_Sign(session, data, length, signature, signatureLength);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(dlopen(SOFTHSM, RTLD_NOW), "C_GetFunctionList");
  get(&softhsm);
  functions = *softhsm;
  functions.C_Initialize = initialize;
  functions.C_GetTokenInfo = getTokenInfo;
  functions.C_GetMechanismInfo = getMechanismInfo;
  functions.C_Login = login;
  functions.C_SignInit = signInit;
  functions.C_Sign = sign;
  *list = &functions;
  return CKR_OK;
}
