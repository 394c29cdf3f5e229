// The line to the server: it says when to read the page again. The stream goes on from the page's own cursor, so nothing falls
// between the two; and while it is down the page says so, and is read again every few seconds all the same.

import * as clock from "./clock.js";
import * as page from "./page.js";
import { onShift } from "./sound.js";

const SILENT_AFTER_MS = 12_000; // the server says something every 5 s
const RETRY_MS = [500, 1000, 2000, 5000];
const POLL_MS = 5000;
const SAFETY_MS = 30_000;

/** `changed`: the state is another one. */
export const events = new EventTarget();

let source = null;
let heard = performance.now();
let tries = 0;
let timer = null;
let state = "connecting"; // connected · stale: the page is renewed, but not at once · lost: what it shows is old · signed-out
let lostAt = null;

function become(next) {
  if (next === "lost" && lostAt === null) lostAt = clock.now();
  if (next === "connected") lostAt = null;
  if (next === state) return;
  const before = state;
  state = next;
  show();
  events.dispatchEvent(new CustomEvent("changed", { detail: { before, now: next } }));
}

const WORDS = {
  connecting: "Connecting", connected: "Live", stale: "Not live", lost: "No connection", "signed-out": "Signed out",
};

function show() {
  const line = document.getElementById("line");
  line.dataset.state = state;
  line.textContent = WORDS[state];
  document.documentElement.dataset.line = state;
  const banner = document.getElementById("line-banner");
  banner.hidden = state !== "lost" && state !== "stale";
  const lost = state === "lost";
  banner.querySelector("strong").textContent = lost ? "NO CONNECTION." : "Not live.";
  banner.querySelector("span").textContent = lost
    ? `What you see is from ${clock.london(lostAt)}: new alarms do NOT show here. Trying again …`
    : "The page is read again every few seconds, so alarms show a little later.";
}

function hear(event) {
  heard = performance.now();
  if (event.type === "tick") {
    clock.sync(JSON.parse(event.data).now);
    return;
  }
  if (event.type === "signed_out") signedOut();
  else page.refresh();
}

function open() {
  clearTimeout(timer);
  source?.close();
  heard = performance.now();
  source = new EventSource(`/console/stream?after=${encodeURIComponent(document.body.dataset.cursor)}`);
  for (const type of ["tick", "changed", "signed_out", "live", ...document.body.dataset.events.split(" ")]) {
    source.addEventListener(type, hear);
  }
  source.addEventListener("open", () => {
    heard = performance.now();
    tries = 0;
    page.refresh(); // and what comes of that says how we are
  });
  source.addEventListener("error", broken);
}

function broken() {
  source?.close();
  clearTimeout(timer);
  timer = setTimeout(open, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
  tries += 1;
  page.refresh();
}

/** The page is as it is at the server: at once, while the stream stands, or as of now. */
function renewed() {
  if (source?.readyState === EventSource.OPEN) become("connected");
  // The server ends a stream every quarter of an hour; that is nothing to tell of, if the next one stands at once.
  else if (state !== "connected" || tries > 1) become("stale");
}

/** It could not be read, though the stream may stand: the service's database may be away. */
function failed({ detail: status }) {
  if (status === 401) signedOut();
  else if (status !== 404) become("lost");
}

/** Nothing more is read until somebody has signed in: `retry`. */
export function signedOut() {
  clearTimeout(timer);
  source?.close();
  page.signInChanged(); // or a page that was asked for a moment ago hid that this one is no longer renewed
  become("signed-out");
}

/** Try at once: the network is back, or somebody has signed in again. */
export function retry() {
  tries = 0;
  if (state === "signed-out") {
    page.signInChanged();
    become("connecting");
  }
  open();
}

/** A browser opens six connections to a service, and each page holds one: those that nobody sees or hears let go of theirs. */
function seen() {
  if (document.hidden && !onShift()) {
    clearTimeout(timer);
    source?.close();
    become("stale");
  } else if (source?.readyState === EventSource.OPEN) page.refresh();
  else retry();
}

export function begin() {
  page.events.addEventListener("renewed", renewed);
  page.events.addEventListener("failed", failed);
  open();
  addEventListener("offline", () => { source?.close(); become("lost"); broken(); });
  addEventListener("online", retry);
  document.addEventListener("visibilitychange", seen);
  setInterval(() => {
    if (performance.now() - heard < SILENT_AFTER_MS || state !== "connected") return;
    become("stale");
    broken();
  }, 1000);
  setInterval(() => { if (state !== "connected" && state !== "signed-out") page.refresh(); }, POLL_MS);
  setInterval(() => { if (state === "connected") page.refresh(); }, SAFETY_MS);
}
