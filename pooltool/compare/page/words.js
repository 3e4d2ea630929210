// What the page says: numbers, formulas and texts in the language of the reader.

function text(key, values = {}) {
  const words = TEXTS[key][state.lang === "ko" ? 1 : 0];
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
// A count with its thousands apart, which sizes and places are not.
const many = (count) => count.toLocaleString("en");

const make = (tag, given = {}, ...children) => { // an element with this text, or these properties
  const properties = typeof given === "string" ? { textContent: given } : given;
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// toFixed with ties to even, as Python has it: 3.625 is 3.62.
function fixed(value, places) {
  const isTie = Math.abs(value * 2 ** (places + 1) % 2) === 1, tens = 10 ** places;
  return (isTie ? toEven(value * tens) / tens : value).toFixed(places);
}

// A number in at most about three digits after the point.
function number(value) {
  const size = Math.abs(value), isWhole = Number.isInteger(value);
  let words = String(value).replace("Infinity", "∞");
  if (isWhole ? size >= 1e9 : size < 1e-3 || (size >= 1e6 && size < Infinity)) words = general(value);
  else if (size < 1e6 && !isWhole) words = String(Number(fixed(value, size >= 1 ? 2 : 3)));
  return words.replace("-", "−");
}
const isExact = (value) => Number(number(value).replace("−", "-")) === value;

// Three digits, as Python's ".3g" writes them.
function general(value) {
  const [digits, power] = value.toExponential(2).split("e"), isLong = power < -4 || power > 2;
  return isLong ? `${Number(digits)}e${power[0]}${power.slice(1).padStart(2, "0")}`
    : String(Number(value.toPrecision(3)));
}

// A column of figures as `numerals` of pooltool/compare/text.py writes it.
function numerals(values) {
  const finite = values.filter((value) => Number.isFinite(value));
  const largest = Math.max(0, ...finite.map(Math.abs));
  const places = largest >= 1 || !largest ? 2 : 2 - Math.floor(Math.log10(largest));
  const words = (value) => (largest && !(largest >= 1e-4 && largest < 1e9)
    ? general(value) : fixed(value, places));
  return values.map((value) => (Number.isFinite(value) ? words(value).replace("-", "−") : "–"));
}
const ratioText = (value) => (value === null ? "–"
  : fixed(value, 2).replace(/^-(0\.00)$/, "$1").replace("-", "−"));

// "(0 + 3 + 2 + 7) / 4 = 3", with the zeros of the padding where it counts; of many values a few.
function meanText(rows, columns, valueAt, mean, shown) {
  const inside = rows.length * columns.length, by = state.count_include_pad ? "counted" : "taken";
  const count = layout.reduce((all, { windows }, k) => all * windows[shown[k]][by], 1);
  const valueOf = (n) => (n < inside
    ? valueAt(rows[Math.floor(n / columns.length)], columns[n % columns.length]) : 0);
  const isLong = count > 25, listed = isLong ? [0, 1, 2, 3, count - 1] : [...Array(count).keys()];
  const values = listed.map(valueOf), words = values.map(number);
  if (isLong) words.splice(4, 0, "…");
  const sum = words.join(" + ").replaceAll("+ −", "− ");
  return `(${sum}) / ${count} ${[mean, ...values].every(isExact) ? "=" : "≈"} ${number(mean)}`;
}

const channelName = (c) => (/^\d+$/.test(info.channels[c])
  ? text("channel", { index: info.channels[c] }) : text(info.channels[c]));
const isPlain = () => [1, 3, 4].includes(info.file.channels); // else the first channel is shown
const sizeWords = (rows, columns) => text("size", { rows, columns });
const countsOf = () => layout.map((axis) => axis.count);

function rangeText(axis, i) {
  const taps = tapsOf(axis, i), first = taps[0], last = taps.at(-1);
  if (first === last) return String(first);
  return text(axis.step > 1 ? "every" : "to", { first, last, step: axis.step });
}

// What is picked: its place in words, and the numbers of its window.
function describeSelection() {
  const { windows, shown } = selection(), [i, j] = state.selected.cell, [rows, columns] = countsOf();
  let words = text("pixel_in_none", { i, j });
  if (state.selected.name !== "input") {
    const [top, left] = AXES.map((k) => rangeText(layout[k], shown[k]));
    words = text("window_selected", { i, j, rows, columns, top, left });
  } else if (shown) {
    const count = windows[0].length * windows[1].length, [row, column] = shown;
    words = text("pixel_selected", { i, j, count, total: rows * columns, row, column });
  }
  $("selection").textContent = state.selected.isHeld ? `${words} ${text("held")}` : words;
  $("reveal").hidden = !state.predict || state.revealed || !shown;
  const cards = shown ? info.channels.map((_, c) => channelCard(c, shown)) : [];
  $("channels").replaceChildren(...cards);
  const numbers = cards.map((card) => {
    const results = [...card.querySelectorAll("p")].map(({ children: [name, value] }) => (
      `${name.textContent} ${value.textContent}`));
    return `${cards.length > 1 ? card.firstChild.textContent : ""} ${results.join(", ")}`;
  });
  announce(`${state.news} ${words} ${numbers.join("; ")}`.trim());
  state.news = "";
}

// Tell readers who listen, once nothing newer comes.
let announced = null;
function announce(words) {
  clearTimeout(announced);
  announced = setTimeout(() => { $("status").textContent = words; }, 250);
}

// The output size, in words and with the numbers filled in; short where that is all.
function describeFormula() {
  const s = state, [open, close] = s.ceil_mode ? "⌈⌉" : "⌊⌋";
  const isShort = !s.ceil_mode && same(s.dilation, [1, 1]) && same(s.padding, NO_PADDING);
  const kind = s.output_size ? "adaptive" : s.padding === "same" ? "same" : isShort ? "short" : "long";
  $("rule").textContent = text(`formula_${kind}`, { open, close });
  layout.forEach(({ size, before, after, count, dropped, uncovered }, k) => {
    const [pool, stride, dilation] = [s.pool_size[k], strideNow()[k], s.dilation[k]];
    const padding = before === after ? `2 × ${before}` : `(${before} + ${after})`;
    const room = `${size} + ${padding} − ${dilation} × (${pool} − 1) − 1`;
    const sum = {
      adaptive: `${size} → n`,
      same: `⌈${size} / ${stride}⌉`,
      short: `⌊(${size} − ${pool}) / ${stride}⌋ + 1`,
      long: `${open}(${room}) / ${stride}${close} + 1${dropped ? " − 1" : ""}`,
    }[kind];
    const outside = uncovered.reduce((total, [first, end]) => total + end - first, 0);
    const rest = [kind === "same" && text("padded", { before, after }),
      dropped && text("dropped_window"),
      text(outside ? "uncovered" : "all_covered", { count: outside })].filter(Boolean);
    const name = k ? "columns" : "rows";
    const parts = [make("b", text(name)), make("span", `${sum} = ${count}`)];
    $(name).replaceChildren(...parts, make("small", rest.join("; ")));
  });
}

// The words of page.html, and what cannot be done.
function describeWords() {
  document.documentElement.lang = state.lang;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.ariaLabel = text(element.dataset.label);
  }
}

function describeProblem() {
  const { problem } = state, noun = problem && text(problem.k ? "columns" : "rows");
  $("problem").textContent = problem ? text(problem.reason, { ...problem, noun }) : "";
  for (const part of document.querySelectorAll("#problem, .results")) {
    part.hidden = Boolean(problem) === part.matches(".results");
  }
}

function describeAbout() {
  const { file, reduced: [tall, wide] } = info, part = state.picture === "file" && DATA.frame;
  const channels = isPlain() ? info.channels.map((_, c) => channelName(c)).join(", ")
    : text("channels", { count: file.channels });
  const title = state.picture === "lecture" ? text("lecture") : info.title;
  const about = [`${title} · ${sizeWords(file.height, file.width)} · ${channels} · ${info.dtype}`,
    tall * wide > 1 && text("note_reduced", { rows: tall, columns: wide }),
    part && text("note_frame", { index: part[0], count: part[1] }),
    info.isDropped && text("note_dropped")].filter(Boolean);
  $("about").replaceChildren(...about.map((words) => make("span", words)));
  $("below").classList.toggle("single", info.channels.length === 1);
}

// The figures below each picture, how many of its values stayed as they were, and its name.
function describeFigures() {
  const { figures } = state;
  const ratios = [...(state.noise ? ["noise", "bias"] : []), ...(state.move ? ["shift"] : [])];
  const columns = ["mean", "std"].map((key) => [key, numerals(NAMES.map((name) => pictures[name][key]))]);
  NAMES.forEach((name, n) => {
    const { axes, change } = pictures[name], figure = $(name).closest("figure");
    const lines = columns.map(([key, values]) => [key, values[n]]);
    for (const key of ratios) lines.push([key, figures ? ratioText(figures[name][key]) : "…"]);
    if (change) lines.push(["kept", text("kept_of", { same: many(change.same), total: many(change.total) })]);
    figure.querySelector("dl").replaceChildren(...lines.map(([key, value]) => (
      make("div", { className: key }, make("dt", text(key)), make("dd", value)))));
    const [rows, across] = axes.map((axis) => axis.count);
    figure.querySelector(".shape").textContent = sizeWords(rows, across);
    $(name).ariaLabel = text("canvas", { name: text(name), rows, columns: across });
    figure.querySelector(".save").ariaLabel = text("save_name", { name: text(name) });
  });
  const { change } = pictures.input;
  $("changes").hidden = !change;
  if (!change) return;
  const counts = { all: many(change.total), total: many(pictures.max.change.total) };
  for (const name of NAMES) {
    counts[name] = many(pictures[name].change.total - pictures[name].change.same);
  }
  $("changes").textContent = [text("changes", counts), change.total <= 256 && text("marks"),
    state.difference && text("difference_scale", { largest: number(state.largest) }),
  ].filter(Boolean).join(" ");
}

// Why pool at all, beside a convolution; what the figures mean; and what to know of this picture.
function describeLessons() {
  const [rows, columns] = countsOf(), channels = info.file.channels;
  const { height, width } = info, largest = (of) => (
    layout.map(({ windows }) => windows.reduce((most, one) => Math.max(most, of(one)), 0)));
  const size = largest((one) => one.length), reach = largest((one) => one.end - one.start);
  const [before, after] = [height * width, rows * columns].map((count) => count * channels);
  const overlaps = layout.some(({ windows }) => windows[1]?.start < windows[0].end);
  const values = { level: 100 * DATA.noise_level,
    before: many(before), after: many(after), reach: reach.join(" × "), stride: strideNow().join(" × ") };
  const reasons = [after < before ? "fewer" : "not_fewer", "why_weights", "why_reach", "why_moves",
    overlaps ? "use_several" : "use_once"];
  $("reasons").replaceChildren(...reasons.map((key) => make("li", text(key, values))));
  const shape = (count) => `(${rows}, ${columns}, ${count})`, sides = [...size, channels, channels];
  const weights = sides.reduce((a, b) => a * b) + channels, table = [["", "parameters", "output"],
    ["pooling", "0", shape(channels)],
    ["convolution", `${sides.join(" × ")} + ${channels} = ${weights}`, shape(channels)]];
  $("layers").replaceChildren(...table.map(([name, ...cells], i) => make("tr", {},
    i ? make("th", { scope: "row", textContent: text(name) }) : make("td"),
    ...cells.map((words) => (i ? make("td", words) : make("th", text(words)))))));
  const lessons = ["channels", "choice", "noise", "shift"];
  $("lesson").replaceChildren(...lessons.map((key) => make("p", text(`lesson_${key}`, values))));
  $("notes").replaceChildren(...notes().map((words) => make("li", words)));
}

// What a reader has to know of this picture.
function notes() {
  const { file } = info, thicker = view ? view.scale[0] / view.scale[1] : 1;
  return [
    info.stretched && text("note_tones", { black: number(info.black), white: number(info.white) }),
    info.channels.includes("alpha") && text("note_alpha"),
    !isPlain() && text("note_first", { count: file.channels, listed: info.channels.length }),
    pictures.input.planes.some((plane) => plane.includes(NaN)) && text("note_nan"),
    !info.exact && text("note_rounded"),
    Math.max(info.height, info.width) > SAMPLE_SIDE && text("note_sample", { side: SAMPLE_SIDE }),
    (thicker > 1.1 || thicker < 0.9) && text("note_stretched"),
    text("note_hatched"),
    text("note_made"),
  ].filter(Boolean);
}
