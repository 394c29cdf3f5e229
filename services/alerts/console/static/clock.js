// Every clock on the page, by the server's time: this computer's own clock may be wrong.

const LONDON = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Europe/London", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

let server = Date.now();
let told = performance.now();

/** The server says that it is `iso` now. */
export function sync(iso) {
  server = Date.parse(iso);
  told = performance.now();
}

/** Milliseconds since 1970, by the server. */
export const now = () => server + (performance.now() - told);

/** `14:02:11`, in London. */
export const london = (ms) => LONDON.format(ms);

/** `0:42`, `12:05`, `3 h 07 min`, `2 days`. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

const put = (element, text) => {
  if (element && element.textContent !== text) element.textContent = text;
};

function waiting(clock, waited) {
  const targets = clock.dataset.targets.split(" ").map(Number);
  const missed = targets.filter((target) => waited >= target * 1000);
  clock.dataset.level = String(missed.length);
  put(clock.querySelector(".unit"), missed.length ? `over ${missed.at(-1)} s` : `target ${targets[0]} s`);
  const run = clock.querySelector(".run");
  if (run) run.style.width = `${Math.min(100, waited / targets.at(-1) / 10)}%`;
}

function tell(clock) {
  const figure = clock.querySelector(".figure");
  if (clock.dataset.since) {
    const waited = now() - Date.parse(clock.dataset.since);
    put(figure, span(waited));
    if (clock.dataset.targets) waiting(clock, waited);
  } else {
    const left = Date.parse(clock.dataset.until) - now();
    clock.dataset.level = left < 0 ? "2" : "0";
    put(figure, span(Math.abs(left)));
    put(clock.querySelector(".unit"), left < 0 ? "repair overdue" : "until repair is due");
  }
}

/** Bring every clock up to date. */
export function tick() {
  document.querySelectorAll(".clock[data-since], .clock[data-until]").forEach(tell);
}

/** Tick with the server's seconds, for ever. */
export function run() {
  tick();
  setTimeout(run, 1000 - (now() % 1000));
}
