// Nothing here is needed to get an answer: a key to find, two for the periods, copying, printing, dragging a range.
const $ = (selector) => document.querySelector(selector);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  if (event.key === "/") {
    event.preventDefault();
    $("#find")?.focus();
  }
  if (event.key === "[") $(".now [rel=prev]")?.click();
  if (event.key === "]") $(".now [rel=next]")?.click();
});

for (const button of document.querySelectorAll(".copy")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

const printer = $("#print");
if (printer) {
  printer.hidden = false;
  printer.addEventListener("click", () => print());
}

const zones = $("#zones");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zones && own && ![...zones.options].some((option) => option.value === own)) {
  zones.append(Object.assign(document.createElement("option"), { value: own }));
}

// From the column where the button went down to the one where it came up: the period between.
const pick = $(".pick");
const links = pick ? [...pick.querySelectorAll("a")] : [];
let first = -1;
let last = -1;
const column = (event) => {
  const box = pick.getBoundingClientRect();
  const part = (event.clientX - box.left) / box.width;
  return Math.max(0, Math.min(links.length - 1, Math.floor(part * links.length)));
};
const mark = () => links.forEach((link, number) => {
  const on = first >= 0 && number >= Math.min(first, last) && number <= Math.max(first, last);
  link.firstChild.classList.toggle("on", on);
});
if (links.length) {
  pick.addEventListener("dragstart", (event) => event.preventDefault());
  pick.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return;
    first = last = column(event);
  });
  addEventListener("pointermove", (event) => {
    if (first < 0) return;
    last = column(event);
    if (last !== first) mark();
  });
  addEventListener("pointerup", () => {
    const [from, to] = [Math.min(first, last), Math.max(first, last)];
    first = last = -1;
    mark();
    if (from < 0 || from === to) return;
    const target = new URL(links[from].href.baseVal, location);
    target.searchParams.set("to", new URL(links[to].href.baseVal, location).searchParams.get("to"));
    location.assign(target);
  });
}
