// The little that pages cannot do by themselves: live numbers, a box that selects all, and steps with progress.
"use strict";

const number = new Intl.NumberFormat("en");

function showNumbers(looks) {
  document.getElementById("away").hidden = looks !== null;
  for (const card of document.querySelectorAll("[data-queue]")) {
    const look = looks && looks[card.dataset.queue];
    if (!look) continue;
    look.is_running = !look.is_paused;
    for (const each of card.querySelectorAll("[data-number]")) each.textContent = number.format(look[each.dataset.number]);
    for (const each of card.querySelectorAll("[data-seconds]")) each.textContent = `${look[each.dataset.seconds].toFixed(1)} s`;
    for (const each of card.querySelectorAll("[data-shown-if]")) each.hidden = !look[each.dataset.shownIf];
    showBar(card.querySelector(".bar"), look);
  }
}

function showBar(bar, look) {
  const states = ["pending", "paused", "waiting", "processing", "completed", "failed", "cancelled"];
  const all = states.reduce((sum, state) => sum + look[state], 0);
  for (const part of bar.querySelectorAll("rect:not(.none)")) part.remove();
  let from = 0;
  for (const state of states.filter((each) => look[each])) {
    const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const width = (1000 * look[state]) / all;
    for (const [name, value] of Object.entries({ class: state, x: from, width, height: 12 })) part.setAttribute(name, value);
    bar.append(part);
    from += width;
  }
  bar.setAttribute("aria-label", states.map((state) => `${look[state]} ${state}`).join(", "));
}

function listen(queues) {
  // A browser has few connections to a server: pages that nobody sees leave theirs to others.
  let source = null;
  const follow = () => {
    if (source) source.close();
    source = null;
    if (document.visibilityState === "hidden") return;
    source = new EventSource(queues.dataset.live);
    source.onmessage = (event) => showNumbers(JSON.parse(event.data));
    source.onerror = () => { document.getElementById("away").hidden = false; };
  };
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", () => { if (source) source.close(); });
  follow();
}

function selectAll(box) {
  const others = [...document.querySelectorAll("input[name=id]")];
  box.hidden = false;
  box.addEventListener("change", () => others.forEach((each) => { each.checked = box.checked; }));
  others.forEach((each) => each.addEventListener("change", () => {
    const selected = others.filter((other) => other.checked).length;
    box.checked = selected === others.length;
    box.indeterminate = selected > 0 && selected < others.length;
  }));
}

async function actOnMatching(form) {
  const progress = document.getElementById("progress");
  const button = form.querySelector("button");
  const fields = new FormData(form);
  let done = 0, found = 0, isStopped = false;
  button.textContent = "Stop";
  button.addEventListener("click", (event) => { event.preventDefault(); isStopped = true; });
  for (;;) {
    const answer = await fetch(form.dataset.action, { method: "POST", body: new URLSearchParams(fields) }).catch(() => null);
    if (!answer || !answer.ok) {
      const why = answer ? `the server says ${answer.status}` : "the dashboard does not answer";
      progress.textContent = `It stopped after ${number.format(done)} jobs, or a few more: ${why}.`;
      break;
    }
    const step = await answer.json();
    done += step.done;
    found += step.found;
    progress.textContent = `${number.format(done)} of ${number.format(found)} jobs so far…`;
    if (step.cursor === null || isStopped) {
      progress.textContent = `${isStopped && step.cursor !== null ? "Stopped" : "Done"}: ${number.format(done)} of ${number.format(found)} jobs.`;
      break;
    }
    fields.set("cursor", step.cursor);
  }
  button.remove();
}

addEventListener("DOMContentLoaded", () => {
  const queues = document.getElementById("queues");
  if (queues) listen(queues);
  const box = document.getElementById("select-all");
  if (box) selectAll(box);
  const form = document.getElementById("matching");
  if (form) form.addEventListener("submit", (event) => { event.preventDefault(); actOnMatching(form); }, { once: true });
});
