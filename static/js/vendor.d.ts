/** The libraries under /vendor/, which are files of node_modules (web/pages/assets.py), have the types of those. */

declare module "*/vendor/socket.io.esm.min.js" {
  export { io, type Socket } from "socket.io-client";
}
declare module "*/vendor/uPlot.esm.js" {
  export { default } from "uplot";
}
