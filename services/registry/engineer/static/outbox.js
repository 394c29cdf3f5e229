// What an engineer does is written down on the phone first, under a key of its own, and then sent, in order: so no dead spot, reload
// or closed tab loses it, and sent twice it is done once. What the service refuses stays, with its reason, until it is put away.

import { clock, say } from "./say.js";

const STORE = "engineer-outbox";
const WHO = "engineer-who";
const SEND_TIMEOUT_MS = 15_000;
const RETRY_MS = [1000, 3000, 8000, 15_000];
const SCRIPT = { "X-Telecare-Script": "1", Accept: "application/json" };

/** `sent` ({entry, body}), `refused` ({entry}), `signed-out`, `stuck`: no line. */
export const events = new EventTarget();

const tell = (type, detail) => events.dispatchEvent(new CustomEvent(type, { detail }));
const signedIn = document.getElementById("page").dataset.who;
if (signedIn) localStorage.setItem(WHO, signedIn);
/** Whose actions these are; without a line, whoever was signed in last. Another's are not sent, and not lost. */
export const who = () => signedIn || localStorage.getItem(WHO) || "";

export const load = () => JSON.parse(localStorage.getItem(STORE) ?? "[]");

function save(entries) {
  localStorage.setItem(STORE, JSON.stringify(entries));
  render();
}

const change = (key, changes) => save(load().map((each) => (each.key === key ? { ...each, ...changes } : each)));

/** Take it out. */
export const discard = (key) => save(load().filter((each) => each.key !== key));

/** A key that nobody else has. (`randomUUID` is for secure addresses only.) */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Write a form down, and send what waits. */
export function put(form) {
  const fields = Object.fromEntries(new FormData(form));
  const url = new URL(form.action).pathname;
  const same = (each) => each.state === "waiting" && each.url === url && each.who === who() && JSON.stringify(each.fields) === JSON.stringify(fields);
  if (load().some(same)) return flush(); // a nervous thumb
  const { name, subject = fields.device_id, fresh } = form.dataset;
  const entry = { key: newKey(), who: who(), url, fields, name, subject, fresh: Number(fresh) || null, at: Date.now(), state: "waiting" };
  save([...load(), entry]);
  return flush();
}

async function post(entry) {
  try {
    const answer = await fetch(entry.url, {
      method: "POST",
      headers: { ...SCRIPT, "Idempotency-Key": entry.key },
      body: new URLSearchParams(entry.fields),
      signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
    });
    return { status: answer.status, body: await answer.json() };
  } catch {
    return { status: 0, body: {} };
  }
}

/** The first that may be sent: nothing goes past one of the same box that is stuck. */
function next() {
  const stuck = new Set();
  for (const entry of load()) {
    if (entry.who !== who()) continue;
    if (entry.state === "waiting" && !stuck.has(entry.subject)) return entry;
    stuck.add(entry.subject);
  }
  return null;
}

/** Whether it is done with; false: there is no line, and it is tried again later. */
async function deliver(entry) {
  // What was meant for a moment that has passed is not done behind anybody's back.
  if (entry.fresh && Date.now() - entry.at > entry.fresh * 1000) {
    change(entry.key, { state: "late" });
    tell("refused", { entry });
    return true;
  }
  const { status, body } = await post(entry);
  if (status >= 200 && status < 300) {
    discard(entry.key);
    tell("sent", { entry, body });
    return true;
  }
  if (status === 401) {
    tell("signed-out");
    return false;
  }
  if (status === 0 || status >= 500 || status === 429 || body.reason === "being_answered") {
    tell("stuck");
    return false;
  }
  change(entry.key, { state: "refused", detail: body.detail ?? "The service did not take it." });
  tell("refused", { entry });
  return true;
}

let sending = null;
let tries = 0;
let timer = null;

async function drain() {
  clearTimeout(timer);
  for (let entry = next(); entry !== null; entry = next()) {
    if (!(await deliver(entry))) {
      timer = setTimeout(flush, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
      tries += 1;
      return;
    }
    tries = 0;
  }
}

/** Send what waits, one after the other; in one window at a time. */
export function flush() {
  const once = () => (navigator.locks ? navigator.locks.request(STORE, drain) : drain());
  sending ??= once().finally(() => { sending = null; });
  return sending;
}

const SAYS = {
  waiting: (entry) => `waiting to be sent since ${clock(entry.at)}.`,
  late: (entry) => `not sent at ${clock(entry.at)}, when you pressed it. Is it still right? Look, then send it or put it away.`,
  refused: (entry) => entry.detail,
};

function button(label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", action);
  return made;
}

function row(entry) {
  const item = document.createElement("li");
  const words = document.createElement("p");
  const title = document.createElement("strong");
  title.textContent = `${entry.name}: ${entry.subject ?? ""} `;
  words.append(title, SAYS[entry.state](entry));
  if (entry.state !== "waiting") words.className = "trouble";
  const buttons = document.createElement("p");
  buttons.className = "buttons";
  if (entry.state !== "waiting") {
    if (entry.url === "/engineer/register") buttons.append(button("Correct it", () => goBackTo(entry.key)));
    // Another request, for it shall be judged anew.
    buttons.append(button("Send it now", () => { change(entry.key, { key: newKey(), state: "waiting", at: Date.now() }); flush(); }));
  }
  buttons.append(button("Put it away", () => { discard(entry.key); say("Put away."); document.getElementById("main").focus(); }));
  item.append(words, buttons);
  return item;
}

/** Show what is in it. */
export function render() {
  const own = load().filter((each) => each.who === who());
  const others = load().length - own.length;
  const shown = own.map(row);
  if (others) {
    const item = document.createElement("li");
    item.textContent = `${others} of somebody else who used this phone; sent when they sign in again.`;
    shown.push(item);
  }
  document.getElementById("outbox").hidden = shown.length === 0;
  document.getElementById("outbox-list").replaceChildren(...shown);
}

function goBackTo(key) {
  const form = document.getElementById("new-form");
  if (form) correct(form, key);
  else location.href = `/engineer/new#${key}`;
}

/** Put what was typed back into the form that it was typed into, to be corrected. */
export function correct(form, key) {
  const entry = load().find((each) => each.key === key);
  if (!entry) return;
  for (const [name, value] of Object.entries(entry.fields)) {
    const input = form.elements.namedItem(name);
    if (input) input.value = value;
  }
  form.querySelector("details")?.setAttribute("open", "");
  discard(key);
  form.querySelector("input").focus();
}
