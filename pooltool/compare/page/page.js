// The page: state -> compute() -> render(). A picked pixel or window is {name, at: [row, column]},
// counted in the picture called `name`; for "input" that is a pixel, else a window.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("data").textContent), TEXTS = JSON.parse($("texts").textContent);
const NAMES = ["input", ...METHODS];
const SIZES = ["pool_size", "stride", "padding", "dilation", "output_size"];
const SWITCHES = ["same", "ceil_mode", "count_include_pad"];
const SHAPE = [DATA.height, DATA.width];
const FIRST_ONLY = ![1, 3, 4].includes(DATA.file.channels); // no colours: the first is shown
const NUMBERED = FIRST_ONLY ? 1 : DATA.file.channels; // channels whose numbers stand in a cell
const AXES = [0, 1], PIXELS = SHAPE.map((size) => ({ size, count: size, origin: 0, pitch: 1 }));
const NO_PADDING = [[0, 0], [0, 0]];
const make = (tag, given = {}, ...children) => { // an element with this text, or these properties
  const properties = typeof given === "string" ? { textContent: given } : given;
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const clamped = (i, count) => Math.max(0, Math.min(count - 1, i));

const hash = new URLSearchParams(location.hash.slice(1)); // page.html#lang=ko&theme=dark
const state = {
  language: hash.get("lang") || (navigator.language.startsWith("ko") ? "ko" : "en"),
  theme: hash.get("theme")
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
  settings: { ...DATA.settings },
  strideFollows: String(DATA.settings.stride) === String(DATA.settings.pool_size),
  noise: false, move: false,
  held: false, timer: null, picked: null,
};
let pictures = null; // name -> {planes, axes, image, figures}; axes are [rows, columns]
let layout = null; // {rows, columns} of lay(), as one list: layout[0], layout[1]
let problem = null;
let view = null; // {low, lengths, scale}, each [rows, columns]: the picture with its padding

const ORIGINAL = (() => {
  const kinds = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array,
    i4: Int32Array, f4: Float32Array, f8: Float64Array };
  const characters = atob(DATA.values), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  delete DATA.values;
  const all = new kinds[DATA.numbers](bytes.buffer), size = DATA.height * DATA.width;
  return DATA.channels.map((_, c) => all.subarray(c * size, (c + 1) * size));
})();
const colours = (planes) => (DATA.channels.includes("alpha") ? planes.slice(0, 3) : planes);

function disturbed() {
  const random = normalNumbers(), width = DATA.width;
  return ORIGINAL.map((plane, c) => {
    const noisy = state.noise && DATA.channels[c] !== "alpha";
    const values = noisy ? Float64Array.from(plane, (v) => v + DATA.noise * random()) : plane;
    if (!state.move) return values;
    return values.map((_, i) => values[i % width === width - 1 ? i : i + 1]);
  });
}

// Pool what is shown, and measure what is asked for.
function compute() {
  const planes = disturbed(), { settings, picked } = state, middle = picked && middleOf(picked);
  let pooled;
  problem = null;
  try {
    pooled = planes.map((plane) => pool(plane, ...SHAPE, settings));
  } catch (error) {
    if (!error.reason) throw error;
    problem = error;
    return;
  }
  layout = [pooled[0].rows, pooled[0].columns];
  pictures = { input: { planes, axes: PIXELS } };
  for (const name of METHODS) {
    pictures[name] = { planes: pooled.map((one) => one[name]), axes: layout };
  }
  const measured = [colours(ORIGINAL), ...SHAPE, settings];
  const noise = state.noise ? measureNoise(...measured, DATA.noise) : {};
  const shift = state.move ? measureShift(...measured) : {};
  for (const [name, picture] of Object.entries(pictures)) {
    const { mean, std } = Spread.of(colours(picture.planes));
    picture.figures = { mean, std, ...noise[name], ...shift[name] };
    picture.image = imageOf(picture.planes, ...picture.axes.map((axis) => axis.count));
  }
  const name = picked ? picked.name : "max";
  state.picked = { name, at: cellAt(name, middle || SHAPE.map((n) => (n > 16 ? n / 2 : 0))) };
}

