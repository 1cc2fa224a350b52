"use strict";
// The list of messages beside one message. The list has the most recent, what a search finds, or what filters leave.

const POLL_INTERVAL = 4000; // milliseconds
const MAX_ROWS = 200; // of an open page that polls
const MAX_READS = 10; // requests of one click, until one finds a message
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
  filters: "No such SMS in what was looked at.",
};
const OUTCOMES = {
  delivered: "Delivered",
  failed: "Failed",
  no_report: "No report",
  waiting: "Waiting for a report",
  suppressed: "Suppressed",
  refused: "Refused by MSG91",
  invalid: "Invalid events",
  held: "Held",
};

const list = byId("messages");
const article = byId("message");
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

let search = null; // { by, value }; not in the URL, because a number would stay in the browser's history
let filters = {}; // of FILTERS, from the URL
let shown = []; // the messages of the list
let listed = null; // the query whose messages the list has
let after = null; // the position after which older messages start
let looked = { messages: 0, backTo: null }; // how far filters have looked
let opened = null; // the open message, from the last answer
let revealed = null; // its number, while it is shown
let turn = 0; // answers to earlier requests are ignored
let isPolling = false;

const hasFilters = () => Object.keys(filters).length > 0;
const listQuery = () => (search ? { [search.by]: search.value } : filters);

// A message's URL says nothing of the list, which stays as it is beside it.
async function showMessages() {
  const wanted = route().filters;
  if (wanted && JSON.stringify(wanted) !== JSON.stringify(filters)) {
    filters = wanted;
    search = null;
  }
  const isOther = JSON.stringify(listQuery()) !== listed;
  if (isOther) startList();
  await Promise.all([isOther && guarded(loadList), guardedMessage(open)]);
}

// The list

function startList() {
  listed = JSON.stringify(listQuery());
  shown = [];
  list.replaceChildren();
  looked = { messages: 0, backTo: null };
  const isRecent = !search && !hasFilters();
  byId("nothing").hidden = byId("older").hidden = true;
  byId("looked").hidden = !hasFilters();
  byId("looked").textContent = "Looking…";
  byId("list-title").replaceChildren(...listTitle());
  byId("live").hidden = !isRecent;
  byId("clear").hidden = byId("export-list").hidden = isRecent;
  byId("back").href = hasFilters() ? linkTo(filters) : "#/messages";
  exporting.reset();
}

function listTitle() {
  if (search) return [`By ${byId("by").selectedOptions[0].textContent.toLowerCase()}`];
  if (!hasFilters()) return ["Most recent"];
  const { outcome, category, event, template_id, sender_id, from, until } = filters;
  const wanted = [
    outcome && [OUTCOMES[outcome] ?? outcome],
    category && [`Failure: ${categoryName(category)}`],
    event && ["Event ", isolated(event)],
    template_id && ["Template ", isolated(template_id)],
    sender_id && ["Sender ", isolated(sender_id)],
  ].filter(Boolean);
  const times = [from && [`from ${dateWords(from)}`], until && [`until ${dateWords(until)}`]].filter(Boolean);
  const parts = [...(wanted.length ? wanted : [["All"]]), ...times];
  return parts.flatMap((part, index) => (index ? [" · ", ...part] : part));
}

function dateWords(at) {
  const date = new Date(at);
  return Number.isNaN(date.valueOf()) ? at : day.format(date);
}

// Filters may leave none of the messages that one request reads. Then more are read, up to a limit.
async function loadSome({ older = false } = {}) {
  const length = older ? shown.length : 0;
  for (let reads = 0; reads < MAX_READS; reads++) {
    const isCurrent = await load({ older: older || reads > 0 });
    if (!isCurrent || !hasFilters() || shown.length > length || after === null) return isCurrent;
  }
  return true;
}

async function loadList() {
  try {
    return await loadSome();
  } catch (error) {
    listed = null; // so that the next visit tries again
    throw error;
  }
}

