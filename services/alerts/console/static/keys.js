// Everything by keyboard. Letters can be switched off, for those who speak to their computer (WCAG 2.1.4).

import * as act from "./act.js";
import * as page from "./page.js";
import * as sound from "./sound.js";
import { say } from "./say.js";

const SETTING = "console-single-keys";
const SETTLED_MS = 700;

const queue = document.documentElement.dataset; // `queue` is "settled", or "moved" just now
let settling = null;
let first = null;

const links = () => [...document.querySelectorAll("#queue a.open")].filter((link) => link.checkVisibility());

function move(step) {
  const all = links();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  const next = at === -1 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

/** The one with the focus, else the open one, else the first that waits: unless that one has only just come to be the first. */
function acknowledge() {
  const card = document.activeElement?.closest(".card");
  const wanted = card ?? document.querySelector("#alarm .alarm");
  const form = (root) => root?.querySelector('form[action$="/acknowledge"]');
  if (wanted) {
    if (form(wanted)) act.send(form(wanted));
    else say("This one does not wait. Press Q, and then A for the first that does.");
    return;
  }
  const top = document.querySelector('[data-key="waiting"] .card');
  if (!form(top)) say("Nobody is waiting.");
  else if (queue.queue === "moved") say("The queue has just changed. Look, and press again.");
  else act.send(form(top));
}

const KEYS = {
  j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
  a: acknowledge,
  c: () => document.querySelector("#close input")?.focus(),
  r: () => document.querySelector(".call a.button")?.click(),
  q: () => page.openAlarm() && page.go("/console/"), Escape: () => page.openAlarm() && page.go("/console/"),
  s: () => sound.startShift(),
  "?": () => document.getElementById("help-dialog").showModal(),
};

const writes = (target) => target.closest("textarea, select, input:not([type=radio], [type=checkbox])") !== null;
const chooses = (target) => target.closest("input[type=radio]") !== null;

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!(key in KEYS) || (event.repeat && !key.startsWith("Arrow"))) return; // a key held down takes one alarm, not all
  if (writes(event.target)) {
    if (key === "Escape") event.target.blur();
    return;
  }
  if (chooses(event.target) && key.startsWith("Arrow")) return;
  if (key.length === 1 && key !== "?" && localStorage.getItem(SETTING) === "off") return;
  event.preventDefault();
  KEYS[key]();
}

export function begin() {
  document.addEventListener("keydown", pressed);
  document.getElementById("help").addEventListener("click", KEYS["?"]);
  const box = document.getElementById("single-keys");
  box.checked = localStorage.getItem(SETTING) !== "off";
  box.addEventListener("change", () => localStorage.setItem(SETTING, box.checked ? "on" : "off"));
  page.events.addEventListener("renewed", () => {
    const top = document.querySelector('[data-key="waiting"] .card')?.dataset.key ?? null;
    if (top !== first) {
      clearTimeout(settling);
      queue.queue = "moved";
      settling = setTimeout(() => { queue.queue = "settled"; }, SETTLED_MS);
    }
    first = top;
  });
}
