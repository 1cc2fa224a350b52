"use strict";
// The first view: what needs action, how many SMS arrived, and why the others did not.

const REFRESH_INTERVAL = 300_000; // milliseconds, as all times here
const FRESH_FOR = 60_000; // the answer is cached as long on the server
const FIGURES = [
  { name: "accepted", title: "Accepted", note: () => "by MSG91" },
  { name: "delivered", title: "Delivered", tone: "good", note: shareNote },
  { name: "failed", title: "Failed", tone: "bad", note: shareNote },
  { name: "no_report", title: "No report", tone: "doubt", note: shareNote },
  { name: "waiting", title: "Waiting", tone: "waiting", note: () => "for a report; in no share", isApart: true },
  { name: "suppressed", title: "Suppressed", note: () => "by a rule of this stack", isApart: true },
  { name: "refused", title: "Refused", note: () => "by MSG91", isApart: true, isRare: true },
  { name: "invalid", title: "Invalid", note: () => "malformed events", isApart: true, isRare: true },
];
const HOW_TO_READ =
  "An SMS is counted when it is accepted, and when it ends, which may be in a later bar. Choose a bar for its figures.";
const DETAILS = ["delivered", "failed", "no_report"];

const answers = new Map(); // by window: { promise, at }
let overview = null; // the answer that is shown
let week = null; // the last answer of seven days
let wantedWindow = "7d";
let chosenBar = NaN;

function showOverview(window) {
  if (window !== wantedWindow) chosenBar = NaN;
  wantedWindow = window;
  byId("window-title").textContent ||= `Last ${WINDOWS[window]}`;
  for (const link of byId("windows").children) mark(link, "true", new URL(link.href).hash === hashOf(window));
  return loadOverview();
}

const hashOf = (window) => (window === "7d" ? "#/" : `#/?window=${window}`);

// Yesterday's figures and the weights of the breakdown are those of seven days, whatever the window is.
async function loadOverview() {
  const window = wantedWindow;
  byId("overview").ariaBusy = String(window !== overview?.window);
  await guarded(async () => {
    const [ofWeek, answer] = await Promise.all([read("7d"), read(window)]);
    week = ofWeek;
    if (window === wantedWindow) keepingFocus(byId("overview"), () => paintOverview(answer));
  }, byId("overview-problem"));
  byId("overview").ariaBusy = "false";
  byId("overview-loading").hidden = true;
  byId("retry").hidden = byId("overview-problem").textContent === "";
  if (isSignedIn()) await loadBreakdown();
}

function read(window) {
  const known = answers.get(window);
  if (known && Date.now() - known.at < FRESH_FOR) return known.promise;
  const promise = ask("overview", { window });
  answers.set(window, { promise, at: Date.now() });
  promise.catch(() => answers.delete(window));
  return promise;
}

// Without the week's figures the samples are shown as they are.
function loadBreakdown() {
  if (!week) return showBreakdown(new Date().toISOString().slice(0, 10), null, undefined);
  const accepted = new Map(week.bars.map((bar) => [Date.parse(bar.from), bar.accepted]));
  return showBreakdown(week.today.date, accepted, week.from);
}

function paintOverview(answer) {
  overview = answer;
  const isEmpty = !FIGURES.some(({ name }) => answer.totals[name]) && !answer.failures.length;
  showNotices(answer.notices);
  showHeadline(week);
  showMainFailure(answer);
  byId("window-title").textContent = `Last ${WINDOWS[answer.window]}`;
  byId("as-of").textContent = asOf(answer);
  byId("day").max = week.today.date;
  byId("day").value ||= week.yesterday.date;
  byId("no-sms").hidden = !isEmpty;
  for (const part of byId("overview").querySelectorAll("[data-part=loaded]")) part.hidden = false;
  byId("overview").querySelector("[data-part=figures]").hidden = isEmpty;
  if (isEmpty) return;
  const inShares = FIGURES.filter(({ isApart }) => !isApart);
  const apart = FIGURES.filter(({ name, isApart, isRare }) => isApart && !(isRare && answer.totals[name] === 0));
  byId("figures").replaceChildren(...inShares.map(figureOf), ...latencyFigure(answer.latency), ...apart.map(figureOf));
  showFailures(answer);
  paintChart();
  showChartTable(answer);
}

// Words

function shareNote(name, totals) {
  const all = ended(totals);
  return all ? `${percent.format(totals[name] / all)} of those ended` : "none has ended yet";
}

