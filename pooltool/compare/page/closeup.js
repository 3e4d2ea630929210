// What is selected, enlarged: a part of the four pictures around it, with a line from the window to
// its results; and the window's numbers.

let closeUps = []; // the places on the strip, each with the `name` of its picture

// Where the four enlarged parts go: in a row or, where that is narrow, in two.
function closeUpPlaces() {
  const room = $("closeup").clientWidth, columns = room < 640 ? 2 : 4, gap = [46, 18];
  const side = room / columns - gap[1], most = [Math.min(side, 250), side];
  const unit = Math.max(...layout.map(({ pitch, windows }, k) => { // a result, or a large window
    const { start: first, end } = windows[lit.shown ? lit.shown[k] : 0];
    return Math.max(pitch, (end - first) / 3);
  }));
  const fitting = Math.min(...AXES.map((k) => most[k] / view.lengths[k]));
  const scale = Math.min(44, Math.max(most[0] / 8 / unit, fitting));
  const seen = AXES.map((k) => Math.min(most[k] / scale, view.lengths[k]));
  const low = AXES.map((k) => Math.max(view.low[k],
    Math.min(state.selected.at[k] - seen[k] / 2, view.low[k] + view.lengths[k] - seen[k])));
  const size = seen.map((length) => length * scale);
  return NAMES.map((name, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const corner = [20 + row * (size[0] + gap[0]), 3 + column * (size[1] + gap[1])];
    return { name, corner, size, low, scale: [scale, scale] };
  });
}

function drawCloseUp() {
  closeUps = closeUpPlaces();
  const { corner, size } = closeUps[3], lane = closeUps[0].corner[0] + size[0] + 5;
  const context = sized($("strip"), corner[1] + size[1] + 3, corner[0] + size[0] + 24);
  const boxes = closeUps.map((place) => drawPart(context, place.name, place));
  const [from, ...results] = boxes.map((own) => own.at(-1));
  results.forEach((to, i) => {
    if (!from || !to) return;
    const [left, bottom] = [from[0], from[1] + from[3]], end = to[1] > lane ? to[1] : to[1] + to[3];
    const turn = lane + 8 * i;
    outline(context, new Path2D(`M ${left} ${turn} H ${to[0]} V ${end}`), inks[METHODS[i]]);
    outline(context, new Path2D(`M ${left} ${bottom} V ${turn}`), inks.input);
  });
  for (const { name, corner: [y, x] } of closeUps) {
    context.clearRect(x, y - 19, 80, 17); // of lines
    context.fillStyle = name === "input" ? inks.ink : inks[name];
    write(context, text(name), x, y - 10, "600 13px", "left");
  }
}

// The numbers of the window that is shown in channel c: its pixels, who won, and the mean as a sum.
function channelCard(c) {
  const plane = pictures.input.planes[c], hidden = isHidden("max"), winners = {};
  const [rows, columns] = AXES.map((k) => tapsOf(layout[k], lit.shown[k]));
  const valueAt = (y, x) => plane[y * info.width + x] + 0; // + 0 makes 0 of -0
  const lines = METHODS.map((name) => {
    const result = pictures[name].planes[c][lit.shown[0] * layout[1].count + lit.shown[1]];
    const won = name === "avg" ? null : firstPlace(rows, columns, valueAt, result + 0);
    const words = won ? text("at", { row: won[0], column: won[1] })
      : meanText(rows, columns, valueAt, result);
    winners[name] = won;
    return make("p", { className: name }, make("b", text(name)),
      make("strong", hidden ? "?" : number(result)), make("span", hidden ? "" : words));
  });
  const heading = make("h3", { textContent: channelName(c), className: info.channels[c] });
  return make("article", {}, heading, ...windowTable(valueAt, hidden ? {} : winners), ...lines);
}

// [row, column] where a value stands first.
function firstPlace(rows, columns, valueAt, value) {
  for (const y of rows) for (const x of columns) if (Object.is(valueAt(y, x), value)) return [y, x];
  return null;
}

// The pixels of the window that is shown, the padding's too, the winners framed; nothing of a large
// window.
function windowTable(valueAt, winners) {
  const [ys, xs] = layout.map(({ windows, step }, k) => {
    const { start: first, length } = windows[lit.shown[k]];
    return Array.from({ length }, (_, tap) => first + tap * step);
  });
  const side = Math.min(56, 240 / Math.max(ys.length, xs.length));
  if (side < 24) return [];
  const isInside = (y, x) => y >= 0 && x >= 0 && y < info.height && x < info.width;
  const inside = ys.flatMap((y) => xs.filter((x) => isInside(y, x)).map((x) => valueAt(y, x)));
  const { size, wordsOf } = typeOf(side, side, inside);
  const table = make("table", { className: "window", ariaHidden: "true" }); // told beside it
  table.style.cssText = `--side: ${side}px; font-size: ${size}px`;
  table.append(...ys.map((y) => make("tr", {}, ...xs.map((x) => {
    const names = METHODS.filter((name) => same(winners[name], [y, x]));
    const cell = make("td", { className: names.join(" ") });
    if (isInside(y, x)) {
      const value = valueAt(y, x), light = lightness([value]);
      cell.textContent = wordsOf(value);
      cell.style.color = inkOn(light);
      cell.style.background = Number.isNaN(light) ? NAN_COLOR : `rgb(${light} ${light} ${light})`;
    }
    return cell;
  }))));
  return [table];
}
