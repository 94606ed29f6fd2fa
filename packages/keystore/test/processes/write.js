// node write.js DIR COUNT: adds devices one after another and prints each id once it is written for good.
import { addOne, openList } from "./identity.js";

const [dir, count] = process.argv.slice(2);
const list = await openList(dir);
console.log("ready");
for (let i = 0; i < Number(count); i++) console.log((await addOne(list)).deviceId);
