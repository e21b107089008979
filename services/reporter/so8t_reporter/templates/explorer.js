"use strict";
// Texts from outside reach the page only through textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const { rows, settings, classes, mistakes } = data;
const OUTCOMES = ["lost", "both wrong", "gained", "both right"];
const PAGE_SIZE = 50;
const INVALID = classes.length - 1;
const LABELS = classes.slice(0, INVALID);
const SIDES = ["a", "b"];
const byId = (id) => document.getElementById(id);

// One item for every row that has answers in a setting.
const items = settings.flatMap((setting, place) =>
  rows.id.map((_, row) => ({ row, place })).filter(({ row }) => setting.a.said[row] >= 0));
for (const item of items) Object.assign(item, judged(item));
items.sort((x, y) => x.rank - y.rank || y.sure - x.sure || x.row - y.row || x.place - y.place);
const turnsOf = (row) => rows.turns.of[row].map((place) => rows.turns.values[place]);
const searched = rows.text.map((text, row) =>
  [text, rows.id[row], ...turnsOf(row).filter(([role]) => role !== "system").map(([, said]) => said)]
    .join("\n").toLowerCase());

let found = items;
let page = 0;

function judged({ row, place }) {
  const setting = settings[place];
  const gold = rows.gold[row];
  const [a, b] = SIDES.map((side) => setting[side].said[row]);
  const outcome = a === gold ? (b === gold ? "both right" : "lost") : b === gold ? "gained" : "both wrong";
  const made = (said) => mistakes.find((m) => m.gold.includes(gold) && m.said.includes(said));
  const mistake = { a: made(a), b: made(b) };
  const dangers = mistakes.filter((m) => m.dangerous);
  const dangerous = Boolean(mistake.b && mistake.b.dangerous);
  const rank = dangerous ? dangers.indexOf(mistake.b) : dangers.length + OUTCOMES.indexOf(outcome);
  const sure = b === gold || b === INVALID ? 0 : share(setting.b, row, b);
  return { outcome, mistake, dangerous, rank, sure };
}

function share(answers, row, label) {
  return answers.shares.length ? answers.shares[LABELS.length * row + label] : 0;
}

function make(tag, { className = "", text = "", outside = false } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  if (outside) element.dir = "auto";
  element.append(...children);
  return element;
}

// Filters

function offer(id, choices, everything) {
  const options = everything ? [["", everything], ...choices] : choices;
  byId(id).replaceChildren(...options.map(([value, text]) => {
    const option = make("option", { text });
    option.value = value;
    return option;
  }));
}

function offerAll() {
  const once = (name) => [...new Set(settings.map((setting) => setting[name]))].map((value) => [value, value]);
  const coded = ({ values }) => values.map((value, place) => [String(place), value || "not stated"]);
  offer("quantization", once("quantization"), "All");
  offer("scoring", once("scoring"), "All");
  offer("gold", LABELS.map((label, place) => [String(place), label]), "All");
  offer("outcome", OUTCOMES.map((outcome) => [outcome, outcome]), "All");
  offer("danger", [...SIDES].reverse().flatMap((side) => [
    ...[[`${side}:`, `${side.toUpperCase()}: any danger`]],
    ...mistakes.map((m) => [`${side}:${m.name}`, `${side.toUpperCase()}: ${m.words}`]),
  ]), "All");
  offer("language", coded(rows.language), "All");
  offer("category", coded(rows.category), "All");
}

function showFirstSetting() {
  byId("quantization").value = settings[data.shown].quantization;
  byId("scoring").value = settings[data.shown].scoring;
}

function fits(item, wanted) {
  const { row, place } = item;
  const setting = settings[place];
  const [side, name] = wanted.danger.split(":");
  const mistake = side && item.mistake[side];
  return (!wanted.quantization || setting.quantization === wanted.quantization)
    && (!wanted.scoring || setting.scoring === wanted.scoring)
    && (!wanted.gold || rows.gold[row] === Number(wanted.gold))
    && (!wanted.outcome || item.outcome === wanted.outcome)
    && (!side || Boolean(mistake && (name ? mistake.name === name : mistake.dangerous)))
    && ["language", "category"].every((key) => !wanted[key] || rows[key].of[row] === Number(wanted[key]))
    && (!wanted.group || groupOf(row).startsWith(wanted.group))
    && (!wanted.search || searched[row].includes(wanted.search)
      || SIDES.some((each) => setting[each].wrote[row].toLowerCase().includes(wanted.search)));
}

const groupOf = (row) => rows.group.values[rows.group.of[row]] || rows.id[row];

function filter() {
  const wanted = Object.fromEntries([...byId("filters").elements].filter((e) => e.id).map((e) => [e.id, e.value]));
  wanted.search = wanted.search.trim().toLowerCase();
  wanted.group = wanted.group.trim();
  found = items.filter((item) => fits(item, wanted));
  page = 0;
  draw();
}

// The list

function draw() {
  const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE));
  page = Math.min(Math.max(page, 0), pages - 1);
  byId("list").replaceChildren(...found.slice(PAGE_SIZE * page, PAGE_SIZE * (page + 1)).map(line));
  const [shown, all, tested] = [found, items, rows.id].map((list) => list.length.toLocaleString("en"));
  byId("count").textContent = `${shown} of ${all} pairs of answers (rows: ${tested}, settings: ${settings.length})`;
  byId("page").textContent = `Page ${page + 1} of ${pages}`;
  byId("previous").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
}

