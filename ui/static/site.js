// What pages do beyond what they do without scripts. Each part looks for its own marks in the page and leaves the rest alone.
"use strict";

// A form that came back with faults: the summary is where to go on.
document.getElementById("faults")?.focus();

// A form of boxes that sends itself when one is ticked; its button is for pages without scripts.
for (const form of document.querySelectorAll("[data-sends-itself]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

// The day that is shown is in sight; filters are folded away where there is little room.
const strip = document.querySelector(".strip [aria-current]");
if (strip) strip.closest("ol").scrollLeft = strip.offsetLeft - strip.closest("ol").offsetLeft - 90;
if (matchMedia("(min-width: 58rem)").matches) {
  for (const folded of document.querySelectorAll("[data-open-when-wide]")) folded.open = true;
}

// Whoever has scripts sees an order's progress as it happens; the node need not wait before it answers.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", ({submitter}) => {
    if ((submitter?.formMethod || form.method) === "post" && !form.elements.live) {
      const live = Object.assign(document.createElement("input"), {type: "hidden", name: "live", value: "1"});
      form.append(live);
    }
  });
}

seatMap(document.getElementById("seats"));

function seatMap(form) {
  if (!form) return;
  const cabin = form.querySelector(".cabin");
  const most = Number(form.dataset.passengers);
  const picked = document.getElementById("picked");
  const news = document.getElementById("news");
  const remembered = form.querySelectorAll("input[name=seats]")[form.elements.leg.value];
  const closed = seat => seat.disabled || seat.getAttribute("aria-disabled") === "true";
  let order = chosen();  // as they were chosen, the oldest first

  function chosen() {
    return [...cabin.querySelectorAll("input:checked")];
  }

  function show() {
    const seats = chosen().map(seat => seat.value);
    picked.textContent = seats.length ? seats.join(", ") : picked.dataset.none;
  }

  cabin.addEventListener("click", click => {
    const seat = click.target.closest("input, label");
    const input = seat?.matches("input") ? seat : seat?.querySelector("input");
    if (input && closed(input)) click.preventDefault();
  });

  cabin.addEventListener("change", change => {
    order = order.filter(seat => seat.checked && seat !== change.target);
    if (change.target.checked) order.push(change.target);
    while (order.length > most) order.shift().checked = false;
    // So that whoever presses on is told which seat it was that has gone meanwhile.
    remembered.value = order.map(seat => seat.value).join(".");
    show();
  });

  // Up, down, left and right to the next seat there is; a single seat is chosen by going to it, as radio buttons are.
  cabin.addEventListener("keydown", key => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[key.key];
    const cell = key.target.closest("td");
    if (!step || !cell) return;
    key.preventDefault();
    const table = cabin.rows;
    let row = cell.parentElement.rowIndex + step[0], column = cell.cellIndex + step[1];
    for (; row > 0 && row < table.length && column >= 0 && column < table[row].cells.length; row += step[0], column += step[1]) {
      const seat = table[row].cells[column].querySelector("input:not(:disabled)");
      if (!seat) continue;
      seat.focus();
      if (seat.type === "radio" && !closed(seat)) seat.click();
      return;
    }
  });

  // A seat that goes while it is looked at.
  new MutationObserver(changes => {
    for (const {target} of changes) {
      if (!target.matches?.("input") || !closed(target)) continue;
      news.textContent = (target.checked ? news.dataset.yours : news.dataset.taken).replace("{seat}", target.value);
      target.checked = false;
    }
    order = order.filter(seat => seat.checked);
    show();
  }).observe(cabin, {subtree: true, attributes: true, attributeFilter: ["aria-disabled"]});

  // Back from another page the browser remembers what was chosen; the page remembers the rest.
  addEventListener("pageshow", show);
}

