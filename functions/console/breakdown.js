"use strict";
// Volume and share delivered by event, template and sender. They come from samples: of each day, the messages that one
// request can read. A day that was not read to its end counts more: each of its bars by what the metrics know of it.

const RANKINGS = [
  { field: "event", title: "Event", none: "Without a name" },
  { field: "template_id", title: "Template", none: "Without a template" },
  { field: "sender_id", title: "Sender", none: "Without a sender" },
];
const SHOWN_ROWS = 10;
const COUNTS = ["sent", "delivered", "failed", "no_report", "waiting"];
const NONE = Object.fromEntries(COUNTS.map((name) => [name, 0]));
const DAYS = 7;
const HOUR = 3_600_000; // milliseconds

const sum = (values) => values.reduce((total, value) => total + value, 0);
const sentOf = (bar) => sum(bar.groups.map((group) => group.sent));

// The last dates up to `date`, which is YYYY-MM-DD, latest first.
function datesUpTo(date, length) {
  return Array.from({ length }, (_, back) => new Date(Date.parse(date) - back * 24 * HOUR).toISOString().slice(0, 10));
}

// How many SMS one of the bar's sample stands for. `accepted`: SMS by the start of each bar; null: not known.
function weightOf(bar, isComplete, accepted) {
  const sent = sentOf(bar);
  const known = accepted?.get(Date.parse(bar.from)) ?? 0;
  return isComplete || !sent ? 1 : Math.max(1, known / sent);
}

function ranking(days, accepted, field) {
  const rows = new Map();
  for (const day of days)
    for (const bar of day.bars) {
      const weight = weightOf(bar, day.is_complete, accepted);
      for (const group of bar.groups) {
        const row = rows.get(group[field]) ?? { value: group[field], ...NONE };
        for (const name of COUNTS) row[name] += weight * group[name];
        rows.set(group[field], row);
      }
    }
  return [...rows.values()].sort((one, other) => other.sent - one.sent);
}

function shareDelivered(row) {
  return ended(row) ? row.delivered / ended(row) : null;
}

function sampleWords(days, accepted) {
  const read = sum(days.map(sentIn));
  if (days.every((day) => day.is_complete)) return `All ${number(read)} SMS`;
  if (!accepted) return `A sample of ${number(read)} SMS`;
  return `Estimated from ${number(read)} of ${number(sum(days.map((day) => estimateOf(day, accepted))))} SMS`;
}

const sentIn = (day) => sum(day.bars.map(sentOf));

function estimateOf(day, accepted) {
  if (day.is_complete) return sentIn(day);
  return sum(day.bars.map((bar) => Math.max(sentOf(bar), accepted.get(Date.parse(bar.from)) ?? 0)));
}

// Reading and showing

const readDays = new Map(); // answers by date, with the time they came
const expanded = new Set(); // the rankings that show all rows
let breakdown = null; // { dates, accepted, since } of what is shown; `accepted`: see weightOf
let isReadingDays = false;

async function showBreakdown(today, accepted, since) {
  breakdown = { dates: datesUpTo(today, DAYS), accepted, since };
  showRankings();
  if (isReadingDays) return;
  isReadingDays = true;
  await guarded(async () => {
    await twoAtATime(breakdown.dates.filter((date) => isStale(date, today)), async (day) => {
      readDays.set(day, { answer: await ask("breakdown", { day }), at: Date.now() });
      showRankings();
    });
  }, byId("breakdown-problem"));
  isReadingDays = false;
}

// Reports still come in for days that are over, and few.
function isStale(date, today) {
  return Date.now() - (readDays.get(date)?.at ?? -Infinity) > (date === today ? REFRESH_INTERVAL / 2 : HOUR);
}

async function twoAtATime(items, work) {
  const left = [...items];
  const worker = async () => {
    while (left.length) await work(left.shift());
  };
  await Promise.all([worker(), worker()]);
}

function showRankings() {
  const { dates, accepted } = breakdown;
  const days = dates.filter((date) => readDays.has(date)).map((date) => readDays.get(date).answer);
  const progress = days.length < dates.length ? `${days.length} of ${dates.length} days read. ` : "";
  byId("sample").textContent = progress + (days.length ? `${sampleWords(days, accepted)}.` : "");
  const cards = (days.length ? RANKINGS : []).map((kind) => rankingCard(kind, ranking(days, accepted, kind.field)));
  keepingFocus(byId("rankings"), () => byId("rankings").replaceChildren(...cards));
}

function rankingCard({ field, title, none }, rows) {
  const shownRows = expanded.has(field) ? rows : rows.slice(0, SHOWN_ROWS);
  const table = element("table", { className: "ranking" });
  table.createCaption().textContent = `By ${title.toLowerCase()}`;
  table.createTHead().append(headOf([title, "SMS", "Delivered"]));
  table.createTBody().append(...shownRows.map((row) => groupRow(row, field, none, rows[0].sent)));
  const card = element("div", { className: "card" }, table);
  if (!rows.length) card.append(element("p", { className: "muted", textContent: "No SMS." }));
  if (shownRows.length < rows.length) card.append(showAllButton(field, rows.length));
  return card;
}

function groupRow(row, field, none, largest) {
  const href = row.value === null ? null : linkTo({ [field]: row.value, from: breakdown.since });
  const parts = ["delivered", "no_report", "failed", "waiting"].map((name) => [name, row[name]]);
  const share = shareDelivered(row);
  const cells = [number(row.sent), share === null ? "–" : percent.format(share)];
  return rankingRow([nameOf(row.value ?? none, href), inlineBar(parts, largest)], cells);
}

function showAllButton(field, length) {
  const button = element("button", { className: "quiet", textContent: `Show all ${number(length)}` });
  button.addEventListener("click", () => {
    expanded.add(field);
    showRankings();
    const card = byId("rankings").children[RANKINGS.findIndex((kind) => kind.field === field)];
    card.querySelectorAll("tbody tr")[SHOWN_ROWS].querySelector("a")?.focus();
  });
  return button;
}

function nameOf(words, href) {
  return href ? element("a", { href }, isolated(words)) : isolated(words);
}

function headOf(titles) {
  return element("tr", {}, ...titles.map((textContent) => element("th", { scope: "col", textContent })));
}

function rankingRow(first, cells) {
  const head = element("th", { scope: "row" }, ...first);
  return element("tr", {}, head, ...cells.map((textContent) => element("td", { textContent })));
}
