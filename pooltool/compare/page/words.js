// What the page says: numbers, formulas and texts in the language of the reader.

function text(key, values = {}) {
  const words = TEXTS[key][state.language === "ko" ? 1 : 0];
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
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let words = String(value);
  if (!Number.isInteger(value)) {
    words = size >= 1e6 || size < 1e-3 ? value.toExponential(2)
      : String(Number(fixed(value, size >= 1 ? 2 : 3)));
  } else if (size >= 1e9) words = value.toPrecision(4).replace(/\.?0*e\+?/, "e");
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

// "(0 + 3 + 2 + 7) / 4 = 3"
function meanText({ values, count }, mean, counted) {
  const zeros = Math.min(26, counted - count), all = [...values, ...Array(zeros).fill(0)];
  const isLong = count > 25 || all.length > 25;
  const few = isLong ? [...all.slice(0, 4), all[all.length - 1]] : all, words = few.map(number);
  if (isLong) words.splice(4, 0, "…");
  const sum = words.join(" + ").replaceAll("+ −", "− ");
  return `(${sum}) / ${counted} ${[mean, ...few].every(isExact) ? "=" : "≈"} ${number(mean)}`;
}

const channelName = (c) => (/^\d+$/.test(info.channels[c])
  ? text("channel", { index: info.channels[c] }) : text(info.channels[c]));
const isPlain = () => [1, 3, 4].includes(info.file.channels); // else the first channel is shown
const sizeWords = (rows, columns) => text("size", { rows, columns });
const countsOf = () => layout.map((axis) => axis.count);

function rangeText(axis, i) {
  const taps = tapsOf(axis, i), [first, last] = [taps[0], taps[taps.length - 1]];
  if (first === last) return String(first);
  return text(axis.step > 1 ? "every" : "to", { first, last, step: axis.step });
}

// What is picked: its place in words, and the numbers of its window.
function describeSelection() {
  const { windows, shown } = selection(), [i, j] = state.picked.at, [rows, columns] = countsOf();
  let words = text("pixel_in_none", { i, j });
  if (state.picked.name !== "input") {
    const [top, left] = AXES.map((k) => rangeText(layout[k], shown[k]));
    words = text("window_selected", { i, j, rows, columns, top, left });
  } else if (shown) {
    const count = windows[0].length * windows[1].length, [row, column] = shown;
    words = text("pixel_selected", { i, j, count, total: rows * columns, row, column });
  }
  $("selection").textContent = state.held ? `${words} ${text("held")}` : words;
  $("reveal").hidden = !state.predict || state.revealed || !shown;
  const cards = shown ? info.channels.map((_, c) => channelCard(c, shown)) : [];
  $("channels").replaceChildren(...cards);
  const numbers = cards.map((card) => {
    const results = [...card.querySelectorAll("p")].map((line) => `${line.firstChild.textContent} ${
      line.children[1].textContent}`);
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

// The output size along rows or columns, with the numbers filled in; short where that is all.
function isShort(k) {
  const { settings: s } = state;
  return !s.output_size && !s.ceil_mode && s.dilation[k] === 1 && same(s.padding[k], [0, 0]);
}

function formula(k) {
  const { settings: s } = state, { size, before, after, count, dropped, uncovered } = layout[k];
  const outside = uncovered.reduce((sum, [first, end]) => sum + end - first, 0);
  const rest = [], name = k ? "columns" : "rows";
  let sum = `${size} → n = ${count}`;
  if (!s.output_size && s.padding === "same") {
    sum = `⌈${size} / ${s.stride[k]}⌉ = ${count}`;
    rest.push(text("padded", { before, after }));
  } else if (AXES.every(isShort)) {
    sum = `⌊(${size} − ${s.pool_size[k]}) / ${s.stride[k]}⌋ + 1 = ${count}`;
  } else if (!s.output_size) {
    const [open, close] = s.ceil_mode ? "⌈⌉" : "⌊⌋";
    const padding = before === after ? `2 × ${before}` : `(${before} + ${after})`;
    const room = `${size} + ${padding} − ${s.dilation[k]} × (${s.pool_size[k]} − 1) − 1`;
    sum = `${open}(${room}) / ${s.stride[k]}${close} + 1${dropped ? " − 1" : ""} = ${count}`;
  }
  if (dropped) rest.push(text("dropped_window"));
  rest.push(text(outside ? "uncovered" : "all_covered", { count: outside }));
  $(name).replaceChildren(
    make("b", text(name)), make("span", sum), make("small", rest.join("; ")));
}

function describeFormula() {
  const { settings: s } = state;
  const kind = [s.output_size && "adaptive", s.padding === "same" && "same",
    AXES.every(isShort) && "short", s.ceil_mode && "ceil", "floor"].find(Boolean);
  $("rule").textContent = text(`formula_${kind}`);
  AXES.forEach(formula);
}

// All words that do not depend on what is picked.
function describePage() {
  document.documentElement.lang = state.language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
  describeControls();
  const { problem } = state;
  $("problem").hidden = !problem;
  const kind = problem && (problem.k === undefined || problem.reason === "too_many"
    ? problem.reason : `${problem.reason}_${problem.k}`);
  $("problem").textContent = problem ? text(kind, problem) : "";
  for (const part of document.querySelectorAll(".results")) part.hidden = Boolean(problem);
  if (problem || !pictures) return;
  describeAbout();
  describeFormula();
  describeFigures();
  describeLessons();
  $("notes").replaceChildren(...notes().map((words) => make("li", words)));
}

function describeAbout() {
  const { file, reduced: [tall, wide] } = info, part = state.key === "file" && DATA.frame;
  const title = state.key === "lecture" ? text("lecture") : info.title;
  const channels = isPlain() ? info.channels.map((_, c) => channelName(c)).join(", ")
    : text("channels", { count: file.channels });
  const size = sizeWords(file.height, file.width);
  const about = [`${title} · ${size} · ${channels} · ${info.dtype}`];
  if (tall * wide > 1) about.push(text("note_reduced", { rows: tall, columns: wide }));
  if (part) about.push(text("note_frame", { index: part[0], count: part[1] }));
  if (info.dropped) about.push(text("note_dropped"));
  $("about").replaceChildren(...about.map((words) => make("span", words)));
}

// The figures below each picture, how many of its values stayed as they were, and its name.
function describeFigures() {
  const isWaiting = state.waiting || !state.figures, columns = {};
  for (const key of ["mean", "std"]) columns[key] = numerals(NAMES.map((name) => pictures[name][key]));
  NAMES.forEach((name, n) => {
    const { axes, change } = pictures[name], figure = $(name).closest("figure"), lines = [];
    for (const key of ["mean", "std"]) lines.push([key, columns[key][n]]);
    for (const [of, keys] of [["noise", ["noise", "bias"]], ["move", ["shift"]]]) {
      const figures = state.figures && state.figures[of === "move" ? "shift" : "noise"];
      for (const key of state[of] ? keys : []) {
        lines.push([key, isWaiting || !figures ? "…" : ratioText(figures[name][key])]);
      }
    }
    if (change) lines.push(["kept", text("kept_of", { same: many(change.same), total: many(change.total) })]);
    figure.querySelector("dl").replaceChildren(...lines.map(([key, value]) => (
      make("div", { className: key }, make("dt", text(key)), make("dd", value)))));
    const [rows, across] = axes.map((axis) => axis.count);
    figure.querySelector(".shape").textContent = sizeWords(rows, across);
    $(name).setAttribute("aria-label", text("canvas", { name: text(name), rows, columns: across }));
    figure.querySelector(".save").setAttribute("aria-label", text("save_name", { name: text(name) }));
  });
  const changed = (name) => pictures[name].change.total - pictures[name].change.same;
  const { change } = pictures.input, small = change && change.total <= 256;
  $("changes").hidden = !change;
  if (!change) return;
  const counts = { changed: many(changed("input")), all: many(change.total),
    total: many(pictures.max.change.total) };
  for (const name of METHODS) counts[name] = many(changed(name));
  $("changes").textContent = [text("changes", counts), small && text("marks"),
    state.difference && text("difference_scale", { largest: number(state.largest) }),
  ].filter(Boolean).join(" ");
}

// Why pool at all, beside a convolution; what the figures mean.
function describeLessons() {
  const { settings: s } = state, [rows, columns] = countsOf(), channels = info.file.channels;
  const { height, width } = info, values = { height, width, rows, columns, channels,
    level: 100 * DATA.noise_level, before: height * width * channels,
    after: rows * columns * channels };
  const size = s.output_size ? [0, 1].map((k) => Math.max(...layout[k].windows.map((w) => w.length)))
    : s.pool_size;
  const [tall, wide] = size, weights = tall * wide * channels * channels + channels;
  const overlaps = layout.some(({ windows, step }) => windows.length > 1
    && windows[1].start < windows[0].start + step * (windows[0].length - 1) + 1);
  values.reach = AXES.map((k) => (
    layout[k].step * (size[k] - 1) + 1)).join(" × ");
  const use = text(overlaps ? "use_several" : "use_once", { stride: s.stride.join(" × ") });
  const fewer = text(values.after < values.before ? "fewer" : "not_fewer",
    { before: many(values.before), after: many(values.after) });
  const reasons = ["weights", "reach", "moves"].map((key) => text(`why_${key}`, values));
  $("reasons").replaceChildren(...[fewer, ...reasons, use].map((words) => make("li", words)));
  const shape = (count) => `(${rows}, ${columns}, ${count})`;
  const table = [["", "parameters", "output"], ["pooling", "0", shape(channels)],
    ["convolution", `${tall} × ${wide} × ${channels} × ${channels} + ${channels} = ${weights}`,
      shape(channels)]];
  $("layers").replaceChildren(...table.map(([name, ...cells], i) => make("tr", {},
    make(i ? "th" : "td", i ? { scope: "row", textContent: text(name) } : ""),
    ...cells.map((words) => make(i ? "td" : "th", { textContent: i ? words : text(words) })))));
  const lessons = ["window", "channels", "choice", "noise", "shift"];
  $("lesson").replaceChildren(...lessons.map((key) => make("article", {},
    make("h3", text(`lesson_${key}`)), make("p", text(`lesson_${key}_text`, values)))));
}

// What a reader has to know of this picture.
function notes() {
  const { file } = info, thicker = view ? view.scale[0] / view.scale[1] : 1;
  return [
    info.stretched && text("note_tones", { black: number(info.black), white: number(info.white) }),
    info.channels.includes("alpha") && text("note_alpha"),
    !isPlain() && text("note_first", { count: file.channels, listed: info.channels.length }),
    pictures.input.hasNaN && text("note_nan"),
    !info.exact && text("note_rounded"),
    Math.max(info.height, info.width) > SAMPLE_SIDE && text("note_sample", { side: SAMPLE_SIDE }),
    (thicker > 1.1 || thicker < 0.9) && text("note_stretched"),
    text("note_hatched"),
    text("note_made"),
  ].filter(Boolean);
}
