// The page: state -> compute() -> render(). A picked pixel or window is {name, at: [row, column]},
// counted in the picture called `name`; for "input" that is a pixel, else a window.

const DATA = JSON.parse(document.getElementById("data").textContent);
const TEXTS = JSON.parse(document.getElementById("texts").textContent);
const NAMES = ["input", ...METHODS];
const SIZES = ["pool_size", "stride", "padding", "dilation", "output_size"];
const SWITCHES = ["same", "ceil_mode", "count_include_pad"];
const SHAPE = [DATA.height, DATA.width];
const NUMBERED = [3, 4].includes(DATA.file.channels) ? DATA.file.channels : 1; // channels in a cell
const AXES = [0, 1];
const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// State

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
let pictures = null; // name -> {planes, count, origin, pitch, image, figures}
let layout = null; // {rows, columns} of lay(), as one list: layout[0], layout[1]
let problem = null;
let view = null; // {low, lengths, scale}, each [rows, columns]: the picture with its padding

// Values

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
  const [height, width] = SHAPE, planes = disturbed(), { settings } = state;
  const middle = state.picked && layout && middleOf(state.picked);
  try {
    const pooled = planes.map((plane) => pool(plane, height, width, settings));
    layout = [pooled[0].rows, pooled[0].columns];
    problem = null;
    pictures = { input: { planes, count: SHAPE, origin: [0, 0], pitch: [1, 1] } };
    const count = layout.map((axis) => axis.count);
    const origin = AXES.map((k) => placed(k).origin), pitch = AXES.map((k) => placed(k).pitch);
    for (const name of METHODS) {
      pictures[name] = { planes: pooled.map((one) => one[name]), count, origin, pitch };
    }
  } catch (error) {
    if (!error.reason) throw error;
    problem = error;
    return;
  }
  const noise = state.noise && measureNoise(colours(ORIGINAL), height, width, settings, DATA.noise);
  const shift = state.move && measureShift(colours(ORIGINAL), height, width, settings);
  for (const [name, picture] of Object.entries(pictures)) {
    const { mean, std } = Spread.of(colours(picture.planes));
    picture.figures = { mean, std, ...(noise && noise[name]), ...(shift && shift[name]) };
    picture.image = imageOf(picture);
  }
  const name = state.picked ? state.picked.name : "max";
  const place = middle || SHAPE.map((size) => (size > 16 ? size / 2 : 0));
  state.picked = { name, at: cellAt(name, place) };
}

// Where the results of an axis lie in the picture: around the centres of their windows.
function placed(k) {
  const axis = layout[k], [first, second] = axis.windows;
  if (state.settings.output_size) return { origin: 0, pitch: axis.size / axis.count };
  const extent = axis.step * (first.length - 1) + 1;
  const pitch = second ? second.start - first.start : extent;
  return { origin: first.start + (extent - pitch) / 2, pitch };
}

const middleOf = ({ name, at }) => AXES.map((k) => {
  const { origin, pitch } = pictures[name];
  return origin[k] + (at[k] + 0.5) * pitch[k];
});
const cellAt = (name, position) => AXES.map((k) => {
  const { origin, pitch, count } = pictures[name];
  return Math.max(0, Math.min(count[k] - 1, Math.floor((position[k] - origin[k]) / pitch[k])));
});
const tapsOf = (axis, i) => {
  const { first, taken } = axis.windows[i];
  return Array.from({ length: taken }, (_, tap) => first + tap * axis.step);
};
const holding = (axis, pixel) => axis.windows.flatMap(({ first, taken }, i) => {
  const tap = (pixel - first) / axis.step;
  return Number.isInteger(tap) && tap >= 0 && tap < taken ? [i] : [];
});

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

// {rows, columns} of the windows that are lit, and [i, j] of the one whose numbers are shown.
function selection() {
  const { name, at } = state.picked;
  if (name !== "input") return { windows: at.map((i) => [i]), shown: at };
  const windows = AXES.map((k) => holding(layout[k], at[k]));
  const nearest = cellAt("max", middleOf(state.picked));
  const shown = AXES.map((k) => (windows[k].includes(nearest[k]) ? nearest[k] : windows[k][0]));
  return { windows, shown: windows.every((found) => found.length) ? shown : null };
}

// What is done on change

let frame = null;
function render() {
  if (frame === null) frame = requestAnimationFrame(renderNow);
}

function renderNow() {
  cancelAnimationFrame(frame);
  frame = null;
  $("play").textContent = text(state.timer ? "stop" : "play");
  if (problem) return;
  lookAt();
  NAMES.forEach(drawPicture);
  describe();
}

function refresh() {
  compute();
  if (!problem) lookAt();
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
  if (padding && /^\s*valid\s*$/i.test(words)) return [[0, 0], [0, 0]];
  const numbers = words.split(/[x×*,\s]+/).filter(Boolean).map(Number);
  const good = numbers.every((n) => Number.isInteger(n) && n >= least && n <= 1e6);
  if (!good || ![1, 2].includes(numbers.length)) return undefined;
  const [a, b = a] = numbers;
  return padding ? [[a, a], [b, b]] : [a, b];
}

