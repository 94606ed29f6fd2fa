// Shows what is enrolled in this machine's account.
import { listEnrollments } from "@authmesh/sdk/enroll";

// A machine that was let in knows its authority; one that came back from a backup is told it again.
const authority = process.env.AMESH_AUTHORITY_URL;

for await (const { appName, deviceName, status, scopes } of listEnrollments({ authority }))
  console.log(`${appName}/${deviceName} ${status}`, scopes);
