"use strict";
// CSV files: read page by page, and saved only when every page is there.

const BYTE_ORDER_MARK = "\uFEFF"; // spreadsheets take a file without it for one in the machine's old encoding

async function readRows(query, signal, onProgress) {
  const pages = [];
  let rows = 0;
  let after = null;
  do {
    const page = await ask("export", { ...query, ...(after && { after }) }, signal);
    pages.push(page.csv);
    rows += page.rows;
    after = page.after;
    onProgress(rows);
  } while (after !== null);
  return { csv: pages.join(""), rows };
}

function save(csv, name) {
  const href = URL.createObjectURL(new Blob([BYTE_ORDER_MARK, csv], { type: "text/csv;charset=utf-8" }));
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // some browsers read it only after the click's event
}

// `wanted` returns what to export and the file's name, when the form is sent.
function exportWith(form, wanted) {
  const words = form.querySelector("output");
  const cancel = form.querySelector(".cancel");
  let stop = null;
  cancel.addEventListener("click", () => stop?.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (stop) return;
    stop = new AbortController();
    cancel.hidden = false;
    words.textContent = "Reading…";
    words.textContent = await run(wanted(), stop.signal, (progress) => (words.textContent = progress));
    cancel.hidden = true;
    stop = null;
  });
  return {
    reset() {
      stop?.abort();
      words.textContent = "";
    },
  };
}

async function run({ query, name }, signal, say) {
  let read = 0;
  try {
    const { csv, rows } = await readRows(query, signal, (rows) => {
      read = rows;
      say(`${count(rows, "row")}…`);
    });
    if (!rows) return "No SMS found, so there is no file.";
    save(csv, name);
    return `Saved ${name}: ${count(rows, "row")}.`;
  } catch (error) {
    if (error instanceof SignedOut) signOut(error.message);
    const reason = signal.aborted ? "Cancelled" : "Stopped by an error";
    return `${reason} after ${count(read, "row")}. No file was saved.${signal.aborted ? "" : ` ${wordsOf(error)}`}`;
  }
}
