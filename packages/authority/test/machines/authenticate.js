// node authenticate.js DIR COUNT: authenticates again and again, and prints what comes of each.
import { authenticate } from "@authmesh/sdk/enroll";

const [dir, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  const outcome = await authenticate({ dir }).then(
    ({ subject }) => subject,
    ({ code }) => code,
  );
  console.log(outcome);
}
