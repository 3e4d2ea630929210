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

// Row i and column j of window `shown`: the pixel there, its value undefined in the padding. Of
// very long windows only what lies in the picture.
function cellsOf(plane, shown) {
  const [rows, columns] = AXES.map((k) => {
    const { start, length } = layout[k].windows[shown[k]];
    return length > 64 ? tapsOf(layout[k], shown[k])
      : Array.from({ length }, (_, tap) => start + tap * layout[k].step);
  });
  return rows.flatMap((y, i) => columns.map((x, j) => {
    const inside = y >= 0 && x >= 0 && y < DATA.height && x < DATA.width;
    return { i, j, y, x, value: inside ? plane[y * DATA.width + x] : undefined };
  }));
}

// "(0 + 3 + 2 + 7) / 4 = 3"
function meanText(values, mean, counted) {
  const zeros = Array(Math.min(26, counted - values.length)).fill(0);
  const all = [...values, ...zeros];
  const few = all.length > 25 ? [...all.slice(0, 4), all[all.length - 1]] : all;
  const words = few.map(number);
  if (all.length > 25) words.splice(4, 0, "…");
  const sum = words.join(" + ").replaceAll("+ −", "− ");
  return `(${sum}) / ${counted} ${[mean, ...few].every(isExact) ? "=" : "≈"} ${number(mean)}`;
}