const edge = ({ origin, pitch }, i) => origin + i * pitch; // where the cells of an axis begin
const middleOf = ({ name, at }) => pictures[name].axes.map((axis, k) => edge(axis, at[k] + 0.5));
const cellAt = (name, position) => pictures[name].axes.map(({ origin, pitch, count }, k) => (
  clamped(Math.floor((position[k] - origin) / pitch), count)));
const tapsOf = (axis, i) => {
  const { first, taken } = axis.windows[i];
  return Array.from({ length: taken }, (_, tap) => first + tap * axis.step);
};

// [3, 4, 5, 9] -> [[3, 6], [9, 10]]
function joined(list) {
  const runs = [];
  for (const i of list) {
    if (runs.length && runs[runs.length - 1][1] === i) runs[runs.length - 1][1] = i + 1;
    else runs.push([i, i + 1]);
  }
  return runs;
}

// Runs of pixels in no window, [first, end], a list for rows and one for columns.
function uncovered() {
  return layout.map((axis) => {
    const held = new Uint8Array(axis.size);
    axis.windows.forEach((_, i) => tapsOf(axis, i).forEach((pixel) => { held[pixel] = 1; }));
    return joined([...held.keys()].filter((pixel) => !held[pixel]));
  });
}

// [rows, columns] of the pixels and of the windows that are lit, and [i, j] of the window whose
// numbers are shown, null where there is none.
function selection() {
  const { name, at } = state.picked, own = at.map((i) => [i]);
  if (name !== "input") {
    return { pixels: AXES.map((k) => tapsOf(layout[k], at[k])), windows: own, shown: at };
  }
  const windows = layout.map((axis, k) => axis.windows.flatMap(({ first, taken }, i) => {
    const tap = (at[k] - first) / axis.step;
    return Number.isInteger(tap) && tap >= 0 && tap < taken ? [i] : [];
  }));
  const nearest = cellAt("max", middleOf(state.picked));
  const shown = AXES.map((k) => (windows[k].includes(nearest[k]) ? nearest[k] : windows[k][0]));
  return { pixels: own, windows, shown: shown.includes(undefined) ? null : shown };
}

let frame = 0;
function render() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(renderNow);
}

function renderNow() {
  cancelAnimationFrame(frame);
  $("play").textContent = text(state.timer ? "stop" : "play");
  if (problem) return;
  lookAt();
  NAMES.forEach(drawPicture);
  describe();
}

function refresh() {
  compute();
  describePage();
  renderNow();
}

function set(key, value) {
  stop();
  if (key === "stride") state.strideFollows = value === null;
  if (key !== "stride" || value !== null) state.settings[key] = value;
  if (state.strideFollows) state.settings.stride = state.settings.pool_size;
  refresh();
}

// "2", "2x3" or, for padding, "same" or "valid"; undefined where it is none of them.
function parse(key, words) {
  const padding = key === "padding", least = padding ? 0 : 1;
  if (!words.trim() && (key === "output_size" || key === "stride")) return null;
  if (padding && /^\s*same\s*$/i.test(words)) return "same";
  if (padding && /^\s*valid\s*$/i.test(words)) return NO_PADDING;
  const numbers = words.split(/[x×*,\s]+/).filter(Boolean).map(Number);
  const good = numbers.every((n) => Number.isInteger(n) && n >= least && n <= 1e6);
  if (!good || ![1, 2].includes(numbers.length)) return undefined;
  const [a, b = a] = numbers;
  return padding ? [[a, a], [b, b]] : [a, b];
}

// The buttons beside a field.
function step(key, by) {
  const value = state.settings[key], least = key === "padding" ? 0 : 1;
  const moved = (given) => (Array.isArray(given) ? given.map(moved) : Math.max(least, given + by));
  if (value === "same") return set(key, NO_PADDING);
  if (value === null) return set(key, by > 0 && layout ? layout.map((axis) => axis.count) : null);
  return set(key, key === "output_size" && by + Math.max(...value) < 1 ? null : moved(value));
}

const isPicked = (name, cell) => (
  state.picked.name === name && String(state.picked.at) === String(cell));

