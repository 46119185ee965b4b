// Follows a view with the Socket.IO client that browsers use; prints one JSON line when it has seen enough.
import process from "node:process";

import { io } from "socket.io-client";

const [url, view, wanted] = process.argv.slice(2);
const socket = io(url, { transports: ["websocket"], reconnection: false });
/** @type {object[]} */
const frames = [];

socket.on("connect", async () => {
  const refused = await socket.emitWithAck("watch", { view: "no such view" });
  const accepted = await socket.emitWithAck("watch", { view });
  socket.on("frame", (frame, acknowledge) => {
    frames.push({ view: frame.view, n: frame.n, keys: Object.keys(frame) });
    acknowledge();
    if (frames.length === Number(wanted)) {
      console.log(JSON.stringify({ refused, accepted, frames }));
      socket.disconnect();
    }
  });
});
socket.on("connect_error", (error) => {
  console.error(error.message);
  process.exit(1);
});
