// Keeps a page current: replaces its parts by what the server sends. Without it, the page is as of its loading.
"use strict";
(() => {
  const twoDigits = (number) => String(number).padStart(2, "0");

  // Stored times are UTC; readers think in their own time.
  const localize = (root) => {
    for (const shown of root.querySelectorAll("time[datetime]")) {
      const date = new Date(shown.dateTime);
      if (Number.isNaN(date.getTime())) continue;
      shown.title = shown.textContent;
      const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits);
      if ("clock" in shown.dataset) {
        shown.textContent = clock.join(":");
        continue;
      }
      shown.textContent = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())} `
        + clock.slice(0, 2).join(":");
    }
  };

  const filters = new Map();

  const applyFilters = (root) => {
    for (const field of root.querySelectorAll("input[data-filter]")) {
      const list = document.getElementById(field.dataset.filter);
      field.closest("[hidden]")?.removeAttribute("hidden");
      const apply = () => {
        const wanted = field.value.toLowerCase();
        filters.set(field.dataset.filter, field.value);
        for (const line of list.children) line.hidden = !line.textContent.toLowerCase().includes(wanted);
      };
      field.value = filters.get(field.dataset.filter) ?? "";
      field.addEventListener("input", apply);
      apply();
    }
  };

  const prepare = (root) => {
    localize(root);
    applyFilters(root);
  };

  // What had the keyboard's focus has it again in the new part, and what was unfolded stays so.
  const place = (element) => {
    if (!element) return null;
    const name = element.tagName.toLowerCase();
    for (const key of ["href", "data-filter", "aria-label"]) {
      if (element.hasAttribute(key)) return `${name}[${key}="${CSS.escape(element.getAttribute(key))}"]`;
    }
    return null;
  };

  const replace = (part, html) => {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const selector = place(focused);
    const among = selector ? [...part.querySelectorAll(selector)].indexOf(focused) : -1;
    const range = focused && "selectionStart" in focused ? [focused.selectionStart, focused.selectionEnd] : null;
    const unfolded = [...part.querySelectorAll("details")].map((details) => details.open);
    const scrolled = [...part.querySelectorAll(".scroll, .log")].map((box) => [box.scrollLeft, box.scrollTop]);
    part.innerHTML = html;
    prepare(part);
    part.querySelectorAll("details").forEach((details, i) => { details.open = unfolded[i] ?? false; });
    part.querySelectorAll(".scroll, .log").forEach((box, i) => {
      if (scrolled[i]) [box.scrollLeft, box.scrollTop] = scrolled[i];
    });
    const again = among >= 0 && part.querySelectorAll(selector)[among];
    if (again) {
      again.focus({ preventScroll: true });
      if (range) again.setSelectionRange(...range);
    }
  };

  const follow = (address) => {
    const source = new EventSource(address);
    const shown = new Map();
    source.addEventListener("parts", (event) => {
      for (const [name, html] of Object.entries(JSON.parse(event.data))) {
        const part = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
        if (part && shown.get(name) !== html) replace(part, html);
        shown.set(name, html);
      }
      document.documentElement.dataset.current = "yes";
    });
    source.addEventListener("error", () => { document.documentElement.dataset.current = "no"; });
    addEventListener("pagehide", () => source.close());
  };

  prepare(document);
  if (document.body.dataset.live) follow(document.body.dataset.live);
})();
