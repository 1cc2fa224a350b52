"use strict";
// Data from the tables is inserted as textContent, never as HTML. The page's policy (Trusted Types) would block HTML.

const POLL_INTERVAL = 4000; // milliseconds
const MAX_ROWS = 200; // of an open page that polls
const HINTS = {
  phone: "+91 98000 00001, with country code",
  message_id: "messageId of the Segment event",
  user_id: "userId at Segment",
  request_id: "MSG91’s request id",
};
const NOTHING = {
  phone:
    "No SMS to this number. Check that it has its country code. Otherwise the event was skipped (see Segment’s debugger), or never came.",
  message_id: "No SMS for this event. To find SMS from before the console was switched on, search by phone or request id.",
  user_id: "No SMS to this user. To find SMS from before the console was switched on, search by phone or request id.",
  request_id: "No SMS with this request id.",
  recent: "No SMS in these days.",
};

const byId = (id) => document.getElementById(id);
const list = byId("messages");
const article = byId("message");
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

let token = null; // entered on the page; null: the browser sends its own
let search = null; // { by, value }; null: the most recent messages
let shown = []; // the messages of the list
let after = null; // the position after which older messages start
let opened = null; // the open message, from the last answer
let revealed = null; // its number, while it is shown
let turn = 0; // answers to earlier requests are ignored
let isPolling = false;

class SignedOut extends Error {}

async function ask(path, query = {}) {
  // Absolute, because the document's URL may contain credentials, and fetch refuses such URLs.
  const url = new URL(`${location.origin}${location.pathname.replace(/\/$/, "")}/${path}`);
  url.search = new URLSearchParams(query);
  const response = await fetch(url, token === null ? {} : { headers: { authorization: basic(token) }, credentials: "omit" });
  if (response.status === 401) throw new SignedOut("This token is not valid.");
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.message ?? `No answer (HTTP ${response.status}). Try again.`);
  return answer;
}

function basic(password) {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`:${password}`)))}`;
}

async function guarded(work, problem = byId("problem")) {
  try {
    await work();
    problem.textContent = "";
  } catch (error) {
    if (error instanceof SignedOut) signOut(error.message);
    else problem.textContent = error instanceof TypeError ? "No connection. Check your network." : error.message;
  }
}

function signOut(words) {
  token = null;
  document.body.dataset.access = "refused";
  byId("sign-in-problem").textContent = words;
  byId("token").focus();
}

// The list

async function load({ older = false, quietly = false } = {}) {
  const mine = ++turn;
  const query = { ...(search && { [search.by]: search.value }), ...(older && { after }) };
  const page = await ask("messages", query);
  if (mine !== turn) return;
  const known = new Set(shown.map((message) => message.crqid));
  const fresh = page.messages.filter((message) => !known.has(message.crqid));
  const merges = older || (quietly && fresh.length < page.messages.length && shown.length < MAX_ROWS);
  if (!merges) {
    shown = page.messages;
    after = page.after;
  } else if (older) {
    shown = [...shown, ...fresh];
    after = page.after;
  } else {
    const again = new Set(page.messages.map((message) => message.crqid));
    shown = [...page.messages, ...shown.filter((message) => !again.has(message.crqid))];
  }
  showList(quietly ? new Set(fresh.map((message) => message.crqid)) : new Set());
  if (!quietly) announce(count(older ? fresh.length : shown.length, older ? "older message" : "message"));
  else if (fresh.length) announce(count(fresh.length, "new message"));
}

function showList(arrived) {
  const rows = new Map([...list.children].map((row) => [row.dataset.crqid, row]));
  shown.forEach((message, position) => {
    const row = rows.get(message.crqid) ?? newRow(message);
    rows.delete(message.crqid);
    fillRow(row, message);
    row.firstElementChild.classList.toggle("new", arrived.has(message.crqid));
    if (list.children[position] !== row) list.insertBefore(row, list.children[position] ?? null);
  });
  rows.forEach((row) => row.remove());
  byId("nothing").hidden = shown.length > 0;
  byId("nothing").textContent = NOTHING[search?.by ?? "recent"];
  byId("older").hidden = after === null;
  byId("older").textContent = search ? "More messages" : "Older messages";
}

function newRow(message) {
  const row = byId("row").content.cloneNode(true).firstElementChild;
  row.dataset.crqid = message.crqid;
  row.querySelector("a").href = `#/${message.crqid}`;
  return row;
}

function fillRow(row, message) {
  const link = row.firstElementChild;
  link.dataset.tone = message.tone;
  link.ariaCurrent = String(message.crqid === openedKey());
  row.querySelector(".event").textContent = message.event ?? "Event";
  row.querySelector(".who").textContent = [message.phone, message.sender_id].filter(Boolean).join("  ·  ");
  row.querySelector(".label").textContent = message.label;
  showTime(row.querySelector("time"), message.created_at, isToday(message.created_at) ? time : day);
}

// One message

const openedKey = () => /^#\/(\w+)$/.exec(location.hash)?.[1] ?? null;

