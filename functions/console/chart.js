"use strict";
// The chart over time: one stacked bar for each step, drawn at the width it has, so that its text keeps its size.

const HEIGHT = 230; // pixels, as are all sizes here
const PLOT = { left: 46, top: 8, bottom: 26 };
const STACK = ["failed", "no_report", "delivered"]; // from the bottom, so that failures share a base line
const LABELS = { delivered: "delivered", failed: "failed", no_report: "no report", accepted: "accepted" };
const LABEL_WIDTH = 52;
const SLIVER = 2; // the least height of what is not zero

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

// Round numbers from zero to at least `peak`.
function ticksTo(peak) {
  const rough = Math.max(peak, 4) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  return Array.from({ length: Math.ceil(Math.max(peak, 1) / step) + 1 }, (_, index) => index * step);
}

const ended = (bar) => bar.delivered + bar.failed + bar.no_report;

function drawChart(host, { bars, label, tickOf, onShow, onChoose }) {
  const width = Math.max(host.clientWidth, 260);
  const ticks = ticksTo(Math.max(...bars.map((bar) => Math.max(ended(bar), bar.accepted))));
  const scale = {
    x: (index) => PLOT.left + ((width - PLOT.left) * index) / bars.length,
    y: (value) => HEIGHT - PLOT.bottom - ((HEIGHT - PLOT.top - PLOT.bottom) * value) / ticks.at(-1),
  };
  const image = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  image.append(
    ...ticks.flatMap((value) => gridLine(value, scale, width)),
    ...dateLabels(bars, tickOf, scale, width),
    ...bars.map((bar, index) => column(bar, index, scale)),
    acceptedLine(bars, scale),
  );
  followPointer(image, onShow, onChoose);
  host.replaceChildren(image);
}

function gridLine(value, { y }, width) {
  return [
    svg("line", { class: "grid", x1: PLOT.left, x2: width, y1: y(value), y2: y(value) }),
    svg("text", { x: PLOT.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value)),
  ];
}

// As many of the wanted labels as have room beside each other.
function dateLabels(bars, tickOf, { x }, width) {
  const wanted = bars
    .map((bar, index) => ({ words: tickOf(bar), at: x(index) }))
    .filter(({ words, at }) => words && at + LABEL_WIDTH <= width);
  const gap = wanted.length > 1 ? wanted[1].at - wanted[0].at : LABEL_WIDTH;
  const every = Math.ceil(LABEL_WIDTH / gap);
  return wanted
    .filter((_, index) => (wanted.length - 1 - index) % every === 0)
    .flatMap(({ words, at }) => [
      svg("line", { class: "grid", x1: at, x2: at, y1: HEIGHT - PLOT.bottom, y2: HEIGHT - PLOT.bottom + 6 }),
      svg("text", { x: at + 4, y: HEIGHT - 8 }, words),
    ]);
}

function column(bar, index, { x, y }) {
  const slot = x(index + 1) - x(index);
  const gap = Math.min(slot * 0.14, 4);
  let base = y(0);
  const parts = STACK.filter((name) => bar[name] > 0).map((name) => {
    const height = Math.max(y(0) - y(bar[name]), SLIVER);
    base -= height;
    return svg("rect", { class: name, x: x(index) + gap, y: base, width: slot - 2 * gap, height });
  });
  const target = svg("rect", { class: "target", x: x(index), y: PLOT.top, width: slot, height: y(0) - PLOT.top });
  return svg("g", { class: "column", "data-index": index }, target, ...parts);
}

function acceptedLine(bars, { x, y }) {
  const steps = bars.map((bar, index) => `${index ? "V" : `M${x(0)} `}${y(bar.accepted)}H${x(index + 1)}`);
  return svg("path", { class: "accepted", d: steps.join("") });
}

// The table behind the chart has the same for the keyboard and screen readers, so the columns take no focus.
function followPointer(image, onShow, onChoose) {
  const indexOf = (event) => Number(event.target.closest("[data-index]")?.dataset.index ?? NaN);
  image.addEventListener("pointerover", (event) => onShow(indexOf(event)));
  image.addEventListener("pointerleave", () => onShow(NaN));
  image.addEventListener("click", (event) => onChoose(indexOf(event)));
}

// A bar inside a table's cell: as long as its share of the largest row, divided as `parts` are.
function inlineBar(parts, largest) {
  const image = svg("svg", { class: "inline-bar", "aria-hidden": "true" });
  let x = 0;
  for (const [name, value] of parts) {
    const width = (100 * value) / largest;
    if (width > 0) image.append(svg("rect", { class: name, x: `${x}%`, width: `${width}%`, height: 8 }));
    x += width;
  }
  return image;
}
