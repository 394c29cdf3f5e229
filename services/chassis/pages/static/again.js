// A page that could not be made is asked for until it can be, and is shown then: nobody has to watch over it.

const TIMEOUT_MS = 20_000; // longer than the service waits for its database
const told = document.getElementById("again");

async function look() {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store", redirect: "manual", signal });
    if (answer.status !== 503) {
      location.reload();
      return;
    }
  } catch { /* the service itself is away: its own page would be taken by the browser's, which asks for nothing */ }
  wait();
}

const wait = () => setTimeout(look, told.dataset.afterS * 1000);
told.hidden = false;
wait();
