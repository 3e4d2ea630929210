// The page: what the reader does -> state -> a question to the Worker -> its answer -> drawing.

const have = {}; // pictures by key, as the Worker gave them: {info, input}
const isLoaded = () => Boolean(have.file && have.lecture);
let worker = null, asked = 0;

function startPage() {
  const code = `${$("arithmetic").textContent}\nstartWorker();`;
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => answered[data.kind](data);
  fromHash(location.hash);
  buildControls();
  listen();
  applyLook();
  const base64 = [...document.querySelectorAll(".values")].map((part) => part.textContent);
  worker.postMessage({ kind: "load", key: "file", info: DATA.info, base64 });
  worker.postMessage({ kind: "load", key: "lecture" });
  render(true);
}

// A change of the state that needs new numbers, and a step in the browser's history.
function change(fields, isStep = true) {
  Object.assign(state, fields, { revealed: false });
  remember(isStep);
  ask();
}

// Ask for what the state says. What was asked before is not waited for any longer.
function ask() {
  stop();
  asked += 1;
  const { noise, move, edits, picture } = state, isChanged = noise || move || edits.length > 0;
  const difference = state.difference && isChanged;
  Object.assign(state, { difference, isWaiting: true, isStale: true, figures: null });
  const settings = Object.fromEntries([...SIZES, ...SWITCHES].map((key) => [key, state[key]]));
  settings.stride = strideNow();
  worker.postMessage({ kind: "compute", id: asked, key: picture, settings, noise, move, edits,
    difference });
  describeControls();
}

const answered = {
  picture({ key, info: own, input }) {
    input.axes = [own.height, own.width].map((size) => ({ size, count: size, origin: 0, pitch: 1 }));
    have[key] = { info: own, input };
    if (key === "dropped") choosePicture(key);
    else if (isLoaded()) ask();
  },

  problem({ id = asked, problem }) {
    if (id !== asked) return;
    Object.assign(state, { problem, isWaiting: false, isStale: false });
    render(true);
  },

  pictures({ id, pictures: results, axes, largest }) {
    if (id !== asked) return;
    const middle = pictures && state.selected ? middleOf(state.selected) : null;
    const { info: own, input } = have[state.picture];
    [info, layout, pictures] = [own, axes, { input, ...results }];
    for (const name of NAMES) pictures[name].axes = name === "input" ? input.axes : axes;
    state.selected = selectedNow(middle);
    lit = selection();
    Object.assign(state, { problem: null, isStale: false, largest });
    render(true);
  },

  figures({ id, figures }) {
    if (id !== asked) return;
    Object.assign(state, { figures, isWaiting: false });
    render(true);
  },
};

// What was selected, where its middle was; or what the address names; or what there is most to see of.
function selectedNow(middle) {
  const { height, width, busiest = [height / 2, width / 2] } = info, { selected } = state;
  if (!selected) return { name: "max", cell: cellAt("max", isSmall() ? [0, 0] : busiest) };
  const { name, cell } = selected, { axes } = pictures[name];
  return { ...selected, cell: middle ? cellAt(name, middle)
    : cell.map((i, k) => clamped(i, axes[k].count)) };
}

// A picture as it is shown, as a PNG with a pixel a value.
function pngOf(name) {
  const { bitmap } = pictures[name], { width, height } = bitmap;
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve); });
}

