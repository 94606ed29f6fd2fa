/** Hands on connections to a port of this network's loopback: to the same port of the address that is given. */
import { connect, createServer } from "node:net";
import { pipeline } from "node:stream";

const [port, address] = process.argv.slice(2);
createServer((socket) => {
  const onward = connect(Number(port), address);
  pipeline(socket, onward, socket, () => {});
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