// The buttons beside a field.
function step(key, by) {
  const { settings: s } = state, least = key === "padding" ? 0 : 1;
  const moved = (value) => (Array.isArray(value) ? value.map(moved) : Math.max(least, value + by));
  if (key === "padding" && s.padding === "same") return set(key, [[0, 0], [0, 0]]);
  if (key !== "output_size") return set(key, moved(s[key]));
  if (s.output_size) return set(key, by + Math.max(...s.output_size) > 0 ? moved(s.output_size) : null);
  return set(key, by > 0 && layout ? layout.map((axis) => axis.count) : null);
}

const isPicked = (name, cell) => state.picked.name === name && String(state.picked.at) === String(cell);

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
  if (state.timer) return stop();
  const total = layout[0].count * layout[1].count, columns = layout[1].count;
  const name = state.picked.name === "input" ? "max" : state.picked.name;
  let index = 0;
  state.held = false;
  pick(name, [0, 0]);
  state.timer = setInterval(() => {
    index += 1;
    if (index >= total) return stop();
    pick(name, [Math.floor(index / columns), index % columns]);
  }, Math.max(40, Math.min(900, 12000 / total)));
}

function onPointer(name, event) {
  const box = $(name).getBoundingClientRect();
  const offsets = [event.clientY - box.top, event.clientX - box.left];
  const position = offsets.map((offset, k) => view.low[k] + offset / view.scale[k]);
  const cell = cellAt(name, position), down = event.type === "pointerdown";
  if (down) {
    stop();
    state.held = event.pointerType === "mouse" && !(state.held && isPicked(name, cell));
  }
  if (state.timer || (state.held && !down)) return;
  pick(name, cell);
}

function onKey(name, event) {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-8, 0], PageDown: [8, 0] };
  const by = moves[event.key];
  if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  stop();
  const same = state.picked.name === name || (name !== "input" && state.picked.name !== "input");
  const from = same ? state.picked.at : cellAt(name, middleOf(state.picked));
  pick(name, AXES.map((k) => Math.max(0, Math.min(pictures[name].count[k] - 1, from[k] + by[k]))));
}

// Build what is there several times, and listen

for (const name of NAMES) {
  const canvas = make("canvas", { id: name, tabIndex: 0 });
  canvas.setAttribute("role", "application");
  const caption = make("figcaption", {}, make("h2"), make("span", { className: "shape" }));
  const frame = make("div", { className: "frame" }, canvas);
  $("pictures").append(make("figure", { className: name }, caption, frame, make("dl")));
  canvas.addEventListener("pointermove", (event) => onPointer(name, event));
  canvas.addEventListener("pointerdown", (event) => onPointer(name, event));
  canvas.addEventListener("keydown", (event) => onKey(name, event));
}
for (const key of SIZES) {
  const inputMode = key === "padding" ? "text" : "numeric";
  const input = make("input", { id: key, autocomplete: "off", inputMode });
  const [less, more] = [["−", -1], ["+", 1]].map(([textContent, by]) => make("button",
    { textContent, onclick: () => step(key, by) }));
  const stepper = make("span", { className: "stepper" }, make("label", { htmlFor: key }), less, input, more);
  stepper.dataset.key = key;
  $("settings").append(stepper);
  input.onblur = () => describeSize(stepper);
  input.oninput = () => {
    const value = parse(key, input.value);
    if (value === undefined) return input.setAttribute("aria-invalid", "true");
    input.removeAttribute("aria-invalid");
    set(key, value);
  };
}
$("settings").append(make("span", { className: "break" }));
for (const key of SWITCHES) {
  const box = make("input", { type: "checkbox", id: key }), words = make("span");
  words.dataset.text = key;
  const padding = () => (box.checked ? "same" : [[0, 0], [0, 0]]);
  box.onchange = () => (key === "same" ? set("padding", padding()) : set(key, box.checked));
  $("settings").append(make("label", { className: "switch" }, box, make("i"), words));
}
for (const key of ["noise", "move"]) {
  $(key).onchange = () => { state[key] = $(key).checked; stop(); refresh(); };
}
$("play").onclick = () => { if (!problem) play(); };
$("language").onclick = () => { state.language = state.language === "ko" ? "en" : "ko"; refresh(); };
$("theme").onclick = () => {
  state.theme = state.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = state.theme;
  render();
};
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const writing = target.matches("input:not([type])");
  if (problem || writing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === "Escape") { state.held = false; stop(); }
  if (key === "p" || key === "P") play();
});
addEventListener("resize", render);

document.documentElement.dataset.theme = state.theme;
$("below").className = ORIGINAL.length === 1 ? "single" : "";
refresh();
