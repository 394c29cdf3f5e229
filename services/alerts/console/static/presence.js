// Says that this operator has an alarm before their eyes, and learns who else has.

import * as page from "./page.js";

const EVERY_MS = 5000;

let at = null;

const post = (path) => fetch(path, { method: "POST", headers: { ...page.SCRIPT, Accept: "application/json" } });

/** Away from the alarm: the others see it at once, and not after 15 seconds. */
function leave() {
  if (at) navigator.sendBeacon(`/console/alarms/${at}/left`);
  at = null;
}

async function look() {
  const alarm = document.hidden ? undefined : page.openAlarm();
  if (!alarm) {
    leave();
    return;
  }
  if (at && at !== alarm) leave();
  at = alarm;
  try {
    const answer = await post(`/console/alarms/${alarm}/looking`);
    const { others } = await answer.json();
    const shown = document.querySelector("#alarm .alarm")?.dataset.lookers ?? "";
    if (answer.ok && shown !== others.join("\n")) page.refresh();
  } catch {
    // The line says when there is no connection; nobody's presence is worth another word.
  }
}

export function begin() {
  page.events.addEventListener("renewed", () => { if (page.openAlarm() !== at) look(); });
  page.events.addEventListener("leaving", leave);
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", leave);
  setInterval(look, EVERY_MS);
  look();
}
