// Reads the page again when there is news of an outage, as the console does. Without this the page is the same, and loaded by hand.

const PAUSE_MS = 500;
const DEAD_AFTER_MS = 15_000;
const line = document.getElementById("line");
let wanted = false;
let reading = false;
let heardAt = performance.now();

/** Whoever is writing a note keeps it: the page waits until it is sent, or taken back. */
const writing = () => [...document.querySelectorAll("#live input[name=note]")].some((each) => each.value !== "");

const say = (text) => {
  if (line.textContent !== text) line.textContent = text;
};

async function read() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Telecare-Script": "1" }, cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (writing()) return false;
  const focused = document.activeElement?.closest("#live [id]")?.id ?? document.activeElement?.getAttribute("href");
  document.title = next.title;
  document.getElementById("live").replaceWith(document.importNode(next.getElementById("live"), true));
  if (focused) (document.getElementById(focused) ?? document.querySelector(`#live a[href="${CSS.escape(focused)}"]`))?.focus();
  return true;
}

async function refresh() {
  wanted = true;
  if (reading) return;
  reading = true;
  while (wanted && !writing()) {
    wanted = false;
    try {
      if (!(await read())) wanted = true;
    } catch {
      say("This page could not be read again: it may be old.");
    }
    await new Promise((resume) => { setTimeout(resume, PAUSE_MS); });
  }
  reading = false;
}

const stream = new EventSource("/console/stream");
const heard = () => {
  heardAt = performance.now();
  say("This page renews itself.");
};
stream.addEventListener("tick", () => {
  heard();
  if (wanted) refresh();
});
stream.addEventListener("changed", () => {
  heard();
  refresh();
});
stream.addEventListener("signed_out", () => {
  stream.close();
  say("You are signed out: load the page again to sign in.");
});
document.addEventListener("input", () => {
  if (wanted) refresh();
});
setInterval(() => {
  if (stream.readyState !== EventSource.CLOSED && performance.now() - heardAt > DEAD_AFTER_MS) say("Not connected: this page may be old.");
}, 5000);