// The time that is left, from the node's clock: the page says what it was there when it was made.
let clockStarted = 0, clockShown = "";
function tick() {
  const clock = document.getElementById("clock");
  if (!clock?.dataset.until) return;
  if (clockShown !== clock.dataset.now) [clockShown, clockStarted] = [clock.dataset.now, performance.now()];
  const left = Math.max(0, Math.ceil((clock.dataset.until - clock.dataset.now - (performance.now() - clockStarted)) / 1000));
  const figure = clock.querySelector("[role=timer]");
  const words = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  if (figure.textContent !== words) figure.textContent = words;
  clock.classList.toggle("soon", left <= 120);
  const news = document.getElementById("news");
  if (left <= 120 && left > 0 && !news.textContent) news.textContent = news.dataset.two;
}
if (document.getElementById("clock")) {
  tick();
  setInterval(tick, 250);
}

// The airports' list: without scripts the browser's own, with them one that knows accents, states and codes.
for (const input of document.querySelectorAll("input[list=airports]")) combobox(input);

function combobox(input) {
  const folded = words => words.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const all = [...document.querySelectorAll("#airports option")].map(option => ({
    label: option.value, more: option.textContent, words: ` ${folded(`${option.value} ${option.dataset.more}`).replace(/[(),-]/g, " ")}`,
  }));
  const list = Object.assign(document.createElement("ul"), {id: `${input.id}-list`, className: "options", hidden: true});
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.labels[0].textContent);
  input.removeAttribute("list");
  for (const [name, value] of Object.entries({role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id})) {
    input.setAttribute(name, value);
  }
  input.parentElement.append(list);
  let current = -1;

  function show(open) {
    list.hidden = !open || !list.children.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (list.hidden) mark(-1);
  }

  function mark(number) {
    current = number;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === number)));
    if (number < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[number].id);
      list.children[number].scrollIntoView({block: "nearest"});
    }
  }

  function fill() {
    const sought = folded(input.value.trim());
    // Those whose city begins so come first.
    const fits = all.filter(airport => airport.words.includes(` ${sought}`))
      .sort((one, other) => other.words.startsWith(` ${sought}`) - one.words.startsWith(` ${sought}`));
    list.replaceChildren(...fits.slice(0, 8).map((airport, place) => {
      const option = Object.assign(document.createElement("li"), {id: `${list.id}-${place}`});
      option.setAttribute("role", "option");
      const more = Object.assign(document.createElement("span"), {className: "soft small", textContent: airport.more});
      option.append(`${airport.label} `, more);
      option.dataset.label = airport.label;
      return option;
    }));
    show(sought !== "" && !(fits.length === 1 && fits[0].label === input.value));
  }

  function choose(option) {
    input.value = option.dataset.label;
    show(false);
  }

  input.addEventListener("input", fill);
  input.addEventListener("blur", () => show(false));
  list.addEventListener("pointerdown", press => {
    press.preventDefault();  // The field keeps the focus.
    const option = press.target.closest("[role=option]");
    if (option) choose(option);
  });
  input.addEventListener("keydown", key => {
    const step = {ArrowDown: 1, ArrowUp: -1}[key.key];
    const count = list.children.length;
    if (step) {
      if (list.hidden) fill();
      if (!list.hidden) mark((Math.max(current, step < 0 ? 0 : -1) + step + count) % count);
    } else if (key.key === "Enter" && current >= 0) choose(list.children[current]);
    else if (key.key === "Escape" && !list.hidden) show(false);
    else return;
    key.preventDefault();
  });
}

// A stream that breaks is opened again by its extension; one that could not be opened at first is opened here.
const STREAM = "[hx-sse\\:connect]";
document.addEventListener("htmx:sse:close", close => {
  if (close.detail.reason === "message") close.target.dataset.over = "";
});
if (document.querySelector(STREAM)) {
  setInterval(() => {
    for (const stream of document.querySelectorAll(STREAM)) {
      if (!stream._htmx?.sse && !("over" in stream.dataset) && !stream.classList.contains("htmx-request")) {
        htmx.trigger(stream, "again");
      }
    }
  }, 3000);
}