async function save(name) {
  const href = URL.createObjectURL(await pngOf(name));
  make("a", { href, download: `${info.title.replace(/\.\w+$/, "")}_${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

// Draw in the next frame, with the words where more than the selection is new.
let drawing = null, isOld = false, hasNewWords = false;
function render(withWords = false) {
  hasNewWords = hasNewWords || withWords;
  isOld = true;
  drawing = drawing || drawAll().finally(() => { drawing = null; });
}

async function drawAll() {
  while (isOld) {
    await new Promise(requestAnimationFrame);
    const words = hasNewWords ? [describeAbout, describeFormula, describeFigures, describeLessons] : [];
    const always = hasNewWords ? [describeWords, describeControls] : [];
    [isOld, hasNewWords] = [false, false];
    for (const part of [...always, ...words, lookAt, ...PARTS]) {
      if (always.includes(part) || isReady()) part();
      await breath();
    }
  }
}
const PARTS = [...NAMES.map((name) => () => drawPicture(name)), placeFields, drawCloseUp,
  describeSelection];

// Between two tasks of the page, so that none takes long.
let begun = 0;
async function breath() {
  if (performance.now() - begun < 6) return;
  await new Promise((resolve) => { setTimeout(resolve, 0); });
  begun = performance.now();
}

// False while the pictures of what the address says are still to come.
const isReady = () => Boolean(pictures && state.selected && !state.problem);

// True when nothing is computed or drawn any more.
function isAtRest() {
  return !drawing && !state.isWaiting && (asked > 0 || Boolean(state.problem));
}

// The selection, and the window that slides.

const isSelected = (name, cell) => state.selected.name === name && same(state.selected.cell, cell);

function select(name, cell, isHeld) {
  const selected = { name, cell, isHeld };
  if (same(selected, state.selected)) return;
  state.revealed = state.revealed && isSelected(name, cell);
  state.selected = selected;
  lit = selection();
  remember(false);
  render();
}

function hold(name, cell) {
  stop();
  select(name, cell, true);
}

function stop() {
  if (!state.timer) return;
  clearInterval(state.timer);
  state.timer = null;
  render(true);
}

// The pooled picture whose windows are gone through.
const methodSelected = () => (state.selected.name === "input" ? "max" : state.selected.name);

// A run takes 15 seconds at most: window by window, or by rows where those are many.
function play() {
  if (!isReady()) return;
  if (state.timer) return stop();
  const [rows, columns] = countsOf(), total = rows * columns;
  const seconds = Math.min(15, 0.9 * total) / SPEEDS[state.speed];
  state.leap = seconds / total >= 0.04 ? 1 : Math.ceil(rows / (seconds / 0.04)) * columns;
  let index = state.leap > 1 ? Math.floor(columns / 2) : 0; // by rows, in their middle
  const name = methodSelected();
  const go = () => {
    if (index >= total) return stop();
    select(name, [Math.floor(index / columns), index % columns], false);
    index += state.leap;
  };
  state.timer = setInterval(go, 1000 * seconds / Math.ceil(total / state.leap));
  go();
  render(true);
}

function stepWindow(by) {
  if (!isReady()) return;
  const [i, j] = lit.shown || [0, 0], [rows, columns] = countsOf();
  const index = clamped(i * columns + j + by, rows * columns);
  hold(methodSelected(), [Math.floor(index / columns), index % columns]);
}

function onPointer(name, event, place = view) {
  if (!isReady()) return;
  const offsets = offsetOf(event), { corner, low, scale } = place, { isHeld } = state.selected;
  const cell = cellAt(name, AXES.map((k) => low[k] + (offsets[k] - corner[k]) / scale[k]));
  if (event.type === "pointerdown") {
    stop();
    select(name, cell, event.pointerType === "mouse" && !(isHeld && isSelected(name, cell)));
  } else if (!state.timer && !isHeld) select(name, cell, false);
}

function offsetOf(event) {
  const { top, left } = event.target.getBoundingClientRect();
  return [event.clientY - top, event.clientX - left];
}

function onCloseUp(event) {
  const offsets = offsetOf(event), place = closeUps.find(({ corner, size }) => AXES.every((k) => (
    offsets[k] >= corner[k] && offsets[k] < corner[k] + size[k])));
  if (place) onPointer(place.name, event, place);
}

function onKey(name, event) {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-8, 0], PageDown: [8, 0] };
  const by = moves[event.key], { selected } = state;
  if (!by || !isReady() || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const isHere = selected.name === name || (name !== "input" && selected.name !== "input");
  const from = isHere ? selected.cell : cellAt(name, middleOf(selected));
  hold(name, pictures[name].axes.map(({ count }, k) => clamped(from[k] + by[k], count)));
}

function onKeyAnywhere(event) {
  const isWriting = event.target.matches("input:not([type=checkbox]), select");
  if (!isReady() || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "KeyP") play();
  if (event.key !== "Escape") return;
  stop();
  select(state.selected.name, state.selected.cell, false);
}

// What the reader sees beside the numbers: theme, size of the type, language.
function applyLook() {
  document.documentElement.dataset.theme = state.isPrinting ? "light" : state.theme;
  document.documentElement.classList.toggle("large", state.large);
  readInks();
}
function look(key, value) {
  state[key] = value;
  applyLook();
  remember(false);
  render(true);
}

function openFile(file) {
  if (file) worker.postMessage({ kind: "load", key: "dropped", file });
}

function listen() {
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => { event.preventDefault(); openFile(event.dataTransfer.files[0]); };
  document.addEventListener("keydown", onKeyAnywhere);
  onpopstate = () => {
    fromHash(location.hash);
    applyLook();
    pictures = null; // the place that the address names is one of those to come
    if (isLoaded()) ask();
  };
  onresize = () => render(true);
  onbeforeprint = onafterprint = ({ type }) => {
    state.isPrinting = type === "beforeprint";
    applyLook();
    if (isReady()) PARTS.forEach((part) => part());
  };
}

startPage();
