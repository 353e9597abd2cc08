// Keeps the page as the server has it: asks once a second, swaps what changed, leaves forms and open folds alone.
const spans = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function tick() {
  for (const time of document.querySelectorAll("time")) {
    const gone = Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000);
    const [size, unit] = spans.find(([size]) => gone >= size) ?? [1, "second"];
    time.textContent = words.format(-Math.floor(gone / size), unit);
    time.title = new Date(time.dateTime).toLocaleString();
  }
}

function foldKey(fold) {
  const home = fold.closest("[id]").id;
  const among = [...document.querySelectorAll(`[id="${home}"] details`)];
  return `${home} ${among.indexOf(fold)}`;
}

// False when a form is in use: then it is looked at again.
function swap(page) {
  let whole = true;
  const open = new Set([...document.querySelectorAll("details[open]")].map(foldKey));
  for (const id of ["live", "deeds"]) {
    const [now, next] = [document.getElementById(id), page.getElementById(id)];
    if (!now || !next || now.innerHTML === next.innerHTML) continue;
    if (id === "deeds" && now.contains(document.activeElement)) whole = false;
    else now.replaceChildren(...next.childNodes);
  }
  for (const fold of document.querySelectorAll("details")) {
    if (open.has(foldKey(fold))) fold.open = true;
  }
  document.title = page.title;
  tick();
  return whole;
}

let tag = null;
async function look() {
  try {
    const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer.status === 200) {
      const text = await answer.text();
      const whole = tag === null || swap(new DOMParser().parseFromString(text, "text/html"));
      tag = whole ? answer.headers.get("ETag") : "";
    }
  } catch {
    // The server is away: ask again.
  }
}

tick();
look();
setInterval(tick, 1000);
setInterval(() => { if (!document.hidden) look(); }, 1000);
