// A sound that lasts until somebody has taken the alarm. Browsers let a page sound only after a click or a key: `start shift` is
// that click, and while the sound is blocked, the page says so in big letters.

const ALARM = [[880, 0, 0.22], [660, 0.26, 0.22], [880, 0.52, 0.22], [660, 0.78, 0.22]]; // Hz, from s, for s
const ALARM_EVERY_S = 2;
const LOST = [[330, 0, 0.3], [262, 0.35, 0.45]]; // the line is dead: not an alarm, but nothing to sleep through
const LOST_EVERY_S = 8;
const VOLUME = 0.35;
const SHIFT = "console-shift";

let context = null;
let playing = null;
let wanted = null;

/** A pattern as samples, to be looped by the browser itself: timers of a page in the background are held up. */
function pattern(tones, lasts) {
  const buffer = context.createBuffer(1, context.sampleRate * lasts, context.sampleRate);
  const samples = buffer.getChannelData(0);
  for (const [hertz, from, length] of tones) {
    const first = Math.floor(from * context.sampleRate);
    const count = Math.floor(length * context.sampleRate);
    for (let at = 0; at < count; at += 1) {
      const edge = Math.min(1, at / 400, (count - at) / 400); // no clicks at the edges
      samples[first + at] = Math.sin((2 * Math.PI * hertz * at) / context.sampleRate) * edge * VOLUME;
    }
  }
  return buffer;
}

function play() {
  const kind = context?.state === "running" ? wanted : null;
  if (playing?.kind === kind || (!playing && !kind)) return;
  playing?.source.stop();
  playing = null;
  if (!kind) return;
  const source = context.createBufferSource();
  source.buffer = kind === "alarm" ? pattern(ALARM, ALARM_EVERY_S) : pattern(LOST, LOST_EVERY_S);
  source.loop = true;
  source.connect(context.destination);
  source.start();
  playing = { kind, source };
}

/** Whether the shift has been started in this window. */
export const onShift = () => sessionStorage.getItem(SHIFT) === "on";

/** "off" before the shift, "blocked" by the browser, "quiet", or what it plays: "alarm" or "lost". */
export function state() {
  if (!onShift()) return "off";
  if (context?.state !== "running") return "blocked";
  return playing?.kind ?? "quiet";
}

function show() {
  play();
  const now = state();
  document.documentElement.dataset.sound = now;
  const silent = now === "off" || now === "blocked";
  document.getElementById("sound-banner").hidden = !silent;
  document.getElementById("sound-words").textContent = now === "blocked" ? "SOUND IS BLOCKED." : "Sound is off.";
  document.getElementById("sound-hint").textContent =
    now === "blocked"
      ? "Your browser keeps this page silent: you will NOT hear alarms. Click anywhere, or press any key."
      : "You will not hear alarms until you start your shift.";
  document.getElementById("unlock").textContent = now === "blocked" ? "Unblock the sound" : "Start shift";
  document.getElementById("shift").textContent = onShift() ? "End shift" : "Start shift";
}

async function unlock() {
  if (context === null) {
    context = new AudioContext();
    context.addEventListener("statechange", show);
  }
  // A browser that blocks it answers when it no longer does, if ever: nobody waits for that.
  if (context.state !== "running") context.resume().then(show, show);
  show();
}

/** By a click or a key, so that the browser lets us. */
export function startShift() {
  sessionStorage.setItem(SHIFT, "on");
  unlock();
}

export function endShift() {
  sessionStorage.setItem(SHIFT, "off");
  context?.suspend();
  show();
}

/** What should be heard: "alarm", "lost" or null. */
export function want(kind) {
  wanted = kind;
  show();
}

export function begin() {
  document.getElementById("shift").addEventListener("click", () => (onShift() ? endShift() : startShift()));
  document.getElementById("unlock").addEventListener("click", startShift);
  // After a reload on shift any click or key is good enough to the browser.
  for (const what of ["pointerdown", "keydown"]) {
    document.addEventListener(what, () => { if (state() === "blocked") unlock(); }, true);
  }
  if (onShift()) unlock();
  else show();
}
