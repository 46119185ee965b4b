import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../static/js/live/api.js";
import { reasonOf } from "../../static/js/model/errors.js";

test("what the server said, or that it could not be reached", () => {
  assert.equal(reasonOf(new ApiError(409, "run 3 is over")), "run 3 is over");
  assert.equal(reasonOf(new TypeError("Failed to fetch")), "the server could not be reached");
});
