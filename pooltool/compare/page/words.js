// What the page says: numbers, formulas and texts in the language of the reader.

function text(key, values = {}) {
  const words = (TEXTS[state.language] || TEXTS.en)[key];
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// toFixed with ties to even, as Python has it: 3.625 is 3.62.
function fixed(value, places) {
  const scaled = value * 10 ** places, up = Math.round(scaled);
  const tie = Math.abs(scaled % 1) === 0.5;
  return ((tie && up % 2 ? up - 1 : up) / 10 ** places + 0).toFixed(places);
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
const figureText = (value) => (value === null || Math.abs(value) >= 1e6 ? number(value)
  : fixed(value, 2).replace("-", "−"));
const isExact = (value) => Number(number(value).replace("−", "-")) === value;

// The pixels of window [i, j] of a plane as rows of cells; undefined stands for padding.
function cellsOf(plane, [i, j]) {
  const lists = [i, j].map((index, k) => {
    const { start, length } = layout[k].windows[index];
    if (length > 64) return tapsOf(layout[k], index);
    return Array.from({ length }, (_, tap) => start + tap * layout[k].step);
  });
  const [height, width] = SHAPE, inside = (y, x) => y >= 0 && x >= 0 && y < height && x < width;
  return lists[0].map((y) => lists[1].map((x) => (
    { y, x, value: inside(y, x) ? plane[y * width + x] : undefined })));
}

// "(0 + 3 + 2 + 7) / 4 = 3"
function meanText(values, mean, counted) {
  const zeros = Array(Math.min(26, counted - values.length)).fill(0);
  const padded = zeros.length ? [...values, ...zeros] : values;
  const few = padded.length > 25 ? [...padded.slice(0, 4), padded[padded.length - 1]] : padded;
  const words = few.map((value) => number(value));
  if (few !== padded) words.splice(4, 0, "…");
  const sum = words.join(" + ").replaceAll("+ −", "− ");
  return `(${sum}) / ${counted} ${[mean, ...few].every(isExact) ? "=" : "≈"} ${number(mean)}`;
}

// The numbers of the window [i, j] in channel c, enlarged; who won, and the mean as a sum.
function channelCard(c, shown) {
  const cells = cellsOf(pictures.input.planes[c], shown);
  const inside = cells.flat().filter(({ value }) => value !== undefined);
  const index = shown[0] * layout[1].count + shown[1];
  const result = (name) => pictures[name].planes[c][index];
  const by = state.settings.count_include_pad ? "counted" : "taken";
  const [tall, wide] = AXES.map((k) => layout[k].windows[shown[k]][by]);
  const winners = {};
  const lines = METHODS.map((name) => {
    let words = meanText(inside.map(({ value }) => value), result("avg"), tall * wide);
    if (name !== "avg") { // + 0 makes 0 of -0
      const won = inside.find(({ value }) => Object.is(value + 0, result(name) + 0));
      winners[name] = won;
      words = won ? text("at", { row: won.y, column: won.x }) : "";
    }
    return make("p", { className: name }, make("b", { textContent: text(name) }),
      make("strong", { textContent: number(result(name)) }), make("span", { textContent: words }));
  });
  const canvas = make("canvas");
  drawWindow(canvas, cells, winners);
  const heading = make("h3", { textContent: channelName(c), className: DATA.channels[c] });
  const className = ORIGINAL.length === 1 ? "beside" : "";
  return make("article", { className }, heading, canvas, make("div", {}, ...lines));
}

const channelName = (c) => (/^\d+$/.test(DATA.channels[c])
  ? text("channel", { index: DATA.channels[c] }) : text(DATA.channels[c]));

function rangeText(axis, i) {
  const taps = tapsOf(axis, i), [first, last] = [taps[0], taps[taps.length - 1]];
  if (first === last) return String(first);
  return text(axis.step > 1 ? "every" : "to", { first, last, step: axis.step });
}

function describe() {
  const { windows, shown } = selection(), [i, j] = state.picked.at;
  const [rows, columns] = layout.map((axis) => axis.count);
  let words = text("pixel_in_none", { i, j });
  if (state.picked.name !== "input") {
    const [top, left] = AXES.map((k) => rangeText(layout[k], shown[k]));
    words = text("window_selected", { i, j, rows, columns, top, left });
  } else if (shown) {
    const count = windows[0].length * windows[1].length, [row, column] = shown;
    words = text("pixel_selected", { i, j, count, total: rows * columns, row, column });
  }
  $("selection").textContent = state.held ? `${words} ${text("held")}` : words;
  $("channels").replaceChildren(...(shown ? ORIGINAL.map((_, c) => channelCard(c, shown)) : []));
}

// The output size along rows or columns, with the numbers filled in.
function formula(k) {
  const { settings: s } = state, { size, before, after, count, dropped } = layout[k];
  const outside = uncovered()[k].reduce((sum, [first, end]) => sum + end - first, 0);
  const rest = [];
  let sum = `${size} → n = ${count}`;
  if (!s.output_size && s.padding === "same") {
    sum = `⌈${size} / ${s.stride[k]}⌉ = ${count}`;
    rest.push(text("padded", { before, after }));
  } else if (!s.output_size) {
    const [open, close] = s.ceil_mode ? "⌈⌉" : "⌊⌋";
    const room = `${size} + ${before + after} − ${s.dilation[k]} × (${s.pool_size[k]} − 1) − 1`;
    sum = `${open}(${room}) / ${s.stride[k]}${close} + 1${dropped ? " − 1" : ""} = ${count}`;
  }
  if (dropped) rest.push(text("dropped"));
  if (outside) rest.push(text("uncovered", { count: outside }));
  const name = k ? "columns" : "rows";
  $(name).replaceChildren(make("b", { textContent: text(name) }),
    make("span", { textContent: sum }), make("small", { textContent: rest.join("; ") }));
}

// All words that do not depend on what is picked.
function describePage() {
  const { settings: s } = state;
  document.documentElement.lang = state.language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  const { file } = DATA;
  const channels = [1, 3, 4].includes(file.channels)
    ? DATA.channels.map((_, c) => channelName(c)).join(", ") : text("channels", { count: file.channels });
  const about = text("about", { title: DATA.title, ...file, channels, dtype: DATA.dtype });
  $("about").replaceChildren(about, ...aboutFile().map((words) => make("span", { textContent: words })));
  $("problem").hidden = !problem;
  $("problem").textContent = problem ? text(`${problem.reason}_${problem.k}`, problem) : "";
  for (const id of ["pictures", "detail", "formula"]) $(id).hidden = Boolean(problem);
  document.querySelectorAll(".stepper").forEach(describeSize);
  for (const key of SWITCHES) $(key).checked = key === "same" ? s.padding === "same" : s[key];
  for (const key of ["noise", "move"]) $(key).checked = state[key];
  if (problem) return;
  let rule = s.ceil_mode ? "formula_ceil" : "formula";
  if (s.padding === "same") rule = "formula_same";
  $("rule").textContent = text(s.output_size ? "formula_adaptive" : rule);
  AXES.forEach(formula);
  NAMES.forEach(describePicture);
  const [[height, width], [rows, columns]] = [SHAPE, layout.map((axis) => axis.count)];
  const values = { height, width, rows, columns, level: DATA.noise_level * 100 };
  const lessons = ["window", "weights", "channels", "choice", "noise", "shift"].map((key) => [
    make("h2", { textContent: text(`lesson_${key}`) }),
    make("p", { textContent: text(`lesson_${key}_text`, values) })]);
  $("lesson").replaceChildren(...lessons.map((parts) => make("article", {}, ...parts)));
  $("notes").replaceChildren(...notes().map((words) => make("li", { textContent: words })));
}

function describePicture(name) {
  const { count, figures } = pictures[name], figure = $(name).closest("figure");
  const long = make("small", { textContent: text(`${name}_long`) });
  figure.querySelector("h2").replaceChildren(text(name), long);
  figure.querySelector(".shape").textContent = count.join(" × ");
  const rows = Object.entries(figures).map(([key, value]) => make("div", { className: key },
    make("dt", { textContent: text(key) }), make("dd", { textContent: figureText(value) })));
  figure.querySelector("dl").replaceChildren(...rows);
  $(name).setAttribute("aria-label", text("canvas", { name: text(name), rows: count[0], columns: count[1] }));
}

function describeSize(stepper) {
  const key = stepper.dataset.key, input = stepper.querySelector("input");
  input.placeholder = text(key === "output_size" ? "off" : "as_pool_size");
  input.disabled = key !== "output_size" && Boolean(state.settings.output_size);
  if (document.activeElement !== input) { // else it is being written
    input.removeAttribute("aria-invalid");
    input.value = sizeText(key);
  }
  stepper.querySelector("label").textContent = text(key);
  input.title = text("size_hint", { name: text(key) });
  ["less", "more"].forEach((word, i) => stepper.querySelectorAll("button")[i]
    .setAttribute("aria-label", `${text(key)}: ${text(word)}`));
}

// A setting as it is written into its field, see `parse`.
function sizeText(key) {
  const value = state.settings[key];
  const words = ([rows, columns]) => (rows === columns ? String(rows) : `${rows}x${columns}`);
  if (value === null || (key === "stride" && state.strideFollows)) return "";
  if (value === "same") return value;
  return words(key === "padding" ? value.map(([before]) => before) : value);
}

// What of the file is not shown.
function aboutFile() {
  const [rows, columns] = DATA.reduced;
  return [
    rows * columns > 1 && text("note_reduced", { ...DATA.file, rows, columns }),
    DATA.frame && text("note_frame", { index: DATA.frame[0], count: DATA.frame[1] }),
  ].filter(Boolean);
}

// What a reader has to know of this picture.
function notes() {
  const { file } = DATA, thicker = view.scale[0] / view.scale[1];
  return [
    DATA.stretched && text("note_tones", { black: number(DATA.black), white: number(DATA.white) }),
    DATA.channels.includes("alpha") && text("note_alpha"),
    ![1, 3, 4].includes(file.channels)
      && text("note_first", { count: file.channels, listed: ORIGINAL.length }),
    ORIGINAL.some((plane) => plane.some(Number.isNaN)) && text("note_nan"),
    !DATA.exact && text("note_rounded"),
    (thicker > 1.1 || thicker < 0.9) && text("note_stretched"),
    text("note_hatched"),
    text("note_made"),
  ].filter(Boolean);
}
