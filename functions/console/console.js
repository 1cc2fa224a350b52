"use strict";
// What all parts share: requests, the sign-in, words and times, and which view the URL's fragment names.
// Data from the tables is inserted as textContent, never as HTML. The page's policy (Trusted Types) would block HTML.

const WINDOWS = { "24h": "24 hours", "7d": "7 days", "30d": "30 days" };
const FILTERS = ["outcome", "category", "event", "template_id", "sender_id", "from", "until"];

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const number = (value) => whole.format(value);
// Rounded down, so that 100% means all.
const percent = new Intl.NumberFormat(undefined, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  roundingMode: "trunc",
});

let token = null; // entered on the page; null: the browser sends its own

class SignedOut extends Error {}

async function ask(path, query = {}, signal = undefined) {
  // Absolute, because the document's URL may contain credentials, and fetch refuses such URLs.
  const url = new URL(`${location.origin}${location.pathname.replace(/\/$/, "")}/${path}`);
  url.search = new URLSearchParams(query);
  const identity = token === null ? {} : { headers: { authorization: basic(token) }, credentials: "omit" };
  const response = await fetch(url, { ...identity, signal });
  if (response.status === 401) throw new SignedOut("This token is not valid.");
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.message ?? `No answer (HTTP ${response.status}). Try again.`);
  return answer;
}

function basic(password) {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`:${password}`)))}`;
}

// Work that returns false was overtaken by later work, whose problem stays.
async function guarded(work, problem = byId("problem")) {
  try {
    if ((await work()) !== false) problem.textContent = "";
  } catch (error) {
    if (error instanceof SignedOut) signOut(error.message);
    else problem.textContent = wordsOf(error);
  }
}

function wordsOf(error) {
  return error instanceof TypeError ? "No connection. Check your network." : error.message;
}

function signOut(words) {
  token = null;
  document.body.dataset.access = "refused";
  byId("sign-in-problem").textContent = words;
  byId("token").focus();
}

const isSignedIn = () => document.body.dataset.access === "granted";

// The views

// #/ and #/?window=24h: the overview. #/messages and #/messages?outcome=failed: the list. #/<crqid>: one message.
function route() {
  const [path, query] = location.hash.replace(/^#?\/?/, "").split("?");
  const given = Object.fromEntries(new URLSearchParams(query));
  if (path === "") return { view: "overview", window: given.window in WINDOWS ? given.window : "7d" };
  if (path === "messages") return { view: "messages", key: null, filters: pick(given, FILTERS) };
  return { view: "messages", key: /^\w+$/.test(path) ? path : null, filters: null };
}

function pick(given, names) {
  return Object.fromEntries(names.filter((name) => given[name]).map((name) => [name, given[name]]));
}

function linkTo(filters) {
  return `#/messages?${new URLSearchParams(pick(filters, FILTERS))}`;
}

function show() {
  const { view, window, key } = route();
  const previous = document.body.dataset.view;
  document.body.dataset.view = view;
  document.title = `${view === "overview" ? "Overview" : "Messages"} · SMS console`;
  for (const link of byId("views").children) mark(link, "page", link.dataset.view === view);
  if (view === "overview") showOverview(window);
  else showMessages();
  if (previous && previous !== view && !key) enter(view);
}

// Puts the focus into a view: back in the overview, on the link that led away.
function enter(view) {
  scrollTo(0, 0);
  const left = view === "overview" && byId("overview").querySelector(`[href="${byId("back").hash}"]`);
  (left || byId(view === "overview" ? "overview" : "list-title")).focus();
}

// What is painted anew keeps the focus: a link is known by its address.
function keepingFocus(part, paint) {
  const href = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
  paint();
  if (href) part.querySelector(`[href="${href}"]`)?.focus({ preventScroll: true });
}

function mark(link, value, isCurrent) {
  if (isCurrent) link.setAttribute("aria-current", value);
  else link.removeAttribute("aria-current");
}

// Elements, words and times

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Names come from events, in any script. <bdi> keeps their direction to themselves.
function isolated(words) {
  return element("bdi", { textContent: words });
}

function count(amount, name) {
  return `${number(amount)} ${name}${amount === 1 ? "" : "s"}`;
}

function categoryName(category) {
  return category.replaceAll("_", " ").replace(/^(dlt|dnd)/, (name) => name.toUpperCase());
}

function capitalized(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function announce(words) {
  byId("announcement").textContent = words;
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  guarded(async () => {
    await ask("messages"); // shows whether the token is right
    document.body.dataset.access = "granted";
    byId("token").value = "";
    show();
  }, byId("sign-in-problem"));
});
addEventListener("hashchange", show);
// After the scripts of all parts.
addEventListener("DOMContentLoaded", () => {
  if (isSignedIn()) show();
  else byId("token").focus();
});
