// The close-up: a part of the four pictures enlarged around what is picked, with a line from the
// window to its results; and the numbers of one window.

let closeUps = []; // the places on the strip, each with the `name` of its picture

// Where the four enlarged parts go: in a row or, where that is narrow, in two.
function closeUpPlaces() {
  const room = $("closeup").clientWidth, columns = room < 640 ? 2 : 4, gap = 18;
  const side = (room - columns * gap) / columns, tall = Math.min(side, 250);
  const { shown } = selection(), unit = Math.max(...layout.map(({ pitch, windows }, k) => {
    const { start: first, end } = windows[shown ? shown[k] : 0];
    return Math.max(pitch, (end - first) / 3);
  }));
  const fitting = Math.min(tall / view.lengths[0], side / view.lengths[1]);
  const scale = Math.min(44, Math.max(tall / 8 / unit, fitting)), center = middleOf(state.picked);
  const parts = [tall, side].map((length, k) => {
    const seen = Math.min(length / scale, view.lengths[k]), last = view.low[k] + view.lengths[k] - seen;
    return { low: Math.max(view.low[k], Math.min(center[k] - seen / 2, last)), length: seen * scale };
  });
  const [height, width] = parts.map(({ length }) => length), low = parts.map((part) => part.low);
  return NAMES.map((name, i) => {
    const x = 3 + (i % columns) * (width + gap), y = 20 + Math.floor(i / columns) * (height + 46);
    return { name, x, y, width, height, low, scale: [scale, scale] };
  });
}

function drawCloseUp() {
  closeUps = closeUpPlaces();
  const last = closeUps[3];
  const context = sized($("strip"), last.x + last.width + 3, last.y + last.height + 24);
  const targets = [];
  for (const place of closeUps) {
    const { name, x, y, width, height } = place;
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    drawCells(context, name, place);
    const boxes = litBoxes(name, place, 4);
    if (isHidden(name)) boxes.forEach((box) => cover(context, box));
    frame(context, boxes, name === "input" ? inks.accent : inks[name]);
    context.restore();
    Object.assign(context, { fillStyle: inks[name] || inks.ink, textAlign: "left",
      textBaseline: "alphabetic", font: "600 13px ui-sans-serif, system-ui, sans-serif" });
    context.fillText(text(name), x, y - 6);
    const [first] = boxes, [, top, , tall] = boxes.at(-1) || [];
    targets.push(first && { left: first[0], top: first[1], bottom: top + tall });
  }
  const [from, ...results] = targets;
  results.forEach((to, i) => {
    if (!from || !to) return;
    const lane = closeUps[0].y + closeUps[0].height + 6 + 6 * i, begin = from.left + 4 * i;
    const end = to.top > lane ? to.top : to.bottom;
    const line = new Path2D(`M ${begin} ${from.bottom} V ${lane} H ${to.left} V ${end}`);
    for (const [strokeStyle, lineWidth] of [[inks.card, 4], [inks[NAMES[i + 1]], 2]]) {
      Object.assign(context, { strokeStyle, lineWidth });
      context.stroke(line);
    }
  });
}

// [row, column] where a value stands first among these; null where it does not.
function firstPlace(plane, rows, columns, value) {
  const isDense = columns.at(-1) - columns[0] < columns.length;
  for (const y of rows) {
    const from = y * info.width; // a line of a typed array is searched many times faster
    const line = isDense ? plane.subarray(from + columns[0], from + columns.at(-1) + 1)
      : columns.map((x) => plane[from + x]);
    const i = Number.isNaN(value) ? line.findIndex(Number.isNaN) : line.indexOf(value);
    if (i >= 0) return [y, columns[i]];
  }
  return null;
}

// The window [i, j] in a plane: its taps along rows and columns, the padding's too (of very long
// windows only what lies in the picture), where the largest and the smallest stand first, how many
// pixels there are, and so many of their values as a sum is written with.
function searchWindow(plane, shown, { max, min }) {
  const [ys, xs] = layout.map(({ windows, step }, k) => {
    const { start: first, length } = windows[shown[k]];
    return length > 64 ? tapsOf(layout[k], shown[k])
      : Array.from({ length }, (_, tap) => first + tap * step);
  });
  const [rows, columns] = layout.map((axis, k) => tapsOf(axis, shown[k]));
  const valueAt = (y, x) => plane[y * info.width + x] + 0; // + 0 makes 0 of -0
  const values = rows.slice(0, 26).flatMap((y) => columns.slice(0, 26).map((x) => valueAt(y, x)));
  const count = rows.length * columns.length, places = Object.entries({ max, min }).map(
    ([name, value]) => [name, firstPlace(plane, rows, columns, value)]);
  if (count > 25) values.splice(4, values.length, valueAt(rows.at(-1), columns.at(-1)));
  return { ys, xs, values, count, winners: Object.fromEntries(places.filter(([, place]) => place)) };
}

// A window's pixels enlarged, the winners framed; nothing of one that is too large for that.
function drawWindow(plane, { ys, xs }, winners) {
  const height = ys.length, width = xs.length, longest = Math.max(height, width);
  if (height * width > 4096) return [];
  const scale = Math.min(56, 240 / longest);
  const canvas = make("canvas"), context = sized(canvas, width * scale + 4, height * scale + 4);
  fill(context, pattern(context, "hatch"), [2, 2, width * scale, height * scale]);
  const inside = [];
  ys.forEach((y, i) => xs.forEach((x, j) => {
    if (y < 0 || x < 0 || y >= info.height || x >= info.width) return;
    const value = plane[y * info.width + x], gray = shade(value);
    const cell = { y: 2 + i * scale, x: 2 + j * scale, values: [value] };
    fill(context, Number.isNaN(value) ? "#d640c4" : `rgb(${gray} ${gray} ${gray})`,
      [cell.x, cell.y, scale, scale]);
    inside.push(cell);
  }));
  if (scale >= 9) writeCells(context, inside, scale, scale);
  for (const [name, [y, x]] of Object.entries(winners)) {
    const inset = name === "min" && same(winners.max, winners.min) ? 5 : 1.5;
    const side = Math.max(scale - 2 * inset, 4), [top, left] = [ys.indexOf(y), xs.indexOf(x)];
    Object.assign(context, { strokeStyle: inks[name], lineWidth: 3.5 });
    context.strokeRect(2 + left * scale + inset, 2 + top * scale + inset, side, side);
  }
  canvas.setAttribute("aria-hidden", "true"); // its numbers stand beside it
  return [canvas];
}

// The numbers of the window [i, j] in channel c, enlarged; who won, and the mean as a sum.
function channelCard(c, shown) {
  const plane = pictures.input.planes[c], results = {};
  for (const name of METHODS) {
    results[name] = pictures[name].planes[c][shown[0] * layout[1].count + shown[1]];
  }
  const search = searchWindow(plane, shown, results);
  const by = state.settings.count_include_pad ? "counted" : "taken";
  const counted = AXES.reduce((all, k) => all * layout[k].windows[shown[k]][by], 1);
  const hidden = isHidden("max"), lines = METHODS.map((name) => {
    const won = search.winners[name];
    let words = won ? text("at", { row: won[0], column: won[1] }) : "";
    if (name === "avg") words = meanText(search, results.avg, counted);
    return make("p", { className: name }, make("b", text(name)),
      make("strong", hidden ? "?" : number(results[name])), make("span", hidden ? "" : words));
  });
  const heading = make("h3", { textContent: channelName(c), className: info.channels[c] });
  const drawn = drawWindow(plane, search, hidden ? {} : search.winners);
  return make("article", {}, heading, ...drawn, ...lines);
}