function line(item) {
  const { row, place } = item;
  const gold = rows.gold[row];
  const verdicts = make("span", { className: "verdicts" }, make("b", { text: classes[gold] }));
  for (const side of SIDES) verdicts.append(said(side, settings[place][side].said[row], gold));
  const button = make("button", { className: "row" },
    make("span", { className: "words", text: rows.text[row].slice(0, 300), outside: true }),
    verdicts,
    make("span", { className: "tag", text: tag(item) }));
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  const entry = make("li", { className: item.dangerous ? "dangerous" : "" }, button);
  button.addEventListener("click", () => toggle(entry, button, item));
  return entry;
}

function tag({ row, place, outcome, mistake }) {
  const setting = settings[place];
  const where = byId("quantization").value && byId("scoring").value ? [] : [`${setting.quantization} ${setting.scoring}`];
  return [...(mistake.b ? [mistake.b.words] : []), outcome, ...where, ...(rows.turns.of[row].length ? [context(row)] : [])].join(" · ");
}

function said(side, label, gold) {
  return make("span", {}, make("span", { className: `chip ${side}`, text: side.toUpperCase() }), " ",
    make("span", { className: label === gold ? "good" : "bad", text: `${label === gold ? "✓" : "✗"} ${classes[label]}` }));
}

function toggle(entry, button, item) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  if (open) entry.lastElementChild.remove();
  else entry.append(detail(item));
}

function detail({ row, place }) {
  return make("div", { className: "detail" },
    ...before(row),
    make("p", { className: "text", text: rows.text[row], outside: true }),
    facts(row),
    make("div", { className: "sides" }, ...SIDES.map((side) => answer(side, row, place))),
    everywhere(row));
}

function before(row) {
  const turns = turnsOf(row);
  if (!turns.length) return [];
  return [make("details", { className: "turns" }, make("summary", { text: context(row) }),
    ...turns.map(([role, said]) => make("div", {},
      make("b", { className: "muted", text: role }),
      make("p", { text: said || "(nothing outside its thinking)", outside: true }))))];
}

function context(row) {
  const system = turnsOf(row).some(([role]) => role === "system");
  const earlier = rows.turns.earlier[row];
  return [...(system ? ["System prompt"] : []), ...(earlier ? [`${earlier} earlier turn${earlier > 1 ? "s" : ""}`] : [])]
    .join(" and ");
}

function facts(row) {
  const value = (name) => rows[name].values[rows[name].of[row]] || "not stated";
  const group = make("button", { text: groupOf(row) });
  group.type = "button";
  group.addEventListener("click", () => { byId("group").value = groupOf(row); filter(); });
  return make("p", { className: "facts" },
    make("span", { text: `Row ${rows.id[row]}` }),
    make("span", { text: `Language ${value("language")}` }),
    make("span", { text: `Category ${value("category")}` }),
    make("span", { text: "Group " }, group));
}

function answer(side, row, place) {
  const answers = settings[place][side];
  const label = answers.said[row];
  const box = make("div", { className: side }, said(side, label, rows.gold[row]),
    make("p", { className: "muted", text: data.names[side] }));
  const wrote = answers.wrote[row] || (label === INVALID ? "(nothing kept)" : "");
  if (wrote) box.append(make("p", { className: "wrote", text: wrote, outside: true }));
  if (share(answers, row, 0) >= 0 && answers.shares.length) box.append(shares(answers, row));
  return box;
}

function shares(answers, row) {
  const list = make("div", { className: "shares" });
  LABELS.forEach((label, place) => {
    const percent = share(answers, row, place) / 10;
    const bar = make("i");
    bar.style.width = `${percent}%`;
    list.append(make("span", { text: label }), make("span", { className: "bar" }, bar),
      make("span", { className: "share", text: `${percent.toFixed(1)}%` }));
  });
  return list;
}

function everywhere(row) {
  const heads = ["Setting", "A", "B"].map((text) => make("th", { text }));
  const lines = settings.filter((setting) => setting.a.said[row] >= 0).map((setting) => make("tr", {},
    make("td", { text: `${setting.quantization} ${setting.scoring}` }),
    ...SIDES.map((side) => make("td", {
      className: setting[side].said[row] === rows.gold[row] ? "good" : "bad", text: classes[setting[side].said[row]],
    }))));
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...lines));
}

// Keys

function turn(by) {
  page += by;
  draw();
  document.querySelector(".row")?.focus();
}

function step(by) {
  const buttons = [...document.querySelectorAll(".row")];
  const place = buttons.indexOf(document.activeElement?.closest("li")?.querySelector(".row"));
  buttons[Math.min(Math.max(place + by, 0), buttons.length - 1)]?.focus();
}

function leave() {
  const open = document.activeElement?.closest("li")?.querySelector(".row[aria-expanded=true]");
  if (open) { open.click(); open.focus(); } else document.activeElement?.blur();
}

const KEYS = {
  "/": () => byId("search").focus(),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  ArrowRight: () => turn(1),
  ArrowLeft: () => turn(-1),
  Escape: leave,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select");
  const action = KEYS[event.key];
  const leaves = event.key === "Escape" || (event.key === "ArrowDown" && event.target.type === "search");
  if (!action || event.ctrlKey || event.metaKey || event.altKey || (typing && !leaves)) return;
  event.preventDefault();
  action();
});
byId("filters").addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", () => setTimeout(() => { showFirstSetting(); filter(); }));
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
offerAll();
showFirstSetting();
filter();
