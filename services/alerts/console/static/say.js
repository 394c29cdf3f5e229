// What the page says to its operator: to a screen reader in few words, and on the screen until it is put away.

const SHOUT_EVERY_MS = 5000;
let shouted = -Infinity;
let later = null;

/** Politely: what the operator has just done. */
export function say(text) {
  document.getElementById("say").textContent = text;
}

/** At once: somebody needs help. At most every five seconds, for a voice that never stops is switched off. */
export function shout(text) {
  clearTimeout(later);
  const wait = shouted + SHOUT_EVERY_MS - performance.now();
  later = setTimeout(() => {
    shouted = performance.now();
    document.getElementById("shout").textContent = text;
  }, Math.max(0, wait));
}

/** On the screen until it is dismissed, with what can be done about it. */
export function notice(text, label, action) {
  put("notice", "alert", text, label, action);
}

/** The same, of something that is well. */
export function tell(text) {
  put("notice well", "status", text);
}

function put(style, role, text, label, action) {
  const box = document.createElement("div");
  box.className = style;
  box.setAttribute("role", role);
  const words = document.createElement("p");
  words.textContent = text;
  box.append(words);
  if (label) box.append(button(label, () => { box.remove(); action(); }));
  box.append(button("Dismiss", () => box.remove()));
  document.getElementById("notices").append(box);
}

function button(label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", action);
  return made;
}
