// @ts-check
/** The cards of the zoo. */

import { mountZoo } from "../../views/lab/zoo_cards.js";
import { ANIMAL, OUT, result, zoo } from "../made_zoo.js";

const other = { ...ANIMAL, name: "one-burst", title: "One huge burst", does: "Sends 64 MiB as fast as it can, then reads everything.", count: 1, page: "loop" };

/** @type {import("../stage.js").Component} */
export default {
  page: "lab",
  pick: ".zoo",
  mount: (root, app) => mountZoo(root, app),
  states: {
    loading: {},
    empty: { answers: { zoo: zoo({ animals: [] }) } },
    "never out": { answers: { zoo: zoo({ animals: [ANIMAL, other] }) } },
    out: { answers: { zoo: zoo({ animals: [ANIMAL, other], running: OUT }) } },
    "just let out": { answers: { zoo: zoo({ running: { ...OUT, stage: "starting", left_s: 15, connections: 0, sent: 0, states: [], verdicts: [], sentence: "", conns: [] } }) } },
    "as expected": { answers: { zoo: zoo({ results: { [ANIMAL.name]: result() } }) } },
    "not as expected": { answers: { zoo: zoo({ results: { [ANIMAL.name]: result({ met: false }) } }) } },
    "not checked": { answers: { zoo: zoo({ results: { [ANIMAL.name]: result({ met: false, error: "it was called back before anything could be seen", expectations: [], connections: [], q: "" }) } }) } },
    "an exception": { answers: { zoo: zoo({ results: { [ANIMAL.name]: result({ model: "blocking", notes: ["`blocking` serves one at a time: the others wait in the accept queue."] }) } }) } },
    busy: { answers: { zoo: zoo({ animals: [ANIMAL, other], busy: "lab run 20261123-142205-0000" }) } },
    refused: { answers: { zoo: zoo({ refusal: "the echo server does not listen on loopback" }) } },
    error: { answers: { zoo: new Error("the server answered 503") } },
  },
};
