// @ts-check
/** What server this is, what its recorder has and lacks, and how to connect while nobody has. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";

/** @param {HTMLElement} root @returns {(data: import("../../live/types.js").Overview) => void} */
export function mountServer(root) {
  const parts = refs(root);
  mountCopy(parts);
  return (data) => {
    server(parts, data);
    recorder(parts, data);
  };
}

/** @param {Record<string, HTMLElement>} parts */
function mountCopy(parts) {
  parts.copy.addEventListener("click", async () => {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(parts.command.textContent ?? "");
      setText(parts.copy, "Copied");
    } else {
      getSelection()?.selectAllChildren(parts.command);
    }
  });
}

/** Where a client on the viewer's machine would connect. @param {{host: string, port: number}} echo */
function reachable(echo) {
  const everywhere = ["", "0.0.0.0", "::"].includes(echo.host);
  return everywhere ? location.hostname.replace(/^\[|\]$/g, "") : echo.host;
}

/** @param {Record<string, HTMLElement>} parts @param {import("../../live/types.js").Overview} data */
function server(parts, data) {
  const { host, port } = data.echo ?? { host: "", port: 0 };
  setText(parts.address, host === "" ? format.UNKNOWN : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  setText(parts.command, `nc ${reachable({ host, port })} ${port}`);
  show(parts.welcome, !data.replay && Number(data.connections?.accepted) === 0 && Number(data.connections?.open) === 0);
  setText(parts.model, data.model ?? format.UNKNOWN);
  setText(parts.reply, data.reply ?? format.UNKNOWN);
  setText(parts.workers, workersWords(format.num(data.workers)));
  setText(parts.uptime, format.duration(data.uptime_s));
  setText(parts.viewers, format.count(data.viewers));
}

/** @param {number | null} number unknown where a log does not tell */
function workersWords(number) {
  if (number === null) return format.UNKNOWN;
  return number > 0 ? format.plural(number, "process", "processes") : "0 (a thread)";
}

/** @param {Record<string, HTMLElement>} parts @param {import("../../live/types.js").Overview} data */
function recorder(parts, data) {
  const { events, lost, lag_ms: lag, log_bytes: size, dropped } = data.recorder ?? {};
  setText(parts.recorded, format.count(events));
  setText(parts.lost, format.count(lost));
  setAttr(parts.lostBox, "data-some", String(Number(lost) > 0));
  setText(parts.lag, format.millis(lag));
  setText(parts.logSize, format.bytes(size));
  show(parts.droppedBox, Number(dropped?.events) > 0);
  setText(parts.dropped, format.count(dropped?.events));
  setAttr(parts.dropped, "title", dropped?.until ? `up to ${format.stamp(dropped.until)}` : null);
  setText(parts.accepted, format.count(data.connections?.accepted));
  setText(parts.closed, format.count(data.connections?.closed));
  setText(parts.refused, format.count(data.connections?.refused));
  setAttr(parts.refusedBox, "data-some", String(Number(data.connections?.refused) > 0));
  setText(parts.echoesTotal, format.count(data.echoes));
  setText(parts.inTotal, format.bytes(data.bytes_in));
  setText(parts.outTotal, format.bytes(data.bytes_out));
}
