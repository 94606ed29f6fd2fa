import { trustStoreConformance } from "../../../test/conformance/suites/trust-store.js";
import { addDevice, revokeDevice } from "../src/index.js";
import { newDevice, newIdentity } from "./fixture.js";

trustStoreConformance("AllowList", async () => {
  const store = await (await newIdentity({ maxControllers: 10 })).openAllowList();
  return {
    store,
    trust: async (device) => void (await store.update((draft) => addDevice(draft, newDevice(device)))),
    revoke: async (deviceId) =>
      void (await store.update((draft) => revokeDevice(draft, { deviceId, now: 1_760_000_001 }))),
  };
});