// A date of the stack's zone, as a moment whose UTC fields are that zone's.
function zoned(iso) {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(overview.utc_offset);
  return new Date(Date.parse(iso) + Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000);
}

const inZone = (options) => {
  const format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: "UTC" });
  return (iso) => format.format(zoned(iso));
};
const clockTime = inZone({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const shortDate = inZone({ day: "numeric", month: "short" });
const weekday = inZone({ weekday: "short", day: "numeric" });
const longDate = inZone({ weekday: "short", day: "numeric", month: "short" });

function asOf({ as_of, utc_offset }) {
  const zone = utc_offset === "+05:30" ? `India’s days, UTC${utc_offset}` : `days of UTC${utc_offset}`;
  return `As of ${clockTime(as_of)}, ${shortDate(as_of)} · figures by ${zone}`;
}

function arrivedWords({ accepted, delivered }) {
  if (!accepted && !delivered) return "no SMS";
  // Reports come later than what they are about, also on the next day.
  if (delivered > accepted) return `${number(delivered)} SMS arrived, ${number(accepted)} were accepted`;
  return `${number(delivered)} of ${number(accepted)} SMS arrived`;
}

function endedWords(day) {
  if (day.share_delivered === null) return day.accepted ? "None has ended yet." : "";
  return `${percent.format(day.share_delivered)} of the ${number(ended(day))} that have ended.`;
}

// Times as the routes take them: in UTC.
const later = (iso, milliseconds) => new Date(Date.parse(iso) + milliseconds).toISOString();
const midnight = (date) => later(`${date}T00:00:00${overview.utc_offset}`, 0);

// Parts

function showNotices(notices) {
  const boxes = notices.map(({ tone, sentence, advice }) => {
    const words = element("p", {}, element("strong", { textContent: sentence }), ` ${advice}`);
    const box = element("div", { className: "notice" }, element("span", { className: "mark" }), words);
    box.dataset.tone = tone;
    return box;
  });
  byId("notices").replaceChildren(...boxes);
}

function showHeadline({ today, yesterday }) {
  // On the first day there is nothing to say about yesterday.
  const isFirstDay = yesterday.accepted + yesterday.delivered === 0 && today.accepted + today.delivered > 0;
  const [day, other] = isFirstDay ? [today, yesterday] : [yesterday, today];
  const [title, otherTitle] = isFirstDay ? ["Today so far", "Yesterday"] : ["Yesterday", "Today so far"];
  const from = midnight(day.date);
  const link = linkTo({ outcome: "delivered", from, until: later(from, 24 * HOUR) });
  byId("headline-title").textContent = `${title}, ${shortDate(from)}`;
  byId("headline").replaceChildren(element("a", { href: link, textContent: capitalized(arrivedWords(day)) }));
  byId("headline-share").textContent = endedWords(day);
  byId("other-day").textContent = `${otherTitle}: ${arrivedWords(other)}. ${endedWords(other)}`;
}

function showMainFailure({ failures: [main], window, from }) {
  const part = byId("main-failure");
  part.hidden = !main;
  if (!main) return;
  const [link, of] = part.querySelectorAll("a, .of");
  byId("main-failure-title").textContent = `Main failure, last ${WINDOWS[window]}`;
  link.href = linkTo({ category: main.category, from });
  link.textContent = capitalized(categoryName(main.category));
  of.textContent = `${number(main.count)} SMS, ${percent.format(main.share)} of all failures`;
  part.querySelector(".sentence").textContent = main.sentence;
  part.querySelector(".remedy span").textContent = main.advice;
}

function figureOf({ name, title, note, tone, isApart }) {
  const { totals, from, waiting_is_minimum: isMinimum } = overview;
  const value = `${name === "waiting" && isMinimum ? "at least " : ""}${number(totals[name])}`;
  const filters = { accepted: { from }, waiting: { outcome: name } }[name] ?? { outcome: name, from };
  const link = element("a", { href: linkTo(filters) }, ...figureWords(title, value, note(name, totals)));
  if (tone) showTone(link.firstElementChild, tone);
  return element("li", { className: isApart ? "apart" : "" }, link);
}

function showTone(heading, tone) {
  heading.dataset.tone = tone;
  heading.prepend(element("span", { className: "mark" }));
}

function latencyFigure(latency) {
  if (!latency) return [];
  const note = `median; 95th percentile ${duration(latency.p95)}`;
  const words = figureWords("Time to delivery", duration(latency.median), note);
  return [element("li", {}, element("div", { className: "plain" }, ...words))];
}

function figureWords(title, value, note) {
  return [
    element("span", { className: "name" }, title),
    element("strong", { textContent: value }),
    element("span", { className: "muted", textContent: note }),
  ];
}

function showFailures({ failures, from }) {
  byId("no-failures").hidden = failures.length > 0;
  const rows = failures.map(({ category, count, share, sentence, advice }) => {
    const name = nameOf(capitalized(categoryName(category)), linkTo({ category, from }));
    const size = element("div", {}, name, inlineBar([["failed", count]], failures[0].count));
    const words = element("p", {}, element("span", { className: "muted", textContent: sentence }), ` ${advice}`);
    const first = element("div", { className: "reason" }, size, words);
    return rankingRow([first], [number(count), percent.format(share)]);
  });
  byId("failures").replaceChildren();
  if (!rows.length) return;
  byId("failures").createTHead().append(headOf(["Reason, and what to do", "SMS", "Share"]));
  byId("failures").createTBody().append(...rows);
}

const twoDigits = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });

