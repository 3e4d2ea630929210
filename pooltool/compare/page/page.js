// The page: what the reader does -> state -> a question to the Worker -> its answer -> drawing.

let worker = null, asked = 0;

function startPage() {
  const code = `${$("arithmetic").textContent}\nstartWorker();`;
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => onAnswer(data);
  const base64 = [...document.querySelectorAll(".values")].map((part) => part.textContent);
  worker.postMessage({ info: DATA.info, base64 });
  fromHash(location.hash);
  buildControls();
  listen();
  applyLook();
  ask();
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
  Object.assign(state, { difference: state.difference && isChanged(), isStale: true,
    figures: undefined });
  worker.postMessage({ ...state, id: asked, stride: strideNow() });
  describeControls();
}

// What the Worker tells: that a picture was opened, or news of the state and, with those, `shown`.
// `id` is that of the question.
function onAnswer({ id = asked, isOpened, shown, news }) {
  if (isOpened) {
    $("picture").options[1].hidden = false;
    choosePicture("dropped");
  }
  if (isOpened || id !== asked) return;
  if (shown) {
    ({ info, pictures, axes: layout } = shown);
    const { height, width, busiest = [height / 2, width / 2] } = info;
    state.selected ||= { name: "max", at: isSmall() ? [0, 0] : busiest, isHeld: false };
    lit = selection();
  }
  Object.assign(state, news);
  render(true);
}

// Save a picture as it is shown, as a PNG with a pixel a value.
function save(name) {
  const { bitmap } = pictures[name], { width, height } = bitmap;
  const canvas = make("canvas", { width, height }), title = info.title || state.picture;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  canvas.toBlob((png) => make("a", { href: URL.createObjectURL(png),
    download: `${title.replace(/\.\w+$/, "")}_${name}.png` }).click());
}

// Draw in the next frame, with the words where more than the selection is new.
let drawing = null, isOld = false, hasNewWords = false;
function render(withWords = false) {
  hasNewWords = hasNewWords || withWords;
  isOld = true;
  drawing = drawing || drawAll().finally(() => { drawing = null; });
}

const PARTS = [readInks, lookAt, ...NAMES.map((name) => () => drawPicture(name)), placeCell, drawCloseUp,
  describeSelection];
const WORDS = [describeAbout, describeFormula, describeFigures, describeLessons];
async function drawAll() {
  while (isOld) {
    await new Promise(requestAnimationFrame);
    const parts = hasNewWords ? [...WORDS, ...PARTS] : PARTS;
    if (hasNewWords) [describeWords, describeControls].forEach((part) => part());
    [isOld, hasNewWords] = [false, false];
    for (const part of parts) {
      await breath();
      if (isReady()) part();
    }
  }
}

// Between two tasks of the page, so that none takes long.
let begun = 0;
async function breath() {
  if (performance.now() - begun < 6) return;
  await new Promise((resolve) => { setTimeout(resolve, 0); });
  begun = performance.now();
}

// False while there is nothing to draw.
const isReady = () => Boolean(pictures && state.selected && !state.problem);

// True when nothing is computed or drawn any more.
function isAtRest() {
  return !drawing && state.figures !== undefined;
}

// The selection, and the window that slides.

const isSelected = (name, cell) => state.selected.name === name && same(lit.cell, cell);

function pick(name, cell, isHeld) {
  if (isHeld) stop();
  const wasSelected = isSelected(name, cell);
  if (wasSelected && isHeld === state.selected.isHeld) return;
  state.revealed = state.revealed && wasSelected;
  state.selected = { name, at: middleOf(name, cell), isHeld };
  lit = selection();
  remember(false);
  render();
}

function stop() {
  if (!state.timer) return;
  clearInterval(state.timer);
  state.timer = null;
  render(true);
}

// Go to a window, counted in reading order.
function goTo(index, isHeld) {
  const name = state.selected.name === "input" ? "max" : state.selected.name, columns = countsOf()[1];
  pick(name, [Math.floor(index / columns), index % columns], isHeld);
}

// A run takes 15 seconds at most: window by window, or by rows where those are many.
function play() {
  if (!isReady()) return;
  if (state.timer) return stop();
  const [rows, columns] = countsOf(), total = rows * columns;
  const seconds = Math.min(15, 0.9 * total) / SPEEDS[state.speed];
  state.leap = seconds / total >= 0.04 ? 1 : Math.ceil(rows / (seconds / 0.04)) * columns;
  let index = state.leap > 1 ? Math.floor(columns / 2) : 0; // by rows, in their middle
  const go = () => {
    if (index >= total) return stop();
    goTo(index, false);
    index += state.leap;
  };
  state.timer = setInterval(go, 1000 * seconds / Math.ceil(total / state.leap));
  go();
  render(true);
}

function stepWindow(by) {
  if (!isReady()) return;
  const [i, j] = lit.shown || [0, 0], [rows, columns] = countsOf();
  goTo(clamped(i * columns + j + by, rows * columns), true);
}

function onPointer(name, event, { low, scale } = view) {
  if (!isReady()) return;
  const { top, left } = event.target.getBoundingClientRect(), { isHeld } = state.selected;
  const offsets = [event.clientY - top, event.clientX - left];
  const cell = cellAt(name, AXES.map((k) => low[k] + offsets[k] / scale[k]));
  if (event.type === "pointerdown") {
    stop();
    pick(name, cell, event.pointerType === "mouse" && !(isHeld && isSelected(name, cell)));
  } else if (!state.timer && !isHeld) pick(name, cell, false);
}

function onKey(name, event) {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-8, 0], PageDown: [8, 0] };
  const by = moves[event.key];
  if (!by || !isReady() || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const from = cellAt(name, state.selected.at);
  pick(name, pictures[name].axes.map(({ count }, k) => clamped(from[k] + by[k], count)), true);
}

function onKeyAnywhere(event) {
  const isWriting = event.target.matches("input:not([type=checkbox]), select");
  if (!isReady() || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "KeyP") play();
  if (event.key !== "Escape") return;
  stop();
  pick(state.selected.name, lit.cell, false);
}

// What the reader sees beside the numbers: theme, size of the type, language.
function applyLook() {
  document.documentElement.dataset.theme = state.isPrinting ? "light" : state.theme;
  document.documentElement.classList.toggle("large", state.large);
}
function look(key, value) {
  state[key] = value;
  applyLook();
  remember(false);
  render(true);
}

function openFile(file) {
  if (file) worker.postMessage({ file });
}

function listen() {
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => { event.preventDefault(); openFile(event.dataTransfer.files[0]); };
  document.addEventListener("keydown", onKeyAnywhere);
  onpopstate = () => {
    fromHash(location.hash);
    applyLook();
    ask();
  };
  onresize = () => render(true);
  onbeforeprint = onafterprint = ({ type }) => {
    state.isPrinting = type === "beforeprint";
    applyLook();
    if (isReady()) PARTS.forEach((part) => part());
  };
}

startPage();