function pick(name, cell) {
  if (isPicked(name, cell)) return;
  state.picked = { name, at: cell };
  render();
}

function stop() {
  clearInterval(state.timer);
  state.timer = null;
  render();
}

function play() {
  if (problem) return;
  if (state.timer) return stop();
  const [rows, columns] = layout.map((axis) => axis.count);
  const name = state.picked.name === "input" ? "max" : state.picked.name;
  let index = 0;
  state.held = false;
  pick(name, [0, 0]);
  state.timer = setInterval(() => {
    index += 1;
    if (index >= rows * columns) return stop();
    pick(name, [Math.floor(index / columns), index % columns]);
  }, Math.max(40, Math.min(900, 12000 / (rows * columns))));
}

function onPointer(name, event) {
  const box = $(name).getBoundingClientRect();
  const offsets = [event.clientY - box.top, event.clientX - box.left];
  const cell = cellAt(name, offsets.map((offset, k) => view.low[k] + offset / view.scale[k]));
  const down = event.type === "pointerdown";
  if (down) {
    stop();
    state.held = event.pointerType === "mouse" && !(state.held && isPicked(name, cell));
  }
  if (down || !(state.timer || state.held)) pick(name, cell);
}

function onKey(name, event) {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-8, 0], PageDown: [8, 0] };
  const by = moves[event.key], { picked } = state;
  if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  stop();
  const same = picked.name === name || (name !== "input" && picked.name !== "input");
  const from = same ? picked.at : cellAt(name, middleOf(picked));
  pick(name, pictures[name].axes.map(({ count }, k) => clamped(from[k] + by[k], count)));
}

// Build what is there several times, and listen.

$("pictures").innerHTML = NAMES.map((name) => `<figure class="${name}">
  <figcaption>
    <h2><span data-text="${name}"></span><small data-text="${name}_long"></small></h2>
    <span class="shape"></span>
  </figcaption>
  <div class="frame"><canvas id="${name}" tabindex="0" role="application"></canvas></div>
  <dl></dl>
</figure>`).join("");
for (const name of NAMES) {
  $(name).onpointermove = $(name).onpointerdown = (event) => onPointer(name, event);
  $(name).onkeydown = (event) => onKey(name, event);
}
$("settings").innerHTML = [...SIZES.map((key) => `<span class="stepper">
  <label for="${key}" data-text="${key}"></label><button>−</button>
  <input id="${key}" autocomplete="off" inputmode="${key === "padding" ? "text" : "numeric"}">
  <button>+</button>
</span>`), '<span class="break"></span>', ...SWITCHES.map((key) => `<label class="switch">
  <input type="checkbox" id="${key}"><i></i><span data-text="${key}"></span>
</label>`)].join("");
for (const key of SIZES) {
  const input = $(key), [less, more] = input.parentElement.querySelectorAll("button");
  less.onclick = () => step(key, -1);
  more.onclick = () => step(key, 1);
  input.onblur = () => describeSize(key);
  input.oninput = () => {
    const value = parse(key, input.value);
    if (value === undefined) return input.setAttribute("aria-invalid", "true");
    input.removeAttribute("aria-invalid");
    set(key, value);
  };
}
for (const key of SWITCHES) $(key).onchange = () => set(key, $(key).checked);
$("same").onchange = () => set("padding", $("same").checked ? "same" : NO_PADDING);
for (const key of ["noise", "move"]) {
  $(key).onchange = () => { state[key] = $(key).checked; stop(); refresh(); };
}
$("play").onclick = play;
$("language").onclick = () => {
  state.language = state.language === "ko" ? "en" : "ko";
  refresh();
};
function setTheme(theme) {
  document.documentElement.dataset.theme = state.theme = theme;
  render();
}
$("theme").onclick = () => setTheme(state.theme === "dark" ? "light" : "dark");
document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input:not([type])");
  if (problem || writing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { state.held = false; stop(); }
  if (event.key.toLowerCase() === "p") play();
});
addEventListener("resize", render);

$("below").className = ORIGINAL.length === 1 ? "single" : "";
setTheme(state.theme);
refresh();