// The numbers of the window [i, j] in channel c, enlarged; who won, and the mean as a sum.
function channelCard(c, shown) {
  const cells = cellsOf(pictures.input.planes[c], shown), winners = {};
  const inside = cells.filter(({ value }) => value !== undefined);
  const by = state.settings.count_include_pad ? "counted" : "taken";
  const [tall, wide] = AXES.map((k) => layout[k].windows[shown[k]][by]);
  const lines = METHODS.map((name) => {
    const result = pictures[name].planes[c][shown[0] * layout[1].count + shown[1]];
    // + 0 makes 0 of -0
    const won = name !== "avg" && inside.find(({ value }) => Object.is(value + 0, result + 0));
    let words = won ? text("at", { row: won.y, column: won.x }) : "";
    if (won) winners[name] = won;
    if (name === "avg") words = meanText(inside.map(({ value }) => value), result, tall * wide);
    return make("p", { className: name },
      make("b", text(name)), make("strong", number(result)), make("span", words));
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

// What is picked: its place in words, and the numbers of its window.
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
  const rest = [], name = k ? "columns" : "rows";
  let sum = `${size} → n = ${count}`;
  if (!s.output_size && s.padding === "same") {
    sum = `⌈${size} / ${s.stride[k]}⌉ = ${count}`;
    rest.push(text("padded", { before, after }));
  } else if (!s.output_size) {
    const [open, close] = s.ceil_mode ? "⌈⌉" : "⌊⌋";
    const padding = before === after ? `2 × ${before}` : `${before} + ${after}`;
    const room = `${size} + ${padding} − ${s.dilation[k]} × (${s.pool_size[k]} − 1) − 1`;
    sum = `${open}(${room}) / ${s.stride[k]}${close} + 1${dropped ? " − 1" : ""} = ${count}`;
  }
  if (dropped) rest.push(text("dropped"));
  if (outside) rest.push(text("uncovered", { count: outside }));
  $(name).replaceChildren(
    make("b", text(name)), make("span", sum), make("small", rest.join("; ")));
}

// All words that do not depend on what is picked.
function describePage() {
  const { settings: s } = state, { file, reduced: [tall, wide], frame: part } = DATA;
  document.documentElement.lang = state.language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  let channels = text("channels", { count: file.channels });
  if (!FIRST_ONLY) channels = ORIGINAL.map((_, c) => channelName(c)).join(", ");
  const about = [text("about", { title: DATA.title, ...file, channels, dtype: DATA.dtype })];
  if (tall * wide > 1) about.push(text("note_reduced", { ...file, rows: tall, columns: wide }));
  if (part) about.push(text("note_frame", { index: part[0], count: part[1] }));
  $("about").replaceChildren(...about.map((words) => make("span", words)));
  $("problem").hidden = !problem;
  $("problem").textContent = problem ? text(`${problem.reason}_${problem.k}`, problem) : "";
  for (const id of ["pictures", "detail", "formula"]) $(id).hidden = Boolean(problem);
  SIZES.forEach(describeSize);
  for (const key of SWITCHES) $(key).checked = key === "same" ? s.padding === "same" : s[key];
  for (const key of ["noise", "move"]) $(key).checked = state[key];
  if (problem) return;
  lookAt(); // which has no room while the pictures are hidden
  const rule = s.padding === "same" ? "formula_same" : s.ceil_mode ? "formula_ceil" : "formula";
  $("rule").textContent = text(s.output_size ? "formula_adaptive" : rule);
  AXES.forEach(formula);
  NAMES.forEach(describePicture);
  const [height, width] = SHAPE, [rows, columns] = layout.map((axis) => axis.count);
  const values = { height, width, rows, columns, level: DATA.noise_level * 100 };
  const overlap = AXES.some((k) => !s.output_size && s.stride[k] < s.dilation[k] * (s.pool_size[k] - 1) + 1);
  values.use = text(overlap ? "use_several" : "use_once");
  values.size = text(rows * columns < height * width ? "gets_smaller" : "keeps_size", values);
  const lessons = ["window", "weights", "channels", "choice", "noise", "shift"];
  $("lesson").replaceChildren(...lessons.map((key) => make("article", {},
    make("h2", text(`lesson_${key}`)), make("p", text(`lesson_${key}_text`, values)))));
  $("notes").replaceChildren(...notes().map((words) => make("li", words)));
}

function describePicture(name) {
  const { axes, figures } = pictures[name], figure = $(name).closest("figure");
  const [rows, columns] = axes.map((axis) => axis.count);
  figure.querySelector(".shape").textContent = text("size", { rows, columns });
  figure.querySelector("dl").replaceChildren(...Object.entries(figures).map(([key, value]) => (
    make("div", { className: key }, make("dt", text(key)), make("dd", figureText(value))))));
  $(name).setAttribute("aria-label", text("canvas", { name: text(name), rows, columns }));
}

// A field and its two buttons. What is being written stays as it is; see `parse`.
function describeSize(key) {
  const input = $(key), value = state.settings[key], name = text(key);
  input.placeholder = text(key === "output_size" ? "off" : "as_pool_size");
  input.disabled = key !== "output_size" && Boolean(state.settings.output_size);
  input.title = text("size_hint", { name });
  input.parentElement.querySelectorAll("button").forEach((button, i) => {
    button.setAttribute("aria-label", `${name}: ${text(i ? "more" : "less")}`);
  });
  if (document.activeElement === input) return;
  input.removeAttribute("aria-invalid");
  const [rows, columns] = key === "padding" ? [value[0][0], value[1][0]] : value || [];
  input.value = rows === columns ? rows : `${rows}x${columns}`;
  if (value === "same") input.value = value;
  if (value === null || (key === "stride" && state.strideFollows)) input.value = "";
}

// What a reader has to know of this picture.
function notes() {
  const { file } = DATA, thicker = view.scale[0] / view.scale[1];
  return [
    DATA.stretched && text("note_tones", { black: number(DATA.black), white: number(DATA.white) }),
    DATA.channels.includes("alpha") && text("note_alpha"),
    FIRST_ONLY && text("note_first", { count: file.channels, listed: ORIGINAL.length }),
    ORIGINAL.some((plane) => plane.some(Number.isNaN)) && text("note_nan"),
    !DATA.exact && text("note_rounded"),
    (thicker > 1.1 || thicker < 0.9) && text("note_stretched"),
    text("note_hatched"),
    text("note_made"),
  ].filter(Boolean);
}