async function open({ quietly = false } = {}) {
  const key = openedKey();
  document.body.classList.toggle("has-message", key !== null);
  for (const row of list.children) row.firstElementChild.ariaCurrent = String(row.dataset.crqid === key);
  if (key === null || (opened && opened.crqid !== key)) close();
  if (key === null) return;
  const message = await ask(`messages/${encodeURIComponent(key)}`);
  if (key !== openedKey()) return;
  opened = message;
  showMessage(message);
  if (!quietly) document.querySelector(".message").focus();
}

function close() {
  list.querySelector(`[href="#/${opened?.crqid}"]`)?.focus();
  opened = revealed = null;
  article.hidden = true;
  byId("nothing-open").hidden = false;
}

function showMessage(message) {
  const fields = {
    ...message,
    phone: revealed ?? message.phone,
    category: message.category?.replaceAll("_", " ").replace(/^(dlt|dnd)/, (name) => name.toUpperCase()),
    permanence: message.is_permanent ? "It would fail again the same way." : "It may succeed if it is sent again.",
    attempts: message.attempts > 1 ? message.attempts : null,
  };
  const parts = {
    ...fields,
    permanence: message.is_permanent !== null && message.tone !== "good",
    contradiction: message.is_contradicted,
  };
  article.dataset.tone = message.tone;
  for (const field of article.querySelectorAll("[data-field]")) field.textContent = fields[field.dataset.field] ?? "";
  for (const part of article.querySelectorAll("[data-part]")) part.hidden = !parts[part.dataset.part];
  byId("reveal").textContent = revealed ? "Hide" : "Show";
  byId("reveal").ariaLabel = revealed ? "Hide the number" : "Show the number";
  byId("timeline").replaceChildren(...message.timeline.map(stepOf));
  byId("nothing-open").hidden = true;
  article.hidden = false;
}

function stepOf(step, position, steps) {
  const item = byId("step").content.cloneNode(true).firstElementChild;
  item.dataset.tone = step.tone;
  item.querySelector(".title").textContent = step.title;
  item.querySelector(".words").textContent = step.words ?? "";
  showTime(item.querySelector("time"), step.at, moment);
  item.querySelector(".gap").textContent = position ? gap(steps[position - 1].at, step.at) : "";
  return item;
}

function gap(from, to) {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  if (!(seconds >= 0.1)) return "";
  if (seconds < 60) return `+${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return seconds < 5400 ? `+${Math.round(seconds / 60)} min` : `+${Math.round(seconds / 3600)} h`;
}

async function reveal() {
  const key = opened.crqid;
  const phone = revealed ? null : (await ask(`messages/${key}/phone`)).phone;
  if (key !== opened?.crqid) return;
  revealed = phone;
  showMessage(opened);
}

// Words and times

function showTime(element, at, format) {
  const date = new Date(at);
  const isDate = !Number.isNaN(date.valueOf());
  element.textContent = isDate ? format.format(date) : "";
  if (isDate) element.dateTime = at;
}

function isToday(at) {
  return new Date(at).toDateString() === new Date().toDateString();
}

function count(number, name) {
  return `${number} ${name}${number === 1 ? "" : "s"}`;
}

function announce(words) {
  byId("announcement").textContent = words;
}

// Events of the page

function searchFor(wanted) {
  search = wanted;
  shown = [];
  list.replaceChildren();
  byId("nothing").hidden = byId("older").hidden = true;
  byId("list-title").textContent = wanted ? `By ${byId("by").selectedOptions[0].textContent.toLowerCase()}` : "Most recent";
  byId("live").hidden = wanted !== null;
  byId("clear").hidden = wanted === null;
  return guarded(load);
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = "#/";
  searchFor({ by: byId("by").value, value: byId("value").value });
});
byId("by").addEventListener("change", hint);
byId("clear").addEventListener("click", () => {
  byId("value").value = "";
  searchFor(null);
});
byId("older").addEventListener("click", () => guarded(() => load({ older: true })));
byId("live").addEventListener("click", (event) => {
  const button = event.currentTarget;
  button.ariaPressed = String(button.ariaPressed !== "true");
});
byId("reveal").addEventListener("click", () => guarded(reveal));
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  guarded(async () => {
    await load();
    document.body.dataset.access = "granted";
    byId("token").value = "";
    await open();
  }, byId("sign-in-problem"));
});
addEventListener("hashchange", () => guarded(open));

function hint() {
  byId("value").placeholder = HINTS[byId("by").value];
  byId("value").inputMode = byId("by").value === "phone" ? "tel" : "text";
}

// While the page is visible, poll the most recent messages, and an open message that can still change.
setInterval(async () => {
  const isLive = byId("live").ariaPressed === "true" && document.body.dataset.access === "granted";
  if (document.hidden || !isLive || isPolling) return;
  isPolling = true;
  if (!search) await guarded(() => load({ quietly: true }));
  if (opened && opened.tone !== "good") await guarded(() => open({ quietly: true }));
  isPolling = false;
}, POLL_INTERVAL);

hint();
if (document.body.dataset.access === "granted") {
  guarded(load);
  guarded(open);
} else {
  byId("token").focus();
}
