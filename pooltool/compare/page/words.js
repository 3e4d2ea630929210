// What the page says: numbers, formulas and texts in the language of the reader.

function text(key, values = {}) {
  const words = TEXTS[key][state.lang === "ko" ? 1 : 0];
  const filled = words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  return filled.replace(/\b1 (row|column)s/g, "1 $1");
}
// A count with its thousands apart, which sizes and places are not.
const many = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

const make = (tag, given = {}, ...children) => { // an element with this text, or these properties
  const properties = typeof given === "string" ? { textContent: given } : given;
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// toFixed with ties to even, as Python has it: 3.625 is 3.62.
function fixed(value, places) {
  const isTie = Math.abs(value * 2 ** (places + 1) % 2) === 1, tens = 10 ** places;
  return (isTie ? 2 * Math.round(value * tens / 2) / tens : value).toFixed(places);
}

// A number in at most about three digits after the point.
function number(value) {
  const size = Math.abs(value), isShort = Number.isInteger(value) && size < 1e9;
  let words = String(value).replace("Infinity", "∞");
  if (!isShort && size >= 1e-3 && size < 1e6) words = String(Number(fixed(value, size >= 1 ? 2 : 3)));
  else if (!isShort && Number.isFinite(value)) words = value.toPrecision(3);
  return words.replaceAll("-", "−");
}
// The same in three digits or, from 1000 on, whole.
const shortNumber = (value) => (
  number(Number(Math.abs(value) < 1000 ? value.toPrecision(3) : fixed(value, 0))));
const isExact = (value) => Number(number(value).replaceAll("−", "-")) === value;

// A column of figures as pooltool/compare/text.py writes it: with so many digits after the point, or
// enough for three.
function numerals(values, digits = null) {
  const finite = values.filter((value) => Number.isFinite(value));
  const largest = Math.max(0, ...finite.map(Math.abs));
  const places = digits || (largest >= 1 || !largest ? 2 : 2 - Math.floor(Math.log10(largest)));
  const words = (value) => (digits || !largest || (largest >= 1e-4 && largest < 1e9)
    ? fixed(value, places).replace(/^-(0\.0*)$/, "$1") : value.toPrecision(3));
  return values.map((value) => (Number.isFinite(value) ? words(value).replaceAll("-", "−") : "–"));
}

// "(0 + 3 + 2 + 7) / 4 = 3", with the zeros of the padding where it counts; of many values the sum.
function meanText(rows, columns, valueAt, mean) {
  const by = state.count_include_pad ? "counted" : "taken";
  const count = layout.reduce((all, { windows }, k) => all * windows[lit.shown[k]][by], 1);
  const inside = count > 25 ? [] : rows.flatMap((y) => columns.map((x) => valueAt(y, x)));
  const values = count > 25 ? [mean * count] : [...inside, ...Array(count - inside.length).fill(0)];
  const sum = values.map(number).join(" + ").replaceAll("+ −", "− ");
  const sign = [mean, ...values].every(isExact) ? "=" : "≈";
  return `${count > 25 ? sum : `(${sum})`} / ${count} ${sign} ${number(mean)}`;
}

const channelName = (c) => (/^\d+$/.test(info.channels[c])
  ? text("channel", { index: info.channels[c] }) : text(info.channels[c]));
const isPlain = () => [1, 3, 4].includes(info.file.channels); // else the first channel is shown

function rangeText(axis, i) {
  const taps = tapsOf(axis, i), first = taps[0], last = taps.at(-1);
  if (first === last) return String(first);
  return text(axis.step > 1 ? "every" : "to", { first, last, step: axis.step });
}

// What is selected: its place in words, and the numbers of its window.
let announced = null;
function describeSelection() {
  const { windows, shown, cell: [i, j] } = lit, [rows, columns] = countsOf();
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
  $("channels").replaceChildren(...(shown ? info.channels.map((_, c) => channelCard(c)) : []));
  clearTimeout(announced); // readers who listen are told once nothing newer comes
  announced = setTimeout(() => { $("status").textContent = `${words} ${$("channels").innerText}`; }, 250);
}

// The output size, in words and with the numbers filled in; short where that is all.
function describeFormula() {
  const [open, close] = state.ceil_mode ? "⌈⌉" : "⌊⌋";
  const isSame = !state.output_size && state.padding === "same";
  const isShort = !state.ceil_mode && same([state.dilation, state.padding], [[1, 1], [0, 0]]);
  const formula = (size, pool, stride, padding, dilation) => (
    state.output_size ? `${size} → n`
    : isSame ? `⌈${size} / ${stride}⌉`
    : isShort ? `⌊(${size} − ${pool}) / ${stride}⌋ + 1`
    : `${open}(${size} + 2 × ${padding} − ${dilation} × (${pool} − 1) − 1) / ${stride}${close} + 1`);
  const names = ["pixels", "pool", "stride", "padding", "dilation"].map((key) => text(key));
  $("rule").textContent = state.output_size ? text("formula_adaptive") : formula(...names);
  layout.forEach(({ size, before, after, count, dropped, uncovered: { length } }, k) => {
    const settings = [state.pool_size, strideNow(), state.padding, state.dilation].map((of) => of[k]);
    const sum = `${formula(size, ...settings)}${dropped ? " − 1" : ""} = ${count}`;
    const rest = [isSame && text("padded", { before, after }), dropped && text("dropped_window"),
      text(length ? "uncovered" : "all_covered", { count: length })].filter(Boolean);
    const name = k ? "columns" : "rows";
    $(name).replaceChildren(make("b", text(name)), sum, make("small", rest.join("; ")));
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
  const { problem } = state, noun = problem && text(problem.k ? "columns" : "rows");
  $("problem").textContent = problem ? text(problem.reason, { ...problem, noun }) : "";
  document.body.classList.toggle("stuck", Boolean(problem));
}

function list(id, tag, all) {
  $(id).replaceChildren(...all.filter(Boolean).map((words) => make(tag, words)));
}

// What to know of the picture.
function describeAbout() {
  const { file, reduced: [rows, columns], black, white } = info, { picture } = state;
  const [index, frames] = picture === "file" && DATA.frame ? DATA.frame : [0, 1];
  const channels = isPlain() ? info.channels.map((_, c) => channelName(c)).join(", ")
    : text("channels", { count: file.channels });
  const title = picture === "lecture" ? text("lecture") : info.title;
  list("about", "span", [
    `${title} · ${text("size", { rows: file.height, columns: file.width })} · ${channels} · ${info.dtype}`,
    rows * columns > 1 && text("note_reduced", { rows, columns }),
    frames > 1 && text("note_frame", { index, frames }),
    info.isDropped && text("note_dropped"),
    info.stretched && text("note_tones", { black: number(black), white: number(white) }),
    info.channels.includes("alpha") && text("note_alpha"),
    !isPlain() && text("note_first", { count: file.channels, listed: info.channels.length }),
    pictures.input.planes.some((plane) => plane.includes(NaN)) && text("note_nan"),
  ]);
  $("below").classList.toggle("single", info.channels.length === 1);
}

// The figures below each picture, and how many of the numbers changed.
function describeFigures() {
  const { figures, noise, move } = state, [rows, columns] = layout.map((axis) => axis.uncovered.length);
  const lines = ["mean", "std"].map((key) => [key, numerals(NAMES.map((name) => pictures[name][key]))]);
  for (const key of [...(noise ? ["noise", "bias"] : []), ...(move ? ["shift"] : [])]) {
    lines.push([key, figures ? numerals(NAMES.map((name) => figures[name][key]), 2)
      : NAMES.map(() => "…")]);
  }
  if (rows + columns) lines.push(["left_over", [text("left_over_size", { rows, columns })]]);
  NAMES.forEach((name, n) => {
    const [height, width] = pictures[name].axes.map((axis) => axis.count);
    $(`${name}_size`).textContent = text("size", { rows: height, columns: width });
    $(`${name}_figures`).replaceChildren(...lines.filter(([, values]) => n in values).map(
      ([key, values]) => make("div", { className: key }, make("dt", text(key)), make("dd", values[n]))));
  });
  const { change } = pictures.input;
  $("changes").hidden = !change;
  if (!change) return;
  const counts = { all: many(change.total), total: many(pictures.max.change.total) };
  for (const name of NAMES) counts[name] = many(pictures[name].change.changed);
  list("changes", "span", [text("changes", counts), isSmall() && text("marks"),
    state.difference && text("difference_scale", { largest: number(state.largest) })]);
}

// Why pool at all, beside a convolution; and what the figures mean.
function describeLessons() {
  const [rows, columns] = countsOf(), { height, width, file: { channels } } = info;
  const largest = (of) => layout.map(({ windows }) => (
    windows.reduce((most, one) => Math.max(most, of(one)), 0)));
  const size = largest((one) => one.length), reach = largest((one) => one.end - one.start);
  const [before, after] = [height * width, rows * columns].map((count) => count * channels);
  const overlaps = layout.some(({ windows }) => windows[1]?.start < windows[0].end);
  const values = { level: 100 * NOISE_LEVEL, before: many(before), after: many(after),
    reach: reach.join(" × "), stride: strideNow().join(" × ") };
  list("reasons", "li", ["why_fewer", "why_weights", "why_reach", "why_moves",
    overlaps ? "use_several" : "use_once"].map((key) => text(key, values)));
  list("lesson", "p", ["channels", "choice", "noise", "shift"].map((key) => text(`lesson_${key}`, values)));
  const shape = `(${rows}, ${columns}, ${channels})`, sides = [...size, channels, channels];
  const weights = `${sides.join(" × ")} + ${channels} = ${sides.reduce((a, b) => a * b) + channels}`;
  const row = (key, ...cells) => `<tr><th scope="row">${text(key)}</th>${cells.map((words) => (
    `<td>${words}</td>`)).join("")}</tr>`;
  $("layers").innerHTML = `<tr><td></td><th>${text("parameters")}</th><th>${text("output")}</th></tr>
    ${row("pooling", 0, shape)}${row("convolution", weights, shape)}`;
}
