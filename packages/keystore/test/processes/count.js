// node count.js DIR COUNT: raises the counter of an enrollment, and prints each number once it is written for good.
import { withEnrollment } from "@authmesh/keystore";

const [dir, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++)
  console.log(
    await withEnrollment(dir, async ({ record, save }) => {
      const counter = record.counter + 1;
      await save({ ...record, counter });
      return counter;
    }),
  );
