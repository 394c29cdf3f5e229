// What the page says to a screen reader, politely and in few words.

export const say = (text) => { document.getElementById("say").textContent = text; };

const LONDON = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/London", hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const clock = (at) => LONDON.format(at);

/** A banner at the top; null takes it away. `link`: [address, words]. */
export function banner(text, link) {
  const line = document.getElementById("line");
  line.hidden = text === null;
  const words = line.querySelector("p");
  if (words.dataset.text === `${text}`) return;
  words.dataset.text = `${text}`;
  words.textContent = text ?? "";
  if (!link) return;
  const anchor = document.createElement("a");
  [anchor.href, anchor.textContent] = link;
  words.append(" ", anchor);
}
