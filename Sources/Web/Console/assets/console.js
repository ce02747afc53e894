// What the console does beyond plain pages: live figures, ticking all rows, asking before leaving a secret.
// Everything works without it.
(() => {
  "use strict";

  // What is open stays open, and what has the focus keeps it.
  const swap = (old, fresh) => {
    for (const open of old.querySelectorAll("details[open][id]")) fresh.querySelector(`#${open.id}`)?.setAttribute("open", "");
    const [focused, all] = [document.activeElement, "a, button, summary, [tabindex]"];
    const place = old.contains(focused) ? [...old.querySelectorAll(all)].indexOf(focused) : -1;
    const scrolled = [...old.querySelectorAll(".tall")].map((part) => part.scrollTop);
    old.replaceChildren(...fresh.childNodes);
    old.querySelectorAll(".tall").forEach((part, index) => { part.scrollTop = scrolled[index] ?? 0; });
    if (place >= 0) old.querySelectorAll(all)[place]?.focus({ preventScroll: true });
  };

  // <section id="…" data-live="5">: replaced every five seconds by what the same page says now.
  const refresh = async (ids) => {
    if (document.hidden || document.activeElement?.closest("[data-live]")?.matches(":focus-within:has(input, select)")) return;
    const answer = await fetch(location.href, { headers: { "Latchkey-Console-Live": "1" }, credentials: "same-origin" });
    if (answer.redirected || !answer.ok) return;
    show(await answer.text(), ids);
  };
  const show = (text, ids) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const id of ids) {
      const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
      if (!old || !fresh) continue;
      if (old.innerHTML !== fresh.innerHTML) swap(old, fresh);
      // The last state says that nothing more will change.
      if (!fresh.hasAttribute("data-live")) old.removeAttribute("data-live");
    }
  };
  // With data-stream the server says by itself what has changed; while nobody looks it need not.
  let source = null;
  const streams = () => [...document.querySelectorAll("[data-live][data-stream]")].map((part) => part.id);
  const listen = () => {
    if (document.hidden) { source?.close(); source = null; }
    if (document.hidden || source || streams().length === 0) return;
    source = new EventSource(location.href);
    source.onmessage = (event) => show(event.data, streams());
  };
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { source?.close(); source = null; });
  listen();
  const waits = new Set([...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live) || 5));
  for (const seconds of waits) {
    const timer = setInterval(() => {
      const parts = [...document.querySelectorAll(`[data-live="${seconds}"]`)].map((part) => part.id);
      if (parts.length === 0) return clearInterval(timer);
      // Where there is no stream, the page asks by itself.
      if (source && source.readyState !== EventSource.CLOSED && parts.every((id) => streams().includes(id))) return;
      refresh(parts).catch(() => { /* the next turn tries again */ });
    }, seconds * 1000);
  }

  // <input type="checkbox" data-ticks="store">: ticks all boxes of that name in its form.
  for (const all of document.querySelectorAll("[data-ticks]")) {
    all.hidden = false;
    const boxes = () => [...all.form.querySelectorAll(`input[name="${all.dataset.ticks}"]`)];
    const tell = () => {
      const ticked = boxes().filter((box) => box.checked).length;
      all.checked = ticked > 0 && ticked === boxes().length;
      all.indeterminate = ticked > 0 && !all.checked;
      const count = document.querySelector("[data-ticked]");
      if (count) count.textContent = ticked === 1 ? "1 ticked" : `${ticked} ticked`;
    };
    all.addEventListener("change", () => { for (const box of boxes()) box.checked = all.checked; tell(); });
    all.form.addEventListener("change", tell);
    tell();
  }

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent && event.target.method === "post") return event.preventDefault();
    event.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });
})();
