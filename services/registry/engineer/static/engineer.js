// The engineer's pages: what is wired to what. A page is what the server says it is; whenever something may have changed it is read
// again, and its regions put in the place of those that differ.

import * as line from "./line.js";
import * as outbox from "./outbox.js";
import { clock, say } from "./say.js";

const READ_TIMEOUT_MS = 15_000;
const page = document.getElementById("page").dataset;
const regions = () => document.querySelectorAll("[data-region]");
const shown = new Map([...regions()].map((each) => [each.id, each.innerHTML]));
let reading = null;
let again = false;
let readAt = Date.now();
let held = false; // a region was not renewed, for a finger was on it

/** Somebody is writing in it. */
const inUse = (region) => [...region.querySelectorAll("textarea, input:not([type=hidden])")].some((each) => each.value !== each.defaultValue);

function renew(next) {
  const before = states();
  for (const region of regions()) {
    const html = next.getElementById(region.id)?.innerHTML ?? "";
    if (html === shown.get(region.id) || (html.trim() !== "" && inUse(region))) continue;
    if (region.matches(":active")) { // what is pressed must still be there when it is let go, or the press is lost
      held = true;
      continue;
    }
    shown.set(region.id, html);
    const focused = region.contains(document.activeElement) ? document.activeElement.id : null;
    const open = [...region.querySelectorAll("details[open]")].map((each) => each.id);
    region.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused !== null) (document.getElementById(focused) ?? document.getElementById("main")).focus({ preventScroll: true });
  }
  document.title = next.title;
  readAt = Date.now();
  count();
  announce(before);
}

const states = () => new Map([...document.querySelectorAll(".proof")].map((each) => [each.dataset.key, each.dataset.state]));

function announce(before) {
  const news = [...document.querySelectorAll(".proof")].filter((each) => before.has(each.dataset.key) && before.get(each.dataset.key) !== each.dataset.state);
  const words = news.map((each) => `${each.querySelector("h2").textContent.trim().replace(/\s+/g, " ")}.`);
  if (news.length && document.getElementById("act-go-live")) words.push("Everything is done. It can go live.");
  if (words.length) say(words.join(" "));
}

function count() {
  for (const each of document.querySelectorAll("[data-wait]")) {
    const left = Math.round(Number(each.dataset.wait) - (Date.now() - readAt) / 1000);
    each.textContent = left > 0 ? `Expect it within about ${left} s.` : "Any moment now.";
  }
}

async function read() {
  let answer = null;
  try {
    const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
    answer = await fetch(location.href, { headers: { "X-Telecare-Script": "1", Accept: "text/html" }, cache: "no-store", signal });
    if (!answer.ok) throw new Error(answer.statusText);
    renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
    line.fresh();
    outbox.flush();
  } catch {
    if (answer?.status === 401) line.signedOut();
    else line.lost();
  }
}

/** Asked while it is being read, it is read once more afterwards. */
function look() {
  again = true;
  reading ??= (async () => {
    while (again) {
      again = false;
      await read();
    }
    reading = null;
  })();
  return reading;
}

for (const type of ["pointerup", "pointercancel", "keyup"]) addEventListener(type, () => {
  if (held) look();
  held = false;
});

const claimShown = () => !document.getElementById("claim").hidden;

function showClaim(body) {
  if (!("claim" in body)) return;
  if (!body.claim) {
    say(body.claim_problem);
    return;
  }
  document.getElementById("claim-code").textContent = body.claim.code;
  document.getElementById("claim-until").textContent = clock(Date.parse(body.claim.expires_at)).slice(0, 5);
  document.getElementById("claim").hidden = false;
  document.getElementById("claim-title").focus();
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-queue]");
  if (!form || !outbox.who()) return;
  event.preventDefault();
  const pressed = form.querySelector("button:not([type=button])");
  if (pressed.getAttribute("aria-disabled")) return;
  pressed.setAttribute("aria-disabled", "true");
  const sending = outbox.put(form);
  form.reset(); // what was typed is in the outbox, whatever comes
  await sending;
  pressed.removeAttribute("aria-disabled");
});
outbox.events.addEventListener("sent", ({ detail: { entry, body } }) => {
  say(`${entry.name}: done.`);
  showClaim(body);
  // A code is shown this once: nothing takes the page away from under it.
  const away = entry.url === "/engineer/register" && page.kind === "new" && claimShown() === false;
  if (away) location.href = `/engineer/d/${encodeURIComponent(body.device_id)}`;
  else if (page.kind !== "offline") look();
});
outbox.events.addEventListener("refused", ({ detail: { entry } }) => {
  say(`${entry.name}: not done.`);
  document.getElementById("outbox").scrollIntoView({ block: "nearest" });
  if (page.kind !== "offline") look();
});
outbox.events.addEventListener("signed-out", line.signedOut);
outbox.events.addEventListener("stuck", () => { if (page.kind !== "offline") line.lost(); say("No line. It is kept, and sent when there is one."); });
document.getElementById("claim-done").addEventListener("click", () => {
  document.getElementById("claim").hidden = true;
  document.getElementById("claim-code").textContent = "";
  document.getElementById("main").focus();
  if (page.kind === "offline") comeBack();
});
for (const each of document.querySelectorAll(".out")) each.addEventListener("submit", () => localStorage.removeItem("engineer-who"));

if (page.kind === "new" && location.hash) {
  outbox.correct(document.getElementById("new-form"), location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
}
/** Of the page without a line: the one that was asked for stands at its address, and is tried until it comes. */
async function comeBack() {
  try {
    const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(READ_TIMEOUT_MS) });
    if (!answer.ok) return;
    await outbox.flush();
    if (!claimShown()) location.reload();
  } catch { /* not yet */ }
}

if (location.search.includes("from=sign-in")) history.replaceState(null, "", location.pathname);
outbox.render();
if (page.kind === "offline") {
  document.getElementById("again").addEventListener("click", comeBack);
  if (!location.pathname.endsWith("/offline")) setInterval(comeBack, 4000);
  addEventListener("online", comeBack);
} else {
  if (["device", "start"].includes(page.kind)) line.begin(page.device ? `/engineer/d/${encodeURIComponent(page.device)}/stream` : null, look);
  outbox.flush();
  setInterval(count, 1000);
  navigator.serviceWorker?.register("/engineer/worker.js", { scope: "/engineer/" }).catch(() => {});
}
addEventListener("storage", outbox.render);
