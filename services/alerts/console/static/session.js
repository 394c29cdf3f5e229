// A sign-in outlasts a shift, and warns half an hour before it ends. Signing in again leaves the page, and what is written on it.

import * as act from "./act.js";
import * as clock from "./clock.js";
import * as line from "./line.js";
import * as page from "./page.js";
import { say } from "./say.js";

const WARN_MS = 30 * 60_000;

const dialog = () => document.getElementById("session-dialog");

function ask() {
  if (!dialog().open) dialog().showModal();
}

function check() {
  const ends = Date.parse(document.body.dataset.expires);
  const left = ends - clock.now();
  const banner = document.getElementById("session-banner");
  if (left < WARN_MS) {
    banner.querySelector("p").textContent =
      left > 0
        ? `Your sign-in ends at ${clock.london(ends).slice(0, 5)}. Sign in again before that; the page stays as it is.`
        : "Your sign-in has ended: you do NOT see new alarms. Sign in again.";
  }
  banner.hidden = left >= WARN_MS;
}

function signedIn(answer) {
  document.body.dataset.expires = answer.expires_at;
  for (const each of document.querySelectorAll("[data-me]")) each.textContent = answer.operator;
  dialog().close();
  check();
  line.retry();
  say("You are signed in again.");
}

function signedOut() {
  document.body.dataset.expires = new Date(clock.now()).toISOString();
  check();
  ask();
}

/** Whoever comes back from another tab may have signed in there. */
async function cameBack() {
  if (!dialog().open) return;
  try {
    const answer = await fetch("/session", { headers: { ...page.SCRIPT, Accept: "application/json" } });
    if (answer.ok) {
      const told = await answer.json();
      if (Date.parse(told.expires_at) - clock.now() > WARN_MS) signedIn(told);
    }
  } catch {
    // No connection: the line says so.
  }
}

export function begin() {
  addEventListener("focus", cameBack);
  document.getElementById("renew").addEventListener("click", ask);
  document.getElementById("later").addEventListener("click", () => dialog().close());
  act.events.addEventListener("signed-in", (event) => signedIn(event.detail));
  line.events.addEventListener("changed", ({ detail }) => { if (detail.now === "signed-out") signedOut(); });
  act.events.addEventListener("signed-out", () => { line.signedOut(); ask(); });
  page.events.addEventListener("renewed", check);
  setInterval(check, 10_000);
  check();
}
