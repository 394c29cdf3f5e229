// The page is what the server says it is. Whenever something may have changed, it is read again and made so.

import * as clock from "./clock.js";
import { morph } from "./morph.js";
import { notice, shout } from "./say.js";

const READ_TIMEOUT_MS = 8000;
const PAUSE_MS = 150; // in a storm the page is read a few times a second, or less when that takes long; not for each alarm
const REGIONS = ["trouble", "silences", "queue", "alarm"];

/** Told after the page has been renewed, and when it could not be: `renewed`, `failed(status)`; `status` 0 is "no answer". */
export const events = new EventTarget();

/** The headers by which the server knows a script, and tells it of errors as such. */
export const SCRIPT = { "X-Telecare-Script": "1" };

const HOME = "/console/";
let reading = null;
let again = false;
let signIn = 0; // counted: what was asked for under another one is not shown

/** Nobody is signed in any more, or somebody is again: what is being read was asked for before that. */
export function signInChanged() {
  signIn += 1;
}

async function read() {
  const url = location.href;
  const asker = signIn;
  let status = 0;
  try {
    const answer = await fetch(url, {
      headers: { ...SCRIPT, Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(READ_TIMEOUT_MS),
    });
    status = answer.status;
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    if (url === location.href && asker === signIn) show(new DOMParser().parseFromString(text, "text/html"));
    return true;
  } catch {
    if (asker !== signIn) return false;
    events.dispatchEvent(new CustomEvent("failed", { detail: status }));
    if (status === 404 && location.pathname !== HOME) {
      notice("This alarm is not, or no longer, one of your hub's.");
      history.replaceState(null, "", HOME);
      again = true;
    }
    return false;
  }
}

/** Read it again. Asked while it is being read, it is read once more afterwards: what we were told of may be newer. */
export async function refresh() {
  again = true;
  reading ??= (async () => {
    let good = true;
    while (again) {
      again = false;
      const began = performance.now();
      good = await read();
      const pause = Math.max(PAUSE_MS, performance.now() - began);
      if (again) await new Promise((resume) => { setTimeout(resume, pause); });
    }
    reading = null;
    return good;
  })();
  return reading;
}

const waitingLife = (root) =>
  new Set([...root.querySelectorAll('#queue [data-key="waiting"] [data-priority="1"]')].map((card) => card.dataset.key));

function show(next) {
  const known = waitingLife(document);
  Object.assign(document.body.dataset, next.body.dataset);
  clock.sync(next.body.dataset.now);
  document.title = next.title;
  for (const id of REGIONS) morph(document.getElementById(id), next.getElementById(id));
  document.getElementById("desk").className = next.getElementById("desk").className;
  clock.tick();
  announce([...waitingLife(document)].filter((id) => !known.has(id)));
  events.dispatchEvent(new Event("renewed"));
}

function announce(arrived) {
  if (!arrived.length) return;
  const first = document.querySelector(`#queue [data-key="${arrived[0]}"]`);
  const words = [".what", ".where"].map((part) => first.querySelector(part).textContent.trim()).join(", ");
  const waiting = Number(document.body.dataset.life);
  shout(`Priority 1: ${words}. ${waiting === 1 ? "One is waiting." : `${waiting} are waiting.`}`);
}

/** The alarm that is open, or undefined. */
export const openAlarm = () => document.querySelector("#alarm .alarm")?.dataset.alarm;

/** Go to an alarm, or back to the queue, without leaving the page: sound and stream go on. */
export async function go(path, { remember = true } = {}) {
  const before = openAlarm();
  if (path !== location.pathname) {
    events.dispatchEvent(new Event("leaving"));
    if (remember) history.pushState(null, "", path);
  }
  document.getElementById("alarm").setAttribute("aria-busy", "true");
  const good = await refresh();
  document.getElementById("alarm").removeAttribute("aria-busy");
  if (!good) {
    notice("This could not be read just now. It is tried again by itself.");
    return;
  }
  const heading = document.getElementById("alarm-title");
  if (heading) {
    heading.focus({ preventScroll: true });
    document.getElementById("alarm").scrollTop = 0;
    if (!matchMedia("(min-width: 60rem)").matches) scrollTo(0, 0);
  } else {
    const card = document.querySelector(`#queue [data-key="${before}"] a.open`) ?? document.getElementById("queue");
    card.focus({ preventScroll: false });
  }
}

export function begin() {
  if (location.search) history.replaceState(null, "", location.pathname); // where one came from is done with
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-open]");
    if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(new URL(link.href).pathname);
  });
  addEventListener("popstate", () => go(location.pathname, { remember: false }));
}
