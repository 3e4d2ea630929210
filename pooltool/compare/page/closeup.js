// The close-up: a part of the four pictures enlarged around what is selected, with a line from the
// window to its results.

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
  const scale = Math.min(44, Math.max(tall / 8 / unit, fitting)), center = middleOf(state.selected);
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
  const last = closeUps[3], lane = closeUps[0].y + closeUps[0].height + 6;
  const context = sized($("strip"), last.x + last.width + 3, last.y + last.height + 24);
  for (const place of closeUps) {
    drawPart(context, place.name, place);
    context.fillStyle = place.name === "input" ? inks.ink : inks[place.name];
    write(context, text(place.name), place.x, place.y - 10, "600 13px", "left");
  }
  const [from, ...results] = closeUps.map((place) => litBoxes(place.name, place).at(-1));
  results.forEach((to, i) => {
    if (!from || !to) return;
    const [left, bottom] = [from[0] + 4 * i, from[1] + from[3]], end = to[1] > lane ? to[1] : to[1] + to[3];
    const line = new Path2D(`M ${left} ${bottom} V ${lane + 6 * i} H ${to[0]} V ${end}`);
    for (const [strokeStyle, lineWidth] of [[inks.card, 4], [inks[METHODS[i]], 2]]) {
      Object.assign(context, { strokeStyle, lineWidth });
      context.stroke(line);
    }
  });
}

// The numbers of the window [i, j] in channel c: its pixels, who won, and the mean as a sum.
function channelCard(c, shown) {
  const plane = pictures.input.planes[c], results = {}, winners = {};
  const [rows, columns] = AXES.map((k) => tapsOf(layout[k], shown[k]));
  const valueAt = (y, x) => plane[y * info.width + x] + 0; // + 0 makes 0 of -0
  for (const name of METHODS) {
    results[name] = pictures[name].planes[c][shown[0] * layout[1].count + shown[1]];
    winners[name] = name === "avg" ? null : firstPlace(rows, columns, valueAt, results[name] + 0);
  }
  const hidden = isHidden("max"), lines = METHODS.map((name) => {
    const won = winners[name], words = won ? text("at", { row: won[0], column: won[1] })
      : meanText(rows, columns, valueAt, results.avg, shown);
    return make("p", { className: name }, make("b", text(name)),
      make("strong", hidden ? "?" : number(results[name])), make("span", hidden ? "" : words));
  });
  const heading = make("h3", { textContent: channelName(c), className: info.channels[c] });
  const table = windowTable(valueAt, shown, hidden ? {} : winners);
  return make("article", {}, heading, ...table, ...lines);
}

// [row, column] where a value stands first.
function firstPlace(rows, columns, valueAt, value) {
  for (const y of rows) for (const x of columns) if (Object.is(valueAt(y, x), value)) return [y, x];
  return null;
}

// The pixels of a window, the padding's too, the winners framed; nothing of a large window.
function windowTable(valueAt, shown, winners) {
  const [ys, xs] = layout.map(({ windows, step }, k) => {
    const { start: first, length } = windows[shown[k]];
    return Array.from({ length }, (_, tap) => first + tap * step);
  });
  const isInside = (y, x) => y >= 0 && x >= 0 && y < info.height && x < info.width;
  const side = Math.min(56, 240 / Math.max(ys.length, xs.length));
  if (side < 24) return [];
  const words = (y, x) => (isInside(y, x) ? number(valueAt(y, x)) : "");
  const size = typeSize(side, side, ys.flatMap((y) => xs.map((x) => words(y, x))));
  const table = make("table", { className: "window", ariaHidden: "true" }); // told beside it
  for (const y of ys) {
    table.append(make("tr", {}, ...xs.map((x) => {
      const names = METHODS.filter((name) => same(winners[name], [y, x]));
      const cell = make("td", { className: names.join(" "), textContent: size ? words(y, x) : "" });
      const light = isInside(y, x) ? lightness([valueAt(y, x)]) : null;
      const background = Number.isNaN(light) ? NAN_COLOR : `rgb(${light} ${light} ${light})`;
      Object.assign(cell.style, { width: `${side}px`, height: `${side}px`, fontSize: `${size}px` });
      if (light !== null) Object.assign(cell.style, { background, color: inkOn(light) });
      return cell;
    })));
  }
  return [table];
}
