// The line to the server says when to look again. While there is none the page is read every few seconds all the same, and says
// loudly when what it shows is old.

import { banner, clock } from "./say.js";

const SILENT_AFTER_MS = 12_000; // the server says something every 5 s
const RETRY_MS = [500, 2000, 5000, 10_000];
const POLL_MS = 5000;
const POLL_SELDOM_MS = 10_000; // where nothing is waited for: each look costs a few kB of a poor line

let source = null;
let heard = 0;
let tries = 0;
let timer = null;
let good = Date.now();
let look = async () => {};

/** The page was read. */
export function fresh() {
  good = Date.now();
  document.getElementById("main").classList.remove("old");
  banner(null);
}

/** It could not be. */
export function lost() {
  document.getElementById("main").classList.add("old");
  banner(`No line. What you see is from ${clock(good)}: it may be different by now. Trying again …`);
}

/** Nothing is read until somebody has signed in. */
export function signedOut() {
  clearTimeout(timer);
  source?.close();
  document.getElementById("main").classList.add("old");
  const here = encodeURIComponent(location.pathname + location.search);
  banner("Your sign-in has ended. What you did is kept on this phone.", [`/sign-in?next=${here}`, "Sign in again"]);
}

const live = () => source?.readyState === EventSource.OPEN && Date.now() - heard < SILENT_AFTER_MS;

function hear(event) {
  heard = Date.now();
  tries = 0;
  if (event.type === "signed_out") signedOut();
  else if (event.type === "checklist") look();
}

function open(url) {
  clearTimeout(timer);
  source?.close();
  source = new EventSource(url);
  for (const type of ["checklist", "tick", "signed_out", "open"]) source.addEventListener(type, hear);
  source.addEventListener("error", () => {
    source.close();
    timer = setTimeout(open, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)], url);
    tries += 1;
  });
}

/** `url`: of the stream, or null where there is none. `read`: reads the page again. */
export function begin(url, read) {
  look = read;
  if (url) open(url);
  setInterval(() => { if (!live() && !document.hidden) look(); }, url ? POLL_MS : POLL_SELDOM_MS);
  addEventListener("offline", lost);
  addEventListener("online", () => { if (url) open(url); look(); });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(timer); source?.close(); }
    else { if (url) open(url); look(); }
  });
}
