// Forms are sent from where they stand. One that could not be sent stays, with its text, and says why.

import * as drafts from "./drafts.js";
import * as page from "./page.js";
import { notice, say, tell } from "./say.js";

const SEND_TIMEOUT_MS = 10_000;

/** `signed-out`, `signed-in` (with the answer). */
export const events = new EventTarget();

const DONE = { acknowledge: "Acknowledged", release: "Released", close: "Closed" };

function trouble(form, text, { again = true } = {}) {
  const place = form.isConnected ? form.querySelector(".form-trouble") : null;
  if (place) {
    place.textContent = text;
    place.hidden = false;
  } else {
    notice(`${form.dataset.name}: ${text}`, again ? "Try again" : null, () => send(form));
  }
}

function busy(form, is) {
  if (is) form.dataset.busy = "";
  else delete form.dataset.busy;
  for (const button of form.querySelectorAll("button:not([type=button])")) {
    if (is) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }
}

async function post(form) {
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { ...page.SCRIPT, Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
      signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
    });
    const body = answer.status === 204 ? {} : await answer.json();
    return { status: answer.status, body };
  } catch {
    return { status: 0, body: {} };
  }
}

/** Send it; returns whether it was done. */
export async function send(form) {
  if ("busy" in form.dataset) return false;
  const shown = form.querySelector(".form-trouble");
  if (shown) shown.hidden = true;
  busy(form, true);
  const { status, body } = await post(form);
  busy(form, false);
  if (status >= 200 && status < 300) {
    await done(form, body);
    return true;
  }
  if (status === 401) {
    trouble(form, "Not sent: your sign-in has ended. Sign in again, then send it again; nothing is lost.");
    events.dispatchEvent(new Event("signed-out"));
  } else if (status === 0) {
    trouble(form, "Not sent: no connection. It stays here; send it again when you are back.");
  } else {
    const text = body.detail ?? "Not done: the service could not do it just now. Try again.";
    trouble(form, text, { again: status >= 500 || status === 429 });
    page.refresh();
  }
  return false;
}

async function done(form, body) {
  drafts.clear(form);
  if ("renew" in form.dataset) {
    form.querySelector("[type=password]").value = "";
    events.dispatchEvent(new CustomEvent("signed-in", { detail: body }));
    return;
  }
  const what = DONE[form.action.split("/").at(-1)];
  if (body.say) tell(body.say);
  else say(what ? `${what}: ${form.dataset.name}.` : `${form.dataset.name}: done.`);
  if (form.dataset.then) await page.go(form.dataset.then);
  else await page.refresh();
}

function overtaken(form) {
  const place = form.querySelector(".form-trouble");
  place.textContent = "This alarm has been closed meanwhile. What you wrote was not sent; it stays here until you discard it.";
  place.hidden = false;
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${text}.`);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    say("Selected: copy it with Control C.");
  }
}

export function begin() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (!form) return;
    event.preventDefault();
    send(form);
  });
  document.addEventListener("overtaken", (event) => overtaken(event.target));
  document.addEventListener("discarded", () => page.refresh());
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
}
