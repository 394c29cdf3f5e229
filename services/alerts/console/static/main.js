// The console's page: what is wired to what.

import * as act from "./act.js";
import * as clock from "./clock.js";
import * as drafts from "./drafts.js";
import * as keys from "./keys.js";
import * as line from "./line.js";
import * as page from "./page.js";
import * as presence from "./presence.js";
import { say } from "./say.js";
import * as session from "./session.js";
import * as sound from "./sound.js";

const LOST_SOUNDS_AFTER_MS = 10_000;

const version = document.body.dataset.version;
let lostAt = null;

function listen() {
  if (Number(document.body.dataset.life) > 0) sound.want("alarm");
  else if (lostAt !== null && performance.now() - lostAt > LOST_SOUNDS_AFTER_MS) sound.want("lost");
  else sound.want(null);
}

clock.sync(document.body.dataset.now);
clock.run();
page.begin();
drafts.begin();
drafts.restore();
act.begin();
keys.begin();
sound.begin();
session.begin();
presence.begin();

page.events.addEventListener("renewed", () => {
  drafts.restore();
  listen();
  document.getElementById("version-banner").hidden = document.body.dataset.version === version;
});
line.events.addEventListener("changed", ({ detail }) => {
  if (detail.now === "connected") {
    if (detail.before !== "connecting") say("Connected again. The queue is up to date.");
    lostAt = null;
  } else lostAt ??= performance.now();
});
document.getElementById("reload").addEventListener("click", () => location.reload());
setInterval(listen, 1000);
listen();
line.begin();