function duration(seconds) {
  if (seconds < 0.1) return "< 0.1 s";
  if (seconds < 90) return `${twoDigits.format(seconds)} s`;
  return seconds < 5400 ? `${twoDigits.format(seconds / 60)} min` : `${twoDigits.format(seconds / 3600)} h`;
}

// The chart, and the table behind it

function paintChart() {
  if (!overview || byId("chart").clientWidth === 0) return;
  const { window, bars, totals } = overview;
  drawChart(byId("chart"), {
    bars,
    label: `Bars over the last ${WINDOWS[window]}: ${wordsFor(totals)}. The table below has each bar.`,
    tickOf: TICKS[window],
    onShow: showBar,
    onChoose: (index) => showBar((chosenBar = index === chosenBar ? NaN : index)),
  });
  showBar(NaN);
}

const hourOf = (bar) => zoned(bar.from).getUTCHours();
const TICKS = {
  "24h": (bar) => (hourOf(bar) % 3 ? "" : clockTime(bar.from)),
  "7d": (bar) => (hourOf(bar) ? "" : weekday(bar.from)),
  "30d": (bar) => (zoned(bar.from).getUTCDay() === 1 ? shortDate(bar.from) : ""),
};

const wordsFor = (bar) => ["accepted", ...DETAILS].map((name) => `${number(bar[name])} ${LABELS[name]}`).join(", ");

function barTitle({ from }) {
  if (overview.step >= 24 * 3600) return longDate(from);
  const until = Math.min(Date.parse(from) + overview.step * 1000, Date.parse(overview.as_of));
  return `${longDate(from)}, ${clockTime(from)} to ${clockTime(later(new Date(until), 0))}`;
}

const barLink = ({ from }) => linkTo({ from, until: later(from, overview.step * 1000) });

function showBar(pointedAt) {
  const index = Number.isNaN(pointedAt) ? chosenBar : pointedAt;
  const bar = overview.bars[index];
  for (const column of byId("chart").querySelectorAll(".column"))
    column.classList.toggle("current", Number(column.dataset.index) === index);
  const link = bar && element("a", { href: barLink(bar), textContent: barTitle(bar) });
  byId("readout").replaceChildren(...(bar ? [link, `: ${wordsFor(bar)}`] : [HOW_TO_READ]));
}

function showChartTable({ bars }) {
  const names = ["accepted", ...DETAILS, "suppressed"];
  const table = byId("chart-table");
  table.replaceChildren();
  table.createTHead().append(headOf(["From", ...names.map((name) => capitalized(LABELS[name] ?? name))]));
  const rowOf = (bar) => rankingRow([nameOf(barTitle(bar), barLink(bar))], names.map((name) => number(bar[name])));
  table.createTBody().append(...bars.map(rowOf));
}

// Events

const isOverviewSeen = () => !document.hidden && isSignedIn() && route().view === "overview";

setInterval(() => {
  if (isOverviewSeen()) loadOverview();
}, REFRESH_INTERVAL);
addEventListener("visibilitychange", () => {
  if (isOverviewSeen() && Date.now() - (answers.get(wantedWindow)?.at ?? 0) > REFRESH_INTERVAL) loadOverview();
});
new ResizeObserver(paintChart).observe(byId("chart"));
byId("retry").addEventListener("click", loadOverview);
exportWith(byId("export-day"), () => ({ query: { day: byId("day").value }, name: `sms-${byId("day").value}.csv` }));