// Returns false if another request has overtaken this one.
async function load({ older = false, quietly = false } = {}) {
  const mine = ++turn;
  let page;
  try {
    page = await ask("messages", { ...listQuery(), ...(older && { after }) });
  } catch (error) {
    if (mine === turn || error instanceof SignedOut) throw error;
  }
  if (mine !== turn) return false;
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
  if (hasFilters()) tellReach(page);
  showList(quietly ? new Set(fresh.map((message) => message.crqid)) : new Set());
  if (!quietly) announce(count(older ? fresh.length : shown.length, older ? "older message" : "message"));
  else if (fresh.length) announce(count(fresh.length, "new message"));
  return true;
}

function tellReach(page) {
  looked = { messages: looked.messages + page.read, backTo: page.back_to ?? looked.backTo };
  const reach = after === null || !looked.backTo ? ", which are all" : `, back to ${dateWords(looked.backTo)}`;
  byId("looked").textContent = `Looked at ${count(looked.messages, "message")}${reach}.`;
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
  byId("nothing").textContent = NOTHING[search?.by ?? (hasFilters() ? "filters" : "recent")];
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

const guardedMessage = (work) => guarded(work, byId("message-problem"));
const openedKey = () => route().key ?? null;

async function open({ quietly = false } = {}) {
  const key = openedKey();
  document.body.classList.toggle("has-message", key !== null);
  for (const row of list.children) row.firstElementChild.ariaCurrent = String(row.dataset.crqid === key);
  if (key === null || (opened && opened.crqid !== key)) close();
  if (key === null) return true;
  let message;
  try {
    message = await ask(`messages/${encodeURIComponent(key)}`);
  } catch (error) {
    if (key === openedKey() || error instanceof SignedOut) throw error;
  }
  if (key !== openedKey()) return false;
  opened = message;
  showMessage(message);
  if (!quietly) enterMessage();
  return true;
}

function enterMessage() {
  const part = document.querySelector(".message");
  part.focus({ preventScroll: true });
  part.scrollTop = 0;
  scrollTo(0, 0);
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
    category: message.category && categoryName(message.category),
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

// Times

function showTime(element, at, format) {
  const date = new Date(at);
  const isDate = !Number.isNaN(date.valueOf());
  element.textContent = isDate ? format.format(date) : "";
  if (isDate) element.dateTime = at;
}

function isToday(at) {
  return new Date(at).toDateString() === new Date().toDateString();
}

// Events of the page

// Shows what the search finds, or the most recent messages, also if the list has the same already.
function listAfresh(wanted) {
  search = wanted;
  filters = {};
  listed = null;
  if (location.hash === "#/messages") showMessages();
  else location.hash = "#/messages";
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  listAfresh({ by: byId("by").value, value: byId("value").value });
});
byId("by").addEventListener("change", hint);
byId("clear").addEventListener("click", () => {
  byId("value").value = "";
  listAfresh(null);
});
byId("views").addEventListener("click", (event) => {
  if (event.target.dataset.view !== "messages") return;
  event.preventDefault();
  listAfresh(null);
});
byId("older").addEventListener("click", () => guarded(() => loadSome({ older: true })));
byId("live").addEventListener("click", (event) => {
  const button = event.currentTarget;
  button.ariaPressed = String(button.ariaPressed !== "true");
});
byId("reveal").addEventListener("click", () => guardedMessage(reveal));

function hint() {
  byId("value").placeholder = HINTS[byId("by").value];
  byId("value").inputMode = byId("by").value === "phone" ? "tel" : "text";
}

// While the page is visible, poll the most recent messages, and an open message that can still change.
setInterval(async () => {
  const isLive = byId("live").ariaPressed === "true" && isSignedIn() && route().view === "messages";
  if (document.hidden || !isLive || isPolling) return;
  isPolling = true;
  if (!search && !hasFilters()) await guarded(() => load({ quietly: true }));
  if (opened && opened.tone !== "good") await guardedMessage(() => open({ quietly: true }));
  isPolling = false;
}, POLL_INTERVAL);

hint();

const exporting = exportWith(byId("export-list"), () => ({ query: listQuery(), name: "sms-search.csv" }));
