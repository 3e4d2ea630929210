"use strict";
// What the reader chose, in the page's address and in memory. A picked pixel or window is
// {name, at: [row, column]}, counted in the picture called `name`; for "input" that is a pixel,
// else a window.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("data").textContent), TEXTS = JSON.parse($("texts").textContent);
const NAMES = ["input", ...METHODS];
const SIZES = ["pool_size", "stride", "padding", "dilation", "output_size"];
const SWITCHES = ["ceil_mode", "count_include_pad"];
const VIEWS = ["noise", "move", "difference", "predict"]; // what is done with the picture
const AXES = [0, 1], NO_PADDING = [[0, 0], [0, 0]], LARGEST_GRID = 16;
const TWIN = [[0, 0, 1], [0, 2, 2], [0, 9, 2], [0, 11, 3]]; // the lecture's noisy numbers
const plain = (size, stride = size, padding = 0) => ({
  pool_size: [size, size], stride: [stride, stride], dilation: [1, 1], output_size: null,
  padding: [[padding, padding], [padding, padding]], ceil_mode: false, count_include_pad: false,
});
const PRESETS = {
  lecture: plain(2), lenet: plain(2), alexnet: plain(3, 2), resnet: plain(3, 2, 1), eight: plain(8),
  global: { ...plain(2), output_size: [1, 1] },
};

const start = {
  language: navigator.language.startsWith("ko") ? "ko" : "en",
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
  large: false, settings: DATA.settings, key: "file", edits: [], picked: null,
  noise: false, move: false, difference: false, predict: false,
};
const state = { ...start, settings: { ...start.settings }, held: false, timer: null, speed: "normal",
  revealed: false, news: "" };

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const clamped = (i, count) => Math.max(0, Math.min(count - 1, i));

// "2", "2x3" or, for padding, "same" or "valid"; undefined where it is none of them.
function parse(key, words) {
  const least = key === "padding" ? 0 : 1;
  if (!words.trim() && (key === "output_size" || key === "stride")) return null;
  if (key === "padding" && /^\s*same\s*$/i.test(words)) return "same";
  if (key === "padding" && /^\s*valid\s*$/i.test(words)) return NO_PADDING;
  const numbers = words.split(/[x×*,\s]+/).filter(Boolean).map(Number);
  const good = numbers.every((n) => Number.isInteger(n) && n >= least && n <= 1e6);
  if (!good || ![1, 2].includes(numbers.length)) return undefined;
  const [a, b = a] = numbers;
  return key === "padding" ? [[a, a], [b, b]] : [a, b];
}

// The same in words; padding of four different sides is "top,bottom,left,right".
function sizeText(key, value) {
  if (!value || value === "same") return value || "";
  if (key === "padding" && value.some(([before, after]) => before !== after)) {
    return value.flat().join();
  }
  const [rows, columns] = value.flat().length > 2 ? [value[0][0], value[1][0]] : value;
  return rows === columns ? String(rows) : `${rows}x${columns}`;
}

// A size or padding as `sizeText` writes it.
function readSize(key, words) {
  const sides = key === "padding" && /^(\d+,){3}\d+$/.test(words) && words.split(",").map(Number);
  return sides ? [sides.slice(0, 2), sides.slice(2)] : parse(key, words);
}

const strideFollows = () => same(state.settings.stride, state.settings.pool_size);

// The state as the address's part after #: what differs from how the page begins.
function toHash() {
  const { settings: s, picked } = state, fields = new URLSearchParams();
  const put = (name, value, usual) => { if (value !== usual) fields.set(name, value); };
  for (const key of SIZES) put(key, sizeText(key, s[key]), sizeText(key, start.settings[key]));
  for (const key of SWITCHES) put(key, Number(s[key]), Number(start.settings[key]));
  for (const key of [...VIEWS, "large"]) put(key, Number(state[key]), 0);
  put("picture", state.key === "dropped" ? "file" : state.key, "file");
  if (state.key !== "dropped") put("edits", state.edits.map((edit) => edit.join(":")).join(), "");
  if (picked && state.held) put("at", `${picked.name},${picked.at}`);
  put("lang", state.language, start.language);
  put("theme", state.theme, start.theme);
  return fields.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

// Read the address; what it lacks or holds wrong is as the page begins.
function fromHash(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, "")), settings = { ...start.settings };
  for (const key of SIZES) {
    const value = fields.has(key) ? readSize(key, fields.get(key)) : undefined;
    if (value !== undefined && (value || key === "output_size")) settings[key] = value;
  }
  for (const key of SWITCHES) if (fields.has(key)) settings[key] = fields.get(key) === "1";
  for (const key of [...VIEWS, "large"]) state[key] = fields.get(key) === "1";
  const numbers = (fields.get("edits") || "").split(",").map((edit) => edit.split(":").map(Number));
  const edits = numbers.filter((edit) => edit.length === 3 && edit.every(Number.isFinite));
  const [name, ...at] = (fields.get("at") || "").split(",");
  const isPlace = NAMES.includes(name) && at.length === 2 && at.every((i) => /^\d{1,6}$/.test(i));
  Object.assign(state, {
    settings, edits,
    key: fields.get("picture") === "lecture" ? "lecture" : "file",
    picked: isPlace ? { name, at: at.map(Number) } : null, held: isPlace,
    language: ["en", "ko"].includes(fields.get("lang")) ? fields.get("lang") : start.language,
    theme: ["light", "dark"].includes(fields.get("theme")) ? fields.get("theme") : start.theme,
  });
}

// Put the state into the address: a step that "back" undoes, or in place of the last.
let written = null;
function remember(isStep) {
  clearTimeout(written);
  const write = () => {
    const hash = toHash(), url = `#${hash}`;
    if (hash === location.hash.slice(1)) return;
    if (isStep) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
  };
  if (isStep) write();
  else written = setTimeout(write, 300); // browsers allow so many a second
}
